import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { sdk } from "../../../demo/story.ts";
import { UpstreamError } from "../../../src/upstream/errors.ts";
import { foundIn } from "../../support/answers.ts";
import { testCall } from "../../support/call.ts";
import { plain } from "../../support/plain.ts";
import { calls, failureOf, first, present, ref, rewriteRows, stage, synthetic, walk } from "./support.ts";

const { server, packages, readers, configure, close } = await stage();
const sdkRef = ref("pay/api", "maven:com/acme/pay/pay-sdk");
const newest = { prefix: null, stage: null, direction: "DESC" } as const;
const everything = { name: null, match: "CONTAINS", format: null } as const;
const tools = { repository: "infra/tools", group: null } as const;
const pay = { repository: null, group: "pay" } as const;

beforeEach(() => {
  server.setTamper(null);
  server.forget();
});
afterAll(close);

describe("one package", () => {
  test("is put together from its rows, fuzzy neighbours left out, in one call", async () => {
    const found = present(await packages().package(sdkRef));
    expect(found).toMatchObject({
      ref: sdkRef,
      name: "com/acme/pay/pay-sdk",
      format: "MAVEN",
      formatName: "maven",
      purl: "pkg:maven/com.acme.pay/pay-sdk",
      versionCount: sdk.versions.length,
      updatedAt: "2026-11-02T09:17:33.118Z",
      downloads: null,
    });
    expect(found.webUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/pay\/api\/-\/packages\/\d+$/);
    expect(calls(server)).toEqual([
      "projects/pay/api/packages?package_type=maven&package_name=com/acme/pay/pay-sdk&order_by=created_at&sort=desc&page=1&per_page=100",
    ]);
  });

  test("its newest version, its versions and one of them by name cost no further call", async () => {
    const reader = packages();
    const [found, latest, versions, named] = await Promise.all([
      reader.package(sdkRef),
      reader.latest(sdkRef),
      reader.versions(sdkRef, newest, first(20)),
      reader.package(sdkRef).then(() => reader.version({ package: sdkRef, version: "2.2.3", nativeId: null })),
    ]);
    expect(found?.versionCount).toBe(37);
    expect(latest?.name).toBe("2.4.0");
    expect(versions.rows.map(({ value }) => value.name)).toEqual([...sdk.versions].reverse().slice(0, 20));
    expect(versions).toMatchObject({ hasNext: true, total: 37 });
    expect(named?.name).toBe("2.2.3");
    expect(server.seen).toHaveLength(1);
  });

  test.each([
    ["a name nobody published", ref("pay/api", "maven:com/acme/nothing"), "COMPLETE_FILTER"],
    ["another case of a name", ref("pay/api", "maven:COM/acme/pay/pay-sdk"), "COMPLETE_FILTER"],
    ["a part of a name", ref("pay/api", "maven:pay-sdk"), "COMPLETE_FILTER"],
    ["a project that does not exist", ref("pay/nothing", "maven:com/acme/pay/pay-sdk"), "KEYED_READ"],
    ["a project hidden from these credentials", ref("vault/keys", "generic:root-keys"), "KEYED_READ"],
    ["a type the server does not know", ref("pay/api", "swift:x"), "COMPLETE_FILTER"],
    ["a key GitLab cannot have written", ref("pay/api", "Maven://com.acme:app"), "IMPOSSIBLE"],
    ["a project path that leads elsewhere", ref("../admin", "maven:a"), "IMPOSSIBLE"],
    ["an empty project", ref("", "maven:a"), "IMPOSSIBLE"],
  ])("%s is absent", async (_case, missing, proof) => {
    const reader = present(readers().packages);
    const operation = proof === "IMPOSSIBLE" ? null : "gitlab.listProjectPackages";
    const absence = { kind: "ABSENT", proof, operation };
    expect(await reader.package(missing)).toEqual(absence);
    expect(await reader.latest(missing)).toEqual(absence);
    expect(await reader.versions(missing, newest, first(5))).toEqual(absence);
    expect(server.seen).toHaveLength(proof === "IMPOSSIBLE" ? 0 : 1);
  });

  test("a row in status error is no newest version, and yet its package exists", async () => {
    const client = ref("pay/api", "nuget:Acme.Pay.Client");
    expect((await packages().latest(client))?.name).toBe("2.3.0");
    expect(await packages().package(client)).toMatchObject({ name: "Acme.Pay.Client", versionCount: 2 });
  });

  test("NuGet's search words are metadata, npm's tags are tags", async () => {
    const client = present(await packages().latest(ref("pay/api", "nuget:Acme.Pay.Client")));
    expect(client.tags).toEqual([]);
    expect(client.metadata).toContainEqual({
      key: "keywords",
      value: ["payments", "refunds", "sdk"],
      isSystem: false,
    });
    expect((await packages().latest(ref("pay/api", "npm:@acme/pay-client")))?.tags).toEqual(["latest"]);
  });

  test("Conan packages are known by their bare name; the channels are versions of one name", async () => {
    const zlib = ref("infra/tools", "conan:zlib-pay");
    const versions = await packages().versions(zlib, newest, first(5));
    expect(versions.rows.map(({ value }) => [value.name, value.purl, value.metadata[0]?.value])).toEqual([
      ["1.2.13", "pkg:conan/infra%2Btools/zlib-pay@1.2.13?channel=testing", "zlib-pay/1.2.13@infra+tools/testing"],
      ["1.2.13", "pkg:conan/infra%2Btools/zlib-pay@1.2.13?channel=stable", "zlib-pay/1.2.13@infra+tools/stable"],
    ]);
    expect(new Set(versions.rows.map(({ value }) => value.ref.nativeId)).size).toBe(2);
  });
});

