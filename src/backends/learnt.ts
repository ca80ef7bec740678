/** How long what a server has shown of itself is believed: it may be upgraded, or have been in trouble for a moment. */
export const learntForMs = 2 * 60_000;

/**
 * One thing that was learnt about a server from its answers; forgotten when it has not been learnt again for
 * {@link learntForMs}. Belongs to the process, so nothing of it may come from a single caller.
 */
export class Learnt<T> {
  readonly #now: () => number;
  #held: { readonly value: T; readonly until: number } | null = null;

  /** `now` is the process's clock in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What was learnt; null where nothing was, or too long ago. */
  get(): T | null {
    if (this.#held !== null && this.#now() >= this.#held.until) this.#held = null;
    return this.#held?.value ?? null;
  }

  /** Learns it, for a while from now on. */
  set(value: T): void {
    this.#held = { value, until: this.#now() + learntForMs };
  }
}
