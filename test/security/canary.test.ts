import { InMemorySpanExporter } from "@opentelemetry/sdk-trace";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Estate, startEstate } from "../../demo/estate.ts";
import type { DemoReply } from "../../demo/server.ts";
import { bkrepoReference, credentials, hosts, images, swrReference } from "../../demo/story.ts";
import { configOf } from "../../src/config/index.ts";
import { tracingOf } from "../../src/config/tracing.ts";
import { createSchema } from "../../src/graph/schema/schema.ts";
import { type Gateway, startGateway } from "../../src/server/gateway.ts";
import { startTracing, type Tracing } from "../../src/server/observability/tracing.ts";
import { everyQuery, type Samples } from "./every-query.ts";

/** Letters and digits only, so that no form of escaping hides it. */
const canary = "c4n4ryThatMustStayInside";

/** Names that secrets go by at the four vendors, and some that nobody has. */
const strangeNames = [
  ...[
    "oauth_token",
    "password",
    "username",
    "ssh_key",
    "private_access_token",
    "webhook_url",
    "x_unknown",
    "_links_secret",
  ],
  ...[
    "token",
    "secret",
    "access_key",
    "secretKey",
    "runners_token",
    "job_token",
    "imagePullSecret",
    "toString",
    "kubeconfig",
  ],
];

let estate: Estate;

beforeAll(async () => {
  estate = await startEstate();
});

afterAll(() => estate.close());

/** A gateway of which everything that comes out is kept. */
interface Watched {
  readonly ask: (query: string, headers?: Readonly<Record<string, string>>) => Promise<string>;
  /** Everything that came out since the start, whatever the way. */
  readonly out: () => Promise<string>;
  readonly answers: string[];
  readonly stop: () => Promise<void>;
}

const running: Watched[] = [];

afterEach(async () => {
  for (const watched of running.splice(0)) await watched.stop();
  for (const server of Object.values(estate.servers)) {
    server.setTamper(null);
    await server.setFault(null);
  }
});

async function watch(): Promise<Watched> {
  const listed = Object(estate.settings)["backends"] as readonly object[];
  const limits = {
    depth: 40,
    cost: 10_000_000,
    upstreamCalls: 100_000,
    tokens: 1_000_000,
    aliases: 10_000,
    bodyBytes: 10_000_000,
  };
  const patient = { retries: 0, breaker: { failures: 1000 } };
  const backends = listed.map((backend) => ({ ...backend, ...patient }));
  const reading = configOf({ ...estate.settings, limits, backends }, { PORT: "0", HOST: "127.0.0.1" });
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const lines: string[] = [];
  const log = pino({ level: "trace", base: null }, { write: (line: string) => void lines.push(line) });
  const exporter = new InMemorySpanExporter();
  const config = tracingOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY: "1" });
  if (config === null) throw new Error("no tracing");
  const tracing: Tracing = startTracing({ config, version: "0", log, exporter });
  const gateway: Gateway = await startGateway({
    config: reading.config,
    log,
    version: "0",
    observers: [tracing.observer],
  });
  const answers: string[] = [];
  const get = async (path: string, init: RequestInit) => {
    const response = await fetch(gateway.url + path, init);
    const text = await response.text();
    answers.push(`${response.status} ${JSON.stringify([...response.headers])}\n${text}`);
    return text;
  };
  const watched: Watched = {
    answers,
    ask: (query, headers = {}) =>
      get("/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", "x-explain": "actual", ...headers },
        body: JSON.stringify({ query }),
      }),
    out: async () => {
      await get("/metrics", {});
      await get("/", {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      const spans = exporter.getFinishedSpans().map(({ name, attributes, events, status, links, resource }) => ({
        ...{ name, attributes, events, status, links },
        resource: resource.attributes,
      }));
      expect(spans.length).toBeGreaterThan(0);
      expect(lines.length).toBeGreaterThan(0);
      return [...answers, ...lines, JSON.stringify(spans)].join("\n");
    },
    stop: async () => {
      await gateway.stop(0);
      await tracing.close();
    },
  };
  running.push(watched);
  return watched;
}

