import { deepStrictEqual } from "node:assert";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keys } from "./estate.ts";
import { type Running, run } from "./launch.ts";
import { bodyOf, type Question } from "./questions.ts";
import { loadCore, type Simulator } from "./servers.ts";

/** One stretch under load. */
export interface Stretch {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** Processor time that one answer took the server, in microseconds; NaN where the system does not tell. */
  readonly cpuMicros: number;
}

/** Asks once and reads the answer. */
export async function ask(url: string, body: string): Promise<{ data?: unknown; errors?: unknown }> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  return JSON.parse(await response.text());
}

/** Every answer must be the expected one before anything is measured; the upstream calls that one answer cost. */
export async function verify(url: string, question: Question, simulator: Simulator, name: string): Promise<number> {
  await simulator.calls();
  const asked = [0, 1, 7, keys - 1];
  for (const key of asked) {
    const answer = await ask(url, bodyOf(question, key));
    deepStrictEqual(answer, { data: question.data(key) }, `${name} answers ${question.name} wrongly`);
  }
  return (await simulator.calls()) / asked.length;
}

/** How a server is loaded. */
export interface Load {
  readonly connections: number;
  readonly seconds: number;
  readonly keys: number;
  /** Requests a second, evenly; left out, every connection asks again as soon as it was answered. */
  readonly rate?: number;
}

/** Loads one server with so many connections, each asking for one key after the other. */
export async function load({ ready: url, child }: Running, question: Question, options: Load): Promise<Stretch> {
  const file = join(tmpdir(), `bench-${process.pid}-${question.name}-${options.keys}.json`);
  writeFileSync(file, JSON.stringify(Array.from({ length: options.keys }, (_, key) => bodyOf(question, key))));
  const before = cpuMs(child.pid);
  const { rate, connections, seconds } = options;
  const program = rate === undefined ? ["bench/load.mjs"] : ["bench/paced.mjs"];
  const numbers = [connections, seconds, ...(rate === undefined ? [] : [rate])].map(String);
  const said = await run(loadCore, [...program, url, file, ...numbers]);
  rmSync(file);
  const stretch: Omit<Stretch, "cpuMicros"> = JSON.parse(said);
  if (stretch.failed > 0) throw new Error(`${stretch.failed} requests failed at ${url}`);
  const answers = stretch.perSecond * options.seconds;
  return { ...stretch, cpuMicros: ((cpuMs(child.pid) - before) * 1000) / answers };
}

/** Milliseconds of `count` requests of one client, one after the other. */
export async function series(url: string, bodies: readonly string[], count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    await ask(url, bodies[index % bodies.length] ?? "");
    times.push(performance.now() - started);
  }
  return times;
}

/** Processor time that a process has used, as Linux counts it in hundredths of a second; NaN elsewhere. */
function cpuMs(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

/** Resident memory of a process in MiB, as Linux tells it; NaN elsewhere. */
export function residentMiB(pid: number | undefined): number {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kib) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** The middle of the values; of an even number, the upper one. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which this share of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
