import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { commits, sdk } from "../../../demo/story.ts";
import type { VersionRef } from "../../../src/model/package.ts";
import { calls, failureOf, first, present, ref, rewriteRows, stage, walk } from "./support.ts";

const { server, packages, readers, close } = await stage();
const sdkRef = ref("pay/api", "maven:com/acme/pay/pay-sdk");
const npmRef = ref("pay/api", "npm:@acme/pay-client");
const cliRef = ref("pay/api", "generic:pay-cli");
const newest = { prefix: null, stage: null, direction: "DESC" } as const;

/** References with numbers, as ids bring them back: read once, used in new requests. */
async function numbered(of: typeof sdkRef, count: number): Promise<VersionRef[]> {
  const page = await packages().versions(of, newest, first(count));
  return page.rows.map(({ value }) => value.ref);
}
const sdkVersions = await numbered(sdkRef, 37);
const npmVersions = await numbered(npmRef, 37);
const cliVersions = await numbered(cliRef, 62);
const broken = present(
  (await packages().versions(ref("pay/api", "nuget:Acme.Pay.Client"), newest, first(5))).rows.find(
    ({ value }) => value.status === "error",
  ),
).value;

beforeEach(() => {
  server.setTamper(null);
  server.forget();
});
afterAll(close);

describe("versions by number", () => {
  test("one is one call, and carries its pipeline", async () => {
    const version = present(await packages().version(present(sdkVersions[0])));
    expect(version).toMatchObject({
      name: "2.4.0",
      format: "MAVEN",
      purl: "pkg:maven/com.acme.pay/pay-sdk@2.4.0",
      status: "default",
      createdAt: "2026-11-02T09:17:33.118Z",
      size: null,
      fileCount: null,
      downloadUrl: null,
      pipeline: {
        id: "2690000317",
        projectId: "42",
        projectPath: "pay/api",
        sha: commits.api.sha,
        ref: "main",
        status: "success",
        user: "lin.chen",
      },
    });
    expect(calls(server)).toEqual([`projects/pay/api/packages/${version.ref.nativeId}`]);
  });

  test("twenty of one package with their pipelines are one call", async () => {
    const reader = packages();
    const wanted = sdkVersions.slice(0, 20);
    const versions = await Promise.all(wanted.map((one) => reader.version(one)));
    expect(versions.map((one) => one?.ref)).toEqual(wanted);
    expect(versions.every((one) => one?.pipeline?.sha)).toBe(true);
    expect(calls(server)).toEqual([
      "projects/pay/api/packages?package_type=maven&package_name=com/acme/pay/pay-sdk&order_by=created_at&sort=desc&page=1&per_page=100",
    ]);
  });

  test("of several packages of a project are pages of its list", async () => {
    const reader = packages();
    const wanted = [sdkVersions[36], npmVersions[36], cliVersions[61]].map(present);
    const versions = await Promise.all([...wanted, present(sdkVersions[0])].map((one) => reader.version(one)));
    expect(versions.map((one) => one?.name)).toEqual(["1.0.0", "1.0.0", cliVersions[61]?.version, "2.4.0"]);
    // Page 1 answers one of four, and one page more is cheaper than three single calls.
    expect(server.seen).toHaveLength(2);
  });

  test("go on one by one where the pages left are no fewer than the numbers left", async () => {
    const reader = packages();
    const versions = await Promise.all(
      [present(sdkVersions[36]), present(npmVersions[0])].map((one) => reader.version(one)),
    );
    expect(versions.map((one) => one?.name)).toEqual(["1.0.0", "2.4.0"]);
    expect(calls(server)).toEqual([
      "projects/pay/api/packages?order_by=created_at&sort=desc&page=1&per_page=100",
      `projects/pay/api/packages/${sdkVersions[36]?.nativeId}`,
    ]);
  });

  test("go on one by one where the count of pages is unknown", async () => {
    const other = await stage({ totals: false });
    const reader = other.packages();
    const wanted = [sdkVersions[36], npmVersions[36], npmVersions[0]].map(present);
    const versions = await Promise.all(wanted.map((one) => reader.version(one)));
    expect(versions.map((one) => one?.name)).toEqual(["1.0.0", "1.0.0", "2.4.0"]);
    expect(calls(other.server).map((url) => url.split("?")[0])).toEqual([
      "projects/pay/api/packages",
      `projects/pay/api/packages/${sdkVersions[36]?.nativeId}`,
      `projects/pay/api/packages/${npmVersions[36]?.nativeId}`,
    ]);
    await other.close();
  });

  test("of several projects do not wait for each other", async () => {
    const ui = await numbered(ref("pay/web", "npm:@acme/pay-ui"), 2);
    server.forget();
    server.setLatency(30);
    const reader = packages();
    const found = await Promise.all([...ui, present(sdkVersions[0])].map((one) => reader.version(one)));
    server.setLatency(0);
    expect(found.every((one) => one !== null)).toBe(true);
    const [one, other] = server.seen;
    expect(present(other).startedAt).toBeLessThan(present(present(one).endedAt));
    expect(server.seen).toHaveLength(2);
  });

  test("what a list of the same request has shown is not asked for again", async () => {
    const reader = packages();
    const page = await reader.versions(sdkRef, newest, first(20));
    await Promise.all(page.rows.map(({ value }) => reader.version(value.ref)));
    await Promise.all(page.rows.map(({ value }) => reader.package(value.ref.package)));
    expect(server.seen).toHaveLength(1);
  });

  test("a listed row without a page of its own is found in the list", async () => {
    const version = await packages().version(broken.ref);
    expect(version).toMatchObject({ name: "2.4.0", status: "error" });
    expect(calls(server)).toEqual([
      `projects/pay/api/packages/${broken.ref.nativeId}`,
      "projects/pay/api/packages?package_type=nuget&package_name=Acme.Pay.Client&package_version=2.4.0&order_by=created_at&sort=desc&page=1&per_page=100",
    ]);
  });

  test("a number that names another package, another version or nothing finds nothing", async () => {
    const own = present(sdkVersions[0]);
    const forged: VersionRef[] = [
      { ...own, package: npmRef },
      { ...own, version: "9.9.9" },
      { ...own, nativeId: "999999999" },
    ];
    for (const one of forged) expect(await packages().version(one)).toBeNull();
    server.forget();
    for (const nativeId of ["1/../2", "-1", "1.5", "0", "", "9007199254740993", "1e3"]) {
      expect(await packages().version({ ...own, nativeId })).toBeNull();
    }
    expect(server.seen).toHaveLength(0);
  });

  test("missing ones are null only when every row could be read", async () => {
    const gone = { package: sdkRef, version: "0.0.1", nativeId: "999999999" };
    const complete = packages();
    const [one, none] = await Promise.all([complete.version(present(sdkVersions[0])), complete.version(gone)]);
    expect([one?.name, none]).toEqual(["2.4.0", null]);
    expect(server.seen).toHaveLength(1);

    server.setTamper(rewriteRows(/packages$/, (rows) => [{ id: null }, ...rows.slice(1)]));
    const torn = packages();
    const [found, lost] = await Promise.allSettled([torn.version(present(sdkVersions[1])), torn.version(gone)]);
    expect(found).toMatchObject({ status: "fulfilled", value: { name: "2.3.1" } });
    expect(lost).toMatchObject({ status: "rejected", reason: { failure: "MALFORMED" } });
  });

  test("rows in another order, twice, or without some are matched by their numbers", async () => {
    server.setTamper(rewriteRows(/packages$/, (rows) => [...rows].reverse().concat(rows.slice(0, 5))));
    const shuffled = packages();
    const wanted = sdkVersions.slice(0, 12);
    const versions = await Promise.all(wanted.map((one) => shuffled.version(one)));
    expect(versions.map((one) => one?.ref)).toEqual(wanted);

    server.setTamper(
      rewriteRows(/packages$/, (rows) => rows.filter((row) => String(Object(row).id) !== wanted[0]?.nativeId)),
    );
    const short = packages();
    const [lost, second] = await Promise.all([short.version(present(wanted[0])), short.version(present(wanted[1]))]);
    // The list counts more rows than came: what it lost is asked for by its number.
    expect([lost?.ref, second?.name]).toEqual([wanted[0], "2.3.1"]);
  });

  test("an answer about another row than the one asked for is no answer", async () => {
    server.setTamper((reply) => ({ ...reply, body: { ...Object(reply.body), id: 1 } }));
    expect(await failureOf(packages().version(present(sdkVersions[0])))).toMatchObject({ failure: "MALFORMED" });
  });
});

