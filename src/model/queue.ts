/**
 * Values in the order in which they were added; any of them can be removed. A Set could do the same, but its outgrown
 * tables retain what was in them, and each other, until the whole heap is swept: values that come and go with every
 * request would be promoted to the old generation there.
 */
export interface LinkedQueue<T> {
  readonly size: () => number;
  /** Adds at the end. Returns a function that removes the value; calling it again does nothing. */
  readonly add: (value: T) => () => void;
  readonly first: () => T | null;
  readonly last: () => T | null;
  /** All of them, from the first. */
  readonly values: () => T[];
  /** Removes and returns the first value; null when the queue is empty. */
  readonly shift: () => T | null;
}

interface Node<T> {
  /** Null when it was removed. */
  value: T | null;
  before: Node<T> | null;
  after: Node<T> | null;
}

/** An empty queue. */
export function createLinkedQueue<T>(): LinkedQueue<T> {
  let head: Node<T> | null = null;
  let tail: Node<T> | null = null;
  let size = 0;

  function remove(node: Node<T>): void {
    if (node.value === null) return;
    if (node.before) node.before.after = node.after;
    else head = node.after;
    if (node.after) node.after.before = node.before;
    else tail = node.before;
    // A removed node must not retain its neighbours.
    node.value = null;
    node.before = null;
    node.after = null;
    size -= 1;
  }

  return {
    size: () => size,
    add: (value) => {
      const node: Node<T> = { value, before: tail, after: null };
      if (tail) tail.after = node;
      else head = node;
      tail = node;
      size += 1;
      return () => remove(node);
    },
    first: () => head?.value ?? null,
    last: () => tail?.value ?? null,
    values: () => {
      const values: T[] = [];
      for (let node = head; node; node = node.after) if (node.value !== null) values.push(node.value);
      return values;
    },
    shift: () => {
      const node = head;
      if (node === null) return null;
      const { value } = node;
      remove(node);
      return value;
    },
  };
}

/** Admission control: lets work start in small batches, such as operations, and the reading of large answers. */
export interface AdmissionControl {
  /** Null: the work may start now. Else a promise that resolves when it may; in order of arrival. */
  readonly admit: (cost: number) => Promise<void> | null;
}

/**
 * In each tick of the event loop work starts that costs `costPerTick` together, or one piece of work that costs more.
 * An idle process does not notice: the next tick comes at once. In a busy one each tick brings answers of backends for
 * work that has started, and these are processed before much else is started: a few half-done operations take less
 * memory, and are answered sooner, than all of them half done.
 */
export function createAdmissionControl(costPerTick: number): AdmissionControl {
  const waiting = createLinkedQueue<{ readonly cost: number; readonly start: () => void }>();
  let left = costPerTick;
  let isScheduled = false;

  function scheduleTick(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(tick);
  }

  function tick(): void {
    isScheduled = false;
    left = costPerTick;
    for (let next = waiting.first(); next !== null && left > 0; next = waiting.first()) {
      waiting.shift();
      left -= next.cost;
      next.start();
    }
    // Work that comes before the next tick shares what is left of this one.
    if (left < costPerTick) scheduleTick();
  }

  return {
    admit: (cost) => {
      scheduleTick();
      if (left > 0 && waiting.size() === 0) {
        left -= cost;
        return null;
      }
      return new Promise((start) => void waiting.add({ cost, start }));
    },
  };
}
