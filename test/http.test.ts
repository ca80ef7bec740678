import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { zadig } from "../src/backends/zadig/index.ts";
import { type Config, configOf } from "../src/config/index.ts";
import { createGraphQL, type GraphQLEndpoint } from "../src/server/graphql/endpoint.ts";
import { createHttpServer, type HttpServer } from "../src/server/http/server.ts";
import { createTelemetry } from "../src/server/observability/telemetry.ts";

const backends = [{ name: "zadig", type: zadig, capabilities: ["RELEASES", "ARTIFACTS"] }] as const;
const examples = [
  { title: "Names & <kinds>", query: '{ backends { name } } # "<&>"' },
  { title: "Another", query: "{ __typename }" },
];

let shells: HttpServer[] = [];

afterEach(async () => {
  await Promise.all(shells.map((shell) => shell.drain(0)));
  shells = [];
});

function config(sections: Record<string, unknown> = {}): Config {
  const reading = configOf(
    {
      ...sections,
      server: { port: 0, ...Object(sections["server"]) },
      backends: [{ name: "zadig", kind: "zadig", url: "http://127.0.0.1:9", credentials: { token: "t" } }],
    },
    {},
  );
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}

/** An endpoint that gives back what it was sent. */
const echo: GraphQLEndpoint["handle"] = async ({ method }, response, body) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ method, body: body.toString("utf8") }));
};

interface Serving {
  readonly url: string;
  readonly shell: HttpServer;
  readonly logged: string[];
}

async function serve(
  sections: Record<string, unknown> = {},
  handle: GraphQLEndpoint["handle"] = echo,
): Promise<Serving> {
  const logged: string[] = [];
  const write = (_facts: object, message: string) => void logged.push(message);
  const settings = config(sections);
  const log = { info: write, warn: write, error: write };
  const telemetry = createTelemetry([]);
  const { refuse } = createGraphQL({ config: settings, operations: new Map(), backends: [], log, telemetry });
  const graphql = { handle, refuse };
  const shell = createHttpServer({
    config: settings,
    backends,
    examples,
    graphql,
    demo: false,
    version: "1.2.3",
    log,
  });
  shells.push(shell);
  return { url: await shell.listen(), shell, logged };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A request as it is written: fetch would decompress, follow rules of browsers and forbid headers. */
function raw(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | readonly string[] } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: options.method ?? "GET", headers: options.headers ?? {} },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    if (typeof options.body === "string") request.end(options.body);
    else {
      for (const chunk of options.body ?? []) request.write(chunk);
      request.end();
    }
  });
}

const json = { "content-type": "application/json" };

describe("every answer", () => {
  test.each(["/", "/health", "/ready", "/graphql", "/nowhere", "/metrics"])(
    "%s carries the security headers",
    async (path) => {
      const { url } = await serve();
      const { headers } = await raw(url + path);
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
      });
      expect(headers["content-security-policy"]).toMatch(/^default-src 'none'.*frame-ancestors 'none'$/);
      expect(headers["x-powered-by"]).toBeUndefined();
    },
  );
});

describe("health and readiness", () => {
  test("both answer in JSON that may not be cached", async () => {
    const { url } = await serve();
    for (const [path, status] of [
      ["/health", "ok"],
      ["/ready", "ready"],
    ] as const) {
      const answer = await raw(url + path);
      expect(answer.status).toBe(200);
      expect(answer.headers["cache-control"]).toBe("no-store");
      expect(JSON.parse(answer.body.toString())).toEqual({ status });
    }
  });

  test("HEAD has the same headers and no body", async () => {
    const { url } = await serve();
    for (const path of ["/", "/health", "/ready"]) {
      const [get, head] = await Promise.all([raw(url + path), raw(url + path, { method: "HEAD" })]);
      expect(head.status).toBe(200);
      expect(head.body).toHaveLength(0);
      expect(head.headers["content-length"]).toBe(String(get.body.length));
    }
  });
});

