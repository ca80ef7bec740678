import { expect, test } from "vitest";
import { serveBkrepo } from "./backends/bkrepo/literal-server.ts";
import { gatewayOver } from "./support/literal.ts";

/** What a trace by this package URL says of a repository that holds one version with these files, equal in no byte. */
async function traced(
  purl: string,
  kind: { readonly type: string; readonly key: string },
  paths: readonly string[],
  version = "1.0",
) {
  const [name = ""] = kind.key.split(/[:/]/).slice(-1);
  const server = await serveBkrepo({
    release: "new",
    repositories: ["files"],
    packages: [
      { repoName: "files", key: kind.key, name, type: kind.type, versions: [{ name: version, contentPaths: paths }] },
    ],
    nodes: paths.map((fullPath, index) => ({ repoName: "files", fullPath, sha256: String(index).repeat(64) })),
  });
  const ask = await gatewayOver({
    ...{ kind: "bkrepo", name: "bkrepo", url: server.url, repositories: ["acme/files"], retries: 0 },
    credentials: { username: "reader", password: "secret" },
  });
  const { data, errors } = await ask(
    "query ($purl: PURL!) { traceByPurl(purl: $purl) { artifact { name } candidates { name } isComplete sources { status } } }",
    { purl },
  );
  await server.close();
  expect(errors).toEqual([]);
  return data?.["traceByPurl"];
}

const torch = { type: "PYPI", key: "pypi://torch" };
const parent = { type: "MAVEN", key: "gav://com.acme:parent" };
const wheels = ["torch-1.0-cp311-cp311-linux_x86_64.whl", "torch-1.0-cp311-cp311-win_amd64.whl"];

test("a version with several files that could be meant is not absent: they are candidates", async () => {
  const paths = wheels.map((name) => `/torch/1.0/${name}`);
  expect(await traced("pkg:pypi/torch@1.0", torch, paths)).toEqual({
    artifact: null,
    candidates: wheels.map((name) => ({ name })),
    isComplete: true,
    sources: [{ status: "OK" }],
  });
  expect(await traced(`pkg:pypi/torch@1.0?file_name=${wheels[1]}`, torch, paths)).toMatchObject({
    artifact: { name: wheels[1] },
    candidates: [],
  });
});

test("a version whose only file is called otherwise is not absent, unless the package URL names another file", async () => {
  const paths = ["/com/acme/parent/1.0/parent-1.0.pom"];
  expect(await traced("pkg:maven/com.acme/parent@1.0", parent, paths)).toEqual({
    artifact: null,
    candidates: [{ name: "parent-1.0.pom" }],
    isComplete: true,
    sources: [{ status: "OK" }],
  });
  expect(await traced("pkg:maven/com.acme/parent@1.0?type=pom", parent, paths)).toMatchObject({
    artifact: { name: "parent-1.0.pom" },
  });
  expect(await traced("pkg:maven/com.acme/parent@1.0?type=war", parent, paths)).toEqual({
    artifact: null,
    candidates: [],
    isComplete: true,
    sources: [{ status: "ABSENT" }],
  });
});

test("an RPM whose file is called otherwise is a candidate: its architecture is its version's", async () => {
  const server = { type: "RPM", key: "rpm:///el7/nginx" };
  const paths = ["/el7/nginx-latest.rpm"];
  expect(await traced("pkg:rpm/nginx@1.0-1?arch=x86_64", server, paths, "1.0-1.x86_64")).toMatchObject({
    artifact: null,
    candidates: [{ name: "nginx-latest.rpm" }],
    sources: [{ status: "OK" }],
  });
});
