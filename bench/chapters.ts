import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { chart } from "./chart.ts";
import { keys, mavenPackage } from "./estate.ts";
import { launch, type Running } from "./launch.ts";
import { ask, load, median, quantile, residentMiB, type Stretch, series, verify } from "./measure.ts";
import { pageRows, pages, rowsIn } from "./pages.ts";
import { bodyOf, questions } from "./questions.ts";
import { figure, table } from "./report.ts";
import {
  byHand,
  type Contender,
  contenders,
  gateway,
  type Simulator,
  serverCore,
  startGateway,
  startSimulator,
} from "./servers.ts";

/** How long and how often is measured. */
export interface Pace {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** How long memory is watched under load. */
  readonly soakSeconds: number;
  /** Whether the picture of the growth is drawn anew. */
  readonly draws: boolean;
}

const connections = 32;

interface Started extends Running {
  readonly contender: Contender;
}

/** Runs some servers over fresh backends and stops them again, whatever happens. */
async function withServers<T>(
  latencyMs: number,
  wanted: readonly Contender[],
  work: (servers: readonly Started[], simulator: Simulator) => Promise<T>,
): Promise<T> {
  const simulator = await startSimulator(latencyMs);
  const servers: Started[] = [];
  try {
    for (const contender of wanted) servers.push({ ...(await contender.start(simulator)), contender });
    return await work(servers, simulator);
  } finally {
    await Promise.all([...servers, simulator].map(({ stop }) => stop()));
  }
}

/** The main table: throughput of everybody relative to the limit. */
export function throughput(pace: Pace): Promise<string> {
  return withServers(0, contenders, async (servers, simulator) => {
    const calls = new Map<string, number>();
    const ratios = new Map<string, number[]>();
    const limits = new Map<string, number[]>();
    const cpuRatios = new Map<string, number[]>();
    const cpuCosts = new Map<string, number[]>();
    for (const question of questions) {
      for (const { ready, contender } of servers) {
        calls.set(`${contender.name} ${question.name}`, await verify(ready, question, simulator, contender.name));
        progress(`${contender.name} ${question.name}: checked`);
      }
    }
    for (const question of questions) {
      if (pace.warmSeconds > 0) {
        for (const server of servers) await load(server, question, { connections, keys, seconds: pace.warmSeconds });
      }
      for (let round = 0; round < pace.rounds; round++) {
        const speeds = new Map<string, number>();
        const costs = new Map<string, number>();
        for (const server of servers) {
          const { perSecond, cpuMicros } = await load(server, question, { connections, keys, seconds: pace.seconds });
          speeds.set(server.contender.name, perSecond);
          costs.set(server.contender.name, cpuMicros);
        }
        const limit = speeds.get(byHand.name) ?? Number.NaN;
        const least = costs.get(byHand.name) ?? Number.NaN;
        push(limits, question.name, limit);
        for (const [name, speed] of speeds) push(ratios, `${name} ${question.name}`, speed / limit);
        for (const [name, cost] of costs) {
          push(cpuRatios, `${name} ${question.name}`, least / cost);
          push(cpuCosts, `${name} ${question.name}`, cost);
        }
        progress(
          `${question.name} ${round + 1}: ${[...speeds].map(([name, speed]) => `${name} ${Math.round(speed)}`).join(", ")}`,
        );
      }
    }
    const head = ["", ...questions.map(({ title, calls: least }) => `${title} (${least} calls)`)];
    const rows = contenders.map(({ name, title }) => [
      title,
      ...questions.map((question) => {
        const cost = calls.get(`${name} ${question.name}`) ?? 0;
        const extra = cost === question.calls ? "" : `, ${cost} calls`;
        return `${spread(ratios.get(`${name} ${question.name}`) ?? [])}${extra}`;
      }),
    ]);
    const limit = questions.map(({ name }) => `${Math.round(median(limits.get(name) ?? []))}/s`).join(", ");
    const cpuRows = contenders.map(({ name, title }) => [
      title,
      ...questions.map((question) => {
        const key = `${name} ${question.name}`;
        return `${spread(cpuRatios.get(key) ?? [])}, ${Math.round(median(cpuCosts.get(key) ?? []))} µs`;
      }),
    ]);
    return [
      table(head, rows),
      `The limit itself: ${limit} with ${connections} connections.`,
      "The same by processor time of one answer, which a busy neighbour on the machine disturbs less:",
      table(head, cpuRows),
    ].join("\n\n");
  });
}

