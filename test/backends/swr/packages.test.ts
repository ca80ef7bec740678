import { describe, expect, it } from "vitest";
import { checksum, sdk } from "../../../demo/story.ts";
import type { Page, Position } from "../../../src/model/backend.ts";
import type { Package } from "../../../src/model/package.ts";
import { testCall } from "../../support/call.ts";
import {
  everything,
  failureOf,
  here,
  newestFirst,
  openSwr,
  packageRef,
  present,
  root,
  versionRef,
  within,
} from "./setup.ts";

const all = { first: 100, after: null };
/** Every image repository whose name holds `api`, namespace by namespace. */
const namedLikeApi = [
  ["pay-core", "image://api"],
  ["pay-core", "image://api-gateway"],
  ["pay-core", "image://api-mock"],
  ["pay-edge", "image://edge/api"],
  ["pay-edge", "image://pay-core/api"],
];
const hello = packageRef("hello%20hello", "hwstaff_pub_swrpaas");

describe("the example of the vendor's page", () => {
  it("is read as it is printed there", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const [one, versions] = await Promise.all([reader.package(hello), reader.versions(hello, newestFirst, all)]);
    expect(one).toMatchObject({ name: "hello hello", format: "GENERIC", formatName: "package", purl: null });
    expect(one).toMatchObject({ ref: hello, visibility: "private", description: null, versionCount: 1 });
    expect(versions).toMatchObject({ hasNext: false, total: 1 });
    expect(versions.rows[0]?.value).toMatchObject({
      ref: { package: hello, version: "V1", nativeId: null },
      name: "V1",
      fileCount: 6,
      size: 33_724_433,
      createdBy: "z00232859",
      createdAt: "2019-09-04T12:26:52.141Z",
      updatedAt: "2019-09-23T03:43:47.786Z",
      metadata: [{ key: "visibility", value: "private", isSystem: true }],
      digest: null,
    });
    expect(calls().toSorted()).toEqual([
      `${root}/namespaces/hwstaff_pub_swrpaas/packages/hello%20hello/versions`,
      `${root}/packages?namespace=hwstaff_pub_swrpaas`,
    ]);
  });

  it("has files with their folder, a SHA-512 and a link on the API", async () => {
    const { packages, demo, calls } = await openSwr();
    const files = await packages().files(versionRef("hello%20hello", "V1", "hwstaff_pub_swrpaas"), all);
    expect(files.total).toBe(6);
    // The same name in two folders is two files.
    expect(files.rows.map(({ value }) => value.path)).toEqual([
      "README.md",
      "bin/hello",
      "conf/env/hello world.properties",
      "hello.zip",
      "lib/README.md",
      "lib/libhello.so",
    ]);
    const base = `${demo.url}${root}/namespaces/hwstaff_pub_swrpaas/packages/hello%20hello/versions/V1/file_paths`;
    expect(files.rows[3]?.value).toEqual({
      name: "hello.zip",
      path: "hello.zip",
      size: 33_000_000,
      digests: [`sha512:${checksum("sha512", "hwstaff_pub_swrpaas hello%20hello V1 hello.zip")}`],
      createdAt: "2019-09-04T12:26:52.141Z",
      downloadUrl: `${base}/hello.zip`,
    });
    expect(files.rows[2]?.value.downloadUrl).toBe(`${base}/conf/env/hello%20world.properties`);
    expect(calls()).toEqual([new URL(base).pathname]);
  });
});

