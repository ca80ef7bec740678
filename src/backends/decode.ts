import { z } from "zod";
import type { DroppedRow } from "../model/backend.ts";
import { MisshapenAnswer } from "../upstream/errors.ts";
import { createEvent } from "../upstream/events.ts";
import type { Operation } from "../upstream/operation.ts";
import { readFitting } from "./compile.ts";
import { explainError, isVast, type ReadRow, readRow, vast } from "./row.ts";

/** The readable rows of a list, in the backend's order, beside those that were not. */
export interface Rows<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  /** Rows in the answer, readable or not: what paging counts by. */
  readonly count: number;
}

/** Rows of which only parts had to be left out are among `rows`. */
export interface LenientRows<T> extends Rows<T> {
  /** The parts: elements of lists inside rows, each with the place of its row. */
  readonly cut: readonly DroppedRow[];
}

/**
 * What reading one list showed; told by {@link readings}. Decoders run without a pause between the last byte of an
 * answer and the event that tells of its exchange, so whoever listens to both knows which backend it was.
 */
export interface Reading {
  readonly operation: string;
  /** Rows left out, and elements of lists inside the others. */
  readonly dropped: number;
  /** Names of fields of its first row that we do not rely on. */
  readonly unknown: readonly string[];
}

/** Tells of each list that was read. */
export const readings = createEvent<Reading>("delivery-graph:reading");

/** Reads one object; throws MisshapenAnswer naming the first field that is not as expected. */
export function readOne<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const fitting = readFitting(schema, value);
  if (fitting !== null) return fitting.data;
  if (isVast(value)) throw new MisshapenAnswer(vast);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new MisshapenAnswer(explainError(result.error));
}

/** Reads one object as {@link readRowsLeniently} reads a row; throws MisshapenAnswer where that would drop it. */
export function readLeniently<S extends z.ZodType>(schema: S, value: unknown, operation: Operation): z.output<S> {
  const fitting = readFitting(schema, value);
  if (fitting !== null) return fitting.data;
  const row = readRow(schema, value);
  if (!("cut" in row)) throw new MisshapenAnswer(row.reason);
  if (row.cut.length > 0 && readings.hasSubscribers()) {
    readings.publish({ operation: operation.name, dropped: row.cut.length, unknown: [] });
  }
  return row.data;
}

/**
 * Reads a list row by row: a bad row is dropped and counted, never the list. `null` where a list was due is an empty
 * list (Go servers write it so); anything else that is not an array throws MisshapenAnswer.
 */
export function readRows<S extends z.ZodType>(schema: S, value: unknown, operation: Operation): Rows<z.output<S>> {
  const { rows, dropped, count } = readEach(schema, value, operation, (row) => {
    if (isVast(row)) return { reason: vast };
    const result = schema.safeParse(row);
    return result.success ? { data: result.data, cut: nothing } : { reason: explainError(result.error) };
  });
  return { rows, dropped, count };
}

/** Reads a list whose rows hold lists: a bad element of one of these costs only itself, told in `cut`. */
export function readRowsLeniently<S extends z.ZodType>(
  schema: S,
  value: unknown,
  operation: Operation,
): LenientRows<z.output<S>> {
  return readEach(schema, value, operation, (row) => readRow(schema, row));
}

const nothing: readonly never[] = [];

/** Rows of one answer: the longest list that is read whole has some thousands. */
const mostRows = 200_000;
/** Rows of one answer that are asked what is wrong with them, which costs more than to read a good one. */
const mostExplained = 100;
const unexplained = { reason: "unreadable, as are rows before it" } as const;

function readEach<S extends z.ZodType>(
  schema: S,
  value: unknown,
  operation: Operation,
  read: (row: unknown) => ReadRow<z.output<S>>,
): LenientRows<z.output<S>> {
  if (value === null) return { rows: [], dropped: [], cut: [], count: 0 };
  if (!Array.isArray(value)) throw new MisshapenAnswer("expected a list");
  if (value.length > mostRows) throw new MisshapenAnswer(`expected a list of at most ${mostRows} rows`);
  const rows: z.output<S>[] = [];
  const dropped: DroppedRow[] = [];
  const cut: DroppedRow[] = [];
  const { name } = operation;
  for (let index = 0; index < value.length; index++) {
    const fitting = readFitting(schema, value[index]);
    if (fitting !== null) {
      rows.push(fitting.data);
      continue;
    }
    const row = dropped.length < mostExplained ? read(value[index]) : unexplained;
    if ("cut" in row) {
      rows.push(row.data);
      for (const reason of row.cut.slice(0, mostExplained)) cut.push({ operation: name, index, reason });
    } else dropped.push({ operation: name, index, reason: row.reason });
  }
  if (readings.hasSubscribers()) {
    const unknown = unknownFields(schema, value[0]);
    readings.publish({ operation: name, dropped: dropped.length + cut.length, unknown });
  }
  return { rows, dropped, cut, count: value.length };
}

/** Names of fields that are told of one row. */
const mostUnknown = 100;

// One row an answer: rows of one list are alike, and looking at each would cost as much as reading it.
function unknownFields(schema: z.ZodType, row: unknown): readonly string[] {
  const object: unknown = schema instanceof z.ZodPipe ? schema.in : schema;
  if (!(object instanceof z.ZodObject) || typeof row !== "object" || row === null) return [];
  const names = Object.keys(row).filter((name) => !Object.hasOwn(object.shape, name));
  return names.slice(0, mostUnknown);
}
