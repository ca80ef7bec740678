import { normalizedExecutor } from "@graphql-tools/executor";
import type { DocumentNode, ExecutionResult, GraphQLSchema } from "graphql";

/** What is run, and for whom. */
export interface Execution {
  readonly schema: GraphQLSchema;
  /** Validated. */
  readonly document: DocumentNode;
  /** Null where the document has one operation. */
  readonly operationName: string | null;
  /** As they were sent. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: unknown;
  /** Ends the run; what it has come to is thrown away then. */
  readonly signal: AbortSignal;
}

/** One part of an answer in parts: the first has `data`, those that follow have `incremental`. */
export interface Part extends ExecutionResult {
  readonly incremental?: readonly ExecutionResult[];
}

/**
 * Runs any operation, by the rules of the specification as they are written down: introspection, mutations, and `@defer`
 * in parts, the last of which has `hasNext: false`. Rejects when the signal aborts.
 */
export async function runReference(execution: Execution): Promise<ExecutionResult | AsyncIterable<Part>> {
  const { schema, document, operationName, variables, context, signal } = execution;
  return normalizedExecutor({
    schema,
    document,
    operationName,
    variableValues: variables,
    contextValue: context,
    signal,
  });
}

/** Whether an answer comes in parts. */
export function isInParts(result: ExecutionResult | AsyncIterable<Part>): result is AsyncIterable<Part> {
  return Symbol.asyncIterator in result;
}
