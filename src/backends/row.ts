import type { z } from "zod";

/** A row as read, with what had to be left out of it; or why it could not be read at all. */
export type ReadRow<T> =
  | { readonly data: T /** One reason for each part left out. */; readonly cut: readonly string[] }
  | { readonly reason: string };

const nothing: readonly never[] = [];

/** Values of one row that does not fit, lists and objects counted as well: each may have something wrong with it. */
const mostValues = 20_000;
/** What is said of a row with more of them. */
export const vast = `more than ${mostValues} values, and not as expected`;

/** Whether a value is too large to be asked what is wrong with it. */
export function isVast(value: unknown): boolean {
  const open: unknown[] = [value];
  let count = 1;
  while (open.length > 0) {
    const one = open.pop();
    if (typeof one !== "object" || one === null) continue;
    const inner: readonly unknown[] = Array.isArray(one) ? one : Object.values(one);
    count += inner.length;
    if (count > mostValues) return true;
    for (const part of inner) if (typeof part === "object" && part !== null) open.push(part);
  }
  return false;
}

type Path = z.core.$ZodIssue["path"];

/**
 * Reads one row as strictly as its schema says, but for the lists inside it: an element that cannot be read costs
 * itself, and a list that is none costs itself, never the row around them.
 */
export function readRow<S extends z.ZodType>(schema: S, value: unknown): ReadRow<z.output<S>> {
  if (isVast(value)) return { reason: vast };
  const strict = schema.safeParse(value);
  if (strict.success) return { data: strict.data, cut: nothing };
  const { issues } = strict.error;
  const cuts = new Map<string, { readonly path: Path; readonly reason: string }>();
  for (const issue of issues) {
    const path = innerPart(issue);
    if (path === null) return { reason: explain(issue) };
    const key = JSON.stringify(path);
    if (!cuts.has(key)) cuts.set(key, { path, reason: explain(issue) });
  }
  const left = [...cuts.values()];
  const lenient = schema.safeParse(
    without(
      value,
      left.map(({ path }) => path),
    ),
  );
  if (!lenient.success) return { reason: explain(issues[0]) };
  return { data: lenient.data, cut: left.map(({ reason }) => reason) };
}

/** What went wrong with the whole value, in our words. */
export function explainError({ issues: [issue] }: z.ZodError): string {
  return explain(issue);
}

/** Keys may be the vendor's, and of any length. */
const longestPath = 200;

// Path and expectation only: zod's own message may quote the value, and values are the vendor's.
function explain(issue: z.core.$ZodIssue | undefined): string {
  if (!issue) return "unreadable";
  const path = issue.path.map(String).join(".").slice(0, longestPath) || "the row";
  const expected = issue.code === "invalid_type" ? `expected ${issue.expected}` : issue.code.replaceAll("_", " ");
  return `${path}: ${expected}`;
}

/** The innermost list element that the issue is in, or the list that is none; null where the row itself is at fault. */
function innerPart(issue: z.core.$ZodIssue): Path | null {
  const { path } = issue;
  const element = path.findLastIndex((part) => typeof part === "number");
  const isList = issue.code === "invalid_type" && (issue.expected === "array" || issue.expected === "record");
  if (isList && path.length > 0 && element < path.length - 1) return path;
  // A number in front would be a place in a list that is no part of a row.
  return element > 0 ? path.slice(0, element + 1) : null;
}

/** The same value without what stands at these paths. */
function without(value: unknown, paths: readonly Path[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const below = Map.groupBy(paths, ([head]) => head);
  const isKept = (key: PropertyKey) => !below.get(key)?.some((path) => path.length === 1);
  const inner = (key: PropertyKey, part: unknown) => {
    const deeper = below.get(key)?.map((path) => path.slice(1));
    return deeper ? without(part, deeper) : part;
  };
  if (Array.isArray(value)) return value.flatMap((part, index) => (isKept(index) ? [inner(index, part)] : []));
  const entries = Object.entries(value).filter(([key]) => isKept(key));
  return Object.fromEntries(entries.map(([key, part]) => [key, inner(key, part)]));
}
