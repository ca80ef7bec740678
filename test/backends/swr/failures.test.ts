import { describe, expect, it } from "vitest";
import type { Fault } from "../../../demo/server.ts";
import { codeOf } from "../../../src/backends/swr/dialect.ts";
import { testCall } from "../../support/call.ts";
import {
  everything,
  failureOf,
  imageOf,
  newestFirst,
  openSwr,
  packageRef,
  present,
  printed,
  versionRef,
  within,
} from "./setup.ts";

const canary = "canary-5b1f canonical request AKIDEXAMPLE";
const text = { errorMessage: canary, detail: canary };

/** The six shapes of SWR and its gateway, IAM's, and the docker registry's. */
const shapes: Record<string, (code: string) => unknown> = {
  "errors[] of v2": (errorCode) => ({ errors: [{ errorCode, ...text }] }),
  "bare array": (errorCode) => [{ errorCode, ...text }],
  "bare object": (errorCode) => ({ errorCode, ...text }),
  "API gateway": (error_code) => ({ error_code, error_msg: canary, request_id: "r1" }),
  "all at once": (code) => ({
    errors: [{ errorCode: code, ...text, encoded_authorization_message: canary }],
    error_code: code,
    error_msg: canary,
    details: [{ error_code: code, error_msg: canary }],
    encoded_authorization_message: canary,
  }),
  "code and message": (code) => ({ errors: [{ code, message: canary, detail: canary }] }),
};

describe("codes", () => {
  it.each(Object.entries(shapes))("are found in: %s", (_name, shape) => {
    expect(codeOf(shape("SVCSTG.SWR.4001072"))).toBe("SVCSTG.SWR.4001072");
    expect(codeOf(shape("APIG.0308"))).toBe("APIG.0308");
    expect(codeOf(shape("AKIDEXAMPLE"))).toBeNull();
  });

  it.each([null, undefined, "SVCSTG.SWR.4040004", 7, [], {}, { errors: "x" }, { error: { code: 401 } }])(
    "are not imagined in %j",
    (body) => {
      expect(codeOf(body)).toBeNull();
    },
  );
});

