import { readFileSync } from "node:fs";
import { isObjectType } from "graphql";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { credentials } from "../demo/story.ts";
import { callsFor } from "../src/backends/prices.ts";
import { demands } from "../src/graph/cost/demands.ts";
import { type ExplainReport, Ledger } from "../src/graph/cost/explain.ts";
import { createSchema } from "../src/graph/schema/schema.ts";
import { UpstreamError } from "../src/upstream/errors.ts";
import type { Exchange } from "../src/upstream/events.ts";
import { testCall } from "./support/call.ts";
import { corpus } from "./support/corpus.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());
afterEach(async () => {
  for (const server of Object.values(gateway.estate.servers)) await server.setFault(null);
});

const plan = { "x-explain": "plan" };
const actual = { "x-explain": "actual" };

function explainOf({ body, text }: Answer): ExplainReport {
  const explain = body.extensions?.["explain"];
  if (typeof explain !== "object" || explain === null || !("estimated" in explain)) throw new Error(text);
  return explain as ExplainReport;
}

function byBackend(rows: ExplainReport["actual"]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { backend, calls } of rows ?? []) sums[backend] = (sums[backend] ?? 0) + calls;
  return sums;
}

const shown = [
  ...readFileSync(new URL("../README.md", import.meta.url), "utf8").matchAll(/```graphql\n(.*?)```/gs),
].map(([, query = ""], index) => ({ name: `README query ${index + 1}`, query, variables: {} }));

describe("over the whole corpus and every query of the README", () => {
  it("there are such queries", () => {
    expect(corpus.length).toBeGreaterThan(15);
    expect(shown.length).toBeGreaterThanOrEqual(3);
  });

  it.each([...corpus, ...shown])("$name: the plan makes no call, and is not below what it takes", async (question) => {
    const { query, variables } = question;
    gateway.forget();
    const planned = await gateway.ask(query, { variables, headers: plan });
    expect(planned.status).toBe(200);
    expect(planned.body).toMatchObject({ data: null });
    expect(planned.body.errors).toBeUndefined();
    expect(gateway.calls()).toEqual({});

    const ran = explainOf(await gateway.ask(query, { variables, headers: actual }));
    expect(byBackend(ran.actual)).toEqual(gateway.calls());
    for (const [backend, calls] of Object.entries(gateway.calls())) {
      expect(ran.estimated[backend] ?? 0, `${backend}: ${JSON.stringify(ran)}`).toBeGreaterThanOrEqual(calls);
      expect(explainOf(planned).estimated[backend] ?? 0).toBeGreaterThanOrEqual(calls);
    }
  });
});

describe("what an operation took", () => {
  it("is listed by backend and call: keys, calls, repeated keys", async () => {
    const query = `{
      a: package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) { name }
      b: package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) { key }
    }`;
    const { actual: rows, budget } = explainOf(await gateway.ask(query, { headers: actual }));
    expect(budget).toBe(200);
    expect(rows).toEqual([
      {
        backend: "bkrepo",
        operation: "bkrepo.getPackage",
        keys: 1,
        calls: 1,
        deduped: 1,
        cache: "miss",
        ms: expect.any(Number),
        status: "OK",
      },
    ]);
  });

  it("many keys in one call show as many keys and one call", async () => {
    const query = "{ releases(first: 10) { nodes { images { artifact { name } } } } }";
    const { actual: rows } = explainOf(await gateway.ask(query, { headers: actual }));
    const list = rows?.find(({ operation }) => operation === "zadig.listArtifacts");
    expect(list?.keys).toBeGreaterThan(5);
    expect(list?.calls).toBe(1);
  });

  it("tells the status of what failed, with its retries", async () => {
    await gateway.estate.servers.gitlab.setFault({ kind: "status", status: 503 });
    const query = '{ packages(scope: { backend: "gitlab", group: "pay" }, first: 1) { nodes { name } } }';
    const { actual: rows } = explainOf(await gateway.ask(query, { headers: actual }));
    expect(rows).toMatchObject([{ backend: "gitlab", calls: 3, status: "DOWN" }]);
  });

  it("what is wanted stays one thing, however often it is tried", async () => {
    await gateway.estate.servers.zadig.setFault({ kind: "throttle" });
    const health = explainOf(await gateway.ask("{ backends { health { status } } }", { headers: actual }));
    expect(health.actual?.filter(({ keys }) => keys !== 1)).toEqual([]);
    expect(health.actual).toContainEqual(expect.objectContaining({ backend: "zadig", keys: 1, calls: 3 }));
  });

  it("a retry that goes well leaves the status OK", async () => {
    await gateway.estate.servers.bkrepo.setFault({ kind: "status", status: 503, times: 1 });
    const query =
      '{ packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, first: 1) { nodes { name } } }';
    const { actual: rows } = explainOf(await gateway.ask(query, { headers: actual }));
    expect(rows).toMatchObject([{ backend: "bkrepo", keys: 1, calls: 2, status: "OK" }]);
  });

  it("without the header there is nothing of it in the answer", async () => {
    expect((await gateway.ask("{ releases(first: 1) { nodes { version } } }")).body).not.toHaveProperty("extensions");
  });
});

