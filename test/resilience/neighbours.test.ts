import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { configOf } from "../../src/config/index.ts";
import { startGateway } from "../../src/server/gateway.ts";

/** A server of this test's own; what it was asked, path and query. */
interface Fake {
  readonly url: string;
  readonly seen: string[];
}

type Handler = (path: URL, request: IncomingMessage, response: ServerResponse) => void;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function fake(handler: Handler): Promise<Fake> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://fake");
    seen.push(path.pathname + path.search);
    request.resume();
    handler(path, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const json = (response: ServerResponse, body: unknown, status = 200) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

/** bkrepo's package detail, as `PackageServiceImpl.findPackageByKey` answers. */
const bkrepoPackage = (path: URL) => ({
  code: 0,
  message: null,
  traceId: "1",
  data: {
    projectId: "pay",
    repoName: "maven",
    name: path.searchParams.get("packageKey")?.split(":").at(-1) ?? "?",
    key: path.searchParams.get("packageKey"),
    type: "MAVEN",
    downloads: 1,
    versions: 1,
    createdDate: "2026-11-01T10:00:00",
    lastModifiedDate: "2026-11-01T10:00:00",
  },
});
/** bkrepo's "system error", as its exception handler answers. */
const systemError = { code: 250102, message: "System error", data: null, traceId: "1" };

const keyOf = (name: string) => ({ name, sha256: createHash("sha256").update(`key-of-${name}`).digest("hex") });

interface Reply {
  readonly data: Record<string, unknown> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions: Record<string, unknown> }[];
}

