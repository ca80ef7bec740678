/** Names from outside as label values: the first so many are kept as they are, all later ones are one. */
export interface NameBook {
  readonly enter: (name: string | null) => string;
}

const longest = 64;

/**
 * Operation names are the callers' to choose, and every label value is a series that a monitoring system keeps: beyond
 * `most` different names, and for overlong ones, `(other)`; for none, `(anonymous)`. No name can look like these.
 */
export function createNameBook(most: number): NameBook {
  const known = new Set<string>();
  return {
    enter: (name) => {
      if (name === null) return "(anonymous)";
      if (known.has(name)) return name;
      if (known.size >= most || name.length > longest) return "(other)";
      known.add(name);
      return name;
    },
  };
}
