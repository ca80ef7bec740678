import { LinkedQueue } from "../model/queue.ts";

/** Tells work that it is no longer wanted: what an AbortSignal does, at a tenth of its price. */
export type CancelToken = Pick<CancelSource, "cancelled" | "onCancel" | "offCancel">;

/** A cancel token with the means to cancel it. Most have one listener, which is stored without a set. */
export class CancelSource {
  cancelled = false;
  #only: (() => void) | null = null;
  #more: Set<() => void> | null = null;

  /** Calls back once, when the token is cancelled; not at all when it is cancelled already. */
  onCancel(listener: () => void): void {
    if (this.cancelled) return;
    if (this.#only === null && this.#more === null) this.#only = listener;
    else {
      this.#more ??= new Set(this.#only === null ? [] : [this.#only]);
      this.#only = null;
      this.#more.add(listener);
    }
  }

  offCancel(listener: () => void): void {
    if (this.#only === listener) this.#only = null;
    else this.#more?.delete(listener);
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    const [only, more] = [this.#only, this.#more];
    this.#only = null;
    this.#more = null;
    only?.();
    for (const listener of more ?? []) listener();
  }
}

/** A token that is never cancelled, for a waiter that does not give up. */
export const neverCancelled: CancelToken = { cancelled: false, onCancel: () => {}, offCancel: () => {} };

/** Settles like the promise, but rejects with what `error` makes as soon as the token is cancelled. */
export function orCancelled<T>(promise: Promise<T>, token: CancelToken, error: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(error());
    if (token.cancelled) cancel();
    else token.onCancel(cancel);
    promise.then(resolve, reject).finally(() => token.offCancel(cancel));
  });
}

/**
 * Timeouts of equal length, by one timer. Those that are due together end in one callback, before any continuation: the
 * breaker has opened by all of them before a slot goes to the next call. They keep no process alive.
 */
export class Timeouts {
  readonly #ms: number;
  readonly #pending = new LinkedQueue<{ readonly due: number; readonly onTimeout: () => void }>();
  #isScheduled = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Returns how to cancel it. */
  start(onTimeout: () => void): () => void {
    const stop = this.#pending.add({ due: performance.now() + this.#ms, onTimeout });
    if (!this.#isScheduled) this.#schedule(this.#ms);
    return stop;
  }

  #schedule(ms: number): void {
    this.#isScheduled = true;
    setTimeout(() => this.#run(), ms).unref();
  }

  #run(): void {
    this.#isScheduled = false;
    // Timers count in whole milliseconds and may be a part of one early.
    const now = performance.now() + 1;
    for (let next = this.#pending.first(); next !== null; next = this.#pending.first()) {
      if (next.due > now) {
        this.#schedule(Math.max(1, Math.ceil(next.due - now)));
        return;
      }
      this.#pending.shift();
      next.onTimeout();
    }
  }
}
