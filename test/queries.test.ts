import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corpus } from "./support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

describe("the query corpus costs the fewest upstream calls", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    // Waves tell what had to wait for an answer, not what had to wait for a place in the queue.
    const many = { concurrency: 200 };
    gateway = await startDemoGateway({ backends: { zadig: many, bkrepo: many, "swr-north4": many, gitlab: many } });
    // Long enough that a call which waited cannot be taken for one which did not.
    for (const server of Object.values(gateway.estate.servers)) server.setLatency(40);
  });
  afterAll(() => gateway.stop());

  it.each(corpus)("$name", async ({ query, calls, waves, why, variables }) => {
    expect(why, "every file says why fewer calls are impossible").not.toBe("");
    gateway.forget();
    const { status, body } = await gateway.ask(query, { variables });
    expect(body.errors).toBeUndefined();
    expect(status).toBe(200);
    expect(gateway.calls()).toEqual(calls);
    expect(gateway.waves()).toBe(waves);
  });
});
