import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as textOf } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { printId } from "../../src/graph/identity/opaque.ts";
import { startWith } from "../support/started.ts";

// Looks for the request that costs most for its size, and shrinks what it finds. Work is the processor time of the whole
// process, backend and client included, for a thousand bytes of body; smaller bodies count as a thousand.

/** What a stranger's request may cost, in honest ones of the same size. */
const mostTimes = 10;
const runs = Number(process.env["COST_RUNS"] ?? 150);
/** The same requests in every run; `FUZZ_SEED` asks for others. */
const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_128);
/** Whether the dearest request is measured again and printed. */
const report = process.env["COST_REPORT"] !== undefined;
const bodyBytes = 262_144;

/** bkrepo as its source answers: a page of packages by search, of versions by page, and nothing else. */
const server = createServer(async (request, response) => {
  const path = (request.url ?? "").replace(/\?.*$/s, "");
  const asked = await textOf(request);
  const size = Number(/"pageSize":(\d+)/.exec(asked)?.[1] ?? /pageSize=(\d+)/.exec(request.url ?? "")?.[1] ?? 20);
  const rows = (make: (index: number) => object) => Array.from({ length: Math.min(size, 100) }, (_, at) => make(at));
  const records = path.endsWith("/package/search")
    ? rows((at) => ({
        repoName: "local",
        name: `app-${at}`,
        key: `gav://com.acme:app-${at}`,
        type: "MAVEN",
        versions: 9,
      }))
    : path.includes("/version/page/")
      ? rows((at) => ({
          name: `1.0.${at}`,
          size: at,
          downloads: 0,
          stageTag: [],
          createdDate: "2026-11-01T10:00:00",
          metadata: { a: "b" },
        }))
      : [];
  const data = path.includes("/package/info/") ? null : { totalRecords: 1000, records };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ code: 0, message: null, data, traceId: "" }));
});

let url = "";
let stop: (() => Promise<void>) | null = null;
const bugs: unknown[] = [];

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const backend = {
    name: "bkrepo",
    kind: "bkrepo",
    url: `http://127.0.0.1:${port}`,
    credentials: { token: "t" },
    repositories: ["pay/local"],
    concurrency: 64,
  };
  const log = { error: (...line: unknown[]) => void bugs.push(line) };
  const gateway = await startWith({ backends: [backend] }, { log });
  url = gateway.url;
  stop = () => gateway.stop(0);
});

afterAll(async () => {
  await stop?.();
  server.closeAllConnections();
  server.close();
});

interface Question {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

let asked = 0;

/** Microseconds of processor time for a thousand bytes. A document that was sent before is known: each is new. */
async function workOf(questions: readonly Question[]): Promise<number> {
  const fresh = questions.map((one) => ({ ...one, query: `${one.query} #${asked++}` }));
  const body = JSON.stringify(fresh.length === 1 ? fresh[0] : fresh);
  const before = process.cpuUsage();
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  await response.arrayBuffer();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / Math.max(1000, body.length);
}

/** The least of some tries: what is above it is the compiler's, the collector's and the machine's. */
async function leastWorkOf(questions: readonly Question[], enough: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 8 && least > enough; tries++) least = Math.min(least, await workOf(questions));
  return least;
}

const scope = 'scope: { backend: "bkrepo", repository: "pay/local" }';
/** What a report asks: the largest page of packages, and the ten newest versions of each; 101 upstream calls. */
const honest: Question = {
  query: `query Page($first: Int!) { packages(${scope}, first: $first) {
    nodes { id name format description versions(first: 10) { nodes { id name size createdAt } pageInfo { hasNextPage } } }
    pageInfo { hasNextPage endCursor } sources { status fetchedAt } } }`,
  variables: { first: 100 },
};

const many = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => make(index)).join(" ");

const id = printId("Package", ["bkrepo", "pay/local", "gav://a:b"]);

/** Characters of one repeated part; all parts together are longer than any document may be. */
const longestPart = 20_000;

