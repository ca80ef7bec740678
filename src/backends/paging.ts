import type { DroppedRow, Origin } from "../model/backend.ts";
import type { Page, PageRequest, Position } from "../model/page.ts";
import type { Learnt } from "./learnt.ts";
import { inSmallerPages, type UpstreamPage } from "./smaller-pages.ts";

export type { UpstreamPage } from "./smaller-pages.ts";

/** How one list is walked by pages of fixed size. */
export interface Walk<T> {
  /** Zero-based page of `size` rows; adapters add their own base (bkrepo and GitLab count from 1). */
  readonly fetch: (page: number, size: number) => Promise<UpstreamPage<T>>;
  /** A field of the row: rows that a shifting list repeats are dropped by it. */
  readonly identity: (row: T) => string;
  /** The largest page the backend gives. */
  readonly maxSize: number;
  /** True when the backend neither counts nor says that another page follows: one row more is asked for. */
  readonly looksAhead?: boolean;
  /** The largest page that was not too large an answer, where one was. */
  readonly workable?: Learnt<number>;
}

/**
 * Reads the window `first` behind `after` with the fewest pages of one size. The position of a row is
 * `[offset behind it, page size, identity, count where it is known]`: identity and count find the place again when rows have come or
 * gone in front of it. A window that would be empty although the list goes on (unreadable rows, rows shown before) reads
 * on: without a row there would be no position to go on from.
 */
export function readWindow<T>(request: PageRequest, walk: Walk<T>): Promise<Page<T>> {
  const mark = placeOf(request.after);
  const wanted = request.first + (walk.looksAhead ? 1 : 0);
  // What is kept over a wait is kept small: hundreds of windows may be waiting at once.
  return readStretch(walk, mark.offset, wanted, mark.size).then((begun) => {
    if (mark.last !== null) return readOn(request, walk, wanted, begun, { ...mark, last: mark.last });
    const window = openWindow(begun, mark.offset, null);
    return isEnough(window, request, walk) ? closeWindow(window, request, walk) : fill(window, request, walk, wanted);
  });
}

/** A window while it is being filled. */
interface Window<T> {
  /** What was read first: its size and count are what positions are told by. */
  readonly begun: Stretch<T>;
  /** The place it starts from. */
  readonly from: number;
  /** What was read last. */
  stretch: Stretch<T>;
  readonly seen: Set<string>;
  /** Stretches in a row that brought nothing but rows seen before. */
  stale: number;
  readonly rows: Placed<T>[];
  readonly dropped: Dropped[];
}

function openWindow<T>(begun: Stretch<T>, from: number, last: string | null): Window<T> {
  const window: Window<T> = { begun, from, stretch: begun, seen: new Set(), stale: 0, rows: [], dropped: [] };
  if (last !== null) window.seen.add(last);
  gather(window, begun, from);
  return window;
}

/** Adds the rows of a stretch from this place on that were not seen before. */
function gather<T>(window: Window<T>, stretch: Stretch<T>, from: number): void {
  const isStale = stretch.rows.length > 0 && stretch.rows.every(({ identity }) => window.seen.has(identity));
  window.stale = isStale ? window.stale + 1 : 0;
  // A list that moved shows a row twice. One that shows the same rows again and again would never end.
  window.stretch = window.stale >= mostStale ? { ...stretch, goesOn: false } : stretch;
  for (const one of stretch.rows) {
    if (one.place < from || window.seen.has(one.identity)) continue;
    window.seen.add(one.identity);
    window.rows.push(one);
  }
  for (const one of stretch.dropped) window.dropped.push(one);
}

const mostStale = 3;

function isEnough<T>({ stretch, rows }: Window<T>, { first }: PageRequest, { looksAhead }: Walk<T>): boolean {
  if (!stretch.goesOn) return true;
  return looksAhead && stretch.told === null ? rows.length > first : rows.length > 0;
}

