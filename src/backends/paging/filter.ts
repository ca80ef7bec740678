import type { Page, PageRequest } from "../../model/backend.ts";
import { type Answer, found, unknown } from "../answers.ts";
import type { NumberedSource } from "./source.ts";
import { type Collapse, Walk, type WalkOptions } from "./walk.ts";

/** How a list is filtered here, because the backend cannot filter it as it was asked to. */
export interface Filter<T, U> {
  /** What a row becomes; null where it does not belong. May ask more of the backend. */
  readonly accept: (row: T) => U | null | Promise<U | null>;
  /** Rows that are read at once. Sources with `isFixed` always read one page. */
  readonly rows: number;
  /**
   * Set where rows are expensive: pages begin at multiples of `rows`, so that none is read twice, and each is twice as
   * large as the one before, up to this size (`rows` times a power of two).
   */
  readonly most?: number;
  /** Rows that `accept` sees at the same time; all of a page when left out. */
  readonly concurrency?: number;
  /** Rows that one window may look through; asked after each page, since the first may show what rows cost. */
  readonly maxRows?: () => number;
  /** True for a row behind which nothing can belong. */
  readonly isLast?: (row: T) => boolean;
  /**
   * True where a full window at the end of a page counts as one that goes on. Otherwise the walk goes on until one row
   * more belongs, so that `hasNext` is sure.
   */
  readonly guessesNext?: boolean;
  /** Set where several rows are one thing of the window; see {@link Collapse}. */
  readonly collapse?: Collapse<T, U>;
  /** Counts the list in another way, where a window has not seen all of it; `total` is what the backend counts. */
  readonly count?: (total: number | null) => Promise<number | null>;
}

/** A window over a filtered list. */
export interface FilteredPage<U> extends Page<U> {
  /** Whether the pages that were read hold the list from its first row to its last. */
  readonly isWhole: boolean;
  /** Whether the whole list was read and has fewer different rows than the backend counts. */
  readonly lacksRows: boolean;
  /** Whether the list ended in front of the place up to which the backend counts, however often it repeats a row. */
  readonly endsEarly: boolean;
}

/**
 * Walks a list until `first` rows were accepted (and one more, unless `guessesNext`). Unknown (UNREAD) where nothing
 * was found in `maxRows`; a window that was cut there behind a row goes on behind what was looked through.
 *
 * @example
 * const answer = await readFiltered(request, source, {
 *   accept: (row) => (row.name.startsWith(prefix) ? toVersion(row) : null),
 *   rows: 100,
 * });
 *
 * @example
 * // Rows of one package are one package:
 * const answer = await readFiltered(request, source, {
 *   accept: (row) => (isMeant(row) ? toPackage(row) : null),
 *   rows: 100,
 *   guessesNext: true,
 *   collapse: { group: ({ name }) => name, part: ({ type }) => type },
 * });
 */
export async function readFiltered<T, U>(
  { first, after }: PageRequest,
  source: NumberedSource<T>,
  filter: Filter<T, U>,
): Promise<Answer<FilteredPage<U>>> {
  const walk = await Walk.open<T, U>(source, after, optionsOf(source, filter));
  let stop: "END" | "FULL" | "CUT" | null = null;
  while (stop === null) {
    await walk.lookThrough(first);
    const { goesOn, next } = walk.range;
    if (walk.accepted.length > first) stop = "FULL";
    else if (walk.hasPassedLast || !goesOn) stop = "END";
    else if (filter.guessesNext && walk.accepted.length === first) stop = "FULL";
    else if (filter.maxRows && next - walk.from >= filter.maxRows()) stop = "CUT";
    else await walk.readOn();
  }
  if (stop === "CUT" && walk.accepted.length === 0) return unknown("UNREAD");
  if (stop === "CUT") walk.skipToReached();
  const hasNext = stop !== "END";
  const rows = walk.accepted.slice(0, first);
  const { count } = filter;
  return found({
    rows,
    hasNext,
    total: count ? (walk.count() ?? (() => count(walk.range.total))) : null,
    origin: walk.origin,
    dropped: walk.droppedBefore(hasNext ? rows.length : null),
    isWhole: walk.isWhole(),
    lacksRows: walk.lacksRows(),
    endsEarly: walk.endsEarly(),
  });
}

function optionsOf<T, U>(source: NumberedSource<T>, filter: Filter<T, U>): WalkOptions<T, U> {
  const { rows, most } = filter;
  if (!source.isFixed && most === undefined) {
    return { ...filter, isAligned: false, steps: (_from, preferred) => ({ wanted: rows, size: preferred }) };
  }
  const least = source.isFixed ? source.maxSize : rows;
  const largest = source.isFixed ? least : (most ?? least);
  return {
    ...filter,
    isAligned: true,
    steps: (from) => {
      const start = Math.floor(from / least) * least;
      let size = least;
      while (start > 0 && size * 2 <= largest && start % (size * 2) === 0) size *= 2;
      return { wanted: start + size - from, size };
    },
  };
}
