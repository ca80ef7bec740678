import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CancelToken } from "../../src/upstream/cancel.ts";
import { type Failure, type FailureFacts, UpstreamError } from "../../src/upstream/errors.ts";
import type { Call } from "../../src/upstream/operation.ts";
import { Resilience, type ResilienceSettings, type Target } from "../../src/upstream/resilience.ts";
import { cancelTokenOf } from "../support/call.ts";
import { change, read } from "./stage.ts";

const usual: ResilienceSettings = {
  timeoutMs: 1000,
  concurrency: 2,
  retries: 2,
  breaker: { failures: 3, coolDownMs: 10_000 },
};

type Facts = Partial<Pick<FailureFacts, "retryAfterMs" | "retryable" | "status" | "silence">>;

const failure = (kind: Failure, facts: Facts = {}) =>
  new UpstreamError(kind, { backend: "plain", operation: read.name, ...facts });

/** Nobody listens there: nothing that was asked can be the reason. */
const refused = failure("UNAVAILABLE", { silence: "UNREACHABLE" });
/** Sent, and the connection was reset. */
const reset = failure("UNAVAILABLE", { silence: "SILENT" });

/** A request on the fake clock. */
function request(deadlineMs = 15_000): Call & { readonly leave: () => void } {
  const end = Date.now() + deadlineMs;
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(), deadlineMs);
  return {
    cancelToken: cancelTokenOf(leaving.signal),
    remainingMs: () => end - Date.now(),
    requestId: "test",
    budget: { take: () => true },
    caller: { key: "test", credentialFor: () => null },
    leave: () => leaving.abort(),
  };
}

/** A backend that answers as told, one word an attempt; the last word stays. */
function backend(...words: readonly (UpstreamError | "OK" | "HANG")[]) {
  const at: number[] = [];
  const attempt = async (stop: CancelToken) => {
    const word = words[Math.min(at.length, words.length - 1)];
    at.push(Date.now());
    if (word === "HANG") {
      await new Promise((_resolve, reject) => stop.onCancel(() => reject(failure("TIMED_OUT", { silence: "SILENT" }))));
    }
    if (word instanceof UpstreamError) throw again(word);
    return "answer";
  };
  return { attempt, at, pauses: () => at.slice(1).map((time, index) => time - (at[index] ?? 0)) };
}

/** Each attempt fails with an error of its own. */
function again(error: UpstreamError, operation = error.operation): UpstreamError {
  const { failure, backend, status, retryAfterMs, retryable, silence } = error;
  return new UpstreamError(failure, { backend, operation, status, retryAfterMs, retryable, silence });
}

let paths = 0;

/** Another path each time. */
function target(path = `/things/${++paths}`): Target {
  return { operation: read, path, credential: null };
}

