import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { proxyPassword } from "../../../demo/bkrepo-estate.ts";
import { bkrepoReference, credentials, images } from "../../../demo/story.ts";
import { bkrepo } from "../../../src/backends/bkrepo/index.ts";
import { parseImageRef } from "../../../src/model/artifact.ts";
import { UpstreamError } from "../../../src/upstream/errors.ts";
import { testCall } from "../../support/call.ts";
import { type Fixture, isObject, openBkrepo, ref, settingsFor, versionRef, withRecords } from "./fixture.ts";

let it: Fixture;
beforeAll(async () => {
  // The breaker has tests of its own; here every answer is judged for itself.
  it = await openBkrepo({}, { breaker: { failures: 1000, coolDownMs: 1 } });
});
afterAll(() => it.close());
afterEach(async () => {
  it.server.setTamper(null);
  it.server.setLatency(0);
  await it.server.setFault(null);
  it.server.forget();
});

const sdk = ref("pay/maven-local", "gav://com.acme.pay:pay-sdk");
const any = { prefix: null, stage: null, direction: "DESC" } as const;

describe("an answer is judged by status and stable codes", () => {
  const envelope = (code: number, data: unknown = null) => ({ code, message: "secret words", data, traceId: null });
  test.each([
    ["no credentials", 401, envelope(250114), "DENIED", "250114", false],
    ["no credentials, before 1.5", 401, envelope(250112), "DENIED", "250112", false],
    ["no permission", 403, envelope(250113), "DENIED", "250113", false],
    ["throttled", 429, envelope(250129), "THROTTLED", "250129", true],
    ["throttled, before 2026", 429, envelope(250128), "THROTTLED", "250128", true],
    ["a bad parameter", 400, envelope(250105), "REJECTED", "250105", false],
    ["a search over its time limit", 400, envelope(250127), "REJECTED", "250127", false],
    ["an empty refusal", 400, "", "REJECTED", null, false],
    ["an uncaught error", 500, envelope(250102), "UNAVAILABLE", "250102", true],
    ["a dependency that is down", 500, envelope(250115), "UNAVAILABLE", "250115", true],
    ["a service that is down, said by nginx", 503, envelope(503, ""), "UNAVAILABLE", null, true],
    ["nginx's own 403", 403, envelope(403, ""), "DENIED", null, false],
    ["a service nginx does not know", 404, envelope(404, ""), "UNAVAILABLE", null, false],
    ["a call this release does not have", 404, envelope(250130), "UNAVAILABLE", "250130", false],
    ["a proxy that leads nowhere", 404, "<html><h1>404 Not Found</h1></html>", "UNAVAILABLE", null, false],
    ["a failure inside a success", 200, envelope(250102), "UNAVAILABLE", "250102", true],
    ["a refusal inside a success", 200, envelope(250105), "REJECTED", "250105", false],
    ["nginx's number inside a success", 200, envelope(503, ""), "UNAVAILABLE", null, true],
    ["a denial inside a success", 200, envelope(401, ""), "DENIED", null, false],
    ["text where data was due", 200, envelope(0, ""), "MALFORMED", null, false],
    ["no envelope", 200, { errors: [{ code: "DENIED" }] }, "MALFORMED", null, false],
    ["a list", 200, [], "MALFORMED", null, false],
    ["a redirect", 302, "", "MALFORMED", null, false],
  ])("%s", async (_case, status, body, failure, code, retryable) => {
    it.server.setTamper(() => ({ status, body, headers: { location: "https://elsewhere.example.com/login" } }));
    const error: unknown = await it
      .packages()
      .versions(sdk, any, { first: 5, after: null })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject({ failure, code, retryable, backend: "bkrepo", operation: "bkrepo.pageVersions" });
    expect(JSON.stringify(error) + String(error)).not.toMatch(/secret words|elsewhere/);
  });

  test.each([
    ["404 with a repository code", 404, 251006],
    ["404 with a project code", 404, 251004],
    ["400 with a package code", 400, 251017],
    ["400 with a version code", 400, 251019],
    ["400 with a resource code", 400, 250108],
    ["400 with a node code", 400, 251010],
    ["200 with a package code", 200, 251017],
  ])("not found: %s", async (_form, status, code) => {
    it.server.setTamper(() => ({ status, body: { code, data: null } }));
    const packages = it.packages();
    expect(await packages.package(sdk)).toBeNull();
    expect(await packages.version(versionRef("pay/maven-local", sdk.key, "1.0.0"))).toBeNull();
    expect(await it.answers().packages.versions(sdk, any, { first: 5, after: null })).toMatchObject({
      kind: "ABSENT",
      proof: "KEYED_READ",
    });
  });

  test("'existed', which is one number off 'not found', is a refusal", async () => {
    it.server.setTamper(() => ({ status: 400, body: { code: 250107, data: null } }));
    await expect(it.packages().package(sdk)).rejects.toMatchObject({ failure: "REJECTED" });
  });
});

