import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { PackageQuery } from "../../../src/backends/backend.ts";
import type { Position } from "../../../src/model/backend.ts";
import { bodyOf, type Fixture, openBkrepo, type ValueReader, withRecords } from "./fixture.ts";

let it: Fixture;
beforeAll(async () => {
  it = await openBkrepo({}, { repositories: ["pay/maven-local", "pay/npm-local", "ops/npm-mirror", "ops/tools"] });
});
afterAll(() => it.close());
afterEach(() => {
  it.server.setTamper(null);
  it.server.forget();
});

const everything: PackageQuery = { name: null, match: "CONTAINS", format: null };
const mirror = { repository: "ops/npm-mirror", group: null };

/** Walks to the end, 1000 pages at most. */
async function walk(packages: ValueReader, firsts: (page: number) => number): Promise<string[]> {
  const keys: string[] = [];
  let after: Position | null = null;
  for (let page = 0; page < 1000; page++) {
    const { rows, hasNext }: Awaited<ReturnType<ValueReader["page"]>> = await packages.page(mirror, everything, {
      first: firsts(page),
      after,
    });
    keys.push(...rows.map(({ value }) => value.ref.key));
    after = rows[rows.length - 1]?.position ?? null;
    if (!hasNext || after === null) return keys;
  }
  throw new Error("the walk does not end");
}

describe("a page of a repository's packages", () => {
  test("is one search in an order without ties, with its total", async () => {
    const page = await it.packages().page(mirror, everything, { first: 20, after: null });
    const keys = page.rows.map(({ value }) => value.ref.key);
    expect(keys).toHaveLength(20);
    expect(keys).toEqual([...keys].sort());
    expect(page).toMatchObject({ hasNext: true, total: 168, dropped: [] });
    expect(it.calls()).toEqual(["POST /repository/api/package/search"]);
    expect(bodyOf(it.server.seen[0])).toMatchObject({
      page: { pageNumber: 1, pageSize: 20 },
      sort: { properties: ["key"], direction: "ASC" },
    });
  });

  test("leads on to every package once, whatever the sizes of the pages", async () => {
    const whole = await walk(it.packages(), () => 100);
    expect(whole).toHaveLength(168);
    expect(new Set(whole).size).toBe(168);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 }), async (sizes) => {
        expect(await walk(it.packages(), (page) => sizes[page % sizes.length] ?? 20)).toEqual(whole);
      }),
      { numRuns: 12 },
    );
  });

  test("does not repeat rows when a package appears in front during the walk", async () => {
    const packages = it.packages();
    const first = await packages.page(mirror, everything, { first: 10, after: null });
    const last = first.rows[9];
    // One row more in front: the second page now begins with the last row of the first.
    it.server.setTamper((reply) =>
      withRecords(reply, (rows) => [{ repoName: "npm-mirror", key: last?.value.ref.key }, ...rows.slice(0, -1)], 169),
    );
    const second = await packages.page(mirror, everything, { first: 10, after: last?.position ?? null });
    const keys = [...first.rows, ...second.rows].map(({ value }) => value.ref.key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(second.rows).toHaveLength(9);
    expect(second.hasNext).toBe(true);
  });

  test("loses one bad row, not the page, and says so", async () => {
    it.server.setTamper((reply) =>
      withRecords(reply, (rows) => rows.map((row, index) => (index === 3 ? { key: 12 } : row))),
    );
    const page = await it.packages().page(mirror, everything, { first: 20, after: null });
    expect(page.rows).toHaveLength(19);
    expect(page.dropped).toEqual([{ operation: "bkrepo.searchPackages", index: 3, reason: expect.any(String) }]);
  });

  test("asked for twice at once is one call", async () => {
    const packages = it.packages();
    await Promise.all([1, 2].map(() => packages.page(mirror, { ...everything }, { first: 20, after: null })));
    expect(it.calls()).toHaveLength(1);
  });

  test("of a repository that holds files only is empty; one that is missing or cannot exist is absent", async () => {
    const { packages } = it.answers();
    const of = (repository: string) =>
      packages.page({ repository, group: null }, everything, { first: 20, after: null });
    expect(await of("pay/generic-local")).toMatchObject({
      kind: "FOUND",
      value: { rows: [], hasNext: false, total: 0 },
      gap: null,
    });
    // The search's silence, and one row of the plain list that shows it to be empty.
    expect(it.calls()).toHaveLength(2);
    expect(await of("pay/no-such-repo")).toEqual({
      kind: "ABSENT",
      proof: "KEYED_READ",
      operation: "bkrepo.pagePackages",
    });
    it.server.forget();
    expect(await of("pay")).toMatchObject({ kind: "ABSENT", proof: "IMPOSSIBLE" });
    expect(it.calls()).toEqual([]);
  });

  test("of a forbidden repository is DENIED", async () => {
    const scope = { repository: "pay/release-vault", group: null };
    await expect(it.packages().page(scope, everything, { first: 5, after: null })).rejects.toMatchObject({
      failure: "DENIED",
    });
  });

  test("of a group is refused: bkrepo has none", async () => {
    const scope = { repository: null, group: "pay" };
    await expect(it.packages().page(scope, everything, { first: 5, after: null })).rejects.toMatchObject({
      failure: "REJECTED",
    });
    expect(it.calls()).toEqual([]);
  });

  test("keeps a package that lost its versions, and an unknown type", async () => {
    const page = await it
      .packages()
      .page({ repository: "ops/tools", group: null }, everything, { first: 20, after: null });
    expect(page.rows.map(({ value }) => [value.name, value.format, value.formatName, value.purl])).toEqual([
      ["ledger-lint", "CARGO", "CARGO", "pkg:cargo/ledger-lint"],
      ["settle-check", "CARGO", "CARGO", "pkg:cargo/settle-check"],
      ["refund-playbook", "OTHER", "SKILL", null],
    ]);
  });
});

