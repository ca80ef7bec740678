import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { toPublicError } from "../../graph/errors.ts";
import type { Log } from "../observability/log.ts";

/** Decides which part of an error a caller may see. */
export type MaskedErrors = ReturnType<typeof useMaskedErrors>;

/** Without introspection, hints of the engine at names of the schema are removed. */
export function useMaskedErrors({ introspection }: { readonly introspection: boolean }, log: Log) {
  const causes = new WeakMap<GraphQLError, unknown>();
  const withHints = introspection ? (error: GraphQLError) => error : withoutHints;

  function mask(error: unknown): GraphQLError {
    const known = toPublicError(error);
    // An error without a code comes from the engine, about an argument that cannot be coerced.
    if (known) return known.extensions["code"] === undefined ? asInput(known) : known;
    const cause = error instanceof GraphQLError ? error.originalError : error;
    const place = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
    const masked = new GraphQLError("Something went wrong inside the gateway.", {
      ...place,
      extensions: { code: "INTERNAL_SERVER_ERROR", retryable: false },
    });
    causes.set(masked, cause);
    return masked;
  }

  return {
    /** For whatever a resolver threw: our own errors as they are, upstream failures in our words, all others masked. */
    maskExecution: (error: unknown) => withHints(mask(error)),
    /** For errors of the GraphQL engine about the request: syntax, validation, variables. */
    maskInput: (error: GraphQLError) =>
      withHints(
        error.extensions["code"] === undefined ? asInput(error) : cut(rewrite(error, error.message, error.extensions)),
      ),
    /** Logs the bugs behind a result's masked errors; the same result with the request's id in these errors. */
    reportBugs: <R extends ExecutionResult>(result: R, requestId: string): R => {
      const { errors } = result;
      if (!errors?.some(isBug)) return result;
      for (const error of errors) {
        if (causes.has(error)) log.error({ err: causes.get(error), requestId }, "a bug of the gateway");
      }
      return { ...result, errors: errors.map((error) => (isBug(error) ? withRequestId(error, requestId) : error)) };
    },
  };
}

/** Whether an error is a masked bug of the gateway. */
export function isBug({ extensions }: GraphQLError): boolean {
  return extensions["code"] === "INTERNAL_SERVER_ERROR";
}

function withRequestId(error: GraphQLError, requestId: string): GraphQLError {
  return new GraphQLError(error.message, {
    nodes: error.nodes ?? null,
    path: error.path ?? null,
    extensions: { ...error.extensions, requestId },
  });
}

function withoutHints(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean .*$/s, "");
  return message === error.message ? error : rewrite(error, message, error.extensions);
}

function asInput(error: GraphQLError): GraphQLError {
  return cut(rewrite(error, error.message, { code: "BAD_USER_INPUT", retryable: false }));
}

/** The engine quotes what was sent: its messages are cut to so many characters. */
const maxMessageLength = 500;

function cut(error: GraphQLError): GraphQLError {
  const { message, extensions } = error;
  return message.length > maxMessageLength
    ? rewrite(error, `${message.slice(0, maxMessageLength)}…`, extensions)
    : error;
}

/** The same error with another message. Its nodes become positions, so that a cached refusal retains no document. */
function rewrite(
  { nodes, source, positions, path }: GraphQLError,
  message: string,
  extensions: GraphQLError["extensions"],
): GraphQLError {
  return new GraphQLError(message, {
    nodes: source && positions ? null : (nodes ?? null),
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions,
  });
}

/** Errors in the order of the document, those without a location last: they occur in the executor's order. */
export function inDocumentOrder(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  return errors.length < 2 ? errors : errors.toSorted((one, other) => compareNumbers(placeOf(one), placeOf(other)));
}

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

/**
 * The errors of an answer whose data is null: those of required root fields, one of which caused the null. Which other
 * fields had failed by then depends on chance, and nothing in the answer corresponds to them. All errors, when none of
 * them belongs to such a field.
 */
export function errorsOfNullData(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  errors: readonly GraphQLError[],
): readonly GraphQLError[] {
  if (errors.length < 2) return errors;
  const required = requiredRootFields(schema, document, operation);
  const causing = errors.filter(({ path }) => path === undefined || required.has(path[0] ?? ""));
  return causing.length === 0 ? errors : causing;
}

function requiredRootFields(
  schema: GraphQLSchema,
  { definitions }: DocumentNode,
  { operation, selectionSet }: OperationDefinitionNode,
): ReadonlySet<string | number> {
  const fields = schema.getRootType(operation)?.getFields() ?? {};
  const required = new Set<string | number>();
  // Fragments that are spread are added while the set is iterated, each once.
  const sets = new Set<SelectionSetNode>([selectionSet]);
  for (const set of sets) {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const { alias, name } = selection;
        if (isNonNullType(fields[name.value]?.type)) required.add((alias ?? name).value);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) sets.add(selection.selectionSet);
      else {
        for (const one of definitions) {
          if (one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === selection.name.value)
            sets.add(one.selectionSet);
        }
      }
    }
  }
  return required;
}
