import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Estate, startEstate } from "../demo/estate.ts";
import type { Fault } from "../demo/server.ts";
import { corpus } from "./support/corpus.ts";
import type { Answer } from "./support/gateway.ts";
import { type GatewayProcess, startMain } from "./support/process.ts";
import { untruths } from "./support/truth.ts";

/*
 * `npm run soak`: a gateway in a process of its own, clients that ask the whole corpus over and over, and backends that
 * fail at random. Ends with 1 when an answer was wrong or late, when memory grew or when a socket stayed open.
 */

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    clients: { type: "string", default: "16" },
    seed: { type: "string", default: "1" },
    /** Asks only the questions whose file names hold this. */
    only: { type: "string", default: "" },
    /** Puts the report into docs/reliability.md. */
    write: { type: "boolean", default: false },
  },
});
const seconds = Number(options.seconds);
const clients = Number(options.clients);

const questions = corpus.filter(({ name }) => name.includes(options.only));
const deadlineMs = 3000;
const coolDownMs = 500;
const kinds = ["zadig", "bkrepo", "swr", "gitlab"] as const;
const names = { zadig: "zadig", bkrepo: "bkrepo", swr: "swr-north4", gitlab: "gitlab" } as const;
type Kind = (typeof kinds)[number];

/** Everything that a backend can do to us, slow ways and quick ones. */
const faults: readonly Fault[] = [
  { kind: "down" },
  { kind: "reset" },
  { kind: "slow", ms: 1500 },
  { kind: "drip", everyMs: 20 },
  { kind: "endless" },
  { kind: "huge", bytes: 1_073_741_824 },
  { kind: "throttle" },
  { kind: "throttle", retryAfter: "1" },
  { kind: "throttle", retryAfter: "60" },
  { kind: "status", status: 500 },
  { kind: "status", status: 503, times: 5 },
  { kind: "flaky", percent: 30 },
  { kind: "html" },
  { kind: "truncated" },
  { kind: "malformed" },
  { kind: "empty" },
  { kind: "content-type", type: "application/octet-stream" },
];

// Small and good enough: the same seed makes the same story, as far as the machine lets it.
let state = Number(options.seed) >>> 0;
function random(): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
function pick<T>(from: readonly T[]): T {
  const one = from[Math.floor(random() * from.length)];
  if (one === undefined) throw new RangeError("nothing to pick from");
  return one;
}

/** When each backend was in trouble: from its fault until its breaker has had time to close again. */
const trouble = new Map<Kind, { from: number; to: number }[]>(kinds.map((kind) => [kind, []]));

async function makeTrouble(estate: Estate, end: number): Promise<void> {
  await Promise.all(
    kinds.map(async (kind) => {
      while (performance.now() < end) {
        await sleep(500 + random() * 4000);
        const span = { from: performance.now(), to: Number.POSITIVE_INFINITY };
        trouble.get(kind)?.push(span);
        await estate.servers[kind].setFault(pick(faults));
        await sleep(200 + random() * 2000);
        await estate.servers[kind].setFault(null);
        span.to = performance.now() + deadlineMs + 3 * coolDownMs;
      }
    }),
  );
}

function troubled(from: number, to: number): string[] {
  return kinds
    .filter((kind) => trouble.get(kind)?.some((span) => span.from <= to && from <= span.to))
    .map((kind) => names[kind]);
}

interface Tally {
  readonly times: number[];
  readonly outcomes: Map<string, number>;
  readonly wrong: string[];
}

async function askOn(url: string, healthy: ReadonlyMap<string, Answer>, end: number, tally: Tally): Promise<void> {
  while (performance.now() < end) {
    const { name, query, variables } = pick(questions);
    // One in twenty has no patience.
    const signal = random() < 0.05 ? AbortSignal.timeout(Math.ceil(random() * 50)) : null;
    const started = performance.now();
    const answer = await ask(url, query, variables, signal).catch((error: unknown) =>
      signal?.aborted ? null : String(error),
    );
    const ended = performance.now();
    if (answer === null) {
      add(tally.outcomes, "client left");
      continue;
    }
    tally.times.push(ended - started);
    const before = healthy.get(name);
    const broken = troubled(started - 100, ended + 100);
    const found =
      typeof answer === "string" || !before ? [String(answer)] : untruths(before, answer, { broken, sometimes: true });
    const said = typeof answer === "string" ? "" : ` in ${answer.text.slice(0, 2000)}`;
    tally.wrong.push(...found.map((what) => `${name} with trouble in [${broken.join(", ")}]: ${what}${said}`));
    const codes =
      typeof answer === "string" ? [answer] : answer.body.errors?.map(({ extensions }) => extensions?.["code"]);
    add(tally.outcomes, codes === undefined || codes.length === 0 ? "whole" : "partial");
    for (const code of new Set(codes)) add(tally.outcomes, String(code));
  }
}

async function ask(url: string, query: string, variables: unknown, signal: AbortSignal | null): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
    signal,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** What the gateway says of itself. */
async function figures(
  url: string,
): Promise<{ readonly rss: number; readonly heap: number; readonly upstream: number; readonly fds: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce(
      (all, [, value]) => all + Number(value),
      0,
    );
  return {
    rss: sum("process_resident_memory_bytes"),
    upstream: sum("delivery_graph_upstream_calls_total"),
    fds: sum("process_open_fds"),
    heap: sum("nodejs_heap_size_used_bytes"),
  };
}

