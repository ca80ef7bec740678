import type { Page, PageRequest, Row } from "../../model/page.ts";
import { type Absent, type Answer, type Found, found, mapAnswer, type Unknown, unknown } from "../answers.ts";
import { sliceWindow } from "../paging.ts";
import { inSmallerPages } from "../smaller-pages.ts";
import { type Listing, largestPage, type MarkedListing, type RowRange } from "./client.ts";

/**
 * A list from its first row to its last. Its answer has a gap where rows could not be read, or fewer came than were
 * announced: then a missing row proves nothing.
 */
export interface Whole<T> {
  readonly rows: readonly T[];
  readonly dropped: Listing<T>["dropped"];
  readonly origin: Listing<T>["origin"];
}

/** A field of the row that no other row of the list has. */
type Identity<T> = (row: T) => string;

/** The first of all rows with the same identity. */
function distinct<T>(rows: readonly T[], identity: Identity<T>): T[] {
  const first = new Map<string, T>();
  for (const row of rows) if (!first.has(identity(row))) first.set(identity(row), row);
  return [...first.values()];
}

/** Pages as one list; rows that came twice because the list moved count once. `isCut`: it is known to go on. */
function wholeOf<T>(pages: readonly Listing<T>[], identity: Identity<T>, isCut = false): Answer<Whole<T>> {
  const [first] = pages;
  if (first === undefined) throw new RangeError("a walk has at least one page");
  const rows = distinct(
    pages.flatMap((page) => page.rows),
    identity,
  );
  const dropped = pages.flatMap((page) => page.dropped);
  const isMet = !isCut && dropped.length === 0 && (first.total === null || rows.length >= first.total);
  const { origin } = first;
  return found({ rows, dropped, origin }, isMet ? null : unknown("LOST_ROWS"));
}

/**
 * A list that the server gives whole; should a server cut it and say so, the rest is asked for in pieces of the size
 * that it chose.
 */
export async function readWhole<T>(
  fetch: (range: RowRange | null) => Promise<Listing<T>>,
  identity: Identity<T>,
): Promise<Answer<Whole<T>>> {
  const first = await fetch(null);
  const { total, count: limit } = first;
  if (total === null || limit === 0 || limit >= total) return wholeOf([first], identity);
  const pieces = Math.min(Math.ceil(total / limit), mostPages);
  const offsets = Array.from({ length: pieces - 1 }, (_, page) => (page + 1) * limit);
  const rest = await Promise.all(offsets.map((offset) => fetch({ limit, offset })));
  return wholeOf([first, ...rest], identity);
}

/** A list that is read in pages of the largest size; in smaller ones where such a page is too large an answer. */
export async function walkAll<T>(
  fetch: (range: RowRange) => Promise<Listing<T>>,
  identity: Identity<T>,
): Promise<Answer<Whole<T>>> {
  const read = byRange(fetch);
  return walkOn(await read({ limit: largestPage, offset: 0 }), fetch, identity);
}

/** Reads a range in smaller ones where it is too large an answer. */
export function byRange<T>(fetch: (range: RowRange) => Promise<Listing<T>>): (range: RowRange) => Promise<Listing<T>> {
  const walk = { fetch: (page: number, size: number) => fetch({ limit: size, offset: page * size }) };
  return ({ limit, offset }) => inSmallerPages(walk, offset / limit, limit);
}

/** The rest of a list behind its first page of the largest size: at once where the size of the list is known. */
export async function walkOn<T>(
  first: Listing<T>,
  fetch: (range: RowRange) => Promise<Listing<T>>,
  identity: Identity<T>,
): Promise<Answer<Whole<T>>> {
  const read = byRange(fetch);
  const pages = [first];
  // Whoever announces more than that is asked page by page: it may be wrong.
  const ahead = Math.min(pagesBehind(first), mostAtOnce);
  const offsets = Array.from({ length: ahead }, (_, page) => (page + 1) * largestPage);
  for (const page of await Promise.all(offsets.map((offset) => read({ limit: largestPage, offset })))) pages.push(page);
  // Only a page that is not full ends the list, whatever the total said; an empty one has no row that could tell a total.
  const seen = new Set(pages.flatMap((page) => page.rows.map(identity)));
  for (let last = pages.at(-1) ?? first; last.count >= largestPage && seen.size !== first.total; ) {
    last = await read({ limit: largestPage, offset: pages.length * largestPage });
    pages.push(last);
    const before = seen.size;
    for (const row of last.rows) seen.add(identity(row));
    // A server that repeats its pages has more to tell, and no way to ask for it.
    if (last.count > 0 && seen.size === before) return wholeOf(pages, identity, true);
  }
  return wholeOf(pages, identity);
}

const mostAtOnce = 50;

