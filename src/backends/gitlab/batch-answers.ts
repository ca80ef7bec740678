/** Runs `work` for some keys of a batch; when it fails, the keys it left unanswered get its error and no others do. */
export async function answering<V>(
  texts: readonly string[],
  answers: Map<string, V | Error>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    for (const text of texts) if (!answers.has(text)) answers.set(text, error);
  }
}

/** The values by their key, in order of first appearance. */
export function groupBy<T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group) group.push(value);
    else groups.set(key(value), [value]);
  }
  return groups;
}