async function readOn<T>(
  request: PageRequest,
  walk: Walk<T>,
  wanted: number,
  begun: Stretch<T>,
  mark: { readonly offset: number; readonly last: string; readonly total: number | null },
): Promise<Page<T>> {
  const { stretch, from } = await resume(walk, begun, wanted, mark);
  const window = {
    ...openWindow(stretch, from, mark.last),
    begun: { ...stretch, size: begun.size, origin: begun.origin },
  };
  return fill(window, request, walk, wanted);
}

/** Reads on until there is a row to go on from. */
async function fill<T>(window: Window<T>, request: PageRequest, walk: Walk<T>, wanted: number): Promise<Page<T>> {
  while (!isEnough(window, request, walk)) {
    const { end, size } = window.stretch;
    const next = await readStretch(walk, end, wanted, size);
    // A list that counts more rows than it gives has ended all the same.
    gather(window, next.end > end ? next : { ...next, goesOn: false }, end);
  }
  return closeWindow(window, request, walk);
}

function closeWindow<T>(window: Window<T>, { first }: PageRequest, { looksAhead }: Walk<T>): Page<T> {
  const { begun, from, stretch, rows, dropped } = window;
  const { size, total, origin } = begun;
  const behind = rows.length > first;
  const shown = behind ? rows.slice(0, first) : rows;
  const reached = shown.at(-1)?.place ?? Number.POSITIVE_INFINITY;
  const hasNext = behind || (stretch.goesOn && !(looksAhead && stretch.told === null));
  return {
    rows: shown.map(({ row, place, identity }) => ({
      value: row,
      position: total === null ? [place + 1, size, identity] : [place + 1, size, identity, total],
    })),
    hasNext,
    total,
    origin,
    // Each unreadable row is told once: with the window that passes over its place.
    dropped: dropped.filter(({ place }) => place >= from && (place < reached || !hasNext)).map(({ row }) => row),
  };
}

interface Placed<T> {
  readonly row: T;
  /** Zero-based place in the whole list. */
  readonly place: number;
  readonly identity: string;
}

interface Dropped {
  readonly row: DroppedRow;
  readonly place: number;
}

/** Pages in a row of one list, as one piece. */
interface Stretch<T> {
  readonly rows: readonly Placed<T>[];
  readonly dropped: readonly Dropped[];
  readonly size: number;
  /** The place behind its last row, readable or not. */
  readonly end: number;
  readonly total: number | null;
  readonly origin: Origin;
  /** What the backend itself says of what follows; null when it says nothing. */
  readonly told: boolean | null;
  /** Whether something may follow. */
  readonly goesOn: boolean;
}

function readStretch<T>(walk: Walk<T>, from: number, wanted: number, preferred: number): Promise<Stretch<T>> {
  const size = pageSize(from, wanted, preferred, walk.maxSize);
  const first = Math.floor(from / size);
  const last = Math.floor((from + wanted - 1) / size);
  return first === last
    ? inSmallerPages(walk, first, size).then((page) => stretchOf(walk, [page], first, size))
    : Promise.all(range(first, last).map((page) => inSmallerPages(walk, page, size))).then((pages) =>
        stretchOf(walk, pages, first, size),
      );
}

function stretchOf<T>(
  { identity }: Walk<T>,
  pages: readonly UpstreamPage<T>[],
  first: number,
  size: number,
): Stretch<T> {
  const [head, tail] = [pages[0], pages.at(-1)];
  if (!head || !tail) throw new RangeError("a window has at least one page");
  const rows: Placed<T>[] = [];
  const dropped: Dropped[] = [];
  let total: number | null = null;
  let start = first * size;
  for (const page of pages) {
    total ??= page.total;
    const places = placesOf(page);
    let at = 0;
    for (const row of page.rows) {
      rows.push({ row, place: start + (places?.[at] ?? at), identity: identity(row) });
      at += 1;
    }
    for (const row of page.dropped) {
      dropped.push({ row, place: start + Math.min(row.index, Math.max(0, page.count - 1)) });
    }
    start += size;
  }
  const end = start - size + tail.count;
  const told = tail.more ?? (total === null ? null : end < total);
  const goesOn = tail.count > 0 && (told ?? tail.count >= size);
  return { rows, dropped, size, end, total, origin: head.origin, told, goesOn };
}