describe("a server in a mood", () => {
  test.each([
    [{ kind: "html" }, "MALFORMED"],
    [{ kind: "malformed" }, "MALFORMED"],
    [{ kind: "empty" }, "MALFORMED"],
    [{ kind: "truncated" }, "UNAVAILABLE"],
    [{ kind: "reset" }, "UNAVAILABLE"],
    [{ kind: "throttle", retryAfter: "3" }, "THROTTLED"],
    [{ kind: "status", status: 502 }, "UNAVAILABLE"],
  ] as const)("%o is %s for every reader", async (fault, failure) => {
    await it.server.setFault(fault);
    const packages = it.packages();
    const image = parseImageRef(bkrepoReference(images.api));
    if (image === null) throw new Error("no reference");
    const asked = [
      packages.package(sdk),
      packages.page(
        { repository: "pay/maven-local", group: null },
        { name: null, match: "CONTAINS", format: null },
        { first: 5, after: null },
      ),
      packages.version(versionRef("pay/maven-local", sdk.key, "1.0.0")),
      packages.versions(sdk, any, { first: 5, after: null }),
      packages.latest(sdk),
      packages.files(versionRef("pay/maven-local", sdk.key, "1.1.0"), { first: 5, after: null }),
      packages.search({ name: "pay", match: "CONTAINS", format: null }, { first: 5, after: null }),
      it.images().image(image),
      it.images().copies("api", `sha256:${"0".repeat(64)}`),
    ];
    const failures = (await Promise.allSettled(asked)).map((one) =>
      one.status === "rejected" ? one.reason.failure : "answered",
    );
    expect(failures).toEqual(asked.map(() => failure));
  });

  test("silence is TIMED_OUT", async () => {
    const hasty = bkrepo.connect(settingsFor(it.server.url, { timeoutMs: 30 }));
    it.server.setLatency(500);
    await expect(hasty.during(testCall()).packages?.package(sdk)).rejects.toMatchObject({ failure: "TIMED_OUT" });
    await hasty.close();
  });

  test("nothing is asked past the budget", async () => {
    const { packages } = it.backend.during(testCall({ calls: 1 }));
    await packages?.package(sdk);
    it.server.forget();
    await expect(packages?.latest(sdk)).rejects.toMatchObject({ failure: "OVER_BUDGET" });
    expect(it.calls()).toEqual([]);
  });

  test("a failed project does not take another one's packages with it", async () => {
    it.server.setTamper((reply, { body }) =>
      body.includes('"ops"') ? { status: 500, body: { code: 250102, data: null } } : reply,
    );
    const packages = it.packages();
    const found = await Promise.allSettled([
      packages.package(sdk),
      packages.package(ref("pay/npm-local", "npm://@acme/pay-client")),
      packages.package(ref("ops/npm-mirror", "npm://d3-array")),
      packages.package(ref("ops/npm-mirror", "npm://d3-case")),
    ]);
    expect(found.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  });
});

describe("who asks", () => {
  const { username, password, accessKey, secretKey, userId, token } = credentials.bkrepo;
  const base64 = (text: string) => Buffer.from(text).toString("base64");

  test.each([
    ["Basic", { credentials: { username, password } }, { authorization: `Basic ${base64(`${username}:${password}`)}` }],
    [
      "Platform, as a user",
      { credentials: { accessKey, secretKey, userId } },
      { authorization: `Platform ${base64(`${accessKey}:${secretKey}`)}`, "x-bkrepo-uid": userId },
    ],
    ["Bearer", { credentials: { token } }, { authorization: `Bearer ${token}` }],
  ])("%s", async (_scheme, more, headers) => {
    const backend = bkrepo.connect(settingsFor(it.server.url, more));
    expect(await backend.during(testCall()).packages?.package(sdk)).toMatchObject({ value: { name: "pay-sdk" } });
    expect(it.server.seen[0]?.headers).toMatchObject({ ...headers, "x-bkrepo-time-zone": "+08:00" });
    await backend.close();
  });

  test.each([
    ["Basic", { username, password: "wrong" }],
    ["Platform", { accessKey, secretKey: "wrong", userId }],
    ["Bearer", { token: "wrong" }],
  ])("a wrong %s credential is DENIED, asked once", async (_scheme, wrong) => {
    const backend = bkrepo.connect(settingsFor(it.server.url, { credentials: wrong, retries: 2 }));
    await expect(backend.during(testCall()).packages?.package(sdk)).rejects.toMatchObject({
      failure: "DENIED",
      status: 401,
    });
    expect(it.server.seen).toHaveLength(1);
    await backend.close();
  });

  test("the caller's own credential is used and nothing else, and without one nothing is sent", async () => {
    const backend = bkrepo.connect(settingsFor(it.server.url, { forward: "caller" }));
    const found = await backend.during(testCall({ credential: token })).packages?.package(sdk);
    expect(found).toMatchObject({ value: { name: "pay-sdk" } });
    expect(it.server.seen[0]?.headers["authorization"]).toBe(`Bearer ${token}`);
    it.server.forget();
    for (const call of [
      testCall(),
      testCall({ credential: "a\r\nx-bkrepo-uid: admin" }),
      testCall({ credential: "" }),
    ]) {
      await expect(backend.during(call).packages?.package(sdk)).rejects.toMatchObject({
        failure: "DENIED",
        status: null,
      });
    }
    expect(it.calls()).toEqual([]);
    await backend.close();
  });
});

describe("nothing gets out that was not mapped", () => {
  test("planted strings and the server's own secrets stay where they are", async () => {
    const canary = "canary-1f0c";
    const plant = (row: unknown) =>
      isObject(row)
        ? {
            ...row,
            proxyPassword: canary,
            extension: { token: canary },
            clusterNames: [canary],
            lastModifiedBy: canary,
          }
        : row;
    it.server.setTamper((reply) => {
      const planted = withRecords({ ...reply, headers: { ...reply.headers, "x-secret": canary } }, (rows) =>
        rows.map(plant),
      );
      if (!isObject(planted.body)) return planted;
      const { data } = planted.body;
      const inner = Array.isArray(data) ? data.map(plant) : "records" in Object(data) ? data : plant(data);
      return { ...planted, body: { ...planted.body, message: canary, data: inner } };
    });
    const packages = it.packages();
    const image = parseImageRef(`${bkrepoReference(images.api)}@${images.api.digest}`);
    if (image === null) throw new Error("no reference");
    const told = JSON.stringify(
      await Promise.all([
        packages.package(ref("ops/npm-mirror", "npm://d3-array")),
        packages.package(sdk),
        packages.page(
          { repository: "ops/npm-mirror", group: null },
          { name: null, match: "CONTAINS", format: null },
          { first: 50, after: null },
        ),
        packages.versions(sdk, any, { first: 50, after: null }),
        packages.files(versionRef("pay/maven-local", sdk.key, "2.4.0"), { first: 5, after: null }),
        it.images().image(image),
      ]),
    );
    expect(told).not.toContain(canary);
    expect(told).not.toContain(proxyPassword);
    for (const secret of Object.values(credentials.bkrepo).filter((text) => text.startsWith("demo-")))
      expect(told).not.toContain(secret);
    expect(it.calls().some((call) => call.includes("/repo/"))).toBe(false);
  });

  test("every call is one of the declared operations", async () => {
    const packages = it.packages();
    await Promise.allSettled([
      packages.package(sdk),
      packages.named("pay-sdk", "MAVEN", null),
      packages.files(versionRef("ops/tools", "cargo://settle-check", "0.3.1"), { first: 5, after: null }),
      packages.page(
        { repository: "pay/no-such-repo", group: null },
        { name: null, match: "CONTAINS", format: null },
        { first: 5, after: null },
      ),
      it.images().copies("api", `sha256:${"0".repeat(64)}`),
    ]);
    const allowed = bkrepo.operations.map(
      ({ method, path }) => new RegExp(`^${method} ${path.replace(/\{\w+\}/g, "[^/]+")}$`),
    );
    const calls = it.calls();
    expect(calls.length).toBeGreaterThan(5);
    expect(calls.filter((call) => !allowed.some((pattern) => pattern.test(call)))).toEqual([]);
    expect(bkrepo.operations.every(({ path }) => !/delete|upgrade|download|\/service\//.test(path))).toBe(true);
  });
});
