import { describe, expect, it } from "vitest";
import { credentials } from "../../../demo/story.ts";
import { iamUser, temporaryKeys } from "../../../demo/swr-gate.ts";
import type { PackageReader } from "../../../src/backends/backend.ts";
import { testCall } from "../../support/call.ts";
import type { Plain } from "../../support/plain.ts";
import { everything, failureOf, openSwr, packageRef, printed, within } from "./setup.ts";

const { accessKey, secretKey, token } = credentials.swr;
const someReads = ["pay-sdk", "release%20notes", "%E6%94%AF%E4%BB%98%20sdk"];
const firstPage = { first: 5, after: null };

describe("token", () => {
  it("goes out as X-Auth-Token beside the content type that the vendor wants on reads too", async () => {
    const { demo, packages } = await openSwr();
    expect(await packages().package(packageRef("pay-sdk"))).toMatchObject({ name: "pay-sdk" });
    expect(demo.seen[0]?.headers).toMatchObject({ "x-auth-token": token, "content-type": "application/json" });
  });

  it("that is refused is DENIED after one call", async () => {
    const { demo, packages } = await openSwr({ settings: { credentials: { token: "wrong" }, retries: 2 } });
    const error = await failureOf(packages().package(packageRef("pay-sdk")));
    expect(error).toMatchObject({ failure: "DENIED", code: "APIGW.0301", status: 401, retryable: false });
    expect(demo.seen).toHaveLength(1);
  });
});

describe("the caller's own token", () => {
  it("is used, and the configured one is not", async () => {
    const { demo, packages } = await openSwr({ settings: { forward: "caller", credentials: { token: "configured" } } });
    await packages(testCall({ credential: token })).package(packageRef("pay-sdk"));
    expect(demo.seen[0]?.headers["x-auth-token"]).toBe(token);
  });

  it("is DENIED without asking when the caller sent none", async () => {
    const { demo, packages } = await openSwr({ settings: { forward: "caller", credentials: undefined } });
    const error = await failureOf(packages().package(packageRef("pay-sdk")));
    expect(error).toMatchObject({ failure: "DENIED", status: null, operation: "swr.listPackages" });
    expect(demo.seen).toEqual([]);
  });
});

describe("access keys", () => {
  const signed = { settings: { credentials: { accessKey, secretKey, projectId: "0605767a7a00d5762f54c011a6ad0000" } } };

  it("sign what is sent: names as they are sent, dollars, queries", async () => {
    const { demo, packages, images, backend } = await openSwr(signed);
    for (const key of [...someReads, "image://team/tools", "image://team/base/jre"]) {
      expect(await packages().latest(packageRef(key))).not.toBeNull();
    }
    expect(await packages().page(within("pay-core"), everything, firstPage)).toMatchObject({ hasNext: true });
    expect(await images().copies("tools", "sha256:0")).toEqual([]);
    expect(demo.seen.length).toBeGreaterThan(7);
    for (const { headers } of demo.seen) {
      expect(headers["authorization"]).toMatch(/SignedHeaders=content-type;host;x-project-id;x-sdk-date,/);
      expect(headers["x-auth-token"]).toBeUndefined();
    }
    expect(backend.circuitOpen()).toBe(false);
  });

  it("that are temporary carry and sign their security token", async () => {
    const { demo, packages } = await openSwr({ settings: { credentials: temporaryKeys } });
    expect(await packages().package(packageRef("pay-sdk"))).not.toBeNull();
    expect(demo.seen[0]?.headers["x-security-token"]).toBe(temporaryKeys.securityToken);
    expect(demo.seen[0]?.headers["authorization"]).toContain(";x-security-token,");
  });

  it("that are wrong are never tried again, and the echoed canonical request goes nowhere", async () => {
    const { demo, packages } = await openSwr({
      settings: { credentials: { ...temporaryKeys, secretKey: "not-the-secret" }, retries: 3 },
    });
    const error = await failureOf(packages().package(packageRef("pay-sdk")));
    expect(error).toMatchObject({ failure: "DENIED", code: "APIGW.0301", status: 401, retryable: false });
    expect(demo.seen).toHaveLength(1);
    for (const secret of [
      temporaryKeys.securityToken,
      temporaryKeys.accessKey,
      "not-the-secret",
      "127.0.0.1",
      "verify",
    ]) {
      expect(printed(error)).not.toContain(secret);
    }
  });

  it("rest after three refusals, before the vendor locks them after five", async () => {
    let now = Date.parse("2026-11-03T08:00:00Z");
    const { demo, packages } = await openSwr({
      now: () => now,
      settings: { credentials: { accessKey, secretKey: "not-the-secret" } },
    });
    for (let read = 0; read < 6; read++) {
      expect(await failureOf(packages().package(packageRef("pay-sdk")))).toMatchObject({ failure: "DENIED" });
    }
    expect(demo.seen).toHaveLength(3);
    now += 5 * 60_000;
    expect(await failureOf(packages().package(packageRef("pay-sdk")))).toMatchObject({ status: 401 });
    expect(demo.seen).toHaveLength(4);
  });

  it("count refusals in a row only", async () => {
    const { demo, packages } = await openSwr(signed);
    for (let read = 0; read < 8; read++) {
      await demo.setFault(read % 3 === 2 ? null : { kind: "status", status: 401 });
      await packages()
        .package(packageRef("pay-sdk"))
        .catch(() => null);
    }
    expect(demo.seen).toHaveLength(8);
  });

  it("do not rest for a right that is missing: SWR's own 401 is no bad signature", async () => {
    const { demo, packages } = await openSwr(signed);
    demo.setTamper(() => ({ status: 401, body: [{ errorCode: "SVCSTG.SWR.4011064", errorMessage: "" }] }));
    for (let read = 0; read < 5; read++) await failureOf(packages().package(packageRef("pay-sdk")));
    expect(demo.seen).toHaveLength(5);
  });

  it("of a machine whose clock is wrong are refused by the gateway", async () => {
    const real = Date.parse("2026-11-03T08:00:00Z");
    const { packages } = await openSwr({ ...signed, now: () => real - 16 * 60_000, demo: { now: () => real } });
    expect(await failureOf(packages().package(packageRef("pay-sdk")))).toMatchObject({ failure: "DENIED" });
  });
});

