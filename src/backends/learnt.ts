/** How long an observation about a server is used: it may be upgraded, or have been in trouble for a moment. */
export const learntForMs = 2 * 60_000;

/**
 * One observation about a server, made from its answers; forgotten {@link learntForMs} after it was made last. Belongs
 * to the process, so nothing in it may come from a single caller.
 */
export class Learnt<T> {
  readonly #now: () => number;
  #entry: { readonly value: T; readonly expiresAt: number } | null = null;

  /** `now` is the process's clock in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The observation; null where there is none, or none that is recent enough. */
  get(): T | null {
    if (this.#entry !== null && this.#now() >= this.#entry.expiresAt) this.#entry = null;
    return this.#entry?.value ?? null;
  }

  /** Stores the observation. */
  set(value: T): void {
    this.#entry = { value, expiresAt: this.#now() + learntForMs };
  }
}