/** What became of it, and when. */
function outcome(promise: Promise<unknown>) {
  const started = Date.now();
  return promise.then(
    (value) => ({ value, error: null, after: Date.now() - started }),
    (error: unknown) => {
      if (!(error instanceof UpstreamError)) throw error;
      return { value: null, error, after: Date.now() - started };
    },
  );
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function run(
  resilience: Resilience,
  attempt: (stop: CancelToken) => Promise<string>,
  call: Call = request(),
  operation = read,
) {
  const result = outcome(resilience.run({ ...target(), operation }, call, attempt));
  await vi.advanceTimersByTimeAsync(60_000);
  return result;
}

describe("retry", () => {
  test("asks as often as configured, and no oftener", async () => {
    const down = backend(refused);
    const resilience = new Resilience("plain", { ...usual, breaker: { failures: 100, coolDownMs: 1 } });
    const { error } = await run(resilience, down.attempt);
    expect(error?.failure).toBe("UNAVAILABLE");
    expect(down.at).toHaveLength(3);
  });

  test.each<Failure>(["UNAVAILABLE", "TIMED_OUT", "THROTTLED"])(
    "of %s helps when the next answer is good",
    async (kind) => {
      const flaky = backend(failure(kind), "OK");
      expect((await run(new Resilience("plain", usual), flaky.attempt)).value).toBe("answer");
      expect(flaky.at).toHaveLength(2);
    },
  );

  test.each<Failure>(["NOT_FOUND", "DENIED", "REJECTED", "MALFORMED", "OVER_BUDGET"])(
    "of %s there is none",
    async (kind) => {
      const sure = backend(failure(kind));
      expect((await run(new Resilience("plain", usual), sure.attempt)).error?.failure).toBe(kind);
      expect(sure.at).toHaveLength(1);
    },
  );

  test("of what changes something there is none", async () => {
    const down = backend(refused);
    await run(new Resilience("plain", usual), down.attempt, request(), change);
    expect(down.at).toHaveLength(1);
  });

  test("of what the dialect calls hopeless there is none", async () => {
    const down = backend(failure("UNAVAILABLE", { retryable: false }));
    await run(new Resilience("plain", usual), down.attempt);
    expect(down.at).toHaveLength(1);
  });

  test("pauses with full jitter: anything from nothing to the doubled bound, never more", async () => {
    const settings = { ...usual, retries: 8, breaker: { failures: 100, coolDownMs: 1 } };
    const bounds = [200, 400, 800, 1600, 3200, 5000, 5000, 5000];
    for (const luck of [0, 0.5, 0.999]) {
      vi.spyOn(Math, "random").mockReturnValue(luck);
      const down = backend(refused);
      await run(new Resilience("plain", settings), down.attempt, request(60_000));
      down.pauses().forEach((pause, index) => {
        expect(Math.abs(pause - luck * (bounds[index] ?? 0))).toBeLessThanOrEqual(1);
      });
      expect(down.at).toHaveLength(9);
    }
  });

  test("waits as long as the backend asks, and jitter on top", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const busy = backend(failure("THROTTLED", { retryAfterMs: 3000 }), "OK");
    const { value, after } = await run(new Resilience("plain", usual), busy.attempt);
    expect(value).toBe("answer");
    expect(after).toBe(3100);
  });

  test.each([
    { asks: 15_000, deadline: 15_000 },
    { asks: 3_600_000, deadline: 15_000 },
    { asks: 950, deadline: 1000 },
  ])(
    "that would outlast the deadline ($asks of $deadline ms) is not waited for: the answer is THROTTLED, at once",
    async ({ asks, deadline }) => {
      vi.spyOn(Math, "random").mockReturnValue(0.9);
      const busy = backend(failure("THROTTLED", { retryAfterMs: asks }), "OK");
      const { error, after } = await run(new Resilience("plain", usual), busy.attempt, request(deadline));
      expect(error).toMatchObject({ failure: "THROTTLED", retryAfterMs: asks, retryable: true });
      expect(after).toBe(0);
      expect(busy.at).toHaveLength(1);
    },
  );
});

describe("timeout and deadline", () => {
  test("each attempt has its own time, all of them the operation's", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.1);
    const hanging = backend("HANG");
    const resilience = new Resilience("plain", { ...usual, retries: 10, breaker: { failures: 100, coolDownMs: 1 } });
    const { error, after } = await run(resilience, hanging.attempt, request(2500));
    expect(error).toMatchObject({ failure: "TIMED_OUT", retryable: false });
    expect(after).toBe(2500);
    expect(hanging.at).toHaveLength(3);
  });

  test("a caller who leaves ends the pause, and nothing is asked afterwards", async () => {
    const down = backend(refused);
    const call = request();
    const result = outcome(new Resilience("plain", usual).run(target(), call, down.attempt));
    await vi.advanceTimersByTimeAsync(0);
    call.leave();
    expect((await result).error).toMatchObject({ failure: "TIMED_OUT" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(down.at).toHaveLength(1);
  });
});

