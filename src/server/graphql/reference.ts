import { normalizedExecutor } from "@graphql-tools/executor";
import type { DocumentNode, ExecutionResult, GraphQLSchema } from "graphql";
import { type AnswerMeter, meteredResolver } from "../../graph/cost/answer-meter.ts";

/** What is run, and for whom. */
export interface Execution {
  readonly schema: GraphQLSchema;
  /** Validated. */
  readonly document: DocumentNode;
  /** Null where the document has one operation. */
  readonly operationName: string | null;
  /** As they were sent. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Its meter counts the answer while it is made, and ends the run when it has become too large. */
  readonly context: { readonly meter: AnswerMeter | null };
  /** Ends the run; what it has come to is thrown away then. */
  readonly signal: AbortSignal;
}

/** One part of an answer in parts: the first has `data`, those that follow have `incremental`. */
export interface Part extends ExecutionResult {
  readonly incremental?: readonly ExecutionResult[];
  readonly hasNext?: boolean;
}

/**
 * Runs any operation, by the rules of the specification as they are written down: introspection, mutations, and `@defer`
 * in parts, the last of which has `hasNext: false`. An answer that is too large is a refusal, or ends in one. Rejects when
 * the signal aborts.
 */
export async function runReference(execution: Execution): Promise<ExecutionResult | AsyncIterable<Part>> {
  const { schema, document, operationName, variables, context, signal } = execution;
  const { meter } = context;
  const over = new AbortController();
  meter?.onRefusal(() => over.abort(meter.refusal()));
  try {
    const result: ExecutionResult | AsyncIterable<Part> = await normalizedExecutor({
      schema,
      document,
      operationName,
      variableValues: variables,
      contextValue: context,
      fieldResolver: meteredResolver,
      signal: AbortSignal.any([signal, over.signal]),
    });
    if (meter === null) return result;
    return isInParts(result) ? cutShort(result, meter) : (refusalIn(meter) ?? result);
  } catch (error) {
    const refusal = meter && refusalIn(meter);
    if (refusal) return refusal;
    throw error;
  }
}

function refusalIn(meter: AnswerMeter): ExecutionResult | null {
  const refusal = meter.refusal();
  return refusal && { errors: [refusal], data: null };
}

/** An answer in parts, the last of which says that it was too large. */
async function* cutShort(parts: AsyncIterable<Part>, meter: AnswerMeter): AsyncGenerator<Part> {
  try {
    for await (const part of parts) {
      if (meter.refusal()) break;
      yield part;
    }
  } catch (error) {
    if (!meter.refusal()) throw error;
  }
  const refusal = refusalIn(meter);
  if (refusal) yield { incremental: [refusal], hasNext: false };
}

/** Whether an answer comes in parts. */
export function isInParts(result: ExecutionResult | AsyncIterable<Part>): result is AsyncIterable<Part> {
  return Symbol.asyncIterator in result;
}
