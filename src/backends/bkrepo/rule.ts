import { plainPrefix, plainSuffix } from "./plain-text.ts";

/**
 * The query language of bkrepo's searches. Relation and operation are always written: the documents call them
 * optional, the server fails without them. Values are data: no text of a caller becomes a field or an operation.
 */
export type Rule = Leaf | Nest;

interface Leaf {
  readonly field: string;
  readonly operation: "EQ" | "IN" | "NIN" | "MATCH_I" | "PREFIX" | "SUFFIX";
  readonly value: string | boolean | readonly string[];
}

interface Nest {
  readonly relation: "AND" | "OR";
  readonly rules: readonly Rule[];
}

/** Body of a search; pages count from 1. */
export interface Search {
  readonly select: readonly string[];
  readonly page: { readonly pageNumber: number; readonly pageSize: number };
  readonly sort: { readonly properties: readonly string[]; readonly direction: "ASC" | "DESC" };
  /** The outermost rule must be an AND that names one project and its repositories. */
  readonly rule: Nest;
}

/** All of the rules. */
export function allOf(...rules: readonly Rule[]): Nest {
  return { relation: "AND", rules };
}

/** At least one of the rules. */
export function anyOf(...rules: readonly Rule[]): Nest {
  return { relation: "OR", rules };
}

/** The field equals the value, case-sensitive. */
export function is(field: string, value: string | boolean): Leaf {
  return { field, operation: "EQ", value };
}

/** The field is one of the values. On `repoName`, unreadable and missing repositories are passed over silently. */
export function oneOf(field: string, value: readonly string[]): Leaf {
  return { field, operation: "IN", value };
}

/** The field is none of the values. */
export function noneOf(field: string, value: readonly string[]): Leaf {
  return { field, operation: "NIN", value };
}

/** The field begins at least as the text does in plain characters, case-sensitive: the rest is to be compared again. */
export function beginsIn(field: string, value: string): Leaf {
  return { field, operation: "PREFIX", value: plainPrefix(value) };
}

/** The field ends at least as the text does in plain characters, case-sensitive: the rest is to be compared again. */
export function endsIn(field: string, value: string): Leaf {
  return { field, operation: "SUFFIX", value: plainSuffix(value) };
}

/** The field matches the pattern, upper and lower case alike; `*` stands for anything, and {@link plainPattern} for text. */
export function like(field: string, value: string): Leaf {
  return { field, operation: "MATCH_I", value };
}
