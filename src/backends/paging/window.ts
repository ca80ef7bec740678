import type { Origin } from "../../model/backend.ts";
import type { Page, PageRequest, Row } from "../../model/page.ts";
import { type Place, printCursorPlace, printPlace, readCursorPlace, readPlace } from "./position.ts";
import {
  type CursorSource,
  type DroppedAt,
  type NumberedSource,
  type PageSource,
  type Placed,
  type RowRange,
  readPage,
} from "./source.ts";

/**
 * Reads the window `first` behind `after` with the fewest pages. A window that would be empty although the list goes on
 * (unreadable rows, rows shown before) reads on: without a row there would be no position to go on from.
 *
 * @example
 * const page = await readWindow(request, {
 *   fetch: (page, size) => client.listFiles(project, id, page + 1, size, call),
 *   identity: ({ id }) => String(id),
 *   maxSize: 100,
 * });
 */
export function readWindow<T>(request: PageRequest, source: PageSource<T>): Promise<Page<T>> {
  return "fetchAt" in source ? readAtCursor(request, source) : readNumbered(request, source);
}

async function readNumbered<T>(request: PageRequest, source: NumberedSource<T>): Promise<Page<T>> {
  const wanted = request.first + (source.looksAhead ? 1 : 0);
  const place = readPlace(request.after);
  // Where the place is looked for again, the row shown last is read as well.
  const reads = (from: number) => ({ wanted: wanted + (from === place.offset ? 0 : 1), size: place.size });
  const window = openWindow(
    await resume(source, place, reads, false, (rows) => behindLast(rows, place.identity)),
    place,
  );
  while (!isEnough(window, request, source)) {
    const { end } = window.latest;
    const next = await readRange(source, end, wanted, window.latest.size);
    // A list that counts more rows than it gives has ended all the same.
    gather(window, next.end > end ? next : { ...next, goesOn: false }, end);
  }
  return closeWindow(window, request, source);
}

/** A window while it is being filled. */
interface Window<T> {
  readonly resumed: Resumed<T>;
  /** What was read last. */
  latest: ReadRange<T>;
  readonly seen: Set<string>;
  /** Ranges in a row that brought nothing but rows seen before. */
  stale: number;
  readonly rows: Placed<T>[];
  readonly dropped: DroppedAt[];
}

function openWindow<T>(resumed: Resumed<T>, { identity }: Place): Window<T> {
  const { range, from } = resumed;
  const window: Window<T> = { resumed, latest: range, seen: new Set(), stale: 0, rows: [], dropped: [] };
  if (identity !== null) window.seen.add(identity);
  gather(window, range, from);
  return window;
}

/** Adds the rows of a range from this place on that were not seen before. */
function gather<T>(window: Window<T>, range: ReadRange<T>, from: number): void {
  const isStale = range.rows.length > 0 && range.rows.every(({ identity }) => window.seen.has(identity));
  window.stale = isStale ? window.stale + 1 : 0;
  // A list that moved shows a row twice. One that shows the same rows again and again would never end.
  window.latest = window.stale >= mostStale ? { ...range, goesOn: false } : range;
  for (const one of range.rows) {
    if (one.place < from || window.seen.has(one.identity)) continue;
    window.seen.add(one.identity);
    window.rows.push(one);
  }
  for (const one of range.dropped) window.dropped.push(one);
}

/** Ranges in a row without a new row, behind which a list counts as ended. */
export const mostStale = 3;

function isEnough<T>({ latest, rows }: Window<T>, { first }: PageRequest, { looksAhead }: NumberedSource<T>): boolean {
  if (!latest.goesOn) return true;
  return looksAhead && latest.follows === null ? rows.length > first : rows.length > 0;
}

function closeWindow<T>(window: Window<T>, { first }: PageRequest, { looksAhead }: NumberedSource<T>): Page<T> {
  const { resumed, latest, rows, dropped } = window;
  const { size, total, origin } = resumed.range;
  const shown = rows.length > first ? rows.slice(0, first) : rows;
  const hasNext = rows.length > first || (latest.goesOn && !(looksAhead && latest.follows === null));
  return {
    rows: shown.map(({ row, place, identity }) => ({
      value: row,
      position: printPlace(place + 1, size, identity, total),
    })),
    hasNext,
    total,
    origin,
    dropped: passedOver(dropped, resumed.from, hasNext ? (shown.at(-1)?.place ?? null) : null),
  };
}

