import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { type Answer, found, unknown } from "../answers.ts";
import { keepRows, readWindow, type UpstreamPage } from "../paging.ts";

/** A list whose pages have numbers. */
export interface NumberedSource<T> {
  /** Zero-based page of `size` rows. */
  readonly fetch: (page: number, size: number) => Promise<UpstreamPage<T>>;
  readonly identity: (row: T) => string;
  readonly maxSize: number;
  readonly keep: (row: T) => boolean;
  readonly looksAhead?: boolean;
}

/** One page without the rows that were not asked for. */
export async function pageOf<T>(source: NumberedSource<T>, page: number, size: number): Promise<UpstreamPage<T>> {
  return keepRows(await source.fetch(page, size), source.keep);
}

/** A window over what was asked for; where other rows came as well, no total is known. */
export async function windowOf<T>(request: PageRequest, source: NumberedSource<T>): Promise<Page<T>> {
  let hasForeign = false;
  const page = await readWindow<T>(request, {
    ...source,
    fetch: async (at, size) => {
      const all = await source.fetch(at, size);
      const own = keepRows(all, source.keep);
      hasForeign ||= own.rows.length < all.rows.length;
      return own;
    },
  });
  return hasForeign ? { ...page, total: null } : page;
}

/** How a list is read that Zadig cannot filter the way it was asked to. */
export interface FilteredList<T, U> {
  readonly source: NumberedSource<T>;
  /** Rows of the first page; further pages are as large as what was read before, up to `most`. */
  readonly first: number;
  /** `first` times a power of two. */
  readonly most: number;
  /** Rows that one window may look through; asked again after each page, since the first may show what they cost. */
  readonly maxRows: () => number;
  /** What a row becomes, or null when it does not belong; may ask more of the backend. */
  readonly accept: (row: T) => Promise<U | null>;
  /** Rows decided on at the same time. */
  readonly concurrency: number;
  /** True for a row behind which nothing can belong. */
  readonly isLast?: (row: T) => boolean;
}

interface Cut<T> {
  /** Zero-based place in the list. */
  readonly place: number;
  readonly row: T;
  readonly identity: string;
}

/**
 * Walks a list page by page until `first` rows were accepted, and one more to know that there are more. The position
 * of a row is `[place behind it, identity]`; rows added in front meanwhile push it towards the end, where the identity
 * finds it again. Unknown where nothing was found in as many rows as may be looked through.
 */
export async function filteredWindow<T, U>(request: PageRequest, list: FilteredList<T, U>): Promise<Answer<Page<U>>> {
  const walk = createWalk(list, request);
  const passed: Row<U>[] = [];
  const seen = new Set<string>();
  let isOver = false;
  let isCut = false;
  let reached: Position = [];
  while (passed.length <= request.first && !isOver) {
    const batch = await walk.next(list.concurrency);
    if (batch === "CUT") {
      isCut = true;
      break;
    }
    const end = batch.findIndex(({ row }) => list.isLast?.(row));
    isOver = batch.length === 0 || end >= 0;
    const within = end < 0 ? batch : batch.slice(0, end);
    const values = await Promise.all(within.map(({ row }) => list.accept(row)));
    for (const [index, { place, identity }] of within.entries()) {
      reached = [place + 1, identity];
      const value = values[index] ?? null;
      if (value === null || seen.has(identity)) continue;
      seen.add(identity);
      passed.push({ value, position: reached });
    }
  }
  const last = passed[passed.length - 1];
  if (isCut && !last) return unknown("UNREAD");
  // What was looked through in vain behind the last row need not be looked through again.
  const rows =
    isCut && last ? [...passed.slice(0, -1), { ...last, position: reached }] : passed.slice(0, request.first);
  const hasNext = passed.length > request.first || isCut;
  const page = { rows, hasNext, total: null, origin: await walk.origin(), dropped: walk.dropped };
  return found(page, walk.hasLost() ? unknown("LOST_ROWS") : null);
}

interface ListWalk<T> {
  /** The next entries in order, none at the end of the list. */
  readonly next: (most: number) => Promise<readonly Cut<T>[] | "CUT">;
  readonly origin: () => Promise<Origin>;
  readonly dropped: readonly DroppedRow[];
  /** Whether fewer rows came than were counted. */
  readonly hasLost: () => boolean;
}

function createWalk<T, U>(list: FilteredList<T, U>, request: PageRequest): ListWalk<T> {
  const [behind, last] = request.after ?? [];
  const after = typeof behind === "number" && behind >= 1 ? behind : 0;
  // The page of the last row is read again.
  const start = Math.floor(Math.max(0, after - 1) / list.first) * list.first;
  // Resuming reads the page of the last row again, which brings nothing new.
  const known = request.after === null ? 0 : sizeAt(start, list);
  let at = start;
  let waiting: Cut<T>[] = [];
  let more = true;
  let hasLost = false;
  let origin: Origin | null = null;
  const dropped: DroppedRow[] = [];

  async function load(): Promise<Cut<T>[]> {
    const size = sizeAt(at, list);
    const answer = await pageOf(list.source, at / size, size);
    const begin = at;
    origin ??= answer.origin;
    for (const row of answer.dropped) dropped.push(row);
    at += size;
    more = answer.count > 0 && (answer.total === null ? answer.count >= size : at < answer.total);
    hasLost ||= !more && answer.total !== null && begin + answer.count < answer.total;
    return answer.rows.map((row, index) => ({
      place: begin + (answer.places?.[index] ?? index),
      row,
      identity: list.source.identity(row),
    }));
  }

  async function begin(): Promise<void> {
    waiting = await load();
    if (typeof last !== "string") return;
    const isLast = ({ place, identity }: Cut<T>) => place >= after - 1 && identity === last;
    let index = waiting.findIndex(isLast);
    if (index < 0 && more) {
      for (const cut of await load()) waiting.push(cut);
      index = waiting.findIndex(isLast);
    }
    // The row is gone: what stood behind it has moved up into its place.
    const gone = waiting.findIndex(({ place }) => place >= after - 1);
    waiting = waiting.slice(index >= 0 ? index + 1 : gone >= 0 ? gone : waiting.length);
  }

  return {
    next: async (most) => {
      if (origin === null) await begin();
      while (waiting.length === 0 && more) {
        if (at - start - known >= list.maxRows()) return "CUT";
        waiting = await load();
      }
      return waiting.splice(0, most);
    },
    origin: async () => {
      if (origin === null) await begin();
      return origin ?? Promise.reject(new Error("a list was read without an answer"));
    },
    dropped,
    hasLost: () => hasLost,
  };
}

/** The largest page that begins at this place. */
function sizeAt(place: number, { first, most }: Pick<FilteredList<unknown, unknown>, "first" | "most">): number {
  let size = first;
  while (place > 0 && size * 2 <= most && place % (size * 2) === 0) size *= 2;
  return size;
}