/** The place to go on from, and a stretch that holds what follows, when the list may have changed since. */
async function resume<T>(
  walk: Walk<T>,
  begun: Stretch<T>,
  wanted: number,
  mark: { readonly offset: number; readonly last: string; readonly total: number | null },
): Promise<{ readonly stretch: Stretch<T>; readonly from: number }> {
  const behindLast = (stretch: Stretch<T>) => {
    const found = stretch.rows.findLast(({ identity }) => identity === mark.last);
    return found ? { stretch, from: found.place + 1 } : null;
  };
  const here = behindLast(begun);
  const moved = begun.total === null || mark.total === null ? 0 : begun.total - mark.total;
  if (here !== null || moved === 0) return here ?? { stretch: begun, from: mark.offset };
  // If rows came or went in front of the row shown last, it has moved by as many places as the count.
  const place = Math.max(0, mark.offset - 1 + moved);
  const there = await readStretch(walk, place, wanted + 1, begun.size);
  const gone = { stretch: there, from: Math.max(0, mark.offset + moved) };
  return behindLast(there) ?? (moved < 0 ? gone : { stretch: begun, from: mark.offset });
}

/** The same page without the rows that are not meant; the places of the others stay. */
export function keepRows<T>(page: UpstreamPage<T>, keep: (row: T) => boolean): UpstreamPage<T> {
  const places = placesOf(page);
  const kept = page.rows.map((row, index) => ({ row, place: places?.[index] ?? index })).filter(({ row }) => keep(row));
  return { ...page, rows: kept.map(({ row }) => row), places: kept.map(({ place }) => place) };
}

/** Zero-based places of the rows in their answer: unreadable rows keep theirs. Null: each stands where it stood. */
function placesOf({ rows, count, places, dropped }: UpstreamPage<unknown>): readonly number[] | null {
  if (places) return places;
  if (rows.length >= count) return null;
  const gaps = new Set(dropped.map(({ index }) => index));
  return range(0, count - 1).filter((place) => !gaps.has(place));
}

/** A window over rows that are all here already (a list the backend does not page). */
export function sliceWindow<T>(
  request: PageRequest,
  rows: readonly T[],
  identity: (row: T) => string,
  rest: Pick<Page<T>, "origin" | "dropped">,
): Page<T> {
  const { offset, last } = placeOf(request.after);
  // The identity beats the offset: rows may have come or gone since.
  const found = last === null ? -1 : rows.findIndex((row) => identity(row) === last);
  const start = found >= 0 ? found + 1 : Math.min(offset, rows.length);
  const slice = rows.slice(start, start + request.first);
  return {
    rows: slice.map((row, place) => ({ value: row, position: [start + place + 1, 0, identity(row)] })),
    hasNext: start + slice.length < rows.length,
    total: rows.length,
    origin: rest.origin,
    dropped: rest.dropped,
  };
}

/** The same page with each row mapped; positions and everything else stay. */
export function mapPage<T, U>(page: Page<T>, map: (value: T) => U): Page<U> {
  return { ...page, rows: page.rows.map(({ value, position }) => ({ value: map(value), position })) };
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

/** A position as it comes back from a stranger: what is no sound number is the start of the list. */
function placeOf(after: Position | null): {
  readonly offset: number;
  readonly size: number;
  readonly last: string | null;
  readonly total: number | null;
} {
  const [offset, size, last, total] = after ?? [];
  return {
    offset: typeof offset === "number" && offset >= 0 ? offset : 0,
    size: typeof size === "number" ? size : 0,
    last: typeof last === "string" ? last : null,
    total: typeof total === "number" && total >= 0 ? total : null,
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}
