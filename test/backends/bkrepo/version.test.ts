import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { checksum, images, sdk } from "../../../demo/story.ts";
import type { Position } from "../../../src/model/backend.ts";
import { type Fixture, openBkrepo, ref, type ValueReader, versionRef, withRecords } from "./fixture.ts";

let it: Fixture;
beforeAll(async () => {
  it = await openBkrepo();
});
afterAll(() => it.close());
afterEach(() => {
  it.server.setTamper(null);
  it.server.forget();
});

const maven = ref("pay/maven-local", "gav://com.acme.pay:pay-sdk");
const web = ref("pay/docker-local", "docker://web");
const any = { prefix: null, stage: null, direction: "DESC" } as const;

async function names(packages: ValueReader, ...[of, filter, request]: Parameters<ValueReader["versions"]>) {
  return (await packages.versions(of, filter, request)).rows.map(({ value }) => value.name);
}

describe("the versions of a package", () => {
  test("come by publication time, with their total, in one call", async () => {
    const page = await it.packages().versions(maven, any, { first: 5, after: null });
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.4.0", "2.3.1", "2.3.0", "2.2.9", "2.2.8"]);
    expect(page).toMatchObject({ total: 37, hasNext: true, dropped: [] });
    const [seen] = it.server.seen;
    const query = new URL(seen?.url ?? "", "http://x").searchParams;
    expect(Object.fromEntries(query)).toEqual({
      packageKey: maven.key,
      sortProperty: "createdDate",
      direction: "DESC",
      pageNumber: "1",
      pageSize: "5",
    });
    expect(it.calls()).toHaveLength(1);
  });

  test("are all reached once, in both directions, whatever the page size", async () => {
    for (const first of [1, 7, 37, 100]) {
      for (const direction of ["ASC", "DESC"] as const) {
        const packages = it.packages();
        const walked: string[] = [];
        let after: Position | null = null;
        for (;;) {
          const page: Awaited<ReturnType<ValueReader["versions"]>> = await packages.versions(
            maven,
            { ...any, direction },
            { first, after },
          );
          walked.push(...page.rows.map(({ value }) => value.name));
          after = page.rows[page.rows.length - 1]?.position ?? null;
          if (!page.hasNext) break;
        }
        expect(walked).toEqual(direction === "ASC" ? [...sdk.versions] : [...sdk.versions].reverse());
      }
    }
  });

  test("are filtered by the beginning of the name and by stage, with or without its @", async () => {
    const packages = it.packages();
    const request = { first: 100, after: null };
    expect(await names(packages, maven, { ...any, prefix: "2.0" }, request)).toEqual([
      "2.0.0",
      "2.0.0-rc.2",
      "2.0.0-rc.1",
    ]);
    expect(await names(packages, maven, { ...any, stage: "release" }, request)).toHaveLength(32);
    expect(await names(packages, maven, { ...any, stage: "@release" }, request)).toHaveLength(32);
    expect(await names(packages, maven, { ...any, stage: "@nothing" }, request)).toEqual([]);
    // An empty text is no filter: sent as it is, an empty stage would match nothing.
    expect(await names(packages, maven, { prefix: "", stage: "", direction: "DESC" }, request)).toHaveLength(37);
  });

  test("of an absent package, a missing repository or an impossible name are absent; of a forbidden one DENIED", async () => {
    const packages = it.packages();
    const request = { first: 5, after: null };
    const { packages: answers } = it.answers();
    expect(await answers.versions(ref("pay/maven-local", "gav://no:where"), any, request)).toEqual({
      kind: "ABSENT",
      proof: "KEYED_READ",
      operation: "bkrepo.getPackage",
    });
    expect(await answers.versions(ref("pay/no-such-repo", "gav://no:where"), any, request)).toEqual({
      kind: "ABSENT",
      proof: "KEYED_READ",
      operation: "bkrepo.pageVersions",
    });
    expect(await answers.versions(ref("nonsense", "gav://no:where"), any, request)).toEqual({
      kind: "ABSENT",
      proof: "IMPOSSIBLE",
      operation: null,
    });
    const hidden = packages.versions(ref("pay/release-vault", "gav://com.acme.pay:pay-signing"), any, request);
    await expect(hidden).rejects.toMatchObject({ failure: "DENIED" });
  });

  test("and the latest, asked for at once, share one call", async () => {
    const packages = it.packages();
    const [latest, few, more] = await Promise.all([
      packages.latest(maven),
      packages.versions(maven, any, { first: 3, after: null }),
      packages.versions(maven, any, { first: 6, after: null }),
    ]);
    expect(latest?.name).toBe("2.4.0");
    expect([few.rows.length, few.hasNext, few.total]).toEqual([3, true, 37]);
    expect(more.rows).toHaveLength(6);
    expect(it.calls()).toHaveLength(1);
    const next = await packages.versions(maven, any, { first: 3, after: few.rows[2]?.position ?? null });
    expect(next.rows.map(({ value }) => value.name)).toEqual(["2.2.9", "2.2.8", "2.2.7"]);
  });

  test("already read need not be asked for again by name", async () => {
    const packages = it.packages();
    const page = await packages.versions(maven, any, { first: 5, after: null });
    it.server.forget();
    expect(await packages.version(versionRef("pay/maven-local", maven.key, "2.3.0"))).toBe(page.rows[2]?.value);
    expect(it.calls()).toEqual([]);
  });

  test("lose a bad row with a word, not the page", async () => {
    it.server.setTamper((reply) =>
      withRecords(reply, ([first, , ...rest]) => [first, { name: "2.3.1", createdBy: 7 }, ...rest]),
    );
    const page = await it.packages().versions(maven, any, { first: 4, after: null });
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.4.0", "2.3.0", "2.2.9"]);
    expect(page.dropped).toEqual([
      { operation: "bkrepo.pageVersions", index: 1, reason: "createdBy: expected string" },
    ]);
  });
});

