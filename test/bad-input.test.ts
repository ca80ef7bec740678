import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DemoReply, Fault } from "../src/demo/server.ts";
import { images, places, projects, sdk, swrReference } from "../src/demo/story.ts";
import { printCursor, printId } from "../src/graph/opaque.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  // A failure is answered at once: what is tested is what is said of it.
  const bare = { retries: 0, timeoutMs: 2000, breaker: { failures: 1000, coolDownMs: 1 } };
  gateway = await startDemoGateway({ backends: { zadig: bare, bkrepo: bare, "swr-north4": bare, gitlab: bare } });
});
afterAll(() => gateway.stop());

/** All codes that may ever leave, by who is to blame. */
const inputCodes = ["BAD_USER_INPUT", "BAD_ID", "BAD_CURSOR", "BACKEND_NOT_CONFIGURED"];
const closedCodes = [
  ...inputCodes,
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_THROTTLED",
  "UPSTREAM_UNAUTHENTICATED",
  "UPSTREAM_FORBIDDEN",
  "UPSTREAM_MALFORMED",
  "UPSTREAM_BUDGET_EXCEEDED",
];

const codesOf = ({ body }: Answer) => body.errors?.map(({ extensions }) => extensions?.["code"]) ?? [];

/** Asks, and expects a refusal with this code that cost no upstream call. */
async function refused(
  query: string,
  code: string,
  variables: Readonly<Record<string, unknown>> = {},
): Promise<Answer> {
  gateway.forget();
  const answer = await gateway.ask(query, { variables });
  expect([query.slice(0, 200), codesOf(answer)]).toEqual([query.slice(0, 200), [code]]);
  expect(answer.body.errors?.[0]?.extensions?.["retryable"]).toBe(false);
  expect([query.slice(0, 200), gateway.calls()]).toEqual([query.slice(0, 200), {}]);
  return answer;
}

const text = JSON.stringify;
const image = swrReference(images.api);

