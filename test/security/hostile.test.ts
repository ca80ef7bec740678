import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";

let gateway: DemoGateway;
/** As it would run for others than its own machine, and so without hints. */
let closed: DemoGateway;

beforeAll(async () => {
  gateway = await startDemoGateway();
  closed = await startDemoGateway({
    settings: { server: { introspection: false, graphiql: false, cors: { origins: ["https://portal.example.test"] } } },
  });
});

afterAll(async () => {
  await gateway.stop();
  await closed.stop();
});

beforeEach(() => {
  gateway.forget();
  closed.forget();
});

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request as it is written: fetch would forbid some of it. */
function send(
  url: string,
  {
    method = "POST",
    headers = {},
    body = "",
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method, headers });
    outgoing.on("response", async (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: await text(response) });
    });
    outgoing.on("error", reject);
    outgoing.end(method === "GET" ? undefined : body);
  });
}

const releases = (selection: string) => `{ releases(first: 2) { nodes { ${selection} } } }`;
/** A package and its version in turn: as deep as one likes, and cheap. */
const turns = (count: number): string =>
  count === 0 ? "name" : `version(name: "1") { package { ${turns(count - 1)} } }`;
const aPackage = (selection: string) =>
  `{ package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://a:b" }) { ${selection} } }`;

describe("an operation that asks for too much is refused before any backend is asked", () => {
  const many = (count: number, make: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => make(index)).join(" ");
  const bomb = `query { ...F0 } ${many(20, (index) => `fragment F${index} on Query { ...F${index + 1} ...F${index + 1} }`)} fragment F20 on Query { a: releases { nodes { id } } }`;

  test.each([
    ["in depth", aPackage(turns(6)), "DEPTH_LIMIT_EXCEEDED"],
    [
      "in depth, by fragments",
      `${aPackage("...A")} fragment A on Package { version(name: "1") { ...B } } fragment B on Version { package { ${turns(5)} } }`,
      "DEPTH_LIMIT_EXCEEDED",
    ],
    [
      "in cost",
      "{ releases(first: 100) { nodes { builds { artifact { locations { version { files { nodes { artifact { sources { status } } } } } } } } } } }",
      "COST_LIMIT_EXCEEDED",
    ],
    [
      "in cost, by many roots",
      `{ ${many(30, (index) => `t${index}: searchPackages(name: "a", first: 100) { groups { packages { nodes { versions(first: 100) { nodes { id } } } } } }`)} }`,
      "COST_LIMIT_EXCEEDED",
    ],
    ["in aliases", `{ ${many(31, (index) => `a${index}: backends { name }`)} }`, "COST_LIMIT_EXCEEDED"],
    [
      "in aliases, spread out",
      `{ ${many(4, (index) => `a${index}: backends { ${many(8, (inner) => `b${inner}: name`)} }`)} }`,
      "COST_LIMIT_EXCEEDED",
    ],
    ["in tokens", `{ ${many(2000, () => "__typename")} }`, "TOKEN_LIMIT_EXCEEDED"],
    ["in fragments that double", bomb, "COST_LIMIT_EXCEEDED"],
    ["in a page", "{ releases(first: 101) { nodes { id } } }", "BAD_USER_INPUT"],
    ["in a page of less than nothing", "{ releases(first: -1) { nodes { id } } }", "BAD_USER_INPUT"],
    [
      "in a page further down",
      releases("builds { artifact { releases(first: 1000) { nodes { id } } } }"),
      "BAD_USER_INPUT",
    ],
    [
      "in fragments that go round",
      "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
      "BAD_USER_INPUT",
    ],
  ])("%s", async (_what, query, code) => {
    const { status, body } = await gateway.ask(query, { headers: { accept: "application/graphql-response+json" } });
    expect(body.errors?.[0]?.extensions?.["code"]).toBe(code);
    expect(status).toBe(400);
    expect(body.data ?? null).toBeNull();
    expect(gateway.calls()).toEqual({});
  });

  test.each(["application/json", "*/*", "application/graphql-response+json"])(
    "with HTTP 400 for clients that accept %s as well, whatever limit it was",
    async (accept) => {
      const tooLong = `{ ${many(2000, () => "__typename")} }`;
      const tooWide = `{ ${many(31, (index) => `a${index}: backends { name }`)} }`;
      for (const [query, code] of [
        [tooLong, "TOKEN_LIMIT_EXCEEDED"],
        [tooWide, "COST_LIMIT_EXCEEDED"],
      ] as const) {
        const { status, body } = await gateway.ask(query, { headers: { accept } });
        expect([status, body.errors?.[0]?.extensions?.["code"]]).toEqual([400, code]);
        expect(body.errors?.[0]?.extensions).not.toHaveProperty("http");
      }
    },
  );

  test("by variables just as by what is written out", async () => {
    const { status, body } = await gateway.ask(
      'query ($n: Int) { searchPackages(name: "a", first: $n) { groups { packages { nodes { versions(first: $n) { nodes { files(first: $n) { nodes { artifact { id } } } } } } } } } }',
      { variables: { n: 100 } },
    );
    expect([status, body.errors?.[0]?.extensions?.["code"]]).toEqual([400, "COST_LIMIT_EXCEEDED"]);
    expect(gateway.calls()).toEqual({});
  });

  test.each(["application/json", "application/graphql-response+json", "*/*", "application/json, */*;q=0.1"])(
    "by what a variable is when nobody sets it, for clients that accept %s",
    async (accept) => {
      const deep = `query ($n: Int = 100, $yes: Boolean = true) { searchPackages(name: "a", first: $n) @include(if: $yes) { groups { packages { nodes { versions(first: $n) { nodes { files(first: $n) { nodes { artifact { id } } } } } } } } } }`;
      const wide = "query ($n: Int = 101) { releases(first: $n) { nodes { id } } }";
      for (const [query, code] of [
        [deep, "COST_LIMIT_EXCEEDED"],
        [wide, "BAD_USER_INPUT"],
      ] as const) {
        const { body } = await gateway.ask(query, { headers: { accept } });
        expect(body.errors?.[0]?.extensions?.["code"], query).toBe(code);
        expect(gateway.calls()).toEqual({});
      }
    },
  );

  test("and what @skip leaves out does not count", async () => {
    const { body } = await gateway.ask(
      `query ($no: Boolean!) { backends { name } ${many(3, (index) => `r${index}: package(ref: { backend: "bkrepo", repository: "a/b", key: "a" }) @include(if: $no) { ${turns(9)} }`)} }`,
      { variables: { no: false } },
    );
    expect(body.errors).toBeUndefined();
  });

  test("in one request: more than ten operations", async () => {
    const batch = (size: number) =>
      JSON.stringify(Array.from({ length: size }, () => ({ query: "{ releases { nodes { id } } }" })));
    const over = await send(`${gateway.url}/graphql`, {
      headers: { "content-type": "application/json" },
      body: batch(11),
    });
    expect(over.status).toBe(413);
    expect(gateway.calls()).toEqual({});
    const within = await send(`${gateway.url}/graphql`, {
      headers: { "content-type": "application/json" },
      body: batch(10),
    });
    expect(within.status).toBe(200);
  });

  test("in bytes, whether or not it says how many there are", async () => {
    const body = JSON.stringify({ query: `{ backends { name } } #${"x".repeat(300_000)}` });
    const counted = await send(`${gateway.url}/graphql`, { headers: { "content-type": "application/json" }, body });
    const chunked = await send(`${gateway.url}/graphql`, {
      headers: { "content-type": "application/json", "transfer-encoding": "chunked" },
      body,
    });
    expect([counted.status, chunked.status]).toEqual([413, 413]);
    expect(gateway.calls()).toEqual({});
  });

  test("in its address or headers", async () => {
    const long = await send(`${gateway.url}/graphql?query=${"a".repeat(9000)}`, { method: "GET" });
    expect(long.status).toBe(414);
    const heavy = await send(`${gateway.url}/graphql`, { method: "GET", headers: { "x-heavy": "a".repeat(20_000) } });
    expect(heavy.status).toBe(431);
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`x-${index}`, "aaaaaaaa"]));
    expect((await send(`${gateway.url}/graphql`, { method: "GET", headers: many })).status).toBe(431);
  });

  test("in time: a body that never comes", async () => {
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    socket.write(
      "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    );
    const { status } = await gateway.ask("{ backends { name } }");
    expect(status).toBe(200);
    socket.destroy();
  });
});