/** Eight keys over and over: what sharing equal calls in flight brings. */
export function hotKeys(pace: Pace): Promise<string> {
  return withServers(0, [byHand, gateway], async (servers) => {
    const rows: string[][] = [];
    for (const question of questions) {
      const ratios: number[] = [];
      const cpuRatios: number[] = [];
      if (pace.warmSeconds > 0) {
        for (const server of servers) await load(server, question, { connections, keys: 8, seconds: pace.warmSeconds });
      }
      for (let round = 0; round < pace.rounds; round++) {
        const [hand, own] = servers;
        if (!hand || !own) throw new Error("both were started");
        const limit = await load(hand, question, { connections, keys: 8, seconds: pace.seconds });
        const stretch = await load(own, question, { connections, keys: 8, seconds: pace.seconds });
        ratios.push(stretch.perSecond / limit.perSecond);
        cpuRatios.push(limit.cpuMicros / stretch.cpuMicros);
      }
      rows.push([question.title, spread(ratios), spread(cpuRatios)]);
      progress(`hot keys, ${question.name}: ${spread(ratios)}`);
    }
    return table(["8 hot keys", "gateway relative to the limit", "by processor time"], rows);
  });
}

const latencyMs = 20;
/** The share of what is answered at saturation that is asked for where the tail is looked at. */
const belowSaturation = 0.6;

/** With slow backends: what the gateway adds to the waves of a question. */
export function latency(pace: Pace): Promise<string> {
  return withServers(latencyMs, [gateway, byHand], async ([server, limit]) => {
    if (!server || !limit) throw new Error("both were started");
    const rows: string[][] = [];
    for (const question of questions) {
      const bodies = Array.from({ length: 64 }, (_, key) => bodyOf(question, key));
      await series(server.ready, bodies, 20 * pace.rounds);
      await series(limit.ready, bodies, 20 * pace.rounds);
      const one = await series(server.ready, bodies, pace.rounds * 40);
      const hand = await series(limit.ready, bodies, pace.rounds * 40);
      const p50 = median(one);
      const least = question.waves * latencyMs;
      const many = { connections: 200, keys, seconds: pace.seconds * 2 };
      const crowd = await load(server, question, many);
      // With 200 of them each waits for seconds, and a short stretch counts too few: 64 saturate as well.
      const most = await load(server, question, { connections: 64, keys, seconds: pace.seconds });
      const below = await load(server, question, { ...many, rate: most.perSecond * belowSaturation });
      rows.push([
        question.title,
        String(question.waves),
        `${figure(p50)} ms`,
        `${figure(p50 - least)} ms`,
        `${figure(median(hand))} ms`,
        tail(below),
        tail(crowd),
      ]);
      progress(`latency, ${question.name}: ${figure(p50)} ms`);
    }
    const head = [
      `backends at ${latencyMs} ms`,
      "waves",
      "p50, one client",
      `p50 above waves × ${latencyMs} ms`,
      "p50 by hand",
      `p50 / p99, 200 clients at ${belowSaturation * 100} % of saturation`,
      "the same at saturation",
    ];
    return table(head, rows);
  });
}

/** Resident memory, idle and under the largest question, and what one large page keeps alive. */
export function memory(pace: Pace): Promise<string> {
  return withServers(0, [gateway], async ([server]) => {
    const question = questions.at(-1);
    if (!server || !question) throw new Error("the gateway was started");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const idle = residentMiB(server.child.pid);
    const samples: number[] = [];
    const sampling = setInterval(() => samples.push(residentMiB(server.child.pid)), 250);
    const { perSecond } = await load(server, question, { connections, keys, seconds: pace.soakSeconds });
    clearInterval(sampling);
    const half = samples.slice(Math.floor(samples.length / 2));
    const quarter = samples.slice(Math.floor(samples.length * 0.75));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const after = residentMiB(server.child.pid);
    const rows = [
      ["idle, GraphiQL off", `${figure(idle)} MiB`],
      [
        `under ${connections} connections of the third question, most in ${lasting(pace.soakSeconds)}`,
        `${figure(Math.max(...samples))} MiB`,
      ],
      [
        "the same, third quarter → last quarter (median)",
        `${figure(median(half.slice(0, half.length / 2)))} → ${figure(median(quarter))} MiB`,
      ],
      ["idle again, a second after", `${figure(after)} MiB`],
    ];
    return [
      table(["memory", "resident"], rows),
      `${Math.round(perSecond)} answers a second while it was watched.`,
      await liveHeap(pace),
    ].join("\n\n");
  });
}

function lasting(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
}

/** The lines that a process says from now on, one for each call. */
function linesOf({ child }: Running): () => Promise<string> {
  if (child.stdout === null) throw new Error("nothing to read");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => {
    const { value } = await lines.next();
    return String(value);
  };
}

