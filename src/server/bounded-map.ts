/** Values by text, bounded in number and by the characters of their keys: what was not asked for the longest goes. */
export interface BoundedMap<V> {
  readonly get: (key: string) => V | undefined;
  readonly set: (key: string, value: V) => void;
  readonly size: () => number;
}

/** An empty one. A key that would fill it alone is not kept. */
export function createBoundedMap<V>(most: { readonly entries: number; readonly characters: number }): BoundedMap<V> {
  // A Map keeps the order of insertion: whatever is asked for moves to its end.
  const values = new Map<string, V>();
  let characters = 0;

  function drop(key: string): void {
    if (values.delete(key)) characters -= key.length;
  }

  return {
    get: (key) => {
      const value = values.get(key);
      if (value === undefined) return undefined;
      values.delete(key);
      values.set(key, value);
      return value;
    },
    set: (key, value) => {
      drop(key);
      if (key.length > most.characters) return;
      values.set(key, value);
      characters += key.length;
      for (const oldest of values.keys()) {
        if (characters <= most.characters && values.size <= most.entries) break;
        drop(oldest);
      }
    },
    size: () => values.size,
  };
}
