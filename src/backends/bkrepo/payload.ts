import { z } from "zod";

/** A time: zone-less text in typed answers, epoch milliseconds in raw search rows. */
const moment = z.union([z.string(), z.number()]).nullish();

/** The wrapper of every answer; each call reads `data` by its own schema. */
export const envelope = z.object({ code: z.literal(0), data: z.unknown() });

/** A page; older servers call `totalRecords` `count`. */
export const recordPage = z.object({
  records: z.unknown(),
  totalRecords: z.number().nullish(),
  count: z.number().nullish(),
});

/** A package, typed (`package/info`) or raw (`package/search`): fields that one leaves out are null in the other. */
export const packageRow = z.object({
  repoName: z.string().nullish(),
  name: z.string().nullish(),
  key: z.string().min(1),
  type: z.string().nullish(),
  downloads: z.number().nullish(),
  versions: z.number().nullish(),
  /** Version names by floating tag; the keys of raw rows are escaped. */
  versionTag: z.record(z.string(), z.unknown()).nullish(),
  description: z.string().nullish(),
  createdBy: z.string().nullish(),
  createdDate: moment,
  lastModifiedDate: moment,
});
/** A package row as decoded. */
export type PackageRow = z.output<typeof packageRow>;

/** A row of a search across repositories: without its repository it identifies no package. */
export const foundPackageRow = packageRow.extend({ repoName: z.string().min(1) });

/**
 * The fields that a search for packages selects: all that its rows are decoded by. `historyVersion` must not become
 * one: it grows with every version ever published.
 */
export const packageFields: readonly string[] = Object.keys(foundPackageRow.shape);

const metadataEntry = z.object({ key: z.string(), value: z.unknown(), system: z.boolean().nullish() });

/** The metadata key of manifest digests since 2022. */
export const digestKey = "manifest_digest";

// Version records are parsed as exact JSON: a number beyond 2^53 arrives as its text, and is no count.
const count = z
  .number()
  .or(z.string().transform(() => null))
  .nullish();

/** A version; it does not contain its package and its repository. */
export const versionRow = z.object({
  name: z.string().min(1),
  size: count,
  downloads: count,
  stageTag: z.array(z.string()).nullish(),
  tags: z.array(z.string()).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  packageMetadata: z.array(metadataEntry).nullish(),
  /** The name of `packageMetadata` in the vendor's documents. */
  nodeMetadata: z.array(metadataEntry).nullish(),
  contentPath: z.string().nullish(),
  contentPaths: z.array(z.string()).nullish(),
  manifestPath: z.string().nullish(),
  createdBy: z.string().nullish(),
  createdDate: moment,
  lastModifiedDate: moment,
});
/** A version row as decoded. */
export type VersionRow = z.output<typeof versionRow>;

/** A file. */
export const nodeRow = z.object({
  repoName: z.string().min(1),
  fullPath: z.string().min(1),
  name: z.string().nullish(),
  size: z.number().nullish(),
  sha256: z.string().nullish(),
  md5: z.string().nullish(),
  createdDate: moment,
  /** Moved to cold storage. */
  archived: z.boolean().nullish(),
});
/** A file row as decoded. */
export type NodeRow = z.output<typeof nodeRow>;

/** The fields that a query for files selects: all that its rows are decoded by. */
export const nodeFields: readonly string[] = Object.keys(nodeRow.shape);

/** A registry service's detail of one version: its main file. */
export const versionDetail = z.object({
  basic: z.object({
    fullPath: z.string().min(1),
    size: z.number().nullish(),
    sha256: z.string().nullish(),
    md5: z.string().nullish(),
    createdDate: moment,
  }),
});
/** A version detail as decoded. */
export type VersionDetail = z.output<typeof versionDetail>;

/**
 * The query language of the searches, whose outermost rule must be an AND that names one project and its repositories.
 * Relation and operation are always written: the vendor's documents call them optional, the server fails without them.
 * Texts of callers are only ever values, never fields or operations.
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

/** All of the rules. */
export function allOf(...rules: readonly Rule[]): Nest {
  return { relation: "AND", rules };
}

/** At least one of the rules. */
export function anyOf(...rules: readonly Rule[]): Nest {
  return { relation: "OR", rules };
}

/**
 * A condition on one field. All but MATCH_I (`*` is any text, {@link patternOf} escapes) are case-sensitive. IN on
 * `repoName` silently skips unreadable and missing repositories. PREFIX and SUFFIX take literal text only.
 */
export function leaf(field: string, operation: Leaf["operation"], value: Leaf["value"]): Leaf {
  return { field, operation, value };
}

/**
 * Characters that mean themselves in a filter of every release. Releases before v3.8.7-rc.4 append the `version` filter
 * of a version list to `^` as a regular expression; later ones trim and escape it, and `?` wrongly (EscapeUtils).
 * PREFIX, SUFFIX and MATCH_I of all releases escape the same way. A dot matches any character in old releases, so it
 * only widens the answer. A pattern that does not compile is an HTTP 500, so no other characters of a caller are sent.
 */
const literal = "[\\p{L}\\p{N}._/@:,~-]";
const literalStart = new RegExp(`^${literal}+`, "u");
const literalEnd = new RegExp(`${literal}+$`, "u");
// Releases differ in whether upper and lower case of other letters are equal.
const asciiLiteral = /^[\w./@:,~-]*$/;
const notAsciiLiteral = /[^\w./@:,~-]+/g;

/** Longer filters select hardly more, and the server limits the length of a pattern. */
const longestFilter = 200;

/** The longest beginning of a text that is literal in every release; may be empty. */
export function literalPrefix(text: string): string {
  return wellFormed((literalStart.exec(text)?.[0] ?? "").slice(0, longestFilter));
}

/** The longest end of a text that is literal in every release; may be empty. */
export function literalSuffix(text: string): string {
  return wellFormed((literalEnd.exec(text)?.[0] ?? "").slice(-longestFilter));
}

/** A wildcard pattern that matches at least the text: `*` replaces characters that releases read differently. */
export function patternOf(text: string): string {
  return text.slice(0, longestFilter).replace(notAsciiLiteral, "*") + (text.length > longestFilter ? "*" : "");
}

/** Whether the total of a list with this `version` filter counts exactly the names with the prefix in every release. */
export function isCountedByPrefix(prefix: string): boolean {
  return literalPrefix(prefix) === prefix && !prefix.includes(".");
}

/** Whether {@link patternOf} a text matches nothing but the text, in any case. */
export function isExactPattern(text: string): boolean {
  return text.length <= longestFilter && asciiLiteral.test(text);
}

// A cut between the halves of a surrogate pair leaves no character.
function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.replace(/[\uD800-\uDFFF]/gu, "");
}
