import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { firstOf } from "../../upstream/transport.ts";
import type { TraceParent } from "./telemetry.ts";

/** Request headers, by lower-case name. */
export interface RequestHeaders {
  readonly get: (name: string) => string | null;
}

/** The headers of a request; of repeated ones, the first. */
export function headersOf({ headers }: IncomingMessage): RequestHeaders {
  return { get: (name) => firstOf(headers[name]) };
}

/** The id of a request: its trace id, else a well-formed `x-request-id`, else a new one. */
export function requestIdOf(headers: RequestHeaders): string {
  const given = headers.get("x-request-id");
  return traceParentOf(headers)?.traceId ?? (given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID());
}

/** The W3C trace context that the caller sent; null when there is none or it is invalid. */
export function traceParentOf(headers: RequestHeaders): TraceParent | null {
  const text = headers.get("traceparent");
  if (text === null) return null;
  const [, version, traceId, spanId, flags] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  // 00 has nothing behind the flags, ff is no version, and ids of zeros mean "none".
  if (version === "ff" || (version === "00" && text.length !== 55)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