describe("names", () => {
  it("go into paths as the server spells them and are decoded once for display", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const key = present(reader.keyOf("支付 sdk", "GENERIC"));
    expect(key).toBe("%E6%94%AF%E4%BB%98%20sdk");
    expect(reader.parseKey(key)).toEqual({ name: "支付 sdk", format: "GENERIC" });
    expect(await reader.package(packageRef(key))).toMatchObject({ name: "支付 sdk", description: "支付 SDK" });
    expect(await reader.latest(packageRef(key))).toMatchObject({ name: "v1.1" });
    expect(calls()).toContain(`${here}/packages/%E6%94%AF%E4%BB%98%20sdk/versions`);
  });

  it("in another case of hex digits are the same package, and one call", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const spellings = ["%E6%94%AF%E4%BB%98%20sdk", "%e6%94%af%e4%bb%98%20sdk"].map((key) => packageRef(key));
    const found = await Promise.all(spellings.map((ref) => reader.package(ref)));
    expect(found.map((one) => one?.ref.key)).toEqual(["%E6%94%AF%E4%BB%98%20sdk", "%E6%94%AF%E4%BB%98%20sdk"]);
    await Promise.all(spellings.map((ref) => reader.latest(ref)));
    expect(calls()).toHaveLength(2);
  });

  it("that are not encoded are encoded once, and malformed ones are shown as they are", async () => {
    const { packages, demo, calls } = await openSwr();
    demo.setTamper((reply) => ({ ...reply, body: [{ namespace: "pay-core", package: "100% sure" }] }));
    const page = await packages().page(within("pay-core"), { ...everything, format: "GENERIC" }, all);
    expect(page.rows[0]?.value).toMatchObject({ name: "100% sure", ref: { key: "100%25%20sure" } });
    demo.setTamper(null);
    await packages().latest(packageRef("100% sure"));
    expect(calls()[1]).toBe(`${here}/packages/100%25%20sure/versions`);
  });

  it("are case-sensitive as versions: V1.1 and v1.1 are two", async () => {
    const { packages } = await openSwr();
    const reader = packages();
    const [upper, lower, other] = await Promise.all(
      ["V1.1", "v1.1", "v1.0"].map((version) => reader.version(versionRef("%E6%94%AF%E4%BB%98%20sdk", version))),
    );
    expect([upper?.name, lower?.name, other]).toEqual(["V1.1", "v1.1", null]);
  });

  it.each(["", "..", "%2e%2e", "a\u0000b"])("that nothing can have are absent without a call: %j", async (key) => {
    const { answering, calls } = await openSwr();
    const { packages: reader } = answering();
    const none = { kind: "ABSENT", proof: "IMPOSSIBLE", operation: null };
    expect(reader.parseKey(key)).toBeNull();
    expect(await reader.package(packageRef(key))).toEqual(none);
    expect(await reader.latest(packageRef(key))).toEqual(none);
    expect(await reader.package(packageRef("pay-sdk", "../pay"))).toEqual(none);
    expect(await reader.files(versionRef("pay-sdk", ".."), all)).toEqual(none);
    expect(calls()).toEqual([]);
  });
});

describe("batching", () => {
  it("answers many packages of one namespace with one list, and equal keys with one", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const keys = ["pay-sdk", "tax-tables", "no-such-package", "pay-sdk", "release%20notes"];
    const found = await Promise.all(keys.map((key) => reader.package(packageRef(key))));
    expect(found.map((one) => one?.name ?? null)).toEqual(["pay-sdk", "tax-tables", null, "pay-sdk", "release notes"]);
    expect(calls()).toEqual([`${root}/packages?namespace=pay-core`]);
  });

  it("answers packages of several namespaces with one unfiltered list, without mixing equal names", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const [core, edge, seed] = await Promise.all([
      reader.package(packageRef("pay-sdk")),
      reader.package(packageRef("pay-sdk", "pay-edge")),
      reader.package(hello),
    ]);
    expect([core?.versionCount, edge?.versionCount, seed?.versionCount]).toEqual([sdk.versions.length, 2, 1]);
    expect(calls()).toEqual([`${root}/packages`]);
  });

  it("answers the newest, the list and any version of a package with one list", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const ref = packageRef("settlement-agent");
    const [latest, page, one, gone] = await Promise.all([
      reader.latest(ref),
      reader.versions(ref, newestFirst, { first: 3, after: null }),
      reader.version(versionRef("settlement-agent", "1.0.0")),
      reader.version(versionRef("settlement-agent", "9.9.9")),
    ]);
    expect([latest?.name, one?.name, gone]).toEqual(["2.4.9", "1.0.0", null]);
    // Past 2^31.
    expect(latest?.size).toBeGreaterThan(2 ** 31);
    expect(page).toMatchObject({ hasNext: true, total: 140 });
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.4.9", "2.4.8", "2.4.7"]);
    expect(calls()).toEqual([`${here}/packages/settlement-agent/versions`]);
  });

  it("asks N packages' versions in one wave", async () => {
    const { packages, demo } = await openSwr();
    const reader = packages();
    demo.setLatency(40);
    await Promise.all(
      ["pay-sdk", "tax-tables", "fraud-rules", "sepa-gateway"].map((key) => reader.latest(packageRef(key))),
    );
    expect(demo.seen).toHaveLength(4);
    const firstEnd = Math.min(...demo.seen.map(({ endedAt }) => endedAt ?? Number.POSITIVE_INFINITY));
    expect(Math.max(...demo.seen.map(({ startedAt }) => startedAt))).toBeLessThan(firstEnd);
  });

  it("does not answer one request from another's memory", async () => {
    const { packages, calls } = await openSwr();
    await packages().package(packageRef("pay-sdk"));
    await packages().package(packageRef("pay-sdk"));
    expect(calls()).toHaveLength(2);
  });
});

