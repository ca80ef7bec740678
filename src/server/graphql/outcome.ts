import { type ExecutionResult, GraphQLError } from "graphql";
import type { Log } from "../observability/log.ts";
import type { OperationOutcome } from "../observability/telemetry.ts";
import type { Causes } from "./masking.ts";

/** How an operation ended, by what it answers. */
export function outcomeOf({ data, errors }: ExecutionResult): OperationOutcome {
  if (!errors || errors.length === 0) return "ok";
  if (errors.some(isBug)) return "bug";
  if (data === undefined) return "refused";
  return data !== null && Object.values(data).some((value) => value !== null) ? "partial" : "failed";
}

/**
 * Errors in the order of the document, and of a list's entries: the order in which they came about depends on the way of
 * running. Those without a place in the document come last, as they are.
 */
export function inDocumentOrder(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  return errors.length < 2 ? errors : errors.toSorted((one, other) => compareNumbers(placeOf(one), placeOf(other)));
}

/** Line and column, then the indices of the path. */
function placeOf({ locations, path }: GraphQLError): readonly number[] {
  const [first] = locations ?? [];
  if (first === undefined) return [Number.POSITIVE_INFINITY];
  return [first.line, first.column, ...(path ?? []).filter((part) => typeof part === "number")];
}

function compareNumbers(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index]);
  if (at < 0) return one.length - other.length;
  const [left = 0, right] = [one[at], other[at]];
  return right === undefined ? 1 : left < right ? -1 : 1;
}

/** Logs the bugs of the gateway behind an answer's masked errors, each with its cause and the request's id. */
export function logBugs(log: Log, causes: Causes, { errors }: ExecutionResult, requestId: string): void {
  for (const error of errors ?? []) {
    if (causes.has(error)) log.error({ err: causes.get(error), requestId }, "a bug of the gateway");
  }
}

/** The same answer with the request's id in what is a bug of the gateway. */
export function withRequestId<R extends ExecutionResult>(result: R, requestId: string): R {
  const { errors } = result;
  if (!errors?.some(isBug)) return result;
  return { ...result, errors: errors.map((error) => (isBug(error) ? identified(error, requestId) : error)) };
}

function isBug({ extensions }: GraphQLError): boolean {
  return extensions["code"] === "INTERNAL_SERVER_ERROR";
}

function identified(error: GraphQLError, requestId: string): GraphQLError {
  return new GraphQLError(error.message, {
    nodes: error.nodes ?? null,
    path: error.path ?? null,
    extensions: { ...error.extensions, requestId },
  });
}
