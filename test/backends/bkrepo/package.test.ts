import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bodyOf, type Fixture, isObject, openBkrepo, ref, withRecords } from "./fixture.ts";

let it: Fixture;
beforeAll(async () => {
  it = await openBkrepo();
});
afterAll(() => it.close());
afterEach(() => {
  it.server.setTamper(null);
  it.server.forget();
});

const sdk = ref("pay/maven-local", "gav://com.acme.pay:pay-sdk");
const client = ref("pay/npm-local", "npm://@acme/pay-client");

describe("one package", () => {
  test("is one package/info, read by allow-list", async () => {
    expect(await it.packages().package(ref("test/generic-local", "com.tencent.bkrepo"))).toEqual({
      ref: ref("test/generic-local", "com.tencent.bkrepo"),
      origin: {
        backend: "bkrepo",
        fetchedAt: expect.any(String),
        stale: false,
        traceId: expect.stringMatching(/^demo-bkrepo-/),
      },
      name: "test",
      format: "MAVEN",
      formatName: "MAVEN",
      purl: null,
      description: null,
      visibility: null,
      downloads: 101,
      versionCount: 9,
      createdBy: "admin",
      createdAt: "2020-07-27T08:02:31.394Z",
      updatedAt: "2020-07-27T08:02:31.394Z",
      webUrl: null,
      floating: new Map(),
    });
    expect(it.server.seen.map(({ url }) => url)).toEqual([
      "/repository/api/package/info/test/generic-local?packageKey=com.tencent.bkrepo",
    ]);
  });

  test("absent, in a missing repository, in a missing project or under an impossible name is null", async () => {
    const packages = it.packages();
    expect(await packages.package(ref("pay/maven-local", "gav://no:where"))).toBeNull();
    expect(await packages.package(ref("pay/no-such-repo", "gav://no:where"))).toBeNull();
    expect(await packages.package(ref("nobody/maven-local", "gav://no:where"))).toBeNull();
    it.server.forget();
    for (const repository of ["pay", "pay/maven-local/x", "../maven-local", "pay/..", "pay/a b", "", "/"]) {
      expect(await packages.package(ref(repository, "gav://no:where"))).toBeNull();
    }
    expect(it.calls()).toEqual([]);
  });

  test("in a forbidden repository is DENIED, not absent", async () => {
    await expect(
      it.packages().package(ref("pay/release-vault", "gav://com.acme.pay:pay-signing")),
    ).rejects.toMatchObject({
      failure: "DENIED",
      status: 403,
      code: "250113",
    });
  });

  test("that is another than the one asked for is MALFORMED", async () => {
    it.server.setTamper((reply) =>
      isObject(reply.body) && isObject(reply.body["data"])
        ? { ...reply, body: { ...reply.body, data: { ...reply.body["data"], key: "gav://other:one" } } }
        : reply,
    );
    await expect(it.packages().package(sdk)).rejects.toMatchObject({ failure: "MALFORMED" });
  });

  test("asked for twice in one request is one call, in two requests two", async () => {
    const packages = it.packages();
    await Promise.all([packages.package(sdk), packages.package({ ...sdk })]);
    await packages.package(sdk);
    expect(it.calls()).toHaveLength(1);
    await it.packages().package(sdk);
    expect(it.calls()).toHaveLength(2);
  });
});