describe("paths and methods that are none", () => {
  test.each(["/nowhere", "/graphql/", "/metrics", "/health/x", "//", "/constructor", "/__proto__"])(
    "%s is 404",
    async (path) => {
      const { url } = await serve();
      const answer = await raw(url, { headers: {} });
      expect(answer.status).toBe(200);
      const missing = await new Promise<number | undefined>((resolve, reject) => {
        const { hostname, port } = new URL(url);
        httpRequest({ hostname, port, path }, (response) => resolve(response.resume().statusCode))
          .on("error", reject)
          .end();
      });
      expect(missing).toBe(404);
    },
  );

  test("a method that a path does not take is 405 and names those it does", async () => {
    const { url } = await serve();
    const page = await raw(`${url}/health`, { method: "POST", body: "x" });
    expect([page.status, page.headers.allow]).toEqual([405, "GET, HEAD"]);
    const graph = await raw(`${url}/graphql`, { method: "DELETE" });
    expect([graph.status, graph.headers.allow]).toEqual([405, "GET, POST, OPTIONS"]);
    const extensions = { code: "BAD_USER_INPUT", retryable: false };
    expect(JSON.parse(graph.body.toString())).toEqual({ errors: [{ message: expect.any(String), extensions }] });
  });
});

describe("the size of a request", () => {
  const limits = { limits: { bodyBytes: 1024 } };

  test("is fine up to the limit", async () => {
    const { url } = await serve(limits);
    const body = "x".repeat(1024);
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: json, body });
    expect(JSON.parse(answer.body.toString())).toEqual({ method: "POST", body });
  });

  test.each<
    readonly [string, { readonly body: string | readonly string[]; readonly headers?: Record<string, string> }]
  >([
    ["announced", { body: "x".repeat(1025) }],
    ["not announced", { body: ["x".repeat(1000), "y".repeat(25)], headers: { "transfer-encoding": "chunked" } }],
    ["not announced and far beyond", { body: Array.from({ length: 100 }, () => "x".repeat(50_000)) }],
    ["far beyond the limit", { body: "x".repeat(5_000_000) }],
  ])("is 413 beyond it, %s, in a form that GraphQL clients read", async (_name, { body, ...more }) => {
    let reached = false;
    const { url } = await serve(limits, async (_request, response) => {
      reached = true;
      response.end();
    });
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: { ...json, ...more.headers }, body });
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body.toString())).toEqual({
      errors: [
        {
          message: "The request body is larger than 1024 bytes.",
          extensions: { code: "BAD_USER_INPUT", retryable: false },
        },
      ],
    });
    expect(reached).toBe(false);
  });

  test("an empty body reaches the endpoint as an empty one", async () => {
    const { url } = await serve(limits);
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: json, body: "" });
    expect(JSON.parse(answer.body.toString())).toEqual({ method: "POST", body: "" });
  });

  test("the answer speaks the media type that was asked for", async () => {
    const { url } = await serve(limits);
    const headers = { ...json, accept: "application/graphql-response+json" };
    const answer = await raw(`${url}/graphql`, { method: "POST", headers, body: "x".repeat(2000) });
    expect(answer.headers["content-type"]).toContain("application/graphql-response+json");
  });
});

describe("pages of other origins", () => {
  const ours = "https://app.example.com";
  const preflight = { origin: ours, "access-control-request-method": "POST" };

  test("may not read answers unless their origin was configured", async () => {
    const { url } = await serve();
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: { ...json, origin: ours }, body: "{}" });
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    const asked = await raw(`${url}/graphql`, { method: "OPTIONS", headers: preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("may when it was, and only they", async () => {
    const { url } = await serve({ server: { cors: { origins: [ours] } } });
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: { ...json, origin: ours }, body: "{}" });
    expect(answer.headers).toMatchObject({ "access-control-allow-origin": ours, vary: "origin" });
    expect(answer.headers["access-control-allow-credentials"]).toBeUndefined();
    const other = await raw(`${url}/graphql`, {
      method: "POST",
      headers: { ...json, origin: `${ours}.evil.example` },
      body: "{}",
    });
    expect(other.headers["access-control-allow-origin"]).toBeUndefined();
    expect(other.headers.vary).toBe("origin");
  });

  test("learn which headers they may send, a backend's credential among them", async () => {
    const { url } = await serve({ server: { cors: { origins: ["*"] } } });
    const { status, headers } = await raw(`${url}/graphql`, { method: "OPTIONS", headers: preflight });
    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers["access-control-allow-methods"]).toBe("GET, POST");
    expect(headers["access-control-allow-headers"]?.split(", ")).toEqual(
      expect.arrayContaining(["content-type", "authorization", "x-explain", "x-backend-token-zadig"]),
    );
  });
});

