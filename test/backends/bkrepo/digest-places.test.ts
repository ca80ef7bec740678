import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayOver, serveBkrepo } from "./literal-server.ts";

const hex = (digit: string) => digit.repeat(64);
const manifest = (tag: string, file = "manifest.json") => `/api/manifest/${tag}/${file}`;

/** Where the digest of each tag stands. */
const versions = [
  { name: "today", manifestPath: manifest("today"), metadata: { manifest_digest: `sha256:${hex("1")}` } },
  { name: "before", manifestPath: manifest("before"), metadata: { "docker.manifest.digest": `sha256:${hex("2")}` } },
  {
    name: "misspelt",
    manifestPath: manifest("misspelt"),
    metadata: { "docker.manfiest.digest": `sha256:${hex("3")}` },
  },
  { name: "bare", manifestPath: manifest("bare"), metadata: { sha256: hex("4") } },
  { name: "none", manifestPath: manifest("none") },
  { name: `sha256:${hex("6")}`, manifestPath: manifest(`sha256:${hex("6")}`) },
  { name: "index", manifestPath: manifest("index", "list.manifest.json") },
  { name: "pathless" },
  { name: "ancient", contentPath: "/api/ancient/manifest.json" },
];

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo({
    release: "old",
    repositories: ["images", "mirror", "wide"],
    packages: [
      { repoName: "images", key: "docker://api", name: "api", type: "DOCKER", versions },
      { repoName: "mirror", key: "oci://team/api", name: "team/api", type: "OCI", versions: versions.slice(1, 2) },
      {
        repoName: "wide",
        key: "docker://api",
        name: "api",
        type: "DOCKER",
        versions: Array.from({ length: 1500 }, (_, index) => ({
          name: `v${index}`,
          manifestPath: manifest(`v${index}`),
        })),
      },
    ],
    nodes: [
      { repoName: "images", fullPath: manifest("none"), sha256: hex("5") },
      { repoName: "images", fullPath: manifest("index", "list.manifest.json"), sha256: hex("7") },
      { repoName: "wide", fullPath: manifest("v3"), sha256: hex("8") },
      { repoName: "images", fullPath: manifest("pathless"), sha256: hex("a") },
      { repoName: "images", fullPath: "/api/ancient/manifest.json", sha256: hex("b") },
    ],
  });
  gateway = await gatewayOver(server.url, { repositories: ["acme/images", "acme/mirror"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

async function trace(image: string) {
  server.calls();
  const { data, errors } = await gateway.ask(
    `query ($image: String!) { traceByImage(image: $image) { artifact { digest } sources { status } } }`,
    { image },
  );
  return { data: data?.traceByImage, errors, calls: server.calls() };
}

describe.each([
  ["today", "1"],
  ["before", "2"],
  ["misspelt", "3"],
  ["bare", "4"],
  ["none", "5"],
  ["index", "7"],
  ["pathless", "a"],
  ["ancient", "b"],
])("the digest of %s", (tag, digit) => {
  test.each(["api@sha256:", `api:${tag}@sha256:`, "api:other@sha256:"])("is found by %s…", async (start) => {
    const { data, errors } = await trace(`docker.test/acme/images/${start}${hex(digit)}`);
    expect(errors).toBeUndefined();
    expect(data.artifact?.digest).toBe(`sha256:${hex(digit)}`);
    expect(data.sources).toMatchObject([{ status: "OK" }]);
  });

  test("is in its tag", async () => {
    const { data } = await trace(`docker.test/acme/images/api:${tag}`);
    expect(data.artifact?.digest).toBe(`sha256:${hex(digit)}`);
  });
});

test("a child that was pushed by digest is its own name", async () => {
  const { data } = await trace(`docker.test/acme/images/api@sha256:${hex("6")}`);
  expect(data.artifact?.digest).toBe(`sha256:${hex("6")}`);
});

test("an old digest is found in an OCI repository, and its copy in the other one", async () => {
  const { data } = await trace(`docker.test/acme/mirror/team/api@sha256:${hex("2")}`);
  expect(data.artifact?.digest).toBe(`sha256:${hex("2")}`);
});

test("what none of the tags holds is absent, as the whole list has shown", async () => {
  const { data, errors } = await trace(`docker.test/acme/images/api@sha256:${hex("9")}`);
  expect(errors).toBeUndefined();
  expect(data.sources).toMatchObject([{ status: "ABSENT" }]);
});

test("of an image with more tags than are read, the tag of the reference tells", async () => {
  const { data } = await trace(`docker.test/acme/wide/api:v3@sha256:${hex("8")}`);
  expect(data.artifact?.digest).toBe(`sha256:${hex("8")}`);
  const unknown = await trace(`docker.test/acme/wide/api@sha256:${hex("9")}`);
  expect(JSON.stringify(unknown.data.sources)).not.toMatch(/ABSENT|"OK"/);
});
