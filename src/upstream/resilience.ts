import { LinkedQueue } from "../model/queue.ts";
import { CancelSource, type CancelToken, orCancelled, Timeouts } from "./cancel.ts";
import { type CircuitState, Circuits, type Evidence, type Gate, type Permit } from "./circuit.ts";
import { type Failure, type FailureFacts, isQueueFull, queueFullCode, UpstreamError } from "./errors.ts";
import { type Call, isRead, type Operation } from "./operation.ts";

/** How one backend is protected from us, and we from it. */
export interface ResilienceSettings {
  readonly timeoutMs: number;
  /** Calls in flight at once; as many again times `queueFactor` may wait. */
  readonly concurrency: number;
  readonly retries: number;
  /** Silences in a row that open the circuit, and for how long it then refuses calls. */
  readonly breaker: { readonly failures: number; readonly coolDownMs: number };
}

/** What is sent, and with whose credential. */
export interface Target {
  readonly operation: Operation;
  readonly path: string;
  readonly credential: string | null;
}

/** A health check of the server: the name of its operation, and how to send it with the credentials of a call. */
interface HealthCheck {
  readonly name: string;
  readonly send: (call: Call, cancelToken: CancelToken) => Promise<unknown>;
}

/** How one backend is used right now. */
export interface Pressure {
  readonly circuit: CircuitState;
  /** Callers' own credentials that alone are refused now. */
  readonly openCredentials: number;
  readonly inFlight: number;
  readonly queued: number;
}

const queueFactor = 64;
const firstPauseMs = 100;
const maxPauseMs = 5000;
/** A request for which the server fails is retried once. */
const maxFailedAnswers = 2;

/**
 * Slots, circuit breaker, timeout and retries of one backend, in one loop: slot, breaker, attempt with its timeout,
 * pause, and again. The breaker is asked with a slot in hand, so that a queue that was filled while the server was well
 * is not sent to one that has gone. Without a health check the breaker decides by the calls alone.
 */
export class Resilience {
  readonly #backend: string;
  readonly #settings: ResilienceSettings;
  readonly #check: HealthCheck | null;
  readonly #circuits: Circuits;
  readonly #slots: FairSlots;
  readonly #timeouts: Timeouts;
  /** Why the server answers no call until an operator acts (a certificate, a proxy's rules); null while it may. */
  #lastingReason: string | null = null;

  constructor(backend: string, settings: ResilienceSettings, check: HealthCheck | null = null) {
    this.#backend = backend;
    this.#settings = settings;
    this.#check = check;
    this.#circuits = new Circuits({ ...settings.breaker, hasCheck: check !== null });
    this.#slots = new FairSlots(settings.concurrency, settings.concurrency * queueFactor);
    this.#timeouts = new Timeouts(settings.timeoutMs);
  }