describe("a filter", () => {
  const names = async (filter: Partial<PackageQuery>, repository = "pay/maven-local") => {
    const page = await it
      .packages()
      .page({ repository, group: null }, { ...everything, ...filter }, { first: 100, after: null });
    return page.rows.map(({ value }) => value.name);
  };

  test("by part or beginning of the name passes over upper and lower case, exact does not", async () => {
    expect(await names({ name: "LEDGER" })).toEqual(["pay-ledger"]);
    expect(await names({ name: "Pay-S", match: "PREFIX" })).toEqual(["pay-sdk", "pay-settlement"]);
    expect(await names({ name: "ledger", match: "PREFIX" })).toEqual([]);
    expect(await names({ name: "Pay-sdk", match: "EXACT" })).toEqual([]);
    expect(await names({ name: "pay-sdk", match: "EXACT" })).toEqual(["pay-sdk"]);
  });

  test("finds Maven packages by their coordinates too", async () => {
    expect(await names({ name: "com.acme.pay:pay-sdk", match: "EXACT" })).toEqual(["pay-sdk"]);
    expect(await names({ name: "com/acme/pay/pay-sdk", match: "EXACT", format: "MAVEN" })).toEqual(["pay-sdk"]);
  });

  test("is checked again: rows that match more loosely do not get through", async () => {
    it.server.setTamper((reply) =>
      withRecords(reply, (rows) => [
        ...rows,
        { repoName: "maven-local", key: "gav://a:pay-sdk-extra", name: "pay-sdk-extra" },
      ]),
    );
    expect(await names({ name: "pay-sdk", match: "EXACT" })).toEqual(["pay-sdk"]);
  });

  test("text is data: pattern characters and wildcards find nothing but themselves", async () => {
    expect(await names({ name: ".*" })).toEqual([]);
    expect(await names({ name: "p.y" })).toEqual([]);
    expect(await names({ name: "(" })).toEqual([]);
    expect(await names({ name: "*" })).toEqual([]);
    expect(await names({ name: "pay-?dk", match: "PREFIX" })).toEqual([]);
  });

  test("by format asks by type; for formats that bkrepo has no packages of only the repository is asked for", async () => {
    expect(await names({ format: "NPM", name: "acme" }, "pay/npm-local")).toEqual(["@acme/pay-client"]);
    expect(await names({ format: "NPM" })).toEqual([]);
    expect(await names({ format: "OTHER" }, "ops/tools")).toEqual(["refund-playbook"]);
    it.server.forget();
    expect(await names({ format: "GENERIC" })).toEqual([]);
    expect(it.calls()).toEqual(["GET /repository/api/package/page/pay/maven-local"]);
  });
});