/** Pages of the largest size behind the first, where the server counts; else 0. */
export function pagesBehind({ total }: Pick<Listing<unknown>, "total">): number {
  return total === null ? 0 : Math.max(0, Math.ceil(total / largestPage) - 1);
}

/** A whole list that is walked by marker; one page after the other, because only a page knows where the next begins. */
export async function walkMarked<T>(
  fetch: (marker: string | null) => Promise<MarkedListing<T>>,
  identity: Identity<T>,
): Promise<Answer<Whole<T>>> {
  const pages: MarkedListing<T>[] = [];
  const seen = new Set<string>();
  for (let marker: string | null = null; ; ) {
    const page: MarkedListing<T> = await fetch(marker);
    const before = seen.size;
    for (const row of page.rows) seen.add(identity(row));
    pages.push(page);
    marker = page.next;
    if (marker === null) return wholeOf(pages, identity);
    // A page that brings nothing new would be followed by its like for ever.
    if (seen.size === before && page.dropped.length === 0) return wholeOf(pages, identity, true);
    if (pages.length >= mostPages) return wholeOf(pages, identity, true);
  }
}

/** A marker could lead on for ever by rows that nobody can read. */
const mostPages = 1000;

/** A page of a marked list beside the marker that finds it again (empty for the first) and the size it was asked in. */
export interface MarkedPage<T> extends MarkedListing<T> {
  readonly marker: string;
  readonly size: number;
}

/** First part of the positions that {@link readMarkedWindow} writes. */
export const markedPosition = "v3";

/**
 * The window `first` behind `after` of a list that is walked by marker. The position of a row is
 * `["v3", marker of its page, rows of that page up to and with it, page size]`, because a marker finds pages only.
 */
export async function readMarkedWindow<T>(
  { first, after }: PageRequest,
  identity: Identity<T>,
  fetch: (marker: string, size: number) => Promise<MarkedPage<T>>,
): Promise<Page<T>> {
  const [, startMarker, startSkip, startSize] = after ?? [];
  let marker = typeof startMarker === "string" ? startMarker : "";
  let skip = isCount(startSkip) ? startSkip : 0;
  const size = isCount(startSize) && startSize > 0 && startSize <= largestPage ? startSize : first;
  const rows: Row<T>[] = [];
  const dropped: Page<T>["dropped"][number][] = [];
  const seen = new Set<string>();
  const markers = new Set<string>();
  for (;;) {
    const page = await fetch(marker, size);
    for (const row of page.dropped) dropped.push(row);
    for (const [place, row] of page.rows.entries()) {
      if (place < skip || seen.has(identity(row))) continue;
      if (rows.length === first) return { rows, hasNext: true, total: null, origin: page.origin, dropped };
      seen.add(identity(row));
      const isLast = place === page.rows.length - 1 && page.next !== null;
      const position = isLast
        ? [markedPosition, page.next ?? "", 0, size]
        : [markedPosition, marker, place + 1, page.size];
      rows.push({ value: row, position });
    }
    markers.add(marker);
    // A marker that comes again leads back to where the walk has been.
    const goesOn = page.next !== null && !markers.has(page.next) && markers.size < mostPages;
    if (!goesOn || rows.length === first) {
      return { rows, hasNext: goesOn, total: null, origin: page.origin, dropped };
    }
    marker = page.next ?? "";
    skip = 0;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** One row of a list; what the list does not have is absent only where nothing is missing from it. */
export function pick<T>(list: Answer<Whole<T>>, isMeant: (row: T) => boolean, absence: Absent): Answer<T> {
  if (list.kind !== "FOUND") return list;
  const row = list.value.rows.find(isMeant);
  return row === undefined ? (list.gap ?? absence) : found(row);
}

/** A window over a list; counted only where the list has no gap. */
export function windowOf<T>(list: Answer<Whole<T>>, request: PageRequest, identity: Identity<T>): Answer<Page<T>> {
  return mapAnswer(list, (whole) => {
    const window = sliceWindow(request, whole.rows, identity, whole);
    return list.kind === "FOUND" && list.gap === null ? window : { ...window, total: null };
  });
}

/** An answer to a question that itself had a gap: only what is found is sure. */
export function withGap<T>(answer: Answer<T>, gap: Unknown | null): Answer<T> {
  if (gap === null) return answer;
  return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? gap) : gap;
}

/** Order of code units: the same everywhere, and stable from one page to the next. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Whether a list was read from its start and has no row, readable or not. */
export function isEmptyStart<T>(answer: Answer<Page<T>>, { after }: PageRequest): answer is Found<Page<T>> {
  return answer.kind === "FOUND" && after === null && answer.value.rows.length + answer.value.dropped.length === 0;
}
