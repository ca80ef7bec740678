import type { Origin } from "../../model/backend.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Absent, type Unknown, unknown } from "../answers.ts";
import type { UpstreamPage } from "../paging.ts";
import type { ProjectPage } from "./client.ts";

/** Origin of an answer that needed no call, or whose call said "there is no such thing". */
export function originNow(backend: string, traceId: string | null = null): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId };
}

/** One page of a list, or an empty one where there is none. */
export interface ListPage<T> extends ProjectPage<T> {
  /**
   * What it means that there is no such list: that its owner does not exist, that the server knows no such type, or that
   * nobody can say; null where there is one.
   */
  readonly absence: Absent | Unknown | null;
}

/** The page of a list that does not exist. */
export function noPage<T>(origin: Origin, absence: Absent | Unknown): ListPage<T> {
  return { rows: [], count: 0, dropped: [], origin, total: 0, more: false, movedTo: null, absence };
}

/**
 * Runs a list. `missing` is what its 404 means: its owner does not exist or is hidden from these credentials (GitLab says
 * 404 for both), or, where another list names the owner, nothing. `refused` is what a 400 proves for a list of one package
 * type: a server too old for the type has none of it. Every other failure stays one.
 */
export function orNoPage<T>(
  page: Promise<ProjectPage<T>>,
  backend: string,
  missing: Absent | Unknown,
  refused: Absent | null = null,
): Promise<ListPage<T>> {
  return page.then(
    (one): ListPage<T> => ({ ...one, absence: null }),
    (error: unknown) => {
      if (isNotFound(error)) return noPage(originNow(backend, error.traceId), missing);
      if (refused !== null && isRefusal(error)) return noPage(originNow(backend, error.traceId), refused);
      throw error;
    },
  );
}

/**
 * What a list proves that was read to its end and did not hold what was looked for: `absence`, the list's own absence
 * where there is no list, or LOST_ROWS where fewer rows came than the server counts. Throws MALFORMED where a row could
 * not be read: it may be the one.
 */
export function silenceOf<T>(
  pages: readonly ListPage<T>[],
  identity: (row: T) => string | number,
  absence: Absent,
  operation: Operation,
): Absent | Unknown {
  const [first] = pages;
  if (first?.absence) return first.absence;
  if (pages.some(({ dropped }) => dropped.length > 0)) {
    throw unreadable(first?.origin.backend ?? "", operation.name);
  }
  return isWhole(pages, identity) ? absence : unknown("LOST_ROWS");
}

/** Whether pages that were read to the end hold as many rows as the server counts; true where it does not count. */
export function isWhole<T>(pages: readonly UpstreamPage<T>[], identity: (row: T) => string | number): boolean {
  const total = pages.at(-1)?.total ?? null;
  if (total === null || pages.length === 1) return total === null || (pages[0]?.count ?? 0) >= total;
  const unread = pages.reduce((sum, { dropped }) => sum + dropped.length, 0);
  return new Set(pages.flatMap(({ rows }) => rows.map(identity))).size + unread >= total;
}

function isRefusal(error: unknown): error is UpstreamError {
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