describe("refused before anything is asked:", () => {
  const strangers = [
    "",
    " ",
    "garbage",
    "Release:1",
    "../../../etc/passwd",
    "http://169.254.169.254/",
    "a".repeat(10_000),
    Buffer.from("1:27:Package1:a1:b1:c").toString("base64url"),
    Buffer.from("1:14:User1:a").toString("base64url"),
    printId("Package", ["bkrepo", "pay/maven-local"]),
    printId("Package", ["bkrepo", "pay/maven-local", "gav://a:b\u0000"]),
    printId("Package", ["bkrepo", "pay/maven-local", "k".repeat(2000)]),
    printId("Release", ["zadig", null, null, null]),
    printId("Version", ["gitlab", "pay/api"]),
    printId("Artifact", [null, "image", "zadig"]),
    printCursor("zadig", [], [1]),
  ];

  test.each(strangers.map((id) => ({ id })))("the id $id", async ({ id }) => {
    await refused("query ($id: ID!) { node(id: $id) { id } }", "BAD_ID", { id });
    await refused("query ($id: ID!) { release(id: $id) { id } }", "BAD_ID", { id });
    const answer = await refused("query ($id: ID!) { nodes(ids: [$id]) { id } }", "BAD_ID", { id });
    expect(answer.status).toBe(200);
    expect(answer.body.errors?.[0]?.path).toEqual(["nodes", 0]);
  });

  test("the id of another type", async () => {
    const id = printId("Package", ["bkrepo", "pay/maven-local", "gav://a:b"]);
    await refused("query ($id: ID!) { release(id: $id) { id } }", "BAD_ID", { id });
  });

  test("but the id of a backend that is no longer configured is only gone", async () => {
    gateway.forget();
    const ids = [
      printId("Package", ["elsewhere", "pay/maven-local", "gav://a:b"]),
      printId("Version", ["elsewhere", "pay/api", "maven:a", "1", "7"]),
      printId("Release", ["elsewhere", null, "0123456789abcdef01234567", null]),
    ];
    const answer = await gateway.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { variables: { ids } });
    expect(answer.body).toEqual({ data: { nodes: [null, null, null] } });
    expect(gateway.calls()).toEqual({});
  });

  test("and ids with coordinates that no backend can have are absent, not asked for elsewhere", async () => {
    gateway.forget();
    const ids = [
      printId("Package", ["bkrepo", "../..", "gav://a:b"]),
      printId("Package", ["bkrepo", "pay/..", "gav://a:b"]),
      printId("Package", ["swr-north4", "..", "name"]),
      printId("Package", ["swr-north4", places.swrNamespace, ".."]),
      printId("Package", ["gitlab", "..", "maven:a"]),
      printId("Version", ["gitlab", "pay/api", "maven:a", "1", "7/../../users"]),
      printId("Release", ["zadig", "pay", "../../users", null]),
    ];
    const answer = await gateway.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { variables: { ids } });
    expect(answer.body.errors).toBeUndefined();
    expect(answer.body.data).toEqual({ nodes: ids.map(() => null) });
    for (const { seen } of Object.values(gateway.estate.servers))
      for (const { url } of seen) expect(decodeURIComponent(url)).not.toMatch(/(?:^|\/)\.\.(?:\/|$)|users/);
  });

  const named = (backend: string) => [
    `{ releases(filter: { backend: ${text(backend)} }) { nodes { id } } }`,
    `{ artifacts(filter: { backend: ${text(backend)} }) { nodes { id } } }`,
    `{ packages(scope: { backend: ${text(backend)}, repository: "a/b" }) { nodes { id } } }`,
    `{ package(ref: { backend: ${text(backend)}, repository: "a/b", key: "a" }) { id } }`,
    `{ traceByDigest(digest: "${images.api.digest}", hint: { backend: ${text(backend)}, repository: "a/b" }) { isComplete } }`,
    `{ traceByPurl(purl: "pkg:npm/a@1.0.0", hint: { backend: ${text(backend)}, repository: "a/b" }) { isComplete } }`,
  ];
  test.each(["nowhere", "ZADIG", "zadig ", "__proto__", "constructor"])("the backend name %j", async (backend) => {
    for (const query of named(backend)) await refused(query, "BACKEND_NOT_CONFIGURED");
  });

  test("a backend that has not what is asked of it", async () => {
    for (const backend of ["bkrepo", "swr-north4", "gitlab"]) {
      await refused(`{ releases(filter: { backend: "${backend}" }) { nodes { id } } }`, "BAD_USER_INPUT");
      await refused(`{ artifacts(filter: { backend: "${backend}" }) { nodes { id } } }`, "BAD_USER_INPUT");
    }
    for (const query of named("zadig").slice(2)) await refused(query, "BAD_USER_INPUT");
  });

  test("a package with neither key nor name, a name without a format, or a format without a name", async () => {
    const of = (rest: string) => `{ package(ref: { backend: "bkrepo", repository: "pay/maven-local"${rest} }) { id } }`;
    for (const rest of ["", ', name: "a"', ", format: MAVEN", ', key: ""', ', key: null, name: ""'])
      await refused(of(rest), "BAD_USER_INPUT");
  });

  const scopes = (scope: string) => [
    `{ packages(scope: { ${scope} }) { nodes { id } } }`,
    `{ traceByDigest(digest: "${images.api.digest}", hint: { ${scope} }) { isComplete } }`,
    `{ traceByPurl(purl: "pkg:npm/a@1.0.0", hint: { ${scope} }) { isComplete } }`,
  ];
  test.each([
    ["neither repository nor group", 'backend: "gitlab"'],
    ["both repository and group", 'backend: "gitlab", repository: "pay/api", group: "pay"'],
    ["a group of bkrepo", 'backend: "bkrepo", group: "pay"'],
    ["a group of SWR", 'backend: "swr-north4", group: "pay"'],
    ["an empty repository", 'backend: "gitlab", repository: ""'],
    ["an empty group", 'backend: "gitlab", group: " "'],
  ])("a scope with %s", async (_what, scope) => {
    for (const query of scopes(scope)) await refused(query, "BAD_USER_INPUT");
  });

  test.each([
    ["sha256:beef"],
    ["a".repeat(40)],
    [`sha384:${"a".repeat(96)}`],
    [`sha256:${"g".repeat(64)}`],
    [""],
    [`sha256:${"a".repeat(10_000)}`],
  ])("the digest %j", async (digest) => {
    await refused(`{ traceByDigest(digest: ${text(digest)}) { isComplete } }`, "BAD_USER_INPUT");
    await refused("query ($digest: Digest!) { traceByDigest(digest: $digest) { isComplete } }", "BAD_USER_INPUT", {
      digest,
    });
  });

  test.each([
    ["nothing"],
    ["pkg:"],
    ["pkg:maven"],
    [""],
    ["pkg:npm/a"],
    ["pkg:swift/github.com/a/b@1.0.0"],
    [`pkg:npm/${"a".repeat(10_000)}@`],
  ])("the package URL %j", async (purl) => {
    await refused(`{ traceByPurl(purl: ${text(purl)}) { isComplete } }`, "BAD_USER_INPUT");
  });

  test.each([[""], ["a b"], ["host/../etc:1"], ["a:b:c"], ["@sha256:beef"], [`a:${"t".repeat(200)}`], ["a\u0000b"]])(
    "the image reference %j",
    async (given) => {
      await refused("query ($image: String!) { traceByImage(image: $image) { isComplete } }", "BAD_USER_INPUT", {
        image: given,
      });
    },
  );

  /** Every argument that is text, with a place for it. */
  const places_: readonly (readonly [name: string, query: string])[] = [
    ...["project", "workflow", "service", "label"].map(
      (name) =>
        [`releases.${name}`, `query ($t: String) { releases(filter: { ${name}: $t }) { nodes { id } } }`] as const,
    ),
    ...["image", "name", "imageTag", "repository", "branch"].map(
      (name) =>
        [`artifacts.${name}`, `query ($t: String) { artifacts(filter: { ${name}: $t }) { nodes { id } } }`] as const,
    ),
    [
      "package.repository",
      `query ($t: String!) { package(ref: { backend: "bkrepo", repository: $t, key: "a" }) { id } }`,
    ],
    ["package.key", `query ($t: String) { package(ref: { backend: "bkrepo", repository: "a/b", key: $t }) { id } }`],
    [
      "package.name",
      `query ($t: String) { package(ref: { backend: "bkrepo", repository: "a/b", name: $t, format: NPM }) { id } }`,
    ],
    [
      "packages.repository",
      `query ($t: String) { packages(scope: { backend: "bkrepo", repository: $t }) { nodes { id } } }`,
    ],
    ["packages.group", `query ($t: String) { packages(scope: { backend: "gitlab", group: $t }) { nodes { id } } }`],
    [
      "packages.name",
      `query ($t: String) { packages(scope: { backend: "gitlab", group: "pay" }, filter: { name: $t }) { nodes { id } } }`,
    ],
    ["searchPackages.name", "query ($t: String!) { searchPackages(name: $t) { isComplete } }"],
    ["traceByImage.image", "query ($t: String!) { traceByImage(image: $t) { isComplete } }"],
    [
      "Package.version",
      `query ($t: String!) { package(ref: { backend: "bkrepo", repository: "a/b", key: "a" }) { version(name: $t) { id } } }`,
    ],
    [
      "versions.prefix",
      `query ($t: String) { package(ref: { backend: "bkrepo", repository: "a/b", key: "a" }) { versions(prefix: $t) { nodes { id } } } }`,
    ],
    [
      "versions.stage",
      `query ($t: String) { package(ref: { backend: "bkrepo", repository: "a/b", key: "a" }) { versions(stage: $t) { nodes { id } } } }`,
    ],
  ];
  test.each(places_)("empty, endless and unprintable text in %s", async (_name, query) => {
    for (const t of ["", "   ", "x".repeat(10_240), "a\u0000b", "a\nb", "a\u007fb", "a\r\nHost: evil"]) {
      const answer = await refused(query, "BAD_USER_INPUT", { t });
      expect(answer.status).toBe(400);
      // What was sent is not sent back.
      expect(answer.text).not.toContain("xxxxxxxxxx");
    }
  });

  test("numbers, booleans and objects where text was due, and what the schema does not know", async () => {
    for (const query of [
      "{ node(id: {}) { id } }",
      "{ releases(first: 1.5) { nodes { id } } }",
      '{ releases(first: "3") { nodes { id } } }',
      "{ releases(first: 99999999999) { nodes { id } } }",
      '{ releases(filter: { taskId: "1" }) { nodes { id } } }',
      "{ releases(filter: { nothing: 1 }) { nodes { id } } }",
      "{ nothing }",
      "{ releases",
      "",
    ])
      await refused(query, "BAD_USER_INPUT");
  });
});