it("no address, host, header or credential is in an explanation", async () => {
  const secrets = Object.values(credentials).flatMap((one) => Object.values(one).filter((word) => word !== "reader"));
  const addresses = gateway.estate.backends.flatMap(({ url }) => [url, new URL(url).host]);
  for (const { query, variables } of corpus) {
    const { extensions } = (await gateway.ask(query, { variables, headers: actual })).body;
    const text = JSON.stringify(extensions);
    expect([...secrets, ...addresses].filter((word) => text.includes(word))).toEqual([]);
    expect(text).not.toMatch(/https?:|authorization|127\.0\.0\.1|\/api\//i);
  }
});

describe("who may ask, and for what", () => {
  it("another word is refused with the words that are known, before anything is asked", async () => {
    gateway.forget();
    const { status, body } = await gateway.ask("{ backends { health { status } } }", {
      headers: { "x-explain": "all" },
    });
    expect(status).toBe(400);
    expect(body.errors?.[0]).toMatchObject({
      message: 'X-Explain is "plan" or "actual".',
      extensions: { code: "BAD_USER_INPUT" },
    });
    expect(gateway.calls()).toEqual({});
  });

  it.each([plan, actual])("a caller without the scope is refused: %o", async (headers) => {
    const settings = { auth: { mode: "none", anonymousScopes: ["read"] } };
    const closed = await startDemoGateway({ settings, estate: gateway.estate });
    gateway.forget();
    try {
      const { status, body } = await closed.ask("{ releases(first: 1) { nodes { version } } }", { headers });
      expect(status).toBe(403);
      expect(body.errors?.[0]?.extensions).toMatchObject({ code: "FORBIDDEN" });
      expect(body.extensions).toBeUndefined();
      expect(gateway.calls()).toEqual({});
    } finally {
      await closed.stop();
    }
  });

  it("a plan of what would be refused tells the refusal beside the estimate", async () => {
    const query = "{ releases(first: 100) { nodes { drift { verdict } builds { artifact { locations { path } } } } } }";
    const refused = await gateway.ask(query);
    expect(refused.status).toBe(400);
    const planned = await gateway.ask(query, { headers: plan });
    expect(planned.body.errors?.[0]?.extensions).toMatchObject({ code: "COST_LIMIT_EXCEEDED" });
    expect(explainOf(planned).estimated["zadig"]).toBeGreaterThan(0);
  });
});

describe("the estimate", () => {
  it("grows with the page, with aliases and with what variables and directives say", async () => {
    const query = `query ($first: Int!, $files: Boolean!) {
      package(ref: { backend: "gitlab", repository: "pay/api", name: "com/acme/pay/pay-sdk", format: MAVEN }) {
        versions(first: $first) { nodes { name files @include(if: $files) { nodes { name } } } }
      }
    }`;
    const estimate = async (variables: object) =>
      explainOf(await gateway.ask(query, { variables: { ...variables }, headers: plan })).estimated["gitlab"];
    expect(await estimate({ first: 5, files: true })).toBe(7);
    expect(await estimate({ first: 50, files: true })).toBe(52);
    expect(await estimate({ first: 50, files: false })).toBe(2);
  });

  it("looks through fragments of the types that an id may be", async () => {
    const found = await gateway.ask("{ releases(first: 1) { nodes { id } } }");
    const id = Object(found.body.data)["releases"].nodes[0].id;
    const query = "query ($id: ID!) { node(id: $id) { ...on Release { drift { verdict } } ...on Package { name } } }";
    const { estimated } = explainOf(await gateway.ask(query, { variables: { id }, headers: plan }));
    expect(estimated["zadig"]).toBeGreaterThan(1);
    expect(estimated["swr-north4"]).toBe(10);
  });

  it("counts a batch once for what arrives together, and each arrival otherwise", () => {
    const batch = { batch: { size: 50, calls: 2 } };
    expect(callsFor(batch, 50, 1, 1)).toEqual({ cost: 2, batches: 1 });
    expect(callsFor(batch, 51, 1, 1)).toEqual({ cost: 4, batches: 2 });
    expect(callsFor(batch, 10, 10, 1)).toEqual({ cost: 20, batches: 10 });
    expect(callsFor({ each: 1, row: 2 }, 3, 1, 5)).toEqual({ cost: 33, batches: 3 });
    expect(callsFor(batch, 0, 1, 1)).toEqual({ cost: 0, batches: 0 });
  });

  it("has been reckoned for every field of which the schema says that it costs something", () => {
    const costly = Object.values(createSchema("standalone").getTypeMap())
      .filter(isObjectType)
      .filter(({ name }) => name !== "Mutation")
      .flatMap((type) =>
        Object.values(type.getFields())
          .filter(({ astNode }) => astNode?.directives?.some(({ name }) => name.value === "cost"))
          .map(({ name }) => `${type.name}.${name}`),
      );
    expect(costly.length).toBeGreaterThan(30);
    expect(costly.filter((coordinate) => !Object.hasOwn(demands, coordinate))).toEqual([]);
  });

  it("names no field that the schema does not have", () => {
    const types = createSchema("standalone").getTypeMap();
    const lost = Object.keys(demands).filter((coordinate) => {
      const [name = "", field = ""] = coordinate.split(".");
      const type = types[name];
      return coordinate !== "Query._entities" && !(isObjectType(type) && type.getFields()[field]);
    });
    expect(lost).toEqual([]);
  });
});

describe("the ledger", () => {
  const told = (facts: Partial<Exchange>): Exchange => ({
    call: testCall(),
    backend: "one",
    operation: "swr.getTag",
    outcome: "OK",
    status: 200,
    ms: 12.4,
    attempt: 1,
    via: "SENT",
    bytes: 2,
    error: null,
    ...facts,
  });
  const failure = new UpstreamError("THROTTLED", { backend: "one", operation: "swr.getTag" });

  it("tells caches, coalesced calls and what was not sent from requests", () => {
    const ledger = new Ledger();
    ledger.exchanged(told({}));
    ledger.exchanged(told({ via: "COALESCED", attempt: 0 }));
    ledger.exchanged(told({ via: "CACHE", attempt: 0 }));
    ledger.exchanged(told({ via: "UNSENT", attempt: 0, outcome: "THROTTLED", error: failure }));
    expect(ledger.rows()).toEqual([
      {
        backend: "one",
        operation: "swr.getTag",
        keys: 4,
        calls: 1,
        deduped: 1,
        cache: "hit",
        ms: 12,
        status: "THROTTLED",
      },
    ]);
  });

  it("'not there' is an answer, and a stale one says so", () => {
    const ledger = new Ledger();
    const missing = new UpstreamError("NOT_FOUND", { backend: "one", operation: "swr.getTag" });
    ledger.exchanged(told({ outcome: "NOT_FOUND", error: missing }));
    ledger.exchanged(told({ via: "STALE", attempt: 0 }));
    expect(ledger.rows()).toMatchObject([{ status: "OK", cache: "stale" }]);
  });
});
