/** Thrown to whoever would have to wait where too many wait already. */
export class QueueFull extends Error {
  override readonly name = "QueueFull";
}

/**
 * So many calls at once, and a bounded queue of those that wait for a place. Whoever gives up leaves the queue at that
 * moment: it never starts, and it does not keep a place in the queue from the living.
 */
export interface Places {
  /** Runs when there is a place. Rejects with QueueFull, or with the reason of `signal` when that aborts before. */
  readonly within: <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T>;
  readonly inFlight: () => number;
  readonly queued: () => number;
}

interface Waiting {
  readonly start: () => void;
}

/** `most` calls at once, `mostWaiting` behind them, first come first served. */
export function createPlaces(most: number, mostWaiting: number): Places {
  const waiting = new Set<Waiting>();
  let taken = 0;

  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        waiting.delete(me);
        reject(signal.reason);
      };
      const me: Waiting = {
        start: () => {
          signal.removeEventListener("abort", giveUp);
          resolve();
        },
      };
      signal.addEventListener("abort", giveUp, { once: true });
      waiting.add(me);
    });
  }

  // A place goes from hand to hand: nobody who comes later can slip in between.
  function leave(): void {
    const [next] = waiting;
    if (!next) {
      taken -= 1;
      return;
    }
    waiting.delete(next);
    next.start();
  }

  return {
    within: async (signal, run) => {
      signal.throwIfAborted();
      if (taken < most) taken += 1;
      else if (waiting.size < mostWaiting) await turn(signal);
      else throw new QueueFull("as many calls as may wait are waiting");
      try {
        // Between being called and getting up the reason to go may have passed.
        signal.throwIfAborted();
        return await run();
      } finally {
        leave();
      }
    },
    inFlight: () => taken,
    queued: () => waiting.size,
  };
}
