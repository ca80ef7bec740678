import { z } from "zod";
import type { DroppedRow } from "../../model/backend.ts";
import { MisshapenAnswer } from "../../upstream/errors.ts";
import { Event } from "../../upstream/events.ts";
import type { Operation } from "../../upstream/operation.ts";

/** The readable rows of a list, in the backend's order, beside those that were not. */
export interface Rows<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  /** Rows in the answer, readable or not: what paging counts by. */
  readonly count: number;
}

/** Rows of which only parts had to be left out are among `rows`. */
export interface LenientRows<T> extends Rows<T> {
  /** The parts: elements of lists inside rows, each with the index of its row. */
  readonly cut: readonly DroppedRow[];
}

/**
 * What decoding one list found; an event of {@link decodings}. Decoders run synchronously between the last byte of an
 * answer and the event of its exchange, so a listener to both knows which backend it was.
 */
export interface Decoding {
  readonly operation: string;
  /** Rows left out, and elements of lists inside the others. */
  readonly dropped: number;
  /** Names of fields of its first row that we do not rely on. */
  readonly unknown: readonly string[];
}

/** Publishes each list that was decoded. */
export const decodings = new Event<Decoding>();

/** Reads one object; throws MisshapenAnswer naming the first field that is not as expected. */
export function readOne<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const row = readRow(schema, value, false);
  if ("reason" in row) throw new MisshapenAnswer(row.reason);
  return row.data;
}

/** Reads one object as {@link readRowsLeniently} reads a row; throws MisshapenAnswer where that would drop it. */
export function readLeniently<S extends z.ZodType>(schema: S, value: unknown, { name }: Operation): z.output<S> {
  const row = readRow(schema, value, true);
  if ("reason" in row) throw new MisshapenAnswer(row.reason);
  if (row.cut.length > 0) decodings.publish({ operation: name, dropped: row.cut.length, unknown: [] });
  return row.data;
}

/**
 * Reads a list row by row: a bad row is dropped and counted, never the list. `null` where a list was due is an empty
 * list (Go servers write it so); anything else that is not an array throws MisshapenAnswer.
 */
export function readRows<S extends z.ZodType>(schema: S, value: unknown, operation: Operation): Rows<z.output<S>> {
  const { rows, dropped, count } = readEach(schema, value, operation, false);
  return { rows, dropped, count };
}

/** Reads a list whose rows hold lists: a bad element of one of these is left out alone and listed in `cut`. */
export function readRowsLeniently<S extends z.ZodType>(
  schema: S,
  value: unknown,
  operation: Operation,
): LenientRows<z.output<S>> {
  return readEach(schema, value, operation, true);
}

/** Rows of one answer: the longest list that is read whole has some thousands. */
const mostRows = 200_000;
/** Bad rows of one answer, and bad elements of one row, that are reported with a reason. */
const mostReasons = 100;
/** Field names that are reported of one row. */
const mostUnknown = 100;
/**
 * Values inside the lists of one row, and inside those of all bad rows of one answer: each may be wrong, and zod
 * collects every issue.
 */
const mostValues = 100_000;

function readEach<S extends z.ZodType>(
  schema: S,
  value: unknown,
  { name: operation }: Operation,
  isLenient: boolean,
): LenientRows<z.output<S>> {
  if (value === null) return { rows: [], dropped: [], cut: [], count: 0 };
  if (!Array.isArray(value)) throw new MisshapenAnswer("expected a list");
  if (value.length > mostRows) throw new MisshapenAnswer(`expected a list of at most ${mostRows} rows`);
  const rows: z.output<S>[] = [];
  const dropped: DroppedRow[] = [];
  const cut: DroppedRow[] = [];
  let valuesOfBadRows = 0;
  for (let index = 0; index < value.length; index++) {
    const row = valuesOfBadRows > mostValues ? { reason: noReason } : readRow(schema, value[index], isLenient);
    if ("reason" in row)
      dropped.push({ operation, index, reason: dropped.length < mostReasons ? row.reason : noReason });
    else rows.push(row.data);
    if ("cut" in row && row.cut.length === 0) continue;
    valuesOfBadRows += valuesInLists(schema, value[index]);
    if ("cut" in row) for (const reason of row.cut.slice(0, mostReasons)) cut.push({ operation, index, reason });
  }
  if (decodings.hasSubscribers) {
    const unknown = unknownFields(schema, value[0]);
    decodings.publish({ operation, dropped: dropped.length + cut.length, unknown });
  }
  return { rows, dropped, cut, count: value.length };
}

const noReason = "unreadable, as are rows before it";

/** A row as read with a reason for each part left out, or why it could not be read at all. */
type ReadRow<T> = { readonly data: T; readonly cut: readonly string[] } | { readonly reason: string };

const noCuts: readonly string[] = [];

/**
 * Reads one row as strictly as its schema says. If `isLenient`, a list inside it is read element by element: an element
 * that cannot be read, or a field that should be a list and is not, is left out, and the row stays.
 */
