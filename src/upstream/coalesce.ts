import { CancelSource, type CancelToken } from "./cancel.ts";
import type { Call } from "./operation.ts";

/** A waiter for the result of a run, which may give up. */
export interface Waiter {
  /** Not cancelled yet when the waiter joins; `neverCancelled` for a waiter that never gives up. */
  readonly cancelToken: CancelToken;
}

/** Set where no run may be shared for longer than some time. */
export interface MaxWait<T> {
  /** Milliseconds from the start of a run, after which it is released; see {@link Run.release}. */
  readonly maxWaitMs: number;
  readonly released: T;
}

/**
 * Coalesces equal work in flight: the first waiter of a key is the leader and starts a run, later ones are followers
 * and get the result of the same run. A result is not stored: the next waiter after it starts a new run.
 *
 * Each waiter gives up by its own cancel token; the run is cancelled with its last waiter. Where calls share a run, the
 * waiter is the {@link Call}, and the run's own call a {@link SharedCall}. `follow` finds a run before the waiter knows
 * what `start` needs; the run's `leader` knows it. `run.release()` is for a run whose result is not fit for sharing.
 */
export class Coalescer<T, W extends Waiter> {
  readonly #runs: Runs<T, W> = new Map();
  readonly #limit: MaxWait<T> | null;

  constructor(limit: MaxWait<T> | null = null) {
    this.#limit = limit;
  }

