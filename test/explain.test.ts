import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corpus } from "./support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

interface Row {
  readonly backend: string;
  readonly operation: string;
  readonly keys: number;
  readonly calls: number;
  readonly deduped: number;
  readonly cache: string;
  readonly ms: number;
  readonly status: string;
}

interface Explain {
  readonly estimated: Readonly<Record<string, number>>;
  readonly budget: number;
  readonly actual?: readonly Row[];
}

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());

describe("estimates", () => {
  it.each(corpus)("$name", async ({ query, variables }) => {
    gateway.forget();
    const planned = await gateway.ask(query, { variables, headers: { "x-explain": "plan" } });
    expect(gateway.calls()).toEqual({});
    const ran = await gateway.ask(query, { variables, headers: { "x-explain": "actual" } });
    const plan = planned.body.extensions?.["explain"] as Explain;
    const { estimated, actual } = ran.body.extensions?.["explain"] as Explain;
    console.log(JSON.stringify({ calls: gateway.calls(), plan: plan.estimated, estimated, actual }, null, 0));
  });
});
