import type { DroppedRow } from "../../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import type { UpstreamPage } from "../paging.ts";
import { pageSize } from "./client.ts";

/** Reads one page of a list; pages count from 1 and hold {@link pageSize} rows. */
export type FetchPage<T> = (page: number) => Promise<UpstreamPage<T>>;

/** A row and its zero-based place in the whole list. */
export interface Placed<T> {
  readonly row: T;
  readonly place: number;
}

/** Where a walk was left: the row behind the last one shown, the list's count at that time, and the last row's mark. */
export interface Mark {
  readonly offset: number;
  /** Null where the server did not count. */
  readonly total: number | null;
  /** Null at the start. */
  readonly last: string | null;
}

/** How a list is filtered here, because the server's own filter is fuzzy or does not exist. */
export interface LocalWalk<T> {
  readonly fetch: FetchPage<T>;
  readonly identity: (row: T) => string;
  /** Null when every row counts. */
  readonly keep: ((row: T) => boolean) | null;
}

/** The most pages that are read for nothing but a count. */
const mostCountedPages = 10;

/**
 * A window over the rows that `keep` lets through, in the server's order. Pages are always full ones, so that every
 * reader of the same list within a request shares them. Position: `[offset behind the row, count or -1, identity]`.
 */
export async function readFiltered<T>(request: PageRequest, walk: LocalWalk<T>): Promise<Page<T>> {
  const { fetch, identity } = walk;
  const keep = walk.keep ?? (() => true);
  const mark = markOf(request.after);
  const start = await resume(fetch, mark, (row) => identity(row) === mark.last, "behind");
  const rows: Row<T>[] = [];
  const dropped: DroppedRow[] = [];
  const seen = new Set<string>();
  let number = Math.floor(start / pageSize) + 1;
  const firstPage = number;
  let page = await fetch(number);
  const { origin, total } = page;
  let kept = 0;
  let overflow = false;
  for (;;) {
    for (const row of page.dropped) dropped.push(row);
    for (const { row, place } of placed(page, number)) {
      if (!keep(row) || seen.has(identity(row))) continue;
      seen.add(identity(row));
      kept++;
      if (place < start) continue;
      if (rows.length === request.first) overflow = true;
      else rows.push({ value: row, position: [place + 1, page.total ?? -1, identity(row)] });
    }
    if (rows.length === request.first || !page.more) break;
    page = await fetch(++number);
  }
  const whole = firstPage === 1 && !page.more;
  return {
    rows,
    hasNext: overflow || page.more === true,
    total: walk.keep === null ? total : whole ? kept : () => countKept(fetch, keep, identity),
    origin,
    dropped,
  };
}

// Only a server that tells how many pages there are is counted through, and only when they are few.
async function countKept<T>(
  fetch: FetchPage<T>,
  keep: (row: T) => boolean,
  identity: (row: T) => string,
): Promise<number | null> {
  const first = await fetch(1);
  if (first.total === null) return null;
  const pages = Math.ceil(first.total / pageSize);
  if (pages > mostCountedPages) return null;
  const rest = await Promise.all(Array.from({ length: Math.max(0, pages - 1) }, (_, index) => fetch(index + 2)));
  return new Set([first, ...rest].flatMap((page) => page.rows.filter(keep).map(identity))).size;
}

/**
 * The place to go on from, in a list that may have changed since: the row that was shown last is looked for on the page
 * where it was, then where the change of the count has moved it. `behind` starts after its last occurrence, `at` with
 * its first. Without a trace of the row the old offset has to do, less the rows that are gone.
 */
export async function resume<T>(
  fetch: FetchPage<T>,
  mark: Mark,
  isLast: (row: T) => boolean,
  side: "behind" | "at",
): Promise<number> {
  if (mark.last === null) return 0;
  const number = Math.floor(mark.offset / pageSize) + 1;
  const page = await fetch(number);
  const find = (one: UpstreamPage<T>, at: number): number | null => {
    const hits = placed(one, at).filter(({ row }) => isLast(row));
    const hit = side === "behind" ? hits.at(-1) : hits[0];
    return hit === undefined ? null : hit.place + (side === "behind" ? 1 : 0);
  };
  const here = find(page, number);
  if (here !== null) return here;
  const change = page.total !== null && mark.total !== null ? page.total - mark.total : 0;
  // On a page border the row shown last stands on the page before, and an unchanged count is no reason to look there.
  if (mark.offset % pageSize === 0 && change === 0) return mark.offset;
  const moved = Math.floor(Math.max(0, mark.offset - 1 + change) / pageSize) + 1;
  for (const elsewhere of new Set([moved, number - 1])) {
    if (elsewhere < 1 || elsewhere === number) continue;
    const there = find(await fetch(elsewhere), elsewhere);
    if (there !== null) return there;
  }
  // The row shown last is among those that went, so what stood behind them has moved up.
  return Math.max(0, mark.offset + Math.min(0, change));
}

/** The rows of a page with their places; unreadable rows keep theirs. */
export function placed<T>(page: UpstreamPage<T>, number: number): Placed<T>[] {
  const gaps = new Set(page.dropped.map((row) => row.index));
  let index = -1;
  return page.rows.map((row) => {
    do index++;
    while (gaps.has(index));
    return { row, place: (number - 1) * pageSize + index };
  });
}

/** Reads a position that {@link readFiltered} wrote; anything else is the start of the list. */
function markOf(after: Position | null): Mark {
  const [offset, total, last] = after ?? [];
  if (!isCount(offset) || !isCount(total, -1) || typeof last !== "string")
    return { offset: 0, total: null, last: null };
  return { offset, total: total < 0 ? null : total, last };
}

/** Whether a part of a position is a whole number from `least` on, and no larger than any list. */
export function isCount(part: unknown, least = 0): part is number {
  return typeof part === "number" && Number.isInteger(part) && part >= least && part <= 1e9;
}

/** Reads a whole list: page 1, then the rest together where the count is known, else one after the other. */
export async function readAll<T>(fetch: FetchPage<T>): Promise<UpstreamPage<T>> {
  const first = await fetch(1);
  const pages = [first];
  if (first.more && first.total !== null) {
    const last = Math.ceil(first.total / pageSize);
    const others = await Promise.all(Array.from({ length: Math.max(0, last - 1) }, (_, index) => fetch(index + 2)));
    for (const page of others) pages.push(page);
  }
  while (pages.at(-1)?.more) pages.push(await fetch(pages.length + 1));
  return {
    rows: pages.flatMap((page) => page.rows),
    count: pages.reduce((sum, page) => sum + page.count, 0),
    dropped: pages.flatMap((page) => page.dropped),
    origin: first.origin,
    total: first.total,
    more: false,
  };
}