describe("the page of another site", () => {
  const query = JSON.stringify({ query: "{ releases { nodes { id } } }" });
  const form = `query=${encodeURIComponent("{ releases { nodes { id } } }")}`;

  test.each([
    ["text/plain", query],
    ["text/plain;charset=UTF-8", query],
    ["text/plain; x=application/json", query],
    ["application/x-www-form-urlencoded", form],
    [
      "multipart/form-data; boundary=b",
      `--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${query}\r\n--b--\r\n`,
    ],
    ["application/graphql", "{ releases { nodes { id } } }"],
    ["", query],
  ])("cannot post a question as %s", async (type, body) => {
    const { status, headers } = await send(`${gateway.url}/graphql`, {
      headers: type === "" ? {} : { "content-type": type },
      body,
    });
    expect(status).toBe(415);
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(gateway.calls()).toEqual({});
  });

  test.each(["cross-site", "same-site"])("cannot ask by an address (%s)", async (site) => {
    const { status } = await send(`${gateway.url}/graphql?${form}`, {
      method: "GET",
      headers: { "sec-fetch-site": site },
    });
    expect(status).toBe(403);
    expect(gateway.calls()).toEqual({});
  });

  // What a browser sends to an address that it does not trust, such as http://gateway.intranet.
  test.each([
    { origin: "https://evil.example.test" },
    { origin: "null" },
    { referer: "http://evil.example.test/page" },
    { referer: "http://127.0.0.1.evil.example.test/" },
  ])("cannot ask by an address either where the browser says no more than %j", async (headers) => {
    const { status } = await send(`${gateway.url}/graphql?${form}`, { method: "GET", headers });
    expect(status).toBe(403);
    expect(gateway.calls()).toEqual({});
  });

  test("is not a page of the gateway's own host", async () => {
    for (const headers of [{ origin: gateway.url }, { referer: `${gateway.url}/` }]) {
      expect((await send(`${gateway.url}/graphql?${form}`, { method: "GET", headers })).status).toBe(200);
    }
  });

  test.each([{}, { "sec-fetch-site": "none" }, { "sec-fetch-site": "same-origin" }])(
    "is not meant by %j",
    async (headers) => {
      expect((await send(`${gateway.url}/graphql?${form}`, { method: "GET", headers })).status).toBe(200);
    },
  );

  test("may ask where its origin is allowed, and only there", async () => {
    const from = (origin: string) =>
      send(`${closed.url}/graphql?${form}`, { method: "GET", headers: { origin, "sec-fetch-site": "cross-site" } });
    const [friend, stranger] = await Promise.all([
      from("https://portal.example.test"),
      from("https://evil.example.test"),
    ]);
    expect([friend.status, friend.headers["access-control-allow-origin"]]).toEqual([
      200,
      "https://portal.example.test",
    ]);
    expect([stranger.status, stranger.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
  });

  test("is not allowed to read anything unless it is configured, and never with cookies", async () => {
    const asked = await send(`${gateway.url}/graphql`, {
      method: "OPTIONS",
      headers: {
        origin: "https://evil.example.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    });
    for (const name of Object.keys(asked.headers)) expect(name).not.toMatch(/^access-control-allow/);
    const { headers } = await send(`${closed.url}/graphql`, {
      headers: { origin: "https://portal.example.test", "content-type": "application/json" },
      body: JSON.stringify({ query: "{ __typename }" }),
    });
    expect(headers["access-control-allow-credentials"]).toBeUndefined();
  });

  test("cannot reach a loopback gateway under a name of its own", async () => {
    const local = await startDemoGateway({ estate: gateway.estate, settings: { auth: { mode: "none" } } });
    const { status } = await send(`${local.url}/graphql`, {
      headers: { host: "evil.example.test", "content-type": "application/json" },
      body: query,
    });
    expect(status).toBe(421);
    await local.stop();
  });
});

describe("every answer", () => {
  test.each(["/", "/graphql", "/health", "/ready", "/nothing-here", "/graphql?query={__typename}"])(
    "of %s says what browsers may do with it",
    async (path) => {
      const { headers } = await send(gateway.url + path, { method: "GET", headers: { accept: "text/html" } });
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["referrer-policy"]).toBe("no-referrer");
      expect(headers["x-frame-options"]).toBe("DENY");
      expect(headers["x-powered-by"]).toBeUndefined();
      expect(headers["server"]).toBeUndefined();
      const policy = String(headers["content-security-policy"]);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe-eval|https?:|\*/);
    },
  );

  test("but the two pages' allows nothing at all", async () => {
    const { headers } = await send(`${gateway.url}/graphql?query={__typename}`, { method: "GET" });
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });
});

describe("without introspection", () => {
  test("the schema is not disclosed, by name or by hint", async () => {
    for (const query of ["{ __schema { types { name } } }", '{ __type(name: "Query") { name } }']) {
      const { body } = await closed.ask(query);
      expect(body.data).toBeUndefined();
      expect(body.errors?.[0]?.message).toMatch(/introspection/i);
    }
    expect((await closed.ask("{ __typename }")).body).toEqual({ data: { __typename: "Query" } });
  });

  test.each([
    ["a field", "{ release }", {}],
    ["a field", "{ backend { name } }", {}],
    ["a field below", "{ backends { nam } }", {}],
    ["an argument", '{ searchPackages(nam: "a") { isComplete } }', {}],
    ["a type", "{ ... on Releas { id } }", {}],
    ["a value", '{ searchPackages(name: "a", match: EXAC) { isComplete } }', {}],
    ["a directive", "{ backends @skp(if: true) { name } }", {}],
    ["a variable's type", "query ($f: ReleaseFilte) { releases(filter: $f) { nodes { id } } }", {}],
    [
      "a variable's value",
      'query ($m: NameMatch!) { searchPackages(name: "a", match: $m) { isComplete } }',
      { m: "EXAC" },
    ],
    [
      "a variable's field",
      "query ($f: ReleaseFilter!) { releases(filter: $f) { nodes { id } } }",
      { f: { projec: "a" } },
    ],
  ])("a slip in %s gets no hint", async (_what, query, variables) => {
    const hidden = await closed.ask(query, { variables });
    expect(hidden.body.errors?.length).toBeGreaterThan(0);
    expect(hidden.text).not.toMatch(/did you mean/i);
    expect(closed.calls()).toEqual({});
  });

  test("which is what the same slips get with it", async () => {
    const { text: told } = await gateway.ask(
      'query ($m: NameMatch!) { searchPackages(name: "a", match: $m) { isComplete } }',
      {
        variables: { m: "EXAC" },
      },
    );
    expect(told).toMatch(/did you mean/i);
  });

  test("GraphiQL is not there either", async () => {
    const { headers } = await send(`${closed.url}/graphql`, { method: "GET", headers: { accept: "text/html" } });
    expect(String(headers["content-type"])).not.toContain("html");
  });
});
