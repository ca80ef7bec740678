import type { IncomingMessage, ServerResponse } from "node:http";
import { GraphQLError } from "graphql";
import type { InputCode } from "../../graph/errors.ts";
import type { JsonType } from "./negotiation.ts";

/** Codes of refusals: those of bad input, and what HTTP, credentials and persisted operations add. */
export type RefusalCode =
  | InputCode
  | "FORBIDDEN"
  | "INTERNAL_SERVER_ERROR"
  | "PERSISTED_QUERY_NOT_FOUND"
  | "PERSISTED_QUERY_NOT_IN_LIST"
  | "PERSISTED_QUERY_NOT_SUPPORTED"
  | "PERSISTED_QUERY_ONLY"
  | "SERVICE_UNAVAILABLE"
  | "UNAUTHENTICATED";

/** Headers of an answer, by lower-case name. */
export type AnswerHeaders = Readonly<Record<string, string>>;

/** Why a request, or one question of a batch, is not run: an answer without data. */
export class Refusal {
  readonly status: number;
  readonly errors: readonly GraphQLError[];
  /** Headers that belong to the status, such as `allow`. */
  readonly headers: AnswerHeaders;

  constructor(status: number, errors: readonly GraphQLError[], headers: AnswerHeaders = {}) {
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}

/** What a refusal says beside its message. */
export interface RefusalDetails {
  /** Default 400. */
  readonly status?: number;
  /** Default `BAD_USER_INPUT`. */
  readonly code?: RefusalCode;
  /** Whether the same request may succeed later; default false. */
  readonly retryable?: boolean;
  readonly headers?: AnswerHeaders;
}

/** A refusal with one error. */
export function refuse(message: string, details: RefusalDetails = {}): Refusal {
  const { status = 400, code = "BAD_USER_INPUT", retryable = false, headers = {} } = details;
  return new Refusal(status, [new GraphQLError(message, { extensions: { code, retryable } })], headers);
}

/** The answer that a refusal is. */
export function refusalText({ errors }: Refusal): string {
  return JSON.stringify({ errors });
}

/** Sends a refusal, in a form that GraphQL clients read. */
export function sendRefusal(
  { method }: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
  type: JsonType,
): void {
  const text = refusalText(refusal);
  response.writeHead(refusal.status, {
    ...refusal.headers,
    "cache-control": "no-store",
    "content-type": `${type}; charset=utf-8`,
    "content-length": Buffer.byteLength(text),
  });
  response.end(method === "HEAD" ? undefined : text);
}