describe("a version as the vendor's documents print it", () => {
  test("is read with its metadata under the documented name", async () => {
    const found = await it.packages().version(versionRef("test/generic-local", "com.tencent.bkrepo", "0.0.9"));
    expect(found).toMatchObject({
      name: "0.0.9",
      size: 1024,
      downloads: 18,
      stages: ["@prerelease", "@release"],
      createdBy: "admin",
      createdAt: "2020-07-27T08:02:31.394Z",
      updatedAt: "2020-07-27T08:02:31.394Z",
      purl: null,
      digest: null,
      image: null,
    });
    expect(found?.metadata.map(({ key }) => key)).toEqual([
      "apiVersion",
      "appVersion",
      "description",
      "home",
      "icon",
      "keywords",
      "maintainers",
      "name",
      "sources",
      "urls",
      "version",
    ]);
    expect(found?.metadata[6]).toEqual({
      key: "maintainers",
      value: [{ name: "yahavb", email: "[email protected]" }],
      isSystem: false,
    });
  });

  test.each(["packageMetadata", "nodeMetadata"])("keeps its good entries of %s beside odd ones", async (list) => {
    it.server.setTamper((reply) =>
      withRecords(reply, (rows) =>
        rows.map((row) => ({
          ...Object(row),
          packageMetadata: null,
          metadata: null,
          [list]: [null, "x", { key: 5, value: 1 }, { key: "a", value: 1, system: true }, { key: "b", system: "no" }],
        })),
      ),
    );
    const page = await it.packages().versions(maven, any, { first: 2, after: null });
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.4.0", "2.3.1"]);
    expect(page.rows[0]?.value.metadata).toEqual([{ key: "a", value: 1, isSystem: true }]);
    expect(page.dropped).toEqual([]);
  });

  test("keeps the map's metadata where no list is sent", async () => {
    it.server.setTamper((reply) =>
      withRecords(reply, (rows) =>
        rows.map((row) => ({ ...Object(row), packageMetadata: null, metadata: { a: 1, b: { c: [] } } })),
      ),
    );
    const found = await it.packages().version(versionRef("pay/maven-local", maven.key, "2.4.0"));
    expect(found?.metadata).toEqual([
      { key: "a", value: 1, isSystem: false },
      { key: "b", value: { c: [] }, isSystem: false },
    ]);
  });
});