/** A gateway over one backend; hands back how one of its callers asks. */
async function gatewayOver(backend: Record<string, unknown>, settings: Record<string, unknown> = {}) {
  const reading = configOf(
    {
      auth: { mode: "keys", keys: ["one", "two", "three"].map(keyOf) },
      limits: { deadlineMs: 3000, aliases: 1000, cost: 100_000, tokens: 100_000, upstreamCalls: 1000 },
      ...settings,
      backends: [{ retries: 2, ...backend }],
    },
    { PORT: "0", HOST: "127.0.0.1" },
  );
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const gateway = await startGateway({
    config: reading.config,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    version: "0.0.0-test",
  });
  closing.push(() => gateway.stop(0));
  return async (caller: string, query: string, headers: Record<string, string> = {}): Promise<Reply> => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer key-of-${caller}`, ...headers },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as Reply;
  };
}

const bkrepo = (url: string, more: Record<string, unknown> = {}) => ({
  name: "bkrepo",
  kind: "bkrepo",
  url,
  credentials: { username: "reader", password: "secret" },
  repositories: ["pay/maven"],
  ...more,
});

/** One call for each name: packages of one project would be asked for together. */
const packageQuery = (...names: readonly string[]) => {
  const fields = names.map((name, index) => {
    const project = `p-${name.replaceAll(/\W/g, "")}`;
    return `p${index}: package(ref: { backend: "bkrepo", repository: "${project}/maven", key: "gav://g:${name}" }) { name }`;
  });
  return `{ ${fields.join(" ")} }`;
};

const circuitOf = "{ backends { health { status circuitOpen } } }";

describe("one object that a server fails for", () => {
  test("is asked for twice at most, is an error, and does not affect other callers", async () => {
    const server = await fake((path, _request, response) => {
      if (path.searchParams.get("packageKey")?.includes("(")) json(response, systemError, 500);
      else json(response, bkrepoPackage(path));
    });
    const ask = await gatewayOver(bkrepo(server.url));
    for (let times = 0; times < 20; times++) {
      const caller = ["one", "two"][times % 2] ?? "one";
      const { data, errors } = await ask(caller, packageQuery(`${times}(`));
      expect(data).toEqual({ p0: null });
      expect(errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", upstreamStatus: 500 });
    }
    expect(server.seen).toHaveLength(40);
    expect(await ask("three", packageQuery("sound"))).toEqual({ data: { p0: { name: "sound" } } });
  });

  test("by hanging, by a reset or by 504 for its path: every other question goes on being asked", async () => {
    const ways: Record<string, (response: ServerResponse) => void> = {
      hang: () => {},
      reset: (response) => response.socket?.destroy(),
      504: (response) => json(response, "Gateway Time-out", 504),
    };
    const server = await fake((path, _request, response) => {
      const way = ways[path.searchParams.get("packageKey")?.split("-").at(-1) ?? ""];
      if (way) way(response);
      else json(response, bkrepoPackage(path));
    });
    const ask = await gatewayOver(bkrepo(server.url, { timeoutMs: 100 }), { limits: { deadlineMs: 2000 } });
    for (const way of Object.keys(ways)) {
      // Other names each time: what a caller writes must not count as different places of the server.
      const names = Array.from({ length: 8 }, (_, index) => `${index}-${way}`);
      const { errors } = await ask("one", packageQuery(...names));
      expect(errors).toHaveLength(8);
      expect(await ask("two", packageQuery("sound"))).toEqual({ data: { p0: { name: "sound" } } });
    }
    expect((await ask("three", circuitOf)).data).toMatchObject({ backends: [{ health: { circuitOpen: false } }] });
  });
});

describe("a server that is silent", () => {
  test.each([
    ["to a connection", null],
    ["by 503", (response: ServerResponse) => json(response, {}, 503)],
    ["by resets", (response: ServerResponse) => response.socket?.destroy()],
    ["by never answering", () => {}],
  ])("%s is left alone after so many calls, and is tried once when the time has come", async (_how, way) => {
    let isWell = false;
    const server = await fake((path, _request, response) => {
      if (isWell) json(response, bkrepoPackage(path));
      else way?.(response);
    });
    const url = way === null ? "http://127.0.0.1:9" : server.url;
    const settings = { timeoutMs: 100, retries: 0, breaker: { failures: 5, coolDownMs: 700 } };
    const ask = await gatewayOver(bkrepo(url, settings));
    const names = Array.from({ length: 5 }, (_, index) => `p${index}`);
    await ask("one", packageQuery(...names));
    await expect
      .poll(async () => (await ask("two", packageQuery("other"))).errors?.[0]?.message, { interval: 20 })
      .toBe('The backend "bkrepo" is not reachable or is failing.');
    const before = server.seen.length;
    const { errors } = await ask("two", packageQuery("another"));
    expect(errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable: true });
    expect(errors?.[0]?.extensions["upstreamStatus"]).toBeUndefined();
    expect(server.seen).toHaveLength(before);
    if (way === null) return;
    isWell = true;
    await expect
      .poll(async () => (await ask("two", packageQuery("p1", "p2", "p3"))).data?.["p2"], { interval: 100 })
      .toEqual({ name: "p3" });
    expect(server.seen).toHaveLength(before + 3);
  });
});

describe("a caller's own credential", () => {
  test("that makes a proxy reset affects no other caller", async () => {
    const server = await fake((path, request, response) => {
      if (request.headers.authorization?.includes("poison")) response.socket?.destroy();
      else json(response, bkrepoPackage(path));
    });
    const ask = await gatewayOver(bkrepo(server.url, { credentials: undefined, forward: "caller", retries: 0 }));
    const own = (token: string) => ({ "x-backend-token-bkrepo": token });
    for (let times = 0; times < 10; times++) await ask("one", packageQuery(`a${times}`), own("poison"));
    const before = server.seen.length;
    const { errors } = await ask("one", packageQuery("b"), own("poison"));
    expect(errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE" });
    expect(server.seen).toHaveLength(before);
    expect((await ask("one", circuitOf, own("poison"))).data).toMatchObject({
      backends: [{ health: { status: "DOWN", circuitOpen: true } }],
    });
    for (const token of ["honest", "another"]) {
      expect(await ask("two", packageQuery("c"), own(token))).toEqual({ data: { p0: { name: "c" } } });
    }
    expect((await ask("two", circuitOf, own("honest"))).data).toMatchObject({
      backends: [{ health: { circuitOpen: false } }],
    });
    for (let times = 0; times < 30; times++) await ask("one", packageQuery(`d${times}`), own(`poison-${times}`));
    expect(await ask("two", packageQuery("e"), own("honest"))).toEqual({ data: { p0: { name: "e" } } });
  });
});

describe("a backend that asks to be asked less", () => {
  test("is waited for as it says, call by call, and is not taken for silent", async () => {
    const server = await fake((path, _request, response) => {
      const key = path.searchParams.get("packageKey") ?? "";
      if (!key.includes("busy")) json(response, bkrepoPackage(path));
      else response.writeHead(429, { "retry-after": key.split("=").at(-1) ?? "" }).end();
    });
    const ask = await gatewayOver(bkrepo(server.url));
    for (const [retryAfter, times, told] of [
      ["0", 3, 0],
      ["-5", 3, undefined],
      ["9999999999999", 1, 2_147_483_647],
      ["soon", 3, undefined],
    ] as const) {
      server.seen.length = 0;
      const { errors } = await ask("one", packageQuery(`busy=${retryAfter}`));
      expect(errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_THROTTLED", upstreamStatus: 429 });
      expect(errors?.[0]?.extensions["retryAfterMs"]).toBe(told);
      expect(server.seen).toHaveLength(times);
    }
    await Promise.all(Array.from({ length: 10 }, (_, index) => ask("one", packageQuery(`busy${index}=9999`))));
    expect(await ask("two", packageQuery("sound"))).toEqual({ data: { p0: { name: "sound" } } });
  });
});

describe("a caller with hundreds of calls", () => {
  /** A server that answers each question when it is told to; three at a time are let in. */
  async function slow(settings: Record<string, unknown> = {}) {
    const waiting: (() => void)[] = [];
    const server = await fake(
      (path, _request, response) => void waiting.push(() => json(response, bkrepoPackage(path))),
    );
    const ask = await gatewayOver(bkrepo(server.url, { concurrency: 3, ...settings }), {
      limits: { deadlineMs: 10_000, aliases: 1000, cost: 100_000, tokens: 100_000, upstreamCalls: 1000 },
    });
    const answer = async () => {
      await expect.poll(() => waiting.length).toBeGreaterThan(0);
      waiting.shift()?.();
    };
    const answerAll = () => {
      const timer = setInterval(() => {
        for (const send of waiting.splice(0)) send();
      }, 1);
      return () => clearInterval(timer);
    };
    const names = (caller: string, count: number) => Array.from({ length: count }, (_, index) => `${caller}-${index}`);
    return { server, ask, answer, answerAll, names, waiting };
  }

  test("does not keep another's single call waiting for them, nor one that both wait for", async () => {
    const { server, ask, answer, answerAll, names, waiting } = await slow();
    const greedy = ask("one", packageQuery(...names("greedy", 150)));
    await expect.poll(() => waiting.length).toBe(3);
    const modest = ask("two", packageQuery("modest"));
    const both = ask("three", packageQuery("greedy-149"));
    // When both are in the queue, they are the next but one.
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let times = 0; times < 3; times++) await answer();
    await expect.poll(() => server.seen.length).toBe(6);
    expect(
      server.seen
        .slice(3)
        .map((path) => path.split("%3A").at(-1))
        .toSorted(),
    ).toEqual(["greedy-149", "greedy-3", "modest"]);
    for (let times = 0; times < 3; times++) await answer();
    expect(await modest).toEqual({ data: { p0: { name: "modest" } } });
    expect(await both).toEqual({ data: { p0: { name: "greedy-149" } } });
    const stop = answerAll();
    expect((await greedy).errors).toBeUndefined();
    stop();
  });

  test("a caller who overflows the queue gets a true error, and no other caller is refused", async () => {
    const { ask, answerAll, names, waiting } = await slow();
    const greedy = [0, 1].map((times) => ask("one", packageQuery(...names(`greedy-${times}`, 190))));
    await expect.poll(() => waiting.length).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const modest = ask("two", packageQuery("modest"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stop = answerAll();
    expect(await modest).toEqual({ data: { p0: { name: "modest" } } });
    const errors = (await Promise.all(greedy)).flatMap((reply) => reply.errors ?? []);
    stop();
    // 380 calls and one, of which 3 are under way and 3 × 64 wait; an answer tells 100 errors and how many more.
    const refused = errors.reduce((sum, { message }) => sum + Number(/^And (\d+) more/.exec(message)?.[1] ?? 1), 0);
    expect(refused).toBe(380 + 1 - 3 - 192);
    expect(errors[0]).toMatchObject({
      message: 'The gateway\'s queue for the backend "bkrepo" is full: too many of your calls wait in it.',
      extensions: { code: "UPSTREAM_THROTTLED", upstreamCode: "QUEUE_FULL", retryable: true },
    });
    expect(errors[0]?.extensions).not.toHaveProperty("upstreamStatus");
  });
});
