import type { Call } from "./call.ts";
import { type CancelToken, createCancelSource, orCancelled } from "./cancel.ts";
import type { CircuitState, Evidence, Pass } from "./circuit.ts";
import { createCircuits, type Gate } from "./circuits.ts";
import { createDeadlines } from "./deadlines.ts";
import { isQueueFull, queueFullCode, UpstreamError } from "./errors.ts";
import { isRead, type Operation } from "./operation.ts";
import { createSlots } from "./slots.ts";

/** How one backend is protected from us, and we from it. */
export interface ResilienceSettings {
  /** For one attempt. */
  readonly timeoutMs: number;
  /** Calls in flight at once; as many again times `queueFactor` may wait. */
  readonly concurrency: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Silences in a row that open the circuit, and for how long it then refuses calls. */
  readonly breaker: { readonly failures: number; readonly coolDownMs: number };
}

/** What is asked, and with whose credential. */
export interface Target {
  readonly operation: Operation;
  /** Path and query. */
  readonly path: string;
  /** Fingerprint of the caller's own credential where that is sent, else null. */
  readonly credential: string | null;
}

/** Slots, circuit breaker, timeout and retries of one backend: they live as long as the process. */
export interface Resilience {
  /** Runs `attempt` until it succeeds or there is no point in going on; rejects with an UpstreamError. */
  readonly run: <T>(target: Target, call: Call, attempt: Attempt<T>) => Promise<T>;
  /** Whether the server is refused to everybody, or to this credential of a caller. */
  readonly isOpen: (credential: string | null) => boolean;
  readonly pressure: () => Pressure;
}

/** Asks once. Settles as soon as it is told to stop. */
type Attempt<T> = (stop: CancelToken) => Promise<T>;

/** A question to the server that no caller has written. */
export interface Check {
  /** Name of its operation. */
  readonly name: string;
  /** Asks with the credentials of this call; settles as soon as it is told to stop. */
  readonly ask: (call: Call, stop: CancelToken) => Promise<unknown>;
}

/** How one backend stands right now. */
export interface Pressure {
  readonly circuit: CircuitState;
  /** Callers' own credentials that alone are refused now. */
  readonly openCredentials: number;
  readonly inFlight: number;
  /** Calls that wait for a slot. */
  readonly queued: number;
}

const queueFactor = 64;
const firstPauseMs = 100;
const longestPauseMs = 5000;
/** An object that the server fails for is asked for once more and no oftener. */
const mostFailedAnswers = 2;

/**
 * One loop: slot, circuit breaker, attempt with its timeout, pause, and again. The breaker is asked by whoever holds a
 * slot, so that a queue that was filled while the server was well is not sent to one that has gone.
 * `backend` is the configured name, for the errors that are made here. Without `check` the breaker goes by what it sees.
 */