/** What a broken answer may do: name a code of the closed set, at a place of the question, about this backend. */
function isHonest(answer: Answer, backend: string): void {
  expect(answer.status).toBe(200);
  for (const { path, message, extensions } of answer.body.errors ?? []) {
    expect(closedCodes).toContain(extensions?.["code"]);
    expect(extensions?.["backend"]).toBe(backend);
    expect(path?.length).toBeGreaterThan(0);
    expect(message).not.toMatch(/127\.0\.0\.1|http:|surprise|DOCTYPE/);
  }
}

const questions = {
  zadig: [
    ["releases", '{ list: releases(filter: { project: "pay" }, first: 5) { nodes { version } sources { status } } }'],
    ["artifacts", "{ list: artifacts(first: 5) { nodes { name } sources { status } } }"],
  ],
  bkrepo: [
    [
      "packages",
      '{ list: packages(scope: { backend: "bkrepo", repository: "ops/npm-mirror" }, first: 5) { nodes { name } sources { status } } }',
    ],
  ],
  swr: [
    [
      "software packages",
      `{ list: packages(scope: { backend: "swr-north4", repository: "${places.swrNamespace}" }, filter: { format: GENERIC }, first: 5) { nodes { name } sources { status } } }`,
    ],
    [
      "images",
      `{ list: packages(scope: { backend: "swr-north4", repository: "${places.swrNamespace}" }, filter: { format: DOCKER }, first: 5) { nodes { name } sources { status } } }`,
    ],
  ],
  gitlab: [
    [
      "packages",
      `{ list: packages(scope: { backend: "gitlab", repository: "${projects.api.path}" }, first: 5) { nodes { name } sources { status } } }`,
    ],
  ],
} as const;
const names = { zadig: "zadig", bkrepo: "bkrepo", swr: "swr-north4", gitlab: "gitlab" } as const;
const kinds = ["zadig", "bkrepo", "swr", "gitlab"] as const;
const cases = kinds.flatMap((kind) => questions[kind].map(([what, query]) => ({ kind, what, query })));

