import type { Answer, Unknown } from "../backends/answers.ts";
import type { Origin } from "../model/backend.ts";
import type { Call } from "../upstream/call.ts";
import { UpstreamError } from "../upstream/errors.ts";
import { type NoAnswer, noAnswer, statusOf } from "./errors.ts";
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

/** What became of asking one backend one thing. */
export interface Outcome<T> {
  readonly source: SourceParent;
  /** Null where it was not found. */
  readonly value: T | null;
  /**
   * What the backend could not say, for `errors[]`: all of it where there is no value, else what may be missing beside the
   * value. Null where the answer is whole: found, or proved to be absent.
   */
  readonly error: NoAnswer | null;
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

/** A source for an answer that could not be had. */
export function sourceOfError(error: NoAnswer): SourceParent {
  if (!(error instanceof UpstreamError)) return plain(error.backend, statusOf(error));
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
 * Awaits one backend's answer. Only an absence that was proved becomes ABSENT. What was found is OK or STALE, and PARTIAL
 * where something may be missing from it; what could not be said has the status of its reason. An UpstreamError is its
 * status; anything else thrown is a bug and passes through.
 */
export function outcomeOf<T>(
  backend: string,
  asked: Promise<Answer<T>>,
  originOf: (value: T) => Origin | null,
): Promise<Outcome<T>> {
  return asked.then(
    (answer) => outcomeIn(backend, answer, originOf),
    (error: unknown): Outcome<T> => {
      if (error instanceof UpstreamError) return unanswered(error);
      throw error;
    },
  );
}

/** As {@link outcomeOf}, of an answer that is there. */
export function outcomeIn<T>(backend: string, answer: Answer<T>, originOf: (value: T) => Origin | null): Outcome<T> {
  if (answer.kind === "ABSENT") return { source: plain(backend, "ABSENT"), value: null, error: null };
  if (answer.kind === "UNKNOWN") return couldNotSay(backend, answer);
  const { value, gap } = answer;
  const origin = originOf(value);
  const status = gap === null ? "OK" : "PARTIAL";
  return {
    source: origin ? told(origin, status) : plain(backend, status),
    value,
    error: gap && noAnswer(backend, gap),
  };
}

/** The outcome of a question that a backend could not answer, or that it was not asked for this reason. */
export function couldNotSay(backend: string, answer: Unknown): Outcome<never> {
  return unanswered(noAnswer(backend, answer));
}

/** The outcome of a question that nobody could answer because of this. */
export function unanswered(error: NoAnswer): Outcome<never> {
  return { source: sourceOfError(error), value: null, error };
}

/** Whether the backend was asked at all: what it cannot be asked, or has no place for, is no failure of its. */
export function wasAsked({ source: { status } }: Outcome<unknown>): boolean {
  return status !== "NOT_SEARCHABLE" && status !== "NOT_CONFIGURED";
}

/** What those who were asked could not say. */
export function errorsIn(asked: readonly Outcome<unknown>[]): NoAnswer[] {
  return asked.flatMap((outcome) => (outcome.error && wasAsked(outcome) ? [outcome.error] : []));
}

/** The value that was found, or null where its absence was proved; throws where nobody could say. */
export function provenValue<T>(backend: string, answer: Answer<T>): T | null {
  if (answer.kind === "UNKNOWN") throw noAnswer(backend, answer);
  return answer.kind === "FOUND" ? answer.value : null;
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