/** What a caller can write, most of it valid: selections in selections, repeated, renamed, wrapped and spread. */
const { selection } = fc.letrec<{ selection: string; ofPackage: string; ofVersion: string }>((tie) => {
  const page = fc.constantFrom(1, 5, 100);
  const deeper = { depthSize: "small", maxDepth: 4, withCrossShrink: true } as const;
  const leaf = (...names: readonly string[]) => fc.constantFrom(...names);
  const repeated = (one: fc.Arbitrary<string>) =>
    fc
      .record({
        one,
        count: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 400 })),
        alias: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 250 })),
        wraps: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 150 })),
        skips: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
      })
      .map(({ one: text, count, alias, wraps, skips }) => {
        const field = (index: number) => {
          const name = alias === 0 || /^\W/.test(text) ? "" : `a${index}${"x".repeat(alias)}: `;
          const directives = " @include(if: $t)".repeat(skips);
          const at = text.search(/[{ ]/);
          const placed = skips === 0 || text.includes("(") ? text : at < 0 ? text + directives : text;
          return `${name}${placed}`;
        };
        const fitting = Math.max(1, Math.min(count, Math.floor(longestPart / (text.length + alias))));
        return `${"... { ".repeat(wraps)}${many(fitting, field)}${" }".repeat(wraps)}`;
      });
  const several = (one: fc.Arbitrary<string>) =>
    fc.array(one, { minLength: 1, maxLength: 3 }).map((list) => list.join(" "));
  return {
    ofVersion: several(
      repeated(
        fc.oneof(
          deeper,
          leaf("name", "id", "size", "purl", "createdAt", "stages", "metadata { key value }", "__typename"),
          tie("ofPackage").map((inner) => `package { ${inner} }`),
          fc
            .tuple(page, leaf("name", "size", "digests"))
            .map(([first, inner]) => `files(first: ${first}) { nodes { ${inner} } }`),
          leaf("artifact { digest }", "builds { service }"),
        ),
      ),
    ),
    ofPackage: several(
      repeated(
        fc.oneof(
          deeper,
          leaf("name", "id", "format", "description", "__typename", "namesakes { rule }"),
          fc.tuple(page, tie("ofVersion")).map(([first, inner]) => `versions(first: ${first}) { nodes { ${inner} } }`),
          tie("ofVersion").map((inner) => `latestVersion { ${inner} }`),
          fc
            .tuple(fc.integer({ min: 1, max: 900 }), tie("ofVersion"))
            .map(([length, inner]) => `version(name: "${"v".repeat(length)}") { ${inner} }`),
        ),
      ),
    ),
    selection: several(
      repeated(
        fc.oneof(
          leaf(
            "__typename",
            "backends { name health { status } }",
            "traceByImage(image: $s) { isComplete sources { status } }",
          ),
          leaf(
            "__schema { types { name fields { name args { name type { name } } } } }",
            '__type(name: "Package") { name }',
          ),
          leaf(
            "node(id: $s) { id }",
            "nodes(ids: $ids) { id }",
            "releases(after: $s) { nodes { id } }",
            "traceByPurl(purl: $p) { isComplete }",
          ),
          tie("ofPackage").map((inner) => `nodes(ids: $ids) { id ... on Package { ${inner} } }`),
          fc
            .tuple(page, tie("ofPackage"))
            .map(([first, inner]) => `packages(${scope}, first: ${first}) { nodes { ${inner} } }`),
          fc
            .tuple(page, tie("ofPackage"))
            .map(
              ([first, inner]) =>
                `searchPackages(name: "app", first: ${first}) { groups { packages { nodes { ${inner} } } } }`,
            ),
        ),
      ),
    ),
  };
});

const declarations: Readonly<Record<string, string>> = {
  ids: "[ID!]!",
  s: "String!",
  p: "PURL!",
  t: "Boolean!",
};

const document = fc
  .record({
    selection,
    fragments: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 200 })),
    spreads: fc.integer({ min: 1, max: 3 }),
    operations: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 60 })),
    noise: fc.oneof(
      { weight: 5, arbitrary: fc.constant("") },
      fc
        .tuple(fc.constantFrom("\n", "#\n", ",", " ", "#x", '"""a"""'), fc.integer({ min: 1, max: 100_000 }))
        .map(([one, count]) => one.repeat(count)),
    ),
    long: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 100_000 })),
  })
  .map(({ selection: chosen, fragments, spreads, operations, noise, long }) => {
    const chain = many(
      fragments,
      (index) =>
        `fragment F${index} on Query { ${index + 1 < fragments ? many(spreads, () => `...F${index + 1}`) : chosen} }`,
    );
    const body = fragments === 0 ? chosen : "...F0";
    const names = Object.keys(declarations).filter((name) => new RegExp(`\\$${name}\\b`).test(chosen));
    const given = names.length === 0 ? "" : `(${names.map((name) => `$${name}: ${declarations[name]}`).join(", ")})`;
    const first = `query A${"x".repeat(long)}${given} { ${body} }`;
    const others = many(operations - 1, (index) => `query B${index}${given} { ${body} }`);
    return { names, query: `${first} ${others} ${chain} ${noise}`.slice(0, bodyBytes / 2) };
  });

const value: fc.Arbitrary<unknown> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 60_000 }), fc.constantFrom<unknown>("x", id, 1, null, {}, []))
    .map(([count, one]) => Array(count).fill(one)),
  fc.integer({ min: 1, max: 100_000 }).map((length) => "a/".repeat(length / 2)),
  fc.integer({ min: 1, max: 30_000 }).map((depth) => nested(depth)),
  fc
    .integer({ min: 1, max: 10_000 })
    .map((count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))),
);

function nested(depth: number): unknown {
  let inner: unknown = 1;
  for (let at = 0; at < depth; at++) inner = [inner];
  return inner;
}

