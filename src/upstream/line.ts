/**
 * Values that wait in line, the first of whom is next; any of them may step out. A Set could do the same, but the tables
 * it leaves behind as it grows hold on to what was in it, and to each other, until the whole heap is swept: what comes
 * and goes with every request would grow old there.
 */
export interface Line<T> {
  readonly size: () => number;
  /** Joins at the end; hands back how to step out, which may be called again and does nothing then. */
  readonly join: (value: T) => () => void;
  readonly first: () => T | null;
  readonly last: () => T | null;
  /** All of them, from the first. */
  readonly values: () => T[];
  /** Takes the first one out. */
  readonly shift: () => T | null;
}

interface Link<T> {
  value: T | null;
  before: Link<T> | null;
  after: Link<T> | null;
}

/** An empty line. */
export function createLine<T>(): Line<T> {
  let head: Link<T> | null = null;
  let tail: Link<T> | null = null;
  let size = 0;

  function leave(link: Link<T>): void {
    if (link.value === null) return;
    if (link.before) link.before.after = link.after;
    else head = link.after;
    if (link.after) link.after.before = link.before;
    else tail = link.before;
    // Who has left leads nowhere any more.
    link.value = null;
    link.before = null;
    link.after = null;
    size -= 1;
  }

  return {
    size: () => size,
    join: (value) => {
      const link: Link<T> = { value, before: tail, after: null };
      if (tail) tail.after = link;
      else head = link;
      tail = link;
      size += 1;
      return () => leave(link);
    },
    first: () => head?.value ?? null,
    last: () => tail?.value ?? null,
    values: () => {
      const values: T[] = [];
      for (let link = head; link; link = link.after) if (link.value !== null) values.push(link.value);
      return values;
    },
    shift: () => {
      const link = head;
      if (link === null) return null;
      const { value } = link;
      leave(link);
      return value;
    },
  };
}
