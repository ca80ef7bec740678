import { channel } from "node:diagnostics_channel";
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { images, release, swrReference } from "../../demo/story.ts";
import { backendTypes } from "../../src/backends/index.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "../support/gateway.ts";

// 10,000 cases in all; many of them travel together in one request.
const rounds = {
  ids: 60,
  cursors: 150,
  inputs: 60,
  documents: 1800,
  variables: 800,
  headers: 700,
  bodies: 400,
} as const;
const together = 50;
let cases = 0;
/** Calls that got through to a backend: a fuzz that is always refused at the door proves little. */
let reached = 0;

let gateway: DemoGateway;
const contacted = new Set<string>();
const note = (message: unknown) => {
  if (typeof message !== "object" || message === null || !("connectParams" in message)) return;
  const { host, protocol } = Object(message.connectParams);
  contacted.add(`${protocol}//${host}`);
};

beforeAll(async () => {
  channel("undici:client:beforeConnect").subscribe(note);
  gateway = await startDemoGateway({ settings: { limits: { cost: 1_000_000, upstreamCalls: 2000, aliases: 200 } } });
});

afterAll(async () => {
  channel("undici:client:beforeConnect").unsubscribe(note);
  await gateway.stop();
});

/** Codes that say "you asked wrongly": with one of these and no data, nobody may have been asked. */
const refusals = new Set([
  "BAD_USER_INPUT",
  "BAD_ID",
  "BAD_CURSOR",
  "TOKEN_LIMIT_EXCEEDED",
  "DEPTH_LIMIT_EXCEEDED",
  "COST_LIMIT_EXCEEDED",
]);

function checkAnswer({ status, body }: Pick<Answer, "status" | "body">): void {
  expect([200, 400, 413, 415, 431]).toContain(status);
  for (const { extensions, message } of body.errors ?? []) {
    expect(extensions?.["code"], message).not.toBe("INTERNAL_SERVER_ERROR");
    expect(message).not.toMatch(/ECONN|at .*\.ts:|node_modules|127\.0\.0\.1/);
  }
}

/** Paths of everything that may be asked; a part is one segment unless it says that it keeps its slashes. */
const allowed = backendTypes.flatMap(({ operations }) =>
  operations.map(({ method, path }) => {
    const parts = path.split(/(\{\w+\+?\})/).map((part) => {
      if (!part.startsWith("{")) return part.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
      return part.endsWith("+}") ? ".+" : "[^/]+";
    });
    return { method, pattern: new RegExp(`^${parts.join("")}$`) };
  }),
);

/** What the backends were asked is on the list, and no part of it leads anywhere else. */
function checkCalls(): void {
  for (const server of Object.values(gateway.estate.servers)) {
    for (const { method, url } of server.seen) {
      reached += 1;
      const path = url.replace(/\?.*$/s, "");
      expect(
        allowed.some((one) => one.method === method && one.pattern.test(path)),
        `${method} ${url}`,
      ).toBe(true);
      expect(url).toMatch(/^[\x21-\x7e]+$/);
      for (const layer of [path, decoded(path), decoded(decoded(path))]) {
        expect(
          layer.split(/[/\\]/).filter((part) => part === "." || part === ".."),
          url,
        ).toEqual([]);
      }
    }
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

const evil = fc.constantFrom(
  ...[
    "..",
    ".",
    "../..",
    "..%2f..%2fadmin",
    "%2e%2e%2f",
    "/etc/passwd",
    "//evil.example.test/x",
    "http://169.254.169.254/latest/meta-data",
  ],
  ...[
    "http://evil.example.test",
    "evil.example.test:80",
    "@evil.example.test",
    "a@evil.example.test/b",
    "\\\\evil\\share",
    "..\\..\\x",
  ],
  ...[
    "a/../../b",
    "pay/../../../admin",
    "a?admin=1",
    "a#b",
    "a;b",
    "a&b=c",
    "a\r\nX-Evil: 1",
    "a\u0000b",
    "%00",
    "%0d%0aHost: evil",
    "a%2fb",
  ],
  ...[
    "$&",
    "$1",
    "{project}",
    "__proto__",
    "constructor",
    "-1",
    "0",
    "1e9",
    "null",
    "*",
    ".*",
    "(a+)+$",
    "'; drop table --",
    "\ud800",
    "\u202e",
    "İ",
    "ſ",
  ],
  ...[
    "x".repeat(1000),
    "/".repeat(500),
    "pay/api",
    "pay-core",
    "pay/maven-local",
    "api",
    "npm:@acme/pay-client",
    "docker://api",
    "image:pay/api",
  ],
);
const part = fc.oneof(
  { weight: 4, arbitrary: evil },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 20 }) },
  { weight: 1, arbitrary: fc.webUrl() },
);
const backend = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom("zadig", "bkrepo", "swr-north4", "gitlab") },
  { weight: 1, arbitrary: part },
);
const pack = (parts: readonly (string | null)[]) =>
  Buffer.from(parts.map((one) => (one === null ? "-" : `${one.length}:${one}`)).join("")).toString("base64url");

