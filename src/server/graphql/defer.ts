import { type DocumentNode, type ExecutionResult, type GraphQLError, visit } from "graphql";
import { boundErrors } from "../../graph/errors.ts";
import type { Part } from "./reference.ts";

/** What the parts of an answer pass on their way out. */
export interface PartsOptions {
  /** What may leave of an error. */
  readonly mask: (error: unknown) => GraphQLError;
  /** Errors that fail nothing, and have not been told yet: rows left out, parts of a merged answer that could not be had. */
  readonly problems: GraphQLError[];
  /** The last part is out, or whoever asked has left; told with the first part's data and the errors of all. */
  readonly done: (result: ExecutionResult) => void;
}

/** The parts of an answer: each passes the mask, and takes along what was reported meanwhile. */
export async function* maskParts(
  parts: AsyncIterable<Part>,
  { mask, problems, done }: PartsOptions,
): AsyncGenerator<Part> {
  const masked = <R extends ExecutionResult>(one: R): R =>
    one.errors ? { ...one, errors: one.errors.map(mask) } : one;
  const bounded = <R extends ExecutionResult>(one: R): R =>
    one.errors ? { ...one, errors: boundErrors(one.errors) } : one;
  const sent: ExecutionResult[] = [];
  try {
    for await (const part of parts) {
      const whole = inEach(withProblems(inEach(part, masked), problems.splice(0)), bounded);
      for (const one of whole.incremental ?? [whole]) sent.push(one);
      yield whole;
    }
  } finally {
    done({ data: sent[0]?.data ?? null, errors: sent.flatMap(({ errors }) => errors ?? []) });
  }
}

/** Changes a part, and each of those that it brings along. */
export function inEach(part: Part, change: <R extends ExecutionResult>(one: R) => R): Part {
  const { incremental } = part;
  return change(incremental ? { ...part, incremental: incremental.map(change) } : part);
}

/** Problems of the first part are the answer's own; later ones belong to the part that lies around their place. */
function withProblems(part: Part, problems: readonly GraphQLError[]): Part {
  if (problems.length === 0) return part;
  const [first, ...rest] = part.incremental ?? [];
  if (!first) return { ...part, errors: [...(part.errors ?? []), ...problems] };
  return { ...part, incremental: [{ ...first, errors: [...(first.errors ?? []), ...problems] }, ...rest] };
}

const known = new WeakMap<DocumentNode, boolean>();

/** Whether a document holds `@defer`. */
export function isDeferred(document: DocumentNode): boolean {
  const found = known.get(document);
  if (found !== undefined) return found;
  let deferred = false;
  visit(document, {
    Directive: ({ name }) => {
      deferred ||= name.value === "defer";
    },
  });
  known.set(document, deferred);
  return deferred;
}

/** The same document without `@defer`, for an answer in one. */
export function inFull(document: DocumentNode): DocumentNode {
  return visit(document, {
    Directive: ({ name }) => (name.value === "defer" ? null : undefined),
  });
}