describe("a page of an allowed origin reads refusals as well", () => {
  const ours = "https://app.example.com";
  const cors = { cors: { origins: [ours] } };
  const asked = { ...json, origin: ours };
  const readable = (answer: Answer) => [
    answer.status,
    answer.headers["access-control-allow-origin"],
    JSON.parse(answer.body.toString()).errors[0].extensions,
  ];
  const refused = { code: "BAD_USER_INPUT", retryable: false };

  test("of a host that is not ours, which does not keep the page from asking", async () => {
    const { url } = await serve({ server: cors });
    const host = "evil.example.com";
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: { ...asked, host }, body: "{}" });
    expect(readable(answer)).toEqual([421, ours, refused]);
    const preflight = { origin: ours, host, "access-control-request-method": "POST" };
    expect((await raw(`${url}/graphql`, { method: "OPTIONS", headers: preflight })).status).toBe(204);
  });

  test("of a method, a body and a type that are none, and of a missing key", async () => {
    const { url } = await serve({ server: cors, limits: { bodyBytes: 1024 } });
    const body = "x".repeat(2000);
    expect(readable(await raw(`${url}/graphql`, { method: "POST", headers: asked, body }))).toEqual([
      413,
      ours,
      refused,
    ]);
    const plain = { ...asked, "content-type": "text/plain" };
    expect(readable(await raw(`${url}/graphql`, { method: "POST", headers: plain, body }))).toEqual([
      415,
      ours,
      refused,
    ]);
    expect(readable(await raw(`${url}/graphql`, { method: "PUT", headers: asked, body }))).toEqual([
      405,
      ours,
      refused,
    ]);
    const keys = [{ name: "app", sha256: "0".repeat(64) }];
    const locked = await serve({ server: cors, auth: { mode: "keys", keys } });
    const answer = await raw(`${locked.url}/graphql`, { method: "POST", headers: asked, body: "{}" });
    expect(readable(answer)).toEqual([401, ours, { code: "UNAUTHENTICATED", retryable: false }]);
    expect(answer.headers["access-control-expose-headers"]?.split(", ")).toContain("www-authenticate");
  });

  test("while the gateway shuts down, with a word on when to ask again", async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const { url, shell } = await serve({ server: cors }, async (_request, response) => {
      started.resolve();
      await finish.promise;
      response.end("{}");
    });
    const slow = raw(`${url}/graphql`, { method: "POST", headers: json, body: "{}" });
    await started.promise;
    const drained = shell.drain(10_000);
    const preflight = { origin: ours, "access-control-request-method": "POST" };
    const first = await raw(`${url}/graphql`, { method: "OPTIONS", headers: preflight });
    expect([first.status, first.headers["access-control-allow-origin"]]).toEqual([204, ours]);
    const late = await raw(`${url}/graphql`, { method: "POST", headers: asked, body: "{}" });
    expect(readable(late)).toEqual([503, ours, { code: "SERVICE_UNAVAILABLE", retryable: true }]);
    expect(late.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    expect(late.headers["access-control-expose-headers"]?.split(", ")).toContain("retry-after");
    finish.resolve();
    await slow;
    await drained;
  });
});

/** A request line of one's own choosing; the status it is answered with. */
function statusOf(url: string, target: string, host: string): Promise<number> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path: target, headers: { host } }, (response) =>
      resolve(response.resume().statusCode ?? 0),
    )
      .on("error", reject)
      .end();
  });
}

describe("a target in absolute form", () => {
  test("names the host itself: the Host header beside it means nothing", async () => {
    const { url } = await serve();
    expect(await statusOf(url, "http://localhost/health", "evil.example.com")).toBe(200);
    expect(await statusOf(url, "http://127.0.0.1:4000/graphql?query=%7B__typename%7D", "evil.example.com")).toBe(200);
    expect(await statusOf(url, "http://evil.example.com/health", "localhost")).toBe(421);
    expect(await statusOf(url, "http://localhost@evil.example.com/health", "localhost")).toBe(421);
    expect(await statusOf(url, "HTTPS://[::1]:8443/ready", "evil.example.com")).toBe(200);
    expect(await statusOf(url, "http://localhost", "localhost")).toBe(200);
    expect(await statusOf(url, "http://localhost/nowhere", "localhost")).toBe(404);
  });
});