export function createResilience(
  backend: string,
  settings: ResilienceSettings,
  check: Check | null = null,
): Resilience {
  const circuits = createCircuits({ ...settings.breaker, hasCheck: check !== null });
  const slots = createSlots(settings.concurrency, settings.concurrency * queueFactor);
  const deadlines = createDeadlines(settings.timeoutMs);

  const overdue = (operation: string) => new UpstreamError("TIMED_OUT", { backend, operation, retryable: false });
  /** Why the server answers nobody until somebody mends it (a certificate, a proxy's rules); null while it may. */
  let lasting: string | null = null;
  const refused = (operation: string) => {
    const cause = lasting === null ? {} : { reason: lasting, retryable: false };
    return new UpstreamError("UNAVAILABLE", { backend, operation, circuitOpen: true, ...cause });
  };
  const queueFull = (operation: string) =>
    new UpstreamError("THROTTLED", { backend, operation, code: queueFullCode, reason: "our own queue is full" });

  /** Resolves with a slot in hand; null when there was one at once. Rejects when the call ends or the queue is full. */
  function acquire(operation: string, call: Call, cancelToken: CancelToken): Promise<void> | null {
    if (slots.take()) return null;
    const acquired = Promise.withResolvers<void>();
    const leave = () => {
      ticket.leave();
      stopListening();
      acquired.reject(overdue(operation));
    };
    const stopListening = () => {
      cancelToken.offCancel(leave);
      call.followCallers?.(null);
    };
    cancelToken.onCancel(leave);
    const ticket = slots.wait(call.caller.key, {
      start: () => {
        stopListening();
        acquired.resolve();
      },
      refuse: () => {
        stopListening();
        acquired.reject(queueFull(operation));
      },
    });
    call.followCallers?.((key) => ticket.share(key));
    return acquired.promise;
  }

  /** Whether the one who holds a slot may send; waits for a trial that is under way. */
  async function admit(gate: Gate, operation: string, cancelToken: CancelToken): Promise<Pass> {
    for (;;) {
      const admission = gate.admit();
      if (typeof admission !== "string") return admission;
      if (admission === "REFUSED") throw refused(operation);
      await orCancelled(gate.settled(), cancelToken, () => overdue(operation));
    }
  }

  /** One attempt within its time, which ends with the call as well. */
  async function attemptOnce<T>(attempt: Attempt<T>, cancelToken: CancelToken, operation: string): Promise<T> {
    const stop = createCancelSource();
    const end = () => stop.cancel();
    const cancel = deadlines.start(end);
    cancelToken.onCancel(end);
    try {
      return await attempt(stop);
    } catch (error) {
      if (cancelToken.cancelled) throw overdue(operation);
      if (!stop.cancelled) throw error;
      const silence = error instanceof UpstreamError ? error.silence : null;
      throw new UpstreamError("TIMED_OUT", { backend, operation, silence });
    } finally {
      cancel();
      cancelToken.offCancel(end);
    }
  }

  function checkServer(gate: Gate, call: Call): void {
    if (check === null) return;
    const stop = createCancelSource();
    const cancel = deadlines.start(() => stop.cancel());
    const { name, ask } = check;
    void ask(call, stop)
      .then(
        (): Evidence => "ANSWERED",
        (error: unknown) => evidenceOf(error, name),
      )
      .then((evidence) => {
        cancel();
        gate.conclude(evidence);
      });
  }

  /** Attempts within slot and breaker; the breaker hears what came of it before the slot goes to the next call. */
  async function runOnce<T>(target: Target, gate: Gate, call: Call, attempt: Attempt<T>): Promise<T> {
    const { cancelToken } = call;
    const { name } = target.operation;
    const waiting = acquire(name, call, cancelToken);
    if (waiting) await waiting;
    try {
      // Between being given a slot and taking it the call may have ended.
      if (cancelToken.cancelled) throw overdue(name);
      const admission = gate.admit();
      const pass = typeof admission === "string" ? await admit(gate, name, cancelToken) : admission;
      const tell = (evidence: Evidence, failure: unknown = null) => {
        if (evidence !== "NOTHING") lasting = lastingReason(failure);
        if (pass.record(evidence, `${name} ${target.path}`)) checkServer(gate, call);
      };
      try {
        const value = await attemptOnce(attempt, cancelToken, name);
        tell("ANSWERED");
        return value;
      } catch (error) {
        tell(evidenceOf(error, name), error);
        throw error;
      }
    } finally {
      slots.release();
    }
  }

  async function run<T>(target: Target, call: Call, attempt: Attempt<T>): Promise<T> {
    const { cancelToken } = call;
    const { operation } = target;
    const { name } = operation;
    const gate = circuits.gateFor(target.credential);
    const attempts = isRead(operation) ? 1 + settings.retries : 1;
    let failedAnswers = 0;
    let last: UpstreamError | null = null;
    for (let count = 1; ; count += 1) {
      if (cancelToken.cancelled) throw overdue(name);
      // Looked at before the queue too: a refusal costs no waiting.
      if (gate.isRefusing()) throw last === null ? refused(name) : cutShort(last);
      try {
        return await runOnce(target, gate, call, attempt);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        if (cancelToken.cancelled) throw overdue(name);
        // What came of an attempt that was made is the truth about this call; that the next one was not made is not.
        if (last !== null && error.circuitOpen) throw cutShort(last);
        if (last !== null && isQueueFull(error)) throw last;
        if (isFailedAnswer(error)) failedAnswers += 1;
        const pauseMs = pauseAfter(error, count);
        const isWorthIt = error.retryable && !error.circuitOpen && !isQueueFull(error);
        const isDue = count < attempts && failedAnswers < mostFailedAnswers && pauseMs < call.remainingMs();
        if (!isWorthIt || !isDue) throw error;
        last = error;
        await pause(pauseMs, cancelToken);
      }
    }
  }

  return {
    run,
    isOpen: (credential) =>
      circuits.server.state() === "open" || (credential !== null && circuits.stateOf(credential) === "open"),
    pressure: () => ({
      circuit: circuits.server.state(),
      openCredentials: circuits.openCredentials(),
      inFlight: slots.inFlight(),
      queued: slots.queued(),
    }),
  };
}

/** What a failure of this operation tells about the server. */
function evidenceOf(error: unknown, operation: string): Evidence {
  // Another operation's failure is that of a token which could not be had.
  if (!(error instanceof UpstreamError) || error.operation !== operation) return "NOTHING";
  if (error.silence !== null) return error.silence;
  return error.status === null && error.failure !== "MALFORMED" ? "NOTHING" : "ANSWERED";
}

/** The reason of a failure that stays whatever is asked; null for any other. */
function lastingReason(error: unknown): string | null {
  const stays = error instanceof UpstreamError && error.silence === "UNREACHABLE" && !error.retryable;
  return stays ? error.reason : null;
}

/** An answer by which the server says that it has failed for what was asked. */
function isFailedAnswer({ failure, silence, status }: UpstreamError): boolean {
  return silence === null && status !== null && (failure === "UNAVAILABLE" || failure === "TIMED_OUT");
}

// Full jitter: pauses of many clients must not fall together. What the backend asks for (Retry-After) is the least. A
// pause that the deadline would cut short is none: "throttled" now beats "timed out" later.
function pauseAfter(error: UpstreamError, attempts: number): number {
  return (error.retryAfterMs ?? 0) + Math.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** attempts);
}

/** Resolves after so many milliseconds, or when the call ends. */
function pause(ms: number, cancelToken: CancelToken): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(over, ms).unref();
    function over(): void {
      clearTimeout(timer);
      cancelToken.offCancel(over);
      resolve();
    }
    cancelToken.onCancel(over);
  });
}

/** The same failure, after which the breaker let nothing more through. */
function cutShort(error: UpstreamError): UpstreamError {
  const { failure, reason, advice, ...facts } = error;
  const words = { ...(reason === null ? {} : { reason }), ...(advice === null ? {} : { advice }) };
  return new UpstreamError(failure, { ...facts, ...words, circuitOpen: true });
}