describe("an error answer", () => {
  const cases = [
    [400, "SVCSTG.SWR.4001072", { failure: "REJECTED", retryable: false }],
    [400, "SVCSTG.SWR.4001070", { failure: "REJECTED" }],
    [400, "SVCSTG.SWR.4001048", { failure: "DENIED", retryable: false }],
    [401, "SVCSTG.SWR.4010000", { failure: "DENIED", retryable: false }],
    [401, "APIGW.0301", { failure: "DENIED", retryable: false }],
    [403, "SVCSTG.SWR.4030170", { failure: "DENIED", retryable: false }],
    [403, "APIG.0302", { failure: "DENIED" }],
    [403, "SVCSTG.SWR.4031032", { failure: "THROTTLED", retryable: true }],
    [403, "SVCSTG.SWR.4031042", { failure: "THROTTLED", retryable: true }],
    [409, "SVCSTG.SWR.4090023", { failure: "THROTTLED", retryable: true }],
    [429, "APIGW.0308", { failure: "THROTTLED", retryable: true }],
    [404, "APIGW.0101", { failure: "REJECTED", retryable: false }],
    [404, "SVCSTG.SWR.4040083", { failure: "REJECTED", retryable: false }],
    [500, "SVCSTG.SWR.5002020", { failure: "UNAVAILABLE", retryable: true }],
    [502, "APIGW.0601", { failure: "UNAVAILABLE", retryable: true }],
    [507, "SVCSTG.SWR.5070070", { failure: "UNAVAILABLE", retryable: false }],
  ] as const;

  it.each(cases)(
    "%i with %s is judged by its code, in every shape, and tells nothing else",
    async (status, code, judged) => {
      const { packages, demo, calls } = await openSwr({ settings: { breaker: { failures: 1000, coolDownMs: 1000 } } });
      for (const shape of Object.values(shapes)) {
        demo.setTamper(() => ({ status, body: shape(code) }));
        const error = await failureOf(
          packages().versions(packageRef("image://api"), newestFirst, { first: 1, after: null }),
        );
        expect(error).toMatchObject({ ...judged, code, status, backend: "swr-north4", operation: "swr.listTags" });
        expect(printed(error)).not.toContain("canary");
        expect(printed(error)).not.toContain("127.0.0.1");
      }
      expect(calls()).toHaveLength(Object.keys(shapes).length);
    },
  );

  it.each([
    [404, "SVCSTG.SWR.4040004"],
    [404, "SVCSTG.SWR.4041061"],
    [404, "SVCSTG.SWR.4040010"],
    [404, "SVCSTG.SWR.4041056"],
    [400, "SVCSTG.SWR.4001090"],
    [400, "SVCSTG.SWR.4001158"],
    [400, "SVCSTG.SWR.4000306"],
    [400, "SWR.400003"],
    [400, "SVCSTG.SWR.4040058"],
  ])("%i with %s means that there is no such thing", async (status, code) => {
    const { answering, demo } = await openSwr();
    for (const shape of Object.values(shapes)) {
      demo.setTamper(() => ({ status, body: shape(code) }));
      const { packages, images } = answering();
      const first = { first: 5, after: null };
      const query = { name: "pay", match: "PREFIX", format: null } as const;
      const answers = await Promise.all([
        packages.version(versionRef("pay-sdk", "1.0.0")),
        packages.latest(packageRef("image://api")),
        packages.package(packageRef("image://api")),
        packages.files(versionRef("pay-sdk", "1.0.0"), first),
        images.image(imageOf("pay-core/api:1")),
        packages.package(packageRef("pay-sdk")),
        packages.page(within("pay-core"), everything, first),
        packages.search(query, first),
        images.copies("api", `sha256:${"0".repeat(64)}`),
      ]);
      for (const answer of answers)
        expect(answer).toMatchObject({ kind: "ABSENT", operation: expect.stringMatching(/^swr\./) });
    }
  });

  it("a web page with status 404 is no word of the service", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper(() => ({ status: 404, headers: { "content-type": "text/html" }, body: "<html>nginx</html>" }));
    expect(await failureOf(packages().latest(packageRef("pay-sdk")))).toMatchObject({
      failure: "MALFORMED",
      status: 404,
    });
  });

  it("that asks to wait says how much, and is asked again only where that may help", async () => {
    const { packages, demo } = await openSwr({ settings: { retries: 2 } });
    let answers = 0;
    demo.setTamper((reply) =>
      answers++ === 0 ? { status: 403, body: shapes["bare array"]?.("SVCSTG.SWR.4031032") } : reply,
    );
    expect(await packages().latest(packageRef("pay-sdk"))).not.toBeNull();
    expect(demo.seen).toHaveLength(2);
    demo.setTamper(() => ({
      status: 429,
      headers: { "retry-after": "3600" },
      body: { error_code: "APIGW.0308", error_msg: canary },
    }));
    expect(await failureOf(packages().latest(packageRef("pay-sdk")))).toMatchObject({ retryAfterMs: 3_600_000 });
    expect(demo.seen).toHaveLength(3);
  });

  it("carries the gateway's request id from the header, if it looks like one", async () => {
    const { packages } = await openSwr({ settings: { credentials: { token: "wrong" } } });
    expect((await failureOf(packages().latest(packageRef("pay-sdk")))).traceId).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("a backend that misbehaves", () => {
  const faults: readonly [Fault, object][] = [
    [{ kind: "html" }, { failure: "MALFORMED", retryable: false }],
    [{ kind: "malformed" }, { failure: "MALFORMED" }],
    [{ kind: "empty" }, { failure: "MALFORMED" }],
    [{ kind: "truncated" }, { failure: "UNAVAILABLE" }],
    [{ kind: "reset" }, { failure: "UNAVAILABLE", status: null }],
    [{ kind: "down" }, { failure: "UNAVAILABLE", status: null }],
    [
      { kind: "throttle", retryAfter: "7" },
      { failure: "THROTTLED", retryAfterMs: 7000 },
    ],
    [
      { kind: "status", status: 503 },
      { failure: "UNAVAILABLE", status: 503 },
    ],
    [
      { kind: "status", status: 403 },
      { failure: "DENIED", status: 403 },
    ],
    [{ kind: "slow", ms: 400 }, { failure: "TIMED_OUT" }],
    [{ kind: "huge", bytes: 3_000_000 }, { failure: "MALFORMED" }],
    [{ kind: "drip", everyMs: 20 }, { failure: "TIMED_OUT" }],
  ];

  it.each(faults)("%j is never an absence", async (fault, expected) => {
    const { packages, images, demo } = await openSwr({ settings: { timeoutMs: 150, maxResponseBytes: 1_000_000 } });
    await demo.setFault(fault);
    const first = { first: 5, after: null };
    const reads = [
      () => packages().package(packageRef("pay-sdk")),
      () => packages().latest(packageRef("pay-sdk")),
      () => packages().files(versionRef("pay-sdk", "2.4.0"), first),
      () => packages().page(within("pay-core"), everything, first),
      () => packages().versions(packageRef("image://api"), newestFirst, first),
      () => images().image(imageOf("pay-core/api:1")),
    ];
    for (const error of await Promise.all(reads.map((read) => failureOf(read())))) {
      expect(error).toMatchObject(expected);
      expect(printed(error)).not.toContain("127.0.0.1");
    }
  });

  it("is given up when the request leaves", async () => {
    const { packages, demo } = await openSwr();
    demo.setLatency(5_000);
    const leaving = new AbortController();
    const read = failureOf(packages(testCall({ signal: leaving.signal })).latest(packageRef("pay-sdk")));
    await expect.poll(() => demo.seen.length).toBe(1);
    leaving.abort();
    expect(await read).toMatchObject({ failure: "TIMED_OUT", retryable: false });
  });

  it("is not asked past the budget, and the keys that were answered stay answered", async () => {
    const { packages, demo } = await openSwr();
    const reader = packages(testCall({ calls: 1 }));
    const reads = await Promise.allSettled(["pay-sdk", "tax-tables"].map((key) => reader.latest(packageRef(key))));
    expect(reads.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(reads.find(({ status }) => status === "rejected")).toMatchObject({ reason: { failure: "OVER_BUDGET" } });
    expect(demo.seen).toHaveLength(1);
  });

  it("for one repository does not spoil the others of the batch", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply, { rawPath }) => (rawPath.includes("/worker/") ? { status: 500, body: "" } : reply));
    const reader = packages();
    const [api, worker] = await Promise.allSettled(
      ["api", "worker"].map((name) => reader.latest(packageRef(`image://${name}`))),
    );
    expect(api).toMatchObject({ status: "fulfilled" });
    expect(worker).toMatchObject({ reason: { failure: "UNAVAILABLE" } });
  });

  it("opens the circuit, and then nothing is sent", async () => {
    const { packages, demo, backend } = await openSwr({ settings: { breaker: { failures: 2, coolDownMs: 60_000 } } });
    await demo.setFault({ kind: "status", status: 503 });
    for (const name of ["pay-sdk", "tax-tables"]) await failureOf(packages().latest(packageRef(name)));
    // A question of the gateway's own has to be met with silence as well.
    await expect.poll(() => backend.circuitOpen()).toBe(true);
    expect(demo.seen.at(-1)?.url).toBe("/v2/manage/namespaces");
    for (let read = 0; read < 4; read++) await failureOf(packages().latest(packageRef("pay-sdk")));
    expect(demo.seen).toHaveLength(2 + 1);
  });
});

describe("what the service sends beside the facts", () => {
  it("does not come out again, whatever it is", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => ({
      ...reply,
      headers: { ...reply.headers, "x-secret": canary, "x-request-id": "canary 5b1f" },
      body: Array.isArray(reply.body)
        ? reply.body.map((row: object) => ({ ...row, token: canary, links: { canary } }))
        : reply.body,
    }));
    const reader = packages();
    const all = await Promise.all([
      reader.page(within("pay-core"), everything, { first: 50, after: null }),
      reader.versions(packageRef("pay-sdk"), newestFirst, { first: 5, after: null }),
      reader.versions(packageRef("image://api"), newestFirst, { first: 5, after: null }),
      reader.files(versionRef("pay-sdk", "2.4.0"), { first: 5, after: null }),
    ]);
    expect(JSON.stringify(present(all))).not.toContain("canary");
    expect(all[0].rows).toHaveLength(50);
  });
});