  /** Whether the server is refused to all callers, or to this credential of a caller. */
  isOpen(credential: string | null): boolean {
    const { server } = this.#circuits;
    return server.state === "open" || (credential !== null && this.#circuits.stateOf(credential) === "open");
  }

  pressure(): Pressure {
    return {
      circuit: this.#circuits.server.state,
      openCredentials: this.#circuits.openCredentials(),
      inFlight: this.#slots.inFlight,
      queued: this.#slots.queued,
    };
  }

  /** Runs `attempt` until it succeeds or a retry is of no use; rejects with an UpstreamError. */
  async run<T>(target: Target, call: Call, attempt: (cancelToken: CancelToken) => Promise<T>): Promise<T> {
    const { operation, credential } = target;
    const gate = this.#circuits.gateFor(credential);
    const maxAttempts = isRead(operation) ? 1 + this.#settings.retries : 1;
    let failedAnswers = 0;
    let last: UpstreamError | null = null;
    for (let count = 1; ; count += 1) {
      if (call.cancelToken.cancelled) throw this.#timedOut(operation);
      // Before the queue as well: a call that is refused need not wait.
      if (gate.isRefusing()) throw last === null ? this.#refused(operation) : withCircuitOpen(last);
      try {
        return await this.#runOnce(target, gate, call, attempt);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        if (call.cancelToken.cancelled) throw this.#timedOut(operation);
        // The outcome of an attempt that was made describes this call; that the next one was not made does not.
        if (last !== null && error.circuitOpen) throw withCircuitOpen(last);
        if (last !== null && isQueueFull(error)) throw last;
        if (isFailedAnswer(error)) failedAnswers += 1;
        const pauseMs = pauseAfter(error, count);
        const isWorthwhile = error.retryable && !error.circuitOpen && !isQueueFull(error);
        const isAllowed = count < maxAttempts && failedAnswers < maxFailedAnswers && pauseMs < call.remainingMs();
        if (!isWorthwhile || !isAllowed) throw error;
        last = error;
        await pause(pauseMs, call.cancelToken);
      }
    }
  }

  /** One attempt with slot and breaker; the outcome is recorded before the slot goes to the next call. */
  async #runOnce<T>(
    { operation, path }: Target,
    gate: Gate,
    call: Call,
    attempt: (cancelToken: CancelToken) => Promise<T>,
  ): Promise<T> {
    const acquired = this.#acquireSlot(operation, call);
    if (acquired) await acquired;
    try {
      // The call may have been cancelled between being given the slot and resuming.
      if (call.cancelToken.cancelled) throw this.#timedOut(operation);
      const decision = gate.acquire();
      const permit = typeof decision === "string" ? await this.#awaitPermit(gate, operation, call) : decision;
      const record = (evidence: Evidence, failure: unknown) => {
        if (evidence !== "INCONCLUSIVE") this.#lastingReason = lastingReasonOf(failure);
        if (permit.record(evidence, `${operation.name} ${path}`)) this.#checkServer(gate, call);
      };
      try {
        const value = await this.#attempt(attempt, call.cancelToken, operation);
        record("ANSWERED", null);
        return value;
      } catch (error) {
        record(evidenceOf(error, operation.name), error);
        throw error;
      }
    } finally {
      this.#slots.release();
    }
  }

  /** Resolves with a slot; null when there was one at once. Rejects when the call is cancelled or the queue is full. */
  #acquireSlot(operation: Operation, call: Call): Promise<void> | null {
    if (this.#slots.tryAcquire()) return null;
    const { cancelToken } = call;
    const acquired = Promise.withResolvers<void>();
    const cancel = () => {
      ticket.cancel();
      stopListening();
      acquired.reject(this.#timedOut(operation));
    };
    const stopListening = () => {
      cancelToken.offCancel(cancel);
      call.followCallers?.(null);
    };
    cancelToken.onCancel(cancel);
    const ticket = this.#slots.enqueue(call.caller.key, {
      start: () => {
        stopListening();
        acquired.resolve();
      },
      refuse: () => {
        stopListening();
        const reason = "our own queue is full";
        acquired.reject(this.#error("THROTTLED", operation, { code: queueFullCode, reason }));
      },
    });
    call.followCallers?.((key) => ticket.addCaller(key));
    return acquired.promise;
  }

  async #awaitPermit(gate: Gate, operation: Operation, { cancelToken }: Call): Promise<Permit> {
    for (;;) {
      const decision = gate.acquire();
      if (decision === "REFUSED") throw this.#refused(operation);
      if (decision !== "WAIT") return decision;
      await orCancelled(gate.settled(), cancelToken, () => this.#timedOut(operation));
    }
  }

