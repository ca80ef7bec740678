import { z } from "zod";
import type { DroppedRow } from "../model/backend.ts";
import { MisshapenAnswer } from "../upstream/errors.ts";
import { createEvent } from "../upstream/event.ts";
import type { Operation } from "../upstream/operation.ts";

/** The readable rows of a list, in the backend's order, beside those that were not. */
export interface Rows<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  /** Rows in the answer, readable or not: what paging counts by. */
  readonly count: number;
}

/**
 * What reading one list showed; told by {@link readings}. Decoders run without a pause between the last byte of an
 * answer and the event that tells of its exchange, so whoever listens to both knows which backend it was.
 */
export interface Reading {
  readonly operation: string;
  /** Rows left out. */
  readonly dropped: number;
  /** Names of fields of its first row that we do not rely on. */
  readonly unknown: readonly string[];
}

/** Tells of each list that was read. */
export const readings = createEvent<Reading>("delivery-graph:reading");

/** Reads one object; throws MisshapenAnswer naming the first field that is not as expected. */
export function readOne<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new MisshapenAnswer(explain(result.error));
}

/**
 * Reads a list row by row: a bad row is dropped and counted, never the list. `null` where a list was due is an empty
 * list (Go servers write it so); anything else that is not an array throws MisshapenAnswer.
 */
export function readRows<S extends z.ZodType>(schema: S, value: unknown, operation: Operation): Rows<z.output<S>> {
  if (value === null) return { rows: [], dropped: [], count: 0 };
  if (!Array.isArray(value)) throw new MisshapenAnswer("expected a list");
  const rows: z.output<S>[] = [];
  const dropped: DroppedRow[] = [];
  value.forEach((row: unknown, index) => {
    const result = schema.safeParse(row);
    if (result.success) rows.push(result.data);
    else dropped.push({ operation: operation.name, index, reason: explain(result.error) });
  });
  if (readings.isHeard()) {
    readings.tell({ operation: operation.name, dropped: dropped.length, unknown: unknownFields(schema, value[0]) });
  }
  return { rows, dropped, count: value.length };
}

// One row an answer: rows of one list are alike, and looking at each would cost as much as reading it.
function unknownFields(schema: z.ZodType, row: unknown): readonly string[] {
  const object: unknown = schema instanceof z.ZodPipe ? schema.in : schema;
  if (!(object instanceof z.ZodObject) || typeof row !== "object" || row === null) return [];
  return Object.keys(row).filter((name) => !Object.hasOwn(object.shape, name));
}

// Path and expectation only: zod's own message may quote the value, and values are the vendor's.
function explain(error: z.ZodError): string {
  const [issue] = error.issues;
  if (!issue) return "unreadable";
  const path = issue.path.map(String).join(".") || "the row";
  const expected = issue.code === "invalid_type" ? `expected ${issue.expected}` : issue.code.replaceAll("_", " ");
  return `${path}: ${expected}`;
}
