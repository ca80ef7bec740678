import type { Origin } from "../model/backend.ts";
import { type Failure, isProxyStatus, type Silence } from "./errors.ts";
import type { Call, Operation, PathParts, Query } from "./operation.ts";
import type { Media } from "./response.ts";

/** A response before it is judged. */
export interface RawReply {
  readonly status: number;
  /** One header's value, by lower-case name; null when absent. */
  readonly header: (name: string) => string | null;
  /** Parsed JSON, or the text where the request asked for text; undefined for an empty body. */
  readonly body: unknown;
}

/**
 * The header with the path and query that a response came from after redirects; absent where there was none.
 * A server cannot send a header of this name: a colon is not allowed in it.
 */
export const redirectedTo = ":path";

/** What a dialect makes of a response: fine, or one of the closed failures with what may be published about it. */
export type Judgement =
  | "FINE"
  | {
      readonly failure: Failure;
      readonly code?: string | null;
      readonly retryable?: boolean;
      readonly retryAfterMs?: number | null;
      readonly reason?: string;
      /** `SILENT`: a proxy answered in place of the server; by default so with a status of 502 to 504. */
      readonly silence?: Silence;
    };

/** One HTTP request as the dialect signs it. */
export interface Outgoing {
  readonly operation: string;
  readonly method: Operation["method"];
  readonly origin: string;
  /** Path and query as they are sent, base path included. */
  readonly path: string;
  /** JSON text, null for none. */
  readonly body: string | null;
}

/** Headers that authenticate the gateway or its caller. */
export type Credentials = Readonly<Record<string, string>>;

/** The protocol of one vendor: how to authenticate, and how to read its responses. */
export interface Dialect {
  /**
   * Headers with the credential; a promise only where an identity service may have to be asked first. Throws, or
   * rejects with, an UpstreamError when there is no credential.
   */
  readonly authorize: (request: Outgoing, call: Call) => Credentials | Promise<Credentials>;
  /**
   * Judges every response, success statuses included, where the vendor's rules are not plain HTTP.
   * Null leaves the judgement to the status.
   */
  readonly judge: (reply: RawReply, operation: Operation) => Judgement | null;
  /** The response header with the vendor's request id, lower case. */
  readonly traceHeader: string | null;
  /**
   * Called after a failure that fresh credentials may cure (an expired token), with the credentials that were sent;
   * true sends the request once more.
   */
  readonly renew?: (reply: RawReply, sent: Credentials, call: Call) => Promise<boolean>;
  /**
   * The cheapest read that these credentials allow and no caller can influence; left out where there is none. Sent
   * before silence opens the circuit; any answer closes it.
   */
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
  /** Sent as JSON. */
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

/** The graph publishes it as an Int. */
const maxRetryAfterMs = 2_147_483_647;

/** `Retry-After`, seconds or an HTTP date, as milliseconds from now, 24 days at most; null when there is none. */
export function retryAfterMs(value: string | null): number | null {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(maxRetryAfterMs, Number(text) * 1000);
  // Date.parse accepts nearly every text: an HTTP date begins with the day of the week.
  const at = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.min(maxRetryAfterMs, Math.max(0, at - Date.now()));
}