describe("versions by name", () => {
  const named = (version: string, of = sdkRef): VersionRef => ({ package: of, version, nativeId: null });

  test("one is one narrow call", async () => {
    const version = await packages().version(named("2.3.1"));
    expect(version?.ref.nativeId).toBe(sdkVersions[1]?.nativeId);
    expect(calls(server)).toEqual([
      "projects/pay/api/packages?package_type=maven&package_name=com/acme/pay/pay-sdk&package_version=2.3.1&order_by=created_at&sort=desc&page=1&per_page=100",
    ]);
  });

  test("many of one package are one call", async () => {
    const reader = packages();
    const found = await Promise.all(["1.0.0", "2.4.0", "no such"].map((one) => reader.version(named(one))));
    expect(found.map((one) => one?.name ?? null)).toEqual(["1.0.0", "2.4.0", null]);
    expect(server.seen).toHaveLength(1);
  });

  test("of two rows of one name the newest is served; what waits for its removal is not there", async () => {
    const chart = ref("pay/api", "helm:pay-api");
    const page = await packages().versions(chart, newest, first(5));
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.4.0", "2.3.1"]);
    const zlib = await packages().version(named("1.2.13", ref("infra/tools", "conan:zlib-pay")));
    expect(zlib?.metadata[0]?.value).toBe("zlib-pay/1.2.13@infra+tools/testing");
  });

  test("the newest of one name is served, in whatever order a list has shown them", async () => {
    const zlib = ref("infra/tools", "conan:zlib-pay");
    const reader = packages();
    const oldest = await reader.versions(zlib, { ...newest, direction: "ASC" }, first(5));
    expect(oldest.rows[0]?.value.metadata[0]?.value).toContain("/stable");
    expect((await reader.version(named("1.2.13", zlib)))?.metadata[0]?.value).toContain("/testing");
  });

  test("characters with a meaning in addresses arrive as they are", async () => {
    const agent = await packages().version(named("1:2.3+build7", ref("infra/tools", "debian:pay-agent")));
    expect(agent?.name).toBe("1:2.3+build7");
    expect(server.seen[0]?.url).toContain("package_version=1%3A2.3%2Bbuild7");
  });
});

