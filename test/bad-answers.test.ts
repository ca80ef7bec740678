import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DemoReply, Fault } from "../demo/server.ts";
import { images, places, projects, sdk, swrReference } from "../demo/story.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  // A failure is answered at once: what is tested is what is said of it.
  const bare = { retries: 0, timeoutMs: 2000, breaker: { failures: 1000, coolDownMs: 1 } };
  gateway = await startDemoGateway({ backends: { zadig: bare, bkrepo: bare, "swr-north4": bare, gitlab: bare } });
});
afterAll(() => gateway.stop());

/** All codes that a backend's failure may have. */
const upstreamCodes = [
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_THROTTLED",
  "UPSTREAM_UNAUTHENTICATED",
  "UPSTREAM_FORBIDDEN",
  "UPSTREAM_MALFORMED",
  "UPSTREAM_BUDGET_EXCEEDED",
];

const codesOf = ({ body }: Answer) => body.errors?.map(({ extensions }) => extensions?.["code"]) ?? [];

/** What a broken answer may do: name a code of the closed set, at a place of the question, about this backend. */
function isHonest(answer: Answer, backend: string): void {
  expect(answer.status).toBe(200);
  for (const { path, message, extensions } of answer.body.errors ?? []) {
    expect(upstreamCodes).toContain(extensions?.["code"]);
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
      // A count of rows that did not come would be another matter.
      headers: { "content-type": "application/json" },
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
  test("a bad row of one part costs that row alone, and is reported at the part", async () => {
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

test("the results of an image or a full name are distinguished from what could not be asked", async () => {
  await gateway.estate.servers.swr.setFault({ kind: "html" });
  const { body, status } = await gateway.ask(
    `{ traceByImage(image: "${swrReference(images.api)}") { isComplete artifact { digest } sources { backend { name } status } }
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

test("an answer with a byte order mark is read, and each request says that compression is not wanted", async () => {
  const { zadig } = gateway.estate.servers;
  const ask = () => gateway.ask('{ releases(filter: { project: "pay" }, first: 2) { nodes { version } } }');
  const plain = await ask();
  gateway.forget();
  zadig.setTamper((reply) => ({
    ...reply,
    body: `\uFEFF${JSON.stringify(reply.body)}`,
    headers: { "content-type": "application/json" },
  }));
  const marked = await ask();
  zadig.setTamper(null);
  expect(marked.body).toEqual(plain.body);
  expect(zadig.seen.map(({ headers }) => headers["accept-encoding"])).toEqual(["identity"]);
});
