import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhen,
  type IRetryBackoffContext,
  retry,
} from "cockatiel";
import type { Call } from "./call.ts";
import { createDeadlines } from "./deadlines.ts";
import { createEnding, type Ending, endingOf, type OwnEnding } from "./ending.ts";
import { UpstreamError } from "./errors.ts";
import { isRead, type Operation } from "./operation.ts";
import { createPlaces, QueueFull } from "./places.ts";

/** How one backend is protected from us, and we from it. */
export interface PolicySettings {
  /** For one attempt. */
  readonly timeoutMs: number;
  /** Calls in flight at once; as many again times `queueFactor` may wait. */
  readonly concurrency: number;
  /** Attempts after the first. */
  readonly retries: number;
  readonly breaker: { readonly failures: number; readonly coolDownMs: number };
}

/** One backend's policies: they live as long as the process. */
export interface Policies {
  /** Runs `attempt` under retry, breaker, queue and timeout; rejects with an UpstreamError. */
  readonly run: <T>(operation: Operation, call: Call, attempt: Attempt<T>) => Promise<T>;
  readonly circuitOpen: () => boolean;
  readonly pressure: () => Pressure;
}

/** Asks once, until it is told to stop. */
type Attempt<T> = (stop: Ending) => Promise<T>;

/** How one backend's policies stand right now. */
export interface Pressure {
  /** `half-open`: one call is let through to see whether the backend is back. */
  readonly circuit: "closed" | "open" | "half-open";
  readonly inFlight: number;
  /** Calls that wait for a place. */
  readonly queued: number;
}

// Isolated is what nobody here asks for: it stands for open.
const circuits = {
  [CircuitState.Closed]: "closed",
  [CircuitState.Open]: "open",
  [CircuitState.HalfOpen]: "half-open",
  [CircuitState.Isolated]: "open",
} as const;

const queueFactor = 64;
const firstPauseMs = 100;
const longestPauseMs = 5000;

/** `backend` is the configured name, for the errors these policies make themselves. */
export function createPolicies(backend: string, settings: PolicySettings): Policies {
  const retrying = retry(handleWhen(worthRetrying), {
    maxAttempts: settings.retries,
    backoff: new DelegateBackoff<IRetryBackoffContext<unknown>>(({ result }) => pauseAfter(result)),
  }).dangerouslyUnref();
  const breaker = circuitBreaker(
    handleWhen((error) => isOutage(error) || (breaker.state === CircuitState.HalfOpen && provesNothing(error))),
    {
      halfOpenAfter: settings.breaker.coolDownMs,
      breaker: new ConsecutiveBreaker(settings.breaker.failures),
    },
  );
  let restsUntil = 0;
  breaker.onBreak(() => {
    restsUntil = Date.now() + settings.breaker.coolDownMs;
  });
  const isResting = () => breaker.state === CircuitState.Open && Date.now() < restsUntil;
  const places = createPlaces(settings.concurrency, settings.concurrency * queueFactor);
  const deadlines = createDeadlines(settings.timeoutMs);
  // A closed breaker that has counted nothing since the last success has nothing to learn from another one.
  let isUntroubled = true;
  breaker.onFailure(() => {
    isUntroubled = false;
  });
  breaker.onSuccess(() => {
    isUntroubled = true;
  });

  const overdue = ({ name }: Operation) =>
    new UpstreamError("TIMED_OUT", { backend, operation: name, retryable: false });

  /** What a failed attempt means: the deadline or a caller who left is nothing that the backend did. */
  function explained(error: unknown, operation: Operation, call: Call, stop: Ending, attempts: number): unknown {
    if (endingOf(call).isOver) return overdue(operation);
    const facts = { backend, operation: operation.name };
    return planned(stop.isOver ? new UpstreamError("TIMED_OUT", facts) : error, attempts, call);
  }

  /** One attempt within its time, which ends with the request as well. */
  async function once<T>(operation: Operation, call: Call, attempt: Attempt<T>, attempts: number): Promise<T> {
    const stop = createEnding();
    const ending = endingOf(call);
    const end = () => stop.end();
    const cancel = deadlines.start(end);
    ending.listen(end);
    try {
      return await attempt(stop);
    } catch (error) {
      throw explained(error, operation, call, stop, attempts);
    } finally {
      cancel();
      ending.unlisten(end);
    }
  }

  /**
   * What happens nearly always: the backend is well and the first attempt succeeds, after a wait for a place or at once.
   * Everything else is built when it is needed, and goes on from there.
   */
  function straight<T>(operation: Operation, call: Call, attempt: Attempt<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ending = endingOf(call);
      let stop: OwnEnding | null = null;
      let giveUp = () => {};
      const leave = () => {
        if (stop === null) giveUp();
        else stop.end();
        reject(overdue(operation));
      };
      const start = () => {
        if (breaker.state !== CircuitState.Closed) {
          // It opened meanwhile: who has waited is asked to prove that it may go on.
          ending.unlisten(leave);
          places.leave();
          resolve(machinery(operation, call, attempt, null));
          return;
        }
        const running = createEnding();
        stop = running;
        const cancel = deadlines.start(() => running.end());
        const over = () => {
          cancel();
          ending.unlisten(leave);
        };
        attempt(running).then(
          (value) => {
            over();
            if (isUntroubled) {
              places.leave();
              resolve(value);
            } else void count(() => value).then(() => resolve(value));
          },
          (error: unknown) => {
            over();
            const failure = explained(error, operation, call, running, 1);
            void count(() => Promise.reject(failure)).then(() => {
              if (!ending.isOver) resolve(machinery(operation, call, attempt, { error: failure }));
            });
          },
        );
      };
      ending.listen(leave);
      try {
        giveUp = places.enter(start);
      } catch (error) {
        ending.unlisten(leave);
        reject(toUpstreamError(error, { backend, operation: operation.name }));
      }
    });
  }

  /** Tells the breaker what came of it, before the place goes to the next one. */
  async function count(outcome: () => unknown): Promise<void> {
    await breaker.execute(outcome).catch(() => {});
    places.leave();
  }

  /** Retries around the queue around the breaker around each attempt; `failed` stands for a first attempt made already. */
  async function machinery<T>(
    operation: Operation,
    call: Call,
    attempt: Attempt<T>,
    failed: { readonly error: unknown } | null,
  ): Promise<T> {
    let attempts = failed === null ? 0 : 1;
    let before = failed;
    let last: unknown = failed?.error;
    // The breaker inside the queue: it counts a failure before the next one in the queue starts, and is asked again by
    // whoever has waited. A backend in trouble is never asked by a whole queue.
    const guarded = async () => {
      if (before) {
        const { error } = before;
        before = null;
        throw error;
      }
      // Nobody waits any more: the one call that a half-open breaker lets through is not for this one.
      call.signal.throwIfAborted();
      if (isResting()) throw new BrokenCircuitError();
      return places.within(call.signal, () =>
        breaker.execute(() => {
          attempts += 1;
          return once(operation, call, attempt, attempts).catch((error: unknown) => {
            last = error;
            throw error;
          });
        }, call.signal),
      );
    };

    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(overdue(operation));
    call.signal.addEventListener("abort", leave, { once: true });
    try {
      // A pause between attempts or the wait for a half-open breaker must not outlive the request.
      return await Promise.race([isRead(operation) ? retrying.execute(guarded, call.signal) : guarded(), gone.promise]);
    } catch (error) {
      if (call.signal.aborted) throw overdue(operation);
      // The breaker ends the attempts; what came of those that were made is still the truth about this request.
      if (error instanceof BrokenCircuitError && last instanceof UpstreamError) throw cutShort(last);
      throw toUpstreamError(error, { backend, operation: operation.name });
    } finally {
      call.signal.removeEventListener("abort", leave);
    }
  }

  const run: Policies["run"] = (operation, call, attempt) => {
    if (endingOf(call).isOver) return Promise.reject(overdue(operation));
    return breaker.state === CircuitState.Closed
      ? straight(operation, call, attempt)
      : machinery(operation, call, attempt, null);
  };
  const pressure = (): Pressure => ({
    circuit: circuits[breaker.state],
    inFlight: places.inFlight(),
    queued: places.queued(),
  });
  return { run, circuitOpen: () => breaker.state === CircuitState.Open, pressure };
}