describe("many packages", () => {
  test("of one project and tick are its newest rows in one call", async () => {
    const reader = packages();
    const keys = ["maven:com/acme/pay/pay-sdk", "npm:@acme/pay-client", "helm:pay-api", "generic:pay-cli"];
    const latest = await Promise.all(keys.map((key) => reader.latest(ref("pay/api", key))));
    expect(latest.map((one) => one?.name)).toEqual(["2.4.0", "2.4.0", "2.4.0", "2.4.0"]);
    expect(calls(server)).toEqual(["projects/pay/api/packages?order_by=created_at&sort=desc&page=1&per_page=100"]);
  });

  test("those the first page does not hold are asked for where that is cheaper than another page", async () => {
    const reader = packages();
    const [old, young, gone] = await Promise.all([
      reader.latest(ref("infra/tools", "generic:report-probe")),
      reader.latest(ref("infra/tools", "npm:audit-watch")),
      reader.latest(ref("infra/tools", "generic:no-such-tool")),
    ]);
    expect([old?.name, young?.name, gone]).toEqual(["1.10.11", "3.0.0", null]);
    // 138 rows: with two keys left, the second page settles both.
    expect(calls(server).map((url) => /page=\d/.exec(url)?.[0])).toEqual(["page=1", "page=2"]);
  });

  test("Terraform modules are never looked for in the list that leaves them out", async () => {
    const reader = packages();
    const [module, tool] = await Promise.all([
      reader.latest(ref("infra/tools", "terraform_module:vpc/aws")),
      reader.latest(ref("infra/tools", "npm:audit-watch")),
    ]);
    expect([module?.name, tool?.name]).toEqual(["1.0.0", "3.0.0"]);
    expect(calls(server).filter((url) => url.includes("terraform_module"))).toHaveLength(1);
    expect(server.seen).toHaveLength(2);
  });

  test("of several projects fail one by one", async () => {
    server.setTamper((reply, request) =>
      request.rawPath.includes("pay%2Fweb") ? { status: 403, body: { message: "403 Forbidden" } } : reply,
    );
    const reader = packages();
    const [api, web, worker] = await Promise.allSettled([
      reader.package(sdkRef),
      reader.package(ref("pay/web", "npm:@acme/pay-ui")),
      reader.package(ref("pay/worker", "pypi:pay-settlement")),
    ]);
    expect([api.status, web.status, worker.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(web.status === "rejected" && web.reason).toBeInstanceOf(UpstreamError);
    expect(web).toMatchObject({ reason: { failure: "DENIED", operation: "gitlab.listProjectPackages", status: 403 } });
  });

  test("the same package twice is one call", async () => {
    const reader = packages();
    const [one, other] = await Promise.all([reader.package(sdkRef), reader.package({ ...sdkRef })]);
    expect(one).toEqual(other);
    expect(server.seen).toHaveLength(1);
  });
});

describe("the packages of a place", () => {
  test("are rows collapsed by project, type and name, Terraform modules last", async () => {
    const page = await packages().page(pay, everything, first(20));
    expect(page.rows.map(({ value }) => [value.ref.repository, value.ref.key, value.versionCount])).toEqual([
      ["pay/api", "npm:@acme/pay-client", 37],
      ["pay/api", "npm:@acme/pay-client-mock", 2],
      ["pay/platform/plugins", "npm:@acme/pay-gateway-plugin", 1],
      ["pay/web", "npm:@acme/pay-ui", 4],
      ["pay/api", "nuget:Acme.Pay.Client", 2],
      ["pay/api", "maven:com/acme/pay/pay-sdk", 37],
      ["pay/api", "maven:com/acme/pay/pay-sdk-extras", 2],
      ["pay/api", "helm:pay-api", 2],
      ["pay/api", "generic:pay-cli", 62],
      ["pay/worker", "pypi:pay-settlement", 4],
    ]);
    expect(page).toMatchObject({ hasNext: false, total: 10, dropped: [] });
    expect(calls(server)).toEqual([
      "groups/pay/packages?order_by=name&sort=asc&page=1&per_page=100",
      "groups/pay/packages?order_by=name&sort=asc&page=2&per_page=100",
      "groups/pay/packages?package_type=terraform_module&order_by=name&sort=asc&page=1&per_page=100",
    ]);
  });

  test("bring their newest versions and themselves along: no call for either", async () => {
    const reader = packages();
    const page = await reader.page(pay, everything, first(20));
    server.forget();
    const latest = await Promise.all(page.rows.map(({ value }) => reader.latest(value.ref)));
    const again = await Promise.all(page.rows.map(({ value }) => reader.package(value.ref)));
    expect(latest.map((one) => one?.name)).toEqual([
      ...["2.4.0", "2.4.0", "0.9.2", "2.4.0", "2.3.0"],
      ...["2.4.0", "2.4.0", "2.4.0", "2.4.0", "2.4.0"],
    ]);
    expect(again).toEqual(page.rows.map(({ value }) => value));
    expect(server.seen).toHaveLength(0);
  });

  test("are walked without repeat or gap, whatever the window", async () => {
    const whole = await walk((request) => packages().page(tools, everything, request), 100);
    expect(whole).toHaveLength(139);
    expect(new Set(whole.map((one) => one.ref.key)).size).toBe(139);
    expect(whole.map((one) => one.ref.key)).toContain("npm:audit-watch");
    expect(whole.map((one) => one.ref.key)).toContain("generic:audit-watch");
    expect(whole.slice(-2).map((one) => one.format)).toEqual(["TERRAFORM_MODULE", "TERRAFORM_MODULE"]);
    for (const size of [1, 7, 33]) {
      const walked = await walk((request) => packages().page(tools, everything, request), size);
      expect(walked.map((one) => one.ref.key)).toEqual(whole.map((one) => one.ref.key));
    }
  });

  test.each([
    [{ name: "audit-watch", match: "EXACT", format: null } as const, ["generic:audit-watch", "npm:audit-watch"]],
    [{ name: "audit-watch", match: "EXACT", format: "NPM" } as const, ["npm:audit-watch"]],
    [{ name: "VPC", match: "PREFIX", format: null } as const, ["terraform_module:vpc/aws"]],
    [{ name: "aws", match: "CONTAINS", format: "TERRAFORM_MODULE" } as const, ["terraform_module:vpc/aws"]],
    [{ name: "pc/aws", match: "PREFIX", format: null } as const, []],
    [{ name: null, match: "CONTAINS", format: "COMPOSER" } as const, ["composer:acme/coding-standard"]],
    [{ name: null, match: "CONTAINS", format: "OTHER" } as const, []],
    [{ name: "zlib-pay", match: "EXACT", format: "CONAN" } as const, ["conan:zlib-pay"]],
  ])("can be filtered by %o", async (filter, keys) => {
    const page = await packages().page(tools, filter, first(10));
    expect(page.rows.map(({ value }) => value.ref.key).sort()).toEqual(keys);
  });

  test("a place that does not exist or is hidden is absent, other refusals are errors", async () => {
    for (const [scope, proof] of [
      [{ repository: "pay/nothing", group: null }, "KEYED_READ"],
      [{ repository: "vault/keys", group: null }, "KEYED_READ"],
      [{ repository: null, group: "nobody" }, "KEYED_READ"],
      [{ repository: "../../admin", group: null }, "IMPOSSIBLE"],
    ] as const) {
      for (const format of [null, "COMPOSER", "TERRAFORM_MODULE", "DOCKER"] as const) {
        const answer = await present(readers().packages).page(scope, { ...everything, format }, first(5));
        expect(answer).toMatchObject({ kind: "ABSENT", proof });
      }
    }
    server.setTamper((reply) => ({ ...reply, status: 403, body: { message: "403 Forbidden" } }));
    expect(await failureOf(packages().page(tools, everything, first(5)))).toMatchObject({ failure: "DENIED" });
  });

  test("one unreadable row is named and left out; what depends on it is not guessed", async () => {
    server.setTamper(
      rewriteRows(/infra\/tools\/packages/, (rows) =>
        rows.map((row, index) => (index === 3 ? { id: "three", name: 3 } : row)),
      ),
    );
    const reader = packages();
    const page = await reader.page(tools, { ...everything, format: "PYPI" }, first(10));
    expect(page.rows).toHaveLength(10);
    expect(page.dropped).toEqual([
      { operation: "gitlab.listProjectPackages", index: 3, reason: "id: expected number" },
    ]);
    expect(page.rows.every(({ value }) => value.versionCount === null)).toBe(true);
  });

  test("group rows of old servers find their project in the path of their page", async () => {
    server.setTamper(
      rewriteRows(/groups\/pay\/packages/, (rows) =>
        rows.map((row) => ({ ...Object(row), project_path: undefined, project_id: undefined })),
      ),
    );
    const page = await packages().page(pay, { ...everything, format: "PYPI" }, first(10));
    expect(page.rows.map(({ value }) => value.ref.repository)).toEqual(["pay/worker"]);
  });
});

describe("searching by name", () => {
  test("asks every configured place once", async () => {
    const found = await packages().search({ name: "pay-settlement", match: "EXACT", format: "PYPI" }, first(10));
    expect(found?.rows.map(({ value }) => value.ref)).toEqual([ref("pay/worker", "pypi:pay-settlement")]);
    expect(calls(server).map((url) => url.split("?")[0])).toEqual([
      "groups/pay/packages",
      "projects/infra/tools/packages",
    ]);
  });

  test("asks all of them at the same time", async () => {
    server.setLatency(30);
    await packages().search({ name: "pay-sdk", match: "CONTAINS", format: null }, first(10));
    server.setLatency(0);
    expect(server.seen).toHaveLength(4);
    const firstEnd = Math.min(...server.seen.map(({ endedAt }) => present(endedAt)));
    expect(server.seen.every(({ startedAt }) => startedAt < firstEnd)).toBe(true);
  });

  test("is paged across places", async () => {
    const query = { name: "a", match: "CONTAINS", format: null } as const;
    const walked = await walk(async (request) => present(await packages().search(query, request)), 9);
    const keys = walked.map(({ ref: { repository, key } }) => `${repository} ${key}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toContain("pay/api npm:@acme/pay-client");
    expect(keys).toContain("infra/tools terraform_module:vpc/aws");
  });

  test("finds many names with the fewest lists", async () => {
    const reader = packages();
    const found = await Promise.all([
      reader.named("com.acme.pay:pay-sdk", "MAVEN", null),
      reader.named("@acme/pay-ui", "NPM", null),
      reader.named("audit-watch", "NPM", null),
      reader.named("audit-watch", "GENERIC", null),
      reader.named("nothing", "NPM", null),
    ]);
    expect(found.map((all) => all?.map((one) => `${one.ref.repository} ${one.ref.key}`))).toEqual([
      ["pay/api maven:com/acme/pay/pay-sdk"],
      ["pay/web npm:@acme/pay-ui"],
      ["infra/tools npm:audit-watch"],
      ["infra/tools generic:audit-watch"],
      [],
    ]);
    // Two pages of either place hold every name: ten filtered lists would be the alternative.
    expect(server.seen).toHaveLength(4);
  });

  test("asks a long list for each name instead of reading it through", async () => {
    const rows = Array.from({ length: 950 }, (_, index) => ({
      id: index + 1,
      name: `tool-${String(index).padStart(3, "0")}`,
      type: "npm",
      version: "1.0",
      at: 1_700_000_000_000 + index,
    }));
    server.setTamper(synthetic(() => rows));
    const reader = plain(present(configure({ groups: [] }).during(testCall()).packages));
    const found = await Promise.all([reader.named("tool-001", "NPM", null), reader.named("tool-949", "NPM", null)]);
    expect(found.map((all) => all?.map((one) => one.name))).toEqual([["tool-001"], ["tool-949"]]);
    expect(server.seen).toHaveLength(3);
  });

  test("cannot be done where nothing is configured", async () => {
    const reader = present(configure({ groups: [], projects: [] }).during(testCall()).packages);
    const answers = await Promise.all([
      reader.search({ name: "x", match: "EXACT", format: null }, first(5)),
      reader.named("x", "NPM", null),
      reader.byPurl({ type: "npm", namespace: null, name: "x", version: "1", qualifiers: {} }, null),
      reader.byChecksum(`sha256:${"0".repeat(64)}`, "pay/api"),
    ]);
    expect(answers.map((answer) => answer.kind === "UNKNOWN" && answer.reason)).toEqual([
      ...["NOT_CONFIGURED", "NOT_CONFIGURED", "NOT_CONFIGURED"],
      "NOT_SEARCHABLE",
    ]);
    expect(server.seen).toHaveLength(0);
  });

  test("a project inside a configured group is not asked twice", async () => {
    const reader = present(
      configure({ projects: ["pay/api"], groups: ["pay", "pay/platform"] }).during(testCall()).packages,
    );
    const found = await reader.named("com/acme/pay/pay-sdk", "MAVEN", null);
    expect(foundIn(found)).toHaveLength(1);
    expect(server.seen).toHaveLength(1);
  });
});