  /** One attempt, which is cancelled by its timeout and with the call. */
  async #attempt<T>(
    attempt: (cancelToken: CancelToken) => Promise<T>,
    callToken: CancelToken,
    operation: Operation,
  ): Promise<T> {
    const source = new CancelSource();
    const cancel = () => source.cancel();
    const stopTimeout = this.#timeouts.start(cancel);
    callToken.onCancel(cancel);
    try {
      return await attempt(source);
    } catch (error) {
      if (callToken.cancelled) throw this.#timedOut(operation);
      if (!source.cancelled) throw error;
      const silence = error instanceof UpstreamError ? error.silence : null;
      throw this.#error("TIMED_OUT", operation, { silence });
    } finally {
      stopTimeout();
      callToken.offCancel(cancel);
    }
  }

  #checkServer(gate: Gate, call: Call): void {
    if (this.#check === null) return;
    const { name, send } = this.#check;
    const source = new CancelSource();
    const stopTimeout = this.#timeouts.start(() => source.cancel());
    void send(call, source)
      .then(
        (): Evidence => "ANSWERED",
        (error: unknown) => evidenceOf(error, name),
      )
      .then((evidence) => {
        stopTimeout();
        gate.conclude(evidence);
      });
  }

  #timedOut(operation: Operation): UpstreamError {
    return this.#error("TIMED_OUT", operation, { retryable: false });
  }

  #refused(operation: Operation): UpstreamError {
    const cause = this.#lastingReason === null ? {} : { reason: this.#lastingReason, retryable: false };
    return this.#error("UNAVAILABLE", operation, { circuitOpen: true, ...cause });
  }

  #error(failure: Failure, { name }: Operation, facts: Partial<FailureFacts>): UpstreamError {
    return new UpstreamError(failure, { backend: this.#backend, operation: name, ...facts });
  }
}

function evidenceOf(error: unknown, operation: string): Evidence {
  // The failure of another operation is that of a token which could not be read.
  if (!(error instanceof UpstreamError) || error.operation !== operation) return "INCONCLUSIVE";
  if (error.silence !== null) return error.silence;
  return error.status === null && error.failure !== "MALFORMED" ? "INCONCLUSIVE" : "ANSWERED";
}

/** The reason of a failure that will not change whatever is asked; null for any other. */
function lastingReasonOf(error: unknown): string | null {
  const isLasting = error instanceof UpstreamError && error.silence === "UNREACHABLE" && !error.retryable;
  return isLasting ? error.reason : null;
}

function isFailedAnswer({ failure, silence, status }: UpstreamError): boolean {
  return silence === null && status !== null && (failure === "UNAVAILABLE" || failure === "TIMED_OUT");
}

// Backoff with full jitter: the pauses of many clients must not fall together. Retry-After is the minimum. There is no
// pause that ends behind the deadline: "throttled" now is better than "timed out" later.
function pauseAfter(error: UpstreamError, attempts: number): number {
  return (error.retryAfterMs ?? 0) + Math.random() * Math.min(maxPauseMs, firstPauseMs * 2 ** attempts);
}

function pause(ms: number, cancelToken: CancelToken): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms).unref();
    function end(): void {
      clearTimeout(timer);
      cancelToken.offCancel(end);
      resolve();
    }
    cancelToken.onCancel(end);
  });
}

/** The same failure, after which the breaker let no retry through. */
function withCircuitOpen(error: UpstreamError): UpstreamError {
  const { failure, reason, advice, ...facts } = error;
  const texts = { ...(reason === null ? {} : { reason }), ...(advice === null ? {} : { advice }) };
  return new UpstreamError(failure, { ...facts, ...texts, circuitOpen: true });
}

/** A call that waits for a slot: it gets a slot to release, or is refused for want of room. */
interface SlotWaiter {
  readonly start: () => void;
  readonly refuse: () => void;
}

/** A call's place in the queue. */
export type Ticket = ReturnType<FairSlots["enqueue"]>;

/** A call in the queue, with how to remove it from the queue of each caller who waits for it. */
interface QueuedCall {
  readonly waiter: SlotWaiter;
  readonly removals: Map<CallerQueue, () => void>;
}