describe.each(cases)("$kind's list of $what", ({ kind, query }) => {
  const server = () => gateway.estate.servers[kind];
  afterEach(async () => {
    await server().setFault(null);
    server().setTamper(null);
  });

  const faults: readonly (readonly [what: string, fault: Fault, code: string])[] = [
    ["HTML with status 200", { kind: "html" }, "UPSTREAM_MALFORMED"],
    ["another shape", { kind: "malformed" }, "UPSTREAM_MALFORMED"],
    ["nothing at all", { kind: "empty" }, "UPSTREAM_MALFORMED"],
    ["half of the JSON", { kind: "truncated" }, "UPSTREAM_UNAVAILABLE"],
    ["a server error", { kind: "status", status: 503 }, "UPSTREAM_UNAVAILABLE"],
    ["a refusal", { kind: "status", status: 403 }, "UPSTREAM_FORBIDDEN"],
    ["a limit", { kind: "throttle" }, "UPSTREAM_THROTTLED"],
    ["a reset", { kind: "reset" }, "UPSTREAM_UNAVAILABLE"],
  ];
  test.each(faults)("is null with a code when the answer is %s", async (_what, fault, code) => {
    await server().setFault(fault);
    const answer = await gateway.ask(query);
    isHonest(answer, names[kind]);
    expect(codesOf(answer)).toEqual([code]);
    expect(answer.body.errors?.[0]?.path).toEqual(["list"]);
    expect(answer.body.data).toEqual({ list: null });
  });

  test("is null with a code when the JSON ends early but the answer does not", async () => {
    server().setTamper((reply) => {
      const whole = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body);
      return { ...reply, body: whole.slice(0, -7), headers: { ...reply.headers, "content-type": "application/json" } };
    });
    const answer = await gateway.ask(query);
    isHonest(answer, names[kind]);
    expect(codesOf(answer)).toEqual(["UPSTREAM_MALFORMED"]);
    expect(answer.body.data).toEqual({ list: null });
  });

  test("is empty, and not broken, when null stands where the list was", async () => {
    server().setTamper((reply) => ({
      ...withRows(reply, () => null),
      headers: { ...reply.headers, "content-type": "application/json" },
    }));
    const answer = await gateway.ask(query);
    expect(answer.body.errors).toBeUndefined();
    expect(answer.body.data).toMatchObject({ list: { nodes: [] } });
  });

  test.each([
    ["null", null],
    ["a number", 7],
    ["text", "row"],
    ["an empty object", {}],
    ["a list", []],
  ])("keeps its good rows and tells of the bad one when one is %s", async (_what, bad) => {
    const before = await gateway.ask(query);
    server().setTamper((reply) => withRows(reply, (rows) => rows.map((row, index) => (index === 2 ? bad : row))));
    const answer = await gateway.ask(query);
    server().setTamper(null);
    const [good, kept] = [before, answer].map((one) => namesIn(one));
    expect(kept?.length).toBeGreaterThanOrEqual(4);
    // Which of them the third row of the answer is depends on the vendor's order: at most one is gone.
    const left = good?.filter((name) => kept?.includes(name));
    expect(left?.length).toBeGreaterThanOrEqual(4);
    expect(kept?.slice(0, left?.length)).toEqual(left);
    const told = answer.body.errors ?? [];
    expect(told.length).toBeGreaterThan(0);
    for (const { path, message, extensions } of told) {
      expect(path).toEqual(["list"]);
      expect(extensions).toMatchObject({ code: "UPSTREAM_MALFORMED", backend: names[kind], retryable: false });
      expect(message).toMatch(/^Row 2 of the answer of "[a-z0-9-]+" was left out: /);
    }
    expect(answer.body.data).toMatchObject({ list: { sources: [{ status: "PARTIAL" }] } });
  });
});