describe("user and password", () => {
  async function openWithIam(settings: Record<string, unknown> = {}, tokenLifetimeMs?: number) {
    const clock = { now: Date.parse("2026-11-03T08:00:00Z") };
    // The identity service lives at the demo's own address, which is known only once it listens.
    const identity = await openSwr({
      now: () => clock.now,
      ...(tokenLifetimeMs === undefined ? {} : { demo: { tokenLifetimeMs } }),
    });
    const { demo } = identity;
    const rig = await openSwr({
      now: () => clock.now,
      settings: { url: demo.url, credentials: { iam: { url: demo.url, ...iamUser } }, ...settings },
    });
    const tokenCalls = () => demo.seen.filter(({ method }) => method === "POST");
    const reads = () => demo.seen.filter(({ method }) => method === "GET");
    return { ...rig, demo, clock, tokenCalls, reads };
  }
  const readAll = (packages: Plain<PackageReader>) =>
    Promise.all(someReads.map((key) => packages.latest(packageRef(key))));

  it("get one project-scoped token for many calls and requests", async () => {
    const { packages, tokenCalls, reads } = await openWithIam();
    await Promise.all([readAll(packages()), readAll(packages())]);
    await readAll(packages());
    expect(tokenCalls()).toHaveLength(1);
    expect(tokenCalls()[0]?.url).toBe("/v3/auth/tokens?nocatalog=true");
    expect(JSON.parse(tokenCalls()[0]?.body ?? "")).toMatchObject({
      auth: { scope: { project: { name: "cn-north-4" } } },
    });
    expect(new Set(reads().map(({ headers }) => headers["x-auth-token"]))).toEqual(new Set(["demo-iam-token-1"]));
    // Three keys, asked three times; what two requests asked at the same moment went out once.
    expect(reads()).toHaveLength(6);
  });

  it("renew the token an hour before it expires", async () => {
    const { packages, clock, tokenCalls } = await openWithIam();
    await readAll(packages());
    clock.now += 23 * 3_600_000 - 1000;
    await readAll(packages());
    expect(tokenCalls()).toHaveLength(1);
    clock.now += 1000;
    await readAll(packages());
    expect(tokenCalls()).toHaveLength(2);
  });

  it("go on with the old token while it is good and no new one is to be had", async () => {
    const { packages, clock, demo, tokenCalls, reads } = await openWithIam();
    await readAll(packages());
    clock.now += 23.5 * 3_600_000;
    demo.setTamper((reply, { method }) => (method === "POST" ? { status: 503, body: "" } : reply));
    await readAll(packages());
    await readAll(packages());
    expect(tokenCalls()).toHaveLength(2);
    expect(reads()).toHaveLength(9);
    clock.now += 3_600_000;
    expect(await failureOf(packages().latest(packageRef("pay-sdk")))).toMatchObject({
      failure: "UNAVAILABLE",
      operation: "swr.issueToken",
    });
  });

  it("replace a token that died early: one new token, one more try for each call", async () => {
    const { packages, clock, demo, tokenCalls, reads } = await openWithIam();
    await readAll(packages());
    demo.revokeTokens();
    demo.forget();
    clock.now += 60_000;
    expect(await readAll(packages())).not.toContain(null);
    expect(tokenCalls()).toHaveLength(1);
    expect(reads()).toHaveLength(6);
  });

  it("give up when the new token is refused as well", async () => {
    const { packages, demo, reads } = await openWithIam();
    demo.setTamper((reply, { method }) =>
      method === "POST" ? reply : { status: 401, body: { error_code: "APIGW.0307", error_msg: "demo-iam-token-1" } },
    );
    const error = await failureOf(packages().latest(packageRef("pay-sdk")));
    expect(error).toMatchObject({ failure: "DENIED", code: "APIGW.0307" });
    expect(reads()).toHaveLength(2);
    expect(printed(error)).not.toContain("demo-iam-token");
  });

  it("that are wrong are DENIED, and IAM is left alone for a minute", async () => {
    const { packages, clock, tokenCalls, reads } = await openWithIam({ retries: 2 });
    const wrong = await openSwr({
      now: () => clock.now,
      settings: { credentials: { iam: { ...iamUser, url: (await openWithIam()).demo.url, password: "guess-me-not" } } },
    });
    const error = await failureOf(wrong.packages().latest(packageRef("pay-sdk")));
    expect(error).toMatchObject({ failure: "DENIED", operation: "swr.issueToken", status: 401 });
    expect(printed(error)).not.toContain("guess-me-not");
    await failureOf(wrong.packages().latest(packageRef("pay-sdk")));
    expect(wrong.demo.seen).toEqual([]);
    expect(await readAll(packages())).not.toContain(null);
    expect([tokenCalls().length, reads().length]).toEqual([1, 3]);
  });

  it("never mistake a wrong address of IAM for a missing package", async () => {
    const { packages, demo } = await openWithIam();
    demo.setTamper((reply, { method }) =>
      method === "POST" ? { status: 404, body: { error: { code: 404 } } } : reply,
    );
    expect(await failureOf(packages().latest(packageRef("pay-sdk")))).toMatchObject({
      failure: "REJECTED",
      operation: "swr.issueToken",
    });
  });

  it("take the token's call from the same budget", async () => {
    const { packages, demo } = await openWithIam();
    const error = await failureOf(packages(testCall({ calls: 1 })).latest(packageRef("pay-sdk")));
    expect(error).toMatchObject({ failure: "OVER_BUDGET", operation: "swr.listVersions" });
    expect(demo.seen).toHaveLength(1);
  });

  it("do not fail others when the request that fetched the token leaves", async () => {
    const { packages, demo, tokenCalls } = await openWithIam();
    const leaving = new AbortController();
    demo.setTamper((reply, { method }) => {
      if (method === "POST" && !leaving.signal.aborted) leaving.abort();
      return reply;
    });
    const [gone, stays] = await Promise.allSettled([
      packages(testCall({ signal: leaving.signal })).latest(packageRef("pay-sdk")),
      packages().latest(packageRef("pay-sdk")),
    ]);
    expect(gone).toMatchObject({ status: "rejected", reason: { failure: "TIMED_OUT" } });
    expect(stays).toMatchObject({ status: "fulfilled", value: { name: "2.4.0" } });
    expect(tokenCalls().length).toBeLessThanOrEqual(2);
  });

  it("read an answer without a token as MALFORMED", async () => {
    const { packages, demo } = await openWithIam();
    demo.setTamper((reply, { method }) => (method === "POST" ? { ...reply, headers: {} } : reply));
    expect(await failureOf(packages().latest(packageRef("pay-sdk")))).toMatchObject({ failure: "MALFORMED" });
  });
});