/** What was printed in base64 (ids, cursors) counts as printed. */
function legible(text: string): string {
  const packed = text.match(/[A-Za-z0-9_-]{24,}/g) ?? [];
  return [text, ...packed.map((one) => Buffer.from(one, "base64url").toString("latin1"))].join("\n");
}

let samples: Samples;

/** Arguments that find something: from the story, and ids as the gateway prints them. */
async function learn(): Promise<Samples> {
  const watched = await watch();
  const found = new Map<string, string>();
  for (const query of everyQuery(createSchema(), given, 4).queries) {
    const text = await watched.ask(query);
    for (const [, type, id] of text.matchAll(/"(Release|BuildInfo|Artifact|Package|Version)_id":"([\w-]+)"/g)) {
      const [backend] = /zadig|bkrepo|swr-north4|gitlab/.exec(Buffer.from(id ?? "", "base64url").toString()) ?? [""];
      if (type && id && !found.has(`${type} ${backend}`)) found.set(`${type} ${backend}`, id);
    }
  }
  const ids = [...found.values()];
  expect(ids.length).toBeGreaterThanOrEqual(10);
  const release = ids.filter((_id, index) => [...found.keys()][index]?.startsWith("Release"));
  return {
    ...given,
    // All of them are asked for at once by `nodes`.
    "Query.node.id": ids.slice(0, 1).map((id) => JSON.stringify(id)),
    "Query.release.id": release.map((id) => JSON.stringify(id)),
    ids: [JSON.stringify(ids)],
  };
}

const text = (...all: string[]) => all.map((one) => JSON.stringify(one));
const given: Samples = {
  first: ["2"],
  id: text("MToxMTpQaXBlbGluZVJ1bg"),
  ids: ["[]"],
  ref: [
    '{ backend: "gitlab", repository: "pay/api", key: "maven:com/acme/pay/pay-sdk" }',
    '{ backend: "gitlab", repository: "pay/api", key: "image:pay/api" }',
    '{ backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }',
    '{ backend: "bkrepo", repository: "pay/docker-local", key: "docker://api" }',
    '{ backend: "swr-north4", repository: "pay-core", key: "image://api" }',
  ],
  scope: [
    '{ backend: "gitlab", group: "pay" }',
    '{ backend: "gitlab", repository: "infra/tools" }',
    '{ backend: "bkrepo", repository: "pay/maven-local" }',
    '{ backend: "swr-north4", repository: "pay-core" }',
  ],
  image: text(
    swrReference(images.api),
    bkrepoReference(images.web),
    swrReference(images.legacy),
    `${hosts.gitlab}/pay/api:2.4.0`,
  ),
  "Query.traceByDigest.digest": text(images.api.digest, images.worker.digest),
  hint: ['{ backend: "bkrepo", repository: "pay/docker-local" }', "null"],
  purl: text("pkg:maven/com.acme.pay/pay-sdk@2.4.0", "pkg:npm/%40acme/pay-client@2.4.0"),
  "Query.searchPackages.name": text("pay-sdk", "api"),
  "Query.releases.filter": ["{}", '{ project: "pay" }'],
  "Query.artifacts.filter": ["{}", '{ name: "api" }'],
  "Package.version.name": text("2.4.0"),
};

function tamperAll(change: (reply: DemoReply, rawPath: string, kind: string) => DemoReply): void {
  for (const [kind, server] of Object.entries(estate.servers)) {
    server.setTamper((reply, { rawPath }) => change(reply, rawPath, kind));
  }
}

/** The same value with something done to every object in it. */
function inEvery(value: unknown, change: (object: Readonly<Record<string, unknown>>) => object): unknown {
  if (Array.isArray(value)) return value.map((one) => inEvery(one, change));
  if (typeof value !== "object" || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inEvery(one, change)]));
  return change(inner);
}

function inEveryText(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((one) => inEveryText(one, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inEveryText(one, change)]));
}