const question: fc.Arbitrary<Question> = fc
  .record({
    document,
    ids: fc.oneof(
      fc.integer({ min: 0, max: 100 }).map((count) => Array(count).fill(id)),
      value,
    ),
    s: fc.oneof(fc.constantFrom("a/b:1", id, "a".repeat(1000), "\u4e2d".repeat(300)), value),
    p: fc.oneof(fc.constantFrom("pkg:maven/a/b@1", `pkg:maven/${"a/".repeat(900)}b`), value),
    extensions: fc.option(
      value.map((one) => ({ one })),
      { nil: undefined, freq: 8 },
    ),
  })
  .map(({ document: { names, query }, ids, s, p, extensions }) => {
    const all: Readonly<Record<string, unknown>> = { ids, s, p, t: true };
    const variables = Object.fromEntries(names.map((name) => [name, all[name]]));
    return { query, variables, ...(extensions ? { extensions } : {}) };
  })
  .filter((one) => bytesOf(one) < bodyBytes);

const questions = fc
  .oneof(
    { weight: 4, arbitrary: question.map((one) => [one]) },
    fc.tuple(question, fc.integer({ min: 2, max: 10 })).map(([one, count]) => Array<Question>(count).fill(one)),
  )
  .filter((all) => bytesOf(all) < bodyBytes);

function bytesOf(sent: unknown): number {
  try {
    return JSON.stringify(sent).length;
  } catch {
    // Too deep to be printed this way: sent from the other tests.
    return Number.POSITIVE_INFINITY;
  }
}

/** What was dear once, or may be: each is tried before what the generator makes. */
const known: readonly (readonly Question[])[] = [
  [{ query: `{ packages(${scope}, first: 100) { nodes { latestVersion { name } } } }` }],
  [
    {
      query: `{ packages(${scope}, first: 100) { nodes { latestVersion { name files(first: 1) { nodes { name } } } } } }`,
    },
  ],
  [
    {
      query: `{ packages(${scope}, first: 100) { nodes { versions(first: 100) { nodes { id name size createdAt } } } } }`,
    },
  ],
  [
    {
      query: `{ packages(${scope}, first: 100) { nodes { ${many(26, (at) => `a${at}: versions(first: 100) { nodes { id name } }`)} } } }`,
    },
  ],
  ...["a%: purl", "a%: id", "a%: createdAt", "a%: metadata { key value }", "a%: sources { status fetchedAt }"].flatMap(
    (field) =>
      [4, 12, 20].map((times) => [
        {
          query: `{ packages(${scope}, first: 100) { nodes { versions(first: 100) { nodes { ${many(times, (at) => field.replace("%", `${at}`))} } } } } }`,
        },
      ]),
  ),
  [
    {
      query: `{ packages(${scope}, first: 100) { nodes { versions(first: 100) { edges { ${many(12, (at) => `a${at}: cursor`)} } } } } }`,
    },
  ],
  Array(10).fill({ query: "{ __schema { types { name fields { name args { name type { name } } } } } }" }),
  Array(10).fill({ query: "{ backends { name } }" }),
  [{ query: `{ ${many(100, () => "backends { name kind }")} }` }],
  [{ query: `{ ${many(1900, (at) => `f${at}`)} }` }],
  [{ query: "query ($i: [ID!]!) { nodes(ids: $i) { id } }", variables: { i: Array(100).fill("x") } }],
  [{ query: "query ($i: [ID!]!) { nodes(ids: $i) { id } }", variables: { i: Array(60_000).fill("x") } }],
  [
    {
      query: `{ ${many(30, (at) => `t${at}: traceByImage(image: "a.test/b:${at}") { isComplete sources { status } }`)} }`,
    },
  ],
];

describe("the dearest request", () => {
  test(`costs ${mostTimes} honest ones of its size at most`, async () => {
    for (let warm = 0; warm < 40; warm++) await workOf([honest]);
    const fair: number[] = [];
    for (let round = 0; round < 15; round++) fair.push(await workOf([honest]));
    const usual = fair.sort((one, other) => one - other)[7] ?? 0;
    let dearest = { times: 0, sent: "" };
    await fc.assert(
      fc.asyncProperty(questions, async (sent) => {
        const work = await leastWorkOf(sent, usual * mostTimes);
        const times = work / usual;
        // Trying ends where it is enough: for the record, what looks dear is measured again.
        if (report && times > dearest.times) {
          const least = (await leastWorkOf(sent, 0)) / usual;
          if (least > dearest.times) dearest = { times: least, sent: JSON.stringify(sent) };
        }
        expect(times, JSON.stringify(sent).slice(0, 2000)).toBeLessThanOrEqual(mostTimes);
      }),
      { numRuns: runs, seed, examples: known.map((one) => [[...one]]) },
    );
    if (report) {
      process.stderr.write(
        `${dearest.times.toFixed(1)} times ${usual.toFixed(0)} µs/kB: ${dearest.sent.slice(0, 1500)}\n`,
      );
    }
    expect(bugs).toEqual([]);
  }, 300_000);
});
