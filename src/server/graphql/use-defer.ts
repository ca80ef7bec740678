import { type DocumentNode, type ExecutionResult, type GraphQLError, visit } from "graphql";
import { boundErrors } from "../../graph/errors.ts";
import type { Part } from "./reference-executor.ts";

/** How the parts of an answer are finished. */
export interface DeferOptions {
  readonly mask: (error: unknown) => GraphQLError;
  /** Errors that failed no field and are not reported yet: rows left out, missing parts of merged values. */
  readonly problems: GraphQLError[];
  /** Called for each finished part, and each of those that it brings along; its result is sent. */
  readonly finish: <R extends ExecutionResult>(part: R) => R;
  /** Called after the last part, or when the caller has left, with the first part's data and all errors. */
  readonly done: (result: ExecutionResult) => void;
}

/** Finishes the parts of a deferred answer: masks their errors, and adds the problems that were reported meanwhile. */
export async function* useDefer(
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

/** Changes a part, and each of those that it brings along. */
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

const deferred = new WeakMap<DocumentNode, boolean>();

/** Whether a document contains `@defer`. */
export function hasDefer(document: DocumentNode): boolean {
  const known = deferred.get(document);
  if (known !== undefined) return known;
  let found = false;
  visit(document, {
    Directive: ({ name }) => {
      found ||= name.value === "defer";
    },
  });
  deferred.set(document, found);
  return found;
}

/** The same document without `@defer`, for an answer in one piece. */
export function withoutDefer(document: DocumentNode): DocumentNode {
  return visit(document, {
    Directive: ({ name }) => (name.value === "defer" ? null : undefined),
  });
}