async function startSubject(estate: Estate, folder: string): Promise<GatewayProcess> {
  const listed = estate.settings["backends"];
  const common = { timeoutMs: 1000, retries: 1, breaker: { failures: 5, coolDownMs }, maxResponseBytes: 4_194_304 };
  const backends = (Array.isArray(listed) ? listed : []).map((entry: { readonly name: string }) => ({
    ...entry,
    ...common,
    // One of them with a cache: what stands in must be as true as what it stands for.
    ...(entry.name === names.gitlab ? { cache: { staleIfErrorMs: 60_000 } } : {}),
  }));
  const file = join(folder, "gateway.yaml");
  writeFileSync(file, JSON.stringify({ ...estate.settings, limits: { deadlineMs }, backends }));
  return startMain(["--config", file]);
}

const MiB = 1_048_576;
const inMiB = (bytes: number) => `${(bytes / MiB).toFixed(0)} MiB`;

async function soak(): Promise<{ readonly report: string; readonly isGood: boolean }> {
  const folder = await mkdtemp(join(tmpdir(), "soak-"));
  const estate = await startEstate();
  const gateway = await startSubject(estate, folder);
  try {
    const { url } = gateway;
    for (const server of Object.values(estate.servers)) server.setLatency(3);
    const atStart = await figures(url);
    const healthy = new Map<string, Answer>();
    for (const { name, query, variables } of corpus) healthy.set(name, await ask(url, query, variables, null));
    const tally: Tally = { times: [], outcomes: new Map(), wrong: [] };
    const run = async (forSeconds: number, into: Tally) => {
      const end = performance.now() + forSeconds * 1000;
      const asking = Array.from({ length: clients }, () => askOn(url, healthy, end, into));
      await Promise.all([...asking, makeTrouble(estate, end)]);
    };
    // Code is compiled and pools are filled before anything is counted.
    await run(Math.min(15, seconds / 4), { times: [], outcomes: new Map(), wrong: tally.wrong });
    const warm = await figures(url);
    const memory: number[] = [];
    for (let sixth = 0; sixth < 6; sixth++) {
      await run(seconds / 6, tally);
      memory.push((await figures(url)).rss);
    }
    const after = await figures(url);
    // Longer than anybody keeps an idle connection.
    await sleep(8000);
    const idle = await figures(url);
    const open = kinds.map((kind) => estate.servers[kind].sockets());
    gateway.signal("SIGTERM");
    const { code, stderr } = await gateway.ended;

    const times = tally.times.toSorted((one, other) => one - other);
    const quantile = (part: number) => Math.round(times[Math.floor(part * (times.length - 1))] ?? 0);
    // What the second half took beyond the first: a leak goes on, a heap that finds its size does not.
    const grown = Math.max(...memory.slice(3), idle.rss) - Math.max(...memory.slice(0, 3));
    const slack = 250;
    const checks: readonly (readonly [what: string, holds: boolean])[] = [
      [`wrong answers: ${tally.wrong.length} (must be 0)`, tally.wrong.length === 0],
      [`p99 ${quantile(0.99)} ms, deadline ${deadlineMs} ms (must be within it)`, quantile(0.99) <= deadlineMs],
      [`slowest ${quantile(1)} ms (must be within the deadline and ${slack} ms)`, quantile(1) <= deadlineMs + slack],
      [`memory grown by ${inMiB(grown)} in the second half (must be less than 64 MiB)`, grown < 64 * MiB],
      [`upstream sockets when idle: ${open.join(" + ")} (must be 0)`, open.every((count) => count === 0)],
      [`exit code after SIGTERM: ${code} (must be 0)`, code === 0],
    ];
    const lines = [
      `| ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} cores shared with the clients and the four backends | |`,
      "|---|---|",
      `| duration, clients, seed | ${seconds} s, ${clients}, ${options.seed} |`,
      `| faults | ${[...trouble.values()].flat().length}, of ${faults.length} kinds, in four backends independently |`,
      `| operations answered | ${times.length} (${Math.round(times.length / seconds)} per second) |`,
      `| outcomes | ${[...tally.outcomes]
        .toSorted(([, one], [, other]) => other - one)
        .map(([key, count]) => `${key} ${count}`)
        .join(", ")} |`,
      `| requests sent upstream | ${after.upstream - warm.upstream} |`,
      `| time to answer | p50 ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms, p99 ${quantile(0.99)} ms, max ${quantile(1)} ms; deadline ${deadlineMs} ms |`,
      `| RSS of the gateway | ${inMiB(atStart.rss)} at start, ${inMiB(warm.rss)} warm, then every sixth: ${memory.map(inMiB).join(", ")}; ${inMiB(idle.rss)} idle, of it ${inMiB(idle.heap)} heap in use |`,
      `| open file descriptors | ${atStart.fds} at start, ${idle.fds} idle |`,
      ...checks.map(([what, holds]) => `| ${holds ? "held" : "**broken**"} | ${what} |`),
    ];
    const isGood = checks.every(([, holds]) => holds);
    const examples = [...new Set(tally.wrong)].slice(0, 20);
    const more = isGood ? "" : `\n${examples.join("\n")}\n${stderr.slice(-2000)}`;
    return { report: lines.join("\n") + more, isGood };
  } finally {
    await gateway.close();
    await estate.close();
    await rm(folder, { recursive: true });
  }
}

const { report, isGood } = await soak();
process.stdout.write(`${report}\n`);
if (options.write && isGood) {
  const page = new URL("../docs/reliability.md", import.meta.url);
  const text = readFileSync(page, "utf8");
  writeFileSync(page, text.replace(/(<!-- soak -->\n)[\s\S]*?(<!-- \/soak -->)/, `$1\n${report}\n\n$2`));
}
process.exitCode = isGood ? 0 : 1;