describe("versions", () => {
  it("come by publication in both directions, whatever order the server has", async () => {
    const { packages } = await openSwr();
    const ref = packageRef("pay-sdk");
    const names = async (direction: "ASC" | "DESC") =>
      (await packages().versions(ref, { ...newestFirst, direction }, all)).rows.map(({ value }) => value.name);
    expect(await names("ASC")).toEqual(sdk.versions);
    expect(await names("DESC")).toEqual(sdk.versions.toReversed());
  });

  it("are distinguished by more than milliseconds", async () => {
    const { packages, demo } = await openSwr();
    const at = (version: string, CreatedAt: string) => ({ version, CreatedAt });
    demo.setTamper((reply) => ({
      ...reply,
      body: [
        at("second", "2026-01-01T00:00:00.1234567Z"),
        at("never", "0001-01-01T00:00:00Z"),
        at("first", "2026-01-01T00:00:00.12345Z"),
        at("third", "2026-01-01T00:00:00.123456701Z"),
      ],
    }));
    const page = await packages().versions(packageRef("pay-sdk"), newestFirst, all);
    expect(page.rows.map(({ value }) => value.name)).toEqual(["third", "second", "first", "never"]);
    expect(page.rows[3]?.value.createdAt).toBeNull();
  });

  it("are filtered by prefix, and none is in a stage", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const page = await reader.versions(packageRef("pay-sdk"), { ...newestFirst, prefix: "2.0.0" }, all);
    expect(page.rows.map(({ value }) => value.name)).toEqual(["2.0.0", "2.0.0-rc.2", "2.0.0-rc.1"]);
    expect(page.total).toBe(3);
    expect(await reader.versions(packageRef("pay-sdk"), { ...newestFirst, stage: "@prod" }, all)).toMatchObject({
      rows: [],
    });
    // That the package is there, which an empty page says, is the list of packages to tell.
    expect(calls()).toHaveLength(2);
  });

  it("without files or dates are versions all the same", async () => {
    const { packages } = await openSwr();
    const reader = packages();
    expect(await reader.latest(packageRef("kyc-documents"))).toMatchObject({
      name: "draft",
      fileCount: 0,
      size: 0,
      createdAt: null,
      metadata: [{ key: "visibility" }],
    });
    expect(await reader.files(versionRef("kyc-documents", "draft"), all)).toMatchObject({ rows: [], total: 0 });
  });

  it("of a package that is not there are none", async () => {
    const { answering, calls } = await openSwr();
    const { packages: reader } = answering();
    const none = { kind: "ABSENT", proof: "WHOLE_LIST", operation: "swr.listVersions" };
    expect(await reader.versions(packageRef("gone"), newestFirst, all)).toEqual(none);
    expect(await reader.version(versionRef("gone", "1.0.0"))).toEqual(none);
    // The versions, and the packages, since what a list names is there whatever its detail says.
    expect(calls()).toHaveLength(2);
    const noFiles = { kind: "ABSENT", proof: "WHOLE_LIST", operation: "swr.listFiles" };
    expect(await reader.files(versionRef("pay-sdk", "0.0.0"), all)).toEqual(noFiles);
    expect(calls()).toHaveLength(4);
  });

  it("carry several lines of description", async () => {
    const { packages } = await openSwr();
    const version = await packages().version(versionRef("pay-sdk", "1.4.0"));
    expect(version?.metadata[0]).toEqual({
      key: "description",
      value: "Security fixes only.\nUpgrade without downtime.",
      isSystem: true,
    });
  });
});

