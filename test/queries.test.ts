import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const folder = new URL("./queries/", import.meta.url);

/** One file of the corpus: the question, and what it may cost. */
interface Question {
  readonly name: string;
  readonly query: string;
  readonly calls: Readonly<Record<string, number>>;
  readonly waves: number;
  readonly why: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const questions = readdirSync(folder)
  .filter((name) => name.endsWith(".graphql"))
  .sort()
  .map(read);

function read(name: string): Question {
  const query = readFileSync(new URL(name, folder), "utf8");
  const line = (key: string) => new RegExp(`^# ${key}: (.*)$`, "m").exec(query)?.[1] ?? "";
  const calls = line("calls")
    .split(",")
    .map((part) => part.trim().split(" "))
    .flatMap(([backend, count]) => (backend && count ? [[backend, Number(count)] as const] : []));
  return {
    name,
    query,
    calls: Object.fromEntries(calls),
    waves: Number(line("waves")),
    why: line("why"),
    variables: JSON.parse(line("variables") || "{}"),
  };
}

describe("the query corpus costs the fewest upstream calls", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway();
    // Long enough that a call which waited cannot be taken for one which did not.
    for (const server of Object.values(gateway.estate.servers)) server.setLatency(40);
  });
  afterAll(() => gateway.stop());

  it.each(questions)("$name", async ({ query, calls, waves, why, variables }) => {
    expect(why, "every file says why fewer calls are impossible").not.toBe("");
    gateway.forget();
    const { status, body } = await gateway.ask(query, { variables });
    expect(body.errors).toBeUndefined();
    expect(status).toBe(200);
    expect(gateway.calls()).toEqual(calls);
    expect(gateway.waves()).toBe(waves);
  });
});