interface CallerQueue {
  readonly caller: string;
  readonly calls: LinkedQueue<QueuedCall>;
  removeFromRound: () => void;
}

/**
 * A semaphore with a bounded queue that is round-robin over callers: each starts one call at a time, however many it
 * has. A cancelled call leaves the queue at once, never starts, and takes no room from others.
 */
export class FairSlots {
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #round = new LinkedQueue<CallerQueue>();
  readonly #callers = new Map<string, CallerQueue>();
  inFlight = 0;
  queued = 0;
  /** Entries of all callers' queues: a call for which several callers wait has several. */
  #entries = 0;

  constructor(maxInFlight: number, maxQueued: number) {
    this.#maxInFlight = maxInFlight;
    this.#maxQueued = maxQueued;
  }

  tryAcquire(): boolean {
    if (this.inFlight >= this.#maxInFlight) return false;
    this.inFlight += 1;
    return true;
  }

  /** Waits for a slot. A full queue refuses the last call of the caller with most calls: perhaps this one. */
  enqueue(caller: string, waiter: SlotWaiter) {
    const call: QueuedCall = { waiter, removals: new Map() };
    if (this.#entries >= this.#maxQueued && !this.#makeRoom(caller)) {
      waiter.refuse();
    } else {
      this.#add(call, caller);
      this.queued += 1;
    }
    return {
      /** Leaves the queue. Does nothing when the call has its slot already. */
      cancel: () => this.#remove(call),
      /** Another caller waits for the same call: it starts when the first of them is next. */
      addCaller: (other: string) => this.#addCaller(call, other),
    };
  }

  /** Gives a slot back. It goes to the next call in the queue directly, so that no later call can take it. */
  release(): void {
    const queue = this.#round.shift();
    const call = queue?.calls.first() ?? null;
    if (!queue || !call) {
      this.inFlight -= 1;
      return;
    }
    queue.removeFromRound = this.#round.add(queue);
    this.#remove(call);
    call.waiter.start();
  }

  #addCaller(call: QueuedCall, caller: string): void {
    const queue = this.#callers.get(caller);
    if (call.removals.size === 0 || (queue && call.removals.has(queue))) return;
    // The room may have been made at the cost of this very call.
    if ((this.#entries < this.#maxQueued || this.#makeRoom(caller)) && call.removals.size > 0) this.#add(call, caller);
  }

  #add(call: QueuedCall, caller: string): void {
    let queue = this.#callers.get(caller);
    if (!queue) {
      queue = { caller, calls: new LinkedQueue(), removeFromRound: () => {} };
      queue.removeFromRound = this.#round.add(queue);
      this.#callers.set(caller, queue);
    }
    call.removals.set(queue, queue.calls.add(call));
    this.#entries += 1;
  }

  #remove(call: QueuedCall): void {
    if (call.removals.size === 0) return;
    for (const queue of [...call.removals.keys()]) this.#removeFrom(queue, call);
    this.queued -= 1;
  }

  #removeFrom(queue: CallerQueue, { removals }: QueuedCall): void {
    removals.get(queue)?.();
    removals.delete(queue);
    this.#entries -= 1;
    if (queue.calls.size > 0) return;
    queue.removeFromRound();
    this.#callers.delete(queue.caller);
  }

  /** Makes room for a call of this caller at the cost of the caller with most calls; false when that is itself. */
  #makeRoom(caller: string): boolean {
    const own = this.#callers.get(caller)?.calls.size ?? 0;
    let largest: CallerQueue | null = null;
    for (const queue of this.#callers.values()) {
      if (!largest || queue.calls.size > largest.calls.size) largest = queue;
    }
    const last = largest !== null && largest.calls.size > own + 1 ? largest.calls.last() : null;
    if (largest === null || last === null) return false;
    this.#removeFrom(largest, last);
    if (last.removals.size > 0) return true;
    this.queued -= 1;
    last.waiter.refuse();
    return true;
  }
}
