import type { Origin, Page, PageRequest, Row } from "../../model/backend.ts";
import { printCursorPlace, printPlace, readCursorPlace, readPlace } from "./position.ts";
import type { CursorSource, NumberedSource, PageSource } from "./source.ts";
import { Walk } from "./walk.ts";

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

async function readNumbered<T>({ first, after }: PageRequest, source: NumberedSource<T>): Promise<Page<T>> {
  const wanted = first + (source.looksAhead ? 1 : 0);
  const steps = (_from: number, preferred: number) => ({ wanted, size: preferred });
  const walk = await Walk.open<T, T>(source, after, { accept: (row) => row, steps, isAligned: false });
  let needed: number;
  for (;;) {
    await walk.lookThrough(first);
    // Where the backend says nothing of what follows, one row more than wanted says it.
    const { goesOn, follows } = walk.range;
    needed = source.looksAhead && follows === null ? first + 1 : 1;
    if (!goesOn || walk.accepted.length >= needed) break;
    await walk.readOn();
  }
  const hasNext = walk.accepted.length > first || (walk.range.goesOn && needed === 1);
  const rows = walk.accepted.slice(0, first);
  return {
    rows,
    hasNext,
    total: walk.total,
    origin: walk.origin,
    dropped: walk.droppedBefore(hasNext ? rows.length : null),
  };
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
