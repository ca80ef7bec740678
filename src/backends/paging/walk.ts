import type { DroppedRow, Origin, Position, Row } from "../../model/backend.ts";
import { keyText } from "../loading/loader.ts";
import { type Place, printPlace, readPlace } from "./position.ts";
import { type DroppedAt, type NumberedSource, type Placed, type RowRange, readPage } from "./source.ts";

/** Pages that follow each other, and what they say of the rows behind them. */
interface ReadRange<T> extends RowRange<T> {
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
async function readRange<T>(
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
    passed: pages.flatMap(({ passed }) => passed),
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
interface Resumed<T> {
  readonly range: ReadRange<T>;
  readonly from: number;
}

/** How many rows are read at place `from`, and in which page size; `preferred` is the size that was used before. */
type Steps = (from: number, preferred: number) => { readonly wanted: number; readonly size: number };

/**
 * Finds the place to go on from in a list that may have changed since. `find` gives the place to go on from among rows
 * that hold the row shown last. If rows came or went in front of that row, it has moved by as many places as the count.
 * `isAligned`: pages begin at the same places whatever was read before.
 */
async function resume<T>(
  source: NumberedSource<T>,
  place: Place,
  steps: Steps,
  isAligned: boolean,
  find: (rows: readonly Placed<T>[]) => number | null,
): Promise<Resumed<T>> {
  const read = (from: number) => {
    const { wanted, size } = steps(from, place.size);
    // Where the place is looked for again, the row shown last is read as well.
    return readRange(source, from, wanted + (isAligned || from === place.offset ? 0 : 1), size);
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

/**
 * Rows of one group follow each other in the list, in no particular order, and each part of a group is shown once.
 * GitLab lists a package once for each version: the rows of one name are a group, and a package of that name is a part.
 */
export interface Collapse<T, U> {
  /** Known of every row, accepted or not: the group finds the place again. */
  readonly group: (row: T) => string;
  /** Short: positions hold the parts of a group that were shown. */
  readonly part: (value: U) => string;
}

/** How a numbered list is walked. */
export interface WalkOptions<T, U> {
  /** What a row becomes; null where it does not belong. May ask more of the backend. */
  readonly accept: (row: T) => U | null | Promise<U | null>;
  /** How many rows are read at a place, and the preferred page size. */
  readonly steps: Steps;
  /** True where pages begin at the same places whatever was read before. */
  readonly isAligned: boolean;
  /** Rows that `accept` sees at the same time; all of a range when left out. */
  readonly concurrency?: number;
  /** True for a row behind which nothing can belong. */
  readonly isLast?: (row: T) => boolean;
  readonly collapse?: Collapse<T, U>;
}

/** Ranges in a row without a new row, behind which a list counts as ended. */
const mostStale = 3;

/** One window's walk through a numbered list, from the place of a position on. */
export class Walk<T, U> {
  readonly #source: NumberedSource<T>;
  readonly #options: WalkOptions<T, U>;
  readonly #start: number;
  /** Where the window begins. */
  readonly from: number;
  readonly origin: Origin;
  /** What the backend counted first. */
  readonly total: number | null;
  /** The range that was read last. */
  range: ReadRange<T>;
  /** Rows of that range which were not looked at. */
  #rows: readonly Placed<T>[] = [];
  /** The rows that were accepted, in their order, and the offset of each. */
  readonly accepted: Row<U>[] = [];
  readonly #offsets: number[] = [];
  #reached: Placed<T> | null = null;
  /** Whether nothing can belong behind the row that was looked at last. */
  hasPassedLast = false;
  /** Unreadable rows by place, since ranges may overlap. */
  readonly #dropped = new Map<number, DroppedAt>();
  readonly #seen = new Set<string>();
  /** The place behind the last row that came: an empty page may begin far behind the end of the list. */
  #end: number;
  #stale = 0;
  #group: string | null;
  #parts: readonly string[];
  /** Texts of the parts of groups that were accepted. */
  readonly #shown = new Set<string>();

  static async open<T, U>(
    source: NumberedSource<T>,
    after: Position | null,
    options: WalkOptions<T, U>,
  ): Promise<Walk<T, U>> {
    const place = readPlace(after);
    const { collapse, steps, isAligned } = options;
    const isLast = ({ row, identity }: Placed<T>) => (collapse ? collapse.group(row) : identity) === place.identity;
    const resumed = await resume(source, place, steps, isAligned, (rows) => {
      // Parts of a group come in no order: its first row is the place, and those that were shown are passed over.
      const row = collapse ? rows.find(isLast) : rows.findLast(isLast);
      return row === undefined ? null : row.place + (collapse ? 0 : 1);
    });
    return new Walk(source, options, place, resumed);
  }

  private constructor(
    source: NumberedSource<T>,
    options: WalkOptions<T, U>,
    { identity, parts }: Place,
    { range, from }: Resumed<T>,
  ) {
    this.#source = source;
    this.#options = options;
    this.#start = range.start;
    this.from = from;
    this.#end = from;
    this.origin = range.origin;
    this.total = range.total;
    this.range = range;
    this.#group = identity;
    this.#parts = parts;
    if (!options.collapse && identity !== null) this.#seen.add(identity);
    this.#take(range);
  }

  /** Reads the rows behind the last range. */
  async readOn(): Promise<void> {
    const { next, size: preferred } = this.range;
    const { wanted, size } = this.#options.steps(next, preferred);
    this.range = await readRange(this.#source, next, wanted, size);
    this.#take(this.range);
  }

  #take(range: ReadRange<T>): void {
    const fresh: Placed<T>[] = [];
    const before = this.#seen.size;
    for (const one of range.rows) {
      if (one.place >= this.from && !this.#seen.has(one.identity)) fresh.push(one);
      this.#seen.add(one.identity);
    }
    this.#rows = fresh;
    if (range.end > range.start) this.#end = range.end;
    for (const one of range.dropped) this.#dropped.set(one.place, one);
    this.#stale = range.rows.length > 0 && this.#seen.size === before ? this.#stale + 1 : 0;
    // A list that moved shows a row twice. One that shows the same rows again and again would never end.
    if (this.#stale >= mostStale) this.range = { ...range, goesOn: false };
  }

  /** Accepts rows of the last range, until more than `wanted` are. */
  async lookThrough(wanted: number): Promise<void> {
    const { accept, isLast, concurrency = this.#rows.length } = this.#options;
    while (this.#rows.length > 0 && !this.hasPassedLast && this.accepted.length <= wanted) {
      const batch = this.#rows.slice(0, concurrency);
      this.#rows = this.#rows.slice(concurrency);
      const last = isLast ? batch.findIndex(({ row }) => isLast(row)) : -1;
      this.hasPassedLast = last >= 0;
      const own = last < 0 ? batch : batch.slice(0, last);
      const answers = own.map(({ row }) => accept(row));
      // Most filters ask nothing of the backend: waiting for a hundred values takes longer than all the rest.
      const values = isSettled(answers) ? answers : await Promise.all(answers);
      for (const [index, row] of own.entries()) this.#decide(row, values[index] ?? null);
    }
  }

  #decide(row: Placed<T>, value: U | null): void {
    const { collapse } = this.#options;
    this.#reached = row;
    if (value === null || (collapse && !this.#isNewPart(collapse.group(row.row), collapse.part(value)))) return;
    this.accepted.push({ value, position: this.#positionBehind(row) });
    this.#offsets.push(row.place);
  }

  #positionBehind({ row, place, identity }: Placed<T>): Position {
    const { collapse } = this.#options;
    const { size, total } = this.range;
    if (!collapse) return printPlace(place + 1, size, identity, total);
    const group = collapse.group(row);
    return printPlace(place + 1, size, group, total, group === this.#group ? this.#parts : []);
  }

  /** Lets the next window begin behind the row that was looked at last, so that none is looked at twice in vain. */
  skipToReached(): void {
    const last = this.accepted.pop();
    if (last === undefined || this.#reached === null) return;
    this.accepted.push({ ...last, position: this.#positionBehind(this.#reached) });
    this.#offsets.splice(-1, 1, this.#reached.place);
  }

  /** Whether this part of a group was not shown before; notes it. */
  #isNewPart(group: string, part: string): boolean {
    if (group !== this.#group) this.#parts = [];
    this.#group = group;
    const text = keyText(group, part);
    if (this.#parts.includes(part) || this.#shown.has(text)) return false;
    this.#parts = [...this.#parts, part];
    this.#shown.add(text);
    return true;
  }

  /** Whether the ranges that were read hold the list from its first row to its last. */
  isWhole(): boolean {
    return this.#start === 0 && !this.range.goesOn;
  }

  /** Whether the list ended in front of the place up to which the backend counts. */
  endsEarly(): boolean {
    const { goesOn, total } = this.range;
    return !goesOn && !this.hasPassedLast && total !== null && this.#end < total;
  }

  /** Whether the whole list was read and has fewer different rows than the backend counts. */
  lacksRows(): boolean {
    const { total } = this.range;
    if (this.hasPassedLast || total === null || !this.isWhole()) return false;
    return this.#seen.size + this.#dropped.size < total;
  }

  /** How many things the list holds; null where the window has not seen all of them. */
  count(): number | null {
    const isSeen = this.isWhole() && this.from === 0 && this.#rows.length === 0 && this.#dropped.size === 0;
    return isSeen && !this.hasPassedLast ? this.accepted.length : null;
  }

  /** The unreadable rows in front of the last of `shown` rows, with null all of them: one window reports each. */
  droppedBefore(shown: number | null): readonly DroppedRow[] {
    const end = (shown === null ? null : this.#offsets[shown - 1]) ?? Number.POSITIVE_INFINITY;
    return [...this.#dropped.values()].filter(({ place }) => place >= this.from && place < end).map(({ row }) => row);
  }
}

function isSettled<U>(answers: readonly (U | Promise<U>)[]): answers is readonly U[] {
  return !answers.some((answer) => answer instanceof Promise);
}
