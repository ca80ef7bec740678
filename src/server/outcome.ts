import { type ExecutionResult, GraphQLError } from "graphql";
import type { Log } from "./log.ts";
import type { Causes } from "./masking.ts";
import type { OperationOutcome } from "./telemetry.ts";

/** How an operation ended, by what it answers. */
export function outcomeOf({ data, errors }: ExecutionResult): OperationOutcome {
  if (!errors || errors.length === 0) return "ok";
  if (errors.some(isBug)) return "bug";
  if (data === undefined) return "refused";
  return data !== null && Object.values(data).some((value) => value !== null) ? "partial" : "failed";
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
