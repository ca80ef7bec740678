import type { DroppedRow } from "../../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { type Answer, failed, found, type Unknown } from "../answers.ts";

/** First part of the positions that {@link mergeWindow} writes. */
export const mergedPosition = "merged";

/** Rows of each list that are read at once, where there are several. */
const leastRows = 5;

/**
 * One window over several lists that are newest first, merged so: what "all projects" means where Zadig lists one
 * project at a time, or refuses the list of all. The position of a row is `["merged", place in each list]`, a place being
 * JSON, empty for the start of the list and `-` for its end. A list that cannot be read is the gap of the others' rows;
 * rejects where none could.
 */
export async function mergeWindow<L, T>(
  request: PageRequest,
  lists: readonly L[],
  dateOf: (row: T) => string | null,
  read: (list: L, request: PageRequest) => Promise<Answer<Page<T>>>,
): Promise<Answer<Page<T>>> {
  const legs = lists.map((list, index) => new Leg(list, placeIn(request.after, index), read));
  const share = Math.max(leastRows, Math.ceil((2 * request.first) / legs.length));
  const first = Math.min(request.first, share);
  const rows: Row<T>[] = [];
  for (;;) {
    await Promise.all(legs.map((leg) => leg.fill(first)));
    if (rows.length >= request.first) break;
    const newest = newestOf(legs, dateOf);
    const row = newest?.take();
    if (row === undefined) break;
    rows.push({ value: row.value, position: [mergedPosition, ...legs.map((leg) => leg.place())] });
  }
  const gap = legs.find((leg) => leg.gap !== null)?.gap ?? null;
  // Where all of them had ended before, one is asked again for what a page tells of itself.
  const page = legs.find(({ head }) => head !== null)?.head ?? (gap === null ? await legs[0]?.first() : null);
  if (!page) {
    const failure = gap?.failure;
    if (failure) throw failure;
    return gap ?? legs[0]?.answer ?? Promise.reject(new RangeError("there is at least one list to merge"));
  }
  return found(
    {
      rows,
      hasNext: legs.some((leg) => leg.goesOn()),
      total: () => sumOf(legs),
      origin: page.origin,
      dropped: legs.flatMap((leg) => leg.dropped),
    },
    gap,
  );
}

/** One of the lists, as far as it has been read. */
class Leg<L, T> {
  readonly #list: L;
  readonly #read: (list: L, request: PageRequest) => Promise<Answer<Page<T>>>;
  readonly #rows: Row<T>[] = [];
  /** Behind the row that was taken last. */
  #taken: Position | null;
  #isOver: boolean;
  #hasNext = true;
  readonly dropped: DroppedRow[] = [];
  gap: Unknown | null = null;
  /** The first page that was read. */
  head: Page<T> | null = null;
  /** What its first read was answered with. */
  answer: Answer<Page<T>> | null = null;

  constructor(
    list: L,
    place: Position | "START" | "END",
    read: (list: L, request: PageRequest) => Promise<Answer<Page<T>>>,
  ) {
    this.#list = list;
    this.#read = read;
    this.#taken = typeof place === "string" ? null : place;
    this.#isOver = place === "END";
  }

  /** Sees to it that there is a row to compare, where the list has one. */
  async fill(first: number): Promise<void> {
    while (this.#rows.length === 0 && this.#hasNext && !this.#isOver) {
      try {
        const answer = await this.#read(this.#list, { first, after: this.#taken });
        this.answer ??= answer;
        if (answer.kind !== "FOUND") {
          this.#end(answer.kind === "UNKNOWN" ? answer : null);
          return;
        }
        this.head ??= answer.value;
        this.gap ??= answer.gap;
        for (const row of answer.value.dropped) this.dropped.push(row);
        for (const row of answer.value.rows) this.#rows.push(row);
        this.#hasNext = answer.value.hasNext && answer.value.rows.length > 0;
      } catch (error) {
        this.#end(failed(error));
      }
    }
  }

  #end(gap: Unknown | null): void {
    this.gap ??= gap;
    this.#hasNext = false;
  }

  peek(): T | undefined {
    return this.#rows[0]?.value;
  }

  take(): Row<T> | undefined {
    const row = this.#rows.shift();
    if (row) this.#taken = row.position;
    return row;
  }

  goesOn(): boolean {
    return this.#rows.length > 0 || (this.#hasNext && !this.#isOver);
  }

  /** Where to go on, as text. A list that failed is asked again with the next window. */
  place(): string {
    if (!this.goesOn() && this.gap === null) return "-";
    return this.#taken === null ? "" : JSON.stringify(this.#taken);
  }

  async total(): Promise<number | null> {
    const known = this.head ?? (await this.first());
    const total = known?.total ?? null;
    return typeof total === "function" ? total() : total;
  }

  /** The head of the list. */
  async first(): Promise<Page<T> | null> {
    if (this.gap !== null) return null;
    const answer = await this.#read(this.#list, { first: 1, after: null });
    return answer.kind === "FOUND" ? answer.value : null;
  }
}

/** The list whose next row is the newest; rows without a date come last, as Zadig sorts them in each list. */
function newestOf<L, T>(legs: readonly Leg<L, T>[], dateOf: (row: T) => string | null): Leg<L, T> | null {
  let newest: Leg<L, T> | null = null;
  let date = "";
  for (const leg of legs) {
    const row = leg.peek();
    if (row === undefined) continue;
    const own = dateOf(row) ?? "";
    if (newest !== null && own <= date) continue;
    newest = leg;
    date = own;
  }
  return newest;
}

async function sumOf<L, T>(legs: readonly Leg<L, T>[]): Promise<number | null> {
  const totals = await Promise.all(legs.map((leg) => leg.total()));
  return totals.reduce((sum: number | null, total) => (sum === null || total === null ? null : sum + total), 0);
}

/** What a position says of one list; anything odd is its start. */
function placeIn(after: Position | null, index: number): Position | "START" | "END" {
  const text = after?.[0] === mergedPosition ? after[index + 1] : undefined;
  if (text === "-") return "END";
  if (typeof text !== "string" || text === "") return "START";
  try {
    const place: unknown = JSON.parse(text);
    return Array.isArray(place) && place.every(isPart) ? place : "START";
  } catch {
    return "START";
  }
}

function isPart(part: unknown): part is string | number {
  return typeof part === "string" || typeof part === "number";
}