/** Something hostile behind a beginning that opens doors. */
const plausible = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        ...[
          "",
          "pay/",
          "pay/maven-local",
          "pay-core",
          "pay/api",
          "gav://com.acme.pay:",
          "gav://../..:",
          "docker://",
          "npm://",
          "helm://",
        ],
        ...[
          "npm:",
          "generic:",
          "maven:com/acme/",
          "image:pay/",
          "image://",
          "v2.4.0",
          "1.0.0",
          "ea93ca59004ecb3c866e0ce0",
          "swr.cn-north-4.myhuaweicloud.com/pay-core/",
        ],
      ),
      fc.oneof(
        { weight: 2, arbitrary: fc.constant("") },
        { weight: 3, arbitrary: evil },
        { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
      ),
    )
    .map(([before, after]) => before + after),
  part,
);
const maybe = fc.option(plausible, { freq: 4 });
const packageParts = fc.tuple(backend, plausible, plausible);

/** Ids that are well-formed on the outside and hostile inside. */
const forged: fc.Arbitrary<readonly (string | null)[]> = fc.oneof(
  fc.tuple(backend, maybe, maybe, maybe).map((parts) => ["1", "Release", ...parts]),
  fc.tuple(backend, maybe, maybe, maybe, plausible).map((parts) => ["1", "BuildInfo", "release", ...parts]),
  fc.tuple(backend, maybe, maybe, plausible).map((parts) => ["1", "BuildInfo", "artifact", ...parts]),
  packageParts.map((parts) => ["1", "Package", ...parts]),
  fc.tuple(packageParts, plausible, maybe).map(([place, ...rest]) => ["1", "Version", ...place, ...rest]),
  fc.tuple(maybe, backend, maybe, maybe).map(([digest, ...rest]) => ["1", "Artifact", digest, "zadig", ...rest]),
  fc
    .tuple(maybe, fc.option(backend), plausible)
    .map(([digest, ...rest]) => ["1", "Artifact", digest, "image", ...rest]),
  fc
    .tuple(packageParts, plausible, maybe, plausible)
    .map(([place, ...rest]) => ["1", "Artifact", null, "file", ...place, ...rest]),
  fc.array(fc.option(part), { maxLength: 8 }).map((parts) => ["1", "PipelineRun", ...parts]),
);
const id = fc.oneof(
  { weight: 8, arbitrary: forged.map(pack) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(forged.map(pack), fc.nat(), fc.constantFrom("A", "_", "=", "%", ""))
      .map(([good, at, byte]) => good.slice(0, at % good.length) + byte + good.slice((at % good.length) + 1)),
  },
  { weight: 1, arbitrary: part.map((text) => text.toWellFormed()) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: "binary", maxLength: 60 }).map((noise) => Buffer.from(noise).toString("base64url")),
  },
);

async function count<T>(
  runs: number,
  size: number,
  arbitrary: fc.Arbitrary<T>,
  property: (value: T) => Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitrary, async (value) => {
      cases += size;
      gateway.forget();
      await property(value);
      checkCalls();
    }),
    { numRuns: runs, endOnFailure: false },
  );
}

