import DataLoader from "dataloader";
import type { Call } from "../upstream/call.ts";
import { createEvent } from "../upstream/event.ts";
import { type Answer, unknown } from "./answers.ts";

/** Whose keys a loader loads, and by which call: what makes it show up in explain, metrics and traces. */
export interface LoadedBy<K> {
  readonly call: Call;
  /** Configured name. */
  readonly backend: string;
  /** The operation that answers these keys, such as `swr.getTag`. */
  readonly operation: string | ((keys: readonly K[]) => string);
}

/** Keys that were loaded together, or one key that needed no load; told by {@link loads}. */
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

/** Tells of each batch and each repeated key of the loaders that say whose they are. */
export const loads = createEvent<Load>("delivery-graph:load");

/**
 * A per-request loader whose keys are objects, equal when their text is equal. `load` gets each distinct key once and
 * answers by key text, so an answer can never be matched by position. A key that it leaves out is unknown, a key whose
 * call failed is an Error in its place, and a rejection of `load` fails every key of the batch.
 */
export function batched<K, V>(
  text: (key: K) => string,
  load: (keys: readonly K[]) => Promise<ReadonlyMap<string, Answer<V> | Error>>,
  options: { readonly maxBatchSize?: number; readonly by?: LoadedBy<K> } = {},
): Loader<K, Answer<V>> {
  const { by = null, maxBatchSize } = options;
  return new Loader<K, Answer<V>>(
    text,
    by,
    async (keys) => {
      const answers = await told(by, keys, () => load(keys));
      return keys.map((key) => answers.get(text(key)) ?? unknown("LEFT_OUT"));
    },
    maxBatchSize,
  );
}

/** What one request knows of things that a backend answers one key at a time; equal keys are one call. */
export interface Single<K, V> {
  readonly load: (key: K) => Promise<V>;
  /** Remembers what is known already; what was asked for before stays. */
  readonly prime: (key: K, value: V) => void;
}

/** A per-request loader for what a backend answers one key at a time; a failure is remembered as an answer is. */
export function single<K, V>(
  text: (key: K) => string,
  load: (key: K) => Promise<V>,
  by: LoadedBy<K> | null = null,
): Single<K, V> {
  let known: Map<string, Promise<V>> | null = null;
  let open: Siblings<K, V> | null = null;
  const close = () => {
    open = null;
  };
  return {
    load: (key) => {
      const name = text(key);
      known ??= new Map();
      const before = known.get(name);
      if (before) {
        if (by && loads.isHeard()) publish(by, [key], { keys: 0, deduped: 1, ms: 0 });
        return before;
      }
      open ??= new Siblings(load, by, close);
      const answer = open.add(key);
      known.set(name, answer);
      return answer;
    },
    prime: (key, value) => {
      const name = text(key);
      known ??= new Map();
      if (!known.has(name)) known.set(name, Promise.resolve(value));
    },
  };
}

/** One key that was asked for beside others, and how its answer is handed out. */
interface Sibling<K, V> {
  readonly key: K;
  readonly resolve: (value: V) => void;
  readonly reject: (error: unknown) => void;
  /** Set when its answer is there and not yet handed out. */
  handOut: (() => void) | null;
}

/** Bounds in milliseconds of the time that an answer waits for those of its siblings. */
const maxWait = { least: 5, most: 100, perFirstAnswer: 3 } as const;

/**
 * Keys that were asked for in one tick, as DataLoader sees ticks. Answers that come close together are handed out
 * together, so that what is asked for because of them is one batch. An answer waits for its siblings at most three
 * times as long as the first answer took, and never longer than 100 ms: a call that hangs delays nobody but itself.
 */
class Siblings<K, V> {
  readonly #load: (key: K) => Promise<V>;
  readonly #by: LoadedBy<K> | null;
  readonly #all: Sibling<K, V>[] = [];
  #started = 0;
  #left = 0;
  #isWaitOver = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(load: (key: K) => Promise<V>, by: LoadedBy<K> | null, close: () => void) {
    this.#load = load;
    this.#by = by;
    // As late as DataLoader: behind everything that is ready to run now.
    ready.then(() =>
      process.nextTick(() => {
        close();
        this.#started = performance.now();
        this.#left = this.#all.length;
        for (const sibling of this.#all) this.#begin(sibling);
      }),
    );
  }

  add(key: K): Promise<V> {
    return new Promise((resolve, reject) => {
      this.#all.push({ key, resolve, reject, handOut: null });
    });
  }

