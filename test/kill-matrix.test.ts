import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fault } from "../demo/server.ts";
import { corpus } from "./support/corpus.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { untruths } from "./support/truth.ts";

const kinds = ["zadig", "bkrepo", "swr", "gitlab"] as const;
const names = { zadig: "zadig", bkrepo: "bkrepo", swr: "swr-north4", gitlab: "gitlab" } as const;

/** Every non-empty subset of the four. */
const subsets = Array.from({ length: 15 }, (_, index) => kinds.filter((_, bit) => ((index + 1) >> bit) & 1));

describe("with backends killed the answer stays true", () => {
  let gateway: DemoGateway;
  const healthy = new Map<string, Answer>();

  beforeAll(async () => {
    // No retries and no breaker: what is tested is the answer to a failure, not how it is avoided.
    const bare = { retries: 0, breaker: { failures: 1000, coolDownMs: 1 } };
    gateway = await startDemoGateway({ backends: { zadig: bare, bkrepo: bare, "swr-north4": bare, gitlab: bare } });
    for (const { name, query, variables } of corpus) healthy.set(name, await gateway.ask(query, { variables }));
  });
  afterAll(() => gateway.stop());

  async function withFaults(
    faults: Partial<Record<(typeof kinds)[number], Fault>>,
    check: () => Promise<void>,
  ): Promise<void> {
    const broken = kinds.filter((kind) => faults[kind]);
    for (const kind of broken) await gateway.estate.servers[kind].setFault(faults[kind] ?? null);
    try {
      await check();
    } finally {
      for (const kind of broken) await gateway.estate.servers[kind].setFault(null);
    }
  }

  async function untruthsOf(name: string, broken: readonly (typeof kinds)[number][]): Promise<string[]> {
    const question = corpus.find((one) => one.name === name);
    const before = healthy.get(name);
    if (!question || !before) throw new Error(`no question ${name}`);
    const answer = await gateway.ask(question.query, { variables: question.variables });
    return untruths(before, answer, { broken: broken.map((kind) => names[kind]) }).map((one) => `${name}: ${one}`);
  }

  it.each(subsets.map((subset) => ({ subset })))("$subset", async ({ subset }) => {
    await withFaults(Object.fromEntries(subset.map((kind) => [kind, { kind: "down" }])), async () => {
      const all = await Promise.all(corpus.map(({ name }) => untruthsOf(name, subset)));
      expect(all.flat()).toEqual([]);
    });
  });

  it("with any faults in any of them", async () => {
    const fault = fc.constantFrom<Fault>(
      { kind: "reset" },
      { kind: "html" },
      { kind: "malformed" },
      { kind: "truncated" },
      { kind: "empty" },
      { kind: "throttle", retryAfter: "7" },
      { kind: "status", status: 500 },
      { kind: "status", status: 503 },
      { kind: "status", status: 403 },
      { kind: "status", status: 401 },
    );
    const faults = fc.record({ zadig: fault, bkrepo: fault, swr: fault, gitlab: fault }, { requiredKeys: [] });
    const questions = fc.constantFrom(...corpus.map(({ name }) => name));
    await fc.assert(
      fc.asyncProperty(faults, questions, async (broken, name) => {
        await withFaults(broken, async () => {
          expect(
            await untruthsOf(
              name,
              kinds.filter((kind) => broken[kind]),
            ),
          ).toEqual([]);
        });
      }),
      { numRuns: 150 },
    );
  });
});