const lostRows = { kind: "UNKNOWN", reason: "LOST_ROWS", failure: null };
const notSearchable = { kind: "UNKNOWN", reason: "NOT_SEARCHABLE", failure: null };

describe("rows that cannot be trusted", () => {
  it("one bad row is dropped and named, its neighbours stay", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => ({
      ...reply,
      body: [{ namespace: "pay-core", package: "good" }, { namespace: "pay-core", package: 7 }, "canary"],
    }));
    const page = await packages().page(within("pay-core"), { ...everything, format: "GENERIC" }, all);
    expect(page.rows.map(({ value }) => value.name)).toEqual(["good"]);
    expect(page.dropped).toEqual([
      { operation: "swr.listPackages", index: 1, reason: "package: expected string" },
      { operation: "swr.listPackages", index: 2, reason: "the row: expected object" },
    ]);
    expect(page.total).toBeNull();
  });

  it("a key that is missing beside unreadable rows is unknown, not absent", async () => {
    const { answering, demo } = await openSwr();
    demo.setTamper((reply) => ({ ...reply, body: [{ namespace: "pay-core", package: "good" }, null] }));
    const { packages } = answering();
    const [good, other] = await Promise.all([
      packages.package(packageRef("good")),
      packages.package(packageRef("other")),
    ]);
    expect(good).toMatchObject({ kind: "FOUND", value: { name: "good" } });
    expect(other).toEqual(lostRows);
  });

  it("an unreadable version may be the newest: none is", async () => {
    const { answering, demo } = await openSwr();
    demo.setTamper((reply) => ({ ...reply, body: [{ version: "1.0" }, { version: null }] }));
    const { packages: reader } = answering();
    expect(await reader.version(versionRef("pay-sdk", "1.0"))).toMatchObject({ value: { name: "1.0" } });
    expect(await reader.version(versionRef("pay-sdk", "2.0"))).toEqual(lostRows);
    expect(await reader.latest(packageRef("pay-sdk"))).toEqual(lostRows);
  });

  it("shuffled and repeated rows answer the same", async () => {
    const { packages, demo } = await openSwr();
    const keys = ["pay-sdk", "tax-tables", "release%20notes", "no-such-package"];
    const read = async () => {
      const reader = packages();
      const page = await reader.versions(packageRef("pay-sdk"), newestFirst, all);
      const found = await Promise.all(keys.map((key) => reader.package(packageRef(key))));
      return [found.map((one) => one?.name), page.rows.map(({ value }) => value.name), page.total];
    };
    const straight = await read();
    demo.setTamper((reply) =>
      Array.isArray(reply.body) ? { ...reply, body: [...reply.body, ...reply.body].reverse() } : reply,
    );
    expect(await read()).toEqual(straight);
  });

  it("numbers past 2^53 are no numbers", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => ({ ...reply, body: '[{"version":"1","size":9223372036854775807,"num_files":-1}]' }));
    expect(await packages().latest(packageRef("pay-sdk"))).toMatchObject({ size: null, fileCount: null });
  });

  it("null where a list was due is an empty list", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => ({ ...reply, body: "null" }));
    expect(await packages().package(packageRef("pay-sdk"))).toBeNull();
  });

  it("links that leave the host are not handed out", async () => {
    const { packages, demo } = await openSwr();
    const urls = [
      "//evil.example/x",
      "https://evil.example/x",
      "/v2/../x",
      "/v2/%2e%2e/x",
      "/v2/a b",
      "\\x",
      "/a?x=1",
      "/v2/ok",
    ];
    demo.setTamper((reply) => ({
      ...reply,
      body: urls.map((url, index) => ({ filename: `f${index}`, url, digest: "12" })),
    }));
    const { rows } = await packages().files(versionRef("pay-sdk", "2.4.0"), all);
    expect(rows.map(({ value }) => value.downloadUrl)).toEqual([...urls.slice(1).map(() => null), `${demo.url}/v2/ok`]);
    expect(rows.every(({ value }) => value.digests.length === 0)).toBe(true);
  });
});

