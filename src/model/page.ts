import type { DroppedRow, Origin } from "./backend.ts";

/**
 * A place in one backend's list, in that backend's own terms (an offset, a segment of a chained list, the identity of
 * the last row). Short, JSON-safe; the graph wraps it into an opaque cursor and hands it back unchanged.
 */
export type Position = readonly (string | number)[];

/** A forward window over a list: `first` rows (1 to 100) behind `after`. */
export interface PageRequest {
  readonly first: number;
  /** Null for the start of the list. */
  readonly after: Position | null;
}

/** One row and the position just behind it. */
export interface Row<T> {
  readonly value: T;
  readonly position: Position;
}

/** One window of a list, as far as the backend answered. */
export interface Page<T> {
  readonly rows: readonly Row<T>[];
  /** Whether rows follow; where `confirmNext` is set, whether they may. */
  readonly hasNext: boolean;
  /** Says for certain whether rows follow, for another call; set where that is not known without one. */
  readonly confirmNext?: () => Promise<boolean>;
  /** The whole count, null when the backend does not say; a function where finding out costs another call. */
  readonly total: number | null | (() => Promise<number | null>);
  readonly origin: Origin;
  readonly dropped: readonly DroppedRow[];
}

/** The same page with each row mapped; positions and everything else stay. */
export function mapPage<T, U>(page: Page<T>, map: (value: T) => U): Page<U> {
  return { ...page, rows: page.rows.map(({ value, position }) => ({ value: map(value), position })) };
}
