import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { checksum } from "../../../demo/story.ts";
import { parseDigest } from "../../../src/model/artifact.ts";
import { bodyOf, type Fixture, openBkrepo, ref, versionRef, withRecords } from "./fixture.ts";

let it: Fixture;
beforeAll(async () => {
  it = await openBkrepo();
});
afterAll(() => it.close());
afterEach(() => {
  it.server.setTamper(null);
  it.server.forget();
});

const key = "gav://com.acme.pay:pay-sdk";
const all = { first: 20, after: null };
const jar = "/com/acme/pay/pay-sdk/2.4.0/pay-sdk-2.4.0.jar";

describe("the files of a version", () => {
  test("come with size, both checksums and the registry's own address", async () => {
    const page = await it.packages().files(versionRef("pay/maven-local", key, "2.4.0"), all);
    expect(page.rows.map(({ value }) => value.name)).toEqual(["pay-sdk-2.4.0.jar", "pay-sdk-2.4.0.pom"]);
    expect(page).toMatchObject({ hasNext: false, total: 2, dropped: [] });
    expect(page.rows[0]?.value).toEqual({
      name: "pay-sdk-2.4.0.jar",
      path: jar,
      size: 764_076,
      digests: [`sha256:${checksum("sha256", "pay-sdk-2.4.0.jar")}`, `md5:${checksum("md5", "pay-sdk-2.4.0.jar")}`],
      createdAt: "2026-11-02T09:14:34.555Z",
      downloadUrl: `${it.server.url}/maven/pay/maven-local${jar}`,
    });
    expect(it.calls()).toEqual([
      "GET /repository/api/version/page/pay/maven-local",
      "POST /repository/api/node/queryWithoutCount",
    ]);
  });

  test("of many versions, packages and repositories of one project are one query", async () => {
    const packages = it.packages();
    const any = { prefix: null, stage: null, direction: "DESC" } as const;
    const [java, node] = await Promise.all([
      packages.versions(ref("pay/maven-local", key), any, { first: 20, after: null }),
      packages.versions(ref("pay/npm-local", "npm://@acme/pay-client"), any, { first: 20, after: null }),
    ]);
    it.server.forget();
    const pages = await Promise.all([...java.rows, ...node.rows].map(({ value }) => packages.files(value.ref, all)));
    expect(pages.every(({ rows }) => rows.length === 2)).toBe(true);
    expect(pages[20]?.rows[0]?.value.downloadUrl).toBe(
      `${it.server.url}/npm/pay/npm-local/%40acme/pay-client/-/%40acme/pay-client-2.4.0.tgz`,
    );
    expect(it.calls()).toEqual(["POST /repository/api/node/queryWithoutCount"]);
    expect(bodyOf(it.server.seen[0])).toMatchObject({ page: { pageNumber: 1, pageSize: 1000 } });
  });

  test("are paged where a version has many", async () => {
    const packages = it.packages();
    const version = versionRef("pay/pypi-local", "pypi://acme_pay_report", "0.12.0");
    const first = await packages.files(version, { first: 1, after: null });
    expect([first.rows[0]?.value.name, first.hasNext]).toEqual(["acme_pay_report-0.12.0-py3-none-any.whl", true]);
    const second = await packages.files(version, { first: 1, after: first.rows[0]?.position ?? null });
    expect([second.rows[0]?.value.name, second.hasNext]).toEqual(["acme_pay_report-0.12.0.tar.gz", false]);
    expect(second.rows[0]?.value.downloadUrl).toBeNull();
  });

  test("a chart is addressed as helm does", async () => {
    const page = await it.packages().files(versionRef("pay/helm-local", "helm://pay-platform", "2.4.0"), all);
    expect(page.rows[0]?.value.downloadUrl).toBe(`${it.server.url}/helm/pay/helm-local/charts/pay-platform-2.4.0.tgz`);
  });

  test("a path whose file is gone is left out; one whose row is unreadable is reported", async () => {
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/node/") ? withRecords(reply, (rows) => rows.slice(0, 1)) : reply,
    );
    const gone = await it.packages().files(versionRef("pay/maven-local", key, "2.4.0"), all);
    expect([gone.rows.length, gone.dropped]).toEqual([1, []]);
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/node/") ? withRecords(reply, ([first]) => [first, { fullPath: 3 }]) : reply,
    );
    const lost = await it.packages().files(versionRef("pay/maven-local", key, "2.4.0"), all);
    expect(lost.rows).toHaveLength(1);
    expect(lost.dropped).toEqual([{ operation: "bkrepo.queryNodes", index: 1, reason: expect.any(String) }]);
  });

  test("are matched by repository as well as by path", async () => {
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/node/")
        ? withRecords(reply, (rows) => [{ repoName: "npm-local", fullPath: jar, sha256: "0".repeat(64) }, ...rows])
        : reply,
    );
    const page = await it.packages().files(versionRef("pay/maven-local", key, "2.4.0"), all);
    expect(page.rows[0]?.value.digests[0]).toBe(`sha256:${checksum("sha256", "pay-sdk-2.4.0.jar")}`);
  });

  test("of an image are none; of an absent version they are absent", async () => {
    const packages = it.packages();
    expect((await packages.files(versionRef("pay/docker-local", "docker://api", "v2.4.0"), all)).rows).toEqual([]);
    expect(it.calls()).toEqual([]);
    expect(await it.answers().packages.files(versionRef("pay/maven-local", key, "9.9.9"), all)).toMatchObject({
      kind: "ABSENT",
      proof: "COMPLETE_FILTER",
    });
  });

  test("a failing query fails the page with its own failure", async () => {
    const packages = it.packages();
    await packages.version(versionRef("pay/maven-local", key, "2.4.0"));
    await it.server.setFault({ kind: "status", status: 503 });
    await expect(packages.files(versionRef("pay/maven-local", key, "2.4.0"), all)).rejects.toMatchObject({
      failure: "UNAVAILABLE",
    });
    await it.server.setFault(null);
  });
});

