import { createServer, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { GraphQLError, parse } from "graphql";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { executeReference, finishParts, isInParts } from "../src/server/graphql/reference-executor.ts";
import { codingFor } from "../src/server/http/negotiation.ts";
import { sendParts } from "../src/server/http/response.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;

beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterEach(async () => {
  for (const server of Object.values(gateway.estate.servers)) {
    server.setLatency(0);
    await server.setFault(null);
  }
});
afterAll(() => gateway.stop());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** What arrived together, in milliseconds after the question. */
  readonly chunks: readonly { readonly at: number; readonly text: string }[];
}

/** As it is written on the wire: fetch would decompress it. */
function raw(
  options: { readonly get?: string; readonly post?: unknown; readonly headers?: Readonly<Record<string, string>> },
  of: DemoGateway = gateway,
): Promise<Answer> {
  const url = `${of.url}/graphql${options.get === undefined ? "" : `?query=${encodeURIComponent(options.get)}`}`;
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const method = options.post === undefined ? "GET" : "POST";
    const headers = {
      ...(options.post === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    };
    const request = httpRequest(url, { method, headers }, (response) => {
      const chunks: { at: number; data: Buffer }[] = [];
      response.on("data", (data: Buffer) => chunks.push({ at: performance.now() - started, data }));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks.map(({ data }) => data)),
          chunks: chunks.map(({ at, data }) => ({ at, text: data.toString() })),
        }),
      );
    });
    request.on("error", reject);
    request.end(options.post === undefined ? undefined : JSON.stringify(options.post));
  });
}

const big = "{ releases(first: 20) { nodes { id version createdAt images { target { raw } } } } }";
const small = "{ backends { name } }";

describe("compression", () => {
  test.each([
    ["br", brotliDecompressSync],
    ["gzip", gunzipSync],
  ] as const)("%s is the same answer in fewer bytes", async (coding, unpack) => {
    const plain = await raw({ post: { query: big } });
    const packed = await raw({ post: { query: big }, headers: { "accept-encoding": coding } });
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(packed.headers["content-encoding"]).toBe(coding);
    expect(packed.headers["content-length"]).toBe(String(packed.body.length));
    expect(packed.headers.vary).toMatch(/accept-encoding/);
    expect(JSON.parse(unpack(packed.body).toString())).toEqual(JSON.parse(plain.body.toString()));
    expect(packed.body.length).toBeLessThan(plain.body.length / 3);
  });

  test("small answers go as they are", async () => {
    const answer = await raw({ post: { query: small }, headers: { "accept-encoding": "gzip, br" } });
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(JSON.parse(answer.body.toString())).toMatchObject({ data: { backends: expect.any(Array) } });
  });

  test.each([
    ["", null],
    ["identity", null],
    ["deflate, zstd", null],
    ["gzip", "gzip"],
    ["gzip, deflate, br, zstd", "br"],
    ["GZIP;q=1.0, br;q=0.5", "gzip"],
    ["br;q=0, gzip;q=0.001", "gzip"],
    ["*", "br"],
    ["*;q=0, gzip", "gzip"],
    ["br;q=0, *", "gzip"],
    ["br;q=high", null],
    ["gzip;q=0", null],
  ])("of %j takes %s", (accepted, coding) => {
    expect(codingFor(accepted, ["br", "gzip"])).toBe(coding);
  });
});

