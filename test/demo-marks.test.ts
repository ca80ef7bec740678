import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayProcess, startMain } from "./support/process.ts";

const mark = "x-delivery-graph";
let folder: string;
let demo: GatewayProcess;
let served: GatewayProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "delivery-graph-marks-"));
  const path = join(folder, "gateway.yaml");
  const backend = "{ name: zadig, kind: zadig, url: http://127.0.0.1:9, credentials: { token: t } }";
  await writeFile(path, `backends: [${backend}]\n`);
  [demo, served] = await Promise.all([startMain(["--demo"]), startMain(["--config", path])]);
});

afterAll(async () => {
  await Promise.all([demo.close(), served.close()]);
  await rm(folder, { recursive: true, force: true });
});

const question = "/graphql?query={__typename}";
const post = (type: string, body: string): RequestInit => ({ method: "POST", headers: { "content-type": type }, body });

describe("every answer of the demo says so in its header, and no other gateway's does", () => {
  test.each<[what: string, path: string, init?: RequestInit]>([
    ["an answer", question],
    ["a refused operation", "/graphql", post("application/json", '{"query":"{ nothing }"}')],
    ["a refused body", "/graphql", post("text/plain", "{}")],
    ["a refused method", "/graphql", { method: "DELETE" }],
    ["GraphiQL", "/graphql", { headers: { accept: "text/html" } }],
    ["the front page", "/"],
    ["health", "/health"],
    ["readiness", "/ready"],
    ["figures", "/metrics"],
    ["what is not there", "/nothing"],
    ["a question of a browser", "/graphql", { method: "OPTIONS", headers: { origin: "http://localhost:5173" } }],
  ])("%s", async (_what, path, init) => {
    const [ours, theirs] = await Promise.all([demo, served].map(({ url }) => fetch(`${url}${path}`, init)));
    expect([ours?.headers.get(mark), theirs?.headers.get(mark)]).toEqual(["demo", null]);
    await Promise.all([ours?.arrayBuffer(), theirs?.arrayBuffer()]);
  });

  test("what cannot be read as a request", async () => {
    const answerOf = (url: string) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.write("this is no request\r\n\r\n");
      return text(socket);
    };
    expect(await answerOf(demo.url)).toContain(`${mark}: demo\r\n`);
    expect(await answerOf(served.url)).not.toContain(mark);
  });
});

describe("the demo says so", () => {
  const bodies = (path: string, accept = "*/*") =>
    Promise.all([demo, served].map(async ({ url }) => (await fetch(`${url}${path}`, { headers: { accept } })).text()));

  test("in /ready", async () => {
    const [ours, theirs] = await bodies("/ready");
    expect([ours, theirs]).toEqual(['{"status":"ready","demo":true}', '{"status":"ready"}']);
  });

  test("in the figures", async () => {
    const [ours, theirs] = await bodies("/metrics");
    expect(ours).toContain("\ndelivery_graph_demo 1\n");
    expect(theirs).toContain("\ndelivery_graph_demo 0\n");
  });

  test.each([
    ["the front page", "/", "*/*"],
    ["GraphiQL", "/graphql", "text/html"],
  ])("on the page: %s", async (_name, path, accept) => {
    const [ours, theirs] = await bodies(path, accept);
    expect(ours).toMatch(/class="badge">demo with made-up data</);
    expect(theirs).not.toContain('class="badge"');
  });

  test("in the log, in one line", () => {
    expect(
      demo
        .stderr()
        .split("\n")
        .filter((line) => line.includes("made up")),
    ).toHaveLength(1);
    expect(served.stderr()).not.toContain("made up");
  });
});

describe("pages of this machine", () => {
  const ask = (
    url: string,
    origin: string,
    init: RequestInit = post("application/json", '{"query":"{ __typename }"}'),
  ) => fetch(`${url}/graphql`, { ...init, headers: { ...init.headers, origin } });
  const preflight: RequestInit = { method: "OPTIONS", headers: { "access-control-request-method": "POST" } };

  test.each(["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:8080", "https://localhost:4443"])(
    "may ask the demo from %s, and no other gateway",
    async (origin) => {
      for (const init of [undefined, preflight]) {
        const answer = await ask(demo.url, origin, init);
        expect(answer.ok).toBe(true);
        expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
        expect(answer.headers.get("access-control-expose-headers")).toContain(mark);
        expect(answer.headers.get("vary")?.toLowerCase()).toContain("origin");
      }
      const get = await fetch(`${demo.url}${question}`, { headers: { origin, "sec-fetch-site": "same-site" } });
      expect(await get.json()).toEqual({ data: { __typename: "Query" } });
      expect((await ask(served.url, origin)).headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  test.each([
    "http://example.com",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com:80",
    "null",
    "file://",
  ])("no page of another one: %s", async (origin) => {
    for (const init of [undefined, preflight]) {
      expect((await ask(demo.url, origin, init)).headers.get("access-control-allow-origin")).toBeNull();
    }
    const get = await fetch(`${demo.url}${question}`, { headers: { origin, "sec-fetch-site": "cross-site" } });
    expect(get.status).toBe(403);
  });
});
