import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, found, type Unknown, unknown } from "../answers.ts";
import type { UpstreamPage } from "../paging.ts";
import { type ProjectPage, pageSize } from "./client.ts";

/** The origin of an answer that needed no call, or whose call was answered with "not found". */
export function originNow(backend: string, traceId: string | null = null): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId };
}

/** One page of a list, or an empty one where there is no such list. */
export interface ListPage<T> extends ProjectPage<T> {
  /** Why there is no such list: its owner does not exist, the server has no such type, or it is unknown; else null. */
  readonly absence: Absent | Unknown | null;
}

/** Reads one page of a list; pages count from 1 and hold `pageSize` rows. */
export type FetchPage<T> = (page: number) => Promise<ListPage<T>>;

/** The page of a list that does not exist. */
export function noPage<T>(origin: Origin, absence: Absent | Unknown): ListPage<T> {
  return { rows: [], count: 0, dropped: [], origin, total: 0, more: false, movedTo: null, absence };
}

/**
 * Waits for a page. `missing` is what a 404 means: the list's owner does not exist or is hidden from these credentials, or,
 * where another list names the owner, it is unknown. `refused` is what a 400 proves. Rejects with every other failure.
 */
export async function orNoPage<T>(
  page: Promise<ProjectPage<T>>,
  backend: string,
  missing: Absent | Unknown,
  refused: Absent | null = null,
): Promise<ListPage<T>> {
  try {
    return { ...(await page), absence: null };
  } catch (error) {
    if (isNotFound(error)) return noPage(originNow(backend, error.traceId), missing);
    const isRefused = error instanceof UpstreamError && error.failure === "REJECTED" && error.status === 400;
    if (isRefused && refused !== null) return noPage(originNow(backend, error.traceId), refused);
    throw error;
  }
}

/** A list that was read to its end. */
export interface WholeList<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  readonly origin: Origin;
}

/** The most pages that are asked for at the same time. */
const maxAtOnce = 50;

/** Reads a whole list: page 1, then the rest together where the count is known, else one after the other. */
export async function readWhole<T>(fetch: FetchPage<T>, identity: (row: T) => string): Promise<Answer<WholeList<T>>> {
  const first = await fetch(1);
  if (first.absence) return first.absence;
  const pages = [first];
  const last = first.total === null ? 0 : Math.ceil(first.total / pageSize);
  // A count may be wrong: many pages are read one by one, so that the list itself shows where it ends.
  if (first.more && last <= maxAtOnce) {
    const others = await Promise.all(Array.from({ length: Math.max(0, last - 1) }, (_, index) => fetch(index + 2)));
    for (const page of others) pages.push(page);
  }
  while (pages.at(-1)?.more) pages.push(await fetch(pages.length + 1));
  // Rows that a shifting list repeats are one row.
  const rows = new Map(pages.flatMap((page) => page.rows.map((row) => [identity(row), row] as const)));
  const list = { rows: [...rows.values()], dropped: pages.flatMap((page) => page.dropped), origin: first.origin };
  return found(list, isWhole(pages, identity) ? null : unknown("LOST_ROWS"));
}

/**
 * What a whole list proves about what it does not hold: nothing where the list is absent or unknown, or lacks rows. Throws
 * MALFORMED where a row could not be read.
 */
export function silenceOf(list: Answer<WholeList<unknown>>, operation: Operation): Absent | Unknown {
  if (list.kind !== "FOUND") return list;
  if (list.value.dropped.length > 0) throw unreadable(list.value.origin.backend, operation.name);
  return list.gap ?? absent(operation, "WHOLE_LIST");
}

/** Whether pages that were read to the end hold as many rows as the server counts; true where it does not count. */
export function isWhole<T>(pages: readonly UpstreamPage<T>[], identity: (row: T) => string | number): boolean {
  const total = pages.at(-1)?.total ?? null;
  if (total === null || pages.length === 1) return total === null || (pages[0]?.count ?? 0) >= total;
  const unread = pages.reduce((sum, { dropped }) => sum + dropped.length, 0);
  return new Set(pages.flatMap(({ rows }) => rows.map(identity))).size + unread >= total;
}

/** The failure of a search whose list has a row that could not be read: that row may be the one looked for. */
export function unreadable(backend: string, operation: string): UpstreamError {
  return new UpstreamError("MALFORMED", { backend, operation, reason: "a row that could not be read may be the one" });
}

/** The failure of a search that would need more calls than one search may make. */
export function tooFar(backend: string, operation: string, reason: string): UpstreamError {
  return new UpstreamError("OVER_BUDGET", { backend, operation, reason });
}

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
export interface LocalWalk<T, P extends ListPage<T> = ListPage<T>> {
  readonly fetch: (page: number) => Promise<P>;
  readonly identity: (row: T) => string;
  /** Null when every row counts. */
  readonly keep: ((row: T) => boolean) | null;
  /** Set for a list that is found by its rows: whether a row is one of its, and what a list without any proves. */
  readonly owner?: {
    readonly owns: (row: T) => boolean;
    readonly whenNone: (pages: readonly P[]) => Absent | Unknown;
  };
}

/** The most pages that are read for nothing but a count. */
const mostCountedPages = 10;

/**
 * A window over the rows that `keep` lets through, in the server's order. Pages are always full ones, so that every
 * reader of the same list within a request shares them. Position: `[offset behind the row, count or -1, identity]`.
 * Absent where there is no such list, or nothing in it is its owner's.
 */
export async function readFiltered<T, P extends ListPage<T> = ListPage<T>>(
  request: PageRequest,
  walk: LocalWalk<T, P>,
): Promise<Answer<Page<T>>> {
  const { fetch, identity, owner } = walk;
  const keep = walk.keep ?? (() => true);
  const mark = markOf(request.after);
  const start = await resume(fetch, mark, (row) => identity(row) === mark.last, "behind");
  const rows: Row<T>[] = [];
  const dropped: DroppedRow[] = [];
  const seen = new Set<string>();
  let number = Math.floor(start / pageSize) + 1;
  const firstPage = number;
  let page = await fetch(number);
  if (page.absence) return page.absence;
  const { origin, total } = page;
  const pages = [page];
  let kept = 0;
  let overflow = false;
  for (;;) {
    for (const one of page.dropped) dropped.push(one);
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
    pages.push(page);
  }
  const whole = firstPage === 1 && !page.more;
  // Rows that could not be read are told of as such, and may be the owner's.
  if (owner && whole && dropped.length === 0 && !pages.some((one) => one.rows.some(owner.owns))) {
    return owner.whenNone(pages);
  }
  const answer: Page<T> = {
    rows,
    hasNext: overflow || page.more === true,
    total: walk.keep === null ? total : whole ? kept : () => countKept(fetch, keep, identity),
    origin,
    dropped,
  };
  return found(answer, whole && !isWhole(pages, identity) ? unknown("LOST_ROWS") : null);
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
