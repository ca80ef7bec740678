import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import type { DemoHandler, DemoReply, DemoRequest } from "../../demo/server.ts";
import { cachePolicyOf, ResponseCache } from "../../src/upstream/cache.ts";
import type { UpstreamSettings } from "../../src/upstream/client.ts";
import { MisshapenAnswer } from "../../src/upstream/errors.ts";
import { exchanges } from "../../src/upstream/events.ts";
import type { Dialect } from "../../src/upstream/operation.ts";
import { testCall } from "../support/call.ts";
import { change, failureOf, read, type Stage, search, stage, thing, until } from "./stage.ts";

const opened: Stage[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const usual = { maxBytes: 1_048_576, freshMs: 0, staleIfErrorMs: 60_000 };

async function open(
  cache: Partial<typeof usual>,
  handler: DemoHandler,
  settings: Partial<UpstreamSettings> = {},
  dialect: Partial<Dialect> = {},
): Promise<Stage> {
  const authorize: Dialect["authorize"] = async (_request, call) => ({
    authorization: call.caller.credentialFor("plain") ?? "ours",
  });
  const one = await stage(handler, { cache: { ...usual, ...cache }, ...settings }, { authorize, ...dialect });
  opened.push(one);
  return one;
}

/** Counts aloud, so that a kept answer is told from a new one. */
function counting(headers: Record<string, string> = {}): DemoHandler {
  let answers = 0;
  return () => ({ headers, body: { answer: ++answers } });
}

/** Answers as Rails does: a weak validator of the body, and 304 to whoever has it. */
function validated(handler: () => unknown): (request: DemoRequest) => DemoReply {
  return ({ header }) => {
    const body = handler();
    const etag = `W/"${createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 32)}"`;
    const headers = { etag, "cache-control": "max-age=0, private, must-revalidate" };
    return header("if-none-match") === etag ? { status: 304, headers } : { headers, body };
  };
}

const ask = ({ upstream }: Stage, call = testCall()) => upstream.call(read, thing("a"), call);

describe("without settings", () => {
  test("nothing is stored, whatever the backend allows", async () => {
    const one = await open({}, counting({ "cache-control": "max-age=600" }), { cache: undefined });
    expect([(await ask(one)).value, (await ask(one)).value]).toEqual([{ answer: 1 }, { answer: 2 }]);
  });
});

describe("a fresh answer", () => {
  test("is not asked for again, for as long as the backend says", async () => {
    const one = await open({}, counting({ "cache-control": "private, max-age=600" }));
    const [first, second] = [await ask(one), await ask(one)];
    expect(second.value).toEqual({ answer: 1 });
    expect(second.origin).toEqual(first.origin);
    expect(second.origin.stale).toBe(false);
    expect(one.server.seen).toHaveLength(1);
  });

  test("is as fresh as the settings say where the backend says nothing", async () => {
    const one = await open({ freshMs: 60_000 }, counting());
    expect([(await ask(one)).value, (await ask(one)).value]).toEqual([{ answer: 1 }, { answer: 1 }]);
  });

  test("takes nothing from the budget and has its own status", async () => {
    const one = await open({ freshMs: 60_000 }, counting());
    await ask(one);
    const told: string[] = [];
    const stop = exchanges.subscribe(({ via, attempt, outcome }) => void told.push(`${via} ${attempt} ${outcome}`));
    await ask(one, testCall({ calls: 0 }));
    stop();
    expect(told).toEqual(["CACHE 0 OK"]);
  });

  test("of a POST that only asks is found by its body; of one that changes something never", async () => {
    const one = await open({ freshMs: 60_000 }, counting());
    const post = (operation: typeof search, body: object) =>
      one.upstream.call(operation, { body, decode: (reply) => reply.body }, testCall()).then(({ value }) => value);
    expect([await post(search, { q: 1 }), await post(search, { q: 1 }), await post(search, { q: 2 })]).toEqual([
      { answer: 1 },
      { answer: 1 },
      { answer: 2 },
    ]);
    expect([await post(change, {}), await post(change, {})]).toEqual([{ answer: 3 }, { answer: 4 }]);
  });

  test("is found by path, query, headers and media, never by less", async () => {
    const one = await open({ freshMs: 60_000 }, counting());
    const variants = [
      thing("a"),
      thing("b"),
      { ...thing("a"), query: { page: 2 } },
      { ...thing("a"), headers: { "x-zone": "+00:00" } },
    ];
    const answers = [];
    for (const request of [...variants, ...variants]) {
      answers.push((await one.upstream.call(read, request, testCall())).value);
    }
    expect(answers).toEqual([1, 2, 3, 4, 1, 2, 3, 4].map((answer) => ({ answer })));
  });

  test("of one caller's credential is never another's", async () => {
    const handler: DemoHandler = ({ header }) => ({ body: { you: header("authorization") } });
    const one = await open({ freshMs: 60_000 }, handler, { forward: "caller" });
    const as = async (credential: string) => (await ask(one, testCall({ credential }))).value;
    expect([await as("alice"), await as("bob"), await as("alice"), await as("bob")]).toEqual(
      ["alice", "bob", "alice", "bob"].map((you) => ({ you })),
    );
    expect(one.server.seen).toHaveLength(2);
    await one.server.setFault({ kind: "down" });
    expect((await failureOf(ask(one, testCall({ credential: "mallory" })))).failure).toBe("UNAVAILABLE");
    expect((await failureOf(ask(one, testCall()))).failure).toBe("UNAVAILABLE");
  });
});

test.each([null, { kind: "reset" }] as const)(
  "a change forgets what was kept, whatever came back (%j)",
  async (fault) => {
    const one = await open({ freshMs: 60_000 }, counting());
    await ask(one);
    await one.server.setFault(fault);
    await one.upstream.call(change, { body: {}, decode: () => null }, testCall()).catch(() => {});
    await one.server.setFault(null);
    one.server.forget();
    await ask(one);
    expect(one.server.seen).toHaveLength(1);
  },
);

test("what was revalidated during a change is not stored either", async () => {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  let state = "before";
  const one = await open({ freshMs: 0 }, async ({ rawPath, header }) => {
    if (rawPath === "/things") state = "after";
    const told = state;
    if (header("if-none-match") === '"before"' && told === "before") {
      await held;
      return { status: 304, headers: { etag: '"before"', "cache-control": "max-age=60" }, body: "" };
    }
    return { headers: { etag: `"${told}"` }, body: { state: told } };
  });
  const ask = async () => (await one.upstream.call(read, thing("slow"), testCall())).value;
  expect(await ask()).toEqual({ state: "before" });
  const confirmed = ask();
  await until(() => one.server.seen.length === 2);
  await one.upstream.call(change, { body: {}, decode: () => null }, testCall());
  letGo();
  expect(await confirmed).toEqual({ state: "before" });
  expect(await ask()).toEqual({ state: "after" });
});

test("a read that was on its way while something changed is not stored", async () => {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  let state = "before";
  const one = await open({ freshMs: 60_000 }, async ({ rawPath }) => {
    if (rawPath === "/things") state = "after";
    const told = state;
    if (rawPath === "/things/slow" && told === "before") await held;
    return { body: { state: told } };
  });
  const slow = one.upstream.call(read, thing("slow"), testCall());
  await until(() => one.server.seen.length === 1);
  await one.upstream.call(change, { body: {}, decode: () => null }, testCall());
  const asked = one.upstream.call(read, thing("slow"), testCall());
  await until(() => one.server.seen.length === 3);
  // The later answer arrives first: the earlier one must not take its place.
  expect((await asked).value).toEqual({ state: "after" });
  letGo();
  expect((await slow).value).toEqual({ state: "before" });
  expect((await one.upstream.call(read, thing("slow"), testCall())).value).toEqual({ state: "after" });
});

describe("what is not stored", () => {
  const refusals: readonly [string, DemoReply][] = [
    ["a 404", { status: 404, body: {} }],
    ["a 401", { status: 401, body: {} }],
    ["a 429", { status: 429, body: {} }],
    ["a 500", { status: 500, body: {} }],
    ["a login page", { headers: { "content-type": "text/html" }, body: "<html>" }],
    ["a 201", { status: 201, body: {} }],
    ["what asks not to be (no-store)", { headers: { "cache-control": "no-store, max-age=600" }, body: {} }],
    ["what varies by everything", { headers: { vary: "*" }, body: {} }],
  ];
  test.each(refusals)("%s", async (_name, reply) => {
    const one = await open({ freshMs: 60_000 }, () => reply);
    for (const _ of [1, 2]) await ask(one).catch(() => {});
    expect(one.server.seen).toHaveLength(2);
  });

  test("a success that the dialect calls a failure", async () => {
    const one = await open(
      { freshMs: 60_000 },
      () => ({ body: { code: 250102 } }),
      {},
      { judge: () => ({ failure: "UNAVAILABLE" }) },
    );
    for (const _ of [1, 2]) expect((await failureOf(ask(one))).failure).toBe("UNAVAILABLE");
    expect(one.server.seen).toHaveLength(2);
  });

  test("an answer that cannot be decoded", async () => {
    const one = await open({ freshMs: 60_000 }, counting());
    const decode = () => {
      throw new MisshapenAnswer("no");
    };
    for (const _ of [1, 2]) {
      expect((await failureOf(one.upstream.call(read, { parts: { key: "a" }, decode }, testCall()))).failure).toBe(
        "MALFORMED",
      );
    }
    expect(one.server.seen).toHaveLength(2);
  });
});

describe("an answer with a validator", () => {
  test("is asked about, not for; what still holds is as new as the asking", async () => {
    const one = await open(
      {},
      validated(() => ({ big: "x".repeat(1000) })),
    );
    const first = await ask(one);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await ask(one);
    expect(one.server.seen.map(({ headers }) => headers["if-none-match"] === undefined)).toEqual([true, false]);
    expect(second.value).toEqual(first.value);
    expect(second.origin.stale).toBe(false);
    expect(Date.parse(second.origin.fetchedAt)).toBeGreaterThan(Date.parse(first.origin.fetchedAt));
  });

  test("keeps the headers that a 304 does not repeat", async () => {
    const handler = validated(() => ["row"]);
    const one = await open({}, (request) => {
      const reply = handler(request);
      return reply.status === 304 ? reply : { ...reply, headers: { ...reply.headers, "x-total": "7" } };
    });
    await ask(one);
    expect((await ask(one)).header("x-total")).toBe("7");
  });

  test("is replaced when it has changed", async () => {
    let body = ["old"];
    const one = await open(
      {},
      validated(() => body),
    );
    await ask(one);
    body = ["new"];
    expect((await ask(one)).value).toEqual(["new"]);
    expect((await ask(one)).value).toEqual(["new"]);
    expect(one.server.seen).toHaveLength(3);
  });

  test("is requested again when another entity tag than ours is current", async () => {
    const one = await open({}, () => ({ status: 304 }));
    expect((await failureOf(ask(one))).failure).toBe("REJECTED");
  });
});

describe("a backend that does not answer", () => {
  const faults = [
    { kind: "down" },
    { kind: "reset" },
    { kind: "status", status: 503 },
    { kind: "throttle" },
    { kind: "drip", everyMs: 10 },
  ] as const;
  test.each(faults)("($kind) is replaced by the stale response, marked stale, with its old time", async (fault) => {
    const one = await open({}, counting(), { timeoutMs: 200 });
    const before = await ask(one);
    await one.server.setFault(fault);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const after = await ask(one);
    expect(after.value).toEqual(before.value);
    expect(after.origin).toEqual({ ...before.origin, stale: true });
    await one.server.setFault(null);
    expect((await ask(one)).origin.stale).toBe(false);
  });

  test("is stood in for while its breaker is open, without a request", async () => {
    const one = await open({}, counting(), { breaker: { failures: 1, coolDownMs: 60_000 } });
    await ask(one);
    await one.server.setFault({ kind: "status", status: 503 });
    await ask(one);
    one.server.forget();
    expect((await ask(one)).origin.stale).toBe(true);
    expect(one.server.seen).toHaveLength(0);
  });

  test("is stood in for at the deadline too", async () => {
    const one = await open({}, counting());
    await ask(one);
    one.server.setLatency(10_000);
    const reply = await ask(one, testCall({ signal: AbortSignal.timeout(50) }));
    expect(reply.origin.stale).toBe(true);
  });

  test("is not stood in for by what is too old", async () => {
    const one = await open({ staleIfErrorMs: 20 }, counting());
    await ask(one);
    await one.server.setFault({ kind: "status", status: 503 });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect((await failureOf(ask(one))).failure).toBe("UNAVAILABLE");
  });

  test.each([401, 403, 404])("is not one with status %i: the stored response is deleted", async (status) => {
    const one = await open({}, counting());
    await ask(one);
    await one.server.setFault({ kind: "status", status });
    expect((await failureOf(ask(one))).failure).toBe(status === 404 ? "NOT_FOUND" : "DENIED");
    await one.server.setFault({ kind: "down" });
    expect((await failureOf(ask(one))).failure).toBe("UNAVAILABLE");
  });

  test.each([{ kind: "html" }, { kind: "truncated" }] as const)("($kind)", async (fault) => {
    const one = await open({}, counting());
    await ask(one);
    await one.server.setFault(fault);
    // Half an answer is no answer; a login page is one, and not ours to explain away.
    if (fault.kind === "html") expect((await failureOf(ask(one))).failure).toBe("MALFORMED");
    else expect((await ask(one)).origin.stale).toBe(true);
  });
});

describe("the store", () => {
  const answer = (bytes: number) => ({
    status: 200,
    headers: {},
    body: Buffer.alloc(bytes),
    fetchedAt: "2026-01-01T00:00:00.000Z",
    traceId: null,
  });

  test("never holds more than it may; what was not used for longest goes first", () => {
    const cache = new ResponseCache({ ...usual, maxBytes: 100_000, freshMs: 1000 });
    for (let index = 0; index < 1000; index++) {
      cache.set(`key-${index}`, answer(9_000));
      cache.get("key-0");
      expect(cache.bytes).toBeLessThanOrEqual(100_000);
    }
    expect(cache.get("key-0")).not.toBeNull();
    expect(cache.get("key-1")).toBeNull();
    expect(cache.get("key-999")).not.toBeNull();
  });

  test("takes no answer that would push most others out", () => {
    const cache = new ResponseCache({ ...usual, maxBytes: 100_000, freshMs: 1000 });
    cache.set("small", answer(10));
    cache.set("big", answer(30_000));
    expect([cache.get("small") !== null, cache.get("big")]).toEqual([true, null]);
  });

  test("forgets what it replaces, to the byte", () => {
    const cache = new ResponseCache({ ...usual, maxBytes: 100_000 });
    cache.set("one", answer(5000));
    const size = cache.bytes;
    for (let times = 0; times < 50; times++) {
      const kept = cache.get("one");
      if (kept) cache.revalidate("one", kept, { ...answer(0), status: 304, headers: { "x-new": "same" } });
    }
    expect(cache.bytes - size).toBeLessThan(100);
    cache.delete("one");
    expect(cache.bytes).toBe(0);
  });

  test("tells fresh from good enough by the clock", () => {
    let now = 0;
    const cache = new ResponseCache({ maxBytes: 100_000, freshMs: 1000, staleIfErrorMs: 5000 }, () => now);
    cache.set("one", answer(10));
    const told = [0, 999, 1000, 6000, 6001].map((at) => {
      now = at;
      return [cache.fresh("one") !== null, cache.staleIfError("one") !== null];
    });
    expect(told).toEqual([
      [true, true],
      [true, true],
      [false, true],
      [false, true],
      [false, false],
    ]);
  });
});

test.each<[Record<string, string>, boolean, number | null]>([
  [{}, true, null],
  [{ "cache-control": "max-age=60" }, true, 60_000],
  [{ "cache-control": 'Max-Age="60" , private' }, true, 60_000],
  [{ "cache-control": "max-age=60", age: "45" }, true, 15_000],
  [{ "cache-control": "max-age=60", age: "90" }, true, 0],
  [{ "cache-control": "max-age=nonsense" }, true, 0],
  [{ "cache-control": "max-age=0, private, must-revalidate" }, true, 0],
  [{ "cache-control": "no-cache, max-age=60" }, true, 0],
  [{ "cache-control": "no-store" }, false, null],
  [{ vary: " * " }, false, null],
  [{ vary: "Accept, Origin" }, true, null],
  [{ expires: "Thu, 01 Jan 2026 00:01:00 GMT", date: "Thu, 01 Jan 2026 00:00:00 GMT" }, true, 60_000],
  [{ expires: "0" }, true, 0],
  [{ "cache-control": "max-age=1", expires: "Thu, 01 Jan 2099 00:01:00 GMT" }, true, 1000],
])("%j may be stored: %s, fresh: %s", (headers, isStorable, freshMs) => {
  expect(cachePolicyOf(headers)).toEqual({ isStorable, freshMs });
});
