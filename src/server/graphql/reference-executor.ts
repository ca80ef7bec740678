import { normalizedExecutor } from "@graphql-tools/executor";
import { type DocumentNode, type ExecutionResult, type GraphQLError, type GraphQLSchema, visit } from "graphql";
import { type AnswerMeter, meteredResolver } from "../../graph/cost/answer-meter.ts";
import { boundErrors } from "../../graph/errors.ts";

/** One part of an answer in parts: the first has `data`, those that follow have `incremental`. */
export interface Part extends ExecutionResult {
  readonly incremental?: readonly ExecutionResult[];
  readonly hasNext?: boolean;
}

/**
 * Executes any operation by the specification: introspection, mutations, and `@defer` in parts, the last of which has
 * `hasNext: false`. The document is valid, the variables are as sent; `operationName` is null where there is one
 * operation. The meter of the context counts the answer while it is made: a too large one is a refusal, or ends in one.
 * Rejects when the signal aborts.
 */
export async function executeReference(execution: {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: { readonly meter: AnswerMeter | null };
  readonly signal: AbortSignal;
}): Promise<ExecutionResult | AsyncIterable<Part>> {
  const { schema, document, operationName, variables, context, signal } = execution;
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

interface DeferOptions {
  readonly mask: (error: unknown) => GraphQLError;
  /** Errors that failed no field and are not reported yet: rows left out, missing parts of merged values. */
  readonly problems: GraphQLError[];
  /** Called for each finished part, and each of those that it brings along; its result is sent. */
  readonly finish: <R extends ExecutionResult>(part: R) => R;
  /** Called after the last part, or when the caller has left, with the first part's data and all errors. */
  readonly done: (result: ExecutionResult) => void;
}

/** Finishes the parts of a deferred answer: masks their errors, and adds the problems that were reported meanwhile. */
export async function* finishParts(
  parts: AsyncIterable<Part>,
  { mask, problems, finish, done }: DeferOptions,
): AsyncGenerator<Part> {
  const masked = <R extends ExecutionResult>(one: R): R =>
    one.errors ? { ...one, errors: one.errors.map(mask) } : one;
  const finished = <R extends ExecutionResult>(one: R): R =>
    finish(one.errors ? { ...one, errors: boundErrors(one.errors) } : one);
  const sent: ExecutionResult[] = [];
  try {
    for await (const part of parts) {
      const complete = mapPart(withProblems(mapPart(part, masked), problems.splice(0)), finished);
      for (const one of complete.incremental ?? [complete]) sent.push(one);
      yield complete;
    }
  } finally {
    done({ data: sent[0]?.data ?? null, errors: sent.flatMap(({ errors }) => errors ?? []) });
  }
}

function mapPart(part: Part, change: <R extends ExecutionResult>(one: R) => R): Part {
  const { incremental } = part;
  return change(incremental ? { ...part, incremental: incremental.map(change) } : part);
}

/** Problems of the first part belong to the answer itself; later ones to the part that contains their place. */
function withProblems(part: Part, problems: readonly GraphQLError[]): Part {
  if (problems.length === 0) return part;
  const [first, ...rest] = part.incremental ?? [];
  if (!first) return { ...part, errors: [...(part.errors ?? []), ...problems] };
  return { ...part, incremental: [{ ...first, errors: [...(first.errors ?? []), ...problems] }, ...rest] };
}

const withoutDirective = new WeakMap<DocumentNode, DocumentNode>();

/** The same document without `@defer`, for an answer in one piece. */
export function withoutDefer(document: DocumentNode): DocumentNode {
  const known = withoutDirective.get(document);
  if (known !== undefined) return known;
  const changed = visit(document, { Directive: ({ name }) => (name.value === "defer" ? null : undefined) });
  withoutDirective.set(document, changed);
  return changed;
}