describe("a server that cuts its lists", () => {
  it("is asked for the rest, limit and offset together", async () => {
    const { packages, calls } = await openSwr({ demo: { packageListLimit: 60 } });
    const page = await packages().versions(packageRef("settlement-agent"), newestFirst, all);
    expect(page).toMatchObject({ total: 140, hasNext: true });
    expect(calls().map((url) => url.split("?")[1])).toEqual([undefined, "limit=60&offset=60", "limit=60&offset=120"]);
  });

  it("and does not give the rest proves no absence", async () => {
    const { answering, demo } = await openSwr();
    demo.setTamper((reply) => ({
      body: Array.isArray(reply.body) ? reply.body.slice(0, 2) : [],
      headers: { "content-range": "0-2/9" },
    }));
    expect(await answering().packages.package(packageRef("webhook-relay"))).toEqual(lostRows);
  });
});

describe("searching", () => {
  const query = { name: "pay-sdk", match: "EXACT", format: null } as const;
  const both = { settings: { namespaces: ["pay-core", "pay-edge"] } };

  it("looks through all configured namespaces with one list of packages, and one call a namespace for images", async () => {
    const { packages, calls } = await openSwr(both);
    const page = present(await packages().search({ name: "api", match: "CONTAINS", format: null }, all));
    expect(page.rows.map(({ value }) => [value.ref.repository, value.ref.key])).toEqual(namedLikeApi);
    expect(page.total).toBeNull();
    expect(calls().toSorted()).toEqual([
      `${root}/packages`,
      `${root}/repos?namespace=pay-core&name=api&limit=1000&offset=0&order_column=name&order_type=asc`,
      `${root}/repos?namespace=pay-edge&name=api&limit=1000&offset=0&order_column=name&order_type=asc`,
    ]);
  });

  it("finds equal names in several namespaces, and none beside them", async () => {
    const { packages } = await openSwr(both);
    const page = present(await packages().search(query, all));
    expect(page.rows.map(({ value }) => value.ref)).toEqual([packageRef("pay-sdk"), packageRef("pay-sdk", "pay-edge")]);
    const named = present(await packages().named("pay-sdk", "GENERIC", null));
    expect(named.map(({ ref }) => ref.repository)).toEqual(["pay-core", "pay-edge"]);
  });

  it("pages through what it found without asking for formats it has not", async () => {
    const { packages, answering, calls } = await openSwr(both);
    const reader = packages();
    const names: string[] = [];
    for (let after: Position | null = null, more = true; more; ) {
      const page: Page<Package> = present(
        await reader.search({ name: "sdk", match: "CONTAINS", format: "GENERIC" }, { first: 2, after }),
      );
      names.push(...page.rows.map(({ value }) => `${value.ref.repository}/${value.name}`));
      after = page.rows.at(-1)?.position ?? null;
      more = page.hasNext;
    }
    expect(names).toEqual(["pay-core/pay-sdk", "pay-core/pay-sdk-samples", "pay-core/支付 sdk", "pay-edge/pay-sdk"]);
    expect(calls()).toEqual([`${root}/packages`]);
    expect(await answering().packages.search({ ...query, format: "MAVEN" }, all)).toEqual(notSearchable);
    expect(calls()).toHaveLength(1);
  });

  it("is not possible by checksum", async () => {
    const { answering, calls } = await openSwr();
    expect(await answering().packages.byChecksum(`sha512:${"0".repeat(128)}`, "pay-core")).toEqual(notSearchable);
    expect(calls()).toEqual([]);
  });

  it("loads of one tick by name share the list", async () => {
    const { packages, calls } = await openSwr(both);
    const reader = packages();
    const found = await Promise.all(
      ["pay-sdk", "tax-tables", "nothing"].map((name) => reader.named(name, "GENERIC", null)),
    );
    expect(found.map((list) => list?.length)).toEqual([2, 1, 0]);
    expect(calls()).toEqual([`${root}/packages`]);
  });
});