describe("many packages of one project", () => {
  const keys = Array.from({ length: 50 }, (_, index) => {
    const family = ["babel-plugin", "eslint-plugin", "postcss", "d3", "lodash"][index % 5];
    const part = ["array", "case", "chunk", "color", "config", "core", "curry", "debounce", "format", "helpers"][
      Math.floor(index / 5)
    ];
    return `npm://${family}-${part}`;
  });

  test("are one search, whose page holds all of them", async () => {
    const packages = it.packages();
    const found = await Promise.all(keys.map((key) => packages.package(ref("ops/npm-mirror", key))));
    expect(found.map((one) => one?.ref.key)).toEqual(keys);
    expect(it.calls()).toEqual(["POST /repository/api/package/search"]);
    expect(bodyOf(it.server.seen[0])).toMatchObject({
      page: { pageNumber: 1, pageSize: 50 },
      sort: { properties: ["key", "repoName"], direction: "ASC" },
      rule: {
        relation: "AND",
        rules: [
          { field: "projectId", operation: "EQ", value: "ops" },
          { field: "repoName", operation: "IN", value: ["npm-mirror"] },
          { field: "key", operation: "IN", value: keys },
        ],
      },
    });
    expect(bodyOf(it.server.seen[0])["select"]).not.toContain("historyVersion");
  });

  test("in several repositories and projects are one search for each project, matched by repository and key", async () => {
    const packages = it.packages();
    const [maven, npm, crossed, image] = await Promise.all([
      packages.package(sdk),
      packages.package(client),
      packages.package(ref("pay/npm-local", sdk.key)),
      packages.package(ref("_infra/_images", "docker://base/node")),
    ]);
    expect([maven?.name, npm?.name, crossed, image?.name]).toEqual(["pay-sdk", "@acme/pay-client", null, "base/node"]);
    // The key that the search left out is read by itself: its silence proves nothing.
    expect(it.calls().sort()).toEqual([
      "GET /repository/api/package/info/_infra/_images",
      "GET /repository/api/package/info/pay/npm-local",
      "POST /repository/api/package/search",
    ]);
  });

  test("have the same times from raw rows as from typed ones, and neither depends on the process's zone", async () => {
    const alone = await it.packages().package(sdk);
    const packages = it.packages();
    const [among] = await Promise.all([packages.package(sdk), packages.package(client)]);
    expect(among?.createdAt).toBe(alone?.createdAt);
    expect(among?.updatedAt).toBe(alone?.updatedAt);
    expect(alone?.updatedAt).toBe("2026-11-02T09:14:34.555Z");
  });

  test("have every field that they have by key: the search selects all fields that its rows are decoded by", async () => {
    const refs = [sdk, client];
    const byKey = await Promise.all(refs.map((one) => it.packages().package(one)));
    const packages = it.packages();
    const bySearch = await Promise.all(refs.map((one) => packages.package(one)));
    const withoutOrigin = (one: (typeof byKey)[number]) => ({ ...one, origin: null, purl: one?.purl });
    expect(bySearch.map(withoutOrigin)).toEqual(byKey.map(withoutOrigin));
    expect(byKey.map((one) => one?.description)).not.toContain(null);
  });

  test("shuffled and repeated rows change nothing", async () => {
    it.server.setTamper((reply) => withRecords(reply, (rows) => [...rows, ...rows].reverse()));
    const packages = it.packages();
    const found = await Promise.all(keys.slice(0, 5).map((key) => packages.package(ref("ops/npm-mirror", key))));
    expect(found.map((one) => one?.ref.key)).toEqual(keys.slice(0, 5));
  });

  test("one unreadable row is that package's trouble, and never an absent package", async () => {
    it.server.setTamper((reply) => withRecords(reply, ([, ...rows]) => [{ repoName: 7, key: null }, ...rows]));
    const packages = it.packages();
    const asked = [...keys.slice(0, 5)].sort();
    const found = await Promise.allSettled(asked.map((key) => packages.package(ref("ops/npm-mirror", key))));
    expect(found[0]).toMatchObject({ status: "rejected", reason: { failure: "MALFORMED" } });
    expect(found.slice(1).every(({ status }) => status === "fulfilled")).toBe(true);
  });

  test("a row that the server counted but did not send is not absent either", async () => {
    it.server.setTamper((reply) => withRecords(reply, (rows) => rows.slice(1)));
    const packages = it.packages();
    const asked = [...keys.slice(0, 3)].sort();
    const found = await Promise.allSettled(asked.map((key) => packages.package(ref("ops/npm-mirror", key))));
    expect(found.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  });

  test("a key missing beside found ones of its repository is read by itself", async () => {
    const { packages } = it.answers();
    const found = await Promise.all([
      packages.package(sdk),
      packages.package(ref("pay/maven-local", "gav://no:where")),
    ]);
    expect(found[1]).toEqual({ kind: "ABSENT", proof: "KEYED_READ", operation: "bkrepo.getPackage" });
    expect(it.calls()).toHaveLength(2);
  });

  test("silence about a key or two is asked about by key: forbidden is DENIED, missing is absent", async () => {
    const packages = it.packages();
    const found = await Promise.allSettled([
      packages.package(sdk),
      packages.package(ref("pay/release-vault", "gav://com.acme.pay:pay-signing")),
      packages.package(ref("pay/release-vault", "gav://com.acme.pay:other")),
      packages.package(ref("pay/no-such-repo", "gav://a:b")),
      packages.package(ref("pay/helm-local", "helm://nothing")),
    ]);
    expect(found.map((one) => (one.status === "fulfilled" ? (one.value?.name ?? null) : one.reason.failure))).toEqual([
      "pay-sdk",
      "DENIED",
      "DENIED",
      null,
      null,
    ]);
    expect(it.calls().sort()).toEqual([
      "GET /repository/api/package/info/pay/helm-local",
      "GET /repository/api/package/info/pay/no-such-repo",
      "GET /repository/api/package/info/pay/release-vault",
      "GET /repository/api/package/info/pay/release-vault",
      "POST /repository/api/package/search",
    ]);
  });

  test("more than 200 keys go in several searches", async () => {
    const packages = it.packages();
    const many = Array.from({ length: 201 }, (_, index) => `npm://nothing-${index}`);
    await Promise.all([...keys, ...many].map((key) => packages.package(ref("ops/npm-mirror", key))));
    // Two for the keys, and a third that shows, beside the plain list's count, that the search sees all there is.
    const searches = it.server.seen.filter(({ method }) => method === "POST");
    expect(searches).toHaveLength(3);
    expect(it.calls().filter((call) => call.includes("/package/page/"))).toHaveLength(1);
  });
});

test("a zone that the server tells outranks the one that is configured", async () => {
  it.server.setTamper((reply) => ({ ...reply, headers: { ...reply.headers, "x-bkrepo-time-zone": "+0000" } }));
  const found = await it.packages().package(ref("test/generic-local", "com.tencent.bkrepo"));
  expect(found?.createdAt).toBe("2020-07-27T16:02:31.394Z");
});

describe("before 3.0.3, where a search of nothing readable is refused", () => {
  test("missing packages of a missing repository are absent, of a forbidden one DENIED", async () => {
    const old = await openBkrepo({ emptySearchAllowed: false, zoneHeader: false, oldRecords: true });
    const packages = old.packages();
    const missing = [
      packages.package(ref("pay/no-such-repo", "npm://a")),
      packages.package(ref("pay/no-such-repo", "npm://b")),
    ];
    expect(await Promise.all(missing)).toEqual([null, null]);
    const others = old.packages();
    const denied = ["npm://a", "npm://b"].map((key) => others.package(ref("pay/release-vault", key)));
    for (const { status } of await Promise.allSettled(denied)) expect(status).toBe("rejected");
    await old.close();
  });

  test("zone-less times are read in the configured zone", async () => {
    const old = await openBkrepo({ zoneHeader: false, zoneMinutes: -330 }, { timeZone: "-05:30" });
    const found = await old.packages().package(ref("test/generic-local", "com.tencent.bkrepo"));
    expect(found?.createdAt).toBe("2020-07-27T08:02:31.394Z");
    await old.close();
  });
});

test.each([
  ["test/maven-local", "gav://com.tencent:test", "MAVEN"],
  ["test/npm-local", "npm://test", "NPM"],
  ["test/docker-local", "docker://nginx", "DOCKER"],
])("%s holds what the documents' requests ask for: %s", async (repository, key, format) => {
  const found = await it.packages().package(ref(repository, key));
  expect(found).toMatchObject({ ref: { key }, format });
  expect(await it.packages().latest(ref(repository, key))).toMatchObject({ name: "0.0.1" });
});
