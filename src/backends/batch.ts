import DataLoader from "dataloader";
import { createEvent } from "../upstream/events.ts";
import type { Call } from "../upstream/operation.ts";
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

/** Answers of one batch by the text of their key; an Error for a key whose call failed. */
export type Answers<V> = Map<string, Answer<V> | Error>;

/**
 * A per-request loader whose keys are objects, equal when their text is equal. `load` gets each distinct key once and
 * answers by key text, so an answer can never be matched by position. A key that it leaves out is unknown, a key whose
 * call failed is an Error in its place, and a rejection of `load` fails every key of the batch.
 *
 * A `load` whose keys need several calls puts each answer into `answers` when it is final, and hands back that map: an
 * answer waits there for those of other keys no longer than {@link maxWaitMs}, so that a call that hangs delays only the
 * keys that it is for.
 */
export function batched<K, V>(
  text: (key: K) => string,
  load: (keys: readonly K[], answers: Answers<V>) => Promise<ReadonlyMap<string, Answer<V> | Error>>,
  options: { readonly maxBatchSize?: number; readonly by?: LoadedBy<K> } = {},
): Loader<K, Answer<V>> {
  const { by = null, maxBatchSize } = options;
  return new Loader<K, Answer<V>>(
    text,
    by,
    (keys) => new Batch<V>(keys.map(text)).run((answers) => told(by, keys, () => load(keys, answers))),
    maxBatchSize,
  );
}

/** The answers to one batch, each handed out when all are there or its wait is over. */
class Batch<V> extends Map<string, Answer<V> | Error> {
  readonly #texts: readonly string[];
  readonly #open = new Map<string, PromiseWithResolvers<Answer<V>>>();
  readonly #started = performance.now();
  #isWaitOver = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(texts: readonly string[]) {
    super();
    this.#texts = texts;
  }

  override set(text: string, answer: Answer<V> | Error): this {
    super.set(text, answer);
    if (this.#isWaitOver) this.#handOut(text, answer);
    else this.#timer ??= setTimeout(() => this.#endWait(), maxWaitMs(this.#started));
    return this;
  }

  async run(
    load: (answers: Answers<V>) => Promise<ReadonlyMap<string, Answer<V> | Error>>,
  ): Promise<Promise<Answer<V>>[]> {
    const promises = this.#texts.map((text) => {
      const waiting = Promise.withResolvers<Answer<V>>();
      this.#open.set(text, waiting);
      return waiting.promise;
    });
    load(this).then(
      (answers) => this.#end((text) => answers.get(text) ?? unknown("LEFT_OUT")),
      (error: unknown) => this.#end(() => toError(error)),
    );
    return promises;
  }

  #endWait(): void {
    this.#isWaitOver = true;
    for (const [text, answer] of this) this.#handOut(text, answer);
  }

  #end(answerOf: (text: string) => Answer<V> | Error): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#isWaitOver = true;
    for (const text of this.#texts) this.#handOut(text, answerOf(text));
  }

  #handOut(text: string, answer: Answer<V> | Error): void {
    const waiting = this.#open.get(text);
    if (!this.#open.delete(text)) return;
    if (answer instanceof Error) waiting?.reject(answer);
    else waiting?.resolve(answer);
  }
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
        if (by && loads.hasSubscribers()) publish(by, [key], { keys: 0, deduped: 1, ms: 0 });
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

/**
 * Milliseconds that the first answer waits for those of its siblings: three times as long as it took itself, at least 5
 * and at most 100. `started` is when they were asked for.
 */
function maxWaitMs(started: number): number {
  return Math.min(100, Math.max(5, (performance.now() - started) * 3));
}

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
      if (this.#by && loads.hasSubscribers()) {
        publish(this.#by, [key], { keys: 1, deduped: 0, ms: performance.now() - this.#started });
      }
      this.#left -= 1;
      sibling.handOut = handOut;
      if (this.#left === 0 || this.#isWaitOver) this.#handOutAll();
      else this.#timer ??= setTimeout(() => this.#endWait(), maxWaitMs(this.#started));
    };
    const fail = (error: unknown) => settle(() => reject(error));
    try {
      this.#load(key).then((value) => settle(() => resolve(value)), fail);
    } catch (error) {
      fail(error);
    }
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
  readonly #answer: (keys: readonly K[]) => Promise<readonly Promise<V>[]>;
  readonly #maxBatchSize: number | undefined;
  #opened: { readonly loader: DataLoader<K, V, string>; readonly known: Map<string, Promise<V>> } | null = null;
  #untold: (() => void)[] = [];

  constructor(
    text: (key: K) => string,
    by: LoadedBy<K> | null,
    answer: (keys: readonly K[]) => Promise<readonly Promise<V>[]>,
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
    if (this.#by && loads.hasSubscribers() && known.has(this.#text(key))) {
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
    // DataLoader resolves a key with what stands in its place, so a promise there is waited for by that key alone: its
    // types do not tell.
    const answer = this.#answer as unknown as DataLoader.BatchLoadFn<K, V>;
    const loader = new DataLoader<K, V, string>(answer, {
      cacheKeyFn: this.#text,
      cacheMap: known,
      ...limit,
    });
    this.#opened = { loader, known };
    return this.#opened;
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a loader threw something that is no Error", { cause: error });
}

async function told<K, T>(by: LoadedBy<K> | null, keys: readonly K[], load: () => Promise<T>): Promise<T> {
  if (!by || !loads.hasSubscribers()) return load();
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
  loads.publish({ call, backend, operation: name, ...facts });
}

/** Joins key parts so that no two different lists of parts give the same text. */
export function keyText(...parts: readonly (string | number | null)[]): string {
  return JSON.stringify(parts);
}
