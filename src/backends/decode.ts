import type { z } from "zod";
import type { DroppedRow } from "../model/backend.ts";
import { MisshapenAnswer } from "../upstream/errors.ts";
import type { Operation } from "../upstream/operation.ts";

/** The readable rows of a list, in the backend's order, beside those that were not. */
export interface Rows<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  /** Rows in the answer, readable or not: what paging counts by. */
  readonly count: number;
}

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
  return { rows, dropped, count: value.length };
}

// Path and expectation only: zod's own message may quote the value, and values are the vendor's.
function explain(error: z.ZodError): string {
  const [issue] = error.issues;
  if (!issue) return "unreadable";
  const path = issue.path.map(String).join(".") || "the row";
  const expected = issue.code === "invalid_type" ? `expected ${issue.expected}` : issue.code.replaceAll("_", " ");
  return `${path}: ${expected}`;
}
