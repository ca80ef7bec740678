import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { printSchemaForm } from "../src/graph/schema/schema.ts";
import { type TestPackage, testPackage } from "./support/package.ts";
import { type GatewayProcess, startMain } from "./support/process.ts";
import { serveProducts } from "./support/products.ts";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));

// The gateway runs in a process of its own and so do composers and routers: their graphql packages never meet.
let real: TestPackage;
let estate: Estate;
let gateway: GatewayProcess;
const folder = mkdtempSync(join(tmpdir(), "federation-"));

beforeAll(async () => {
  [real, estate] = await Promise.all([testPackage("test/federation"), startEstate()]);
  const file = join(folder, "gateway.yaml");
  const server = { subgraph: true, introspection: true };
  const limits = { aliases: 1000, tokens: 20_000 };
  writeFileSync(file, JSON.stringify({ ...estate.settings, server, limits }));
  gateway = await startMain(["--config", file]);
}, 240_000);

afterAll(async () => {
  await gateway?.close();
  await estate?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(query: string, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null ? Object.getOwnPropertyDescriptor(inner, key)?.value : undefined,
    value,
  );
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`no list: ${JSON.stringify(value)}`);
  return value;
}

describe("composition with another team's subgraph", () => {
  test.each(["apollo", "guild", "wundergraph"])("%s composes what is published, without a complaint", async (who) => {
    const result = at(await real.run("compose.mjs", { sdl: printSchemaForm("subgraph") }), who);
    expect(at(result, "errors")).toEqual([]);
    expect(at(result, "supergraph")).toEqual(expect.any(String));
    expect(list(at(result, "hints") ?? at(result, "warnings") ?? [])).toEqual([]);
  });

  test("is a check that can fail: the standalone form does not compose", async () => {
    const result = await real.run("compose.mjs", { sdl: printSchemaForm("standalone") });
    for (const who of ["apollo", "guild", "wundergraph"]) expect(list(at(result, who, "errors"))).not.toEqual([]);
  });

  test("the supergraph keeps both keys and both teams' fields", async () => {
    const result = await real.run("compose.mjs", { sdl: printSchemaForm("subgraph") });
    for (const who of ["apollo", "guild"]) {
      const text = String(at(result, who, "supergraph"));
      for (const [type, key] of [
        ["Release", "zadigId"],
        ["Artifact", "digest"],
      ]) {
        const definition = new RegExp(`type ${type}[^{]*\\{[^}]*\\}`).exec(text)?.[0] ?? "";
        expect(definition.match(new RegExp(`key: "${key}"`, "g"))).toHaveLength(2);
      }
      expect(text).toContain("approvedBy: String!");
      expect(text).toContain("licences: [String!]!");
    }
  });
});

describe("one question through a router to both subgraphs", () => {
  // From here to there by the other team's keys, and from there to here by the keys they know.
  const there = `query There { releases(first: 3) { nodes {
    id zadigId version approvedBy
    builds { service artifact { digest licences name } }
  } } }`;
  const back = `query Back($zadigIds: [String!]!, $digests: [String!]!) {
    approvals(zadigIds: $zadigIds) { releases { zadigId approvedBy version project id } pageInfo { hasNextPage } }
    licensed(digests: $digests) { digest licences name type }
  }`;
  let routed: unknown;
  let direct: readonly unknown[];
  let digests: readonly string[];

  beforeAll(async () => {
    const answer = await ask(
      "{ releases(first: 3) { nodes { id zadigId version project builds { service artifact { digest name type } } } } }",
    );
    direct = list(at(answer, "data", "releases", "nodes"));
    const built = direct.flatMap((release) => list(at(release, "builds")).map((build) => at(build, "artifact")));
    digests = [...new Set(built.map((artifact) => String(at(artifact, "digest"))))].slice(0, 2);
    const gone = "0123456789abcdef01234567";
    const variables = { zadigIds: [...direct.map((release) => at(release, "zadigId")), gone], digests };
    routed = await real.run("route.mjs", {
      url: `${gateway.url}/graphql`,
      queries: [{ query: there }, { query: back, variables }],
    });
  }, 60_000);

  test.each(["apollo", "hive"])("%s: ours extended by theirs", (who) => {
    const answer = at(routed, who, "answers", 0);
    expect(at(answer, "errors")).toBeUndefined();
    const nodes = list(at(answer, "data", "releases", "nodes"));
    expect(nodes).toHaveLength(3);
    nodes.forEach((node, index) => {
      expect(node).toMatchObject({
        id: at(direct[index], "id"),
        version: at(direct[index], "version"),
        approvedBy: `approver of ${at(direct[index], "zadigId")}`,
      });
      for (const build of list(at(node, "builds"))) {
        const digest = String(at(build, "artifact", "digest"));
        expect(at(build, "artifact", "licences")).toEqual(["Apache-2.0", `NOTICE for ${digest.slice(0, 15)}`]);
      }
    });
  });

  test.each(["apollo", "hive"])("%s: theirs completed by ours, in order, and null where ours is gone", (who) => {
    const answer = at(routed, who, "answers", 1);
    const releases = list(at(answer, "data", "approvals", "releases"));
    expect(releases).toHaveLength(4);
    expect(releases[3]).toBeNull();
    direct.forEach((release, index) => {
      expect(releases[index]).toMatchObject({
        id: at(release, "id"),
        version: at(release, "version"),
        project: at(release, "project"),
        approvedBy: `approver of ${at(release, "zadigId")}`,
      });
    });
    expect(list(at(answer, "data", "licensed")).map((one) => at(one, "digest"))).toEqual(digests);
    for (const one of list(at(answer, "data", "licensed"))) {
      expect(one).toMatchObject({ type: "IMAGE", name: expect.any(String) });
    }
  });

  test("the router asks for many entities at once", () => {
    const sent = list(at(routed, "apollo", "sent")).map((one) => at(one, "variables", "representations"));
    expect(sent.filter(Array.isArray).map((one) => one.length)).toEqual(expect.arrayContaining([4, digests.length]));
  });

  test("each of its fetches brings back a trace that Apollo's own reader can read", () => {
    const traces = list(at(routed, "apollo", "traces"));
    expect(traces.length).toBe(list(at(routed, "apollo", "sent")).length);
    for (const trace of traces) expect(at(trace, "durationNs")).toBeGreaterThan(0);
  });
});

