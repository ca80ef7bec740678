/**
 * One call the gateway may make, as a declaration. The sum of all declarations is the allow-list: the client sends
 * nothing else, and `docs/backends.md` is printed from it.
 */
export interface Operation {
  /** `<kind>.<verb>`, such as `bkrepo.listVersions`; shown in errors and explain. */
  readonly name: string;
  /** DELETE only in the `removals` of an adapter. */
  readonly method: "GET" | "POST" | "DELETE";
  /** Path below the backend's base with `{parts}`, each encoded as one segment; `{parts+}` keeps its slashes. */
  readonly path: string;
  /** What one such call answers, for many keys where it can. */
  readonly answers: string;
  /** Vendor versions that have it. */
  readonly versions: string;
  /** What its silence can prove: the only proofs that an absence may name beside it. Empty: its silence proves nothing. */
  readonly proves: readonly Proof[];
  /** Set where a POST only asks. What changes nothing may be retried, shared and remembered; a GET always may. */
  readonly isQuery?: true;
}

/**
 * Why an absence is certain:
 * - `KEYED_READ`: a read of exactly this key, under the plain read right, answered "no such thing".
 * - `WHOLE_LIST`: a list of the place, under the plain read right, was walked to its end, its count met, no row lost.
 * - `COMPLETE_FILTER`: a filter that the vendor's source, in every supported version, shows to answer at least all that
 *   matches, under the plain read right, was walked to its end, and its rows were compared again.
 */
export const proofs = ["KEYED_READ", "WHOLE_LIST", "COMPLETE_FILTER"] as const;
export type Proof = (typeof proofs)[number];

/** Whether asking twice does no harm. */
export function isRead({ method, isQuery }: Operation): boolean {
  return method === "GET" || isQuery === true;
}

/** A path part that is already in wire form (SWR sends names percent-encoded) and goes out as it is. */
export class Verbatim {
  readonly text: string;

  /** Throws a RangeError for anything that could leave its path segment. */
  constructor(text: string) {
    if (!/^(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-f]{2})+$/i.test(text) || climbs(text)) {
      throw new RangeError("not a path segment in wire form");
    }
    this.text = text;
  }
}

/** Values for the `{parts}` of a path. */
export type PathParts = Readonly<Record<string, string | number | Verbatim>>;

/** Query parameters; undefined ones are left out, arrays repeat the name. */
export type Query = Readonly<Record<string, string | number | boolean | undefined | readonly string[]>>;

/**
 * The path and query of a call. Every part is encoded here and nowhere else, so that no id, cursor or argument can
 * change which endpoint is asked. Throws a RangeError for an empty part, `.` or `..`, by itself or between slashes, and
 * AddressTooLong for what no server would read.
 */
export function target(operation: Operation, parts: PathParts = {}, query: Query = {}): string {
  const { holes, rest } = templateOf(operation);
  let text = "";
  for (const { before, name, isMany } of holes) {
    const part = parts[name];
    if (part === undefined) throw new TypeError(`${operation.name}: no value for {${name}}`);
    text += before + (part instanceof Verbatim ? part.text : segments(String(part), isMany));
  }
  text += rest;
  let mark = "?";
  for (const name of Object.keys(query)) {
    const value = query[name];
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      text += `${mark}${encodeURIComponent(name)}=${encodeURIComponent(String(one).toWellFormed())}`;
      mark = "&";
    }
  }
  // All of it is ASCII by now: a character is a byte.
  if (text.length > longestAddress) throw new AddressTooLong(operation.name);
  return text;
}

/** Bytes of a path with its query. Servers and what stands in front of them reset longer ones, or read 8 KiB at most. */
const longestAddress = 7680;

/** Thrown for a call whose address would be too long; nothing has been sent. */
export class AddressTooLong extends Error {
  override readonly name = "AddressTooLong";
  constructor(operation: string) {
    super(`${operation}: the address has more than ${longestAddress} bytes`);
  }
}

/** A path taken apart at its holes. */
interface Template {
  readonly holes: readonly { readonly before: string; readonly name: string; readonly isMany: boolean }[];
  /** What stands behind the last hole. */
  readonly rest: string;
}

const templates = new WeakMap<Operation, Template>();

function templateOf(operation: Operation): Template {
  const known = templates.get(operation);
  if (known) return known;
  const holes: Template["holes"][number][] = [];
  let end = 0;
  for (const hole of operation.path.matchAll(/\{(\w+)(\+?)\}/g)) {
    const [whole, name = "", many] = hole;
    holes.push({ before: operation.path.slice(end, hole.index), name, isMany: many === "+" });
    end = hole.index + whole.length;
  }
  const made = { holes, rest: operation.path.slice(end) };
  templates.set(operation, made);
  return made;
}

/** Words with single dots and slashes between them: nothing to climb with, and nothing but the slashes to encode. */
const harmless = /^[\w~-]+(?:[./][\w~-]+)*$/;

function segments(text: string, isMany: boolean): string {
  if (harmless.test(text)) return isMany || !text.includes("/") ? text : text.replaceAll("/", "%2F");
  return isMany ? text.split("/").map(segment).join("/") : segment(text);
}

function segment(text: string): string {
  if (text === "" || climbs(text) || !text.isWellFormed()) {
    throw new RangeError("a path part may not be empty, nor hold '.' or '..' between slashes");
  }
  return encodeURIComponent(text);
}

// Some servers and proxies decode first, perhaps twice, and take the path apart afterwards: what climbs is refused
// however it is written, also inside one part.
function climbs(text: string): boolean {
  const once = decoded(text);
  return [text, once, decoded(once)].some((layer) => layer.split(/[/\\]/).some(isDots));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isDots(text: string): boolean {
  return text === "." || text === "..";
}
