import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Estate, startEstate } from "../../demo/estate.ts";
import { corpus } from "../support/corpus.ts";
import { type GatewayProcess, startMain } from "../support/process.ts";

/** What a backend makes of each value of its answers; the members of an object are changed before the object. */
type Change = (value: unknown) => unknown;

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function changed(value: unknown, change: Change): unknown {
  if (Array.isArray(value)) return change(value.map((one) => changed(one, change)));
  if (!isMap(value)) return change(value);
  return change(Object.fromEntries(Object.entries(value).map(([name, one]) => [name, changed(one, change)])));
}

const lists =
  (make: (rows: readonly unknown[]) => unknown): Change =>
  (value) =>
    Array.isArray(value) ? make(value) : value;
const texts =
  (make: (text: string) => unknown): Change =>
  (value) =>
    typeof value === "string" ? make(value) : value;

const nested = (depth: number): unknown => JSON.parse(`${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`);
const members = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`member-${index}`, index]));

const changes: Readonly<Record<string, Change>> = {
  // Lists within lists multiply.
  "repeats its rows": lists((rows) => Array.from({ length: 4 }, () => rows).flat()),
  "sends thousands of rows without anything in them": lists(() => Array.from({ length: 5000 }, () => ({}))),
  "sends no rows": lists(() => []),
  "nests what nobody asked for": (value) => (isMap(value) ? { ...value, surprise: nested(14) } : value),
  "sends hundreds of members more": (value) => (isMap(value) ? { ...value, ...members } : value),
  "puts slashes behind each text": texts((text) => `${text}${"/".repeat(2000)}`),
  "puts blanks, dots and dashes behind each text": texts((text) => `${text}${" .-".repeat(700)}`),
  "turns its texts round and breaks its characters": texts((text) => `\u202e${text}\u0000\ud800<script>`),
  "counts without end": (value) => (typeof value === "number" ? 9e15 : value),
  "counts backwards": (value) => (typeof value === "number" ? -1 : value),
  "sends null for everything": (value) => (isMap(value) || Array.isArray(value) ? value : null),
  "takes lists for objects": (value) => (isMap(value) ? Object.entries(value) : value),
};

describe("a backend that answers every operation in its own way", () => {
  const folder = mkdtempSync(join(tmpdir(), "hostile-"));
  let estate: Estate;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    estate = await startEstate({ faults: new Map() });
    const file = join(folder, "gateway.yaml");
    writeFileSync(file, JSON.stringify(estate.settings));
    gateway = await startMain(["--config", file]);
  });
  afterEach(() => {
    for (const server of Object.values(estate.servers)) server.setTamper(null);
  });
  afterAll(async () => {
    await gateway.close();
    await estate.close();
    rmSync(folder, { recursive: true });
  });

  /** Figures of the process; the longest turn is that since they were read before. */
  async function figures(): Promise<{ readonly bytes: number; readonly longestTurnSeconds: number }> {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    const read = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    return {
      bytes: read("process_resident_memory_bytes"),
      longestTurnSeconds: read("nodejs_eventloop_lag_max_seconds"),
    };
  }

  const vendors = ["zadig", "bkrepo", "swr", "gitlab"] as const;
  const cases = vendors.flatMap((vendor) => Object.keys(changes).map((name) => [vendor, name] as const));

  test.each(cases)("%s %s: reported in closed codes, within bounds", { timeout: 60_000 }, async (vendor, name) => {
    const change = changes[name];
    if (!change) throw new Error("a change by its name");
    const seen = Object.entries(estate.servers).filter(([server]) => server.startsWith(vendor));
    expect(seen).toHaveLength(1);
    for (const [, server] of seen) server.setTamper((reply) => ({ ...reply, body: changed(reply.body, change) }));
    for (const { query, variables } of corpus) {
      for (const [, server] of seen) server.forget();
      const answer = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, variables }),
      });
      const text = await answer.text();
      expect(text.length).toBeLessThan(17_000_000);
      const { errors = [] }: { errors?: { message: string; extensions: { code: string } }[] } = JSON.parse(text);
      expect(answer.status).toBe(200);
      expect(errors.length).toBeLessThanOrEqual(101);
      const codes = errors.map(({ extensions }) => extensions.code);
      expect(codes.filter((code) => !code.startsWith("UPSTREAM_") && code !== "COST_LIMIT_EXCEEDED")).toEqual([]);
      for (const [, server] of seen) expect(server.seen.length).toBeLessThanOrEqual(200);
    }
    const { bytes, longestTurnSeconds } = await figures();
    expect(bytes).toBeLessThan(700 * 1024 * 1024);
    // By the clock: other processes of the machine have their part in it.
    expect(longestTurnSeconds).toBeLessThan(1);
  });

  test("and the gateway is as well as before", async () => {
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    expect(gateway.stderr()).not.toContain('"level":50');
  });
});
