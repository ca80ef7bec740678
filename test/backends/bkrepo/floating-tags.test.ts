import { afterAll, beforeAll, expect, test } from "vitest";
import { gatewayOver, serveBkrepo } from "./literal-server.ts";

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo({
    release: "new",
    repositories: ["main"],
    packages: [
      {
        repoName: "main",
        key: "npm://left-pad",
        name: "left-pad",
        type: "NPM",
        versionTag: { latest: "1.0.0", next: "2.0.0-rc.1", "v1.x": "1.0.0" },
        versions: ["1.0.0", "1.1.0", "2.0.0-rc.1"].map((name, index) => ({
          name,
          createdDate: `2026-01-0${index + 1}T00:00:00`,
        })),
      },
      { repoName: "main", key: "pypi://torch", name: "torch", type: "PYPI", versions: [{ name: "1", tags: ["a"] }] },
    ],
  });
  gateway = await gatewayOver(server.url, { repositories: ["acme/main"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

const at = (key: string, fields: string) =>
  gateway.ask(`{ package(ref: { backend: "bkrepo", repository: "acme/main", key: "${key}" }) { ${fields} } }`);

test("dist-tags stand at their versions, at no more calls than the versions cost", async () => {
  server.calls();
  const { data, errors } = await at(
    "npm://left-pad",
    `versions { nodes { id name tags } } version(name: "1.0.0") { tags } latestVersion { tags }`,
  );
  expect(errors).toBeUndefined();
  const nodes = data.package.versions.nodes.map(({ name, tags }: { name: string; tags: string[] }) => [name, tags]);
  expect(nodes).toEqual([
    ["2.0.0-rc.1", ["next"]],
    ["1.1.0", []],
    ["1.0.0", ["latest", "v1.x"]],
  ]);
  expect(data.package.version.tags).toEqual(["latest", "v1.x"]);
  expect(data.package.latestVersion.tags).toEqual(["next"]);
  const calls = server.calls();
  expect(calls.filter((call) => call.includes("/package/"))).toHaveLength(1);

  const [{ id }] = data.package.versions.nodes.slice(-1);
  const plain = await gateway.ask(`query ($id: ID!) { node(id: $id) { ... on Version { name } } }`, { id });
  expect(plain.data.node.name).toBe("1.0.0");
  expect(server.calls()).toEqual(["GET /version/page/acme/main"]);
  const tagged = await gateway.ask(`query ($id: ID!) { node(id: $id) { ... on Version { tags } } }`, { id });
  expect(tagged.data.node.tags).toEqual(["latest", "v1.x"]);
  expect(server.calls()).toEqual(["GET /version/page/acme/main", "GET /package/info/acme/main"]);
});

test("of listed packages they are known already, with the escapes of a raw row undone", async () => {
  server.calls();
  const { data } = await gateway.ask(`{
    packages(scope: { backend: "bkrepo", repository: "acme/main" }, filter: { format: NPM }) {
      nodes { version(name: "1.0.0") { tags } }
    }
  }`);
  expect(data.packages.nodes).toEqual([{ version: { tags: ["latest", "v1.x"] } }]);
  expect(server.calls().filter((call) => call.includes("/package/"))).toEqual(["POST /package/search"]);
});

test("other types tell theirs themselves", async () => {
  const { data } = await at("pypi://torch", `versions { nodes { tags } }`);
  expect(data.package.versions.nodes).toEqual([{ tags: ["a"] }]);
});