describe("a version by name", () => {
  test("is exactly that one, though the server matches beginnings", async () => {
    const packages = it.packages();
    const found = await packages.version(versionRef("pay/maven-local", maven.key, "2.0.0"));
    expect(found).toMatchObject({
      name: "2.0.0",
      purl: "pkg:maven/com.acme.pay/pay-sdk@2.0.0",
      // The record of a Maven version names the file of its last upload, whatever else there is.
      fileCount: null,
      downloadUrl: `${it.server.url}/repository/api/version/download/pay/maven-local?packageKey=gav%3A%2F%2Fcom.acme.pay%3Apay-sdk&version=2.0.0`,
    });
    for (const absent of ["2.0", "2", "2.0.0-rc", "2.0.0-RC.1", "v2.0.0", ""]) {
      expect(await packages.version(versionRef("pay/maven-local", maven.key, absent))).toBeNull();
    }
    expect(it.calls().some((call) => call.includes("download"))).toBe(false);
  });

  test("several of one package are one call, twice the same is one, of two packages two", async () => {
    const packages = it.packages();
    const wanted = ["2.1.0", "2.1.5", "2.2.9", "2.1.5", "1.0.0"];
    const found = await Promise.all(
      wanted.map((name) => packages.version(versionRef("pay/maven-local", maven.key, name))),
    );
    expect(found.map((one) => one?.name)).toEqual(wanted);
    expect(it.calls()).toHaveLength(1);
    it.server.forget();
    const others = it.packages();
    await Promise.all([
      others.version(versionRef("pay/maven-local", maven.key, "2.1.0")),
      others.version(versionRef("pay/npm-local", "npm://@acme/pay-client", "2.1.0")),
    ]);
    expect(it.calls()).toHaveLength(2);
  });

  test("with build metadata, spaces or slashes is asked for by what no release reads as a pattern", async () => {
    await it.packages().version(versionRef("pay/maven-local", maven.key, "1.0+x&pageSize=0/../?a b"));
    const query = new URL(it.server.seen[0]?.url ?? "", "http://x").searchParams;
    expect(query.get("version")).toBe("1.0");
    expect(query.getAll("pageSize")).toEqual(["200"]);
  });

  test("is found behind more namesakes than one page holds", async () => {
    const many = Array.from({ length: 250 }, (_, index) => ({
      name: index === 230 ? "1" : `1.${index}`,
      createdDate: "2026-01-01T00:00:00",
    }));
    it.server.setTamper((reply, { query }) => {
      const size = Number(query.get("pageSize"));
      const start = (Number(query.get("pageNumber")) - 1) * size;
      return withRecords(reply, () => many.slice(start, start + size), many.length);
    });
    const packages = it.packages();
    expect((await packages.version(versionRef("pay/maven-local", maven.key, "1")))?.name).toBe("1");
    expect(it.calls()).toHaveLength(3);
    expect(await packages.version(versionRef("pay/maven-local", maven.key, "1."))).toBeNull();
  });

  test("that may have been in an unreadable or unsent row is MALFORMED, not absent", async () => {
    const lost = { failure: "MALFORMED", operation: "bkrepo.pageVersions" };
    it.server.setTamper((reply) => withRecords(reply, (rows) => rows.map(() => ({ name: null }))));
    await expect(it.packages().version(versionRef("pay/maven-local", maven.key, "2.4.0"))).rejects.toMatchObject(lost);
    await expect(it.packages().latest(maven)).rejects.toMatchObject(lost);
    it.server.setTamper((reply) => withRecords(reply, () => []));
    await expect(it.packages().version(versionRef("pay/maven-local", maven.key, "2.4.0"))).rejects.toMatchObject(lost);
    // Two names: the one that was readable is an answer.
    it.server.setTamper((reply) => withRecords(reply, ([first, ...rest]) => [first, ...rest.map(() => ({}))]));
    const packages = it.packages();
    const both = await Promise.allSettled(
      ["2.4.0", "2.3.1"].map((name) => packages.version(versionRef("pay/maven-local", maven.key, name))),
    );
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  test("is asked for again and again by no server that does not page", async () => {
    it.server.setTamper((reply) => withRecords(reply, () => [{ name: "1.1" }], 500));
    await expect(it.packages().version(versionRef("pay/maven-local", maven.key, "1"))).rejects.toMatchObject({
      failure: "MALFORMED",
    });
    expect(it.calls().length).toBeLessThan(4);
  });
});

describe("the latest version", () => {
  test("is the newest by publication; a ghost package has none", async () => {
    const packages = it.packages();
    expect((await packages.latest(maven))?.name).toBe("2.4.0");
    expect(await packages.latest(ref("ops/tools", "cargo://ledger-lint"))).toBeNull();
    expect(await packages.latest(ref("pay/maven-local", "gav://no:where"))).toBeNull();
  });
});

describe("the versions of a multi-arch image", () => {
  const children = ["linux/amd64", "linux/arm64"].map(
    (platform) => `sha256:${checksum("sha256", `manifest web ${platform}`)}`,
  );

  test("leave out its platforms' manifests, and so does their count", async () => {
    const packages = it.packages();
    const page = await packages.versions(web, any, { first: 3, after: null });
    expect(page.rows.map(({ value }) => value.name).slice(0, 2)).toEqual(["v2.4.0", images.web.tag]);
    expect(page.rows).toHaveLength(3);
    expect(page.hasNext).toBe(true);
    expect(it.calls()).toHaveLength(1);
    expect(typeof page.total === "function" ? await page.total() : page.total).toBe(50);
    expect(it.calls()).toHaveLength(2);
  });

  test("are all reached once in pages of any size", async () => {
    for (const first of [1, 2, 9, 100]) {
      const packages = it.packages();
      const walked: string[] = [];
      let after: Position | null = null;
      for (;;) {
        const page: Awaited<ReturnType<ValueReader["versions"]>> = await packages.versions(web, any, {
          first,
          after,
        });
        walked.push(...page.rows.map(({ value }) => value.name));
        after = page.rows[page.rows.length - 1]?.position ?? null;
        if (!page.hasNext) break;
      }
      expect(walked).toHaveLength(50);
      expect(new Set(walked).size).toBe(50);
      expect(walked.some((name) => name.startsWith("sha256:"))).toBe(false);
    }
  });

  test("do not make the server's count of versions ours, as it counts children", async () => {
    expect((await it.packages().package(web))?.versionCount).toBeNull();
    expect((await it.packages().package(maven))?.versionCount).toBe(37);
    const page = await it
      .packages()
      .page(
        { repository: "pay/docker-local", group: null },
        { name: null, match: "CONTAINS", format: null },
        { first: 10, after: null },
      );
    expect(page.rows.map(({ value }) => value.versionCount)).toEqual(page.rows.map(() => null));
    expect(page.rows.length).toBeGreaterThan(0);
  });

  test("a list that ends in children has no next page", async () => {
    const rows = ["1", "sha256:a", "sha256:b"].map((name) => ({ name }));
    it.server.setTamper((reply) => withRecords(reply, () => rows, 3));
    const page = await it.packages().versions(web, any, { first: 1, after: null });
    expect([page.rows.length, page.hasNext]).toEqual([1, false]);
  });

  test("the latest is never a child, even when only children are newest", async () => {
    it.server.setTamper((reply) =>
      withRecords(reply, (rows) => [
        { name: children[0] },
        { name: children[1] },
        ...rows.filter((row) => !JSON.stringify(row).includes(children[0] ?? "")),
      ]),
    );
    expect((await it.packages().latest(web))?.name).toBe("v2.4.0");
  });

  test("a child is found by its own name, and listed for who asks by its prefix", async () => {
    const packages = it.packages();
    expect((await packages.version(versionRef("pay/docker-local", web.key, children[0] ?? "")))?.digest).toBe(
      children[0],
    );
    const listed = await names(packages, web, { ...any, prefix: "sha256:" }, { first: 10, after: null });
    expect(listed.sort()).toEqual([...children].sort());
  });
});
