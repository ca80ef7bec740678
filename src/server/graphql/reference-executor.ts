import { normalizedExecutor } from "@graphql-tools/executor";
import type { DocumentNode, ExecutionResult, GraphQLSchema } from "graphql";
import { type AnswerMeter, meteredResolver } from "../../graph/cost/answer-meter.ts";

/** The input of the reference executor. */
export interface ReferenceExecution {
  readonly schema: GraphQLSchema;
  /** Validated. */
  readonly document: DocumentNode;
  /** Null where the document has one operation. */
  readonly operationName: string | null;
  /** As they were sent. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Its meter counts the answer while it is made, and aborts the execution of an answer that is too large. */
  readonly context: { readonly meter: AnswerMeter | null };
  /** Aborts the execution; its result is dropped. */
  readonly signal: AbortSignal;
}

/** One part of an answer in parts: the first has `data`, those that follow have `incremental`. */
export interface Part extends ExecutionResult {
  readonly incremental?: readonly ExecutionResult[];
  readonly hasNext?: boolean;
}

/**
 * Executes any operation by the specification: introspection, mutations, and `@defer` in parts, the last of which has
 * `hasNext: false`. An answer that is too large is a refusal, or ends in one. Rejects when the signal aborts.
 */
export async function executeReference({
  schema,
  document,
  operationName,
  variables,
  context,
  signal,
}: ReferenceExecution): Promise<ExecutionResult | AsyncIterable<Part>> {
  const { meter } = context;
  const tooLarge = new AbortController();
  meter?.onRefusal(() => tooLarge.abort(meter.refusal()));
  try {
    const result: ExecutionResult | AsyncIterable<Part> = await normalizedExecutor({
      schema,
      document,
      operationName,
      variableValues: variables,
      contextValue: context,
      fieldResolver: meteredResolver,
      signal: AbortSignal.any([signal, tooLarge.signal]),
    });
    if (meter === null) return result;
    return isInParts(result) ? endWithRefusal(result, meter) : (refusalOf(meter) ?? result);
  } catch (error) {
    const refusal = meter && refusalOf(meter);
    if (refusal) return refusal;
    throw error;
  }
}

function refusalOf(meter: AnswerMeter): ExecutionResult | null {
  const refusal = meter.refusal();
  return refusal && { errors: [refusal], data: null };
}

/** The parts of an answer, and a last one that refuses the rest of an answer that is too large. */
async function* endWithRefusal(parts: AsyncIterable<Part>, meter: AnswerMeter): AsyncGenerator<Part> {
  try {
    for await (const part of parts) {
      if (meter.refusal()) break;
      yield part;
    }
  } catch (error) {
    if (!meter.refusal()) throw error;
  }
  const refusal = refusalOf(meter);
  if (refusal) yield { incremental: [refusal], hasNext: false };
}

/** Whether an answer comes in parts. */
export function isInParts(result: ExecutionResult | AsyncIterable<Part>): result is AsyncIterable<Part> {
  return Symbol.asyncIterator in result;
}
