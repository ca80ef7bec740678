import type { DroppedRow, Page, PageRequest, Position, Row } from "../../model/backend.ts";
import { type Answer, failed, found, type Unknown } from "../answers.ts";
import { nestPosition, readNestedPosition } from "./position.ts";

/** First part of the positions that {@link readMerged} gives. */
const mergedPosition = "merged";

/** Whether a position was given by {@link readMerged}. */
export function isMergedPosition(after: Position | null): boolean {
  return after?.[0] === mergedPosition;
}

/** Rows of each list that are read at once, where there are several. */
const leastRows = 5;

/** One of the lists that are merged. */
export type MergedList<T> = (request: PageRequest) => Promise<Answer<Page<T>>>;

/**
 * One window over several lists that are newest first, merged in that order; rows without a date come last. The
 * position of a row is `["merged", …place in each list]`; a place is JSON, empty for the start of the list, `-` for its
 * end. A list that cannot be read is the gap of the others' rows; rejects where none could. Needs at least one list.
 *
 * @example
 * const lists = projects.map((project) => (inner: PageRequest) => releasesOf(project, inner));
 * const answer = await readMerged(request, lists, ({ createdAt }) => createdAt);
 */
export async function readMerged<T>(
  request: PageRequest,
  lists: readonly MergedList<T>[],
  dateOf: (row: T) => string | null,
): Promise<Answer<Page<T>>> {
  const inputs = lists.map((list, index) => new MergeInput(list, placeIn(request.after, index)));
  const share = Math.max(leastRows, Math.ceil((2 * request.first) / inputs.length));
  const first = Math.min(request.first, share);
  const rows: Row<T>[] = [];
  for (;;) {
    await Promise.all(inputs.map((input) => input.fill(first)));
    if (rows.length >= request.first) break;
    const row = newestOf(inputs, dateOf)?.take();
    if (row === undefined) break;
    rows.push({ value: row.value, position: [mergedPosition, ...inputs.map((input) => input.place())] });
  }
  const gap = inputs.find((input) => input.gap !== null)?.gap ?? null;
  // Where all of them had ended before, one is asked again for what a page tells of itself.
  const page = inputs.find(({ head }) => head !== null)?.head ?? (gap === null ? await inputs[0]?.readHead() : null);
  if (!page) {
    if (gap?.failure) throw gap.failure;
    return gap ?? inputs[0]?.answer ?? Promise.reject(new RangeError("there is at least one list to merge"));
  }
  return found(
    {
      rows,
      hasNext: inputs.some((input) => input.goesOn()),
      total: () => sumOfTotals(inputs),
      origin: page.origin,
      dropped: inputs.flatMap(({ dropped }) => dropped),
    },
    gap,
  );
}

/** One of the lists, as far as it has been read. */
class MergeInput<T> {
  readonly #read: MergedList<T>;
  readonly #rows: Row<T>[] = [];
  /** The position behind the row that was taken last. */
  #after: Position | null;
  #hasNext: boolean;
  readonly dropped: DroppedRow[] = [];
  gap: Unknown | null = null;
  /** The first page that was read. */
  head: Page<T> | null = null;
  /** What its first read was answered with. */
  answer: Answer<Page<T>> | null = null;

  constructor(read: MergedList<T>, place: Position | "START" | "END") {
    this.#read = read;
    this.#after = typeof place === "string" ? null : place;
    this.#hasNext = place !== "END";
  }

  /** Reads on until there is a row to compare, where the list has one. */
  async fill(first: number): Promise<void> {
    while (this.#rows.length === 0 && this.#hasNext) {
      const answer = await this.#read({ first, after: this.#after }).catch(failed);
      this.answer ??= answer;
      if (answer.kind !== "FOUND") {
        this.gap ??= answer.kind === "UNKNOWN" ? answer : null;
        this.#hasNext = false;
        return;
      }
      const { rows, dropped, hasNext } = answer.value;
      this.head ??= answer.value;
      this.gap ??= answer.gap;
      for (const row of dropped) this.dropped.push(row);
      for (const row of rows) this.#rows.push(row);
      this.#hasNext = hasNext && rows.length > 0;
    }
  }

  peek(): T | undefined {
    return this.#rows[0]?.value;
  }

  take(): Row<T> | undefined {
    const row = this.#rows.shift();
    if (row) this.#after = row.position;
    return row;
  }

  goesOn(): boolean {
    return this.#rows.length > 0 || this.#hasNext;
  }

  /** Where to go on, as text. A list that failed is asked again with the next window. */
  place(): string {
    if (!this.goesOn() && this.gap === null) return "-";
    return this.#after === null ? "" : nestPosition(this.#after);
  }

  async total(): Promise<number | null> {
    const total = (this.head ?? (await this.readHead()))?.total ?? null;
    return typeof total === "function" ? total() : total;
  }

  /** The first row of the list; null where the list could not be read or is not there. */
  async readHead(): Promise<Page<T> | null> {
    if (this.gap !== null) return null;
    const answer = await this.#read({ first: 1, after: null });
    return answer.kind === "FOUND" ? answer.value : null;
  }
}

/** The list whose next row is the newest. */
function newestOf<T>(inputs: readonly MergeInput<T>[], dateOf: (row: T) => string | null): MergeInput<T> | null {
  let newest: MergeInput<T> | null = null;
  let date = "";
  for (const input of inputs) {
    const row = input.peek();
    if (row === undefined) continue;
    const own = dateOf(row) ?? "";
    if (newest !== null && own <= date) continue;
    newest = input;
    date = own;
  }
  return newest;
}

async function sumOfTotals<T>(inputs: readonly MergeInput<T>[]): Promise<number | null> {
  const totals = await Promise.all(inputs.map((input) => input.total()));
  return totals.reduce((sum: number | null, total) => (sum === null || total === null ? null : sum + total), 0);
}

/** What a position says of one list; anything odd is its start. */
function placeIn(after: Position | null, index: number): Position | "START" | "END" {
  const text = isMergedPosition(after) ? after?.[index + 1] : undefined;
  if (text === "-") return "END";
  return (typeof text === "string" ? readNestedPosition(text) : null) ?? "START";
}
