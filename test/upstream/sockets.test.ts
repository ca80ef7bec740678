import { afterEach, describe, expect, test } from "vitest";
import type { DemoHandler } from "../../demo/server.ts";
import type { UpstreamSettings } from "../../src/upstream/client.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { Dialect } from "../../src/upstream/operation.ts";
import { testCall } from "../support/call.ts";
import { failureOf, read, type Stage, stage, thing, until } from "./stage.ts";

const opened: Stage[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const fine: DemoHandler = ({ rawPath }) => ({ body: { at: rawPath } });

async function open(
  settings: Partial<UpstreamSettings> = {},
  handler: DemoHandler = fine,
  dialect: Partial<Dialect> = {},
): Promise<Stage> {
  const one = await stage(handler, settings, dialect);
  opened.push(one);
  return one;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("an abort", () => {
  test("reaches the socket of a request that waits for its answer", async () => {
    const { server, upstream } = await open();
    server.setLatency(10_000);
    const leaving = new AbortController();
    const asked = failureOf(upstream.call(read, thing("a"), testCall({ signal: leaving.signal })));
    await until(() => server.seen.length === 1 && server.sockets() === 1);
    leaving.abort();
    const started = performance.now();
    expect(await asked).toMatchObject({ failure: "TIMED_OUT", retryable: false });
    await until(() => server.sockets() === 0);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test("reaches the socket of an answer that is under way", async () => {
    const { server, upstream } = await open({ timeoutMs: 60_000 });
    await server.setFault({ kind: "drip", everyMs: 5 });
    const leaving = new AbortController();
    const asked = failureOf(upstream.call(read, thing("a"), testCall({ signal: leaving.signal })));
    await until(() => server.sockets() === 1);
    await pause(30);
    leaving.abort();
    expect((await asked).failure).toBe("TIMED_OUT");
    await until(() => server.sockets() === 0);
  });

  test("keeps what is queued from ever starting, and the next in line starts", async () => {
    const { server, upstream } = await open({ concurrency: 2 });
    server.setLatency(400);
    const leaving = new AbortController();
    const call = testCall({ signal: leaving.signal });
    const patient = testCall();
    const ahead = ["1", "2"].map((key) => upstream.call(read, thing(key), patient));
    const gone = Array.from({ length: 50 }, (_, index) => failureOf(upstream.call(read, thing(`gone-${index}`), call)));
    const behind = upstream.call(read, thing("3"), patient);
    await until(() => server.seen.length === 2 && upstream.pressure().queued === 51);
    leaving.abort();
    for (const error of await Promise.all(gone)) expect(error.failure).toBe("TIMED_OUT");
    expect(upstream.pressure().queued).toBe(1);
    await Promise.all([...ahead, behind]);
    await pause(50);
    expect(server.seen.map(({ url }) => url)).toEqual(["/things/1", "/things/2", "/things/3"]);
  });

  test("while a token is being fetched: the request itself is not sent any more", async () => {
    const token = Promise.withResolvers<void>();
    const { server, upstream } = await open({}, fine, {
      authorize: async () => {
        await token.promise;
        return {};
      },
    });
    const leaving = new AbortController();
    const asked = failureOf(upstream.call(read, thing("a"), testCall({ signal: leaving.signal })));
    leaving.abort();
    await asked;
    token.resolve();
    await pause(50);
    expect(server.seen).toHaveLength(0);
  });

  test("before anything is asked sends nothing", async () => {
    const { server, upstream } = await open();
    const asked = upstream.call(read, thing("a"), testCall({ signal: AbortSignal.abort() }));
    // It has not been asked, and so has not been too slow.
    expect(await failureOf(asked)).toMatchObject({ failure: "OVER_BUDGET", reason: "no time left", retryable: false });
    expect(server.seen).toHaveLength(0);
  });
});

describe("retries of real requests", () => {
  test("of a 429 come after what it asks for, and stop when the deadline is nearer", async () => {
    const { server, upstream } = await open({ retries: 2 });
    await server.setFault({ kind: "throttle", retryAfter: "2" });
    const end = performance.now() + 3900;
    const call = { ...testCall(), remainingMs: () => end - performance.now() };
    const error = await failureOf(upstream.call(read, thing("a"), call));
    expect(error).toMatchObject({ failure: "THROTTLED", retryAfterMs: 2000 });
    expect(server.seen).toHaveLength(2);
    const [first, second] = server.seen;
    expect((second?.startedAt ?? 0) - (first?.startedAt ?? 0)).toBeGreaterThanOrEqual(1990);
    expect(performance.now()).toBeLessThan(end);
  });

  test("of a 401 there are none, for every kind of credential", async () => {
    const { server, upstream } = await open({ retries: 3 });
    await server.setFault({ kind: "status", status: 401 });
    expect((await failureOf(upstream.call(read, thing("a"), testCall()))).failure).toBe("DENIED");
    expect(server.seen).toHaveLength(1);
  });

  test("take from the budget like everything that is sent", async () => {
    const { server, upstream } = await open({ retries: 5 });
    await server.setFault({ kind: "status", status: 503 });
    expect((await failureOf(upstream.call(read, thing("a"), testCall({ calls: 2 })))).failure).toBe("OVER_BUDGET");
    expect(server.seen).toHaveLength(2);
  });
});

describe("a redirect", () => {
  const to = (location: string): DemoHandler => {
    return ({ rawPath }) => (rawPath === "/things/a" ? { status: 302, headers: { location } } : { body: "there" });
  };

  test("to another origin is never followed, and no credential goes there", async () => {
    const other = await open();
    const follows = { followsRedirects: true, authorize: async () => ({ "private-token": "secret" }) };
    for (const location of [
      `${other.server.url}/things/b`,
      "//evil.example/things",
      "http://127.0.0.1:1/",
      "nonsense://x",
    ]) {
      const { upstream, server } = await open({}, to(location), follows);
      expect(await failureOf(upstream.call(read, thing("a"), testCall()))).toMatchObject({
        failure: "MALFORMED",
        status: 302,
      });
      expect(server.seen).toHaveLength(1);
    }
    expect(other.server.seen).toHaveLength(0);
  });

  test("in a circle ends", async () => {
    const { upstream, server } = await open({}, to("/things/a"), { followsRedirects: true });
    expect((await failureOf(upstream.call(read, thing("a"), testCall()))).failure).toBe("MALFORMED");
    expect(server.seen).toHaveLength(3);
  });

  test("is followed only where the dialect says so", async () => {
    const { upstream, server } = await open({}, to("/things/b"));
    expect((await failureOf(upstream.call(read, thing("a"), testCall()))).failure).toBe("MALFORMED");
    expect(server.seen).toHaveLength(1);
  });
});

describe("an answer without end", () => {
  /** The most memory that was in use while it ran, above what was in use before, in bytes. */
  async function growth(run: () => Promise<unknown>): Promise<number> {
    const used = () => {
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = used();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, used());
    }, 2);
    try {
      await run();
    } finally {
      clearInterval(watch);
    }
    return Math.max(most, used()) - before;
  }

  const MiB = 1_048_576;

  test("is MALFORMED at the byte limit: memory stays flat, the rest is not read, the socket is closed", async () => {
    const { server, upstream } = await open({ maxResponseBytes: 8 * MiB, timeoutMs: 20_000 });
    await server.setFault({ kind: "endless" });
    const grown = await growth(async () => {
      expect(await failureOf(upstream.call(read, thing("a"), testCall()))).toMatchObject({
        failure: "MALFORMED",
        retryable: false,
      });
    });
    expect(grown).toBeLessThan(96 * MiB);
    await until(() => server.sockets() === 0);
  });

  test("of one gigabyte is the same at the default limit of 32 MiB", { timeout: 60_000 }, async () => {
    const { server, upstream } = await open({ maxResponseBytes: 32 * MiB, timeoutMs: 50_000 });
    await server.setFault({ kind: "huge", bytes: 1024 * MiB });
    const grown = await growth(async () => {
      expect((await failureOf(upstream.call(read, thing("a"), testCall()))).failure).toBe("MALFORMED");
    });
    expect(grown).toBeLessThan(256 * MiB);
    await until(() => server.sockets() === 0);
  });

  test("that announces its size is not read at all", async () => {
    const body = JSON.stringify("x".repeat(4 * MiB));
    const { server, upstream } = await open({ maxResponseBytes: MiB }, () => ({ body }));
    expect((await failureOf(upstream.call(read, thing("a"), testCall()))).failure).toBe("MALFORMED");
    await until(() => server.sockets() === 0);
  });

  test("that drips is TIMED_OUT, in its time", async () => {
    const { server, upstream } = await open({ timeoutMs: 150 });
    await server.setFault({ kind: "drip", everyMs: 10 });
    const started = performance.now();
    const grown = await growth(async () => {
      expect((await failureOf(upstream.call(read, thing("a"), testCall()))).failure).toBe("TIMED_OUT");
    });
    expect(performance.now() - started).toBeLessThan(1500);
    expect(grown).toBeLessThan(32 * MiB);
    await until(() => server.sockets() === 0);
  });

  test("times sixteen costs sixteen limits, not more", async () => {
    const { server, upstream } = await open({ maxResponseBytes: MiB, concurrency: 16, timeoutMs: 20_000 });
    await server.setFault({ kind: "endless" });
    const grown = await growth(async () => {
      const all = Array.from({ length: 16 }, (_, index) => upstream.call(read, thing(`${index}`), testCall()));
      for (const error of await Promise.all(all.map(failureOf))) expect(error.failure).toBe("MALFORMED");
    });
    expect(grown).toBeLessThan(128 * MiB);
    await until(() => server.sockets() === 0);
  });
});

describe("an answer of an odd shape", () => {
  const told = async (body: string, media: "json" | "text" = "json") => {
    const { upstream } = await open({ maxResponseBytes: 33_554_432 }, () => ({ body }));
    return upstream
      .call(read, { ...thing("a"), media }, testCall())
      .then(({ value }) => value)
      .catch((error: unknown) => (error instanceof UpstreamError ? error.failure : "a bug"));
  };
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

  test("is read up to 64 levels deep, and MALFORMED below", async () => {
    expect(await told(nested(64))).toEqual(JSON.parse(nested(64)));
    expect(await told(nested(65))).toBe("MALFORMED");
    expect(await told(nested(5_000_000))).toBe("MALFORMED");
    expect(await told(`{"a":`.repeat(100_000))).toBe("MALFORMED");
  });

  test("with more parts than any honest answer is MALFORMED before it is built", async () => {
    expect(await told(`[${"[],".repeat(2_500_000)}0]`)).toBe("MALFORMED");
    expect(await told(`[${"0,".repeat(1_200_000)}0]`)).toBe("MALFORMED");
  });

  test("with more members in one object than any honest answer is MALFORMED before it is built", async () => {
    const members = (count: number) => Array.from({ length: count }, (_, index) => `"k${index}":0`).join();
    expect(await told(`{${members(10_000)}}`)).toEqual(JSON.parse(`{${members(10_000)}}`));
    expect(await told(`{${members(10_001)}}`)).toBe("MALFORMED");
    expect(await told(`[{"a":[1,2],"b":{${members(300_000)}}}]`)).toBe("MALFORMED");
    // Members are those of one object: a list may have more entries, and many objects more together.
    const list = `[${"[0],".repeat(20_000)}{${members(9000)}},{${members(9000)}}]`;
    expect(await told(list)).toEqual(JSON.parse(list));
  });

  test("counts no bracket inside a text", async () => {
    const text = `${"[{".repeat(500)}\\",[[[[`;
    expect(await told(JSON.stringify({ text, "[[": ["\\", '"', "\\\\"] }))).toEqual({
      text,
      "[[": ["\\", '"', "\\\\"],
    });
    expect(await told(`{"unfinished: [[[[`)).toBe("MALFORMED");
    expect(await told(`["${"\\\\".repeat(1000)}"]`)).toEqual(["\\".repeat(1000)]);
  });

  test("is handed over as text where text was asked for", async () => {
    expect(await told(nested(100), "text")).toBe(nested(100));
  });
});

describe("a redirect's address", () => {
  async function follow(location: string | null) {
    const handler: DemoHandler = ({ rawPath }) =>
      rawPath === "/things/a"
        ? { status: 302, headers: location === null ? {} : { location } }
        : { body: { at: rawPath } };
    const { server, upstream } = await open({}, handler, { followsRedirects: true });
    const asked = upstream.call(read, thing("a"), testCall()).then(
      ({ value }) => value,
      (error: unknown) => (error instanceof UpstreamError ? error.failure : error),
    );
    return { answer: await asked, requests: server.seen.length };
  }

  test.each(["/things/b", "http://127.0.0.1/things/b"])("%s leads to our own server", async (location) => {
    expect(await follow(location)).toEqual({ answer: { at: "/things/b" }, requests: 2 });
  });

  test.each([
    null,
    "http://[",
    "https://127.0.0.1/things/b",
    "ftp://127.0.0.1/things/b",
    "http://127.0.0.2/things/b",
    "http://127.0.0.1:1/things/b",
  ])("%s leads nowhere", async (location) => {
    expect(await follow(location)).toEqual({ answer: "MALFORMED", requests: 1 });
  });
});

describe("a connection", () => {
  test("that is refused is a server that is not reached", async () => {
    const { server, upstream } = await open();
    await server.close();
    const facts = { failure: "UNAVAILABLE", silence: "UNREACHABLE", reason: "ECONNREFUSED", status: null };
    expect(await failureOf(upstream.call(read, thing("a"), testCall()))).toMatchObject(facts);
  });

  test("that is reset is a server that is silent", async () => {
    const { server, upstream } = await open();
    await server.setFault({ kind: "reset" });
    const facts = { failure: "UNAVAILABLE", silence: "SILENT", status: null };
    expect(await failureOf(upstream.call(read, thing("a"), testCall()))).toMatchObject(facts);
  });
});
