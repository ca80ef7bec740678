import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import type { UpstreamError } from "../../upstream/errors.ts";
import type { UpstreamPage } from "../paging.ts";

/** A place in a list: a row, or null where the backend's row could not be read. */
export interface Place<T> {
  readonly row: T | null;
  /** Unique within the list. */
  readonly identity: string;
}

/** How a list is read that Zadig cannot filter the way it was asked to. */
export interface Sieve<T, U> {
  readonly fetch: (page: number, size: number) => Promise<UpstreamPage<Place<T>>>;
  readonly size: number;
  /** Pages that one window may read; asked again after each, since the first answer may show what they cost. */
  readonly maxPages: () => number;
  /** What a row becomes, or null when it does not belong; may ask more of the backend. */
  readonly sift: (row: T) => Promise<U | null>;
  /** Rows sifted at the same time. */
  readonly stride: number;
  /** True for a row behind which nothing can belong. */
  readonly isLast?: (row: T) => boolean;
  /** What is thrown when the bound is reached before a single row was found: then nothing can be said. */
  readonly exhausted: () => UpstreamError;
}

interface Cut<T> {
  readonly page: number;
  readonly place: number;
  readonly entry: Place<T>;
}

/**
 * Walks a list page by page until `first` rows passed the sieve, and one more to know that there are more. The position
 * of a row is `[page, places up to it, identity]`; rows added in front meanwhile push it towards the end, where the
 * identity finds it again.
 */
export async function siftWindow<T, U>(request: PageRequest, sieve: Sieve<T, U>): Promise<Page<U>> {
  const walk = createWalk(sieve, request);
  const found: Row<U>[] = [];
  const seen = new Set<string>();
  let isOver = false;
  let isCut = false;
  let reached: Position = [];
  while (found.length <= request.first && !isOver) {
    const batch = await walk.next(sieve.stride);
    if (batch === "CUT") {
      isCut = true;
      break;
    }
    const end = batch.findIndex(({ entry: { row } }) => row !== null && sieve.isLast?.(row));
    isOver = batch.length === 0 || end >= 0;
    const within = end < 0 ? batch : batch.slice(0, end);
    const sifted = await Promise.all(within.map(({ entry: { row } }) => (row === null ? null : sieve.sift(row))));
    for (const [index, { page, place, entry }] of within.entries()) {
      reached = [page, place, entry.identity];
      const value = sifted[index] ?? null;
      if (value === null || seen.has(entry.identity)) continue;
      seen.add(entry.identity);
      found.push({ value, position: reached });
    }
  }
  const last = found[found.length - 1];
  if (isCut && !last) throw sieve.exhausted();
  // What was looked through in vain behind the last row need not be looked through again.
  const rows = isCut && last ? [...found.slice(0, -1), { ...last, position: reached }] : found.slice(0, request.first);
  return {
    rows,
    hasNext: found.length > request.first || isCut,
    total: null,
    origin: await walk.origin(),
    dropped: walk.dropped,
  };
}

interface ListWalk<T> {
  /** The next entries in order, none at the end of the list. */
  readonly next: (most: number) => Promise<readonly Cut<T>[] | "CUT">;
  readonly origin: () => Promise<Origin>;
  readonly dropped: readonly DroppedRow[];
}

function createWalk<T, U>(sieve: Sieve<T, U>, request: PageRequest): ListWalk<T> {
  const [startPage, startPlace, last] = request.after ?? [];
  let page = typeof startPage === "number" && startPage >= 0 ? startPage : 0;
  const startedAt = page;
  // Resuming reads the page of the last row again, which brings nothing new.
  const known = request.after === null ? 0 : 1;
  const after = typeof startPlace === "number" ? startPlace : 0;
  let waiting: Cut<T>[] = [];
  let more = true;
  let origin: Origin | null = null;
  const dropped: DroppedRow[] = [];

  async function load(): Promise<Cut<T>[]> {
    const answer = await sieve.fetch(page, sieve.size);
    const at = page;
    origin ??= answer.origin;
    for (const row of answer.dropped) dropped.push(row);
    more = answer.total === null ? answer.count >= sieve.size : (page + 1) * sieve.size < answer.total;
    page++;
    return answer.rows.map((entry, index) => ({ page: at, place: index + 1, entry }));
  }

  async function start(): Promise<void> {
    waiting = await load();
    if (typeof last !== "string") return;
    const isLast = ({ entry }: Cut<T>) => entry.identity === last;
    let index = waiting.findIndex((cut) => cut.place >= after && isLast(cut));
    if (index < 0 && more) {
      for (const cut of await load()) waiting.push(cut);
      index = waiting.findIndex((cut) => (cut.page > startedAt || cut.place >= after) && isLast(cut));
    }
    // The row is gone: what stood behind it has moved up into its place.
    waiting = waiting.slice(index < 0 ? Math.max(0, after - 1) : index + 1);
  }

  return {
    next: async (most) => {
      if (origin === null) await start();
      while (waiting.length === 0 && more) {
        if (page - startedAt - known >= sieve.maxPages()) return "CUT";
        waiting = await load();
      }
      return waiting.splice(0, most);
    },
    origin: async () => {
      if (origin === null) await start();
      return origin ?? Promise.reject(new Error("a list was read without an answer"));
    },
    dropped,
  };
}
