import { type ASTNode, GraphQLError, type Source } from "graphql";
import type { Unknown, UnknownReason } from "../backends/answers.ts";
import type { DroppedRow } from "../model/backend.ts";
import { type Failure, isOutOfTime, isQueueFull, UpstreamError } from "../upstream/errors.ts";
import { AddressTooLong } from "../upstream/operation.ts";
import type { SourceStatus } from "./generated/resolvers.ts";

/** Codes of refused requests: answered before any upstream call. */
export type InputCode =
  | "BAD_USER_INPUT"
  | "BAD_ID"
  | "BAD_CURSOR"
  | "BACKEND_NOT_CONFIGURED"
  | "COST_LIMIT_EXCEEDED"
  | "DEPTH_LIMIT_EXCEEDED"
  | "TOKEN_LIMIT_EXCEEDED";

/** An error about what the caller sent. */
export function badInput(code: InputCode, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, retryable: false } });
}

/** BAD_USER_INPUT about one place of the document. */
export function badInputAt(node: ASTNode, message: string): GraphQLError {
  return new GraphQLError(message, { nodes: [node], extensions: { code: "BAD_USER_INPUT", retryable: false } });
}

/** An error about one place of a text that was not read to its end. */
export function badInputIn(source: Source, position: number, code: InputCode, message: string): GraphQLError {
  return new GraphQLError(message, { source, positions: [position], extensions: { code, retryable: false } });
}

type UpstreamCode =
  | "UPSTREAM_TIMEOUT"
  | "UPSTREAM_UNAVAILABLE"
  | "UPSTREAM_THROTTLED"
  | "UPSTREAM_UNAUTHENTICATED"
  | "UPSTREAM_FORBIDDEN"
  | "UPSTREAM_MALFORMED"
  | "UPSTREAM_BUDGET_EXCEEDED";

/** A backend that could not say, although none of its calls failed: thrown where a field is null because of it. */
export class UnansweredError extends Error {
  override readonly name = "UnansweredError";
  /** Configured name. */
  readonly backend: string;
  readonly reason: NotFailed;

  constructor(backend: string, reason: NotFailed) {
    super(`${backend}: ${reason}`);
    this.backend = backend;
    this.reason = reason;
  }
}

/** Why a backend could not say, as what is thrown or reported for it: its failure, or the reason that is none. */
export type NoAnswer = UpstreamError | UnansweredError;

/** What is thrown or reported for an answer that is unknown. */
export function noAnswer(backend: string, { reason, failure }: Unknown): NoAnswer {
  if (failure) return failure;
  if (reason === "FAILED") throw new TypeError("an unknown answer of reason FAILED has no failure");
  return new UnansweredError(backend, reason);
}

type NotFailed = Exclude<UnknownReason, "FAILED">;

/**
 * The one table of what clients see of an answer that could not be had: the code, the status of the source, and what
 * the message has after the backend's name. NOT_SEARCHABLE and NOT_CONFIGURED: the backend was not asked. REJECTED (a
 * 4xx to a request we built) shares MALFORMED: backend and gateway do not understand each other, and asking again will
 * not help. NOT_FOUND reaches here only for a call that a healthy backend cannot answer so.
 */
const unanswered: Readonly<
  Record<NotFailed | Failure, readonly [code: UpstreamCode | "BACKEND_NOT_CONFIGURED", SourceStatus, message: string]>
> = {
  LEFT_OUT: ["UPSTREAM_MALFORMED", "PARTIAL", "answered other keys of the same question, and not this one"],
  NOT_SEARCHABLE: [
    "UPSTREAM_MALFORMED",
    "NOT_SEARCHABLE",
    "cannot be searched for this: ask by a repository, a key or a reference",
  ],
  NOT_CONFIGURED: [
    "BACKEND_NOT_CONFIGURED",
    "NOT_CONFIGURED",
    "was not asked: its configuration names no place to look in",
  ],
  NARROW_SEARCH: [
    "UPSTREAM_FORBIDDEN",
    "PARTIAL",
    "found nothing in a search that may see less than these credentials may read: ask by its key",
  ],
  LOSSY_NAME: [
    "UPSTREAM_MALFORMED",
    "PARTIAL",
    "found nothing under this spelling of the name, and may spell it otherwise: ask by its key",
  ],
  DETAIL_MISSING: ["UPSTREAM_MALFORMED", "PARTIAL", "lists this, and says of its details that they do not exist"],
  UNCHECKED_ORDER: [
    "UPSTREAM_MALFORMED",
    "PARTIAL",
    "did not keep the order that was asked for, or tells no dates: which is the newest is not known",
  ],
  LOST_ROWS: ["UPSTREAM_MALFORMED", "MALFORMED", "sent rows that cannot be read, or fewer than it counts"],
  UNREAD: [
    "UPSTREAM_BUDGET_EXCEEDED",
    "OVER_BUDGET",
    "has more rows than are read for one answer: ask for fewer, or by a key",
  ],
  NOT_FOUND: ["UPSTREAM_MALFORMED", "MALFORMED", "has nothing at a place that must exist"],
  DENIED: ["UPSTREAM_FORBIDDEN", "DENIED", "does not let these credentials see this"],
  REJECTED: ["UPSTREAM_MALFORMED", "MALFORMED", "did not understand the question"],
  THROTTLED: ["UPSTREAM_THROTTLED", "THROTTLED", "asks to be asked less often"],
  TIMED_OUT: ["UPSTREAM_TIMEOUT", "TIMEOUT", "did not answer in time"],
  UNAVAILABLE: ["UPSTREAM_UNAVAILABLE", "DOWN", "is not reachable or is failing"],
  MALFORMED: ["UPSTREAM_MALFORMED", "MALFORMED", "sent an answer that cannot be read"],
  OVER_BUDGET: [
    "UPSTREAM_BUDGET_EXCEEDED",
    "OVER_BUDGET",
    "was not asked: this operation has used up its upstream calls",
  ],
};