function readRow<S extends z.ZodType>(schema: S, value: unknown, isLenient: boolean): ReadRow<z.output<S>> {
  if (valuesInLists(schema, value) > mostValues) return { reason: `more than ${mostValues} values in its lists` };
  const strict = parse(schema, value);
  if ("data" in strict) return { data: strict.data, cut: noCuts };
  const { issues } = strict;
  if (!isLenient) return { reason: explain(issues[0]) };
  const cuts = new Map<string, { readonly path: Path; readonly reason: string }>();
  for (const issue of issues) {
    const path = innerPart(issue);
    if (path === null) return { reason: explain(issue) };
    const key = JSON.stringify(path);
    if (!cuts.has(key)) cuts.set(key, { path, reason: explain(issue) });
  }
  const parts = [...cuts.values()];
  const paths = parts.map(({ path }) => path);
  const lenient = parse(schema, without(value, paths));
  if (!("data" in lenient)) return { reason: explain(issues[0]) };
  return { data: lenient.data, cut: parts.map(({ reason }) => reason) };
}

// As safeParse does it, without its Error: that has a stack and a message of all issues, and costs 15 µs a bad row.
function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { readonly data: z.output<S> } | { readonly issues: readonly z.core.$ZodRawIssue[] } {
  const result = schema._zod.run({ value, issues: [] }, { async: false });
  if (result instanceof Promise) throw new TypeError("a schema of rows must not wait for anything");
  return isOutput(schema, result) ? { data: result.value } : { issues: result.issues };
}

function isOutput<S extends z.ZodType>(
  _schema: S,
  result: z.core.ParsePayload,
): result is z.core.ParsePayload<z.output<S>> {
  return result.issues.length === 0;
}

type Path = readonly PropertyKey[];

/** Keys may be the vendor's, and of any length. */
const longestPath = 200;

// Path and expectation only: zod's own message may quote the value, and values are the vendor's.
function explain(issue: z.core.$ZodRawIssue | undefined): string {
  if (!issue) return "unreadable";
  const path = (issue.path ?? []).map(String).join(".").slice(0, longestPath) || "the row";
  const expected = issue.code === "invalid_type" ? `expected ${issue.expected}` : issue.code.replaceAll("_", " ");
  return `${path}: ${expected}`;
}

/** The innermost list element with the issue, or the field that should be a list; null where the row is at fault. */
function innerPart(issue: z.core.$ZodRawIssue): Path | null {
  const { path = [] } = issue;
  const element = path.findLastIndex((part) => typeof part === "number");
  const isList = issue.code === "invalid_type" && (issue.expected === "array" || issue.expected === "record");
  if (isList && path.length > 0 && element < path.length - 1) return path;
  // A number in front would be an index in a list that is no part of a row.
  return element > 0 ? path.slice(0, element + 1) : null;
}

/** A copy of the value without what is at these paths. */
function without(value: unknown, paths: readonly Path[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const below = Map.groupBy(paths, ([head]) => head);
  const stays = (key: PropertyKey) => !below.get(key)?.some((path) => path.length === 1);
  const inner = (key: PropertyKey, part: unknown) => {
    const deeper = below.get(key)?.map((path) => path.slice(1));
    return deeper ? without(part, deeper) : part;
  };
  if (Array.isArray(value)) return value.flatMap((part, index) => (stays(index) ? [inner(index, part)] : []));
  const entries = Object.entries(value).filter(([key]) => stays(key));
  return Object.fromEntries(entries.map(([key, part]) => [key, inner(key, part)]));
}

/** How many values are inside the lists of a row that its schema reads; Infinity where they are nested too deep. */
function valuesInLists(schema: z.ZodType, row: unknown): number {
  if (typeof row !== "object" || row === null) return 0;
  let count = 0;
  for (const name of listFields(schema)) count += countValues(Reflect.get(row, name), 0);
  return count;
}

/** Levels of nesting inside a row: no schema has half as many. */
const mostLevels = 30;

function countValues(value: unknown, level: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (level > mostLevels) return Number.POSITIVE_INFINITY;
  const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let count = parts.length;
  for (let index = 0; index < parts.length && count <= mostValues; index++)
    count += countValues(parts[index], level + 1);
  return count;
}

const listFieldsOf = new WeakMap<z.ZodType, readonly string[]>();

/** Names of the fields in which a schema reads lists. */
function listFields(schema: z.ZodType): readonly string[] {
  const known = listFieldsOf.get(schema);
  if (known) return known;
  const fields = Object.entries(shapeOf(schema) ?? {}).flatMap(([name, field]) => (readsList(field) ? [name] : []));
  listFieldsOf.set(schema, fields);
  return fields;
}

function readsList(schema: unknown): boolean {
  if (schema instanceof z.ZodArray) return !(schema.element instanceof z.ZodUnknown);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodCatch) {
    return readsList(schema.unwrap());
  }
  if (schema instanceof z.ZodPipe) return readsList(schema.in);
  if (schema instanceof z.ZodUnion) return schema.options.some(readsList);
  return schema instanceof z.ZodObject && Object.values(schema.shape).some(readsList);
}

function shapeOf(schema: z.ZodType): Readonly<Record<string, unknown>> | null {
  const object: unknown = schema instanceof z.ZodPipe ? schema.in : schema;
  return object instanceof z.ZodObject ? object.shape : null;
}

// One row an answer: rows of one list have the same fields, and looking at each would cost as much as reading it.
function unknownFields(schema: z.ZodType, row: unknown): readonly string[] {
  const shape = shapeOf(schema);
  if (shape === null || typeof row !== "object" || row === null) return [];
  const names = Object.keys(row).filter((name) => !Object.hasOwn(shape, name));
  return names.slice(0, mostUnknown);
}