describe("a word that no enum of ours has", () => {
  test("is OTHER beside the backend's own word, and costs no row", async () => {
    const { bkrepo, gitlab, zadig } = gateway.estate.servers;
    const rewrite = (from: RegExp, to: string) => (reply: DemoReply) => ({
      ...reply,
      body: JSON.parse(JSON.stringify(reply.body ?? null).replace(from, to)),
    });
    bkrepo.setTamper(rewrite(/"type":"NPM"/g, '"type":"HOLOGRAM"'));
    gitlab.setTamper(rewrite(/"package_type":"npm"/g, '"package_type":"hologram"'));
    zadig.setTamper(rewrite(/"type":"image"/g, '"type":"hologram"'));
    const { body } = await gateway.ask(`{
      a: packages(scope: { backend: "bkrepo", repository: "ops/npm-mirror" }, first: 3) { nodes { format formatName } }
      b: packages(scope: { backend: "gitlab", repository: "${projects.api.path}" }, first: 3) { nodes { format formatName } }
      c: artifacts(first: 3) { nodes { type } }
    }`);
    for (const server of [bkrepo, gitlab, zadig]) server.setTamper(null);
    expect(body.errors).toBeUndefined();
    expect(body.data?.["a"]).toEqual({ nodes: Array(3).fill({ format: "OTHER", formatName: "HOLOGRAM" }) });
    expect(JSON.stringify(body.data?.["b"])).toContain('{"format":"OTHER","formatName":"hologram"}');
    expect(JSON.stringify(body.data?.["c"])).toContain('"OTHER"');
  });
});

describe("inside a release", () => {
  test("a bad row of one part costs that row alone, and is told at the part", async () => {
    const { zadig } = gateway.estate.servers;
    zadig.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body)
        ? reply.body.map((row) => ({ ...row, buildInfo: [...(row.buildInfo ?? []), { serviceName: 7 }] }))
        : reply.body,
    }));
    const { body } = await gateway.ask(
      '{ releases(filter: { project: "pay" }, first: 2) { nodes { version builds { service } tests { name } sources { status } } } }',
    );
    zadig.setTamper(null);
    expect(body.errors?.map(({ path }) => path?.join("."))).toEqual([
      "releases.nodes.0.builds",
      "releases.nodes.1.builds",
    ]);
    expect(body.data).toMatchObject({
      releases: { nodes: [{ builds: [{ service: "api" }, {}, {}], sources: [{ status: "PARTIAL" }] }, {}] },
    });
  });
});

test("what an image or a name in full leads to is told from what could not be asked", async () => {
  await gateway.estate.servers.swr.setFault({ kind: "html" });
  const { body, status } = await gateway.ask(
    `{ traceByImage(image: "${image}") { isComplete artifact { digest } sources { backend { name } status } }
       package(ref: { backend: "bkrepo", repository: "pay/maven-local", name: "${sdk.maven.group}:${sdk.maven.artifact}", format: MAVEN }) { name } }`,
  );
  await gateway.estate.servers.swr.setFault(null);
  expect(status).toBe(200);
  expect(body.data).toMatchObject({ traceByImage: { isComplete: false }, package: { name: expect.any(String) } });
  expect(JSON.stringify(body.data)).toContain('{"backend":{"name":"swr-north4"},"status":"MALFORMED"}');
});

/** The answer with its rows changed, wherever this vendor keeps them. */
function withRows(reply: DemoReply, change: (rows: readonly unknown[]) => unknown): DemoReply {
  const { body } = reply;
  if (Array.isArray(body)) {
    const changed = change(body);
    // A bare null has to be said as text, or there would be no body at all.
    return { ...reply, body: changed === null ? "null" : changed };
  }
  const data: unknown = Object(body).data;
  const records: unknown = Object(data).records;
  if (!Array.isArray(records)) return reply;
  return { ...reply, body: { ...Object(body), data: { ...Object(data), records: change(records) } } };
}

function namesIn({ body }: Answer): string[] {
  const nodes: unknown = Object(Object(body.data).list).nodes;
  return (Array.isArray(nodes) ? nodes : []).map((node) => String(node.name ?? node.version));
}