describe("what may be stored", () => {
  test("a question by GET: by the browser alone, and only as long as it still holds", async () => {
    const first = await raw({ get: big });
    expect(first.headers["cache-control"]).toBe("private, no-cache");
    // The demo answers pages of any loopback origin.
    expect(first.headers.vary).toBe("origin, accept, accept-encoding, authorization");
    const { etag } = first.headers;
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    const again = await raw({ get: big, headers: { "if-none-match": `"other", W/${etag}` } });
    expect(again.status).toBe(304);
    expect(again.body).toHaveLength(0);
    expect(again.headers).toMatchObject({ etag, "cache-control": "private, no-cache" });
    expect(again.headers["content-type"]).toBeUndefined();
    const packed = await raw({ get: big, headers: { "accept-encoding": "br" } });
    expect(packed.headers.etag).toBe(etag?.replace(/"$/, '-br"'));
    expect((await raw({ get: small, headers: { "if-none-match": String(etag) } })).status).toBe(200);
  });

  test.each([
    ["POST", { post: { query: small } }],
    ["an answer with errors", { get: '{ release(id: "nonsense") { id } }' }],
    ["a document that does not parse", { get: "{" }],
    ["a batch", { post: [{ query: small }] }],
  ])("not %s", async (_what, options) => {
    const { headers } = await raw(options);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers.etag).toBeUndefined();
  });

  test("pages of other origins are distinguished, whatever else the answer varies by", async () => {
    const open = await startDemoGateway({
      estate: gateway.estate,
      settings: { server: { cors: { origins: ["https://portal.example.com"] } } },
    });
    try {
      const { headers } = await raw({ get: small, headers: { origin: "https://portal.example.com" } }, open);
      expect(headers["access-control-allow-origin"]).toBe("https://portal.example.com");
      expect(headers.vary).toBe("origin, accept, accept-encoding, authorization");
    } finally {
      await open.stop();
    }
  });
});

describe("media types", () => {
  test("application/graphql-response+json says by its status whether there is data", async () => {
    const accept = "application/graphql-response+json";
    for (const [query, status] of [
      [small, 200],
      ["{ nothing }", 400],
      ["{", 400],
      ['{ release(id: "nonsense") { id } }', 200],
    ] as const) {
      const answer = await raw({ post: { query }, headers: { accept } });
      expect([query, answer.status]).toEqual([query, status]);
      expect(answer.headers["content-type"]).toBe("application/graphql-response+json; charset=utf-8");
    }
  });

  test("several questions in one request are answered in order, up to ten", async () => {
    const many = Array.from({ length: 10 }, (_, index) => ({ query: `{ n${index}: __typename }` }));
    const answer = await raw({ post: many });
    expect(JSON.parse(answer.body.toString())).toEqual(many.map((_, index) => ({ data: { [`n${index}`]: "Query" } })));
    expect((await raw({ post: [...many, { query: small }] })).status).toBe(413);
  });

  test("SSE: one event with the answer, one that says it is complete", async () => {
    const answer = await raw({ post: { query: small }, headers: { accept: "text/event-stream" } });
    expect(answer.headers["content-type"]).toMatch(/^text\/event-stream/);
    expect(answer.headers["cache-control"]).toBe("no-store");
    const events = answer.body.toString().match(/^event: .*\ndata:.*$/gm) ?? [];
    expect(events).toHaveLength(2);
    expect(JSON.parse(String(events[0]).replace(/^event: next\ndata: /, ""))).toMatchObject({
      data: { backends: expect.any(Array) },
    });
    expect(events[1]).toBe("event: complete\ndata:");
  });
});

interface Part {
  readonly data?: unknown;
  readonly errors?: readonly unknown[];
  readonly incremental?: readonly {
    readonly data?: unknown;
    readonly path?: readonly (string | number)[];
    readonly label?: string;
    readonly errors?: readonly { readonly extensions?: Readonly<Record<string, unknown>> }[];
  }[];
  readonly hasNext: boolean;
}

/** The parts of a multipart answer with the time each was complete. */
function partsOf(answer: Answer): readonly (Part & { readonly at: number })[] {
  const parts: (Part & { at: number })[] = [];
  let text = "";
  for (const chunk of answer.chunks) {
    text += chunk.text;
    for (let end = text.indexOf("\r\n---"); end >= 0; end = text.indexOf("\r\n---")) {
      const json = text.slice(0, end).split("\r\n\r\n").at(-1)?.trim();
      if (json) parts.push({ ...JSON.parse(json), at: chunk.at });
      text = text.slice(end + 5);
    }
  }
  return parts;
}

async function tracedImage(): Promise<string> {
  const { body } = await gateway.ask("{ releases(first: 1) { nodes { images { source { raw } } } } }");
  const raw = /"raw":"([^"]+)"/.exec(JSON.stringify(body))?.[1];
  if (!raw) throw new Error("the demo has no image to trace");
  return raw;
}