describe("a region without the package API", () => {
  const withoutPackages = { demo: { packages: false } } as const;

  it("is reported once, not tried again, and loses the capability", async () => {
    const { packages, backend, calls } = await openSwr(withoutPackages);
    expect(backend.capabilities).toEqual(["PACKAGES", "IMAGES"]);
    const first = await failureOf(packages().package(packageRef("pay-sdk")));
    expect(first).toMatchObject({ failure: "REJECTED", code: "APIGW.0101", status: 404, retryable: false });
    expect(backend.capabilities).toEqual(["IMAGES"]);
    const second = await failureOf(packages().latest(packageRef("pay-sdk")));
    expect(second).toMatchObject({ failure: "REJECTED", code: "APIGW.0101", status: null, retryable: false });
    expect(calls()).toHaveLength(1);
  });

  it("still lists its images; that packages are missing is reported in the first answer only", async () => {
    const { packages, calls } = await openSwr(withoutPackages);
    const read = () => packages().page(within("pay-core"), everything, { first: 3, after: null });
    const [first, second] = [await read(), await read()];
    expect(first.dropped).toEqual([
      { operation: "swr.listPackages", index: 0, reason: "the region publishes no software package API" },
    ]);
    expect(second.dropped).toEqual([]);
    for (const page of [first, second])
      expect(page.rows.map(({ value }) => value.name)).toEqual(["api", "api-gateway", "api-mock"]);
    expect(calls().filter((url) => url.startsWith(`${root}/packages`))).toHaveLength(1);
  });

  it("cannot be searched for packages once that is known", async () => {
    const { packages, answering } = await openSwr(withoutPackages);
    const images = present(await packages().search({ name: "api", match: "EXACT", format: null }, all));
    expect(images.rows.map(({ value }) => value.ref.key)).toEqual(["image://api"]);
    expect(images.dropped).toHaveLength(1);
    const { packages: reader } = answering();
    expect(await reader.search({ name: "api", match: "EXACT", format: "GENERIC" }, all)).toEqual(notSearchable);
    expect(await reader.named("pay-sdk", "GENERIC", null)).toEqual(notSearchable);
  });

  it("is not what a missing package looks like", async () => {
    const { packages, backend } = await openSwr();
    expect(await packages().latest(packageRef("gone"))).toBeNull();
    expect(backend.capabilities).toEqual(["PACKAGES", "IMAGES"]);
  });
});

describe("capabilities that are switched off", () => {
  it("IMAGES only: no call of the package API is made", async () => {
    const { packages, answering, calls, backend } = await openSwr({ settings: { capabilities: ["IMAGES"] } });
    const reader = packages(testCall());
    expect(backend.capabilities).toEqual(["IMAGES"]);
    expect(reader.keyOf("pay-sdk", "GENERIC")).toBeNull();
    expect(await answering().packages.package(packageRef("pay-sdk"))).toEqual(notSearchable);
    expect(await reader.page(within("pay-core"), everything, { first: 2, after: null })).toMatchObject({ total: 35 });
    expect(calls()).toHaveLength(1);
  });

  it("PACKAGES only: there are no image readers", async () => {
    const { packages, backend, calls } = await openSwr({ settings: { capabilities: ["PACKAGES"] } });
    expect(backend.during(testCall()).images).toBeUndefined();
    const page = await packages().page(within("pay-core"), everything, all);
    expect(page.rows.every(({ value }) => value.format === "GENERIC")).toBe(true);
    expect(packages().keyOf("api", "DOCKER")).toBeNull();
    expect(calls()).toHaveLength(1);
  });
});