describe("a name that is pointed at this machine by someone else", () => {
  test.each(["evil.example.com", "evil.example.com:4000", "127.0.0.1.evil.example.com", "localhost.evil.example.com"])(
    "%s is not answered",
    async (host) => {
      const { url } = await serve();
      expect((await raw(`${url}/graphql`, { method: "POST", headers: { ...json, host }, body: "{}" })).status).toBe(
        421,
      );
    },
  );

  test.each(["localhost", "LOCALHOST:4000", "127.0.0.1", "[::1]:4000", "gateway.localhost"])(
    "%s is ours",
    async (host) => {
      const { url } = await serve();
      expect((await raw(`${url}/health`, { headers: { host } })).status).toBe(200);
    },
  );

  test("is answered where anonymous callers were allowed", async () => {
    const { url } = await serve({ auth: { allowAnonymous: true } });
    expect((await raw(`${url}/health`, { headers: { host: "gateway.example.com" } })).status).toBe(200);
  });
});

describe("the pages", () => {
  const browser = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

  test("the front page escapes what it shows and allows no script", async () => {
    const { url } = await serve();
    const { headers, body } = await raw(`${url}/`, { headers: browser });
    expect(headers["content-security-policy"]).not.toContain("script-src");
    expect(headers["content-security-policy"]).not.toContain("unsafe");
    expect(body.toString()).toContain("Names &amp; &lt;kinds&gt;");
    expect(body.toString()).toContain("{ backends { name } } # &quot;&lt;&amp;&gt;&quot;");
    expect(body.toString()).toContain(`/graphql?query=${encodeURIComponent('{ backends { name } } # "<&>"')}`);
    expect(body.toString()).toContain("Version 1.2.3");
  });

  test("the front page links to no GraphiQL where there is none", async () => {
    const { url } = await serve({ server: { graphiql: false } });
    const { body } = await raw(`${url}/`, { headers: browser });
    expect(body.toString()).not.toContain("/graphql?query=");
  });

  test("GraphiQL is served to browsers and to no one else", async () => {
    const { url } = await serve();
    expect((await raw(`${url}/graphql`, { headers: browser })).headers["content-type"]).toBe(
      "text/html; charset=utf-8",
    );
    for (const accept of ["application/json", "*/*", "application/graphql-response+json", "text/htmlx"]) {
      expect((await raw(`${url}/graphql`, { headers: { accept } })).headers["content-type"]).toBe("application/json");
    }
    const post = await raw(`${url}/graphql`, { method: "POST", headers: { ...browser, ...json }, body: "{}" });
    expect(post.headers["content-type"]).toBe("application/json");
  });

  test("GraphiQL can be switched off", async () => {
    const { url } = await serve({ server: { graphiql: false } });
    expect((await raw(`${url}/graphql`, { headers: browser })).headers["content-type"]).toBe("application/json");
  });

  test("GraphiQL's policy names its one script and no address", async () => {
    const { url } = await serve();
    const policy = String((await raw(`${url}/graphql`, { headers: browser })).headers["content-security-policy"]);
    expect(policy).toMatch(/script-src 'sha256-[\w+/]{43}=' blob:;/);
    expect(policy).toContain("connect-src 'self'");
    expect(policy).not.toMatch(/https?:|\*/);
  });

  test("pages are compressed for those who can take it", async () => {
    const { url } = await serve();
    const pages = [`${url}/`, `${url}/graphql`];
    for (const page of pages) {
      const fetchAs = (coding: string) => raw(page, { headers: { ...browser, "accept-encoding": coding } });
      const plain = await fetchAs("identity");
      const etags = new Set([plain.headers.etag]);
      for (const coding of ["deflate", "gzip;q=0", "br;q=0, *;q=0", "gzip;q=nonsense", ""]) {
        const same = await fetchAs(coding);
        expect(same.headers["content-encoding"]).toBeUndefined();
        expect(same.body.equals(plain.body)).toBe(true);
      }
      for (const [accepted, coding, unpack] of [
        ["gzip", "gzip", gunzipSync],
        ["GZIP ; q=0.5", "gzip", gunzipSync],
        ["gzip, deflate, br, zstd", "br", brotliDecompressSync],
        ["gzip, zstd", "zstd", zstdDecompressSync],
        ["br;q=0.2, zstd;q=0.8, gzip;q=0.5", "zstd", zstdDecompressSync],
        ["br;q=0, *", "zstd", zstdDecompressSync],
      ] as const) {
        const packed = await fetchAs(accepted);
        expect(packed.headers["content-encoding"]).toBe(coding);
        expect(packed.headers.vary).toBe("accept, accept-encoding");
        expect(packed.body.length).toBeLessThan(plain.body.length / 2);
        expect(unpack(packed.body).equals(plain.body)).toBe(true);
        etags.add(packed.headers.etag);
      }
      expect(etags.size).toBe(4);
    }
  });

  test("a page that the browser has is not sent again", async () => {
    const { url } = await serve();
    const headers = { ...browser, "accept-encoding": "gzip" };
    const { etag } = (await raw(`${url}/graphql`, { headers })).headers;
    const again = await raw(`${url}/graphql`, { headers: { ...headers, "if-none-match": `"other", W/${etag}` } });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    expect((await raw(`${url}/graphql`, { headers: { ...headers, "if-none-match": '"other"' } })).status).toBe(200);
  });
});

