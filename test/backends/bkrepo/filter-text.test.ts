import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayOver, type StoredPackage, serveBkrepo } from "./literal-server.ts";

const names = {
  "pypi://torch": ["2.1.0", "2.1.0+cpu", "2.1.0+cu118", "2.1.0+cu121", "2.10", "201", "2.1.1"],
  "helm://web": ["1.4.0", "1.4.0+build.7", "1.4.0+build.70", "1.4.0.7", "124.0"],
  "gav://com.acme:app": [
    "${revision}-SNAPSHOT",
    "${revision}",
    "1.0",
    "1.0-SNAPSHOT",
    "1.0(1)",
    "[1.0]",
    "1.0?",
    "a\\b",
  ],
  "npm://odd": ["1.0.0-*", "1.0.0-x", "ünï-1", "版本1.0", "^1", "1|2", "{1}", "$1", " 1", "1 "],
};

const packages: StoredPackage[] = Object.entries(names).map(([key, versions]) => ({
  repoName: "main",
  key,
  name: key.slice(key.search(/[^:/]+$/)),
  type: { p: "PYPI", h: "HELM", g: "MAVEN", n: "NPM" }[key[0] ?? ""] ?? "",
  versions: versions.map((name, index) => ({
    name,
    createdDate: `2026-01-01T00:00:${String(index).padStart(2, "0")}`,
  })),
}));

const servers: Awaited<ReturnType<typeof serveBkrepo>>[] = [];
const gateways: Record<string, Awaited<ReturnType<typeof gatewayOver>>> = {};

beforeAll(async () => {
  for (const release of ["old", "new"] as const) {
    const server = await serveBkrepo({ release, repositories: ["main"], packages });
    servers.push(server);
    gateways[release] = await gatewayOver(server.url, { repositories: ["acme/main"] });
  }
});
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway.stop();
  for (const server of servers) await server.close();
});

const byName = `query ($key: String!, $name: String!) {
  package(ref: { backend: "bkrepo", repository: "acme/main", key: $key }) { version(name: $name) { id name } }
}`;

describe.each(["old", "new"] as const)("on %s servers", (release) => {
  const ask = (...asked: Parameters<Awaited<ReturnType<typeof gatewayOver>>["ask"]>) => {
    const gateway = gateways[release];
    if (!gateway) throw new Error("no gateway");
    return gateway.ask(...asked);
  };

  test.each(Object.entries(names).flatMap(([key, all]) => all.map((name) => [key, name] as const)))(
    "%s %j is found by name and by id",
    async (key, name) => {
      const { data, errors } = await ask(byName, { key, name });
      expect(errors).toBeUndefined();
      expect(data.package.version?.name).toBe(name);
      const again = await ask("query ($id: ID!) { node(id: $id) { ... on Version { name } } }", {
        id: data.package.version.id,
      });
      expect(again).toEqual({ data: { node: { name } } });
    },
  );

  test("several in one query are found", async () => {
    const { data, errors } = await ask(`{
      package(ref: { backend: "bkrepo", repository: "acme/main", key: "pypi://torch" }) {
        a: version(name: "2.1.0+cu118") { name }
        b: version(name: "2.1.0+cpu") { name }
        c: version(name: "2.1.0+nothing") { name }
      }
    }`);
    expect(errors).toBeUndefined();
    expect(data.package).toEqual({ a: { name: "2.1.0+cu118" }, b: { name: "2.1.0+cpu" }, c: null });
  });

  test.each(["1(", "[", "\\", "*", "+", "?", "{1", "(?<", "2.1.0+", "a".repeat(400)])(
    "%j is absent, and never provokes a failure of the server",
    async (name) => {
      const { data, errors } = await ask(byName, { key: "pypi://torch", name });
      expect(errors).toBeUndefined();
      expect(data.package.version).toBeNull();
      const list = await ask(
        `query ($prefix: String!) {
          package(ref: { backend: "bkrepo", repository: "acme/main", key: "pypi://torch" }) {
            versions(prefix: $prefix) { nodes { name } totalCount }
          }
        }`,
        { prefix: `~${name}` },
      );
      expect(list).toEqual({ data: { package: { versions: { nodes: [], totalCount: 0 } } } });
    },
  );

  test.each([
    ["pypi://torch", "2.1.0+", ["2.1.0+cu121", "2.1.0+cu118", "2.1.0+cpu"]],
    ["pypi://torch", "2.1", ["2.1.1", "2.10", "2.1.0+cu121", "2.1.0+cu118", "2.1.0+cpu", "2.1.0"]],
    ["pypi://torch", "20", ["201"]],
    ["helm://web", "1.4.0+build.7", ["1.4.0+build.70", "1.4.0+build.7"]],
    ["gav://com.acme:app", "${", ["${revision}", "${revision}-SNAPSHOT"]],
    ["npm://odd", "1.0.0-*", ["1.0.0-*"]],
    ["npm://odd", "版", ["版本1.0"]],
    ["npm://odd", "$", ["$1"]],
  ])("%s by the beginning %j: rows and total", async (key, prefix, expected) => {
    const list = (first: number) =>
      ask(
        `query ($key: String!, $prefix: String!, $first: Int!) {
          package(ref: { backend: "bkrepo", repository: "acme/main", key: $key }) {
            versions(prefix: $prefix, first: $first) { nodes { name } totalCount pageInfo { hasNextPage } }
          }
        }`,
        { key, prefix, first },
      );
    const whole = await list(20);
    expect(whole.errors).toBeUndefined();
    expect(whole.data.package.versions).toEqual({
      nodes: expected.map((name) => ({ name })),
      totalCount: expected.length,
      pageInfo: { hasNextPage: false },
    });
    const { data } = await list(1);
    expect(data.package.versions).toEqual({
      nodes: [{ name: expected[0] }],
      totalCount: expected.length,
      pageInfo: { hasNextPage: expected.length > 1 },
    });
  });

  test.each([
    ["to(ch", []],
    ["t*h", []],
    ["o?", []],
    ["TORCH", ["torch"]],
    ["orc", ["torch"]],
    ["d\\d", []],
  ])("packages whose name holds %j: rows and total", async (name, expected) => {
    const { data, errors } = await ask(
      `query ($name: String!) {
        packages(scope: { backend: "bkrepo", repository: "acme/main" }, filter: { name: $name }) { nodes { name } totalCount }
      }`,
      { name },
    );
    expect(errors).toBeUndefined();
    expect(data.packages.nodes).toEqual(expected.map((one) => ({ name: one })));
    expect([null, expected.length]).toContain(data.packages.totalCount);
  });
});
