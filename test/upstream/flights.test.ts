import { afterEach, describe, expect, test } from "vitest";
import type { DemoHandler } from "../../demo/server.ts";
import type { Call } from "../../src/upstream/call.ts";
import type { UpstreamSettings } from "../../src/upstream/client.ts";
import { type Exchange, exchanges } from "../../src/upstream/exchange.ts";
import { createFlights } from "../../src/upstream/flights.ts";
import { testCall } from "../support/call.ts";
import { change, failureOf, read, type Stage, search, stage, thing, until } from "./stage.ts";

let opened: Stage | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});

async function open(settings: Partial<UpstreamSettings> = {}, handler?: DemoHandler): Promise<Stage> {
  opened = await stage(handler ?? (({ rawPath }) => ({ body: { at: rawPath } })), settings, {
    authorize: async (_request, call) => ({ authorization: call.caller.credentialFor("plain") ?? "none" }),
  });
  return opened;
}

function heard(): { readonly all: Exchange[]; readonly stop: () => void } {
  const all: Exchange[] = [];
  return { all, stop: exchanges.listen((exchange) => void all.push(exchange)) };
}

describe("equal reads at the same moment", () => {
  test("are one request, whoever asks, and everybody has the answer", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const replies = await Promise.all(Array.from({ length: 20 }, () => upstream.call(read, thing("a"), testCall())));
    expect(server.seen).toHaveLength(1);
    expect(replies.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, () => ({ at: "/things/a" })));
  });

  test("are one for a POST that only asks, by its body", async () => {
    const { server, upstream } = await open({}, ({ body }) => ({ body: { body } }));
    server.setLatency(30);
    const ask = (body: object) => upstream.call(search, { body, decode: (reply) => reply.body }, testCall());
    const values = await Promise.all([ask({ q: 1 }), ask({ q: 1 }), ask({ q: 2 })]);
    expect(server.seen).toHaveLength(2);
    expect(values.map(({ value }) => value)).toEqual([{ body: '{"q":1}' }, { body: '{"q":1}' }, { body: '{"q":2}' }]);
  });

  test("are never one when they change something", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const ask = () => upstream.call(change, { body: {}, decode: () => null }, testCall());
    await Promise.all([ask(), ask()]);
    expect(server.seen).toHaveLength(2);
  });

  test("that differ in path, header or media are told apart", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    await Promise.all([
      upstream.call(read, thing("a"), testCall()),
      upstream.call(read, thing("b"), testCall()),
      upstream.call(read, { ...thing("a"), query: { page: 2 } }, testCall()),
      upstream.call(read, { ...thing("a"), headers: { "x-zone": "+08:00" } }, testCall()),
      upstream.call(read, { ...thing("a"), media: "text" }, testCall()),
    ]);
    expect(server.seen).toHaveLength(5);
  });

  test("of callers with their own credentials are shared by equal ones only", async () => {
    const { server, upstream } = await open({ forward: "caller" }, ({ header }) => ({
      body: { you: header("authorization") },
    }));
    server.setLatency(30);
    const who = ["alice", "bob", "alice", "bob", "carol"];
    const replies = await Promise.all(
      who.map((credential) => upstream.call(read, thing("a"), testCall({ credential }))),
    );
    expect(server.seen).toHaveLength(3);
    expect(replies.map(({ value }) => value)).toEqual(who.map((you) => ({ you })));
  });

  test("of callers without the credential they need are not shared", async () => {
    const { server, upstream } = await open({ forward: "caller" });
    server.setLatency(30);
    await Promise.all([upstream.call(read, thing("a"), testCall()), upstream.call(read, thing("a"), testCall())]);
    expect(server.seen).toHaveLength(2);
  });

  test("one after the other are two: nothing is kept", async () => {
    const { server, upstream } = await open();
    await upstream.call(read, thing("a"), testCall());
    await upstream.call(read, thing("a"), testCall());
    expect(server.seen).toHaveLength(2);
  });

  test("fail together, with one request", async () => {
    const { server, upstream } = await open({}, () => ({ status: 503, body: "" }));
    server.setLatency(30);
    const errors = await Promise.all(
      Array.from({ length: 5 }, () => failureOf(upstream.call(read, thing("a"), testCall()))),
    );
    expect(server.seen).toHaveLength(1);
    expect(errors.map((error) => error.failure)).toEqual(Array.from({ length: 5 }, () => "UNAVAILABLE"));
  });

  test("are decoded by each asker for itself", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const ask = (decode: () => string) => upstream.call(read, { parts: { key: "a" }, decode }, testCall());
    const [one, two] = await Promise.all([ask(() => "one"), ask(() => "two")]);
    expect(server.seen).toHaveLength(1);
    expect([one.value, two.value]).toEqual(["one", "two"]);
  });
});