describe("breaker and retry together", () => {
  test("the breaker opens by attempts, within one request too, and its refusal is final", async () => {
    const down = backend(refused);
    const resilience = new Resilience("plain", { ...usual, retries: 10 });
    const { error } = await run(resilience, down.attempt);
    expect(error).toMatchObject({ failure: "UNAVAILABLE", circuitOpen: true });
    expect(down.at).toHaveLength(3);
    expect(resilience.pressure().circuit).toBe("open");
  });

  test("a request that was sent before the breaker opened tells what came of it", async () => {
    const hanging = backend("HANG");
    const check = { name: "plain.check", send: () => Promise.reject(again(reset, "plain.check")) };
    const { error } = await run(new Resilience("plain", { ...usual, retries: 10 }, check), hanging.attempt);
    expect(error).toMatchObject({ failure: "TIMED_OUT", circuitOpen: true, retryable: true });
    const failing = backend(failure("UNAVAILABLE", { status: 503 }));
    const others = await run(new Resilience("plain", { ...usual, retries: 10 }, check), failing.attempt);
    expect(others.error).toMatchObject({ failure: "UNAVAILABLE", status: 503, circuitOpen: true });
  });

  test("while it is open nothing is sent and no call waits", async () => {
    const down = backend(refused);
    const resilience = new Resilience("plain", { ...usual, breaker: { failures: 3, coolDownMs: 120_000 } });
    await run(resilience, down.attempt);
    const { error, after } = await run(resilience, down.attempt);
    expect(error?.circuitOpen).toBe(true);
    expect(after).toBe(0);
    expect(down.at).toHaveLength(3);
  });

  test("after the cool-down one call is let through; its success closes the breaker", async () => {
    const ill = backend(refused, refused, refused, "OK");
    const resilience = new Resilience("plain", usual);
    await run(resilience, ill.attempt);
    await vi.advanceTimersByTimeAsync(10_000);
    const many = await Promise.all(Array.from({ length: 5 }, () => run(resilience, ill.attempt)));
    expect(many.map(({ value }) => value)).toEqual(Array.from({ length: 5 }, () => "answer"));
    expect(resilience.pressure().circuit).toBe("closed");
  });

  test("its failure opens it for another while, after one call and not after a burst", async () => {
    const down = backend(refused);
    const resilience = new Resilience("plain", { ...usual, breaker: { failures: 3, coolDownMs: 100_000 } });
    await run(resilience, down.attempt);
    await vi.advanceTimersByTimeAsync(100_000);
    const many = await Promise.all(Array.from({ length: 5 }, () => run(resilience, down.attempt)));
    expect(many.every(({ error }) => error?.failure === "UNAVAILABLE")).toBe(true);
    expect(down.at).toHaveLength(4);
    expect(resilience.isOpen(null)).toBe(true);
  });

  test("a call that is let through and then given up proves nothing: the breaker stays open", async () => {
    const down = backend(refused, refused, refused, "HANG");
    const resilience = new Resilience("plain", usual);
    await run(resilience, down.attempt);
    await vi.advanceTimersByTimeAsync(10_000);
    const call = request();
    const probe = outcome(resilience.run(target(), call, down.attempt));
    await vi.advanceTimersByTimeAsync(10);
    expect(resilience.pressure().circuit).toBe("half-open");
    call.leave();
    await probe;
    await vi.advanceTimersByTimeAsync(1);
    expect(resilience.pressure().circuit).toBe("open");
  });

  test.each<Failure>(["THROTTLED", "DENIED", "NOT_FOUND", "MALFORMED", "REJECTED"])(
    "%s is an answer and opens nothing",
    async (kind) => {
      const resilience = new Resilience("plain", { ...usual, retries: 0 });
      for (let times = 0; times < 10; times++) await run(resilience, backend(failure(kind, { status: 400 })).attempt);
      expect(resilience.isOpen(null)).toBe(false);
    },
  );

  test("a caller who leaves, again and again, opens nothing", async () => {
    const resilience = new Resilience("plain", { ...usual, retries: 0 });
    for (let times = 0; times < 10; times++) {
      const result = outcome(resilience.run(target(), request(5), backend("HANG").attempt));
      await vi.advanceTimersByTimeAsync(10);
      expect((await result).error?.failure).toBe("TIMED_OUT");
    }
    expect(resilience.isOpen(null)).toBe(false);
  });

  test("what waits in the queue when the breaker opens is refused, not sent", async () => {
    const hanging = backend("HANG");
    const resilience = new Resilience("plain", { ...usual, concurrency: 3, retries: 0 });
    const results = Array.from({ length: 50 }, () => outcome(resilience.run(target(), request(), hanging.attempt)));
    await vi.advanceTimersByTimeAsync(2000);
    const all = await Promise.all(results);
    // All three were due at one moment: the breaker is open before any of their places is free.
    expect(hanging.at).toHaveLength(3);
    expect(all.filter(({ error }) => error?.circuitOpen)).toHaveLength(50 - 3);
    expect(resilience.pressure()).toMatchObject({ inFlight: 0, queued: 0 });
  });

  test("a full queue refuses as throttled, and that opens nothing and is not retried", async () => {
    const hanging = backend("HANG");
    const resilience = new Resilience("plain", { ...usual, concurrency: 1 });
    const call = request();
    const results = Array.from({ length: 1 + 64 + 2 }, () => outcome(resilience.run(target(), call, hanging.attempt)));
    const last = await results.at(-1);
    expect(last?.error).toMatchObject({ failure: "THROTTLED" });
    expect(resilience.pressure()).toEqual({ circuit: "closed", openCredentials: 0, inFlight: 1, queued: 64 });
    call.leave();
    await Promise.all(results);
    await vi.advanceTimersByTimeAsync(0);
    expect(resilience.pressure()).toEqual({ circuit: "closed", openCredentials: 0, inFlight: 0, queued: 0 });
    expect(hanging.at).toHaveLength(1);
  });
});

