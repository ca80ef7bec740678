import type { IncomingMessage, ServerResponse } from "node:http";
import { type ExecutionResult, GraphQLError, getOperationAST } from "graphql";
import type { Plugin } from "graphql-yoga";
import type { Context } from "../graph/context.ts";
import type { Log } from "./log.ts";
import { traceParentOf } from "./request-id.ts";
import type { Operation, OperationOutcome, Telemetry } from "./telemetry.ts";

/** What the endpoint is handed beside the request. */
export interface Arriving {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly requestId: string;
}

/** Operations under way, by their context. */
export interface Watch {
  readonly plugin: Plugin<Context & Arriving, Arriving>;
  readonly of: (context: object) => Operation | null;
  /** Tells that an answer in parts is complete; its bugs are logged here, as no request id can be added to what is out. */
  readonly done: (context: object, result: ExecutionResult) => void;
  /** The same answer with the request's id in what is a bug of the gateway, which is logged. */
  readonly finish: (result: ExecutionResult, requestId: string) => ExecutionResult;
}

/** Bugs behind masked errors, for the log. */
export type Causes = WeakMap<GraphQLError, unknown>;

/**
 * Tells telemetry of each operation from its arrival to its answer, whatever becomes of it, and gives an error of the
 * gateway itself the request's id: in the answer, and in the log beside its cause.
 */
export function createWatch(telemetry: Telemetry, log: Log, causes: Causes): Watch {
  const operations = new WeakMap<object, Operation>();
  const finish = <R extends ExecutionResult>(result: R, requestId: string): R => {
    const { errors } = result;
    if (!errors?.some(isBug)) return result;
    for (const error of errors) {
      if (causes.has(error)) log.error({ err: causes.get(error), requestId }, "a bug of the gateway");
    }
    return { ...result, errors: errors.map((error) => (isBug(error) ? withRequestId(error, requestId) : error)) };
  };
  const plugin: Plugin<Context & Arriving, Arriving> = {
    onParams: ({ request, context }) => {
      const operation = telemetry.begin({ requestId: context.requestId, parent: traceParentOf(request.headers) });
      operations.set(context, operation);
      context.res.once("close", () => operation.end("left"));
    },
    onExecute: ({ args: { document, operationName, contextValue } }) => {
      const name = getOperationAST(document, operationName)?.name?.value ?? null;
      operations.get(contextValue)?.run(name, contextValue.call);
    },
    onExecutionResult: ({ result, context }) => {
      if (result && !(Symbol.asyncIterator in result)) operations.get(context)?.end(outcomeOf(result));
    },
    onResultProcess: ({ result, setResult, serverContext: { requestId } }) => {
      if (Symbol.asyncIterator in result) return;
      const finished = <R extends ExecutionResult>(one: R): R => finish(one, requestId);
      setResult(Array.isArray(result) ? result.map(finished) : finished(result));
    },
  };
  const done: Watch["done"] = (context, result) => {
    const requestId = operations.get(context)?.watched.requestId;
    for (const error of result.errors ?? []) {
      if (causes.has(error)) log.error({ err: causes.get(error), requestId }, "a bug of the gateway");
    }
    operations.get(context)?.end(outcomeOf(result));
  };
  return { plugin, of: (context) => operations.get(context) ?? null, done, finish };
}

/** How an operation ended, by what it answers. */
export function outcomeOf({ data, errors }: ExecutionResult): OperationOutcome {
  if (!errors || errors.length === 0) return "ok";
  if (errors.some(isBug)) return "bug";
  if (data === undefined) return "refused";
  return data !== null && Object.values(data).some((value) => value !== null) ? "partial" : "failed";
}

function isBug({ extensions }: GraphQLError): boolean {
  return extensions["code"] === "INTERNAL_SERVER_ERROR";
}

function withRequestId(error: GraphQLError, requestId: string): GraphQLError {
  return new GraphQLError(error.message, {
    nodes: error.nodes ?? null,
    path: error.path ?? null,
    extensions: { ...error.extensions, requestId },
  });
}