  /** Joins the run of this key, or starts one. `start` is called at once, when the leader is among the waiters. */
  join(key: string, waiter: W, start: (run: Run<T, W>) => Promise<T>): Handle<T, W> {
    return this.follow(key, waiter) ?? new Run(this.#runs, key, this.#limit, waiter).begin(start);
  }

  /** Joins the run of this key; null when there is none that accepts followers. */
  follow(key: string, waiter: W): Handle<T, W> | null {
    const run = this.#runs.get(key)?.run ?? null;
    return run?.acceptsFollowers() ? run.add(waiter, false) : null;
  }

  /** The runs in flight accept no more followers: something was changed, and they may have read the state before it. */
  invalidate(): void {
    for (const { run } of [...this.#runs.values()]) run?.close();
  }

  get size(): number {
    return this.#runs.size;
  }
}

/** The runs that accept followers. A map's outgrown tables retain their values, so these are slots that are emptied. */
type Runs<T, W extends Waiter> = Map<string, { run: Run<T, W> | null }>;

/** One waiter's part in a run. */
export class Handle<T, W extends Waiter> {
  readonly run: Run<T, W>;
  readonly waiter: W;
  readonly isLeader: boolean;
  readonly #settled = Promise.withResolvers<T>();
  /** The result for this waiter; rejects when the run fails, or when the waiter's token is cancelled before. */
  readonly result: Promise<T> = this.#settled.promise;
  readonly #giveUp = (): void => {
    this.run.remove(this);
    this.#settled.reject(givenUp);
  };

  constructor(run: Run<T, W>, waiter: W, isLeader: boolean) {
    this.run = run;
    this.waiter = waiter;
    this.isLeader = isLeader;
    waiter.cancelToken.onCancel(this.#giveUp);
  }

  resolve(value: T): void {
    this.waiter.cancelToken.offCancel(this.#giveUp);
    this.#settled.resolve(value);
  }

  reject(error: unknown): void {
    this.waiter.cancelToken.offCancel(this.#giveUp);
    this.#settled.reject(error);
  }
}

/** Work in flight that is done once for all its waiters. */
export class Run<T, W extends Waiter> {
  /** The first waiter, whether or not it still waits. */
  readonly leader: W;
  /** Called for each waiter that joins from now on. */
  onJoin: ((waiter: W) => void) | null = null;
  readonly #cancel = new CancelSource();
  /** Cancelled when the last waiter has given up. */
  readonly cancelToken: CancelToken = this.#cancel;
  /** Handles of those who wait, in the order in which they joined. */
  handles: Handle<T, W>[] = [];
  readonly #runs: Runs<T, W>;
  readonly #key: string;
  readonly #slot: { run: Run<T, W> | null } = { run: this };
  readonly #limit: MaxWait<T> | null;
  readonly #startedAt: number;
  #work: Promise<T> | null = null;
  /** Set as soon as there is a follower. */
  #timer: NodeJS.Timeout | null = null;

  constructor(runs: Runs<T, W>, key: string, limit: MaxWait<T> | null, leader: W) {
    this.leader = leader;
    this.#runs = runs;
    this.#key = key;
    this.#limit = limit;
    this.#startedAt = limit === null ? 0 : performance.now();
    runs.set(key, this.#slot);
  }

  /** The result of the work, whether or not anybody waits for it. */
  get work(): Promise<T> {
    return this.#work ?? Promise.reject(givenUp);
  }

  acceptsFollowers(): boolean {
    return this.#work !== null && (this.#limit === null || this.#leftMs(this.#limit) > 0);
  }

  close(): void {
    this.#slot.run = null;
    // A later run may have taken the key.
    if (this.#runs.get(this.#key) === this.#slot) this.#runs.delete(this.#key);
  }

  /**
   * Accepts no more followers and releases those it has. A run whose leader has given up is cancelled then, one turn of
   * the event loop later, so that the own work of the followers can still join reads that this run has in flight.
   */
  release(): void {
    if (this.#limit === null) throw new TypeError("only a run with a maximum wait can be released");
    const { released } = this.#limit;
    const handles = this.#end();
    this.handles = handles.filter(({ isLeader }) => isLeader);
    for (const handle of handles) if (!handle.isLeader) handle.resolve(released);
    if (this.handles.length === 0) setImmediate(() => this.#cancel.cancel());
  }

  /** Called by the coalescer: does the work, with the leader as the first waiter. */
  begin(start: (run: Run<T, W>) => Promise<T>): Handle<T, W> {
    const handle = this.add(this.leader, true);
    const work = start(this);
    this.#work = work;
    work.then(
      (value) => {
        for (const one of this.#end()) one.resolve(value);
      },
      (error: unknown) => {
        for (const one of this.#end()) one.reject(error);
      },
    );
    return handle;
  }

  add(waiter: W, isLeader: boolean): Handle<T, W> {
    const handle = new Handle(this, waiter, isLeader);
    this.handles.push(handle);
    this.onJoin?.(waiter);
    if (this.#limit !== null && !isLeader) {
      this.#timer ??= setTimeout(() => this.release(), this.#leftMs(this.#limit)).unref();
    }
    return handle;
  }

  remove(handle: Handle<T, W>): void {
    const at = this.handles.indexOf(handle);
    if (at >= 0) this.handles.splice(at, 1);
    if (this.handles.length > 0) return;
    this.#end();
    this.#cancel.cancel();
  }

  #leftMs({ maxWaitMs }: MaxWait<T>): number {
    return this.#startedAt + maxWaitMs - performance.now();
  }

  /** Ends the sharing of this run; those who waited. */
  #end(): Handle<T, W>[] {
    this.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    const handles = this.handles;
    this.handles = [];
    return handles;
  }
}

/** The call of a run: cancelled with the last of its waiters, and paid by the first that can pay. */
export class SharedCall<T> implements Call {
  readonly requestId: string;
  readonly caller: Call["caller"];
  readonly cancelToken: CancelToken;
  readonly budget: Call["budget"] = this;
  readonly #run: Run<T, Call>;
  #payer: Call;

  constructor(run: Run<T, Call>) {
    const { leader } = run;
    this.requestId = leader.requestId;
    this.caller = leader.caller;
    this.cancelToken = run.cancelToken;
    this.#run = run;
    this.#payer = leader;
  }

  remainingMs(): number {
    let most = Number.NEGATIVE_INFINITY;
    for (const { waiter } of this.#run.handles) most = Math.max(most, waiter.remainingMs());
    return most;
  }

  onBehalfOf(): Call {
    return this.#payer;
  }

  take(): boolean {
    for (const { waiter } of this.#run.handles) {
      if (!waiter.budget.take()) continue;
      this.#payer = waiter;
      return true;
    }
    // No waiter can pay: the next one starts a new run.
    this.#run.close();
    return false;
  }

  followCallers(tell: ((key: string) => void) | null): void {
    this.#run.onJoin = tell && (({ caller }) => tell(caller.key));
    if (tell) for (const { waiter } of this.#run.handles) tell(waiter.caller.key);
  }
}

/** Made once: nothing reads it, and an error with its stack is expensive. */
const givenUp = new Error("the waiter has given up");