describe("a failure stays as small as what it is about", () => {
  const once: ResilienceSettings = { ...usual, retries: 0 };
  const many = <T>(length: number, make: (index: number) => T) => Array.from({ length }, (_, index) => make(index));
  const ask = async (
    resilience: Resilience,
    path: string,
    word: UpstreamError | "OK",
    credential: string | null = null,
  ) => {
    const asked = outcome(resilience.run({ ...target(path), credential }, request(), backend(word).attempt));
    await vi.advanceTimersByTimeAsync(0);
    return asked;
  };
  /** A question of the gateway's own that is answered as told. */
  const checking = (word: UpstreamError | "OK") => {
    const asked: string[] = [];
    const name = "plain.check";
    const ask = async ({ caller }: Call) => {
      asked.push(caller.key);
      if (word !== "OK") throw again(word, name);
    };
    return { name, send: ask, asked };
  };

  test.each([500, 501, 505, 507])(
    "a %i is asked again once, whatever `retries` says, and opens nothing",
    async (status) => {
      const failing = backend(failure("UNAVAILABLE", { status }));
      const resilience = new Resilience("plain", { ...usual, retries: 8 });
      expect((await run(resilience, failing.attempt)).error).toMatchObject({ failure: "UNAVAILABLE", status });
      expect(failing.at).toHaveLength(2);
      for (let times = 0; times < 20; times++) await run(resilience, failing.attempt);
      expect(resilience.pressure().circuit).toBe("closed");
    },
  );

  test("silence for one path says nothing of the server, however often it is met", async () => {
    const resilience = new Resilience("plain", once);
    for (let times = 0; times < 20; times++) await ask(resilience, "/one", reset);
    expect(resilience.isOpen(null)).toBe(false);
    expect((await ask(resilience, "/two", "OK")).value).toBe("answer");
  });

  test("silence for different paths in a row does, and an answer in between begins a new row", async () => {
    const resilience = new Resilience("plain", once);
    for (const path of ["/1", "/2", "/3", "/4", "/5", "/6"]) {
      await ask(resilience, path, reset);
      if (path === "/2" || path === "/4") await ask(resilience, "/well", failure("NOT_FOUND", { status: 404 }));
    }
    expect(resilience.isOpen(null)).toBe(false);
    await ask(resilience, "/7", reset);
    expect(resilience.isOpen(null)).toBe(true);
  });

  test.each([502, 503, 504])("a %i is a proxy's word for silence", async (status) => {
    const resilience = new Resilience("plain", once);
    for (const path of ["/1", "/2", "/3"]) await ask(resilience, path, failure("UNAVAILABLE", { status }));
    expect(resilience.isOpen(null)).toBe(true);
  });

  test("a token that could not be had says nothing of the server", async () => {
    const resilience = new Resilience("plain", once);
    const noToken = new UpstreamError("UNAVAILABLE", { backend: "plain", operation: "plain.token", silence: "SILENT" });
    const attempt = () => Promise.reject(noToken);
    for (let times = 0; times < 9; times++) await outcome(resilience.run(target(), request(), attempt));
    expect(resilience.isOpen(null)).toBe(false);
  });

  test("what callers write cannot open it: the server is asked a question of our own first", async () => {
    const check = checking("OK");
    const resilience = new Resilience("plain", once, check);
    for (let times = 0; times < 30; times++) await ask(resilience, `/hostile/${times}`, reset);
    expect(resilience.isOpen(null)).toBe(false);
    expect(check.asked).toHaveLength(10);
  });

  test("a server that leaves that question without an answer too is left alone", async () => {
    const check = checking(failure("TIMED_OUT", { silence: "SILENT" }));
    const resilience = new Resilience("plain", once, check);
    for (let times = 0; times < 30; times++) await ask(resilience, "/one", reset);
    expect(resilience.isOpen(null)).toBe(true);
    expect(check.asked).toHaveLength(1);
  });

  test("a question of our own that hangs ends with the time of an attempt, and one is asked at a time", async () => {
    const ended: number[] = [];
    const ask = vi.fn((_call: Call, stop: CancelToken) => {
      return new Promise((_resolve, reject) =>
        stop.onCancel(() => {
          ended.push(Date.now());
          reject(again(failure("TIMED_OUT", { silence: "SILENT" }), "plain.check"));
        }),
      );
    });
    const resilience = new Resilience("plain", once, { name: "plain.check", send: ask });
    const started = Date.now();
    const asked = many(9, (index) => outcome(resilience.run(target(`/${index}`), request(), backend(reset).attempt)));
    await vi.advanceTimersByTimeAsync(usual.timeoutMs - 1);
    expect(resilience.isOpen(null)).toBe(false);
    await vi.advanceTimersByTimeAsync(2);
    expect(ended.map((at) => at - started)).toEqual([usual.timeoutMs]);
    expect(resilience.isOpen(null)).toBe(true);
    await Promise.all(asked);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  test("an answer to anybody while our own question is under way keeps the circuit closed", async () => {
    const answer = Promise.withResolvers<void>();
    const resilience = new Resilience("plain", once, { name: "plain.check", send: () => answer.promise });
    for (const path of ["/1", "/2", "/3"]) await ask(resilience, path, reset);
    await ask(resilience, "/4", "OK");
    answer.reject(again(reset, "plain.check"));
    await vi.advanceTimersByTimeAsync(1);
    expect(resilience.isOpen(null)).toBe(false);
  });

  test("a trial that meets silence does not keep the circuit open when our own question is answered", async () => {
    let word: UpstreamError | null = reset;
    const check = {
      name: "plain.check",
      send: async () => {
        if (word) throw again(word, "plain.check");
      },
    };
    const resilience = new Resilience("plain", once, check);
    for (const path of ["/1", "/2", "/3"]) await ask(resilience, path, reset);
    expect(resilience.isOpen(null)).toBe(true);
    word = null;
    await vi.advanceTimersByTimeAsync(usual.breaker.coolDownMs);
    await ask(resilience, "/hostile", reset);
    expect(resilience.pressure().circuit).toBe("closed");
  });

  test("a cancelled trial leaves it to the next call, which need not wait for another cool-down", async () => {
    const resilience = new Resilience("plain", once);
    for (let times = 0; times < 3; times++) await ask(resilience, "/1", refused);
    await vi.advanceTimersByTimeAsync(usual.breaker.coolDownMs);
    const leaving = request();
    const trial = outcome(resilience.run(target(), leaving, backend("HANG").attempt));
    const waiting = outcome(resilience.run(target(), request(), backend("OK").attempt));
    await vi.advanceTimersByTimeAsync(1);
    leaving.leave();
    await trial;
    expect((await waiting).value).toBe("answer");
    expect(resilience.pressure().circuit).toBe("closed");
  });

  test("a call that waits for a trial leaves when its own call ends", async () => {
    const resilience = new Resilience("plain", once);
    for (let times = 0; times < 3; times++) await ask(resilience, "/1", refused);
    await vi.advanceTimersByTimeAsync(usual.breaker.coolDownMs);
    const trial = outcome(resilience.run(target(), request(), backend("HANG").attempt));
    const waiting = outcome(resilience.run(target(), request(10), backend("OK").attempt));
    await vi.advanceTimersByTimeAsync(11);
    expect((await waiting).error).toMatchObject({ failure: "TIMED_OUT", retryable: false });
    expect(resilience.pressure()).toMatchObject({ circuit: "half-open", inFlight: 1, queued: 0 });
    await vi.advanceTimersByTimeAsync(usual.timeoutMs);
    await trial;
    expect(resilience.pressure().inFlight).toBe(0);
  });

  describe("with callers' own credentials", () => {
    test("silence to one of them is refused to that one alone", async () => {
      const resilience = new Resilience("plain", once);
      for (const path of ["/1", "/2", "/3"]) await ask(resilience, path, reset, "bad");
      expect(resilience.isOpen("bad")).toBe(true);
      expect((await ask(resilience, "/4", "OK", "bad")).error).toMatchObject({ circuitOpen: true });
      expect((await ask(resilience, "/4", "OK", "good")).value).toBe("answer");
      expect(resilience.isOpen("good")).toBe(false);
      expect(resilience.pressure()).toMatchObject({ circuit: "closed", openCredentials: 1 });
      await vi.advanceTimersByTimeAsync(usual.breaker.coolDownMs);
      expect((await ask(resilience, "/4", "OK", "bad")).value).toBe("answer");
      expect(resilience.pressure().openCredentials).toBe(0);
    });

    test("many of one caller cannot add up to a silent server", async () => {
      const resilience = new Resilience("plain", once);
      for (let times = 0; times < 50; times++) await ask(resilience, `/${times}`, reset, `bad-${times}`);
      expect((await ask(resilience, "/well", "OK", "good")).value).toBe("answer");
    });

    test("a server that cannot be reached is refused to all of them, and one call tries it for all", async () => {
      const resilience = new Resilience("plain", once);
      for (let times = 0; times < 3; times++) await ask(resilience, "/1", refused, `caller-${times}`);
      expect((await ask(resilience, "/1", "OK", "another")).error).toMatchObject({ circuitOpen: true });
      await vi.advanceTimersByTimeAsync(usual.breaker.coolDownMs);
      expect((await ask(resilience, "/1", refused, "another")).error).toMatchObject({ circuitOpen: false });
      expect((await ask(resilience, "/1", "OK", "a third")).error).toMatchObject({ circuitOpen: true });
    });

    test("no more than 1,024 of them are remembered, and a call that waits for a forgotten one goes on", async () => {
      const resilience = new Resilience("plain", { ...once, concurrency: 3 });
      for (const path of ["/1", "/2", "/3"]) await ask(resilience, path, reset, "first");
      await vi.advanceTimersByTimeAsync(usual.breaker.coolDownMs);
      const first = (word: "HANG" | "OK") =>
        outcome(resilience.run({ ...target(), credential: "first" }, request(), backend(word).attempt));
      const trial = first("HANG");
      const waiting = first("OK");
      for (let times = 0; times < 1100; times++) await ask(resilience, "/1", reset, `bad-${times}`);
      expect((await waiting).value).toBe("answer");
      expect(resilience.isOpen("first")).toBe(false);
      for (let times = 0; times < 1100; times++) {
        for (const path of ["/1", "/2", "/3"]) await ask(resilience, path, reset, `bad-${times}`);
      }
      expect(resilience.pressure().openCredentials).toBe(1024);
      await vi.advanceTimersByTimeAsync(usual.timeoutMs);
      await trial;
    });
  });
});

describe("the words of a failure", () => {
  const failing = (facts: Partial<FailureFacts>) => () =>
    Promise.reject(new UpstreamError("UNAVAILABLE", { backend: "plain", operation: read.name, ...facts }));
  const atOnce = { ...usual, breaker: { failures: 1, coolDownMs: 600_000 } };

  test.each([
    { reason: "ECONNREFUSED", advice: "Look at the port." },
    { reason: null, advice: null },
  ])("stay when the breaker lets no retry through: %j", async ({ reason, advice }) => {
    const facts = { silence: "UNREACHABLE", ...(reason && { reason }), ...(advice && { advice }) } as const;
    const { error } = await run(new Resilience("plain", atOnce), failing(facts));
    expect(error).toMatchObject({ failure: "UNAVAILABLE", circuitOpen: true, reason, advice, operation: read.name });
  });

  test.each<readonly [string, Partial<FailureFacts>, object]>([
    ["lasts", { silence: "UNREACHABLE", retryable: false, reason: "CERT" }, { reason: "CERT", retryable: false }],
    ["may pass", { silence: "UNREACHABLE", retryable: true, reason: "CERT" }, { reason: null, retryable: true }],
    ["is silence", { silence: "SILENT", retryable: false, reason: "CERT" }, { reason: null, retryable: true }],
  ])("are those of the breaker's refusal where their reason %s", async (_what, facts, expected) => {
    const resilience = new Resilience("plain", atOnce);
    const attempt = failing(facts);
    await run(resilience, attempt);
    await run(resilience, attempt);
    const later = backend("OK");
    const { error } = await outcomeNow(resilience, later.attempt);
    expect(later.at).toHaveLength(0);
    expect(error).toMatchObject({ failure: "UNAVAILABLE", circuitOpen: true, ...expected });
  });

  test("are those of the attempt that was made, where the queue is full for the next", async () => {
    const breaker = { failures: 1000, coolDownMs: 1 };
    const resilience = new Resilience("plain", { ...usual, concurrency: 1, breaker });
    const first = outcome(resilience.run(target(), request(), backend(refused).attempt));
    await vi.advanceTimersByTimeAsync(0);
    for (let count = 0; count < 65; count++) void outcome(resilience.run(target(), request(), backend("HANG").attempt));
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await first).error).toMatchObject({ failure: "UNAVAILABLE", code: null });
  });

  async function outcomeNow(resilience: Resilience, attempt: (stop: CancelToken) => Promise<string>) {
    const result = outcome(resilience.run(target(), request(), attempt));
    await vi.advanceTimersByTimeAsync(0);
    return result;
  }
});

describe("a retry after an answer", () => {
  test.each<readonly [Failure, Facts, number]>([
    ["UNAVAILABLE", { status: 500 }, 2],
    ["TIMED_OUT", { status: 408 }, 2],
    ["THROTTLED", { status: 429 }, 5],
    ["UNAVAILABLE", { status: 503 }, 5],
    ["UNAVAILABLE", {}, 5],
    ["TIMED_OUT", {}, 5],
  ])("of %s %j: so many attempts", async (kind, facts, attempts) => {
    const settings = { ...usual, retries: 4, breaker: { failures: 1000, coolDownMs: 1 } };
    const failing = backend(failure(kind, facts));
    await run(new Resilience("plain", settings), failing.attempt);
    expect(failing.at).toHaveLength(attempts);
  });

  test("that cannot be read has proved that the server is there", async () => {
    const resilience = new Resilience("plain", { ...usual, retries: 0 });
    for (const word of [refused, refused, failure("MALFORMED"), refused, refused])
      await run(resilience, backend(word).attempt);
    expect(resilience.pressure().circuit).toBe("closed");
    await run(resilience, backend(refused).attempt);
    expect(resilience.pressure().circuit).toBe("open");
  });
});
