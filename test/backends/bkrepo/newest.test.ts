import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayOver, type StoredVersion, serveBkrepo } from "./literal-server.ts";

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo({ release: "new", repositories: ["main"], packages: [] });
  gateway = await gatewayOver(server.url, { repositories: ["acme/main"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

const day = (number: number) => `2026-01-${String(number).padStart(2, "0")}T00:00:00`;
const many = Array.from({ length: 20 }, (_, index) => ({ name: `1.${index}`, createdDate: day(index + 1) }));

async function latest(versions: readonly StoredVersion[], isUnsorted = false, key = "pypi://torch") {
  const type = key.startsWith("docker") ? "DOCKER" : "PYPI";
  server.become({ isUnsorted, packages: [{ repoName: "main", key, name: "torch", type, versions }] });
  server.calls();
  const { data, errors } = await gateway.ask(
    `query ($key: String!) {
      package(ref: { backend: "bkrepo", repository: "acme/main", key: $key }) { latestVersion { name } }
    }`,
    { key },
  );
  return { name: data.package.latestVersion?.name ?? null, errors, calls: server.calls().length };
}

describe("the newest version", () => {
  test("is the head of an ordered list, at one call", async () => {
    expect(await latest(many)).toMatchObject({ name: "1.19", errors: undefined, calls: 2 });
  });

  test("is found in a list that is all here, whatever its order", async () => {
    expect(await latest(many.slice(0, 3), true)).toMatchObject({ name: "1.2", errors: undefined });
  });

  test("is unknown of a longer list that is out of order", async () => {
    const { name, errors } = await latest(many, true);
    expect(name).toBeNull();
    expect(errors).toMatchObject([{ path: ["package", "latestVersion"] }]);
  });

  test("is unknown where a date is missing: that is not an old date", async () => {
    const { name, errors } = await latest([...many.slice(0, 3), { name: "2.0", createdDate: null }]);
    expect(name).toBeNull();
    expect(errors).toHaveLength(1);
    expect(await latest([{ name: "2.0", createdDate: null }])).toMatchObject({ name: "2.0", errors: undefined });
  });

  test("is null without a word only where there is none", async () => {
    expect(await latest([])).toMatchObject({ name: null, errors: undefined });
  });

  const hex = "a".repeat(64);
  const attachments = ["sig", "att", "sbom"].map((end, index) => ({
    name: `sha256-${hex}.${end}`,
    createdDate: day(25 + index),
  }));

  test("of an image is no signature, attestation or SBOM, which are versions all the same", async () => {
    const image = [...many.slice(0, 5), ...attachments, { name: `sha256-${hex}`, createdDate: day(28) }];
    expect(await latest(image, false, "docker://torch")).toMatchObject({ name: "1.4", errors: undefined });
    const { data } = await gateway.ask(`{
      package(ref: { backend: "bkrepo", repository: "acme/main", key: "docker://torch" }) {
        versions(first: 3) { nodes { name } totalCount }
      }
    }`);
    expect(data.package.versions).toEqual({
      nodes: [{ name: `sha256-${hex}` }, { name: `sha256-${hex}.sbom` }, { name: `sha256-${hex}.att` }],
      totalCount: 9,
    });
    // A Python package may be called so.
    expect(await latest(image)).toMatchObject({ name: `sha256-${hex}` });
  });

  test("is looked for behind more attachments than one page holds", async () => {
    const signatures = Array.from({ length: 60 }, (_, index) => ({
      name: `sha256-${index.toString(16).padStart(64, "0")}.sig`,
      createdDate: `2026-02-01T00:00:${String(index).padStart(2, "0")}`,
    }));
    expect(await latest([...many, ...signatures], false, "docker://torch")).toMatchObject({ name: "1.19" });
  });
});
