import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { configOf } from "../src/config/index.ts";
import { readManifest } from "../src/config/manifest.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { type GatewayProcess, runMain, startMain } from "./support/process.ts";

const names = "query Names { backends { name } }";
const kinds = "query Kinds { backends { kind } }";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const md5 = (text: string) => createHash("md5").update(text).digest("hex");

/** The same two operations as each of the tools writes them. */
const manifests = {
  relay: { [md5(names)]: names, [md5(kinds)]: kinds },
  codegen: { [sha256(names)]: names, [sha256(kinds)]: kinds },
  apollo: {
    format: "apollo-persisted-query-manifest",
    version: 1,
    operations: [
      { id: sha256(names), name: "Names", type: "query", body: names },
      { id: sha256(kinds), name: "Kinds", type: "query", body: kinds },
    ],
  },
};

let estate: Estate;
let folder: string;
const running: GatewayProcess[] = [];

beforeAll(async () => {
  estate = await startEstate();
  folder = mkdtempSync(join(tmpdir(), "persisted-"));
});
afterAll(async () => {
  await Promise.all(running.map((gateway) => gateway.close()));
  await estate.close();
  rmSync(folder, { recursive: true, force: true });
});

let files = 0;

/** A configuration with a manifest beside it. */
function configured(manifest: unknown, settings: Readonly<Record<string, unknown>>): string {
  const home = join(folder, `gateway-${++files}`);
  mkdirSync(home);
  if (manifest !== undefined) {
    writeFileSync(join(home, "operations.json"), typeof manifest === "string" ? manifest : JSON.stringify(manifest));
  }
  const file = join(home, "gateway.yaml");
  writeFileSync(file, JSON.stringify({ ...estate.settings, ...settings }));
  return file;
}

async function serve(manifest: unknown, settings: Readonly<Record<string, unknown>>): Promise<GatewayProcess> {
  const gateway = await startMain(["--config", configured(manifest, settings)]);
  running.push(gateway);
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly code?: unknown;
  readonly message?: string;
}

async function ask(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return read(response);
}

async function read(response: Response): Promise<Answer> {
  const { data, errors } = await response.json();
  const [error] = errors ?? [];
  return {
    status: response.status,
    ...(data ? { data } : {}),
    ...(error ? { code: error.extensions?.code, message: error.message } : {}),
  };
}

const withHash = (sha256Hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } });

describe("only what the manifest holds", () => {
  const only = { persisted: { manifest: "operations.json", only: true } };

  test.each([
    ["Relay's compiler", manifests.relay, md5],
    ["GraphQL Codegen's client preset", manifests.codegen, sha256],
    ["Apollo's manifest generator", manifests.apollo, sha256],
  ] as const)("as %s writes it, by whatever name clients send the id", async (_tool, manifest, hash) => {
    const { url } = await serve(manifest, only);
    const id = hash(names);
    for (const body of [{ documentId: id }, { doc_id: id }, { id }, withHash(id), { id, variables: {} }]) {
      expect(await ask(url, body)).toMatchObject({ status: 200, data: { backends: expect.any(Array) } });
    }
    for (const query of [
      `documentId=${id}`,
      `extensions=${encodeURIComponent(JSON.stringify(withHash(id).extensions))}`,
    ]) {
      const response = await fetch(`${url}/graphql?${query}`);
      expect(await read(response)).toMatchObject({ status: 200, data: { backends: expect.any(Array) } });
    }

    const other = { query: "{ backends { name kind } }" };
    expect(await ask(url, other)).toMatchObject({ status: 400, code: "PERSISTED_QUERY_ONLY" });
    expect(await ask(url, { ...other, ...withHash(sha256(other.query)) })).toMatchObject({
      code: "PERSISTED_QUERY_ONLY",
    });
    expect(await ask(url, withHash(sha256(other.query)))).toMatchObject({
      status: 400,
      code: "PERSISTED_QUERY_NOT_IN_LIST",
    });
    expect(await ask(url, {})).toMatchObject({ status: 400, code: "PERSISTED_QUERY_ONLY" });
    expect(await ask(url, { documentId: "constructor" })).toMatchObject({ code: "PERSISTED_QUERY_NOT_IN_LIST" });
    const get = await fetch(`${url}/graphql?query=${encodeURIComponent(other.query)}`);
    expect(await read(get)).toMatchObject({ status: 400, code: "PERSISTED_QUERY_ONLY" });
  });

  test("what runs is the manifest's text, whatever text comes along with its id", async () => {
    const { url } = await serve(manifests.apollo, only);
    const answer = await ask(url, { query: "{ __schema { description } }", ...withHash(sha256(names)) });
    expect(answer.data).toEqual({ backends: expect.arrayContaining([{ name: "zadig" }]) });
  });

  test("in a batch each operation is subject to it", async () => {
    const { url } = await serve(manifests.relay, only);
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify([{ id: md5(names) }, { query: kinds }]),
    });
    const [first, second] = await response.json();
    expect(first.data.backends).toHaveLength(4);
    expect(second.data).toBeUndefined();
    expect(second.errors[0].extensions.code).toBe("PERSISTED_QUERY_ONLY");
  });

  test("the router and GraphiQL are let past when the configuration says so", async () => {
    const [router, app] = ["key-of-the-router", "key-of-the-app"];
    const { url } = await serve(manifests.relay, {
      server: { graphiql: true, introspection: true, subgraph: true },
      auth: {
        mode: "keys",
        keys: [
          { name: "router", sha256: sha256(router) },
          { name: "app", sha256: sha256(app) },
        ],
      },
      persisted: { ...only.persisted, except: { callers: ["router"], graphiql: true } },
    });
    const by = (key: string, more = {}) => ({ authorization: `Bearer ${key}`, ...more });
    const query = { query: "{ _service { sdl } }" };
    expect(await ask(url, query, by(router))).toMatchObject({ status: 200, data: { _service: expect.anything() } });
    expect(await ask(url, query, by(app))).toMatchObject({ status: 400, code: "PERSISTED_QUERY_ONLY" });
    expect(await ask(url, { id: md5(names) }, by(app))).toMatchObject({ status: 200 });
    expect(await ask(url, query, by(app, { "sec-fetch-site": "same-origin" }))).toMatchObject({ status: 200 });
    expect(await ask(url, query)).toMatchObject({ status: 401 });
  });

  test("no one passes when it does not", async () => {
    const { url } = await serve(manifests.relay, only);
    expect(await ask(url, { query: names }, { "sec-fetch-site": "same-origin" })).toMatchObject({
      code: "PERSISTED_QUERY_ONLY",
    });
  });
});

describe("a manifest beside free operations", () => {
  test("both are run, and clients may register more", async () => {
    const { url } = await serve(manifests.relay, { persisted: { manifest: "operations.json" } });
    expect(await ask(url, { id: md5(names) })).toMatchObject({ status: 200 });
    expect(await ask(url, { query: kinds })).toMatchObject({ status: 200 });
    expect(await ask(url, withHash(sha256(kinds)))).toMatchObject({ code: "PERSISTED_QUERY_NOT_FOUND" });
    expect(await ask(url, { id: "unknown" })).toMatchObject({ code: "PERSISTED_QUERY_NOT_IN_LIST" });
  });
});

