import { describe, expect, it } from "vitest";
import type { Fault } from "../../../demo/server.ts";
import { images, release, swrReference } from "../../../demo/story.ts";
import { operations } from "../../../src/backends/zadig/operations.ts";
import { testCall } from "../../support/call.ts";
import { failureOf, filter, open, values } from "./opened.ts";

const window = { first: 3, after: null };
const ref = { backend: "zadig", project: "pay", zadigId: release.id, version: null };

describe("credentials", () => {
  it("go out in the header of the version, and nowhere else", async () => {
    for (const [generation, credentials, header] of [
      ["r1", { token: "demo-zadig-token" }, "Bearer demo-zadig-token"],
      ["r1-1.6", { apiKey: "demo-zadig-token" }, "X-API-KEY demo-zadig-token"],
    ] as const) {
      const { server, readers } = await open(generation, { credentials });
      await readers().releases.page(filter({ project: "pay" }), window, false);
      expect(server.seen[0]?.headers["authorization"]).toBe(header);
      expect(server.seen[0]?.url).not.toContain("demo-zadig-token");
    }
  });

  it("that are wrong are DENIED in the forms of both ages, and asked once", async () => {
    for (const [generation, credentials, status] of [
      ["r1", { token: "wrong" }, 401],
      ["r1-1.6", { apiKey: "wrong" }, 500],
    ] as const) {
      const { server, readers } = await open(generation, { credentials, retries: 2 });
      const failure = await failureOf(readers().releases.page(filter(), window, false));
      expect(failure).toMatchObject({ failure: "DENIED", status, retryable: false });
      expect(server.seen).toHaveLength(1);
    }
  });

  it("of the caller replace those of the configuration, and none means no call", async () => {
    const { server, readers } = await open("r1", { forward: "caller", credentials: { token: "never-sent" } });
    const page = await readers({ credential: "demo-zadig-token" }).releases.page(filter(), window, false);
    expect(values(page)).toHaveLength(3);
    expect(server.seen[0]?.headers["authorization"]).toBe("Bearer demo-zadig-token");
    server.forget();
    const { releases, artifacts } = readers();
    for (const asked of [releases.page(filter(), window, false), artifacts.byImage("a.b/c:1")]) {
      expect(await failureOf(asked)).toMatchObject({ failure: "DENIED", status: null });
    }
    expect(server.seen).toHaveLength(0);
  });
});

describe("what Zadig's answers mean", () => {
  it("a missing licence denies releases while artifacts go on", async () => {
    for (const generation of ["r1", "r2", "o2"] as const) {
      const { readers } = await open({ generation, licensed: false }, generation === "o2" ? { generation: "o2" } : {});
      const { releases, artifacts } = readers();
      const failure = await failureOf(releases.page(filter({ project: "pay" }), window, false));
      expect(failure).toMatchObject({ failure: "DENIED", code: "7050", status: 400 });
      expect(await artifacts.byImage(swrReference(images.api))).toHaveLength(1);
    }
  });

  it("a forbidden project is DENIED with its empty 403", async () => {
    const { readers } = await open({ generation: "r2", forbidden: ["pay"] });
    const failure = await failureOf(readers().releases.page(filter({ project: "pay" }), window, false));
    expect(failure).toMatchObject({ failure: "DENIED", status: 403 });
  });

  it.each([
    [{ status: 400, body: { code: 6561, message: "x" } }, "UNAVAILABLE", "6561", true],
    [{ status: 400, body: { code: 6563, message: "x" } }, "UNAVAILABLE", "6563", false],
    [{ status: 400, body: { code: 6566 } }, "REJECTED", "6566", false],
    [{ status: 400 }, "REJECTED", null, false],
    [{ status: 404, body: "Invalid path: /api/delivery/releases" }, "REJECTED", null, false],
    [{ status: 405, body: "Method not allowed" }, "REJECTED", null, false],
    [{ status: 403, body: { reason: "mfa" } }, "DENIED", null, false],
    [{ status: 500, body: { code: 500, message: "Internal Error: " } }, "UNAVAILABLE", null, true],
    [{ status: 500 }, "UNAVAILABLE", null, true],
    [{ status: 200, body: { code: 10000, workflow: [], product: [] } }, "MALFORMED", "10000", false],
    [{ status: 200, body: { message: "success" } }, "MALFORMED", null, false],
    [{ status: 200, body: { resultCode: 400, errorMsg: "x" } }, "REJECTED", "400", false],
    [{ status: 200, body: { resultCode: 403, errorMsg: "x" } }, "DENIED", "403", false],
    [{ status: 200, body: { resultCode: 503, errorMsg: "x" } }, "UNAVAILABLE", "503", true],
    [{ status: 400, body: { resultCode: 400, errorMsg: "x" } }, "REJECTED", "400", false],
    [{ status: 200, body: [{ unheard: "of" }] }, "MALFORMED", null, false],
    [{ status: 200, body: "bare text" }, "MALFORMED", null, false],
  ])("a release list answered by %j", async (reply, failure, code, retryable) => {
    const { server, readers } = await open("r1");
    server.setTamper(() => reply);
    const error = await failureOf(readers().releases.page(filter(), window, false));
    expect({ failure: error.failure, code: error.code, retryable: error.retryable }).toEqual({
      failure,
      code,
      retryable,
    });
  });

  it("a dangling activity fails a page of artifacts for good; it is no proof that there are none", async () => {
    const { server, readers } = await open("r1", { retries: 2 });
    server.setTamper(() => ({ status: 400, body: { code: 6662 } }));
    const failure = await failureOf(readers().artifacts.byImage(swrReference(images.api)));
    expect(failure).toMatchObject({ failure: "UNAVAILABLE", code: "6662", retryable: false });
    expect(server.seen).toHaveLength(1);
  });

  it("a route that is missing is not a release that is missing", async () => {
    const { server, readers } = await open("r1");
    server.setTamper(() => ({ status: 404, body: "Invalid path: /api/delivery/releases" }));
    expect(await failureOf(readers().releases.release(ref))).toMatchObject({ failure: "REJECTED", status: 404 });
  });

  it("an id that is no id is MALFORMED", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply, { rawPath }) => (rawPath.endsWith("/image") ? { ...reply, body: "not an id" } : reply));
    expect(await failureOf(readers().artifacts.byImage(swrReference(images.web)))).toMatchObject({
      failure: "MALFORMED",
      operation: "zadig.findArtifact",
    });
  });

  it("the 1.6 facade's complaint about an argument is REJECTED", async () => {
    const { server, readers } = await open("r1-1.6", { credentials: { apiKey: "demo-zadig-token" } });
    server.setTamper(() => ({ status: 400, body: { resultCode: 400, errorMsg: "taskId must be Integer!" } }));
    expect(await failureOf(readers().releases.page(filter(), window, false))).toMatchObject({
      failure: "REJECTED",
      code: "400",
    });
  });

  it("JSON that the facade labels text/plain is read", async () => {
    const { readers } = await open("r1", { surface: "directory" });
    expect(values(await readers().releases.page(filter({ project: "pay" }), window, true))).toHaveLength(3);
  });
});

