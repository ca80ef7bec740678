import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { corpus } from "./support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());

/** Frames of pages, ids and times: a walk by them would be another test. */
const kept = /^(?:code|id|iid|_id|total\w*|count|page\w*|project_id|.*(?:_at|_time|Date|date))$/;

/** The same JSON with every other number replaced. */
function withNumbers(value: unknown, number: number, name = ""): unknown {
  if (typeof value === "number") return kept.test(name) ? value : number;
  if (Array.isArray(value)) return value.map((one) => withNumbers(one, number, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withNumbers(one, number, key)]));
}

// Zadig's counts reach past 2^31, bkrepo's drift, and a server may be broken: none of that is a fault of the gateway.
describe.each([2 ** 31, 2 ** 53, -1, 1.5, 1e300])("backends that count %d of everything", (number) => {
  test("are answered for: nothing goes wrong inside the gateway", async () => {
    for (const server of Object.values(gateway.estate.servers)) {
      server.setTamper((reply) => ({ ...reply, body: withNumbers(reply.body, number) }));
    }
    const codes: unknown[] = [];
    for (const { query, variables } of corpus) {
      const { status, body } = await gateway.ask(query, { variables });
      expect(status).toBe(200);
      codes.push(...(body.errors ?? []).map(({ extensions }) => extensions?.["code"]));
    }
    expect(codes).not.toContain("INTERNAL_SERVER_ERROR");
  });
});

test("metadata keeps every digit of a 64-bit number, as text where a JSON number would lose some", async () => {
  gateway.estate.servers.bkrepo.setTamper((reply) => ({
    ...reply,
    body: JSON.stringify(reply.body).replace('"value":"1136"', '"value":9007199254740993'),
    headers: { "content-type": "application/json" },
  }));
  const { body } = await gateway.ask(
    `{ package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) { latestVersion { metadata { key value } } } }`,
  );
  gateway.estate.servers.bkrepo.setTamper(null);
  expect(body.errors).toBeUndefined();
  expect(JSON.stringify(body.data)).toContain('{"key":"buildNo","value":"9007199254740993"}');
});