/** The pause before asking again, by the failure it follows; a failure without one is final for its request. */
const pauses = new WeakMap<UpstreamError, number>();

// Full jitter: pauses of many clients must not fall together. What the backend asks for (Retry-After) is the least. A
// pause that the deadline would cut short is none: "throttled" now beats "timed out" later.
function planned(error: unknown, attempts: number, call: Call): unknown {
  if (!(error instanceof UpstreamError)) return error;
  const ms = (error.retryAfterMs ?? 0) + Math.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** attempts);
  if (ms < call.remainingMs()) pauses.set(error, ms);
  return error;
}

function pauseAfter(result: unknown): number {
  if (typeof result !== "object" || result === null || !("error" in result)) return 0;
  return result.error instanceof UpstreamError ? (pauses.get(result.error) ?? 0) : 0;
}

function worthRetrying(error: unknown): boolean {
  return error instanceof UpstreamError && error.retryable && !error.circuitOpen && pauses.has(error);
}

// Throttling is an answer: the backend is up. Only silence and 5xx open the breaker.
function isOutage(error: unknown): boolean {
  return (
    error instanceof UpstreamError &&
    (error.failure === "UNAVAILABLE" || error.failure === "TIMED_OUT") &&
    error.retryable
  );
}

// Asked of the one call that is let through to see whether the backend is back: it was cut short, or never sent.
function provesNothing(error: unknown): boolean {
  if (!(error instanceof UpstreamError)) return true;
  if (error.failure === "DENIED") return error.status === null;
  return error.failure === "OVER_BUDGET" || error.failure === "TIMED_OUT";
}

/** The same failure, after which the breaker let nothing more through. */
function cutShort(error: UpstreamError): UpstreamError {
  const { failure, backend, operation, status, code, traceId, retryAfterMs, retryable } = error;
  const facts = { backend, operation, status, code, traceId, retryAfterMs, retryable };
  return new UpstreamError(failure, { ...facts, circuitOpen: true, ...(error.reason ? { reason: error.reason } : {}) });
}

function toUpstreamError(error: unknown, facts: { readonly backend: string; readonly operation: string }): unknown {
  if (error instanceof BrokenCircuitError) return new UpstreamError("UNAVAILABLE", { ...facts, circuitOpen: true });
  if (error instanceof QueueFull) return new UpstreamError("THROTTLED", { ...facts, reason: "our own queue is full" });
  return error;
}