describe("where no namespace is configured", () => {
  const nowhere = { settings: { namespaces: [] } };
  const query = { name: "api", match: "CONTAINS", format: null } as const;
  const visible = `${root}/namespaces?filter=mode%3A%3Avisible`;

  it("the visible ones are asked for once, and looked into; software packages are one list", async () => {
    const { packages, calls } = await openSwr(nowhere);
    const reader = packages();
    const page = present(await reader.search(query, all));
    expect(page.rows.map(({ value }) => [value.ref.repository, value.ref.key])).toEqual(namedLikeApi);
    const lists = ["hwstaff_pub_swrpaas", "pay-core", "pay-edge"].map(
      (name) => `${root}/repos?namespace=${name}&name=api&limit=1000&offset=0&order_column=name&order_type=asc`,
    );
    expect(calls().toSorted()).toEqual([visible, `${root}/packages`, ...lists].toSorted());
    const named = present(await reader.named("edge/api", "DOCKER", null));
    expect(named.map(({ ref }) => ref)).toEqual([packageRef("image://edge/api", "pay-edge")]);
    expect(calls().filter((url) => url === visible)).toHaveLength(1);
  });

  it("software packages alone need no namespaces, and equal names of several are distinguished", async () => {
    const { packages, calls } = await openSwr(nowhere);
    const reader = packages();
    const named = present(await reader.named("pay-sdk", "GENERIC", null));
    expect(named.map(({ ref }) => ref.repository)).toEqual(["pay-core", "pay-edge"]);
    const page = present(await reader.search({ name: "pay-sdk", match: "EXACT", format: "GENERIC" }, all));
    expect(page.rows.map(({ value }) => value.ref.repository)).toEqual(["pay-core", "pay-edge"]);
    expect(calls()).toEqual([`${root}/packages`]);
  });

  it("more than twenty are not looked into: that is no search, and not an empty one", async () => {
    const { packages, answering, demo, calls } = await openSwr(nowhere);
    const names = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `n${index}` }));
    let count = 21;
    demo.setTamper((reply, { rawPath }) =>
      rawPath === `${root}/namespaces` ? { ...reply, body: { namespaces: names(count) } } : reply,
    );
    const unnamed = { kind: "UNKNOWN", reason: "NOT_CONFIGURED" };
    expect(await answering().packages.search(query, all)).toMatchObject(unnamed);
    expect(await answering().packages.named("api", "DOCKER", null)).toMatchObject(unnamed);
    expect(calls()).toEqual([visible, visible]);
    demo.forget();
    count = 20;
    const none = await answering().packages.search({ ...query, format: "DOCKER" }, all);
    expect(none).toMatchObject({ kind: "ABSENT", operation: "swr.getNamespace" });
    // The namespaces, a list of each, and each by itself, since an empty list does not say that it is there.
    expect(calls()).toHaveLength(1 + 20 + 20);
    expect(await packages().search({ ...query, format: "GENERIC" }, all)).toMatchObject({ rows: [] });
  });

  it("a row that cannot be read costs itself and is reported; what is not found is not denied", async () => {
    const { packages, answering, demo } = await openSwr(nowhere);
    demo.setTamper((reply, { rawPath }) =>
      rawPath === `${root}/namespaces`
        ? { ...reply, body: { namespaces: [{ name: "pay-core" }, { name: "../.." }] } }
        : reply,
    );
    const page = present(await packages().search({ ...query, format: "DOCKER" }, all));
    expect(page.rows).toHaveLength(3);
    expect(page.dropped).toMatchObject([{ operation: "swr.listNamespaces", index: 1 }]);
    expect(await packages().named("api", "DOCKER", null)).toHaveLength(1);
    expect(await answering().packages.named("edge/api", "DOCKER", null)).toEqual(lostRows);
  });

  it("a list that is refused is a failure, not an empty search", async () => {
    const { packages, demo } = await openSwr(nowhere);
    demo.setTamper((reply, { rawPath }) => (rawPath === `${root}/namespaces` ? { status: 403, body: {} } : reply));
    expect(await failureOf(packages().search(query, all))).toMatchObject({ failure: "DENIED" });
  });

  it("a ping asks for the namespaces, and prices hold what may be looked into", async () => {
    const { backend, calls } = await openSwr(nowhere);
    expect(await backend.during(testCall()).ping?.()).toMatchObject({ backend: "swr-north4" });
    expect(calls()).toEqual([visible]);
    expect(backend.prices()).toMatchObject({
      search: { each: 22 },
      named: { each: 22 },
      copies: { each: 41 },
      ping: { each: 1 },
    });
  });
});
