import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Call } from "../../src/upstream/call.ts";
import type { Ending } from "../../src/upstream/ending.ts";
import { type Failure, UpstreamError } from "../../src/upstream/errors.ts";
import { createPolicies, type PolicySettings } from "../../src/upstream/policies.ts";
import { change, read } from "./stage.ts";

const usual: PolicySettings = {
  timeoutMs: 1000,
  concurrency: 2,
  retries: 2,
  breaker: { failures: 3, coolDownMs: 10_000 },
};

const failure = (kind: Failure, facts: { retryAfterMs?: number; retryable?: boolean; status?: number } = {}) =>
  new UpstreamError(kind, { backend: "plain", operation: read.name, ...facts });

/** A request on the fake clock. */
function request(deadlineMs = 15_000): Call & { readonly leave: () => void } {
  const end = Date.now() + deadlineMs;
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(), deadlineMs);
  return {
    signal: leaving.signal,
    remainingMs: () => end - Date.now(),
    requestId: "test",
    budget: { take: () => true },
    caller: { credentialFor: () => null },
    leave: () => leaving.abort(),
  };
}

/** A backend that answers as told, one word an attempt; the last word stays. */
function backend(...words: readonly (UpstreamError | "OK" | "HANG")[]) {
  const at: number[] = [];
  const attempt = async (stop: Ending) => {
    const word = words[Math.min(at.length, words.length - 1)];
    at.push(Date.now());
    if (word === "HANG") await new Promise((_resolve, reject) => stop.listen(() => reject(new Error("stopped"))));
    if (word instanceof UpstreamError) throw again(word);
    return "answer";
  };
  return { attempt, at, pauses: () => at.slice(1).map((time, index) => time - (at[index] ?? 0)) };
}

/** Each attempt fails with an error of its own. */
function again({ failure, backend, operation, status, retryAfterMs, retryable }: UpstreamError): UpstreamError {
  return new UpstreamError(failure, { backend, operation, status, retryAfterMs, retryable });
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
  policies: ReturnType<typeof createPolicies>,
  attempt: (stop: Ending) => Promise<string>,
  call: Call = request(),
  operation = read,
) {
  const result = outcome(policies.run(operation, call, attempt));
  await vi.advanceTimersByTimeAsync(60_000);
  return result;
}

