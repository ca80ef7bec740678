import type { GraphQLResolveInfo } from "graphql";
import type { Answer, Unknown } from "../../backends/answers.ts";
import type { Readers } from "../../backends/backend.ts";
import type { Origin } from "../../model/backend.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Call } from "../../upstream/operation.ts";
import { type Context, type ReaderName, readerOf } from "../context.ts";
import { type NoAnswer, noAnswer, statusOf, toGraphQLError, UnansweredError } from "../errors.ts";
import type { SourceStatus } from "../generated/resolvers.ts";

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
   * What the backend could not say, for `errors[]`: all of it where there is no value, else what may be missing beside
   * the value. Null where the answer is whole: found, or proved to be absent.
   */
  readonly error: NoAnswer | null;
}

/** A source for an answer that was had. */
export function sourceFrom(origin: Origin, status: SourceStatus = "OK"): SourceParent {
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
export function sourceWithStatus(backend: string, status: SourceStatus): SourceParent {
  return { backend, status, fetchedAt: null, retryAfterMs: null, upstreamCode: null, traceId: null };
}

/** The whole answer of a question that was asked before. */
export function outcomeFrom<T>(origin: Origin, value: T): Outcome<T> {
  return { source: sourceFrom(origin), value, error: null };
}

/** A source for an answer that could not be had. */
function sourceOfError(error: NoAnswer): SourceParent {
  if (!(error instanceof UpstreamError)) return sourceWithStatus(error.backend, statusOf(error));
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
 * Awaits one backend's answer. Only an absence that was proved becomes ABSENT. What was found is OK or STALE, and
 * PARTIAL where something may be missing from it; an unknown has the status of its reason. A failure is its status;
 * anything else thrown is a bug and passes through.
 */
export function outcomeOf<T>(
  backend: string,
  asked: Promise<Answer<T>>,
  originOf: (value: T) => Origin | null,
): Promise<Outcome<T>> {
  return asked.then(
    (answer) => outcomeIn(backend, answer, originOf),
    (error: unknown): Outcome<T> => {
      if (error instanceof UpstreamError || error instanceof UnansweredError) return unanswered(error);
      throw error;
    },
  );
}

/** As {@link outcomeOf}, of an answer that is there. */
export function outcomeIn<T>(backend: string, answer: Answer<T>, originOf: (value: T) => Origin | null): Outcome<T> {
  if (answer.kind === "ABSENT") return { source: sourceWithStatus(backend, "ABSENT"), value: null, error: null };
  if (answer.kind === "UNKNOWN") return couldNotSay(backend, answer);
  const { value, gap } = answer;
  const origin = originOf(value);
  const status = gap === null ? "OK" : "PARTIAL";
  return {
    source: origin ? sourceFrom(origin, status) : sourceWithStatus(backend, status),
    value,
    error: gap && noAnswer(backend, gap),
  };
}

/** The outcome of a question that a backend could not answer, or that it was not asked for this reason. */
export function couldNotSay(backend: string, answer: Unknown): Outcome<never> {
  return unanswered(noAnswer(backend, answer));
}

/** The outcome of a question that was not answered because of this. */
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

/** The first thing that one of these backends could not say; null when all answered. */
export function failureIn(asked: readonly Outcome<unknown>[]): NoAnswer | null {
  return errorsIn(asked)[0] ?? null;
}

/** The value that was found, or null where its absence was proved; throws where the answer is unknown. */
export function provenValue<T>(backend: string, answer: Answer<T>): T | null {
  if (answer.kind === "UNKNOWN") throw noAnswer(backend, answer);
  return answer.kind === "FOUND" ? answer.value : null;
}

/** What a status says of the question it answers. */
type Weight = "FOUND" | "ABSENT" | "UNASKED" | "UNANSWERED";

/** The one table of what a status is worth beside others of the same backend. */
const weights: Readonly<Record<SourceStatus, Weight>> = {
  OK: "FOUND",
  STALE: "FOUND",
  PARTIAL: "FOUND",
  ABSENT: "ABSENT",
  NOT_SEARCHABLE: "UNASKED",
  NOT_CONFIGURED: "UNASKED",
  OVER_BUDGET: "UNANSWERED",
  THROTTLED: "UNANSWERED",
  TIMEOUT: "UNANSWERED",
  DENIED: "UNANSWERED",
  MALFORMED: "UNANSWERED",
  DOWN: "UNANSWERED",
};

// Of one weight, the graver stands for the others.
const gravity: readonly SourceStatus[] = Object.keys(weights) as SourceStatus[];

/**
 * One entry a backend, in the order they first appear. Of a backend that was asked several things it is the status of
 * the most telling answer. What was found is OK or STALE where every question was answered, and PARTIAL where one was
 * not answered or could not be asked. Where nothing was found: the gravest failure; else ABSENT, whatever could not be
 * asked beside it; else why it was not asked.
 */
export function combineSources(sources: readonly SourceParent[]): SourceParent[] {
  const byBackend = Map.groupBy(sources, ({ backend }) => backend);
  return [...byBackend.values()].flatMap((sources) => combined(sources) ?? []);
}

function combined(sources: readonly SourceParent[]): SourceParent | null {
  const gravest = (weight: Weight) =>
    sources
      .filter(({ status }) => weights[status] === weight)
      .toSorted((a, b) => gravity.indexOf(b.status) - gravity.indexOf(a.status))
      .at(0) ?? null;
  const [found, absent] = [gravest("FOUND"), gravest("ABSENT")];
  const [unasked, unanswered] = [gravest("UNASKED"), gravest("UNANSWERED")];
  if (!found) return unanswered ?? absent ?? unasked;
  const open = unanswered ?? unasked;
  return open ? { ...open, status: "PARTIAL", fetchedAt: found.fetchedAt } : found;
}

/**
 * The source as it is known now: where a stale response has replaced an answer of its backend within this operation, OK
 * and ABSENT are as old as that response.
 */
export function aged(call: Call, source: SourceParent): SourceParent {
  const since = call.staleResponses?.oldest(source.backend) ?? null;
  if (since === null || !["OK", "ABSENT", "STALE"].includes(source.status)) return source;
  const isOlder = source.fetchedAt !== null && source.fetchedAt < since;
  return { ...source, status: "STALE", fetchedAt: isOlder ? source.fetchedAt : since };
}

/** Whether every backend that could know has answered in full, and now. */
export function isComplete(call: Call, sources: readonly SourceParent[]): boolean {
  return sources.map((source) => aged(call, source)).every(({ status }) => status === "OK" || status === "ABSENT");
}

/**
 * What a nullable look-up field answers: null only where the absence was proved, or where the backend is not configured
 * (any more). What may be missing from a value is reported at the field's place. Throws where the answer is unknown.
 */
export async function lookUp<K extends ReaderName, T>(
  context: Context,
  info: GraphQLResolveInfo,
  name: K,
  backend: string,
  ask: (reader: NonNullable<Readers[K]>) => Promise<Answer<T>>,
): Promise<T | null> {
  const reader = readerOf(context, name, backend);
  if (!reader) return null;
  const answer = await ask(reader);
  if (answer.kind === "FOUND" && answer.gap) reportHere(context, info, noAnswer(backend, answer.gap));
  return provenValue(backend, answer);
}

/**
 * What several backends know, together; empty where all who were asked have proved that they have none. What others
 * could not say is reported at the field's place. Throws where none of them could say.
 */
export function gather<T>(
  context: Context,
  info: GraphQLResolveInfo,
  outcomes: readonly Outcome<readonly T[]>[],
): readonly T[] {
  const failures = errorsIn(outcomes);
  const first = failures[0] ?? outcomes[0]?.error;
  if (first && !outcomes.some(({ value, source }) => value !== null || source.status === "ABSENT")) throw first;
  for (const failure of failures) reportHere(context, info, failure);
  return outcomes.flatMap(({ value }) => value ?? []);
}

/** Adds to `errors`, at the field that is being resolved, what is unknown; nulls nothing. */
export function reportHere(context: Context, info: GraphQLResolveInfo, error: NoAnswer): void {
  context.report(toGraphQLError(error, pathOf(info)));
}

/** The response path of the field that is being resolved. */
export function pathOf(info: GraphQLResolveInfo): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: GraphQLResolveInfo["path"] | undefined = info.path; at; at = at.prev) path.unshift(at.key);
  return path;
}
