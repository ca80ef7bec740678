import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DemoServer, serveDemo } from "../../demo/server.ts";
import { credentials } from "../../demo/story.ts";
import { configOf } from "../../src/config/index.ts";
import { type Gateway, startGateway } from "../../src/server/gateway.ts";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";

const everything = `{
  releases(first: 3) { nodes { version } }
  searchPackages(name: "pay-sdk") { groups { packages { nodes { versions { nodes { name publishedBy { commit { message } } } } } } } }
  traceByImage(image: "swr.cn-north-4.myhuaweicloud.com/pay-core/api:20261102091500-117-main") { isComplete }
}`;

describe("a request's headers", () => {
  let gateway: DemoGateway;
  const key = "the-caller's-own-key-to-the-gateway";

  beforeAll(async () => {
    const sha256 = createHash("sha256").update(key).digest("hex");
    gateway = await startDemoGateway({
      settings: { auth: { mode: "keys", keys: [{ name: "one", sha256 }] } },
      backends: {
        gitlab: { forward: "caller", credentials: undefined },
        "swr-north4": { forward: "caller", credentials: undefined },
      },
    });
  });

  afterAll(() => gateway.stop());

  /** What the servers saw, header by header, without those that the connection itself needs. */
  function seen(): Readonly<Record<string, readonly string[]>> {
    const own = new Set(["host", "connection", "content-length", "content-type", "accept", "accept-encoding"]);
    return Object.fromEntries(
      Object.entries(gateway.estate.servers).map(([kind, server]) => {
        const headers = server.seen.flatMap((one) => Object.entries(one.headers));
        return [
          kind,
          [...new Set(headers.filter(([name]) => !own.has(name)).map(([name, value]) => `${name}: ${value}`))],
        ];
      }),
    );
  }

  test("stay with the gateway: the one named credential goes to the one backend, as that backend wants it", async () => {
    gateway.forget();
    const mark = "planted-in-a-header";
    const { body } = await gateway.ask(everything, {
      headers: {
        authorization: `Bearer ${key}`,
        cookie: `session=${mark}`,
        "x-backend-token-gitlab": credentials.gitlab.token,
        "x-backend-token-swr-north4": credentials.swr.token,
        "x-backend-token-zadig": mark,
        "x-backend-token-bkrepo": mark,
        "x-backend-token-other": mark,
        "x-forwarded-for": mark,
        "x-forwarded-host": mark,
        "x-auth-token": mark,
        "private-token": mark,
        "x-request-id": mark,
        traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
        forwarded: mark,
        via: mark,
        referer: `https://${mark}.example/`,
        "user-agent": mark,
        "accept-language": mark,
      },
    });
    expect(body.errors).toBeUndefined();
    const { zadig, bkrepo, swr, gitlab } = seen();
    expect(gitlab).toEqual([`authorization: Bearer ${credentials.gitlab.token}`]);
    expect(swr).toEqual([`x-auth-token: ${credentials.swr.token}`]);
    expect(zadig).toEqual([`authorization: Bearer ${credentials.zadig.token}`]);
    const basic = Buffer.from(`${credentials.bkrepo.username}:${credentials.bkrepo.password}`).toString("base64");
    expect(bkrepo).toEqual(["x-bkrepo-time-zone: +08:00", `authorization: Basic ${basic}`]);
  });

  test("without the named one the backend answers DENIED and is not asked, and the others answer", async () => {
    gateway.forget();
    const { status, body } = await gateway.ask(
      `{ searchPackages(name: "pay-sdk") { sources { backend { name } status } } }`,
      { headers: { authorization: `Bearer ${key}`, "x-backend-token-swr-north4": credentials.swr.token } },
    );
    expect(status).toBe(200);
    expect(body.data?.["searchPackages"]).toMatchObject({
      sources: expect.arrayContaining([
        { backend: { name: "gitlab" }, status: "DENIED" },
        { backend: { name: "bkrepo" }, status: "OK" },
      ]),
    });
    expect(gateway.calls()["gitlab"]).toBeUndefined();
  });

  test("never carry a second header along, whatever the credential is made of", async () => {
    const value = fc.oneof(
      fc.string({ minLength: 1, maxLength: 40 }),
      fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
      fc.constantFrom("a\tb", "a b", "é", "\u007f", "a, b", "x".repeat(9000)),
    );
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(value, async (credential) => {
        gateway.forget();
        const bytes = Buffer.from(credential, "latin1").toString("latin1");
        fc.pre(!/[\r\n\0]/.test(bytes) && !/[^\t\x20-\x7e\x80-\xff]/.test(bytes));
        const status = await post(`${gateway.url}/graphql`, {
          authorization: `Bearer ${key}`,
          "x-backend-token-gitlab": bytes,
        });
        expect([200, 400, 431]).toContain(status);
        asked += gateway.estate.servers.gitlab.seen.length;
        for (const { headers } of gateway.estate.servers.gitlab.seen) {
          expect(Object.keys(headers).toSorted()).toEqual([
            "accept",
            "accept-encoding",
            "authorization",
            "connection",
            "host",
          ]);
          expect(headers["accept-encoding"]).toBe("identity");
          expect(headers["authorization"]).toBe(`Bearer ${bytes.trim()}`);
        }
      }),
      { numRuns: 200 },
    );
    expect(asked).toBeGreaterThan(20);
  });
});

