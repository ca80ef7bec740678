import { GraphQLError } from "graphql";
import type { DroppedRow } from "../model/backend.ts";
import { type Failure, isOutOfTime, isQueueFull, UpstreamError } from "../upstream/errors.ts";
import type { SourceStatus } from "./generated/resolvers.ts";

/** Codes of refused requests: told before any upstream call. */
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

type UpstreamCode =
  | "UPSTREAM_TIMEOUT"
  | "UPSTREAM_UNAVAILABLE"
  | "UPSTREAM_THROTTLED"
  | "UPSTREAM_UNAUTHENTICATED"
  | "UPSTREAM_FORBIDDEN"
  | "UPSTREAM_MALFORMED"
  | "UPSTREAM_BUDGET_EXCEEDED";

/**
 * The one table from failures to what clients see. REJECTED (a 4xx to a request we built) shares MALFORMED: backend and
 * gateway do not understand each other, and asking again will not help. NOT_FOUND reaches here only for a call that a
 * healthy backend cannot answer so.
 */
const outcomes: Readonly<Record<Failure, { code: UpstreamCode; status: SourceStatus; says: string }>> = {
  NOT_FOUND: { code: "UPSTREAM_MALFORMED", status: "ABSENT", says: "has nothing at a place that must exist" },
  DENIED: { code: "UPSTREAM_FORBIDDEN", status: "DENIED", says: "does not let these credentials see this" },
  REJECTED: { code: "UPSTREAM_MALFORMED", status: "MALFORMED", says: "did not understand the question" },
  THROTTLED: { code: "UPSTREAM_THROTTLED", status: "THROTTLED", says: "asks to be asked less often" },
  TIMED_OUT: { code: "UPSTREAM_TIMEOUT", status: "TIMEOUT", says: "did not answer in time" },
  UNAVAILABLE: { code: "UPSTREAM_UNAVAILABLE", status: "DOWN", says: "is not reachable or is failing" },
  MALFORMED: { code: "UPSTREAM_MALFORMED", status: "MALFORMED", says: "sent an answer that cannot be read" },
  OVER_BUDGET: {
    code: "UPSTREAM_BUDGET_EXCEEDED",
    status: "OVER_BUDGET",
    says: "was not asked: this operation has used up its upstream calls",
  },
};

/** The status a failure leaves in `sources`. */
export function statusOf(error: UpstreamError): SourceStatus {
  return outcomes[error.failure].status;
}

/** What a client may know of an upstream failure: our words, the closed code, and the vendor's stable code if it has one. */
export function toGraphQLError(error: UpstreamError, path?: readonly (string | number)[]): GraphQLError {
  const { code, says } = outcomes[error.failure];
  return new GraphQLError(messageOf(error, says), {
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

function messageOf(error: UpstreamError, says: string): string {
  const backend = `backend "${error.backend}"`;
  if (isQueueFull(error)) return `The gateway's queue for the ${backend} is full: too many of your calls wait in it.`;
  if (isOutOfTime(error)) return `The ${backend} was not asked: this operation has used up its time.`;
  return `The ${backend} ${says}.`;
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
  if (cause instanceof UpstreamError) return placed(toGraphQLError(cause), error);
  if (!(cause instanceof GraphQLError)) return null;
  return error instanceof GraphQLError ? placed(cause, error) : cause;
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