/** The unreadable rows from `from` to `reached` (null: to the end), so that each is reported by one window only. */
export function passedOver(
  dropped: readonly DroppedAt[],
  from: number,
  reached: number | null,
): Page<unknown>["dropped"] {
  const end = reached ?? Number.POSITIVE_INFINITY;
  return dropped.filter(({ place }) => place >= from && place < end).map(({ row }) => row);
}

/** Pages that follow each other, and what they say of the rows behind them. */
export interface ReadRange<T> extends RowRange<T> {
  /** The size of its pages. */
  readonly size: number;
  /** Where the next page begins, however many rows the last one had. */
  readonly next: number;
  /** What the backend says of what follows; null when it says nothing. */
  readonly follows: boolean | null;
  /** Whether something may follow. */
  readonly goesOn: boolean;
}

/** Reads `wanted` rows from place `from` on, by the size that needs the fewest pages; `preferred` wins ties. */
export async function readRange<T>(
  source: NumberedSource<T>,
  from: number,
  wanted: number,
  preferred: number,
): Promise<ReadRange<T>> {
  const size = source.isFixed ? source.maxSize : pageSize(from, wanted, preferred, source.maxSize);
  const first = Math.floor(from / size);
  const last = Math.floor((from + wanted - 1) / size);
  if (first === last) return withSize(await readPage(source, first, size), size);
  const pages = await Promise.all(
    Array.from({ length: last - first + 1 }, (_, index) => readPage(source, first + index, size)),
  );
  return joinPages(pages, size);
}

function joinPages<T>(pages: readonly RowRange<T>[], size: number): ReadRange<T> {
  const [head, tail] = [pages[0], pages.at(-1)];
  if (!head || !tail) throw new RangeError("a range has at least one page");
  // An empty page behind the end of a list may have no row that tells the total.
  const total = pages.find((page) => page.total !== null)?.total ?? null;
  return {
    ...withSize({ ...tail, total }, size),
    rows: pages.flatMap(({ rows }) => rows),
    dropped: pages.flatMap(({ dropped }) => dropped),
    start: head.start,
    origin: head.origin,
  };
}

function withSize<T>(page: RowRange<T>, size: number): ReadRange<T> {
  const count = page.end - page.start;
  const follows = page.more ?? (page.total === null ? null : page.end < page.total);
  return { ...page, size, next: page.start + size, follows, goesOn: count > 0 && (follows ?? count >= size) };
}

/** Where a walk goes on, and a range that holds what follows. */
export interface Resumed<T> {
  readonly range: ReadRange<T>;
  readonly from: number;
}

/**
 * Finds the place to go on from in a list that may have changed since. `find` gives the place to go on from among rows
 * that hold the row shown last. If rows came or went in front of that row, it has moved by as many places as the count.
 * `isAligned`: pages begin at the same places whatever was read before.
 */
export async function resume<T>(
  source: NumberedSource<T>,
  place: Place,
  reads: (from: number) => { readonly wanted: number; readonly size: number },
  isAligned: boolean,
  find: (rows: readonly Placed<T>[]) => number | null,
): Promise<Resumed<T>> {
  const read = (from: number) => {
    const { wanted, size } = reads(from);
    return readRange(source, from, wanted, size);
  };
  const range = await read(place.offset);
  if (place.identity === null) return { range, from: place.offset };
  const here = find(range.rows);
  if (here !== null) return { range, from: here };
  const moved = range.total === null || place.total === null ? null : range.total - place.total;
  const expected = Math.max(0, place.offset - 1 + (moved ?? 0));
  const elsewhere = moved ? [expected] : [];
  // The page that should hold the row does not: the row may have moved over one of its borders.
  if (isAligned && range.start < place.offset) {
    if (moved === null && range.goesOn) elsewhere.push(range.next);
    if (range.start > 0) elsewhere.push(range.start - 1);
  }
  let there = range;
  for (const from of elsewhere) {
    if (isAligned && from >= range.start && from < range.next) continue;
    const other = await read(from);
    const found = find(other.rows);
    if (found !== null) return { range: other, from: found };
    if (from === expected) there = other;
  }
  // The row shown last is among those that went, so what stood behind them has moved up.
  if (moved !== null && moved < 0) return { range: there, from: Math.max(0, place.offset + moved) };
  return { range, from: place.offset };
}