/** What one page of a hundred rows keeps alive while it is answered. */
async function liveHeap(pace: Pace): Promise<string> {
  const simulator = await startSimulator(0);
  const program = ["--expose-gc", "bench/live-heap.ts", JSON.stringify(simulator.addresses)];
  const server = await launch(serverCore, program, /ready on (http:\S+)/);
  const said = linesOf(server);
  const asked = async (body: string) => {
    const answer = await ask(`${server.ready}/graphql`, body);
    return { ...answer, bytes: Number.parseInt(await said(), 10) };
  };
  const warming = 8;
  try {
    const rows: string[][] = [];
    for (const { title, body } of pages) {
      const bytes: number[] = [];
      let size = 0;
      for (let key = 0; key < warming + 3 * pace.rounds; key++) {
        const { data, errors, bytes: alive } = await asked(body(key));
        if (errors !== undefined || rowsIn(data) < pageRows) throw new Error(`${title}: ${JSON.stringify(errors)}`);
        size = JSON.stringify(data).length;
        if (key >= warming) bytes.push(alive);
        // A small answer takes the place of whatever the large one left behind in sockets and parsers.
        await asked(JSON.stringify({ query: "{ __typename }" }));
      }
      rows.push([title, `${Math.round(size / 1024)} KiB`, `${figure(median(bytes) / 1_048_576)} MiB`]);
      progress(`live heap, ${title}: ${bytes.map((one) => Math.round(one / 1024)).join(", ")} KiB`);
    }
    return [
      table(["one page", "its answer", "alive for it at most"], rows),
      [
        "Alive is what a full collection leaves of heap and buffers, less what it left when the request began. It is",
        "looked at when an upstream answer has come, when a batch has been read, when the answer is written down and when",
        "it goes to the socket; the most of these counts, the median of the answers is shown.",
      ].join("\n"),
    ].join("\n\n");
  } finally {
    await server.stop();
    await simulator.stop();
  }
}

/** From the start of the process to its ready line, with and without what earlier starts have left behind. */
export async function startUp(pace: Pace): Promise<string> {
  const simulator = await startSimulator(0);
  const timed = async (environment: Readonly<Record<string, string>> = {}) => {
    const { readyMs, stop } = await startGateway(simulator, "", environment);
    await stop();
    return readyMs;
  };
  try {
    const firsts: number[] = [];
    const later: number[] = [];
    await timed();
    for (let index = 0; index < pace.rounds + 1; index++) {
      later.push(await timed());
      // A folder of its own, with no compiled code in it.
      const empty = mkdtempSync(join(tmpdir(), "bench-"));
      firsts.push(await timed({ NODE_COMPILE_CACHE: empty }));
      rmSync(empty, { recursive: true });
    }
    const row = (name: string, times: readonly number[]) => [
      name,
      `${Math.round(median(times))} ms (${Math.round(Math.min(...times))}–${Math.round(Math.max(...times))})`,
    ];
    return table(
      ["start to ready", "median (min–max)"],
      [row("gateway", later), row("the very first time on a machine", firsts)],
    );
  } finally {
    await simulator.stop();
  }
}

const sizes = [1, 10, 100] as const;

/** How the time of one answer grows with rows and with fields of each row. */
export async function growth(pace: Pace): Promise<string> {
  const simulator = await startSimulator(0);
  const server = await startGateway(simulator, "limits: { aliases: 1000, tokens: 5000 }");
  try {
    const lines: { fields: number; points: { rows: number; ms: number }[] }[] = [];
    for (const fields of sizes) {
      const points = [];
      for (const rows of sizes) {
        const bodies = Array.from({ length: 32 }, (_, key) => growthBody(rows, fields, key));
        const answer = await ask(server.ready, bodies[0] ?? "");
        if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
        await series(server.ready, bodies, 100 * pace.rounds);
        const times = await series(server.ready, bodies, 60 * pace.rounds);
        points.push({ rows, ms: quantile(times, 0.5) });
      }
      lines.push({ fields, points });
      progress(`growth, ${fields} fields: ${points.map(({ rows, ms }) => `${rows} rows ${figure(ms)} ms`).join(", ")}`);
    }
    if (pace.draws) chart(lines, new URL("../docs/performance-growth.svg", import.meta.url));
    const rows = lines.map(({ fields, points }) => [String(fields), ...points.map(({ ms }) => `${figure(ms)} ms`)]);
    return `${table(["fields of each row", ...sizes.map((size) => `${size} row${size === 1 ? "" : "s"}`)], rows)}\n\n![Time of one answer by rows and fields](performance-growth.svg)`;
  } finally {
    await server.stop();
    await simulator.stop();
  }
}

const fieldNames = [
  "name",
  "createdAt",
  "size",
  "downloads",
  "purl",
  "createdBy",
  "tags",
  "stages",
  "updatedAt",
  "fileCount",
];

function growthBody(rows: number, fields: number, key: number): string {
  const selection = Array.from({ length: fields }, (_, index) => `f${index}: ${fieldNames[index % fieldNames.length]}`);
  const query = `query Growth($key: String!) { package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: $key }) { versions(first: ${rows}) { nodes { ${selection.join(" ")} } } } }`;
  return JSON.stringify({ query, variables: { key: mavenPackage(key).key } });
}

function tail({ p50, p99, perSecond }: Stretch): string {
  return `${figure(p50)} / ${figure(p99)} ms (${figure(p99 / p50)}) at ${Math.round(perSecond)}/s`;
}

function push<K>(lists: Map<K, number[]>, key: K, value: number): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}

function spread(values: readonly number[]): string {
  return `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
