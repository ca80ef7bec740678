import type { DroppedRow, Origin } from "../../model/backend.ts";
import { type CursorSource, type NumberedSource, type PageSource, type RowRange, rangeOf, readPage } from "./source.ts";
import { mostCursorPages } from "./window.ts";

/** A list as far as it was read. */
export interface Collected<T> {
  /** Each row once, in the order of the list. */
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  /** The origin of the first page. */
  readonly origin: Origin;
  /** What the first page counts; null where the backend does not count. */
  readonly total: number | null;
  /** Whether rows are missing, other than dropped ones: the list was cut, or fewer came than the backend counts. */
  readonly lacksRows: boolean;
  /** Whether the list was not read to its end: it goes on behind the most pages, or its pages repeat each other. */
  readonly isCut: boolean;
  /** Whether every row of the list is there and could be read. */
  readonly isWhole: boolean;
}

/** How much of a list is read. */
export interface Bounds<T> {
  /** The size of its pages; the source's largest when left out. */
  readonly size?: number;
  /** The most pages that are read; by default as many as there are. */
  readonly mostPages?: number;
  /**
   * The most pages that are asked for at the same time, where the backend counts. A list of more pages is read one page
   * after the other, so that the list itself tells where it ends: a count may be wrong.
   */
  readonly atOnce?: number;
  /** Ends the walk with the page that holds such a row. */
  readonly until?: (row: T) => boolean;
  /** The first page, where it is there already. */
  readonly head?: RowRange<T>;
}

/**
 * Reads a list whole, or as much of it as the bounds allow. Where the backend counts, the pages behind the first are
 * asked for at once.
 *
 * @example
 * const list = await collect(source, { mostPages: 10 });
 * return found(list.rows, list.isWhole ? null : unknown("LOST_ROWS"));
 *
 * @example
 * // One row of a list that has no keyed read:
 * const { rows, isWhole } = await collect(source, { atOnce: 1, until: isMeant });
 */
export function collect<T>(source: PageSource<T>, bounds: Bounds<T> = {}): Promise<Collected<T>> {
  return "fetchAt" in source ? collectAtCursor(source, bounds) : collectNumbered(source, bounds);
}

const mostAtOnce = 50;

async function collectNumbered<T>(source: NumberedSource<T>, bounds: Bounds<T>): Promise<Collected<T>> {
  const { size = source.maxSize, mostPages = Number.POSITIVE_INFINITY, atOnce = mostAtOnce, until } = bounds;
  const first = bounds.head ?? (await readPage(source, 0, size));
  const gathered = new Gathered(first);
  gathered.add(first);
  const { total } = first;
  const pages = total === null ? 1 : Math.min(mostPages, Math.ceil(total / size));
  let last = first;
  let number = 1;
  if (pages <= atOnce && !isEnd(last)) {
    const others = Array.from({ length: Math.max(0, pages - 1) }, (_, index) => readPage(source, index + 1, size));
    for (last of await Promise.all(others)) gathered.add(last);
    number = Math.max(1, pages);
  }
  while (!isEnd(last) && number < mostPages && !gathered.repeats && !hasHit(last)) {
    last = await readPage(source, number, size);
    gathered.add(last);
    number += 1;
  }
  return gathered.toCollected(!isEnd(last));

  function isEnd({ start, end, more }: RowRange<T>): boolean {
    const count = end - start;
    if (count === 0 || more !== undefined) return count === 0 || !more;
    // A page with fewer rows than asked for ends the list only where the backend counts no row behind it.
    const follows = count >= size || (total !== null && start + size < total);
    return !follows || gathered.size === total;
  }

  function hasHit({ rows }: RowRange<T>): boolean {
    return until !== undefined && rows.some(({ row }) => until(row));
  }
}

/** One page after another, because only a page knows where the next begins. */
async function collectAtCursor<T>(source: CursorSource<T>, bounds: Bounds<T>): Promise<Collected<T>> {
  const { size = source.maxSize, mostPages = mostCursorPages, until } = bounds;
  let page = await source.fetchAt("", size);
  let range = rangeOf(source, page, 0);
  const gathered = new Gathered(range);
  gathered.add(range);
  for (let number = 1; page.next !== null && number < mostPages && !gathered.repeats; number++) {
    if (until && page.rows.some(until)) break;
    page = await source.fetchAt(page.next, size);
    range = rangeOf(source, page, range.end);
    gathered.add(range);
  }
  return gathered.toCollected(page.next !== null);
}

/** The rows of the pages that were read. */
class Gathered<T> {
  readonly #first: RowRange<T>;
  readonly #rows = new Map<string, T>();
  /** Identities of the rows that the source's `keep` passed over: the backend counts them. */
  readonly #passed = new Set<string>();
  readonly #dropped: DroppedRow[] = [];
  /** Whether a page brought nothing new: the pages behind it would be like it for ever. */
  repeats = false;

  constructor(first: RowRange<T>) {
    this.#first = first;
  }

  /** Rows so far, those included that were passed over or are unreadable. */
  get size(): number {
    return this.#rows.size + this.#passed.size + this.#dropped.length;
  }

  add({ rows, passed, dropped, start, end }: RowRange<T>): void {
    const before = this.size;
    for (const { identity } of passed) this.#passed.add(identity);
    for (const { row, identity } of rows) if (!this.#rows.has(identity)) this.#rows.set(identity, row);
    for (const { row } of dropped) this.#dropped.push(row);
    this.repeats = end > start && this.size === before;
  }

  toCollected(goesOn: boolean): Collected<T> {
    const { origin, total } = this.#first;
    const isCut = goesOn || this.repeats;
    const lacksRows = isCut || (total !== null && this.size < total);
    const isWhole = !lacksRows && this.#dropped.length === 0;
    return { rows: [...this.#rows.values()], dropped: this.#dropped, origin, total, lacksRows, isCut, isWhole };
  }
}
