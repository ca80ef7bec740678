import type { z } from "zod";
import { isRecord } from "../model/values.ts";

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** Where: `backends[1].credentials.password`, or the name of an environment variable; empty for the file itself. */
  readonly path: string;
  /** What is wrong, as the rest of a sentence about the path; no configured value is ever in it. */
  readonly message: string;
  /** One-based line of the file, null when it is not known. */
  readonly line: number | null;
}

/** Where a value stands: keys of maps and indexes of lists, outermost first. */
export type Path = readonly (string | number)[];

/** A problem before it has a line and a printed path. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
}

/** `backends[1].credentials.password`. */
export function printPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** The value at a path; undefined when there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (typeof value !== "object" || value === null) return undefined;
    return Object.getOwnPropertyDescriptor(value, part)?.value;
  }, data);
}

/** Says in plain words what a schema found wrong. `keysAt` lists the keys that a map at a path may have. */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  data: unknown,
  keysAt: (path: Path) => readonly string[],
  base: Path = [],
): readonly Finding[] {
  return issues.flatMap((issue): readonly Finding[] => {
    const path: Path = [...base, ...issue.path.map((part) => (typeof part === "symbol" ? String(part) : part))];
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...path, key], keysAt(path)));
    if (issue.code === "invalid_union") return explainUnion(issue, path, data, keysAt);
    return [{ path, message: explain(issue, valueAt(data, path)) }];
  });
}

function unknownKey(path: Path, known: readonly string[]): Finding {
  const key = String(path[path.length - 1]);
  const near = nearest(key, known);
  if (near !== null) return { path, message: `is not a known key: did you mean ${near}?` };
  const list = known.length === 0 ? "no key is known here" : `known here: ${known.join(", ")}`;
  // A credential that was pasted where its key should be must not be printed back; a slip of the pen is near a key.
  if (path.includes("credentials")) return { path: path.slice(0, -1), message: `has a key that is not known; ${list}` };
  return { path, message: `is not a known key; ${list}` };
}

type UnionIssue = Extract<z.core.$ZodIssue, { code: "invalid_union" }>;

// Of the forms a value may have, the one it resembles most is the one that was meant.
function explainUnion(
  issue: UnionIssue,
  path: Path,
  data: unknown,
  keysAt: (path: Path) => readonly string[],
): readonly Finding[] {
  const value = valueAt(data, path);
  const forms = issue.errors
    .map((issues) => ({ issues, strangeness: strangeness(issues, value) }))
    .toSorted((one, other) => one.strangeness - other.strangeness);
  const [closest, next] = forms;
  const hasOwnWords = issue.message !== "Invalid input";
  const resemblesNone =
    !isRecord(value) || Object.keys(value).length === 0 || closest?.strangeness === next?.strangeness;
  if (closest === undefined || (hasOwnWords && resemblesNone)) return [{ path, message: issue.message }];
  const tag = closest.issues.find((one) => one.code === "invalid_value")?.path[0];
  if (typeof tag === "string" && closest.strangeness >= otherKind) {
    const words = forms.flatMap((form) =>
      form.issues.flatMap((one) => (one.code === "invalid_value" && one.path[0] === tag ? one.values : [])),
    );
    const message = valueAt(value, [tag]) === undefined ? `is missing: it ${oneOf(words)}` : oneOf(words);
    return [{ path: [...path, tag], message }];
  }
  return explainIssues(closest.issues, data, keysAt, path);
}

// A fixed word that differs (another kind) says that this form was not meant at all.
const otherKind = 1000;

function strangeness(issues: readonly z.core.$ZodIssue[], value: unknown): number {
  const missing = issues.flatMap(({ path }) => {
    const [key] = path;
    return typeof key === "string" && valueAt(value, [key]) === undefined ? [key] : [];
  });
  return issues.reduce((sum, issue) => {
    if (issue.code === "unrecognized_keys") {
      return sum + issue.keys.reduce((cost, key) => cost + (nearest(key, missing) === null ? 2 : 0.5), 0);
    }
    if (issue.code === "invalid_value" && issue.path.length === 1 && issue.values.length === 1) return sum + otherKind;
    return sum + (valueAt(value, issue.path.map(String)) === undefined ? 1 : 2);
  }, 0);
}

function explain(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      if (value === undefined) return "is missing";
      return value === null ? `is empty: it must be ${kindOf(issue.expected)}` : `must be ${kindOf(issue.expected)}`;
    case "invalid_value":
      return value === undefined ? "is missing" : oneOf(issue.values);
    case "too_small":
      return bound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return bound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "invalid_format":
      return issue.format === "url" ? "must be an http or https address" : issue.message;
    default:
      return issue.message;
  }
}

function oneOf(values: readonly unknown[]): string {
  const words = [...new Set(values.map(String))];
  return words.length === 1 ? `must be ${words[0]}` : `must be one of: ${words.join(", ")}`;
}

function kindOf(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: "a text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a map of keys",
  };
  return words[expected] ?? `of type ${expected}`;
}

function bound(origin: string, comparison: string, limit: number | bigint): string {
  if (origin === "string") return `must have ${comparison} ${limit} characters`;
  return origin === "array" ? `must have ${comparison} ${limit} entries` : `must be ${comparison} ${limit}`;
}

/** The word that was probably meant: at most a third of its letters differ. Null when none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  const folded = fold(word);
  let best: { readonly candidate: string; readonly distance: number } | null = null;
  for (const candidate of known) {
    const target = fold(candidate);
    // `repos` is short for repositories, however many letters it leaves out.
    const distance = folded.length >= 3 && target.startsWith(folded) ? 0.5 : editDistance(folded, target);
    if (distance <= Math.max(1, candidate.length / 3) && (best === null || distance < best.distance)) {
      best = { candidate, distance };
    }
  }
  return best?.candidate ?? null;
}

// `max_response_bytes` and `MaxResponseBytes` are maxResponseBytes misspelt, not something else.
function fold(word: string): string {
  return word.slice(0, 64).toLowerCase().replace(/[-_]/g, "");
}

/** Insertions, deletions, substitutions and swaps of neighbours that lead from one word to the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current.push(
        Math.min(
          at(last, column) + 1,
          at(current, column - 1) + 1,
          at(last, column - 1) + (same ? 0 : 1),
          swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
