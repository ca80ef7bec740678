/** The values in groups by a text made of each, in order of first appearance. */
export function groupBy<T>(values: readonly T[], text: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(text(value));
    if (group) group.push(value);
    else groups.set(text(value), [value]);
  }
  return [...groups.values()];
}

/** The list cut into pieces of at most `size`. */
export function chunks<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}

/** What was thrown, as the Error that a loader puts in a key's place. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("something that is no Error was thrown", { cause: error });
}