describe("a bug behind the endpoint", () => {
  test("is masked, logged, and ends no other request", async () => {
    const { url, logged } = await serve({}, () => Promise.reject(new Error("a secret of the inside")));
    const answer = await raw(`${url}/graphql`, { method: "POST", headers: json, body: "{}" });
    expect(answer.status).toBe(500);
    const requestId = answer.headers["x-request-id"];
    expect(requestId).toMatch(/^[\w-]{36}$/);
    expect(JSON.parse(answer.body.toString())).toEqual({
      errors: [
        { message: "Unexpected error.", extensions: { code: "INTERNAL_SERVER_ERROR", retryable: false, requestId } },
      ],
    });
    expect(logged).toEqual(["a request failed"]);
    expect((await raw(`${url}/health`)).status).toBe(200);
  });

  test("a caller who leaves in the middle is none", async () => {
    const { url, logged } = await serve();
    const { hostname, port } = new URL(url);
    await new Promise<void>((resolve) => {
      const leaving = httpRequest({
        hostname,
        port,
        path: "/graphql",
        method: "POST",
        headers: { "content-length": 100 },
      });
      leaving.on("error", () => resolve());
      leaving.on("socket", (socket) => socket.on("connect", () => leaving.write("half", () => leaving.destroy())));
      leaving.on("close", () => resolve());
    });
    expect((await raw(`${url}/health`)).status).toBe(200);
    expect(logged).toEqual([]);
  });
});

describe("draining", () => {
  test("finishes what is in flight and refuses everything new, readiness included", async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const { url, shell } = await serve({}, async (_request, response) => {
      started.resolve();
      await finish.promise;
      response.end("done");
    });
    const slow = raw(`${url}/graphql`, { method: "POST", headers: json, body: "{}" });
    await started.promise;
    const drained = shell.drain(10_000);

    const ready = await raw(`${url}/ready`);
    expect([ready.status, JSON.parse(ready.body.toString())]).toEqual([503, { status: "draining" }]);
    expect((await raw(`${url}/health`)).status).toBe(200);
    const late = await raw(`${url}/graphql`, { method: "POST", headers: json, body: "{}" });
    expect([late.status, late.headers.connection]).toEqual([503, "close"]);
    expect((await raw(`${url}/`)).status).toBe(503);

    finish.resolve();
    const answer = await slow;
    expect([answer.status, answer.body.toString(), answer.headers.connection]).toEqual([200, "done", "close"]);
    await drained;
    await expect(raw(`${url}/health`)).rejects.toThrow("ECONNREFUSED");
  });

  test("does not wait longer than it was asked to", async () => {
    const started = Promise.withResolvers<void>();
    const { url, shell } = await serve({}, () => {
      started.resolve();
      return new Promise(() => undefined);
    });
    const stuck = expect(raw(`${url}/graphql`, { method: "POST", headers: json, body: "{}" })).rejects.toThrow();
    await started.promise;
    await shell.drain(50);
    await stuck;
  });

  test("of an idle server is done at once", async () => {
    const { url, shell } = await serve();
    await (await fetch(`${url}/health`)).text();
    const asked = performance.now();
    await shell.drain(10_000);
    expect(performance.now() - asked).toBeLessThan(1000);
  });
});