describe("trouble on the way", () => {
  const faults: readonly (readonly [Fault, string])[] = [
    [{ kind: "html" }, "MALFORMED"],
    [{ kind: "malformed" }, "MALFORMED"],
    [{ kind: "empty" }, "MALFORMED"],
    [{ kind: "truncated" }, "UNAVAILABLE"],
    [{ kind: "throttle", retryAfter: "7" }, "THROTTLED"],
    [{ kind: "reset" }, "UNAVAILABLE"],
    [{ kind: "status", status: 502 }, "UNAVAILABLE"],
    [{ kind: "huge", bytes: 3_000_000 }, "MALFORMED"],
    [{ kind: "slow", ms: 400 }, "TIMED_OUT"],
  ];

  it.each(faults)("%j is reported as what it is, for lists, single reads and batches", async (fault, failure) => {
    const { server, readers } = await open("r1", { timeoutMs: 150, maxResponseBytes: 1_000_000 });
    await server.setFault(fault);
    const { releases, artifacts } = readers();
    const failures = await Promise.all([
      failureOf(releases.page(filter(), window, false)),
      failureOf(releases.release(ref)),
      failureOf(artifacts.byImage(swrReference(images.api))),
      failureOf(artifacts.artifact({ backend: "zadig", zadigId: release.id, image: null })),
    ]);
    expect(failures.map((error) => error.failure)).toEqual([failure, failure, failure, failure]);
    if (failure === "THROTTLED") expect(failures[0]?.retryAfterMs).toBe(7000);
  });

  it("a caller that leaves ends its calls", async () => {
    const { server, readers } = await open("r1");
    await server.setFault({ kind: "drip", everyMs: 20 });
    const leaving = new AbortController();
    const { releases } = readers({ signal: leaving.signal });
    const answer = failureOf(releases.page(filter(), window, false));
    await expect.poll(() => server.seen.length).toBe(1);
    leaving.abort();
    expect((await answer).failure).toBe("TIMED_OUT");
  });

  it("a spent budget makes no call", async () => {
    const { server, readers } = await open("r1");
    const { releases, artifacts } = readers({ calls: 0 });
    expect((await failureOf(releases.release(ref))).failure).toBe("OVER_BUDGET");
    expect((await failureOf(artifacts.byImage("a.b/c:1"))).failure).toBe("OVER_BUDGET");
    expect(server.seen).toHaveLength(0);
  });

  it("one good try after bad ones is enough", async () => {
    const { server, readers } = await open("r1", { retries: 2 });
    await server.setFault({ kind: "status", status: 503, times: 2 });
    expect(values(await readers().releases.page(filter(), window, false))).toHaveLength(3);
    expect(server.seen).toHaveLength(3);
  });
});

describe("the allow-list", () => {
  it("holds reads only, each under its own name", () => {
    expect(operations.map(({ method }) => method)).toEqual(operations.map(() => "GET"));
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length);
    expect(operations.every(({ name }) => name.startsWith("zadig."))).toBe(true);
  });

  it("keeps hostile ids within their path segment", async () => {
    const { server, readers } = await open("o2", { generation: "o2" });
    const version = "../../system/registry?x=1#y";
    expect(
      await readers().releases.release({ backend: "zadig", project: "pay/../x", zadigId: null, version }),
    ).toBeNull();
    expect(server.seen.map(({ url }) => url.split("?")[0])).toEqual([
      "/openapi/delivery/releases/detail",
      "/openapi/delivery/releases",
    ]);
    expect(new URL(server.seen[0]?.url ?? "", server.url).searchParams.get("versionName")).toBe(version);
  });

  it("answers a ping with the cheapest call, licence or not", async () => {
    const { server, backend } = await open({ generation: "r1", licensed: false });
    const origin = await backend.during(testCall()).ping?.();
    expect(origin?.backend).toBe("zadig");
    expect(server.seen.map(({ url }) => url)).toEqual(["/api/aslan/delivery/artifacts?per_page=1&page=1"]);
  });
});
