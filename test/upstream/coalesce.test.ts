import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { DemoHandler } from "../../demo/server.ts";
import { CancelSource } from "../../src/upstream/cancel.ts";
import type { UpstreamSettings } from "../../src/upstream/client.ts";
import { Coalescer, SharedCall } from "../../src/upstream/coalesce.ts";
import { type Exchange, exchanges } from "../../src/upstream/events.ts";
import type { Call } from "../../src/upstream/operation.ts";
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
  return { all, stop: exchanges.subscribe((exchange) => void all.push(exchange)) };
}

describe("equal reads at the same moment", () => {
  test("are one request, and every caller has the answer", async () => {
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

  test("that differ in path, header or media are different reads", async () => {
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

  test("one after the other are two: nothing is stored", async () => {
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

  test("are decoded by each caller for itself", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const ask = (decode: () => string) => upstream.call(read, { parts: { key: "a" }, decode }, testCall());
    const [one, two] = await Promise.all([ask(() => "one"), ask(() => "two")]);
    expect(server.seen).toHaveLength(1);
    expect([one.value, two.value]).toEqual(["one", "two"]);
  });
});

describe("a caller who leaves", () => {
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

  test("ends the request when it was the last", async () => {
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

  test("does not leave the next caller a cancelled run", async () => {
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

  test("is one call, paid by the leader", async () => {
    const { server, upstream } = await open();
    server.setLatency(30);
    const [first, second] = [counted(5), counted(5)];
    await Promise.all([first, second].map(({ call }) => upstream.call(read, thing("a"), call)));
    expect([first.left(), second.left()]).toEqual([4, 5]);
    expect(server.seen).toHaveLength(1);
  });

  test("is paid by another when the first cannot: no read fails for another caller's budget", async () => {
    const { server, upstream } = await open();
    const [poor, rich] = [counted(0), counted(5)];
    const asked = [poor, rich].map(({ call }) => upstream.call(read, thing("a"), call));
    expect((await Promise.all(asked)).map(({ value }) => value)).toEqual([{ at: "/things/a" }, { at: "/things/a" }]);
    expect(rich.left()).toBe(4);
    expect(server.seen).toHaveLength(1);
  });

  test("is OVER_BUDGET when no waiter can pay", async () => {
    const { server, upstream } = await open();
    expect((await failureOf(upstream.call(read, thing("a"), counted(0).call))).failure).toBe("OVER_BUDGET");
    expect(server.seen).toHaveLength(0);
  });

  test("is reported for each: the payer's request, the others' shared answer", async () => {
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
      [1, "SENT", 1, "OK"],
      [2, "COALESCED", 0, "OK"],
    ]);
  });

  test("is reported even when the payer has left", async () => {
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
    expect(all.map(({ call, via }) => [call === first, via])).toContainEqual([true, "SENT"]);
    expect(all.filter(({ via }) => via === "SENT")).toHaveLength(1);
  });
});

describe("a coalescer", () => {
  const waiter = () => {
    const source = new CancelSource();
    return { cancelToken: source, giveUp: () => source.cancel() };
  };
  type TestWaiter = ReturnType<typeof waiter>;

  test("gives all waiters of a key the result of one run, and starts a new one afterwards", async () => {
    const coalescer = new Coalescer<number, TestWaiter>();
    let runs = 0;
    const join = (key: string) => coalescer.join(key, waiter(), async () => ++runs);
    const handles = [join("a"), join("a"), join("b")];
    expect(coalescer.size).toBe(2);
    expect(handles.map(({ isLeader }) => isLeader)).toEqual([true, false, true]);
    expect(await Promise.all(handles.map(({ result }) => result))).toEqual([1, 1, 2]);
    expect(coalescer.size).toBe(0);
    expect(await join("a").result).toBe(3);
  });

  test("cancels a run with its last waiter, the leader or not", async () => {
    const coalescer = new Coalescer<number, TestWaiter>();
    const start = () => new Promise<number>(() => {});
    const [leader, follower] = [waiter(), waiter()];
    const first = coalescer.join("a", leader, start);
    const second = coalescer.join("a", follower, start);
    leader.giveUp();
    await expect(first.result).rejects.toThrow();
    expect(first.run.cancelToken.cancelled).toBe(false);
    expect(second.run.handles).toEqual([second]);
    follower.giveUp();
    await expect(second.result).rejects.toThrow();
    expect(first.run.cancelToken.cancelled).toBe(true);
    expect(coalescer.follow("a", waiter())).toBeNull();
  });

  test("accepts no followers for a run that began before an invalidation; its followers stay", async () => {
    const coalescer = new Coalescer<number, TestWaiter>();
    const work = Promise.withResolvers<number>();
    const before = [0, 1].map(() => coalescer.join("a", waiter(), () => work.promise));
    coalescer.invalidate();
    expect(coalescer.follow("a", waiter())).toBeNull();
    const after = coalescer.join("a", waiter(), async () => 2);
    expect(after.isLeader).toBe(true);
    work.resolve(1);
    expect(await Promise.all([...before, after].map(({ result }) => result))).toEqual([1, 1, 2]);
    expect(coalescer.size).toBe(0);
  });

  test("releases followers after the longest time they may wait, and accepts no more", async () => {
    const coalescer = new Coalescer<number | null, TestWaiter>({ maxWaitMs: 20, released: null });
    const work = Promise.withResolvers<number | null>();
    const leader = coalescer.join("a", waiter(), () => work.promise);
    const follower = coalescer.follow("a", waiter());
    expect(await follower?.result).toBeNull();
    expect(coalescer.follow("a", waiter())).toBeNull();
    expect(leader.run.cancelToken.cancelled).toBe(false);
    work.resolve(7);
    expect(await leader.result).toBe(7);
  });

  test("accepts no followers after that time where there were none before", async () => {
    const coalescer = new Coalescer<number | null, TestWaiter>({ maxWaitMs: 10, released: null });
    void coalescer.join("a", waiter(), () => new Promise(() => {}));
    await new Promise((resolve) => setTimeout(resolve, 15));
    expect(coalescer.follow("a", waiter())).toBeNull();
  });

  test("cancels a released run whose leader has given up, after its followers have been released", async () => {
    const coalescer = new Coalescer<number | null, TestWaiter>({ maxWaitMs: 10_000, released: null });
    const first = waiter();
    const leader = coalescer.join("a", first, () => new Promise(() => {}));
    const follower = coalescer.follow("a", waiter());
    first.giveUp();
    await expect(leader.result).rejects.toThrow();
    leader.run.release();
    expect(await follower?.result).toBeNull();
    expect(leader.run.cancelToken.cancelled).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(leader.run.cancelToken.cancelled).toBe(true);
  });

  test("rejects all waiters with the failure of the run", async () => {
    const coalescer = new Coalescer<number, TestWaiter>();
    const results = [0, 1].map(() => coalescer.join("a", waiter(), () => Promise.reject(new Error("gone"))).result);
    expect(await Promise.allSettled(results)).toMatchObject([
      { status: "rejected", reason: { message: "gone" } },
      { status: "rejected", reason: { message: "gone" } },
    ]);
  });
});

describe("a coalescer, in its details", () => {
  /** A token that shows how many listen to it. */
  function watched() {
    const listeners = new Set<() => void>();
    const cancelToken = {
      cancelled: false,
      onCancel: (listener: () => void) => void listeners.add(listener),
      offCancel: (listener: () => void) => void listeners.delete(listener),
    };
    return { cancelToken, listeners };
  }

  function stopClocks(): void {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
  }

  test("leaves no listener behind on the tokens of its waiters", async () => {
    const coalescer = new Coalescer<number, ReturnType<typeof watched>>();
    for (const work of [() => Promise.resolve(1), () => Promise.reject(new Error("gone"))]) {
      const waiters = [watched(), watched()];
      const results = waiters.map((one) => coalescer.join("a", one, work).result);
      expect(waiters.map(({ listeners }) => listeners.size)).toEqual([1, 1]);
      await Promise.allSettled(results);
      expect(waiters.map(({ listeners }) => listeners.size)).toEqual([0, 0]);
    }
  });

  test("has no work to follow until it was started", async () => {
    const coalescer = new Coalescer<number, ReturnType<typeof watched>>();
    const early: unknown[] = [];
    const handle = coalescer.join("a", watched(), async (run) => {
      early.push(coalescer.follow("a", watched()));
      await expect(run.work).rejects.toThrow("the waiter has given up");
      return 1;
    });
    expect(early).toEqual([null]);
    expect(coalescer.follow("a", watched())).not.toBeNull();
    expect(await handle.result).toBe(1);
    expect(await handle.run.work).toBe(1);
  });

  test("says why a waiter who gave up has no result", async () => {
    const coalescer = new Coalescer<number, ReturnType<typeof watched>>();
    const one = watched();
    const { result } = coalescer.join("a", one, () => new Promise(() => {}));
    for (const listener of one.listeners) listener();
    await expect(result).rejects.toThrow("the waiter has given up");
  });

  test("releases only where there is a longest time", () => {
    const coalescer = new Coalescer<number, ReturnType<typeof watched>>();
    const { run } = coalescer.join("a", watched(), () => new Promise(() => {}));
    expect(() => run.release()).toThrow("only a run with a maximum wait can be released");
  });

  test("does not cancel a released run whose leader waits", async () => {
    const coalescer = new Coalescer<number | null, ReturnType<typeof watched>>({ maxWaitMs: 10_000, released: null });
    const { run } = coalescer.join("a", watched(), () => new Promise(() => {}));
    coalescer.follow("a", watched());
    run.release();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(run.cancelToken.cancelled).toBe(false);
    expect(run.handles.map(({ isLeader }) => isLeader)).toEqual([true]);
  });

  test("has a timer only while there is a follower", async () => {
    stopClocks();
    const coalescer = new Coalescer<number | null, ReturnType<typeof watched>>({ maxWaitMs: 100, released: null });
    const work = Promise.withResolvers<number>();
    const leader = coalescer.join("a", watched(), () => work.promise);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(60);
    const followers = [coalescer.follow("a", watched()), coalescer.follow("a", watched())];
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(39);
    expect(coalescer.size).toBe(1);
    work.resolve(7);
    expect(await Promise.all([leader, ...followers].map((one) => one?.result))).toEqual([7, 7, 7]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("counts the longest time from the start of the run, and its end belongs to it no more", async () => {
    stopClocks();
    const coalescer = new Coalescer<number | null, ReturnType<typeof watched>>({ maxWaitMs: 100, released: null });
    coalescer.join("a", watched(), () => new Promise(() => {}));
    vi.advanceTimersByTime(99);
    const follower = coalescer.follow("a", watched());
    vi.advanceTimersByTime(1);
    expect(await follower?.result).toBeNull();
    coalescer.join("b", watched(), () => new Promise(() => {}));
    vi.advanceTimersByTime(100);
    expect(coalescer.follow("b", watched())).toBeNull();
  });

  test("keeps the later run of a key when an earlier one ends", async () => {
    stopClocks();
    const coalescer = new Coalescer<number | null, ReturnType<typeof watched>>({ maxWaitMs: 100, released: null });
    const work = Promise.withResolvers<number>();
    const first = coalescer.join("a", watched(), () => work.promise);
    vi.advanceTimersByTime(100);
    const second = coalescer.join("a", watched(), () => new Promise(() => {}));
    expect(second.isLeader).toBe(true);
    work.resolve(1);
    expect(await first.result).toBe(1);
    expect(coalescer.follow("a", watched())?.run).toBe(second.run);
  });
});

describe("a shared call", () => {
  const of = (caller: string, calls: number) => testCall({ caller, calls });

  function share(coalescer = new Coalescer<number, Call>()) {
    const made: SharedCall<number>[] = [];
    const join = (call: Call) =>
      coalescer.join("k", call, (run) => {
        made.push(new SharedCall(run));
        return new Promise(() => {});
      });
    return { coalescer, made, join };
  }

  test("accepts no followers when none of its waiters can pay", () => {
    const { coalescer, made, join } = share();
    join(of("a", 0));
    join(of("b", 1));
    expect(made[0]?.onBehalfOf().caller.key).toBe("a");
    expect(made[0]?.take()).toBe(true);
    expect(made[0]?.onBehalfOf().caller.key).toBe("b");
    expect(coalescer.size).toBe(1);
    expect(made[0]?.take()).toBe(false);
    expect(coalescer.follow("k", of("c", 1))).toBeNull();
  });

  test("tells the callers that wait and those that join, until it is told to stop", () => {
    const { made, join } = share();
    const heard: string[] = [];
    join(of("a", 1));
    join(of("b", 1));
    made[0]?.followCallers((key) => void heard.push(key));
    expect(heard).toEqual(["a", "b"]);
    join(of("c", 1));
    expect(heard).toEqual(["a", "b", "c"]);
    made[0]?.followCallers(null);
    join(of("d", 1));
    expect(heard).toEqual(["a", "b", "c"]);
  });
});

test("a shared call has as much time as the waiter that has most", async () => {
  const coalescer = new Coalescer<number, Call>();
  const withTime = (ms: number): Call => ({ ...testCall(), remainingMs: () => ms });
  const made: Call[] = [];
  const answer = Promise.withResolvers<number>();
  const handles = [10, 500, 200].map((ms) =>
    coalescer.join("k", withTime(ms), (run) => {
      made.push(new SharedCall(run));
      return answer.promise;
    }),
  );
  expect(made.map((call) => call.remainingMs())).toEqual([500]);
  answer.resolve(7);
  expect(await Promise.all(handles.map(({ result }) => result))).toEqual([7, 7, 7]);
});
