import DataLoader from "dataloader";
import { Event } from "../../upstream/events.ts";
import type { Call } from "../../upstream/operation.ts";
import { type Answer, unknown } from "../answers.ts";

/** The call and the operation that a loader's keys are counted under in explain, metrics and traces. */
export interface LoadedBy<K> {
  readonly call: Call;
  /** Configured name. */
  readonly backend: string;
  /** The operation that answers these keys, such as `swr.getTag`. */
  readonly operation: string | ((keys: readonly K[]) => string);
}

/** Keys that were loaded together, or one key that needed no load; an event of {@link loads}. */
export interface Load {
  readonly call: Call;
  readonly backend: string;
  readonly operation: string;
  /** Distinct keys that were asked for together; 0 for a key that was known already. */
  readonly keys: number;
  /** Keys that cost nothing, because this request had asked for them before or knew them from another answer. */
  readonly deduped: number;
  readonly ms: number;
}

/** Publishes each batch and each repeated key of the loaders that have a {@link LoadedBy}. */
export const loads = new Event<Load>();

/** Answers of one batch by the text of their key; an Error for a key whose call failed. */
export type Answers<V> = Map<string, Answer<V> | Error>;

/**
 * A per-request loader whose keys are objects, equal when their text is equal. `load` gets the distinct keys of one
 * tick and answers by key text, so an answer can never be matched by position. A key that it leaves out is unknown, a
 * key whose call failed is an Error in the map, and a rejection of `load` rejects every key of the batch.
 *
 * A `load` that makes several calls sets each answer in `answers` when it is final, and returns that map: an answer set
 * there waits for those of other keys no longer than {@link maxWaitMs}.
 */
export function batched<K, V>(
  text: (key: K) => string,
  load: (keys: readonly K[], answers: Answers<V>) => Promise<ReadonlyMap<string, Answer<V> | Error>>,
  by: LoadedBy<K> | null = null,
): Loader<K, Answer<V>> {
  return new Loader<K, Answer<V>>(text, by, async (keys, batch) => {
    const startedAt = performance.now();
    try {
      const answers = await load(keys, batch);
      for (const key of keys) batch.set(text(key), answers.get(text(key)) ?? unknown("LEFT_OUT"));
    } finally {
      publish(by, keys, { keys: keys.length, deduped: 0, ms: performance.now() - startedAt });
    }
  });
}

/**
 * A per-request loader for what a backend answers one key at a time: `load` is called once for each distinct key, and
 * its promise is shared, rejected or not. An answer waits for those of the other keys of its tick no longer than
 * {@link maxWaitMs}.
 */
export function single<K, V>(
  text: (key: K) => string,
  load: (key: K) => Promise<V>,
  by: LoadedBy<K> | null = null,
): Loader<K, V> {
  return new Loader<K, V>(text, by, async (keys, batch) => {
    const startedAt = performance.now();
    const loadOne = async (key: K) => {
      let answer: V | Error;
      try {
        answer = await load(key);
      } catch (error) {
        answer = toError(error);
      }
      publish(by, [key], { keys: 1, deduped: 0, ms: performance.now() - startedAt });
      batch.set(text(key), answer);
    };
    await Promise.all(keys.map(loadOne));
  });
}

/** A key that is loaded, and the promise of its answer. */
class Pending<K, V> {
  readonly key: K;
  readonly text: string;
  readonly promise: Promise<V>;
  #settle: { readonly resolve: (value: V) => void; readonly reject: (error: Error) => void } | null;

  constructor(key: K, text: string) {
    const { promise, resolve, reject } = Promise.withResolvers<V>();
    this.key = key;
    this.text = text;
    this.promise = promise;
    this.#settle = { resolve, reject };
  }

  settle(answer: V | Error): void {
    if (answer instanceof Error) this.#settle?.reject(answer);
    else this.#settle?.resolve(answer);
    this.#settle = null;
  }
}

/**
 * The promises of one request by the text of their key. Keys of one tick are one batch, by DataLoader, which is created
 * with the first key: a request uses few of its loaders. DataLoader only collects the batch; each key has a promise of
 * its own, so that its answer need not wait for the others.
 */
export class Loader<K, V> {
  readonly #text: (key: K) => string;
  readonly #by: LoadedBy<K> | null;
  readonly #start: (keys: readonly K[], batch: Batch<K, V>) => Promise<void>;
  readonly #promises = new Map<string, Promise<V>>();
  #batches: DataLoader<Pending<K, V>, null> | null = null;
  #deferredPrimes: (() => void)[] = [];

