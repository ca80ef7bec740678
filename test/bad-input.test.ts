import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { images, places } from "../demo/story.ts";
import { printCursor, printId } from "../src/graph/identity/opaque.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());

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