  #begin(sibling: Sibling<K, V>): void {
    const { key, resolve, reject } = sibling;
    const settle = (handOut: () => void) => {
      if (this.#by && loads.isHeard()) {
        publish(this.#by, [key], { keys: 1, deduped: 0, ms: performance.now() - this.#started });
      }
      this.#left -= 1;
      sibling.handOut = handOut;
      if (this.#left === 0 || this.#isWaitOver) this.#handOutAll();
      else this.#timer ??= setTimeout(() => this.#endWait(), this.#maxWaitMs());
    };
    const fail = (error: unknown) => settle(() => reject(error));
    try {
      this.#load(key).then((value) => settle(() => resolve(value)), fail);
    } catch (error) {
      fail(error);
    }
  }

  #maxWaitMs(): number {
    const { least, most, perFirstAnswer } = maxWait;
    return Math.min(most, Math.max(least, (performance.now() - this.#started) * perFirstAnswer));
  }

  #endWait(): void {
    this.#isWaitOver = true;
    this.#handOutAll();
  }

  #handOutAll(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    for (const sibling of this.#all) {
      sibling.handOut?.();
      sibling.handOut = null;
    }
  }
}

const ready = Promise.resolve();

/**
 * A DataLoader that is made when it is first used (a request uses few of those it might), tells of the keys it knows
 * already, and is told of known values when it is first asked.
 */
export class Loader<K, V> {
  readonly #text: (key: K) => string;
  readonly #by: LoadedBy<K> | null;
  readonly #answer: (keys: readonly K[]) => Promise<readonly (V | Error)[]>;
  readonly #maxBatchSize: number | undefined;
  #opened: { readonly loader: DataLoader<K, V, string>; readonly known: Map<string, Promise<V>> } | null = null;
  #untold: (() => void)[] = [];

  constructor(
    text: (key: K) => string,
    by: LoadedBy<K> | null,
    answer: (keys: readonly K[]) => Promise<readonly (V | Error)[]>,
    maxBatchSize?: number,
  ) {
    this.#text = text;
    this.#by = by;
    this.#answer = answer;
    this.#maxBatchSize = maxBatchSize;
  }

  load(key: K): Promise<V> {
    if (this.#untold.length > 0) {
      const untold = this.#untold;
      this.#untold = [];
      for (const prime of untold) prime();
    }
    const { loader, known } = this.#open();
    if (this.#by && loads.isHeard() && known.has(this.#text(key))) {
      publish(this.#by, [key], { keys: 0, deduped: 1, ms: 0 });
    }
    return loader.load(key);
  }

  /** The answers in the order of the keys; an Error in place of one that could not be had. */
  loadMany(keys: readonly K[]): Promise<(V | Error)[]> {
    return Promise.all(keys.map((key) => this.load(key).catch(toError)));
  }

  /** Remembers what is known already; what was asked for before stays. */
  prime(key: K, value: V): void {
    this.#open().loader.prime(key, value);
  }

  /** Has `prime` called before the next key is loaded: most of what a page tells is never asked for by key. */
  primeLater(prime: () => void): void {
    this.#untold.push(prime);
  }

  /** Forgets one key. */
  clear(key: K): this {
    this.#opened?.loader.clear(key);
    return this;
  }

  #open() {
    if (this.#opened) return this.#opened;
    const known = new Map<string, Promise<V>>();
    const limit = this.#maxBatchSize === undefined ? {} : { maxBatchSize: this.#maxBatchSize };
    const loader = new DataLoader(this.#answer, { cacheKeyFn: this.#text, cacheMap: known, ...limit });
    this.#opened = { loader, known };
    return this.#opened;
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a loader threw something that is no Error", { cause: error });
}

async function told<K, T>(by: LoadedBy<K> | null, keys: readonly K[], load: () => Promise<T>): Promise<T> {
  if (!by || !loads.isHeard()) return load();
  const started = performance.now();
  try {
    return await load();
  } finally {
    publish(by, keys, { keys: keys.length, deduped: 0, ms: performance.now() - started });
  }
}

function publish<K>(
  { call, backend, operation }: LoadedBy<K>,
  keys: readonly K[],
  facts: Pick<Load, "keys" | "deduped" | "ms">,
): void {
  const name = typeof operation === "string" ? operation : operation(keys);
  loads.tell({ call, backend, operation: name, ...facts });
}

/** Joins key parts so that no two different lists of parts give the same text. */
export function keyText(...parts: readonly (string | number | null)[]): string {
  return JSON.stringify(parts);
}