describe("an asker who leaves", () => {
  test("does not take the answer from the others, the first one neither", async () => {
    const { server, upstream } = await open();
    server.setLatency(60);
    const leaving = new AbortController();
    const first = failureOf(upstream.call(read, thing("a"), testCall({ signal: leaving.signal })));
    const second = upstream.call(read, thing("a"), testCall());
    await until(() => server.seen.length === 1);
    leaving.abort();
    expect(await first).toMatchObject({ failure: "TIMED_OUT", retryable: false });
    expect(server.seen[0]?.endedAt).toBeNull();
    expect((await second).value).toEqual({ at: "/things/a" });
    expect(server.seen).toHaveLength(1);
  });

  test("ends the request on the wire when it was the last", async () => {
    const { server, upstream } = await open();
    server.setLatency(10_000);
    const [one, two] = [new AbortController(), new AbortController()];
    const both = [one, two].map(({ signal }) => failureOf(upstream.call(read, thing("a"), testCall({ signal }))));
    await until(() => server.seen.length === 1);
    one.abort();
    await both[0];
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(server.sockets()).toBe(1);
    two.abort();
    await both[1];
    await until(() => server.sockets() === 0);
    expect(server.seen[0]?.endedAt).not.toBeNull();
  });

  test("does not leave the next one a dying flight", async () => {
    const { server, upstream } = await open();
    server.setLatency(50);
    const leaving = new AbortController();
    const first = failureOf(upstream.call(read, thing("a"), testCall({ signal: leaving.signal })));
    await until(() => server.seen.length === 1);
    leaving.abort();
    const second = upstream.call(read, thing("a"), testCall());
    expect((await second).value).toEqual({ at: "/things/a" });
    expect((await first).failure).toBe("TIMED_OUT");
    expect(server.seen).toHaveLength(2);
  });
});

describe("the bill", () => {
  const counted = (calls: number) => {
    let left = calls;
    const call: Call = { ...testCall(), budget: { take: () => left-- > 0 } };
    return { call, left: () => Math.max(0, left) };
  };

  test("is one call, paid by whoever began", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const [first, second] = [counted(5), counted(5)];
    await Promise.all([first, second].map(({ call }) => upstream.call(read, thing("a"), call)));
    expect([first.left(), second.left()]).toEqual([4, 5]);
    expect(server.seen).toHaveLength(1);
  });

  test("is paid by another when the first cannot: nobody fails for somebody else's budget", async () => {
    const { server, upstream } = await open();
    const [poor, rich] = [counted(0), counted(5)];
    const asked = [poor, rich].map(({ call }) => upstream.call(read, thing("a"), call));
    expect((await Promise.all(asked)).map(({ value }) => value)).toEqual([{ at: "/things/a" }, { at: "/things/a" }]);
    expect(rich.left()).toBe(4);
    expect(server.seen).toHaveLength(1);
  });

  test("is OVER_BUDGET when nobody aboard can pay", async () => {
    const { server, upstream } = await open();
    expect((await failureOf(upstream.call(read, thing("a"), counted(0).call))).failure).toBe("OVER_BUDGET");
    expect(server.seen).toHaveLength(0);
  });

  test("is told to each: the payer's request, the others' flight", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const [first, second] = [testCall(), testCall()];
    const { all, stop } = heard();
    await Promise.all([upstream.call(read, thing("a"), first), upstream.call(read, thing("a"), second)]);
    stop();
    expect(
      all.map(({ call, via, attempt, outcome }) => [
        call === first ? 1 : call === second ? 2 : 0,
        via,
        attempt,
        outcome,
      ]),
    ).toEqual([
      [1, "WIRE", 1, "OK"],
      [2, "FLIGHT", 0, "OK"],
    ]);
  });

  test("is told even when the payer has left", async () => {
    const { server, upstream } = await open();
    server.setLatency(40);
    const leaving = new AbortController();
    const first = testCall({ signal: leaving.signal });
    const { all, stop } = heard();
    const left = failureOf(upstream.call(read, thing("a"), first));
    const second = upstream.call(read, thing("a"), testCall());
    await until(() => server.seen.length === 1);
    leaving.abort();
    await Promise.all([left, second]);
    stop();
    expect(all.map(({ call, via }) => [call === first, via])).toContainEqual([true, "WIRE"]);
    expect(all.filter(({ via }) => via === "WIRE")).toHaveLength(1);
  });
});

test("a flight lasts as long as the most patient of those who wait", async () => {
  const flights = createFlights<number>();
  const patience = (ms: number): Call => ({ ...testCall(), remainingMs: () => ms });
  const begun: Call[] = [];
  const answer = Promise.withResolvers<number>();
  const begin = (call: Call) => {
    begun.push(call);
    return answer.promise;
  };
  const seats = [10, 500, 200].map((ms) => flights.join("k", patience(ms), begin));
  await Promise.resolve();
  expect(begun.map((call) => call.remainingMs())).toEqual([500]);
  answer.resolve(7);
  expect(await Promise.all(seats.map(({ landed }) => landed))).toEqual([7, 7, 7]);
  expect(flights.count()).toBe(0);
});
