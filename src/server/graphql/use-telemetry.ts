import type { IncomingMessage, ServerResponse } from "node:http";
import type { ExecutionResult } from "graphql";
import type { Exchange } from "../../upstream/events.ts";
import { headersOf, traceParentOf } from "../http/request.ts";
import type { OperationHandle, OperationOutcome, Telemetry } from "../observability/telemetry.ts";
import { isBug } from "./use-masked-errors.ts";

/** Begins an operation of a request; it ends as `left` when the connection closes before its answer. */
export type BeginOperation = (of: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}) => OperationHandle;

/** Reports the operations of requests to telemetry. */
export function useTelemetry(telemetry: Telemetry): BeginOperation {
  return ({ request, response, requestId }) => {
    const operation = telemetry.begin({ requestId, parent: traceParentOf(headersOf(request)) });
    response.once("close", () => operation.end("left"));
    return operation;
  };
}

/** The outcome of an operation with this result. */
export function outcomeOf({ data, errors }: ExecutionResult): OperationOutcome {
  if (!errors || errors.length === 0) return "ok";
  if (errors.some(isBug)) return "bug";
  if (data === undefined) return "refused";
  return data !== null && Object.values(data).some((value) => value !== null) ? "partial" : "failed";
}

/** Whether a call brought less than the backend can bring: a failure, or a stale answer of the cache. */
export function isDegraded({ outcome, error, via }: Exchange): boolean {
  // NOT_FOUND is an answer.
  return via === "STALE" || (error !== null && outcome !== "NOT_FOUND");
}
