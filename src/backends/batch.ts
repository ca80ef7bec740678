import DataLoader from "dataloader";

/**
 * A per-request loader whose keys are objects, equal when their text is equal. `load` gets each distinct key once and
 * answers by key text, so an answer can never be matched by position; a key it leaves out is absent (null), and a key
 * that could not be answered is an Error in its place. A rejection of `load` fails every key of the batch.
 */
export function batched<K, V>(
  text: (key: K) => string,
  load: (keys: readonly K[]) => Promise<ReadonlyMap<string, V | Error>>,
  options: { readonly maxBatchSize?: number } = {},
): DataLoader<K, V | null, string> {
  return new DataLoader<K, V | null, string>(
    async (keys) => {
      const answers = await load(keys);
      return keys.map((key) => answers.get(text(key)) ?? null);
    },
    { cacheKeyFn: text, ...options },
  );
}

/** A per-request loader for what a backend answers one key at a time; equal keys are still one call. */
export function single<K, V>(text: (key: K) => string, load: (key: K) => Promise<V>): DataLoader<K, V, string> {
  return new DataLoader<K, V, string>(
    (keys) => Promise.all(keys.map((key) => load(key).catch((error: unknown) => toError(error)))),
    { cacheKeyFn: text },
  );
}

/** Joins key parts so that no two different lists of parts give the same text. */
export function keyText(...parts: readonly (string | number | null)[]): string {
  return JSON.stringify(parts);
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a loader threw something that is no Error", { cause: error });
}
