/** Something that may be over before it is done, and tells so: what an AbortSignal is, at a tenth of its price. */
export interface Ending {
  readonly isOver: boolean;
  /** Calls back once, when it is over; not at all when it is over already. */
  readonly listen: (listener: () => void) => void;
  readonly unlisten: (listener: () => void) => void;
}

/** An ending in our own hands. */
export interface OwnEnding extends Ending {
  readonly end: () => void;
}

/** Most have one listener, which costs no set. */
class Listeners implements OwnEnding {
  isOver = false;
  #only: (() => void) | null = null;
  #more: Set<() => void> | null = null;

  listen(listener: () => void): void {
    if (this.isOver) return;
    if (this.#only === null && this.#more === null) this.#only = listener;
    else {
      this.#more ??= new Set(this.#only === null ? [] : [this.#only]);
      this.#only = null;
      this.#more.add(listener);
    }
  }

  unlisten(listener: () => void): void {
    if (this.#only === listener) this.#only = null;
    else this.#more?.delete(listener);
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    const [only, more] = [this.#only, this.#more];
    this.#only = null;
    this.#more = null;
    only?.();
    for (const listener of more ?? []) listener();
  }
}

/** A new one, not over yet. */
export function createEnding(): OwnEnding {
  return new Listeners();
}

/** The same as a signal, for whoever wants one: made when it is asked for. */
export function signalOf(ending: Ending): AbortSignal {
  const controller = new AbortController();
  if (ending.isOver) controller.abort();
  else ending.listen(() => controller.abort());
  return controller.signal;
}

/** When a call is over: its own word, or its signal's. */
export function endingOf(call: { readonly signal: AbortSignal; readonly ending?: Ending }): Ending {
  if (call.ending) return call.ending;
  const { signal } = call;
  return {
    get isOver() {
      return signal.aborted;
    },
    listen: (listener) => signal.addEventListener("abort", listener, { once: true }),
    unlisten: (listener) => signal.removeEventListener("abort", listener),
  };
}

/** The same promise, which rejects as soon as this is over with what `error` makes. */
export function orEnded<T>(promise: Promise<T>, ending: Ending, error: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => reject(error());
    if (ending.isOver) end();
    else ending.listen(end);
    promise.then(resolve, reject).finally(() => ending.unlisten(end));
  });
}
