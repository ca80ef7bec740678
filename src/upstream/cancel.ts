/** Tells work that it is no longer wanted: what an AbortSignal does, at a tenth of its price. */
export interface CancelToken {
  readonly cancelled: boolean;
  /** Calls back once, when the token is cancelled; not at all when it is cancelled already. */
  readonly onCancel: (listener: () => void) => void;
  readonly offCancel: (listener: () => void) => void;
}

/** A cancel token with the means to cancel it. */
export interface CancelSource extends CancelToken {
  readonly cancel: () => void;
}

/** Most tokens have one listener, which is stored without a set. */
class Source implements CancelSource {
  cancelled = false;
  #only: (() => void) | null = null;
  #more: Set<() => void> | null = null;

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

/** A new token, not cancelled yet. */
export function createCancelSource(): CancelSource {
  return new Source();
}

/** A token that is never cancelled, for work that nobody gives up. */
export const neverCancelled: CancelToken = { cancelled: false, onCancel: () => {}, offCancel: () => {} };

/** The token of an AbortSignal. */
export function cancelTokenOf(signal: AbortSignal): CancelToken {
  const source = new Source();
  if (signal.aborted) source.cancel();
  else signal.addEventListener("abort", () => source.cancel(), { once: true });
  return source;
}

/** Settles like the promise, but rejects with what `error` makes as soon as the token is cancelled. */
export function orCancelled<T>(promise: Promise<T>, token: CancelToken, error: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(error());
    if (token.cancelled) cancel();
    else token.onCancel(cancel);
    promise.then(resolve, reject).finally(() => token.offCancel(cancel));
  });
}