/** The status that an answer which could not be had leaves in `sources`; never ABSENT. */
export function statusOf(error: NoAnswer): SourceStatus {
  const [, status] = unanswered[error instanceof UpstreamError ? error.failure : error.reason];
  return status;
}

/**
 * What a client may know of an answer that could not be had: our words, the closed code, and of a failure the vendor's
 * stable code if it has one.
 */
export function toGraphQLError(error: NoAnswer, path?: readonly (string | number)[]): GraphQLError {
  if (error instanceof UnansweredError) {
    const [code, , message] = unanswered[error.reason];
    return new GraphQLError(`The backend "${error.backend}" ${message}.`, {
      path: path ?? null,
      extensions: { code, backend: error.backend, retryable: false },
    });
  }
  const [code, , message] = unanswered[error.failure];
  return new GraphQLError(messageOf(error, message), {
    path: path ?? null,
    extensions: {
      code: error.failure === "DENIED" && error.status === 401 ? "UPSTREAM_UNAUTHENTICATED" : code,
      backend: error.backend,
      // What ran out was this operation's time: it was not asked again within it, but may well be in another one.
      retryable: error.retryable || error.failure === "TIMED_OUT" || isOutOfTime(error),
      ...(error.retryAfterMs === null ? {} : { retryAfterMs: error.retryAfterMs }),
      ...(error.code === null ? {} : { upstreamCode: error.code }),
      ...(error.status === null ? {} : { upstreamStatus: error.status }),
      ...(error.traceId === null ? {} : { traceId: error.traceId }),
      ...(error.operation === null ? {} : { operation: error.operation }),
    },
  });
}

function messageOf(error: UpstreamError, message: string): string {
  const backend = `backend "${error.backend}"`;
  if (isQueueFull(error)) return `The gateway's queue for the ${backend} is full: too many of your calls wait in it.`;
  if (isOutOfTime(error)) return `The ${backend} was not asked: this operation has used up its time.`;
  return `The ${backend} ${message}.${error.advice === null ? "" : ` ${error.advice}`}`;
}

/** The error that tells of a row left out of a list. */
export function droppedRowError(backend: string, row: DroppedRow, path: readonly (string | number)[]): GraphQLError {
  return new GraphQLError(`Row ${row.index} of the answer of "${backend}" was left out: ${row.reason}.`, {
    path,
    extensions: { code: "UPSTREAM_MALFORMED", backend, retryable: false, operation: row.operation },
  });
}

/**
 * Whatever a resolver threw, as it may leave the gateway and where it happened; null for a bug of ours, which the
 * server masks and logs.
 */
export function toPublicError(error: unknown): GraphQLError | null {
  const cause = rootCause(error);
  if (cause instanceof UpstreamError || cause instanceof UnansweredError) return placed(toGraphQLError(cause), error);
  if (cause instanceof AddressTooLong) return placed(tooLong(), error);
  if (!(cause instanceof GraphQLError)) return null;
  return error instanceof GraphQLError ? placed(cause, error) : cause;
}

function tooLong(): GraphQLError {
  return badInput("BAD_USER_INPUT", "The names in this question make an address that is too long to be sent.");
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? rootCause(error.originalError) : error;
}

function placed(error: GraphQLError, at: unknown): GraphQLError {
  if (!(at instanceof GraphQLError) || at === error) return error;
  return new GraphQLError(error.message, {
    nodes: at.nodes ?? error.nodes ?? null,
    source: at.source ?? error.source ?? null,
    positions: at.positions ?? error.positions ?? null,
    path: at.path ?? error.path ?? null,
    extensions: error.extensions,
  });
}

/** Most errors of one answer; one more has the number of the others. */
export const mostErrors = 100;

/** Errors that one error stands for. */
const omitted = new WeakMap<GraphQLError, number>();

/**
 * Adds an error that stands for `count` like it; beyond {@link mostErrors} they are only counted, and it returns false.
 */
export function report(errors: GraphQLError[], error: GraphQLError, count: number = omitted.get(error) ?? 1): boolean {
  if (errors.length < mostErrors) {
    errors.push(error);
    return true;
  }
  const before = errors[mostErrors];
  errors[mostErrors] = andMore((before ? (omitted.get(before) ?? 0) : 0) + count, error);
  return false;
}

/** The errors of an answer: {@link mostErrors} at most, and one that says how many more there were. */
export function boundErrors(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  if (errors.length <= mostErrors) return errors;
  const bound: GraphQLError[] = [];
  // Those that stand for others come last, wherever they were put together.
  for (const error of errors) if (!omitted.has(error)) report(bound, error);
  for (const error of errors) if (omitted.has(error)) report(bound, error);
  return bound;
}

function andMore(count: number, error: GraphQLError): GraphQLError {
  const { code, retryable } = toPublicError(error)?.extensions ?? {};
  const more = new GraphQLError(`And ${count} more ${count === 1 ? "error" : "errors"}.`, {
    extensions: { code: code ?? "INTERNAL_SERVER_ERROR", retryable: retryable ?? false },
  });
  omitted.set(more, count);
  return more;
}
