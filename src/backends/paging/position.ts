import type { Position } from "../../model/backend.ts";

/**
 * A place in a numbered list. Its position is `[offset, size, identity, total, …parts]`; `total` is -1 where the
 * backend does not count, and is left out then where no part is behind it.
 */
export interface Place {
  /** The offset behind the row. */
  readonly offset: number;
  /** The page size it was read with; 0 where none is preferred. */
  readonly size: number;
  /** The identity of the row (or of the group) in front of the place; null at the start of the list. */
  readonly identity: string | null;
  /** The count of the list at that time; null where the backend did not count. */
  readonly total: number | null;
  /** Parts of the group that were shown; see `collapse` in filter.ts. */
  readonly parts: readonly string[];
}

/** A place in a cursor list. Its position is `[cursor, skip, size]`. */
export interface CursorPlace {
  /** The cursor that finds the page; empty for the first. */
  readonly cursor: string;
  /** Rows of that page that were shown. */
  readonly skip: number;
  /** The page size it was read with; 0 where none is preferred. */
  readonly size: number;
}

/** The largest offset, size or count that a position may hold: no list of a backend is longer. */
const mostRows = 1e9;

/** Reads a position of a numbered list. A client may send anything: a part that is not sound counts as absent. */
export function readPlace(after: Position | null): Place {
  const [offset, size, identity, total, ...parts] = after ?? [];
  return {
    offset: isCount(offset) ? offset : 0,
    size: isCount(size) ? size : 0,
    identity: typeof identity === "string" ? identity : null,
    total: isCount(total) ? total : null,
    parts: parts.filter((part) => typeof part === "string"),
  };
}

/** The position of a place in a numbered list. */
export function printPlace(
  offset: number,
  size: number,
  identity: string,
  total: number | null,
  parts: readonly string[] = [],
): Position {
  if (parts.length > 0) return [offset, size, identity, total ?? -1, ...parts];
  return total === null ? [offset, size, identity] : [offset, size, identity, total];
}

/** Whether a position belongs to a cursor list: those of numbered lists begin with a number. */
export function isCursorPosition(after: Position | null): boolean {
  return typeof after?.[0] === "string";
}

/** Reads a position of a cursor list; a part that is not sound counts as absent. */
export function readCursorPlace(after: Position | null): CursorPlace {
  const [cursor, skip, size] = after ?? [];
  return {
    cursor: typeof cursor === "string" ? cursor : "",
    skip: isCount(skip) ? skip : 0,
    size: isCount(size) ? size : 0,
  };
}

/** The position of a place in a cursor list. */
export function printCursorPlace({ cursor, skip, size }: CursorPlace): Position {
  return [cursor, skip, size];
}

/** Reads a position in one of several lists, `[id, …position in it]`; an unknown id is the start of the first. */
export function readSegmentPlace(
  after: Position | null,
  ids: readonly string[],
): { index: number; inner: Position | null } {
  const [id, ...inner] = after ?? [];
  const index = typeof id === "string" ? ids.indexOf(id) : -1;
  return index < 0 ? { index: 0, inner: null } : { index, inner: inner.length === 0 ? null : inner };
}

/** A position inside a text, for positions that hold several others. */
export function nestPosition(position: Position): string {
  return JSON.stringify(position);
}

/** Reads what {@link nestPosition} made; null for anything else. */
export function readNestedPosition(text: string): Position | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every(isPart) ? value : null;
  } catch {
    return null;
  }
}

function isPart(part: unknown): part is string | number {
  return typeof part === "string" || typeof part === "number";
}

function isCount(part: unknown): part is number {
  return typeof part === "number" && Number.isInteger(part) && part >= 0 && part <= mostRows;
}
