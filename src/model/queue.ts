interface Node<T> {
  value: T | null;
  before: Node<T> | null;
  after: Node<T> | null;
}

/**
 * Values in the order in which they were added; any of them can be removed. A Set could do the same, but its outgrown
 * tables retain what was in them, and each other, until the whole heap is swept: values that come and go with every
 * request would be promoted to the old generation there.
 */
export class LinkedQueue<T> {
  #head: Node<T> | null = null;
  #tail: Node<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds at the end. Returns a function that removes the value; calling it again does nothing. */
  add(value: T): () => void {
    const node: Node<T> = { value, before: this.#tail, after: null };
    if (this.#tail) this.#tail.after = node;
    else this.#head = node;
    this.#tail = node;
    this.#size += 1;
    return () => this.#remove(node);
  }

  first(): T | null {
    return this.#head?.value ?? null;
  }

  last(): T | null {
    return this.#tail?.value ?? null;
  }

  values(): T[] {
    const values: T[] = [];
    for (let node = this.#head; node; node = node.after) if (node.value !== null) values.push(node.value);
    return values;
  }

  /** Removes and returns the first value; null when the queue is empty. */
  shift(): T | null {
    const first = this.first();
    if (this.#head) this.#remove(this.#head);
    return first;
  }

  #remove(node: Node<T>): void {
    if (node.value === null) return;
    if (node.before) node.before.after = node.after;
    else this.#head = node.after;
    if (node.after) node.after.before = node.before;
    else this.#tail = node.before;
    // A removed node must not retain its neighbours.
    node.value = null;
    node.before = null;
    node.after = null;
    this.#size -= 1;
  }
}

/** Null: the work may start now. Else a promise that resolves when it may; in order of arrival. */
export type Admit = (cost: number) => Promise<void> | null;

/**
 * Admission control: in each tick of the event loop work starts that costs `costPerTick` together, or one piece that
 * costs more. An idle process does not notice: the next tick comes at once. In a busy one each tick brings answers for
 * work that has started, and these are processed before much else is started: a few half-done operations take less
 * memory, and are answered sooner, than all of them half done.
 */
export function createAdmissionControl(costPerTick: number): Admit {
  const waiting = new LinkedQueue<{ readonly cost: number; readonly start: () => void }>();
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
    while (left > 0) {
      const next = waiting.shift();
      if (next === null) break;
      left -= next.cost;
      next.start();
    }
    // Work that comes before the next tick shares what is left of this one.
    if (left < costPerTick) scheduleTick();
  }

  return (cost) => {
    scheduleTick();
    if (left > 0 && waiting.size === 0) {
      left -= cost;
      return null;
    }
    return new Promise((start) => void waiting.add({ cost, start }));
  };
}
