import type { Origin } from "../../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { type Answer, found, unknown } from "../answers.ts";
import { keyText } from "../batch.ts";
import { type Place, printPlace, readPlace } from "./position.ts";
import type { DroppedAt, NumberedSource, Placed } from "./source.ts";
import { mostStale, passedOver, type ReadRange, type Resumed, readRange, resume } from "./window.ts";

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

/**
 * Rows of one group follow each other in the list, in no particular order, and each part of a group is shown once. GitLab
 * lists a package once for each version: the rows of one name are a group, and a package of that name is a part.
 */
export interface Collapse<T, U> {
  /** Known of every row, accepted or not: the group finds the place again. */
  readonly group: (row: T) => string;
  /** Short: positions hold the parts of a group that were shown. */
  readonly part: (value: U) => string;
}

/** A window over a filtered list. */
export interface FilteredPage<U> extends Page<U> {
  /** Whether the pages that were read hold the list from its first row to its last. */
  readonly isWhole: boolean;
  /** Whether the list ended with fewer rows than the backend counts. */
  readonly lacksRows: boolean;
}

/**
 * Walks a list until `first` rows were accepted (and one more, unless `guessesNext`). Unknown (UNREAD) where nothing was
 * found in `maxRows`; a window that was cut there behind a row goes on behind what was looked through.
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
  request: PageRequest,
  source: NumberedSource<T>,
  filter: Filter<T, U>,
): Promise<Answer<FilteredPage<U>>> {
  const { first } = request;
  const walk = await FilteredWalk.open(request, source, filter);
  let ending: "END" | "FULL" | "CUT" | null = null;
  while (ending === null) {
    await walk.lookThrough(first);
    const { goesOn, next } = walk.range;
    if (walk.accepted.length > first) ending = "FULL";
    else if (walk.hasPassedLast || !goesOn) ending = "END";
    else if (filter.guessesNext && walk.accepted.length === first) ending = "FULL";
    else if (filter.maxRows && next - walk.from >= filter.maxRows()) ending = "CUT";
    else await walk.readOn();
  }
  const accepted = walk.accepted.slice(0, first);
  const last = accepted.at(-1);
  if (ending === "CUT" && last === undefined) return unknown("UNREAD");
  // What was looked through in vain behind the last row need not be looked through again.
  if (ending === "CUT" && last) accepted.splice(-1, 1, { ...last, ...walk.reached });
  const hasNext = ending !== "END";
  const { count } = filter;
  return found({
    rows: accepted.map(({ value, position }) => ({ value, position })),
    hasNext,
    total: count ? (walk.total() ?? (() => count(walk.range.total))) : null,
    origin: walk.origin,
    dropped: passedOver([...walk.dropped.values()], walk.from, hasNext ? (accepted.at(-1)?.place ?? null) : null),
    isWhole: walk.isWhole(),
    lacksRows: walk.lacksRows(),
  });
}

/** A row that was accepted. */
interface Accepted<U> extends Row<U> {
  readonly place: number;
}

/** One window's walk through a filtered list. */
class FilteredWalk<T, U> {
  readonly #source: NumberedSource<T>;
  readonly #filter: Filter<T, U>;
  readonly #start: number;
  /** Where the window begins. */
  readonly from: number;
  readonly origin: Origin;
  /** What was read last. */
  range: ReadRange<T>;
  /** The place from which on rows of the range are new. */
  #fresh: number;
  readonly accepted: Accepted<U>[] = [];
  /** The row that was looked at last. */
  reached: { readonly place: number; readonly position: Position } = { place: 0, position: [] };
  hasPassedLast = false;
  #hasSeenAll = true;
  /** Unreadable rows by place, since ranges may overlap. */
  readonly dropped = new Map<number, DroppedAt>();
  readonly #identities = new Set<string>();
  #stale = 0;
  /** Texts of the things that were accepted. */
  readonly #shown = new Set<string>();
  #group: string | null;
  #parts: readonly string[];

  static async open<T, U>(
    { after }: PageRequest,
    source: NumberedSource<T>,
    filter: Filter<T, U>,
  ): Promise<FilteredWalk<T, U>> {
    const place = readPlace(after);
    const { collapse } = filter;
    const isLast = ({ row, identity }: Placed<T>) => (collapse ? collapse.group(row) : identity) === place.identity;
    const resumed = await resume(
      source,
      place,
      (from) => readsAt(source, filter, from, place.size),
      source.isFixed === true || filter.most !== undefined,
      (rows) => {
        // Parts of a group come in no order: its first row is the place, and those that were shown are passed over.
        const row = collapse ? rows.find(isLast) : rows.findLast(isLast);
        return row === undefined ? null : row.place + (collapse ? 0 : 1);
      },
    );
    return new FilteredWalk(source, filter, place, resumed);
  }

