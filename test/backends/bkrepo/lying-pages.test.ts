import { afterAll, beforeAll, expect, test } from "vitest";
import { gatewayOver, serveBkrepo } from "./literal-server.ts";

const versions = Array.from({ length: 450 }, (_, index) => ({
  name: `1.${index}`,
  createdDate: new Date(1_767_225_600_000 + index * 1000).toISOString().slice(0, 19),
}));

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo({
    release: "new",
    repositories: ["main"],
    isUnpaged: true,
    packages: [
      { repoName: "main", key: "docker://api", name: "api", type: "DOCKER", versions },
      { repoName: "main", key: "pypi://torch", name: "torch", type: "PYPI", versions },
      ...Array.from({ length: 450 }, (_, index) => ({
        repoName: "main",
        key: `npm://left-${index}`,
        name: `left-${index}`,
        type: "NPM",
        versions: [],
      })),
    ],
  });
  gateway = await gatewayOver(server.url, { repositories: ["acme/main"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

const torch = (fields: string) =>
  gateway.ask(`{ package(ref: { backend: "bkrepo", repository: "acme/main", key: "pypi://torch" }) { ${fields} } }`);

test("a version is not absent from pages that repeat themselves", async () => {
  const { data, errors } = await torch(`version(name: "1.") { name } other: version(name: "1") { name }`);
  expect([data.package.version, data.package.other]).toEqual([null, null]);
  expect(errors?.map(({ path }) => path[1]).sort()).toEqual(["other", "version"]);
  expect(server.calls().length).toBeLessThan(8);
});

test("a total is not made of them", async () => {
  const { data } = await torch(`versions(prefix: "1.", first: 100) { totalCount nodes { name } }`);
  const { totalCount, nodes } = data.package.versions;
  expect(nodes).toHaveLength(100);
  expect([null, 450]).toContain(totalCount);
});

test("a digest is not absent from them", async () => {
  const { data } = await gateway.ask(
    `{ traceByImage(image: "docker.test/acme/main/api@sha256:${"9".repeat(64)}") { sources { status } } }`,
  );
  expect(JSON.stringify(data.traceByImage.sources)).not.toMatch(/ABSENT|"OK"/);
});

test("neither is a package by name", async () => {
  const { data, errors } = await gateway.ask(`{ traceByPurl(purl: "pkg:npm/left-440@1") { sources { status } } }`);
  expect(errors).toBeUndefined();
  server.calls();
  const left = await gateway.ask(
    `{ searchPackages(name: "left", match: PREFIX, first: 100) { groups { packages { nodes { name } totalCount } } } }`,
  );
  expect(left.data.searchPackages.groups[0].packages.nodes).toHaveLength(100);
  expect(data.traceByPurl.sources).toMatchObject([{ status: "ABSENT" }]);
});