describe("automatic persisted queries", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway({ estate });
  });
  afterAll(() => gateway.stop());

  test("a hash alone is asked for its text once, and then is enough", async () => {
    const hash = withHash(sha256(names));
    expect(await ask(gateway.url, hash)).toEqual({
      status: 200,
      code: "PERSISTED_QUERY_NOT_FOUND",
      message: "PersistedQueryNotFound",
    });
    const full = await ask(gateway.url, { query: names, ...hash });
    expect(full).toMatchObject({ status: 200, data: { backends: expect.any(Array) } });
    expect(await ask(gateway.url, hash)).toEqual(full);
    const extensions = encodeURIComponent(JSON.stringify(hash.extensions));
    expect(await read(await fetch(`${gateway.url}/graphql?extensions=${extensions}`))).toEqual(full);
  });

  test("a text under another text's hash is refused and not stored", async () => {
    const hash = withHash(sha256(kinds));
    expect(await ask(gateway.url, { query: names, ...hash })).toMatchObject({ status: 400, code: "BAD_USER_INPUT" });
    expect(gateway.log.at(-1)?.facts).toMatchObject({ outcome: "refused", calls: 0 });
    expect(await ask(gateway.url, hash)).toMatchObject({ code: "PERSISTED_QUERY_NOT_FOUND" });
  });

  test("can be switched off, in the words that make clients send the text", async () => {
    const off = await startDemoGateway({ estate, settings: { persisted: { automatic: false } } });
    try {
      expect(await ask(off.url, withHash(sha256(names)))).toMatchObject({
        status: 400,
        code: "PERSISTED_QUERY_NOT_SUPPORTED",
        message: "PersistedQueryNotSupported",
      });
      expect(await ask(off.url, { query: names, ...withHash(sha256(names)) })).toMatchObject({ status: 200 });
      expect(await ask(off.url, withHash(sha256(names)))).toMatchObject({ code: "PERSISTED_QUERY_NOT_SUPPORTED" });
    } finally {
      await off.stop();
    }
  });
});

describe("what is wrong is reported before anything listens", () => {
  test.each([
    ["{", "is not JSON"],
    ["[]", "is not a map of operations"],
    ["{}", "holds no operation"],
    ['{"a": 7}', "has no text for the operation a"],
    ['{"": "{ x }"}', "has an operation without an id"],
    ['{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}', "is not version 1 of the"],
    [
      '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a", "body": "{ x }"}, {"id": "a", "body": "{ y }"}]}',
      "has two texts for the operation a",
    ],
  ])("%s", async (text, problem) => {
    const read = readManifest(text);
    expect("problem" in read ? read.problem : null).toContain(problem);
    const file = configured(text, { persisted: { manifest: "operations.json" } });
    for (const args of [
      ["--check", "--config", file],
      ["--config", file],
    ]) {
      const ended = await runMain(args);
      expect(ended.code).toBe(1);
      expect(ended.stdout).toBe("");
      expect(ended.stderr).toContain(`persisted.manifest (operations.json) ${problem}`);
      expect(ended.stderr).not.toMatch(/\n\s+at /);
    }
  });

  test("a manifest that is not there", async () => {
    const file = configured(undefined, { persisted: { manifest: "operations.json", only: true } });
    const { code, stderr } = await runMain(["--check", "--config", file]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("operations.json: there is no such file.")]);
    writeFileSync(join(file, "../operations.json"), JSON.stringify(manifests.relay));
    expect(await runMain(["--check", "--config", file])).toMatchObject({ code: 0, stdout: "ok\n" });
  });

  test.each([
    [{ only: true }, "persisted.only", "needs a manifest"],
    [{ only: true, manifest: "m", automatic: true }, "persisted.automatic", "would let everybody past only"],
    [{ except: { callers: ["router"] } }, "persisted.except.callers", "is only looked at with only: true"],
    [{ except: { graphiql: true } }, "persisted.except.graphiql", "is only looked at with only: true"],
    [{ manifests: "m" }, "persisted.manifests", "manifest"],
  ])("settings that contradict themselves: %j", (persisted, path, message) => {
    const reading = configOf({ ...estate.settings, persisted }, {});
    expect("problems" in reading ? reading.problems : []).toEqual([
      expect.objectContaining({ path, message: expect.stringContaining(message) }),
    ]);
  });
});