  private constructor(
    source: NumberedSource<T>,
    filter: Filter<T, U>,
    { identity, parts }: Place,
    { range, from }: Resumed<T>,
  ) {
    this.#source = source;
    this.#filter = filter;
    this.#start = range.start;
    this.from = from;
    this.#fresh = from;
    this.origin = range.origin;
    this.range = range;
    this.#group = identity;
    this.#parts = parts;
    if (!filter.collapse && identity !== null) this.#shown.add(keyText(identity, null));
    this.#note(range);
  }

  /** Reads the rows behind the last range. */
  async readOn(): Promise<void> {
    const at = this.range.next;
    const { wanted, size } = readsAt(this.#source, this.#filter, at, this.range.size);
    this.range = await readRange(this.#source, at, wanted, size);
    this.#fresh = at;
    this.#note(this.range);
  }

  #note(range: ReadRange<T>): void {
    const before = this.#identities.size;
    for (const { identity } of range.rows) this.#identities.add(identity);
    for (const one of range.dropped) this.dropped.set(one.place, one);
    this.#stale = range.rows.length > 0 && this.#identities.size === before ? this.#stale + 1 : 0;
    // A list that moved shows a row twice. One that shows the same rows again and again would never end.
    if (this.#stale >= mostStale) this.range = { ...range, goesOn: false };
  }

  /** Accepts rows of the last range, until there is one more than wanted. */
  async lookThrough(wanted: number): Promise<void> {
    const { accept, isLast, concurrency = Number.POSITIVE_INFINITY } = this.#filter;
    const rows = this.range.rows.filter(({ place }) => place >= this.#fresh);
    for (let at = 0; at < rows.length && !this.hasPassedLast; at += concurrency) {
      if (this.accepted.length > wanted) {
        this.#hasSeenAll = false;
        return;
      }
      const batch = rows.slice(at, at + concurrency);
      const last = isLast ? batch.findIndex(({ row }) => isLast(row)) : -1;
      this.hasPassedLast = last >= 0;
      const own = last < 0 ? batch : batch.slice(0, last);
      const values = await Promise.all(own.map(({ row }) => accept(row)));
      for (const [index, row] of own.entries()) this.#decide(row, values[index] ?? null);
    }
  }

  #decide(row: Placed<T>, value: U | null): void {
    const { collapse } = this.#filter;
    const key = collapse ? collapse.group(row.row) : row.identity;
    const part = collapse && value !== null ? collapse.part(value) : null;
    const isNew = value !== null && this.#isNew(key, part);
    const { size, total } = this.range;
    const position = printPlace(row.place + 1, size, key, total, key === this.#group ? this.#parts : []);
    this.reached = { place: row.place, position };
    if (isNew) this.accepted.push({ value, ...this.reached });
  }

  /** Whether this thing was not shown before; notes it. */
  #isNew(key: string, part: string | null): boolean {
    if (part !== null) {
      if (key !== this.#group) this.#parts = [];
      this.#group = key;
      if (this.#parts.includes(part)) return false;
      this.#parts = [...this.#parts, part];
    }
    const text = keyText(key, part);
    if (this.#shown.has(text)) return false;
    this.#shown.add(text);
    return true;
  }

  isWhole(): boolean {
    return this.#start === 0 && !this.range.goesOn;
  }

  /** How many things the list holds; null where the window has not seen it all. */
  total(): number | null {
    const isSeen = this.isWhole() && this.from === 0 && this.#hasSeenAll && this.dropped.size === 0;
    return isSeen && !this.hasPassedLast ? this.accepted.length : null;
  }

  lacksRows(): boolean {
    const { goesOn, total, end } = this.range;
    if (goesOn || this.hasPassedLast || total === null) return false;
    return end < total || (this.isWhole() && this.#identities.size + this.dropped.size < total);
  }
}

/** How many rows are read at a place, and in which page size. */
function readsAt<T, U>(
  { isFixed, maxSize }: NumberedSource<T>,
  { rows, most }: Filter<T, U>,
  from: number,
  preferred: number,
): { readonly wanted: number; readonly size: number } {
  if (!isFixed && most === undefined) return { wanted: rows, size: preferred };
  const least = isFixed ? maxSize : rows;
  const start = Math.floor(from / least) * least;
  let size = least;
  while (!isFixed && most !== undefined && start > 0 && size * 2 <= most && start % (size * 2) === 0) size *= 2;
  return { wanted: start + size - from, size };
}
