import type { Origin } from "../model/backend.ts";
import type { StaleResponses } from "./cache.ts";
import type { CancelToken } from "./cancel.ts";
import { type Failure, type FailureFacts, isProxyStatus, type Silence } from "./errors.ts";
import type { Media } from "./response.ts";

/**
 * One call that the gateway may make, as a declaration. The sum of all declarations is the allow-list: the client sends
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
  readonly versions: string;
  /** What its empty answer proves: the only proofs that an absence may name beside it. */
  readonly proves: readonly Proof[];
  /** True for a POST that only reads. Reads may be retried, coalesced and cached; a GET always is one. */
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

/** Whether the operation changes nothing. */
export function isRead({ method, isQuery }: Operation): boolean {
  return method === "GET" || isQuery === true;
}

/** What an upstream call inherits from the request that it serves; passed on explicitly, never ambient. */
export interface Call {
  /** Cancelled when the client leaves or the operation's deadline passes. */
  readonly cancelToken: CancelToken;
  readonly remainingMs: () => number;
  readonly requestId: string;
  readonly budget: Budget;
  readonly caller: Caller;
  readonly staleResponses?: StaleResponses;
  /** True: no cached or remembered answer will do, the backend has to be asked. */
  readonly bypassCache?: boolean;
  /** Reports the keys of all callers that wait, until it is called with null; set where there may be several. */
  readonly followCallers?: (report: ((key: string) => void) | null) => void;
  /** Set where this call is not a request's own: the call that paid last, to which exchanges are attributed. */
  readonly onBehalfOf?: () => Call;
}

/** Upstream calls that an operation may still make. */
export interface Budget {
  readonly take: () => boolean;
}

/** The caller of the gateway. */
export interface Caller {
  /** Equal for all calls of one caller, for fair queues. It is never sent or shown. */
  readonly key: string;
  /** The caller's own credential for this backend, by its configured name; null when none was sent. */
  readonly credentialFor: (backend: string) => string | null;
}

/** A path part that is encoded already (SWR sends names percent-encoded) and is sent as it is. */
export class Verbatim {
  readonly text: string;

  /** Throws a RangeError for anything that could leave its path segment. */
  constructor(text: string) {
    if (!/^(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-f]{2})+$/i.test(text) || climbs(text)) {
      throw new RangeError("not an encoded path segment");
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
 * AddressTooLong for an address that no server would read.
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
  let separator = "?";
  for (const name of Object.keys(query)) {
    const value = query[name];
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      text += `${separator}${encodeURIComponent(name)}=${encodeURIComponent(String(one).toWellFormed())}`;
      separator = "&";
    }
  }
  // All of it is ASCII now: a character is a byte.
  if (text.length > maxAddressBytes) throw new AddressTooLong(operation.name);
  return text;
}

/** Bytes of a path with its query. Servers and proxies reset longer ones, or read 8 KiB at most. */
const maxAddressBytes = 7680;

/** Thrown for a call whose address would be too long; nothing has been sent. */
export class AddressTooLong extends Error {
  override readonly name = "AddressTooLong";
  constructor(operation: string) {
    super(`${operation}: the address has more than ${maxAddressBytes} bytes`);
  }
}

interface Template {
  readonly holes: readonly { readonly before: string; readonly name: string; readonly isMany: boolean }[];
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
  const template = { holes, rest: operation.path.slice(end) };
  templates.set(operation, template);
  return template;
}

/** Words with single dots and slashes between them, in which only the slashes have to be encoded. */
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