describe("a version whose record names no path", () => {
  test("has its main file from the registry's own detail", async () => {
    const page = await it.packages().files(versionRef("ops/tools", "cargo://settle-check", "0.3.1"), all);
    expect(page.rows.map(({ value }) => [value.path, value.size, value.digests.length])).toEqual([
      ["/crates/settle-check/settle-check-0.3.1.crate", 33_120, 2],
    ]);
    expect(it.calls()).toEqual([
      "GET /repository/api/version/page/ops/tools",
      "GET /cargo/ext/version/detail/ops/tools",
    ]);
  });

  test.each([
    ["200 without data", { status: 200, body: { code: 0, data: null } }],
    ["404 of npm's own form", { status: 404, body: { error: "not_found", reason: "document not found" } }],
    ["404 of helm's own form", { status: 404, body: { error: "chart not found" } }],
    ["404 with the version code", { status: 404, body: { code: 251019, data: null } }],
    ["400 with the package code", { status: 400, body: { code: 251017, data: null } }],
    ["400 with the docker service's code", { status: 400, body: { code: 251906, data: null } }],
    ["400 with the resource code", { status: 400, body: { code: 250108, data: null } }],
  ])("may have files though the detail says: %s", async (_form, answer) => {
    it.server.setTamper((reply, { rawPath }) => (rawPath.startsWith("/cargo/") ? { ...reply, ...answer } : reply));
    const { packages } = it.answers();
    expect(await packages.files(versionRef("ops/tools", "cargo://settle-check", "0.3.1"), all)).toEqual({
      kind: "UNKNOWN",
      reason: "DETAIL_MISSING",
      failure: null,
    });
  });
});

describe("a file by its checksum", () => {
  const digest = (text: string) => {
    const parsed = parseDigest(text);
    if (parsed === null) throw new Error("no digest");
    return parsed;
  };
  const known = digest(`sha256:${checksum("sha256", "pay-sdk-2.4.0.jar")}`);

  test("in a repository is found with the version that lists it", async () => {
    const found = await it.packages().byChecksum(known, "pay/maven-local");
    expect(found?.map(({ version, file }) => [version.package.key, version.version, file.path])).toEqual([
      [key, "2.4.0", jar],
    ]);
    expect(it.calls()).toHaveLength(2);
    const npm = digest(`md5:${checksum("md5", "pay-client-2.2.3.tgz")}`);
    const tarball = await it.packages().byChecksum(npm, "pay/npm-local");
    expect(tarball?.map(({ version }) => [version.package.key, version.version])).toEqual([
      ["npm://@acme/pay-client", "2.2.3"],
    ]);
  });

  test("is not matched to a version whose record does not list it", async () => {
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/version/page/")
        ? withRecords(reply, () => [{ name: "2.2.3", contentPath: "/other.tgz" }], 1)
        : reply,
    );
    const tarball = digest(`md5:${checksum("md5", "pay-client-2.2.3.tgz")}`);
    expect(await it.answers().packages.byChecksum(tarball, "pay/npm-local")).toMatchObject({
      kind: "UNKNOWN",
      reason: "LOSSY_NAME",
    });
  });

  test("that nothing has, or in a missing repository, is absent", async () => {
    const { packages } = it.answers();
    expect(await packages.byChecksum(digest("0".repeat(64)), "pay/maven-local")).toMatchObject({
      kind: "ABSENT",
      proof: "COMPLETE_FILTER",
    });
    expect(await packages.byChecksum(known, "pay/no-such-repo")).toMatchObject({
      kind: "ABSENT",
      proof: "KEYED_READ",
    });
    expect(await packages.byChecksum(known, "nonsense")).toMatchObject({ proof: "IMPOSSIBLE" });
    await expect(packages.byChecksum(known, "pay/release-vault")).rejects.toMatchObject({ failure: "DENIED" });
  });

  test("is unknown without a repository or of other algorithms", async () => {
    const { packages } = it.answers();
    const unsearchable = { kind: "UNKNOWN", reason: "NOT_SEARCHABLE", failure: null };
    expect(await packages.byChecksum(known, null)).toEqual(unsearchable);
    expect(await packages.byChecksum(digest("0".repeat(128)), "pay/maven-local")).toEqual(unsearchable);
  });

  test("is found where only its name holds the version", async () => {
    const chart = digest(checksum("sha256", "pay-platform-2.4.0.tgz"));
    const found = await it.packages().byChecksum(chart, "pay/helm-local");
    expect(found.map(({ version }) => [version.package.key, version.version])).toEqual([
      ["helm://pay-platform", "2.4.0"],
    ]);
  });
});
