import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Behaviour, gatewayOver, serveBkrepo } from "./literal-server.ts";

const folder = "/com/acme/app/1.0";
const wheels = Array.from({ length: 30 }, (_, index) => `/torch/2.1.0/torch-${String(index).padStart(2, "0")}.whl`);
const at = (repoName: string, ...paths: readonly string[]) =>
  paths.map((fullPath, index) => ({ repoName, fullPath, sha256: String(index % 10).repeat(64) }));

const start: Behaviour = {
  release: "old",
  repositories: ["main", "other"],
  packages: [
    {
      repoName: "main",
      key: "gav://com.acme:app",
      name: "app",
      type: "MAVEN",
      versions: [
        // After `mvn deploy` with attached sources the record names the last upload alone.
        { name: "1.0", contentPath: `${folder}/app-1.0-sources.jar` },
        { name: "${revision}", contentPath: "/com/acme/app/${revision}/app-${revision}.pom" },
        { name: "2.0", contentPath: "/com/acme/app/2.0/app-2.0.jar" },
      ],
    },
    {
      repoName: "main",
      key: "pypi://torch",
      name: "torch",
      type: "PYPI",
      versions: [
        { name: "2.1.0", contentPath: wheels[29] ?? null, contentPaths: wheels },
        { name: "2.1.0+cpu", contentPath: "/torch/2.1.0+cpu/torch-cpu.whl" },
      ],
    },
    {
      repoName: "main",
      key: "helm://web",
      name: "web",
      type: "HELM",
      versions: [{ name: "1.4.0", contentPath: "/web-1.4.0.tgz" }],
    },
    {
      repoName: "main",
      key: "conan://_@zlib/_",
      name: "zlib",
      type: "CONAN",
      versions: [{ name: "1.2.13", contentPath: "/_/zlib/1.2.13/_/r1/package/p1/q1/conan_package.tgz" }],
    },
    {
      repoName: "main",
      key: "huggingface://model/acme/fraud",
      name: "acme/fraud",
      type: "HUGGINGFACE",
      versions: [
        { name: "abc1", contentPath: "acme/fraud/resolve/abc1" },
        { name: "abc2", contentPath: "acme/fraud/resolve/abc2/" },
      ],
    },
    {
      repoName: "main",
      key: "npm://left-pad",
      name: "left-pad",
      type: "NPM",
      versions: [{ name: "1.0.0", contentPath: "/left-pad/-/left-pad-1.0.0.tgz", manifestPath: "/.npm/x.json" }],
    },
  ],
  nodes: [
    ...at(
      "main",
      `${folder}/app-1.0.jar`,
      `${folder}/app-1.0-sources.jar`,
      `${folder}/app-1.0.pom`,
      `${folder}/app-1.0.jar.sha1`,
      "/com/acme/app/1.0/maven-metadata.xml",
      "/com/acme/app/1.0.1/app-1.0.1.jar",
      "/com/acme/app/${revision}/app-${revision}.pom",
      "/com/acme/app/${revision}/app-${revision}.jar",
      ...wheels.slice(25),
      "/torch/2.1.0+cpu/torch-cpu.whl",
      "/web-1.4.0.tgz",
      "/web-1.4.0.tgz.prov",
      "/_/zlib/1.2.13/_/index.json",
      "/_/zlib/1.2.13/_/r1/export/conanfile.py",
      "/_/zlib/1.2.13/_/r1/package/p1/q1/conan_package.tgz",
      "/_/zlib/1.2.13/_/r1/package/p1/index.json",
      "/acme/fraud/resolve/abc1/config.json",
      "/acme/fraud/resolve/abc1/onnx/model.onnx",
      "/acme/fraud/resolve/abc2/config.json",
      "/left-pad/-/left-pad-1.0.0.tgz",
    ),
    ...at("other", `${folder}/app-1.0-javadoc.jar`),
  ],
};

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo(start);
  gateway = await gatewayOver(server.url, { repositories: ["acme/main"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});
afterEach(() => server.become(start));

async function files(key: string, version: string, first = 20) {
  server.calls();
  const { data, errors } = await gateway.ask(
    `query ($key: String!, $version: String!, $first: Int!) {
      package(ref: { backend: "bkrepo", repository: "acme/main", key: $key }) {
        version(name: $version) {
          fileCount files(first: $first) { nodes { name } totalCount pageInfo { hasNextPage } sources { status } }
        }
      }
    }`,
    { key, version, first },
  );
  const page = data.package.version.files;
  return { errors, page, names: page?.nodes.map(({ name }: { name: string }) => name), calls: server.calls() };
}

test.each([
  ["gav://com.acme:app", "1.0", ["app-1.0-sources.jar", "app-1.0.jar", "app-1.0.pom"]],
  ["gav://com.acme:app", "${revision}", ["app-${revision}.jar", "app-${revision}.pom"]],
  ["pypi://torch", "2.1.0+cpu", ["torch-cpu.whl"]],
  ["helm://web", "1.4.0", ["web-1.4.0.tgz", "web-1.4.0.tgz.prov"]],
  ["conan://_@zlib/_", "1.2.13", ["conanfile.py", "conan_package.tgz"]],
  ["huggingface://model/acme/fraud", "abc1", ["config.json", "model.onnx"]],
  ["huggingface://model/acme/fraud", "abc2", ["config.json"]],
  ["npm://left-pad", "1.0.0", ["left-pad-1.0.0.tgz"]],
])("%s %s has all of its files and no other", async (key, version, expected) => {
  const { names, page, errors, calls } = await files(key, version);
  expect(errors).toBeUndefined();
  expect(names).toEqual(expected);
  expect(page).toMatchObject({ totalCount: expected.length, pageInfo: { hasNextPage: false } });
  expect(calls).toHaveLength(3);
});

test("a record outlives its files: ghosts are neither rows nor counted, whatever the page", async () => {
  const expected = wheels.slice(25).map((path) => path.slice("/torch/2.1.0/".length));
  const { names, page } = await files("pypi://torch", "2.1.0");
  expect(names).toEqual(expected);
  expect(page).toMatchObject({ totalCount: 5, pageInfo: { hasNextPage: false }, sources: [{ status: "OK" }] });
  const few = await files("pypi://torch", "2.1.0", 2);
  expect(few.names).toEqual(expected.slice(0, 2));
  expect(few.page).toMatchObject({ totalCount: 5, pageInfo: { hasNextPage: true } });
});

test("the artifact of a version is its main file, not the one that the record names", async () => {
  const { data, errors } = await gateway.ask(`{
    package(ref: { backend: "bkrepo", repository: "acme/main", key: "gav://com.acme:app" }) {
      version(name: "1.0") { artifact { name digest } }
    }
  }`);
  expect(errors).toBeUndefined();
  expect(data.package.version.artifact.digest).toBe(`sha256:${"0".repeat(64)}`);
});

test.each([
  ["pkg:maven/com.acme/app@1.0", "0"],
  ["pkg:maven/com.acme/app@1.0?type=jar", "0"],
  ["pkg:maven/com.acme/app@1.0?classifier=sources", "1"],
  ["pkg:maven/com.acme/app@1.0?type=pom", "2"],
])("%s names one of the files", async (purl, digit) => {
  const { data, errors } = await gateway.ask(
    `query ($purl: PURL!) { traceByPurl(purl: $purl) { artifact { digest } sources { status } } }`,
    { purl },
  );
  expect(errors).toBeUndefined();
  expect(data.traceByPurl.artifact?.digest).toBe(`sha256:${digit.repeat(64)}`);
});

test("all files gone is an empty list once each is read by itself", async () => {
  server.become({ nodes: [] });
  const { names, errors, calls } = await files("npm://left-pad", "1.0.0");
  expect(errors).toBeUndefined();
  expect(names).toEqual([]);
  expect(calls.filter((call) => call.includes("/node/detail/"))).toHaveLength(2);
});

test("a query that sees none of the files leaves them to reads by path", async () => {
  server.become({ strict: ["main"] });
  const { page, errors } = await files("gav://com.acme:app", "1.0");
  expect(page).toBeNull();
  expect(errors).toHaveLength(1);
});