// Some servers and proxies decode a path first, perhaps twice, and split it afterwards: "..", however it is encoded, is
// refused inside a part as well.
function climbs(text: string): boolean {
  const once = decoded(text);
  return [text, once, decoded(once)].some((layer) =>
    layer.split(/[/\\]/).some((part) => part === "." || part === ".."),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A response before it is judged. */
export interface RawReply {
  readonly status: number;
  /** One header's value, by lower-case name; null when absent. */
  readonly header: (name: string) => string | null;
  /** Parsed JSON, or the text where the request asked for text; undefined for an empty body. */
  readonly body: unknown;
}

/** The path and query after redirects, as a header: a colon is allowed in none, so no server can send it. */
export const redirectedTo = ":path";

/** What a dialect makes of a response: fine, or one of the closed failures with what may be published about it. */
export type Judgement =
  | "FINE"
  | ({ readonly failure: Failure } & Partial<
      Pick<FailureFacts, "code" | "retryable" | "retryAfterMs" | "reason" | "silence">
    >);

/** One HTTP request as the dialect signs it. */
export interface Outgoing {
  readonly operation: string;
  readonly method: Operation["method"];
  readonly origin: string;
  /** Path and query as they are sent, base path included. */
  readonly path: string;
  readonly body: string | null;
}

/** Headers that authenticate the gateway or its caller. */
export type Credentials = Readonly<Record<string, string>>;

/** The protocol of one vendor: how to authenticate, and how to read its responses. */
export interface Dialect {
  /** A promise only where an identity service may have to be asked. Fails with an UpstreamError. */
  readonly authorize: (request: Outgoing, call: Call) => Credentials | Promise<Credentials>;
  /** Judges every response where the vendor's rules are not plain HTTP; null leaves it to the status. */
  readonly judge: (reply: RawReply, operation: Operation) => Judgement | null;
  /** The response header with the vendor's request id, lower case. */
  readonly traceHeader: string | null;
  /** Called after a failure that fresh credentials may cure; true sends the request once more. */
  readonly renew?: (reply: RawReply, sent: Credentials, call: Call) => Promise<boolean>;
  /** The cheapest read that these credentials allow and no caller can influence; see {@link CircuitSettings}. */
  readonly check?: ServerCheck;
  /** Follow redirects of reads that stay on the same origin; any other redirect is MALFORMED. */
  readonly followsRedirects?: boolean;
}

/** The request of a health check. */
export interface ServerCheck {
  readonly operation: Operation;
  readonly parts?: PathParts;
  readonly query?: Query;
}

/** One call's arguments. */
export interface Request<T> {
  readonly parts?: PathParts;
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** `text` hands the body over as it is; default `json`. */
  readonly media?: Media;
  /** Reads what we rely on; throws MisshapenAnswer when it is missing. */
  readonly decode: (reply: RawReply, operation: Operation) => T;
}

/** A judged and decoded response. */
export interface Reply<T> {
  readonly value: T;
  readonly header: (name: string) => string | null;
  readonly origin: Origin;
}

/** The judgement by HTTP status, where a dialect has no rule of its own. */
export function judgeByStatus({ status, header }: RawReply): Judgement {
  if (status >= 200 && status < 300) return "FINE";
  if (status === 401 || status === 403) return { failure: "DENIED" };
  if (status === 404 || status === 410) return { failure: "NOT_FOUND" };
  if (status === 429) return { failure: "THROTTLED", retryAfterMs: retryAfterMs(header("retry-after")) };
  if (status === 408) return { failure: "TIMED_OUT" };
  if (status >= 500) {
    const silence: { silence?: Silence } = isProxyStatus(status) ? { silence: "SILENT" } : {};
    return { failure: "UNAVAILABLE", retryAfterMs: retryAfterMs(header("retry-after")), ...silence };
  }
  return { failure: "REJECTED" };
}

const maxRetryAfterMs = 2_147_483_647;

/** `Retry-After`, seconds or an HTTP date, as milliseconds from now, 24 days at most; null when there is none. */
export function retryAfterMs(value: string | null): number | null {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(maxRetryAfterMs, Number(text) * 1000);
  // Date.parse accepts nearly every text: an HTTP date begins with the day of the week.
  const at = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.min(maxRetryAfterMs, Math.max(0, at - Date.now()));
}