  constructor(
    text: (key: K) => string,
    by: LoadedBy<K> | null,
    start: (keys: readonly K[], batch: Batch<K, V>) => Promise<void>,
  ) {
    this.#text = text;
    this.#by = by;
    this.#start = start;
  }

  /** The answer to a key; rejects with an Error when its call failed. */
  readonly load = (key: K): Promise<V> => {
    if (this.#deferredPrimes.length > 0) for (const prime of this.#deferredPrimes.splice(0)) prime();
    const text = this.#text(key);
    const known = this.#promises.get(text);
    if (known) {
      publish(this.#by, [key], { keys: 0, deduped: 1, ms: 0 });
      return known;
    }
    const pending = new Pending<K, V>(key, text);
    this.#promises.set(text, pending.promise);
    this.#batches ??= new DataLoader(async (batch) => this.#startBatch(batch), { cache: false });
    this.#batches.load(pending);
    return pending.promise;
  };

  /** Sets the answer to a key that was not loaded or primed before. */
  prime(key: K, value: V): void {
    const text = this.#text(key);
    if (!this.#promises.has(text)) this.#promises.set(text, Promise.resolve(value));
  }

  /** Runs `prime` before the next key is loaded: most of what a page holds is never asked for by key. */
  deferPrime(prime: () => void): void {
    this.#deferredPrimes.push(prime);
  }

  /** Sets the answer to a key, whether it was loaded before or not. */
  replace(key: K, value: V): void {
    this.#promises.set(this.#text(key), Promise.resolve(value));
  }

  #startBatch(pending: readonly Pending<K, V>[]): null[] {
    const batch = new Batch(pending);
    this.#start(
      pending.map(({ key }) => key),
      batch,
    ).then(
      () => batch.release(),
      (error: unknown) => batch.fail(toError(error)),
    );
    return pending.map(() => null);
  }
}

/**
 * The answers to one batch. Those that come close together are handed out together, so that the loads that follow from
 * them are one batch; a call that hangs delays only the keys that it is for.
 */
class Batch<K, V> extends Map<string, V | Error> {
  readonly #pending = new Map<string, Pending<K, V>>();
  readonly #startedAt = performance.now();
  #isReleased = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(pending: readonly Pending<K, V>[]) {
    super();
    for (const one of pending) this.#pending.set(one.text, one);
  }

  override set(text: string, answer: V | Error): this {
    super.set(text, answer);
    if (this.#isReleased) this.#settle(text, answer);
    else if (this.#pending.size > 1) {
      // A busy process may be late: answers that have arrived by then are read before the batch is released.
      this.#timer ??= setTimeout(
        () => setImmediate(() => this.release()),
        maxWaitMs(performance.now() - this.#startedAt),
      );
    }
    return this;
  }

  /** Hands out the answers that are there, and from now on each when it is set. */
  release(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#isReleased = true;
    for (const text of this.#pending.keys()) {
      const answer = this.get(text);
      if (answer !== undefined) this.#settle(text, answer);
    }
  }

  /** Rejects every key that was not handed out. */
  fail(error: Error): void {
    for (const text of this.#pending.keys()) super.set(text, error);
    this.release();
  }

  #settle(text: string, answer: V | Error): void {
    this.#pending.get(text)?.settle(answer);
    this.#pending.delete(text);
  }
}

/** Milliseconds that the first answer of a batch waits for the others: three times as long as it took, 5 to 100. */
function maxWaitMs(firstMs: number): number {
  return Math.min(100, Math.max(5, firstMs * 3));
}

function publish<K>(by: LoadedBy<K> | null, keys: readonly K[], facts: Pick<Load, "keys" | "deduped" | "ms">): void {
  if (!by || !loads.hasSubscribers) return;
  const { call, backend, operation } = by;
  loads.publish({ call, backend, operation: typeof operation === "string" ? operation : operation(keys), ...facts });
}

/** Joins key parts so that no two different lists of parts give the same text. */
export function keyText(...parts: readonly (string | number | null)[]): string {
  return JSON.stringify(parts);
}

/** The values in groups by a text made of each, in order of first appearance. */
export function groupBy<T>(values: readonly T[], text: (value: T) => string): T[][] {
  return [...Map.groupBy(values, text).values()];
}

/** The list cut into pieces of at most `size`. */
export function chunks<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}

/** A rejection's reason as the Error that a loader keeps for its key; what is no Error becomes the cause of one. */
export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a loader threw something that is no Error", { cause: error });
}
