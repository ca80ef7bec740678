import type { z } from "zod";
import type { DroppedRow } from "../../model/backend.ts";
import type { ReleaseParts } from "../../model/release.ts";
import { MisshapenAnswer } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { readRowsLeniently } from "../decode.ts";

/** A list as it was answered: null stands where a row could not be read, so that places keep counting right. */
export interface Slots<T> {
  readonly slots: readonly (T | null)[];
  readonly dropped: readonly DroppedRow[];
  /** The whole count, null when the answer does not say. */
  readonly total: number | null;
}

/** Reads a list of rows and keeps the place of each; throws MisshapenAnswer for anything but a list or null. */
export function readSlots<S extends z.ZodType>(
  schema: S,
  value: unknown,
  operation: Operation,
  total: number | null,
): Slots<z.output<S>> {
  const { rows, dropped, count } = readRowsLeniently(schema, value, operation);
  const holes = new Set(dropped.map(({ index }) => index));
  const readable = rows.values();
  const slots = Array.from({ length: count }, (_, index) =>
    holes.has(index) ? null : (readable.next().value ?? null),
  );
  return { slots, dropped, total };
}

/** The same list with each readable row mapped. */
export function mapSlots<T, U>(list: Slots<T>, map: (row: T) => U): Slots<U> {
  return { ...list, slots: list.slots.map((row) => (row === null ? null : map(row))) };
}

/** Unreadable rows of the lists inside a release, and elements inside these rows, each with our name of its list. */
export type DroppedParts = ReleaseParts["dropped"];

/** The rows of one list inside a release. */
export interface Part<T> {
  /** Null when it was no list at all: nothing can be said. */
  readonly rows: readonly T[] | null;
  readonly dropped: DroppedParts;
}

/** Reads one list inside a release: a bad row costs itself, a bad list costs itself, the release stays. */
export function readPart<S extends z.ZodType>(
  part: DroppedParts[number]["part"],
  name: string,
  schema: S,
  value: unknown,
  operation: Operation,
): Part<z.output<S>> {
  const present = Array.isArray(value) ? value.filter((row) => row !== null) : (value ?? null);
  try {
    const { rows, dropped, cut } = readRowsLeniently(schema, present, operation);
    return { rows, dropped: [...dropped, ...cut].map((row) => ({ ...row, part, reason: `${name}.${row.reason}` })) };
  } catch (error) {
    if (!(error instanceof MisshapenAnswer)) throw error;
    const reason = `${name}: ${error.message}`;
    return { rows: null, dropped: [{ operation: operation.name, index: 0, part, reason }] };
  }
}

/** The count in an `X-Total` header; null when there is none. */
export function totalOf(header: string | null): number | null {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : null;
}