describe("no crash, no error of ours, no strange call, whatever is sent:", () => {
  test(
    "ids",
    () =>
      count(rounds.ids, together, fc.array(id, { minLength: together, maxLength: together }), async (ids) => {
        const answer = await gateway.ask(
          `query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Release { drift { verdict } } ... on Package { latestVersion { name } versions(first: 1) { nodes { name } } } ... on Version { files(first: 1) { nodes { name } } publishedBy { id } } ... on Artifact { digest locations { path } } } }`,
          { variables: { ids } },
        );
        checkAnswer(answer);
        expect(answer.body.data?.["nodes"]).toHaveLength(ids.length);
      }),
    120_000,
  );

  test(
    "an id that is refused asks nobody",
    () =>
      count(200, 1, id, async (one) => {
        const answer = await gateway.ask("query ($id: ID!) { node(id: $id) { id } }", { variables: { id: one } });
        checkAnswer(answer);
        const codes = answer.body.errors?.map(({ extensions }) => String(extensions?.["code"])) ?? [];
        if (codes.some((code) => refusals.has(code))) expect(gateway.calls()).toEqual({});
      }),
    60_000,
  );

  test("cursors", () => {
    const position = fc.oneof(
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.constantFrom("[]", "[1e308]", "[-1]", '[9007199254740991,100,"x"]', '[".."]'),
    );
    const cursor = fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .tuple(backend, fc.string({ maxLength: 12 }), position)
          .map(([owner, hash, json]) => pack(["1", owner, hash, json])),
      },
      { weight: 1, arbitrary: part },
    );
    return count(rounds.cursors, 4, cursor, async (after) => {
      const answer = await gateway.ask(
        `query ($after: String) {
          a: releases(after: $after, first: 3) { nodes { version } }
          b: artifacts(after: $after, first: 3) { nodes { name } }
          c: packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, after: $after) { nodes { name } }
          d: packages(scope: { backend: "gitlab", group: "pay" }, after: $after) { nodes { name } }
        }`,
        { variables: { after } },
      );
      checkAnswer(answer);
      if (
        answer.body.errors?.every(({ extensions }) => extensions?.["code"] === "BAD_CURSOR") &&
        answer.body.errors.length === 4
      ) {
        expect(gateway.calls()).toEqual({});
      }
    });
  }, 120_000);

  test("positions in cursors that are our own but for the place they name", async () => {
    const lists = ["releases", "artifacts"] as const;
    for (const list of lists) {
      const { body } = await gateway.ask(`{ list: ${list}(first: 1) { pageInfo { endCursor } } }`);
      const own = Object(body.data?.["list"]).pageInfo.endCursor as string;
      const place = fc.array(fc.oneof(fc.nat(), fc.maxSafeNat(), part), { maxLength: 5 });
      await count(100, 1, place, async (position) => {
        const parts =
          Buffer.from(own, "base64url")
            .toString()
            .match(/^(1:1\d+:[a-z0-9-]+12:.{12})/)?.[1] ?? "";
        const json = JSON.stringify(position);
        const after = Buffer.from(`${parts}${json.length}:${json}`).toString("base64url");
        checkAnswer(
          await gateway.ask(`query ($after: String) { list: ${list}(first: 1, after: $after) { nodes { id } } }`, {
            variables: { after },
          }),
        );
      });
    }
  }, 60_000);

  test("names, references, digests and package URLs", () => {
    const row = fc.record({ a: plausible, b: plausible, c: plausible, owner: backend });
    return count(rounds.inputs, 30, fc.array(row, { minLength: 3, maxLength: 3 }), async (rows) => {
      const variables = Object.fromEntries(
        rows.flatMap(({ a, b, c, owner }, index) => [
          [`a${index}`, a],
          [`b${index}`, b],
          [`c${index}`, c],
          [`o${index}`, owner],
        ]),
      );
      const names = rows.flatMap((_row, index) => [
        `$a${index}: String!`,
        `$b${index}: String!`,
        `$c${index}: String!`,
        `$o${index}: String!`,
      ]);
      const fields = rows.map(
        (_row, i) => `
        p${i}: package(ref: { backend: $o${i}, repository: $a${i}, key: $b${i} }) { name version(name: $c${i}) { name files(first: 1) { nodes { name } } } }
        q${i}: package(ref: { backend: $o${i}, repository: $a${i}, name: $b${i}, format: MAVEN }) { name }
        r${i}: packages(scope: { backend: $o${i}, repository: $a${i} }, filter: { name: $b${i} }, first: 1) { nodes { versions(prefix: $c${i}, stage: $b${i}, first: 1) { nodes { name } } } }
        g${i}: packages(scope: { backend: $o${i}, group: $a${i} }, first: 1) { nodes { name } }
        s${i}: searchPackages(name: $a${i}, match: CONTAINS, first: 1) { isComplete }
        t${i}: traceByImage(image: $a${i}) { isComplete }
        u${i}: traceByImage(image: $b${i}) { isComplete }
        v${i}: releases(filter: { project: $a${i}, workflow: $b${i}, service: $c${i}, label: $a${i} }, first: 1) { nodes { version } }
        w${i}: artifacts(filter: { image: $a${i}, name: $b${i}, imageTag: $c${i} }, first: 1) { nodes { name } }
        x${i}: artifacts(filter: { repository: $a${i}, branch: $b${i} }, first: 1) { nodes { name } }`,
      );
      checkAnswer(await gateway.ask(`query (${names.join(", ")}) { ${fields.join("\n")} }`, { variables }));
    });
  }, 180_000);

  test("digests and package URLs as such", () => {
    const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEF:"), maxLength: 140 });
    const purl = fc
      .tuple(fc.constantFrom("maven", "npm", "oci", "docker", "generic", "evil"), part, part)
      .map(([type, name, rest]) => `pkg:${type}/${name}?repository_url=${rest}`);
    return count(
      300,
      2,
      fc.record({ digest: fc.oneof(hex, part), purl: fc.oneof(purl, part), owner: backend, place: plausible }),
      async (variables) => {
        checkAnswer(
          await gateway.ask(
            `query ($digest: Digest!, $purl: PURL!, $owner: String!, $place: String) {
            d: traceByDigest(digest: $digest, hint: { backend: $owner, repository: $place }) { isComplete }
            p: traceByPurl(purl: $purl, hint: { backend: $owner, repository: $place }) { isComplete }
          }`,
            { variables },
          ),
        );
      },
    );
  }, 120_000);

  test("documents", () => {
    const good = [
      `{ release(id: "x") { id } }`,
      `query Q($a: ID! = "x", $b: [ID!]!) @d { ...F nodes(ids: $b) { ... on Package @include(if: true) { name } } }`,
      `fragment F on Query { traceByImage(image: "${swrReference(images.api)}") { artifact { digest } } }`,
      `{ releases(filter: { project: "pay", taskId: 117 }, first: 1) { nodes { zadigId } } }`,
      `subscription { a } mutation { deletePackage(id: "x", confirmName: "y") { deleted } }`,
      `{ __schema { types { fields { type { ofType { ofType { name } } } } } } }`,
    ];
    const token = fc.constantFrom(
      ...good
        .join(" ")
        .split(/(\W)/)
        .filter((piece) => piece.trim() !== ""),
      '"""',
      "\ufeff",
      "…",
      "$",
      "@skip(if: $a)",
      "9".repeat(400),
      "1e999",
    );
    const mutated = fc
      .tuple(fc.constantFrom(...good), fc.nat(), fc.nat(8), fc.string({ maxLength: 6 }))
      .map(([document, at, cut, put]) => {
        const place = at % document.length;
        return document.slice(0, place) + put + document.slice(place + cut);
      });
    const nesting = fc
      .tuple(fc.constantFrom("{a", "[", "(a:", "{a(b:[", "...on Query{"), fc.nat(1500))
      .map(([piece, times]) => `{ a ${piece.repeat(times)}`);
    const document = fc.oneof(
      { weight: 5, arbitrary: mutated },
      { weight: 5, arbitrary: fc.array(token, { maxLength: 40 }).map((all) => all.join(" ")) },
      { weight: 1, arbitrary: fc.string() },
      { weight: 1, arbitrary: nesting },
    );
    return count(rounds.documents, 1, document, async (query) => {
      const answer = await gateway.ask(query, { headers: { accept: "application/graphql-response+json" } });
      checkAnswer(answer);
      if (answer.body.data === undefined || answer.body.data === null) expect(gateway.calls()).toEqual({});
    });
  }, 120_000);

  test("variables", () => {
    const value: fc.Arbitrary<unknown> = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      part,
      fc.constantFrom(2 ** 53, -1, 1.5, "__proto__", { __proto__: null, toString: 1 }),
      fc.nat(3000).map((depth) => JSON.parse(`${"[".repeat(depth + 1)}${"]".repeat(depth + 1)}`)),
    );
    const or = <T>(fitting: fc.Arbitrary<T>) =>
      fc.oneof({ weight: 4, arbitrary: fitting }, { weight: 1, arbitrary: value });
    const variables = fc.record(
      {
        ids: or(fc.array(id, { maxLength: 4 })),
        first: or(fc.nat(100)),
        filter: or(fc.record({ project: plausible, service: part, taskId: fc.nat() }, { requiredKeys: [] })),
        ref: or(fc.record({ backend: fc.constant("bkrepo"), repository: plausible, key: plausible })),
        digest: or(fc.constantFrom(images.api.digest, images.web.digest)),
        match: or(fc.constantFrom("EXACT", "PREFIX")),
      },
      { requiredKeys: [] },
    );
    return count(rounds.variables, 1, variables, async (given) => {
      const answer = await gateway.ask(
        `query ($ids: [ID!] = [], $first: Int, $filter: ReleaseFilter = {}, $ref: PackageRef = { backend: "bkrepo", repository: "pay/maven-local", key: "gav://a:c" }, $digest: Digest = "md5:${"a".repeat(32)}", $match: NameMatch = EXACT) {
          nodes(ids: $ids) { id }
          releases(filter: $filter, first: $first) { nodes { version } }
          package(ref: $ref) { name }
          traceByDigest(digest: $digest) { isComplete }
          searchPackages(name: "pay", match: $match, first: $first) { isComplete }
        }`,
        { variables: given, headers: { accept: "application/graphql-response+json" } },
      );
      checkAnswer(answer);
      if (answer.body.data === undefined) expect(gateway.calls()).toEqual({});
    });
  }, 120_000);

  test("headers", () => {
    const known = fc.constantFrom(
      "accept",
      "authorization",
      "content-type",
      "x-explain",
      "x-request-id",
      "traceparent",
      "x-backend-token-gitlab",
      "origin",
      "cookie",
      "accept-encoding",
      "x-forwarded-host",
      "content-encoding",
      "if-none-match",
      "range",
      "expect",
      "apollo-federation-include-trace",
      "sec-fetch-site",
      "access-control-request-method",
    );
    const value = fc.oneof(
      part,
      fc.string({ maxLength: 60 }),
      fc.constantFrom(
        "*/*;q=2",
        "application/json; charset=latin1",
        "gzip",
        "plan",
        "actual",
        "x".repeat(8000),
        "multipart/mixed",
        "text/event-stream",
      ),
    );
    return count(rounds.headers, 1, fc.array(fc.tuple(known, value), { minLength: 1, maxLength: 4 }), async (pairs) => {
      const headers = Object.fromEntries(
        pairs.map(([name, text]) => [name, text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "").slice(0, 9000)]),
      );
      const status = await raw(
        { "content-type": "application/json", ...headers },
        JSON.stringify({ query: "{ backends { name } }" }),
      );
      expect([200, 204, 400, 401, 406, 413, 415, 417, 431]).toContain(status);
    });
  }, 120_000);

  test("bodies", () => {
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom(
        "null",
        "[]",
        "[null]",
        "{}",
        '{"query":1}',
        '{"query":{}}',
        '{"query":"{a}","variables":[]}',
        '{"query":"{__typename}","variables":"x"}',
        '{"query":"{__typename}","operationName":{}}',
        '{"query":"{__typename}","extensions":7}',
        '{"__proto__":{"query":"{__typename}"}}',
        `${"[".repeat(20_000)}`,
        `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
      ),
      fc
        .jsonValue()
        .map((value) =>
          JSON.stringify({ query: "{ __typename }", variables: value, operationName: value, extensions: value }),
        ),
    );
    return count(rounds.bodies, 1, body, async (sent) => {
      expect([200, 400, 413]).toContain(await raw({ "content-type": "application/json" }, sent));
      expect(gateway.calls()).toEqual({});
    });
  }, 60_000);
});

test("that was ten thousand cases, and no one but the configured backends was spoken to", () => {
  expect(cases).toBeGreaterThanOrEqual(10_000);
  expect(reached).toBeGreaterThan(1000);
  const known = new Set(
    [gateway.url, ...gateway.estate.backends.map(({ url }) => url)].map((url) => new URL(url).origin),
  );
  expect([...contacted].filter((origin) => !known.has(origin))).toEqual([]);
  expect(contacted.size).toBeGreaterThanOrEqual(4);
});

test("and the gateway is as well as before", async () => {
  const { body } = await gateway.ask(`{ releases(filter: { project: "pay" }, first: 1) { nodes { version } } }`);
  expect(body).toEqual({ data: { releases: { nodes: [{ version: release.version }] } } });
  expect(gateway.log.filter(({ level }) => level === "error")).toEqual([]);
});

function raw(headers: Record<string, string>, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(`${gateway.url}/graphql`, { method: "POST", headers });
    outgoing.on("response", async (response) => {
      await text(response);
      resolve(response.statusCode ?? 0);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
