import type { Origin } from "../../model/backend.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { UpstreamPage } from "../paging.ts";

/** Origin of an answer that needed no call, or whose call said "there is no such thing". */
export function originNow(backend: string, traceId: string | null = null): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId };
}

/** A page of a list with nothing in it. */
export function nothing<T>(origin: Origin): UpstreamPage<T> {
  return { rows: [], count: 0, dropped: [], origin, total: 0, more: false };
}

/**
 * A list whose owner does not exist, or is hidden from these credentials (GitLab says 404 for both), is an empty list;
 * so is one asked for by a `type` that this server is too old to know (400). Everything else stays an error.
 */
export function orNothing<T>(
  page: Promise<UpstreamPage<T>>,
  backend: string,
  type: string | null = null,
): Promise<UpstreamPage<T>> {
  return page.catch((error: unknown) => {
    if (isNotFound(error) || (type !== null && isRefusedType(error))) return nothing(originNow(backend, error.traceId));
    throw error;
  });
}

function isRefusedType(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.failure === "REJECTED" && error.status === 400;
}

/** What is looked for may be among the rows that could not be read: that is not the same as "not there". */
export function unreadable(backend: string, operation: string): UpstreamError {
  return new UpstreamError("MALFORMED", { backend, operation, reason: "a row that could not be read may be the one" });
}

/** The answer is further away than we are willing to go. */
export function tooFar(backend: string, operation: string, reason: string): UpstreamError {
  return new UpstreamError("OVER_BUDGET", { backend, operation, reason });
}
