import type { Origin } from "../model/backend.ts";
import type { Call } from "../upstream/call.ts";
import { UpstreamError } from "../upstream/errors.ts";
import { statusOf } from "./errors.ts";
import type { SourceStatus } from "./generated/resolvers.ts";

/** One backend's part in an answer, as the `Source` type shows it. */
export interface SourceParent {
  /** Configured name. */
  readonly backend: string;
  readonly status: SourceStatus;
  readonly fetchedAt: string | null;
  readonly retryAfterMs: number | null;
  readonly upstreamCode: string | null;
  readonly traceId: string | null;
}

/** What became of asking one backend one thing. `value` is null unless it answered with something. */
export interface Outcome<T> {
  readonly source: SourceParent;
  readonly value: T | null;
  /** The failure, for `errors[]`; null when the backend answered. */
  readonly error: UpstreamError | null;
}

/** A source for an answer that was had. */
export function told(origin: Origin, status: SourceStatus = "OK"): SourceParent {
  return {
    backend: origin.backend,
    status: origin.stale && status === "OK" ? "STALE" : status,
    fetchedAt: origin.fetchedAt,
    retryAfterMs: null,
    upstreamCode: null,
    traceId: origin.traceId,
  };
}

/** A source for a backend that was not asked, or answered without an origin. */
export function plain(backend: string, status: SourceStatus): SourceParent {
  return { backend, status, fetchedAt: null, retryAfterMs: null, upstreamCode: null, traceId: null };
}

/** A source for a failure. */
function failedSource(error: UpstreamError): SourceParent {
  return {
    backend: error.backend,
    status: statusOf(error),
    fetchedAt: null,
    retryAfterMs: error.retryAfterMs,
    upstreamCode: error.code,
    traceId: error.traceId,
  };
}

/**
 * Awaits one backend's answer and tells absent from unknown: null and empty lists are ABSENT, an UpstreamError is its
 * status, anything else thrown is a bug and passes through.
 */
export function outcomeOf<T>(
  backend: string,
  asked: Promise<T | null>,
  originOf: (value: T) => Origin | null,
): Promise<Outcome<T>> {
  return asked.then(
    (value): Outcome<T> => {
      if (value === null || (Array.isArray(value) && value.length === 0)) {
        return { source: plain(backend, "ABSENT"), value, error: null };
      }
      const origin = originOf(value);
      return { source: origin ? told(origin) : plain(backend, "OK"), value, error: null };
    },
    (error: unknown): Outcome<T> => {
      if (error instanceof UpstreamError) return { source: failedSource(error), value: null, error };
      throw error;
    },
  );
}

// From "said something" to "could say nothing": what stands for a backend that was asked several things.
const worst: readonly SourceStatus[] = [
  "ABSENT",
  "OK",
  "STALE",
  "NOT_SEARCHABLE",
  "NOT_CONFIGURED",
  "PARTIAL",
  "OVER_BUDGET",
  "THROTTLED",
  "TIMEOUT",
  "DENIED",
  "MALFORMED",
  "DOWN",
];

/**
 * One entry a backend, in the order they first appear. Where a backend was asked several things: an answer beside a
 * failure, or beside something it cannot be searched by, is PARTIAL; an answer beside ABSENT is OK, failures alone are the
 * gravest of them.
 */
export function combineSources(sources: readonly SourceParent[]): SourceParent[] {
  const byBackend = new Map<string, SourceParent[]>();
  for (const source of sources) byBackend.set(source.backend, [...(byBackend.get(source.backend) ?? []), source]);
  return [...byBackend.values()].flatMap((said) => {
    const sorted = said.toSorted((a, b) => worst.indexOf(b.status) - worst.indexOf(a.status));
    const [gravest] = sorted;
    if (!gravest) return [];
    const answer = sorted.find(({ status }) => status === "OK" || status === "STALE" || status === "PARTIAL");
    const isWhole = !isFailure(gravest.status) && gravest.status !== "NOT_SEARCHABLE";
    if (!answer || isWhole) return [gravest];
    return [{ ...gravest, status: "PARTIAL" as const, fetchedAt: answer.fetchedAt }];
  });
}

/** Whether the status says that the backend could not say: everything but an answer. */
function isFailure(status: SourceStatus): boolean {
  return !["OK", "STALE", "ABSENT", "NOT_SEARCHABLE", "NOT_CONFIGURED"].includes(status);
}

/**
 * The source as it is known now: where a kept answer has stood in for its backend within this operation, "it said so" and
 * "it has none" are as old as that answer.
 */
export function aged(call: Call, source: SourceParent): SourceParent {
  const since = call.standIns?.oldest(source.backend) ?? null;
  if (since === null || !["OK", "ABSENT", "STALE"].includes(source.status)) return source;
  const isOlder = source.fetchedAt !== null && source.fetchedAt < since;
  return { ...source, status: "STALE", fetchedAt: isOlder ? source.fetchedAt : since };
}

/** Whether every backend that could know has answered in full, and now. */
export function isComplete(call: Call, sources: readonly SourceParent[]): boolean {
  return sources.map((source) => aged(call, source)).every(({ status }) => status === "OK" || status === "ABSENT");
}
