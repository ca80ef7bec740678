import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serverAudits } from "graphql-http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configOf } from "../src/config.ts";
import { createContext, createEstate } from "../src/graph/context.ts";
import { createSchema } from "../src/graph/schema.ts";
import { createDirectLane, type DirectLane } from "../src/server/direct-lane.ts";
import { createDocuments, keptDocuments } from "../src/server/documents.ts";
import { createPlanCache } from "../src/server/plan-cache.ts";
import { createTelemetry } from "../src/server/telemetry.ts";
import { testCall } from "./support/call.ts";
import { corpus } from "./support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

// The direct lane takes JSON whose type is spelled as nearly everybody spells it; the engine beside it takes this too.
const engineOnly = "application/json; lane=engine";
const usual = "application/json";

const documentRules = { tokens: 2000, bodyBytes: 262_144, introspection: true };

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());

interface Told {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly text: string;
}

/** An answer without what differs from moment to moment. */
async function told(init: RequestInit, type: string | null, path = "/graphql"): Promise<Told> {
  const headers = new Headers(init.headers);
  if (type !== null) headers.set("content-type", type);
  headers.set("x-request-id", "lanes");
  const response = await fetch(gateway.url + path, { ...init, headers });
  const moment = /"(fetchedAt|observedAt|checkedAt)":"[^"]*"/g;
  const text = (await response.text()).replace(moment, '"$1":"now"').replace(/"latencyMs":\d+/g, '"latencyMs":0');
  const changing = new Set(["date", "content-length", "keep-alive"]);
  return { status: response.status, headers: [...response.headers].filter(([name]) => !changing.has(name)), text };
}

async function both(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<readonly [Told, Told]> {
  const init = { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) };
  return [await told(init, usual), await told(init, engineOnly)];
}

const accepts = ["*/*", "application/json", "application/graphql-response+json", "text/html, application/json;q=0.9"];
const sdk = 'package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" })';

