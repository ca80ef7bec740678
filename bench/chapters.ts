import process from "node:process";
import { chart } from "./chart.ts";
import { keys, mavenPackage } from "./estate.ts";
import type { Running } from "./launch.ts";
import { ask, load, median, quantile, residentMiB, series, verify } from "./measure.ts";
import { bodyOf, questions } from "./questions.ts";
import { figure, table } from "./report.ts";
import {
  byHand,
  type Contender,
  contenders,
  gateway,
  type Simulator,
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
      rows.push([
        question.title,
        String(question.waves),
        `${figure(p50)} ms`,
        `${figure(p50 - least)} ms`,
        `${figure(median(hand))} ms`,
        `${crowd.p50} / ${crowd.p99} ms (${figure(crowd.p99 / crowd.p50)}) at ${Math.round(crowd.perSecond)}/s`,
      ]);
      progress(`latency, ${question.name}: ${figure(p50)} ms`);
    }
    const head = [
      `backends at ${latencyMs} ms`,
      "waves",
      "p50, one client",
      `p50 above waves × ${latencyMs} ms`,
      "p50 by hand",
      "p50 / p99, 200 clients",
    ];
    return table(head, rows);
  });
}

/** Resident memory, idle and under the largest question. */
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
    const rows = [
      ["idle, GraphiQL off", `${figure(idle)} MiB`],
      [
        `under ${connections} connections of the third question, most in ${pace.soakSeconds} s`,
        `${figure(Math.max(...samples))} MiB`,
      ],
      [
        "the same, third quarter → last quarter (median)",
        `${figure(median(half.slice(0, half.length / 2)))} → ${figure(median(quarter))} MiB`,
      ],
    ];
    return `${table(["memory", "resident"], rows)}\n\n${Math.round(perSecond)} answers a second while it was watched.`;
  });
}

/** From the start of the process to its ready line. */
export async function startUp(pace: Pace): Promise<string> {
  const simulator = await startSimulator(0);
  const times: number[] = [];
  try {
    for (let index = 0; index < pace.rounds + 1; index++) {
      const running = await gateway.start(simulator);
      times.push(running.readyMs);
      await running.stop();
    }
  } finally {
    await simulator.stop();
  }
  return table(
    ["start to ready", "median (min–max)"],
    [
      [
        "gateway",
        `${Math.round(median(times))} ms (${Math.round(Math.min(...times))}–${Math.round(Math.max(...times))})`,
      ],
    ],
  );
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

function push<K>(lists: Map<K, number[]>, key: K, value: number): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}

function spread(values: readonly number[]): string {
  return `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
