import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { type Absent, type Answer, type Found, found, mapAnswer, type Unknown, unknown } from "../answers.ts";
import { type Bounds, collect } from "../paging/collect.ts";
import { type PageSource, rangeOf } from "../paging/source.ts";
import { sliceWindow } from "../paging/window.ts";
import type { Listing, RowSlice } from "./client.ts";

/**
 * A list from its first row to its last. Its answer has a gap where rows could not be read, or fewer came than were
 * announced: then a missing row proves nothing.
 */
export interface Listed<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  readonly origin: Origin;
}

/** Reads a list of pages whole. */
export async function readAll<T>(source: PageSource<T>, bounds?: Bounds<T>): Promise<Answer<Listed<T>>> {
  const list = await collect(source, bounds);
  return found(list, list.isWhole ? null : unknown("LOST_ROWS"));
}

/**
 * Reads a list that the server is not asked to page. Where a server cuts it and says so, the rest is read in pages of
 * the size that it chose.
 */
export async function readUnpaged<T>(
  fetch: (slice: RowSlice | null) => Promise<Listing<T>>,
  identity: (row: T) => string,
): Promise<Answer<Listed<T>>> {
  const first = await fetch(null);
  const { count, total } = first;
  const isCut = total !== null && count > 0 && count < total;
  const size = isCut ? count : count + 1;
  const source = {
    fetch: (page: number, limit: number) => fetch({ limit, offset: page * limit }),
    identity,
    maxSize: size,
  };
  return readAll(source, { head: rangeOf(source, first, 0), mostPages: isCut ? mostPages : 1 });
}

/** A bound for servers that cut a list to a few rows. */
const mostPages = 1000;

/** One row of a list; what the list does not have is absent only where nothing is missing from it. */
export function pick<T>(list: Answer<Listed<T>>, isMeant: (row: T) => boolean, absence: Absent): Answer<T> {
  if (list.kind !== "FOUND") return list;
  const row = list.value.rows.find(isMeant);
  return row === undefined ? (list.gap ?? absence) : found(row);
}

/** A window over a list; counted only where the list has no gap. */
export function windowOf<T>(
  list: Answer<Listed<T>>,
  request: PageRequest,
  identity: (row: T) => string,
): Answer<Page<T>> {
  return mapAnswer(list, (whole) => {
    const window = sliceWindow(request, whole.rows, identity, whole);
    return list.kind === "FOUND" && list.gap === null ? window : { ...window, total: null };
  });
}

/** Whether a list was read from its start and has no row, readable or not. */
export function isEmptyStart<T>(answer: Answer<Page<T>>, { after }: PageRequest): answer is Found<Page<T>> {
  return answer.kind === "FOUND" && after === null && answer.value.rows.length + answer.value.dropped.length === 0;
}

/** The answer to a question whose keys had a gap: a value is sure, an absence is not. */
export function withGap<T>(answer: Answer<T>, gap: Unknown | null): Answer<T> {
  if (gap === null) return answer;
  return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? gap) : gap;
}

/** Order of code units: the same everywhere, and stable from one page to the next. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