describe("the list of versions", () => {
  test.each(["ASC", "DESC"] as const)("comes by publication, %s", async (direction) => {
    const names = await walk((request) => packages().versions(sdkRef, { ...newest, direction }, request), 10);
    const expected = direction === "ASC" ? sdk.versions : [...sdk.versions].reverse();
    expect(names.map((one) => one.name)).toEqual(expected);
  });

  test("can be narrowed by prefix, and counts what is left", async () => {
    const page = await packages().versions(sdkRef, { ...newest, prefix: "2.1." }, first(5));
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.1.8", "2.1.7", "2.1.6", "2.1.5", "2.1.4"]);
    expect(page).toMatchObject({ hasNext: true, total: 9 });
  });

  test("knows no stages, so none of its versions is in one", async () => {
    const staged = await present(readers().packages).versions(sdkRef, { ...newest, stage: "prod" }, first(5));
    expect(staged).toMatchObject({ kind: "ABSENT", proof: "IMPOSSIBLE" });
    expect(server.seen).toHaveLength(0);
  });

  test("has no pipeline for an unrecorded build or a deleted pipeline", async () => {
    const all = await walk((request) => packages().versions(sdkRef, newest, request), 100);
    const without = all.filter((one) => one.pipeline === null).map((one) => one.name);
    expect(without).toEqual(["1.3.0", "1.0.0"]);
  });
});