describe("both lanes give the same answer, byte for byte", () => {
  test.each(corpus)("to $name", async ({ query, variables }) => {
    const [direct, engine] = await both({ query, variables });
    expect(direct).toEqual(engine);
    expect(direct.status).toBe(200);
  });

  test.each(accepts)("whoever accepts %s", async (accept) => {
    const [direct, engine] = await both({ query: "{ backends { name kind __typename } }" }, { accept });
    expect(direct).toEqual(engine);
  });

  test.each(["identity", "gzip", "br", "gzip;q=0.1, br"])("packed as %s", async (coding) => {
    const query = `{ ${sdk} { versions(first: 20) { nodes { id name purl createdAt } } } }`;
    const [direct, engine] = await both({ query }, { "accept-encoding": coding });
    expect(direct).toEqual(engine);
    expect(direct.headers.some(([name]) => name === "content-encoding")).toBe(coding !== "identity");
  });

  const asked: Readonly<Record<string, unknown>> = {
    "fields named twice": { query: `{ a: ${sdk} { name } a: ${sdk} { key latestVersion { name } } }` },
    "fragments, nested and on interfaces": {
      query: `query($id: ID!) { node(id: $id) { id ... on Package { name ...V } ... on Release { version } } }
        fragment V on Package { latestVersion { ...N } } fragment N on Version { name __typename }`,
      variables: { id: "MToxNzpQYWNrYWdlNjpia3JlcG8xNTpwYXkvbWF2ZW4tbG9jYWwyNjpnYXY6Ly9jb20uYWNtZS5wYXk6cGF5LXNkaw" },
    },
    "a field that is skipped": {
      query: `query($no: Boolean!) { ${sdk} { name @skip(if: $no) key @include(if: $no) } }`,
      variables: { no: true },
    },
    "the same document, nothing skipped": {
      query: `query($no: Boolean!) { ${sdk} { name @skip(if: $no) key @include(if: $no) } }`,
      variables: { no: false },
    },
    "one of several operations": { query: "query A { __typename } query B { backends { name } }", operationName: "B" },
    "none of several operations": { query: "query A { __typename } query B { backends { name } }" },
    "an operation that is not there": { query: "query A { __typename }", operationName: "C" },
    "variables with defaults": {
      query: `query($n: Int = 2) { ${sdk} { versions(first: $n) { nodes { name } pageInfo { hasNextPage } totalCount } } }`,
    },
    "a variable of the wrong type": {
      query: "query($n: Int!) { __typename @skip(if: false) x: __typename }",
      variables: { n: "x" },
    },
    "a required variable left out": {
      query: `query($k: String!) { package(ref: { backend: "bkrepo", repository: "a/b", key: $k }) { name } }`,
    },
    "an id that is none": { query: '{ node(id: "x") { id } }' },
    "an error beside data": { query: `{ ok: ${sdk} { name } bad: node(id: "x") { id } }` },
    "an error that empties everything": { query: '{ traceByImage(image: "::") { isComplete } }' },
    "an unknown backend": { query: '{ package(ref: { backend: "x", repository: "a/b", key: "k" }) { name } }' },
    "a page of none": { query: `{ ${sdk} { versions(first: 0) { nodes { name } } } }` },
    "too deep a document": { query: `{ ${"a { ".repeat(20)} b ${"} ".repeat(20)} }` },
    "a field that is not there": { query: "{ nothing }" },
    "a document that ends early": { query: "{ backends {" },
    "an empty document": { query: "" },
    "no document": { variables: {} },
    "more than belongs there": { query: "{ __typename }", more: 1 },
    introspection: { query: "{ __schema { queryType { name } } }" },
    "a subscription": { query: "subscription { x }" },
    "several at once": [{ query: "{ __typename }" }, { query: "{ backends { name } }" }],
    "a name that means something to JavaScript": { query: "{ constructor: __typename toString: __typename }" },
    "two underscores in front": { query: "{ __proto__: __typename }" },
  };
  test.each(Object.entries(asked))("to %s", async (_name, body) => {
    for (const accept of accepts.slice(1, 3)) {
      const [direct, engine] = await both(body, { accept });
      expect(direct).toEqual(engine);
    }
  });

  test("to what is no JSON", async () => {
    const [direct, engine] = await both('{ "query": ');
    expect(direct).toEqual(engine);
  });

  test("with every backend down, and with each of them answering nonsense", async () => {
    const questions = corpus.filter(({ name }) => /trace-swr|releases-builds|package-by-key|search/.test(name));
    for (const kind of ["down", "malformed"] as const) {
      for (const server of Object.values(gateway.estate.servers)) await server.setFault({ kind });
      for (const { query, variables } of questions) {
        const [direct, engine] = await both({ query, variables });
        expect(direct.status).toBe(engine.status);
        expect(errorsOf(direct)).toEqual(errorsOf(engine));
        expect(Object.keys(JSON.parse(direct.text))).toEqual(Object.keys(JSON.parse(engine.text)));
      }
      for (const server of Object.values(gateway.estate.servers)) await server.setFault(null);
    }
  }, 60_000);

  test("in the whole audit of GraphQL over HTTP", async () => {
    const differences: string[] = [];
    let name = "";
    const fetchFn = async (url: string, init: RequestInit = {}) => {
      const type = new Headers(init.headers).get("content-type");
      const path = url.replace("http://gateway", "");
      if (init.method === "POST" && type !== null && /^application\/json/.test(type)) {
        const [direct, engine] = [await told(init, type, path), await told(init, engineOnly, path)];
        if (JSON.stringify(direct) !== JSON.stringify(engine)) differences.push(name);
      }
      return fetch(gateway.url + path, init);
    };
    for (const audit of serverAudits({ url: "http://gateway/graphql", fetchFn })) {
      name = audit.name;
      await audit.fn();
    }
    expect(differences).toEqual([]);
  });
});

/** What went wrong, told without the order in which it did. */
function errorsOf({ text }: Told): string[] {
  const { errors = [] }: { errors?: readonly { message: string; path?: unknown; extensions?: object }[] } =
    JSON.parse(text);
  return errors.map(({ message, path, extensions }) => JSON.stringify([message, path, extensions])).sort();
}