describe("retry", () => {
  test("asks as often as configured, and no oftener", async () => {
    const down = backend(failure("UNAVAILABLE"));
    const policies = createPolicies("plain", { ...usual, breaker: { failures: 100, coolDownMs: 1 } });
    const { error } = await run(policies, down.attempt);
    expect(error?.failure).toBe("UNAVAILABLE");
    expect(down.at).toHaveLength(3);
  });

  test.each<Failure>(["UNAVAILABLE", "TIMED_OUT", "THROTTLED"])(
    "of %s helps when the next answer is good",
    async (kind) => {
      const flaky = backend(failure(kind), "OK");
      expect((await run(createPolicies("plain", usual), flaky.attempt)).value).toBe("answer");
      expect(flaky.at).toHaveLength(2);
    },
  );

  test.each<Failure>(["NOT_FOUND", "DENIED", "REJECTED", "MALFORMED", "OVER_BUDGET"])(
    "of %s there is none",
    async (kind) => {
      const sure = backend(failure(kind));
      expect((await run(createPolicies("plain", usual), sure.attempt)).error?.failure).toBe(kind);
      expect(sure.at).toHaveLength(1);
    },
  );

  test("of what changes something there is none", async () => {
    const down = backend(failure("UNAVAILABLE"));
    await run(createPolicies("plain", usual), down.attempt, request(), change);
    expect(down.at).toHaveLength(1);
  });

  test("of what the dialect calls hopeless there is none", async () => {
    const down = backend(failure("UNAVAILABLE", { retryable: false }));
    await run(createPolicies("plain", usual), down.attempt);
    expect(down.at).toHaveLength(1);
  });

  test("pauses with full jitter: anything from nothing to the doubled bound, never more", async () => {
    const settings = { ...usual, retries: 8, breaker: { failures: 100, coolDownMs: 1 } };
    const bounds = [200, 400, 800, 1600, 3200, 5000, 5000, 5000];
    for (const luck of [0, 0.5, 0.999]) {
      vi.spyOn(Math, "random").mockReturnValue(luck);
      const down = backend(failure("UNAVAILABLE"));
      await run(createPolicies("plain", settings), down.attempt, request(60_000));
      down.pauses().forEach((pause, index) => {
        expect(Math.abs(pause - luck * (bounds[index] ?? 0))).toBeLessThanOrEqual(1);
      });
      expect(down.at).toHaveLength(9);
    }
  });

  test("waits as long as the backend asks, and jitter on top", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const busy = backend(failure("THROTTLED", { retryAfterMs: 3000 }), "OK");
    const { value, after } = await run(createPolicies("plain", usual), busy.attempt);
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
      const { error, after } = await run(createPolicies("plain", usual), busy.attempt, request(deadline));
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
    const policies = createPolicies("plain", { ...usual, retries: 10, breaker: { failures: 100, coolDownMs: 1 } });
    const { error, after } = await run(policies, hanging.attempt, request(2500));
    expect(error).toMatchObject({ failure: "TIMED_OUT", retryable: false });
    expect(after).toBe(2500);
    expect(hanging.at).toHaveLength(3);
  });

  test("a caller who leaves ends the pause, and nothing is asked afterwards", async () => {
    const down = backend(failure("UNAVAILABLE"));
    const call = request();
    const result = outcome(createPolicies("plain", usual).run(read, call, down.attempt));
    await vi.advanceTimersByTimeAsync(0);
    call.leave();
    expect((await result).error).toMatchObject({ failure: "TIMED_OUT" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(down.at).toHaveLength(1);
  });
});

describe("breaker and retry together", () => {
  test("the breaker opens by attempts, within one request too, and its refusal is final", async () => {
    const down = backend(failure("UNAVAILABLE"));
    const policies = createPolicies("plain", { ...usual, retries: 10 });
    const { error } = await run(policies, down.attempt);
    expect(error).toMatchObject({ failure: "UNAVAILABLE", circuitOpen: true });
    expect(down.at).toHaveLength(3);
    expect(policies.pressure().circuit).toBe("open");
  });

  test("a request that was sent before the breaker opened tells what came of it", async () => {
    const hanging = backend("HANG");
    const policies = createPolicies("plain", { ...usual, retries: 10 });
    const { error } = await run(policies, hanging.attempt);
    expect(error).toMatchObject({ failure: "TIMED_OUT", circuitOpen: true, retryable: true });
    const failing = backend(failure("UNAVAILABLE", { status: 503 }));
    const others = await run(createPolicies("plain", { ...usual, retries: 10 }), failing.attempt);
    expect(others.error).toMatchObject({ failure: "UNAVAILABLE", status: 503, circuitOpen: true });
  });

  test("while it is open nothing is sent and nobody waits", async () => {
    const down = backend(failure("UNAVAILABLE"));
    const policies = createPolicies("plain", { ...usual, breaker: { failures: 3, coolDownMs: 120_000 } });
    await run(policies, down.attempt);
    const { error, after } = await run(policies, down.attempt);
    expect(error?.circuitOpen).toBe(true);
    expect(after).toBe(0);
    expect(down.at).toHaveLength(3);
  });

  test("after the cool-down one call is let through; its success closes the breaker", async () => {
    const ill = backend(failure("UNAVAILABLE"), failure("UNAVAILABLE"), failure("UNAVAILABLE"), "OK");
    const policies = createPolicies("plain", usual);
    await run(policies, ill.attempt);
    await vi.advanceTimersByTimeAsync(10_000);
    const many = await Promise.all(Array.from({ length: 5 }, () => run(policies, ill.attempt)));
    expect(many.map(({ value }) => value)).toEqual(Array.from({ length: 5 }, () => "answer"));
    expect(policies.pressure().circuit).toBe("closed");
  });

  test("its failure opens it for another while, after one call and not after a burst", async () => {
    const down = backend(failure("UNAVAILABLE"));
    const policies = createPolicies("plain", { ...usual, breaker: { failures: 3, coolDownMs: 100_000 } });
    await run(policies, down.attempt);
    await vi.advanceTimersByTimeAsync(100_000);
    const many = await Promise.all(Array.from({ length: 5 }, () => run(policies, down.attempt)));
    expect(many.every(({ error }) => error?.failure === "UNAVAILABLE")).toBe(true);
    expect(down.at).toHaveLength(4);
    expect(policies.circuitOpen()).toBe(true);
  });

  test("a call that is let through and then given up proves nothing: the breaker stays open", async () => {
    const down = backend(failure("UNAVAILABLE"), failure("UNAVAILABLE"), failure("UNAVAILABLE"), "HANG");
    const policies = createPolicies("plain", usual);
    await run(policies, down.attempt);
    await vi.advanceTimersByTimeAsync(10_000);
    const call = request();
    const probe = outcome(policies.run(read, call, down.attempt));
    await vi.advanceTimersByTimeAsync(10);
    expect(policies.pressure().circuit).toBe("half-open");
    call.leave();
    await probe;
    await vi.advanceTimersByTimeAsync(1);
    expect(policies.pressure().circuit).toBe("open");
  });

  test.each<Failure>(["THROTTLED", "DENIED", "NOT_FOUND", "MALFORMED", "REJECTED"])(
    "%s is an answer and opens nothing",
    async (kind) => {
      const policies = createPolicies("plain", { ...usual, retries: 0 });
      for (let times = 0; times < 10; times++) await run(policies, backend(failure(kind, { status: 400 })).attempt);
      expect(policies.circuitOpen()).toBe(false);
    },
  );

  test("a caller who leaves, again and again, opens nothing", async () => {
    const policies = createPolicies("plain", { ...usual, retries: 0 });
    for (let times = 0; times < 10; times++) {
      const result = outcome(policies.run(read, request(5), backend("HANG").attempt));
      await vi.advanceTimersByTimeAsync(10);
      expect((await result).error?.failure).toBe("TIMED_OUT");
    }
    expect(policies.circuitOpen()).toBe(false);
  });

  test("what waits in the queue when the breaker opens is refused, not sent", async () => {
    const hanging = backend("HANG");
    const policies = createPolicies("plain", { ...usual, concurrency: 3, retries: 0 });
    const results = Array.from({ length: 50 }, () => outcome(policies.run(read, request(), hanging.attempt)));
    await vi.advanceTimersByTimeAsync(2000);
    const all = await Promise.all(results);
    // All three were due at one moment: the breaker is open before any of their places is free.
    expect(hanging.at).toHaveLength(3);
    expect(all.filter(({ error }) => error?.circuitOpen)).toHaveLength(50 - 3);
    expect(policies.pressure()).toMatchObject({ inFlight: 0, queued: 0 });
  });

  test("a full queue refuses as throttled, and that opens nothing and is not retried", async () => {
    const hanging = backend("HANG");
    const policies = createPolicies("plain", { ...usual, concurrency: 1 });
    const call = request();
    const results = Array.from({ length: 1 + 64 + 2 }, () => outcome(policies.run(read, call, hanging.attempt)));
    const last = await results.at(-1);
    expect(last?.error).toMatchObject({ failure: "THROTTLED" });
    expect(policies.pressure()).toEqual({ circuit: "closed", inFlight: 1, queued: 64 });
    call.leave();
    await Promise.all(results);
    await vi.advanceTimersByTimeAsync(0);
    expect(policies.pressure()).toEqual({ circuit: "closed", inFlight: 0, queued: 0 });
    expect(hanging.at).toHaveLength(1);
  });
});
