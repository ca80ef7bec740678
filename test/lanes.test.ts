import { parse } from "graphql";
import { serverAudits } from "graphql-http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configOf } from "../src/config/index.ts";
import { createSchema } from "../src/graph/schema/schema.ts";
import { createFastPath } from "../src/server/fast-path/index.ts";
import {
  createDocumentCache,
  createPreparation,
  documentBounds,
  type Prepared,
} from "../src/server/graphql/prepare.ts";
import { useMaskedErrors } from "../src/server/graphql/use-masked-errors.ts";
import { corpus } from "./support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

/** One runs plain queries by prepared plans, the other runs everything by the reference execution. */
let gateway: DemoGateway;
let reference: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
  reference = await startDemoGateway({ estate: gateway.estate, fastPath: false });
});
afterAll(async () => {
  await reference.stop();
  await gateway.stop();
});

interface Told {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly text: string;
}

/** An answer without what differs from moment to moment. */
async function told(of: DemoGateway, init: RequestInit, path = "/graphql"): Promise<Told> {
  const headers = new Headers(init.headers);
  headers.set("x-request-id", "lanes");
  const response = await fetch(of.url + path, { ...init, headers });
  const moment = /"(fetchedAt|observedAt|checkedAt)":"[^"]*"/g;
  const text = (await response.text()).replace(moment, '"$1":"now"').replace(/"latencyMs":\d+/g, '"latencyMs":0');
  const changing = new Set(["date", "content-length", "keep-alive"]);
  return { status: response.status, headers: [...response.headers].filter(([name]) => !changing.has(name)), text };
}

async function both(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<readonly [Told, Told]> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
  return [await told(gateway, init), await told(reference, init)];
}

const accepts = ["*/*", "application/json", "application/graphql-response+json", "text/html, application/json;q=0.9"];
const sdk = 'package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" })';