/** The place behind the last row with this identity. */
function behindLast(rows: readonly Placed<unknown>[], last: string | null): number | null {
  const row = rows.findLast(({ identity }) => identity === last);
  return row ? row.place + 1 : null;
}

/** The smallest page size that covers the window with the fewest pages; a size used before wins ties. */
export function pageSize(offset: number, wanted: number, preferred: number, max: number): number {
  let best = { size: Math.min(wanted, max), pages: Number.POSITIVE_INFINITY };
  const consider = (size: number) => {
    const pages = Math.floor((offset + wanted - 1) / size) - Math.floor(offset / size) + 1;
    if (pages < best.pages) best = { size, pages };
  };
  if (preferred > 0 && preferred <= max) consider(preferred);
  const fewest = Math.ceil(wanted / max);
  for (let size = Math.min(wanted, max); size <= max && best.pages > fewest; size++) consider(size);
  return best.size;
}

/** A cursor finds pages only, so a position names the page and how many of its rows were shown. */
async function readAtCursor<T>({ first, after }: PageRequest, source: CursorSource<T>): Promise<Page<T>> {
  const place = readCursorPlace(after);
  const size = place.size > 0 && place.size <= source.maxSize ? place.size : first;
  const rows: Row<T>[] = [];
  const dropped: Page<T>["dropped"][number][] = [];
  const seen = new Set<string>();
  const cursors = new Set<string>();
  let { cursor, skip } = place;
  for (;;) {
    const page = await source.fetchAt(cursor, size);
    for (const row of page.dropped) dropped.push(row);
    for (const [index, row] of page.rows.entries()) {
      const identity = source.identity(row);
      if (index < skip || seen.has(identity)) continue;
      if (rows.length === first) return { rows, hasNext: true, total: null, origin: page.origin, dropped };
      seen.add(identity);
      const isLast = index === page.rows.length - 1 && page.next !== null;
      const behind = isLast
        ? { cursor: page.next ?? "", skip: 0, size }
        : { cursor, skip: index + 1, size: page.size ?? size };
      rows.push({ value: row, position: printCursorPlace(behind) });
    }
    cursors.add(cursor);
    // A cursor that comes again leads back to where the walk has been.
    const goesOn = page.next !== null && !cursors.has(page.next) && cursors.size < mostCursorPages;
    if (!goesOn || rows.length === first) return { rows, hasNext: goesOn, total: null, origin: page.origin, dropped };
    cursor = page.next ?? "";
    skip = 0;
  }
}

/** A cursor could lead on for ever by rows that cannot be read. */
export const mostCursorPages = 1000;

/**
 * A window over rows that are all here already (a list the backend does not page).
 *
 * @example
 * const page = sliceWindow(request, whole.rows, ({ name }) => name, whole);
 */
export function sliceWindow<T>(
  request: PageRequest,
  rows: readonly T[],
  identity: (row: T) => string,
  { origin, dropped }: { readonly origin: Origin; readonly dropped: Page<T>["dropped"] },
): Page<T> {
  const { offset, identity: last } = readPlace(request.after);
  // The identity beats the offset: rows may have come or gone since.
  const found = last === null ? -1 : rows.findIndex((row) => identity(row) === last);
  const start = found >= 0 ? found + 1 : Math.min(offset, rows.length);
  const slice = rows.slice(start, start + request.first);
  return {
    rows: slice.map((row, place) => ({ value: row, position: printPlace(start + place + 1, 0, identity(row), null) })),
    hasNext: start + slice.length < rows.length,
    total: rows.length,
    origin,
    dropped,
  };
}