describe("the direct lane", () => {
  const reading = configOf(
    {
      server: { port: 0 },
      backends: [{ name: "zadig", kind: "zadig", url: "http://127.0.0.1:9", credentials: { token: "t" } }],
    },
    {},
  );
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const { config } = reading;
  const caller = { name: "anonymous", scopes: new Set(["read"] as const), access: null };

  const schema = createSchema();

  function open(settings: typeof config): DirectLane {
    return createDirectLane({
      config: settings,
      schema,
      documents: createDocuments(schema, documentRules),
      telemetry: createTelemetry([]),
      serve: () => ({ ...createContext(createEstate([]), testCall(), caller, [], () => undefined), problems: [] }),
      maskError: () => {
        throw new Error("nothing fails here");
      },
      finish: (result) => result,
    });
  }

  async function takes(
    lane: DirectLane,
    body: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<boolean> {
    let took = false;
    const server = createServer(async (request, response) => {
      took = await lane.answer({ request, response, body: Buffer.from(body), caller, requestId: "x" });
      if (!took) response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await (
      await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers: { "content-type": usual, ...headers }, body })
    ).text();
    await new Promise((resolve) => server.close(resolve));
    return took;
  }

  const plain = '{"query":"{ backends { name } }"}';

  test("takes what nearly everybody sends", async () => {
    const lane = open(config);
    expect(await takes(lane, plain)).toBe(true);
    expect(await takes(lane, '{"query":"query A { backends { name } }","operationName":"A","variables":{}}')).toBe(
      true,
    );
    expect(await takes(lane, plain, { accept: "application/json" })).toBe(true);
    expect(await takes(lane, plain, { "content-type": "application/json; charset=utf-8" })).toBe(true);
  });

  test.each([
    ["a question about the cost", plain, { "x-explain": "plan" }],
    ["parts", plain, { accept: "multipart/mixed" }],
    ["another type", plain, { "content-type": "application/graphql+json" }],
    ["an id instead of a text", '{"id":"x"}', {}],
    ["extensions", '{"query":"{ __typename }","extensions":{"a":1}}', {}],
    ["introspection", '{"query":"{ __type(name: \\"Query\\") { name } }"}', {}],
    ["a batch", `[${plain}]`, {}],
    ["what is not valid", '{"query":"{ nothing }"}', {}],
    [
      "what is too dear",
      `{"query":"{ ${Array.from({ length: 40 }, (_, index) => `a${index}: backends { name }`).join(" ")} }"}`,
      {},
    ],
  ])("leaves %s to the engine", async (_what, body, headers) => {
    expect(await takes(open(config), body, headers)).toBe(false);
  });

  test("is closed to a subgraph, and where only known operations run", async () => {
    expect(await takes(open({ ...config, server: { ...config.server, subgraph: true } }), plain)).toBe(false);
    expect(await takes(open({ ...config, persisted: { ...config.persisted, only: true } }), plain)).toBe(false);
  });
});

describe("the cache of plans", () => {
  test("keeps a bounded number of documents, however many come", () => {
    const schema = createSchema();
    const documents = createDocuments(schema, documentRules);
    const cache = createPlanCache(schema, documents);
    for (let index = 0; index < 3 * keptDocuments.entries; index++) {
      expect(cache.prepare(`{ a${index}: __typename }`, null, {})).not.toBeNull();
      cache.prepare(`{ nothing${index} }`, null, {});
    }
    expect(documents.size()).toBeLessThanOrEqual(keptDocuments.entries);
  });

  test("counts the text of what it keeps", () => {
    const schema = createSchema();
    const documents = createDocuments(schema, documentRules);
    const cache = createPlanCache(schema, documents);
    const long = (index: number) => `{ a${index}: __typename #${"x".repeat(40_000)}\n}`;
    for (let index = 0; index < 50; index++) cache.prepare(long(index), null, {});
    expect(documents.size()).toBeLessThanOrEqual(Math.floor(keptDocuments.characters / 40_000));
  });

  test("keeps a bounded number of plans of one document", () => {
    const schema = createSchema();
    const documents = createDocuments(schema, documentRules);
    const cache = createPlanCache(schema, documents);
    const names = Array.from({ length: 8 }, (_, index) => `v${index}`);
    const query = `query(${names.map((name) => `$${name}: Boolean!`).join(" ")}) { ${names.map((name) => `${name}: __typename @skip(if: $${name})`).join(" ")} }`;
    for (let bits = 0; bits < 256; bits++) {
      const variables = Object.fromEntries(names.map((name, index) => [name, (bits & (1 << index)) !== 0]));
      const prepared = cache.prepare(query, null, variables);
      expect(prepared?.plan.root.fields.map(({ key }) => key)).toEqual(names.filter((name) => !variables[name]));
    }
  });
});