describe("an answer in events", () => {
  test("is prevented from looking idle while nothing happens", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const second = Promise.withResolvers<string>();
    async function* parts() {
      yield '{"n":1}';
      yield await second.promise;
    }
    const server = createServer((_request, response) => void sendParts(response, "text/event-stream", false, parts()));
    try {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      const response = await fetch(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`);
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      const readUntil = async (end: string) => {
        while (!text.endsWith(end)) text += (await reader?.read())?.value ?? "";
      };
      await readUntil('data: {"n":1}\n\n');
      vi.advanceTimersByTime(13_000);
      await readUntil('data: {"n":1}\n\n:\n\n');
      second.resolve('{"n":2}');
      await readUntil("event: complete\ndata:\n\n");
      expect(text).toBe(
        ':\n\nevent: next\ndata: {"n":1}\n\n:\n\nevent: next\ndata: {"n":2}\n\nevent: complete\ndata:\n\n',
      );
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
      server.close();
    }
  });
});

describe("@defer", () => {
  const parts = { accept: "multipart/mixed" };

  async function trace(): Promise<string> {
    return `{ traceByImage(image: "${await tracedImage()}") {
      artifact { digest ... @defer(label: "releases") { releases { nodes { version } } } }
      sources { status backend { name } }
    } }`;
  }

  test("the slow part of a trace follows; what is known goes out before", async () => {
    const query = await trace();
    const whole = await gateway.ask(query, { headers: { accept: "application/json" } });
    // The trace itself asks Zadig once; the releases are a list of several calls behind that.
    gateway.estate.servers.zadig.setLatency(150);
    const answer = await raw({ post: { query }, headers: parts });
    expect(answer.headers["content-type"]).toMatch(/^multipart\/mixed/);
    expect(answer.headers["cache-control"]).toBe("no-store");
    const [first, ...later] = partsOf(answer);
    expect(first).toMatchObject({
      data: { traceByImage: { artifact: { digest: expect.stringMatching(/^sha256:/) } } },
      hasNext: true,
    });
    expect(JSON.stringify(first?.data)).not.toContain("releases");
    expect(later.at(-1)?.hasNext).toBe(false);
    const [late] = later.flatMap(({ incremental }) => incremental ?? []);
    expect(late).toMatchObject({ label: "releases", path: ["traceByImage", "artifact"] });
    expect(whole.body.data).toMatchObject({ traceByImage: { artifact: late?.data } });
    expect((later[0]?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(100);
  });

  test("over SSE as events", async () => {
    const answer = await raw({ post: { query: await trace() }, headers: { accept: "text/event-stream" } });
    const events = (answer.body.toString().match(/^event: next\ndata: .*$/gm) ?? []).map((event) =>
      JSON.parse(event.replace(/^event: next\ndata: /, "")),
    );
    expect(events[0]).toMatchObject({ hasNext: true });
    expect(events.at(-1)).toMatchObject({ hasNext: false });
  });

  test.each([
    ["does not take parts", "application/json"],
    ["takes the new media type only", "application/graphql-response+json"],
  ])("a client that %s gets the answer whole", async (_what, accept) => {
    const query = await trace();
    const answer = await raw({ post: { query }, headers: { accept } });
    expect(answer.status).toBe(200);
    const body = JSON.parse(answer.body.toString());
    expect(body.hasNext).toBeUndefined();
    expect(body.data.traceByImage.artifact).toMatchObject({ releases: { nodes: expect.any(Array) } });
  });

  test("in a batch every answer is whole", async () => {
    const query = await trace();
    const answer = await raw({ post: [{ query }, { query: small }], headers: { accept: "*/*" } });
    const [first, second] = JSON.parse(answer.body.toString());
    expect(first.data.traceByImage.artifact).toMatchObject({ releases: { nodes: expect.any(Array) } });
    expect(second.data.backends).toHaveLength(4);
  });

  test("if: false, and a variable that says so, defer nothing", async () => {
    const query = "query ($later: Boolean!) { backends { name ... @defer(if: $later) { kind } } }";
    const answer = await raw({ post: { query, variables: { later: false } }, headers: parts });
    expect(answer.body.toString()).not.toContain("incremental");
    const late = await raw({ post: { query, variables: { later: true } }, headers: parts });
    expect(partsOf(late).flatMap(({ incremental }) => incremental ?? [])).toHaveLength(4);
  });

  test("a failure of a later part is reported there, in our words", async () => {
    const query = `{ backends { name } ... @defer { packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }) { nodes { name } } } }`;
    await gateway.estate.servers.bkrepo.setFault({ kind: "status", status: 500 });
    const answer = await raw({ post: { query }, headers: parts });
    const late = partsOf(answer).flatMap(({ incremental }) => incremental ?? []);
    expect(late.flatMap(({ errors }) => errors ?? [])).toMatchObject([
      { path: ["packages"], extensions: { code: "UPSTREAM_UNAVAILABLE", backend: "bkrepo" } },
    ]);
    expect(answer.body.toString()).not.toContain("broken");
    expect(answer.body.toString()).not.toContain(gateway.estate.servers.bkrepo.url);
  });

  test("a row left out of a later part is reported with that part", async () => {
    const query = `{ backends { name } ... @defer { packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }) { nodes { name } } } }`;
    gateway.estate.servers.bkrepo.setTamper((reply) => ({
      ...reply,
      body: JSON.parse(JSON.stringify(reply.body).replace(/"key":"gav:[^"]*"/, '"key":7')),
    }));
    try {
      const answer = await raw({ post: { query }, headers: parts });
      const late = partsOf(answer).flatMap(({ incremental }) => incremental ?? []);
      expect(late.flatMap(({ errors }) => errors ?? [])).toMatchObject([
        { path: ["packages"], extensions: { code: "UPSTREAM_MALFORMED", backend: "bkrepo" } },
      ]);
    } finally {
      gateway.estate.servers.bkrepo.setTamper(null);
    }
  });

  test("costs what it costs without: a deferred fragment is measured like any other", async () => {
    const tight = await startDemoGateway({ estate: gateway.estate, settings: { limits: { cost: 10 } } });
    try {
      const answer = await raw({ post: { query: await trace() }, headers: parts }, tight);
      expect(answer.body.toString()).toContain("COST_LIMIT_EXCEEDED");
    } finally {
      await tight.stop();
    }
  });

  test("who leaves before the rest is there stops the asking", async () => {
    const query = await trace();
    gateway.estate.servers.zadig.setLatency(120);
    gateway.forget();
    const leaving = new AbortController();
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...parts },
      body: JSON.stringify({ query }),
      signal: leaving.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    const before = gateway.estate.servers.zadig.seen.length;
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(gateway.estate.servers.zadig.seen.length - before).toBeLessThanOrEqual(1);
    expect(gateway.log.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("a bug in a later part is masked and logged, not sent", async () => {
    const ended: unknown[] = [];
    const schema = makeExecutableSchema({
      typeDefs: `directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
        type Query { fine: Int late: Int }`,
      resolvers: {
        Query: {
          fine: () => 1,
          late: async () => {
            throw new Error("secret of the house");
          },
        },
      },
    });
    const ran = await executeReference({
      schema,
      document: parse("{ fine ... @defer { late } }"),
      operationName: null,
      variables: {},
      context: { meter: null },
      signal: new AbortController().signal,
    });
    if (!isInParts(ran)) throw new Error("the answer came whole");
    const mask = (error: unknown) =>
      new GraphQLError("masked", { path: error instanceof GraphQLError ? (error.path ?? null) : null });
    const done = (result: unknown) => void ended.push(result);
    const sent: unknown[] = [];
    for await (const part of finishParts(ran, { mask, problems: [], finish: (part) => part, done })) sent.push(part);
    const text = JSON.stringify(sent);
    expect(text).toContain('"message":"masked"');
    expect(text).not.toContain("secret");
    expect(ended).toMatchObject([{ data: { fine: 1 }, errors: [{ message: "masked", path: ["late"] }] }]);
  });
});
