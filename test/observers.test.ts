import process from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEstate } from "../demo/estate.ts";
import { configOf } from "../src/config/index.ts";
import { startGateway } from "../src/server/gateway.ts";
import type { Observer } from "../src/server/observability/telemetry.ts";
import { usesFastPath } from "./support/started.ts";

// An observer is a part of the process that only watches: its errors must not change an answer, and must not be lost.

const query = '{ releases(filter: { project: "pay" }, first: 1) { nodes { version } } }';
const silent = { info: () => {}, warn: () => {}, error: () => {} };

let uncaught: unknown[] = [];
let others: NodeJS.UncaughtExceptionListener[] = [];
const collect = (error: unknown) => void uncaught.push(error);

beforeEach(() => {
  uncaught = [];
  others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", collect);
});

afterEach(() => {
  process.removeAllListeners("uncaughtException");
  for (const listener of others) process.on("uncaughtException", listener);
});

/** The answers to the query, the second one with a backend that fails, and the requests that still have a slot. */
async function answersWith(observers: readonly Observer[]) {
  const estate = await startEstate();
  const reading = configOf(estate.settings, { PORT: "0", HOST: "127.0.0.1" });
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const options = { config: reading.config, log: silent, version: "0.0.0-test", observers, fastPath: usesFastPath };
  const gateway = await startGateway(options);
  const ask = async () => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers,
      body: JSON.stringify({ query }),
    });
    return response.text();
  };
  try {
    const answers = [await ask()];
    await estate.servers.zadig.setFault({ kind: "malformed" });
    answers.push(await ask());
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    return { answers, slots: /^delivery_graph_upstream_in_flight\{backend="zadig"\} (\d+)$/m.exec(metrics)?.[1] };
  } finally {
    await gateway.stop(1000);
    await estate.close();
  }
}

test("an observer that throws changes no answer, occupies no slot, hides nothing from others, and is reported", async () => {
  const expected = await answersWith([]);
  expect(expected.answers[0]).toContain('"version"');
  expect(expected.answers[1]).toContain('"UPSTREAM_MALFORMED"');
  let seen = 0;
  const broken: Observer = {
    exchanged: () => {
      throw new Error("a broken observer");
    },
  };
  const counting: Observer = {
    exchanged: () => {
      seen += 1;
    },
  };
  expect(await answersWith([counting, broken])).toEqual(expected);
  expect(seen).toBeGreaterThan(1);
  expect(uncaught.map(String)).toEqual(Array.from({ length: seen }, () => "Error: a broken observer"));
});