describe("a search across the configured repositories", () => {
  const query = { name: "pay", match: "CONTAINS", format: null } as const;

  test("is one call for each project, at the same time", async () => {
    it.server.setLatency(60);
    const page = await it.packages().search(query, { first: 50, after: null });
    it.server.setLatency(0);
    expect(page?.rows.map(({ value }) => value.ref.repository)).toContain("pay/npm-local");
    expect(page?.total).toBe(page?.rows.length);
    expect(it.calls()).toHaveLength(2);
    const [left, right] = it.server.seen;
    expect(right?.startedAt).toBeLessThan(left?.endedAt ?? 0);
  });

  test("leads from project to project without gap or repetition, and always knows its total", async () => {
    const wide = { name: "a", match: "CONTAINS", format: null } as const;
    const whole: string[] = [];
    for (const first of [1, 7, 30, 100]) {
      const keys: string[] = [];
      let after: Position | null = null;
      for (;;) {
        const page: Awaited<ReturnType<ValueReader["search"]>> = await it.packages().search(wide, { first, after });
        if (page === null) throw new Error("cannot be searched");
        keys.push(...page.rows.map(({ value }) => `${value.ref.repository} ${value.ref.key}`));
        after = page.rows[page.rows.length - 1]?.position ?? null;
        if (keys.length % 5 === 0) {
          const total = typeof page.total === "function" ? await page.total() : page.total;
          expect(total).toBeGreaterThan(100);
        }
        if (!page.hasNext) break;
      }
      expect(new Set(keys).size).toBe(keys.length);
      if (whole.length === 0) whole.push(...keys);
      else expect(keys).toEqual(whole);
    }
    expect(whole.some((key) => key.startsWith("pay/")) && whole.some((key) => key.startsWith("ops/"))).toBe(true);
  });

  test("is unknown where no repositories are configured", async () => {
    const nowhere = await openBkrepo({}, { repositories: [] });
    const { packages } = nowhere.answers();
    const unknown = { kind: "UNKNOWN", reason: "NOT_CONFIGURED", failure: null };
    expect(await packages.search(query, { first: 5, after: null })).toEqual(unknown);
    expect(await packages.named("pay-sdk", "MAVEN", null)).toEqual(unknown);
    expect(nowhere.calls()).toEqual([]);
    await nowhere.close();
  });
});

describe("packages by full name and format", () => {
  const search = "POST /repository/api/package/search";

  test("of one tick are one search for each project", async () => {
    const packages = it.packages();
    const [maven, npm] = await Promise.all([
      packages.named("com.acme.pay:pay-sdk", "MAVEN", null),
      packages.named("@acme/pay-client", "NPM", null),
    ]);
    expect(maven.map(({ ref }) => ref.key)).toEqual(["gav://com.acme.pay:pay-sdk"]);
    expect(npm.map(({ ref }) => ref.key)).toEqual(["npm://@acme/pay-client"]);
    expect(it.calls()).toEqual([search, search]);
  });

  test("that are nowhere cost two counts a repository, once in minutes", async () => {
    const fresh = await openBkrepo({}, { repositories: ["pay/maven-local", "pay/npm-local"] });
    const absence = { kind: "ABSENT", proof: "COMPLETE_FILTER", operation: "bkrepo.searchPackages" };
    expect(await fresh.answers().packages.named("com.acme.pay:no-such", "MAVEN", null)).toEqual(absence);
    const count = (name: string) => `GET /repository/api/package/page/pay/${name}`;
    expect(fresh.calls().sort()).toEqual([count("maven-local"), count("npm-local"), search, search, search]);
    fresh.server.forget();
    expect(await fresh.answers().packages.named("com.acme.pay:no-such", "MAVEN", null)).toEqual(absence);
    expect(fresh.calls()).toEqual([search]);
    await fresh.close();
  });

  test("finds a Python package in any of its spellings", async () => {
    const python = await openBkrepo({}, { repositories: ["pay/pypi-local"] });
    for (const name of ["acme-pay-report", "Acme_Pay.Report"]) {
      expect((await python.packages().named(name, "PYPI", null))?.map(({ name: own }) => own)).toEqual([
        "acme_pay_report",
      ]);
    }
    await python.close();
  });

  test("knows that other formats are not there without asking", async () => {
    expect(await it.answers().packages.named("x", "RUBYGEMS", null)).toMatchObject({ proof: "IMPOSSIBLE" });
    expect(it.calls()).toEqual([]);
  });
});