describe("federated traces (ftv1)", () => {
  const header = { "apollo-federation-include-trace": "ftv1" };

  test("tell the time of every field, with aliases, types and lists", async () => {
    const answer = await ask("{ some: releases(first: 2) { nodes { version } } }", header);
    const trace = await real.run("decode.mjs", at(answer, "extensions", "ftv1"));
    const some = at(trace, "root", "child", 0);
    expect(some).toMatchObject({
      responseName: "some",
      originalFieldName: "releases",
      type: "ReleaseConnection",
      parentType: "Query",
    });
    const nodes = at(some, "child", 0);
    expect(nodes).toMatchObject({ responseName: "nodes", type: "[Release!]!", parentType: "ReleaseConnection" });
    expect(list(at(nodes, "child"))).toMatchObject([
      { child: [{ responseName: "version", type: "String!", parentType: "Release" }] },
      { index: 1, child: [{ responseName: "version" }] },
    ]);
    const [start, end, whole] = [at(some, "startTime"), at(some, "endTime"), at(trace, "durationNs")].map(Number);
    expect(start).toBeGreaterThan(0);
    expect(end).toBeGreaterThan(start ?? 0);
    expect(whole).toBeGreaterThanOrEqual(end ?? 0);
    const seconds = Number(at(trace, "startTime", "seconds"));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60);
  });

  test("hold the errors of the answer, at their fields, in the same words", async () => {
    const answer = await ask('{ release(id: "nonsense") { id } }', header);
    const trace = await real.run("decode.mjs", at(answer, "extensions", "ftv1"));
    const error = at(trace, "root", "child", 0, "error", 0);
    expect(at(error, "message")).toBe(at(answer, "errors", 0, "message"));
    expect(JSON.parse(String(at(error, "json")))).toEqual(at(answer, "errors", 0));
    expect(at(error, "location", 0)).toEqual(at(answer, "errors", 0, "locations", 0));
  });

  test("are made only for who asks, and of answers of any size", async () => {
    expect(at(await ask("{ backends { name } }"), "extensions", "ftv1")).toBeUndefined();
    const many = Array.from({ length: 800 }, (_, index) => `a${index}: backends { name kind capabilities }`);
    const ftv1 = String(at(await ask(`{ ${many.join(" ")} }`, header), "extensions", "ftv1"));
    expect(ftv1.length).toBeGreaterThan(200_000);
    expect(list(at(await real.run("decode.mjs", ftv1), "root", "child"))).toHaveLength(800);
  });
});

describe("Apollo's subgraph compatibility tests, on this gateway's subgraph", () => {
  // All files of the published package; a file that is missing in the results is a failure.
  const files: readonly (readonly [file: string, tests: number])[] = [
    ["composeDirective", 1],
    ["ftv1", 1],
    ["inaccessible", 2],
    ["interfaceObject", 2],
    ["introspection", 1],
    ["key", 8],
    ["link", 1],
    ["override", 2],
    ["provides", 1],
    ["requires", 1],
    ["shareable", 2],
    ["tag", 1],
  ];
  let results: readonly unknown[];

  beforeAll(async () => {
    const schema = real.path("node_modules/@apollo/federation-subgraph-compatibility-tests/products.graphql");
    const products = await serveProducts(readFileSync(schema, "utf8"));
    try {
      results = list(await real.run("compatibility.mjs", null, [products.url, vitest]));
    } finally {
      products.close();
    }
  }, 120_000);

  test.each(files)("%s", (file, tests) => {
    const own = results.filter((result) => at(result, "file") === `${file}.test.ts`);
    expect(own.filter((result) => at(result, "status") !== "passed")).toEqual([]);
    expect(own).toHaveLength(tests);
  });

  test("are all of them", () => {
    expect(results).toHaveLength(23);
  });
});