const strangeHeaders = {
  "set-cookie": `session=${canary}`,
  "x-secret": canary,
  "x-auth-token": canary,
  authorization: canary,
  "www-authenticate": `Bearer realm="${canary}"`,
  warning: `199 ${canary}`,
  "x-powered-by": canary,
  etag: `"${canary}"`,
};

/** Fields whose names are data: free metadata and labels are shown whatever they are called. */
const isFree = (object: Readonly<Record<string, unknown>>) => "key" in object && "value" in object;

describe("a planted string", () => {
  beforeAll(async () => {
    samples = await learn();
  });

  async function askEverything(depth: number): Promise<Watched> {
    const watched = await watch();
    const { queries, missed } = everyQuery(createSchema(), samples, depth);
    expect(missed).toEqual([]);
    for (const query of queries) await watched.ask(query);
    return watched;
  }

  test("in a field that is mapped does come out: the net has no hole", async () => {
    tamperAll((reply) => ({ ...reply, body: inEveryText(reply.body, (one) => (one === "Lin Chen" ? canary : one)) }));
    expect(legible(await (await askEverything(5)).out())).toContain(canary);
  });

  test("in a field or header that is not mapped stays inside, wherever it stands", async () => {
    let planted = 0;
    const plant = (object: Readonly<Record<string, unknown>>) => {
      planted += 1;
      const strange = Object.fromEntries(strangeNames.map((name) => [name, canary]));
      const nested = { [`x${canary}`]: { deep: [canary, { [canary]: canary }] } };
      // What the answer has by that name is the vendor's own, and some of it is mapped.
      return isFree(object) ? object : { ...strange, ...nested, ...object };
    };
    tamperAll((reply) => ({
      ...reply,
      headers: { ...strangeHeaders, ...reply.headers },
      body: inEvery(reply.body, plant),
    }));
    const watched = await askEverything(5);
    expect(legible(await watched.out())).not.toContain(canary);
    expect(planted).toBeGreaterThan(10_000);
    const told = watched.answers.filter((answer) => answer.includes('"errors"'));
    expect(told.length, "the answers are as good as without").toBeLessThan(watched.answers.length / 4);
  }, 120_000);

  test("in the user-info of an address stays inside", async () => {
    let planted = 0;
    const plant = (one: string) =>
      one.replace(/^(https?:\/\/)(?!.*@)/, (_whole, scheme: string) => {
        planted += 1;
        return `${scheme}${canary}:${canary}@`;
      });
    tamperAll((reply) => ({ ...reply, body: inEveryText(reply.body, plant) }));
    expect(legible(await (await askEverything(5)).out())).not.toContain(canary);
    expect(planted).toBeGreaterThan(500);
  }, 120_000);

  test("in the value of a variable or a Secret of a release stays inside", async () => {
    let planted = 0;
    estate.servers.zadig.setTamper((reply) => ({
      ...reply,
      body: inEvery(reply.body, (object) => {
        const secret = `kind: Secret\nmetadata: {name: db}\ndata: {password: ${canary}}\n`;
        if (Array.isArray(object["yamlContents"])) planted += 1;
        return {
          ...object,
          ...(isFree(object) ? { value: canary } : {}),
          ...(Array.isArray(object["yamlContents"]) ? { yamlContents: [...object["yamlContents"], secret] } : {}),
          ...(typeof object["yaml_content"] === "string"
            ? { yaml_content: `${object["yaml_content"]}\n---\n${secret}` }
            : {}),
        };
      }),
    }));
    const out = legible(await (await askEverything(5)).out());
    expect(out).not.toContain(canary);
    expect(out).toContain("kind: Secret");
    expect(planted).toBeGreaterThan(0);
  }, 120_000);

  test("in rows that cannot be read stays inside, though the rows are spoken of", async () => {
    const spoil = (value: unknown): unknown => {
      if (!Array.isArray(value)) {
        if (typeof value !== "object" || value === null) return value;
        return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, spoil(one)]));
      }
      const [first, ...rest] = value.map(spoil);
      if (typeof first !== "object" || first === null || Array.isArray(first))
        return [first, ...rest].slice(0, value.length);
      return [Object.fromEntries(Object.keys(first).map((key) => [key, { [canary]: canary }])), ...rest];
    };
    tamperAll((reply) => ({ ...reply, body: spoil(reply.body) }));
    const watched = await askEverything(4);
    const out = legible(await watched.out());
    expect(out).not.toContain(canary);
    expect(out).toContain("UPSTREAM_MALFORMED");
  }, 120_000);

  test.each([400, 401, 403, 404, 409, 418, 422, 429, 500, 503])(
    "in the body of an answer with status %i stays inside",
    async (status) => {
      const body = {
        ...{
          code: 250_999,
          message: canary,
          description: canary,
          error: canary,
          error_description: canary,
          detail: canary,
        },
        ...{
          errors: [{ errorCode: `SVCSTG ${canary}`, errorMessage: canary, message: canary }],
          error_msg: canary,
          traceId: canary,
        },
        ...{ errorCode: `x/${canary}`, request_id: canary, data: { secret: canary } },
      };
      tamperAll((_reply, rawPath) => ({
        status,
        headers: { ...strangeHeaders, location: `http://${canary}.example.test/` },
        body: rawPath.length % 2 === 0 ? body : `plain ${canary}`,
      }));
      expect(legible(await (await askEverything(3)).out())).not.toContain(canary);
    },
    60_000,
  );

  test.each([
    ["an error with status 200", { code: 250_999, message: canary, data: null, traceId: canary }],
    ["a list of something else", [{ [canary]: canary }, canary, [canary]]],
    ["a text", `${canary}: not JSON`],
    ["a page", `<!doctype html><title>${canary}</title>`],
    ["a number", 7],
  ])(
    "in %s stays inside",
    async (_what, body) => {
      tamperAll(() => ({ status: 200, headers: strangeHeaders, body }));
      expect(legible(await (await askEverything(3)).out())).not.toContain(canary);
    },
    60_000,
  );

  test("in the address of a redirect stays inside, and no one goes there", async () => {
    for (const location of [
      `http://${canary}.example.test/`,
      `//${canary}.example.test/`,
      `http://user:${canary}@127.0.0.1:1/`,
    ]) {
      tamperAll(() => ({ status: 302, headers: { location }, body: canary }));
      expect(legible(await (await askEverything(3)).out())).not.toContain(canary);
    }
  }, 60_000);

  test("among the gateway's own credentials stays inside, with every backend well or ill", async () => {
    const { zadig, bkrepo, swr, gitlab } = credentials;
    const own = [zadig.token, bkrepo.password, swr.token, gitlab.token];
    const written = [...own, Buffer.from(`${bkrepo.username}:${bkrepo.password}`).toString("base64")];
    const faults = [null, "down", "html", "malformed", "throttle", "empty", "reset"] as const;
    for (const kind of faults) {
      for (const server of Object.values(estate.servers)) await server.setFault(kind === null ? null : { kind });
      const out = legible(await (await askEverything(kind === null ? 5 : 3)).out());
      for (const one of written) expect(out, String(kind)).not.toContain(one);
      for (const { url } of Object.values(estate.servers)) {
        // Pages of runs are the one address of a backend that is meant to be shown.
        const shown = out.replaceAll(`${url}/v1/projects/detail/`, "");
        if (kind !== null) expect(shown, String(kind)).not.toContain(new URL(url).host);
      }
    }
  }, 120_000);

  test("among the caller's credentials and headers stays inside", async () => {
    const watched = await watch();
    const names = ["zadig", "bkrepo", "swr-north4", "gitlab"];
    const headers = {
      authorization: `Bearer ${canary}`,
      cookie: canary,
      ...Object.fromEntries(names.map((name) => [`x-backend-token-${name}`, canary])),
    };
    for (const query of everyQuery(createSchema(), samples, 3).queries) await watched.ask(query, headers);
    expect(legible(await watched.out())).not.toContain(canary);
  });
});
