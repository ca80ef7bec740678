import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhen,
  type IRetryBackoffContext,
  retry,
  TimeoutStrategy,
  timeout,
} from "cockatiel";
import type { Call } from "./call.ts";
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
  readonly run: <T>(operation: Operation, call: Call, attempt: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly circuitOpen: () => boolean;
  readonly pressure: () => Pressure;
}

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
  const places = createPlaces(settings.concurrency, settings.concurrency * queueFactor);
  const timing = timeout(settings.timeoutMs, { strategy: TimeoutStrategy.Cooperative, abortOnReturn: false });

  const run: Policies["run"] = async (operation, call, attempt) => {
    const facts = { backend, operation: operation.name };
    const overdue = () => new UpstreamError("TIMED_OUT", { ...facts, retryable: false });
    if (call.signal.aborted) throw overdue();
    let attempts = 0;

    const once = async (signal: AbortSignal) => {
      attempts += 1;
      try {
        return await attempt(signal);
      } catch (error) {
        // The deadline or the caller cut it short: the backend did nothing wrong, so no breaker may count it.
        if (call.signal.aborted) throw overdue();
        throw planned(signal.aborted ? new UpstreamError("TIMED_OUT", facts) : error, attempts, call);
      }
    };
    const guarded = async () => {
      // Nobody waits any more: the one call that a half-open breaker lets through is not for this one.
      call.signal.throwIfAborted();
      return breaker.execute(
        () =>
          places.within(call.signal, async () => {
            // It may have opened while this call was waiting: a backend in trouble is not asked by a whole queue.
            if (breaker.state === CircuitState.Open) throw new BrokenCircuitError();
            return timing.execute(({ signal }) => once(signal), call.signal);
          }),
        call.signal,
      );
    };

    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(overdue());
    call.signal.addEventListener("abort", leave, { once: true });
    try {
      // A pause between attempts or the wait for a half-open breaker must not outlive the request.
      return await Promise.race([isRead(operation) ? retrying.execute(guarded, call.signal) : guarded(), gone.promise]);
    } catch (error) {
      throw call.signal.aborted ? overdue() : toUpstreamError(error, facts);
    } finally {
      call.signal.removeEventListener("abort", leave);
    }
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

function toUpstreamError(error: unknown, facts: { readonly backend: string; readonly operation: string }): unknown {
  if (error instanceof BrokenCircuitError) return new UpstreamError("UNAVAILABLE", { ...facts, circuitOpen: true });
  if (error instanceof QueueFull) return new UpstreamError("THROTTLED", { ...facts, reason: "our own queue is full" });
  return error;
}
