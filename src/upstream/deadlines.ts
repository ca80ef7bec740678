/** Something that ends by itself when it takes too long. */
export interface Deadline {
  /** It is over: nothing happens any more. */
  readonly cancel: () => void;
}

/** Deadlines that all are equally far away, so that those which began first are due first: one timer serves them all. */
export interface Deadlines {
  readonly start: (due: () => void) => Deadline;
}

interface Pending {
  readonly at: number;
  readonly due: () => void;
}

/** Deadlines of so many milliseconds. They keep no process alive. */
export function createDeadlines(ms: number): Deadlines {
  const pending = new Set<Pending>();
  let isArmed = false;

  function arm(wait: number): void {
    isArmed = true;
    setTimeout(ring, wait).unref();
  }

  function ring(): void {
    isArmed = false;
    // Timers count in whole milliseconds and may be a part of one early.
    const now = performance.now() + 1;
    for (const one of pending) {
      if (one.at > now) return arm(Math.max(1, Math.ceil(one.at - now)));
      pending.delete(one);
      one.due();
    }
  }

  return {
    start: (due) => {
      const one: Pending = { at: performance.now() + ms, due };
      pending.add(one);
      if (!isArmed) arm(ms);
      return { cancel: () => void pending.delete(one) };
    },
  };
}
