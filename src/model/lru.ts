/** Bounds of an {@link Lru}; a bound that is left out does not apply. */
export interface LruBounds<V> {
  readonly maxEntries?: number;
  /** Bound of the sum of {@link weigh} over all entries. */
  readonly maxWeight?: number;
  /** A heavier entry is not stored, so that one entry cannot evict all others. Default: `maxWeight`. */
  readonly maxEntryWeight?: number;
  /** Weight of an entry; must not change while the entry is stored. Default: 1. */
  readonly weigh?: (value: V, key: string) => number;
  /** Called for each entry that is removed because of a bound; not for one that is replaced or deleted. */
  readonly onEvict?: (value: V, key: string) => void;
}

/** A bounded map that evicts the least recently used entries: reading or writing an entry makes it the most recent. */
export class Lru<V> {
  // A Map keeps the order of insertion, so the first entry is the least recently used one.
  readonly #entries = new Map<string, V>();
  readonly #bounds: LruBounds<V>;
  #weight = 0;

  constructor(bounds: LruBounds<V>) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Stores an entry in place of an earlier one; a too heavy one is not stored, the earlier one removed. */
  set(key: string, value: V): void {
    const { maxEntries = Infinity, maxWeight = Infinity, maxEntryWeight = maxWeight, onEvict } = this.#bounds;
    this.delete(key);
    const weight = this.#weigh(value, key);
    if (weight > maxEntryWeight) return;
    this.#entries.set(key, value);
    this.#weight += weight;
    for (const [oldest, evicted] of this.#entries) {
      if (this.#weight <= maxWeight && this.#entries.size <= maxEntries) return;
      this.delete(oldest);
      onEvict?.(evicted, oldest);
    }
  }

  delete(key: string): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#weigh(value, key);
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  /** All values, the least recently used first; reading them changes nothing. */
  values(): Iterable<V> {
    return this.#entries.values();
  }

  #weigh(value: V, key: string): number {
    return this.#bounds.weigh?.(value, key) ?? 1;
  }
}