/** A request past what fetch allows in a header. */
function post(url: string, headers: Record<string, string>): Promise<number> {
  const body = JSON.stringify({ query: '{ packages(scope: { backend: "gitlab", group: "pay" }) { nodes { name } } }' });
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method: "POST", headers: { ...headers, "content-type": "application/json" } });
    outgoing.on("response", async (response) => {
      await text(response);
      resolve(response.statusCode ?? 0);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

describe("callers with credentials of their own for one address", () => {
  let server: DemoServer;
  let gateway: Gateway;
  let urlOf: string;
  const callers = Array.from({ length: 8 }, (_, index) => `token-of-caller-${index}`);

  beforeAll(async () => {
    // A GitLab in which everybody sees the same address and finds something else there.
    server = await serveDemo("gitlab", async ({ rawPath, header }) => {
      const owner = header("authorization")?.replace("Bearer ", "") ?? "nobody";
      await pause(Math.random() * 6);
      if (!rawPath.endsWith("/packages")) return { status: 404, body: { message: "404 Not found" } };
      const row = (id: number, version: string) => ({
        id,
        name: `sdk-of-${owner}`,
        version,
        package_type: "generic",
        status: "default",
        created_at: "2026-01-01T00:00:00.000Z",
        _links: { web_path: `/pay/api/-/packages/${id}` },
        pipelines: [],
        tags: [],
      });
      return {
        headers: { "x-next-page": "", "x-total": "2", etag: '"one-for-all"', "cache-control": "max-age=60" },
        body: [row(1, "1.0.0"), row(2, "2.0.0")],
      };
    });
    const reading = configOf(
      {
        server: { port: 0 },
        limits: { upstreamCalls: 1000 },
        backends: [
          {
            name: "gitlab",
            kind: "gitlab",
            url: server.url,
            forward: "caller",
            projects: ["pay/api"],
            concurrency: 64,
            cache: { freshMs: 60_000 },
          },
        ],
      },
      {},
    );
    if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
    const quiet = () => undefined;
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    gateway = await startGateway({ config: reading.config, log, version: "0" });
    urlOf = `${gateway.url}/graphql`;
  });

  afterAll(async () => {
    await gateway.stop(0);
    await server.close();
  });

  test("never get each other's answers in thousands of interleaved requests", async () => {
    const query = `{ packages(scope: { backend: "gitlab", repository: "pay/api" }) { nodes { id name versions { nodes { name } } } } }`;
    const mixed: string[] = [];
    let asked = 0;
    const worker = async () => {
      while (asked < 4000) {
        const caller = callers[Math.floor(Math.random() * callers.length)] ?? "";
        asked += 1;
        const response = await fetch(urlOf, {
          method: "POST",
          headers: { "content-type": "application/json", "x-backend-token-gitlab": caller },
          body: JSON.stringify({ query }),
        });
        const answer = await response.text();
        const told = new Set(answer.match(/token-of-caller-\d+/g));
        if (told.size !== 1 || !told.has(caller)) mixed.push(`${caller} was told ${answer.slice(0, 200)}`);
      }
    };
    await Promise.all(Array.from({ length: 48 }, worker));
    expect(mixed).toEqual([]);
    expect(asked).toBeGreaterThanOrEqual(4000);
    const used = new Set(server.seen.map(({ headers }) => headers["authorization"]));
    expect(used).toEqual(new Set(callers.map((caller) => `Bearer ${caller}`)));
  }, 60_000);

  test("nor does one without a credential get anybody's", async () => {
    const ask = (headers: Record<string, string>) =>
      fetch(urlOf, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({
          query: '{ packages(scope: { backend: "gitlab", repository: "pay/api" }) { nodes { name } } }',
        }),
      }).then((response) => response.text());
    const [own, none] = await Promise.all([ask({ "x-backend-token-gitlab": "token-of-caller-0" }), ask({})]);
    expect(own).toContain("sdk-of-token-of-caller-0");
    expect(none).not.toContain("token-of-caller");
    expect(none).toContain("UPSTREAM_FORBIDDEN");
  });
});
