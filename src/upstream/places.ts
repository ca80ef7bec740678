import { createLine } from "./line.ts";

/** Thrown to whoever would have to wait where too many wait already. */
export class QueueFull extends Error {
  override readonly name = "QueueFull";
}

/**
 * So many calls at once, and a bounded queue of those that wait for a place. Whoever gives up leaves the queue at that
 * moment: it never starts, and it does not keep a place in the queue from the living.
 */
export interface Places {
  /**
   * Calls back when there is a place, at once if one is free; whoever was called has to leave. Hands back how to give up
   * waiting. Throws QueueFull.
   */
  readonly enter: (start: () => void) => () => void;
  readonly leave: () => void;
  /** Runs when there is a place. Rejects with QueueFull, or with the reason of `signal` when that aborts before. */
  readonly within: <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T>;
  readonly inFlight: () => number;
  readonly queued: () => number;
}

/** `most` calls at once, `mostWaiting` behind them, first come first served. */
export function createPlaces(most: number, mostWaiting: number): Places {
  const waiting = createLine<() => void>();
  let taken = 0;

  function enter(start: () => void): () => void {
    if (taken < most) {
      taken += 1;
      start();
      return stays;
    }
    if (waiting.size() >= mostWaiting) throw new QueueFull("as many calls as may wait are waiting");
    return waiting.join(start);
  }

  // A place goes from hand to hand: nobody who comes later can slip in between.
  function leave(): void {
    const next = waiting.shift();
    if (next === null) taken -= 1;
    else next();
  }

  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leaveQueue = () => {
        giveUp();
        reject(signal.reason);
      };
      signal.addEventListener("abort", leaveQueue, { once: true });
      const giveUp = enter(() => {
        signal.removeEventListener("abort", leaveQueue);
        resolve();
      });
    });
  }

  return {
    enter,
    leave,
    within: async (signal, run) => {
      signal.throwIfAborted();
      await turn(signal);
      try {
        // Between being called and getting up the reason to go may have passed.
        signal.throwIfAborted();
        return await run();
      } finally {
        leave();
      }
    },
    inFlight: () => taken,
    queued: waiting.size,
  };
}

/** Who has a place already waits for nothing. */
function stays(): void {}