describe("both lanes give the same answer, byte for byte", () => {
  test.each(corpus)("to $name", async ({ query, variables }) => {
    const [direct, engine] = await both({ query, variables });
    expect(direct).toEqual(engine);
    expect(direct.status).toBe(200);
  });

  test.each(accepts)("a caller that accepts %s", async (accept) => {
    const [direct, engine] = await both({ query: "{ backends { name kind __typename } }" }, { accept });
    expect(direct).toEqual(engine);
  });

  test.each(["identity", "gzip", "br", "gzip;q=0.1, br"])("compressed as %s", async (coding) => {
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
    "an error that empties everything, beside others": {
      query:
        '{ r: release(id: "x") { id } ... { t: traceByImage(image: "::") { isComplete } } s: release(id: "y") { id } }',
    },
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
      const path = url.replace("http://gateway", "");
      const [direct, engine] = [await told(gateway, init, path), await told(reference, init, path)];
      if (JSON.stringify(direct) !== JSON.stringify(engine)) differences.push(name);
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

test.each([
  ['{ node(id: "x") { id } nodes(ids: ["x", "y"]) { id } }', ["node", "nodes.0", "nodes.1"]],
  ['{ nodes(ids: ["x", "y"]) { id } node(id: "x") { id } }', ["nodes.0", "nodes.1", "node"]],
  ['{ ...F a: node(id: "x") { id } } fragment F on Query { b: node(id: "x") { id } }', ["a", "b"]],
])("errors are in the order of the document, both ways: %s", async (query, paths) => {
  const [direct, engine] = await both({ query });
  expect(direct).toEqual(engine);
  const { errors }: { errors: { path: (string | number)[] }[] } = JSON.parse(direct.text);
  expect(errors.map(({ path }) => path.join("."))).toEqual(paths);
});

test("a batch whose answers are too large together is answered with none of them, and the error says so", async () => {
  const settings = { limits: { answerBytes: 24_000 } };
  const gateways = await Promise.all(
    [true, false].map((fastPath) => startDemoGateway({ estate: gateway.estate, settings, fastPath })),
  );
  const query = "{ releases(first: 20) { edges { cursor node { id version } } } }";
  const batch = [{ query }, { query: "{ nothing }" }, ...Array.from({ length: 5 }, () => ({ query }))];
  const texts: string[] = [];
  for (const one of gateways) {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(batch) };
    const { status, text } = await told(one, init);
    texts.push(text);
    expect(status).toBe(200);
    const answers: { data?: unknown; errors: { extensions: { code: string } }[] }[] = JSON.parse(text);
    const codes = answers.map(({ data, errors: [error] }) => [data, error?.extensions.code]);
    const over = [null, "COST_LIMIT_EXCEEDED"];
    expect(codes).toEqual([over, [undefined, "BAD_USER_INPUT"], over, over, over, over, over]);
    const outcomes = one.log.flatMap(({ facts }) => ("outcome" in facts ? [facts.outcome] : []));
    expect(outcomes.toSorted()).toEqual(["failed", "failed", "failed", "failed", "failed", "failed", "refused"]);
    await one.stop();
  }
  expect(texts[1]).toBe(texts[0]);
});

describe("with limits that let everything through", () => {
  const limits = { tokens: 1_000_000, bodyBytes: 10_000_000, depth: 100, aliases: 10_000, cost: 10_000_000 };
  let open: readonly DemoGateway[] = [];
  beforeAll(async () => {
    const settings = { limits };
    const { estate } = gateway;
    const ways = [true, false].map((fastPath) => startDemoGateway({ estate, settings, fastPath }));
    open = await Promise.all(ways);
  });
  afterAll(async () => {
    for (const one of open) await one.stop();
  });

  /** Fragments that spread the next one, each in so many inline fragments. */
  const chain = (length: number, depth = 0) => {
    const body = (inner: string) => `${"{ ... ".repeat(depth)}{ ${inner} }${" }".repeat(depth)}`;
    const links = Array.from({ length }, (_, index) => `fragment F${index} on Query ${body(`...F${index + 1}`)}`);
    return `{ ...F0 } ${links.join(" ")} fragment F${length} on Query { __typename }`;
  };
  test.each([
    ["selections", `{ ${"a { ".repeat(100_000)}`],
    ["inline fragments", `{ ${"... { ".repeat(100_000)} __typename ${"} ".repeat(100_000)} }`],
    ["lists", `{ release(id: ${"[".repeat(100_000)}1${"]".repeat(100_000)}) { id } }`],
    ["objects", `{ release(id: ${"{a:".repeat(100_000)}1${"}".repeat(100_000)}) { id } }`],
    ["types of variables", `query ($a: ${"[".repeat(100_000)}Int${"]".repeat(100_000)}) { __typename }`],
    ["fragments in fragments", chain(6000)],
    ["fragments in fragments that a call stack just holds", chain(4300)],
    ["fragments in fragments, each some levels deep", chain(50, 10)],
  ])("%s that are nested without end are refused as input", async (_what, query) => {
    for (const one of open) {
      const { status, body } = await one.ask(query);
      expect(status).toBe(400);
      expect(body.errors).toEqual([
        {
          message: "The document is nested deeper than 256 levels.",
          locations: [{ line: expect.any(Number), column: expect.any(Number) }],
          extensions: { code: "BAD_USER_INPUT", retryable: false },
        },
      ]);
      expect(one.log.at(-1)).toMatchObject({ level: "info", facts: { outcome: "refused", calls: 0 } });
    }
  });

  test("fragments in fragments are answered up to there, and such as spread themselves are refused as that", async () => {
    for (const one of open) {
      expect((await one.ask(chain(200))).body).toEqual({ data: { __typename: "Query" } });
      expect((await one.ask(chain(20, 10))).body).toEqual({ data: { __typename: "Query" } });
      const { body } = await one.ask("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }");
      expect(body.errors?.[0]?.message).toMatch(/^Cannot spread fragment "A" within itself/);
    }
  });

  test.each([
    ["lists", "[", "]", ""],
    ["objects", '{"a":', "}", "1"],
  ])("variables of %s in %s by the million are refused as input", async (_what, opening, closing, middle) => {
    const deep = opening.repeat(1_000_000) + middle + closing.repeat(1_000_000);
    for (const one of open) {
      const init = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"query": "{ __typename }", "variables": {"a": ${deep}}}`,
      };
      const told = await fetch(`${one.url}/graphql`, init);
      expect(told.status).toBe(400);
      const { errors } = await told.json();
      expect(errors[0].extensions).toEqual({ code: "BAD_USER_INPUT", retryable: false });
      expect((await one.ask("{ __typename }")).body).toEqual({ data: { __typename: "Query" } });
    }
  });
});

describe("the cache of documents and plans", () => {
  const reading = configOf(
    { backends: [{ name: "zadig", kind: "zadig", url: "http://127.0.0.1:9", credentials: { token: "t" } }] },
    {},
  );
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const schema = createSchema();

  function prepared(
    preparation: ReturnType<typeof createPreparation>,
    query: string,
    variables: Record<string, unknown> = {},
  ): Prepared {
    const made = preparation.prepare({ query, operationName: null, variables, isSafe: false });
    if ("errors" in made) throw new Error(JSON.stringify(made.errors));
    return made;
  }

  const silent = () => {};
  const log = { info: silent, warn: silent, error: silent };
  const open = () =>
    createPreparation(
      reading.config,
      schema,
      useMaskedErrors(reading.config.server, log),
      createFastPath(schema, 1000),
    );

  test("keeps a bounded number of documents, however many come", () => {
    const cache = createDocumentCache((text) => (text.length % 2 === 0 ? [] : parse(text)), null, 262_144);
    for (let index = 0; index < 3 * documentBounds.maxEntries; index++) cache.find(`{ a${index}: __typename }`);
    expect(cache.size()).toBeLessThanOrEqual(documentBounds.maxEntries);
  });

  test("counts the text of what it keeps", () => {
    const cache = createDocumentCache(parse, null, 262_144);
    const long = (index: number) => `{ a${index}: __typename #${"x".repeat(40_000)}\n}`;
    for (let index = 0; index < 50; index++) cache.find(long(index));
    expect(cache.size()).toBeLessThanOrEqual(Math.floor(documentBounds.maxWeight / 40_000));
  });

  test("keeps a bounded number of plans of one document", () => {
    const preparation = open();
    const names = Array.from({ length: 8 }, (_, index) => `v${index}`);
    const query = `query(${names.map((name) => `$${name}: Boolean!`).join(" ")}) { ${names.map((name) => `${name}: __typename @skip(if: $${name})`).join(" ")} }`;
    for (let bits = 0; bits < 256; bits++) {
      const variables = Object.fromEntries(names.map((name, index) => [name, (bits & (1 << index)) !== 0]));
      const { plan } = prepared(preparation, query, variables);
      expect(plan?.root.fields.map(({ key }) => key)).toEqual(names.filter((name) => !variables[name]));
    }
  });

  test.each([
    ["introspection", '{ __type(name: "Query") { name } }'],
    ["parts", "{ backends { name ... @defer { kind } } }"],
    ["names that mean something to JavaScript", "{ __proto__: __typename }"],
  ])("leaves %s to the reference execution", (_what, query) => {
    expect(prepared(open(), query).plan).toBeNull();
    expect(prepared(open(), "{ backends { name } }").plan).not.toBeNull();
  });
});
