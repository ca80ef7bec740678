/** Texts by key, bounded by their characters: what has not been asked for the longest makes room. */
export interface Shelf {
  readonly get: (key: string) => string | null;
  readonly put: (key: string, text: string) => void;
}

/** An empty shelf for `most` characters, keys included; a text that would not fit even alone is not kept. */
export function createShelf(most: number): Shelf {
  // A Map keeps the order of insertion: whatever is asked for moves to its end.
  const texts = new Map<string, string>();
  let characters = 0;
  const remove = (key: string) => {
    const text = texts.get(key);
    if (text === undefined) return;
    texts.delete(key);
    characters -= key.length + text.length;
  };
  const put = (key: string, text: string) => {
    remove(key);
    if (key.length + text.length > most) return;
    texts.set(key, text);
    characters += key.length + text.length;
    for (const oldest of texts.keys()) {
      if (characters <= most) break;
      remove(oldest);
    }
  };
  return {
    put,
    get: (key) => {
      const text = texts.get(key);
      if (text === undefined) return null;
      put(key, text);
      return text;
    },
  };
}
