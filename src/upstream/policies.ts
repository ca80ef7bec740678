import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhen,
  type IRetryBackoffContext,
  retry,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import type { Call } from "./call.ts";
import { UpstreamError } from "./errors.ts";

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
  /** Runs `attempt` under retry, breaker, bulkhead and timeout; rejects with an UpstreamError. */
  readonly run: <T>(operation: string, call: Call, attempt: (signal: AbortSignal) => Promise<T>) => Promise<T>;
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
    backoff: new DelegateBackoff<IRetryBackoffContext<unknown>>(({ attempt, result }) => pause(attempt, result)),
  });
  const breaker = circuitBreaker(handleWhen(isOutage), {
    halfOpenAfter: settings.breaker.coolDownMs,
    breaker: new ConsecutiveBreaker(settings.breaker.failures),
  });
  const places = settings.concurrency * queueFactor;
  const bulk = bulkhead(settings.concurrency, places);
  const policy = wrap(
    retrying,
    breaker,
    bulk,
    timeout(settings.timeoutMs, { strategy: TimeoutStrategy.Cooperative, abortOnReturn: false }),
  );

  const run: Policies["run"] = async (operation, call, attempt) => {
    const overdue = () => new UpstreamError("TIMED_OUT", { backend, operation, retryable: false });
    if (call.signal.aborted) throw overdue();
    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(overdue());
    call.signal.addEventListener("abort", leave, { once: true });
    const answered = policy.execute(async ({ signal }) => {
      if (call.signal.aborted) throw overdue();
      try {
        return await attempt(signal);
      } catch (error) {
        // The deadline or the caller cut it short: the backend did nothing wrong, so no breaker may count it.
        if (call.signal.aborted) throw overdue();
        if (signal.aborted) throw new UpstreamError("TIMED_OUT", { backend, operation });
        throw outlasts(error, call) ? final(error) : error;
      }
    }, call.signal);
    try {
      // A pause between attempts or a place in the queue must not outlive the request.
      return await Promise.race([answered, gone.promise]);
    } catch (error) {
      throw toUpstreamError(error, backend, operation);
    } finally {
      call.signal.removeEventListener("abort", leave);
    }
  };
  const pressure = (): Pressure => ({
    circuit: circuits[breaker.state],
    inFlight: settings.concurrency - bulk.executionSlots,
    queued: places - bulk.queueSlots,
  });
  return { run, circuitOpen: () => breaker.state === CircuitState.Open, pressure };
}

/** An error that asking again within this request cannot mend; the fact stays out of what clients are told. */
const finals = new WeakSet<UpstreamError>();

function final<E>(error: E): E {
  if (error instanceof UpstreamError) finals.add(error);
  return error;
}

// A pause that the deadline would cut short is no pause: the answer "throttled" now beats "timed out" later.
function outlasts(error: unknown, call: Call): boolean {
  return error instanceof UpstreamError && (error.retryAfterMs ?? 0) >= call.remainingMs();
}

function worthRetrying(error: unknown): boolean {
  return error instanceof UpstreamError && error.retryable && !error.circuitOpen && !finals.has(error);
}

// Throttling is an answer: the backend is up. Only silence and 5xx open the breaker.
function isOutage(error: unknown): boolean {
  return (
    error instanceof UpstreamError &&
    (error.failure === "UNAVAILABLE" || error.failure === "TIMED_OUT") &&
    error.retryable
  );
}

// Full jitter: pauses of many clients must not fall together. What the backend asks for (Retry-After) is the least.
function pause(attempt: number, result: unknown): number {
  const asked = retryAfterOf(result);
  return asked + Math.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** attempt);
}

function retryAfterOf(result: unknown): number {
  if (typeof result !== "object" || result === null || !("error" in result)) return 0;
  return result.error instanceof UpstreamError ? (result.error.retryAfterMs ?? 0) : 0;
}

function toUpstreamError(error: unknown, backend: string, operation: string): unknown {
  if (error instanceof UpstreamError) return error;
  if (error instanceof BrokenCircuitError)
    return new UpstreamError("UNAVAILABLE", { backend, operation, circuitOpen: true });
  if (error instanceof BulkheadRejectedError)
    return new UpstreamError("THROTTLED", { backend, operation, reason: "our own queue is full" });
  if (error instanceof TaskCancelledError)
    return new UpstreamError("TIMED_OUT", { backend, operation, retryable: false });
  return error;
}
