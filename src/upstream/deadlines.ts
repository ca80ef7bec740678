import { createLine } from "./line.ts";

/** Deadlines that all are equally far away, so that those which began first are due first: one timer serves them all. */
export interface Deadlines {
  /** Calls back when the time is over; hands back how to call that off. */
  readonly start: (due: () => void) => () => void;
}

interface Pending {
  readonly at: number;
  readonly due: () => void;
}

/** Deadlines of so many milliseconds. They keep no process alive. */
export function createDeadlines(ms: number): Deadlines {
  const pending = createLine<Pending>();
  let isArmed = false;

  function arm(wait: number): void {
    isArmed = true;
    setTimeout(ring, wait).unref();
  }

  function ring(): void {
    isArmed = false;
    // Timers count in whole milliseconds and may be a part of one early.
    const now = performance.now() + 1;
    for (let next = pending.first(); next !== null; next = pending.first()) {
      if (next.at > now) {
        arm(Math.max(1, Math.ceil(next.at - now)));
        return;
      }
      pending.shift();
      next.due();
    }
  }

  return {
    start: (due) => {
      const cancel = pending.join({ at: performance.now() + ms, due });
      if (!isArmed) arm(ms);
      return cancel;
    },
  };
}
