import { GraphQLError } from "graphql";
import { toPublicError } from "../../graph/errors.ts";

/** Bugs behind masked errors, for the log. */
export type Causes = WeakMap<GraphQLError, unknown>;

/** What may leave of an error, whichever way it came about. */
export interface Masking {
  /** Of whatever a resolver threw: our own errors as they are, upstream failures in our words, everything else masked. */
  readonly ofRun: (error: unknown) => GraphQLError;
  /** Of what the GraphQL engine says about the request: syntax, validation, variables. */
  readonly ofInput: (error: GraphQLError) => GraphQLError;
}

/** Without introspection the engine's hints at names of the schema are left out. Causes of bugs are kept in `causes`. */
export function createMasking({ introspection }: { readonly introspection: boolean }, causes: Causes): Masking {
  const told = introspection ? (error: GraphQLError) => error : withoutHints;
  return {
    ofRun: (error) => told(mask(error, causes)),
    ofInput: (error) => told(error.extensions["code"] === undefined ? asInput(error) : cut(withoutTree(error))),
  };
}

function mask(error: unknown, causes: Causes): GraphQLError {
  const known = toPublicError(error);
  // What has no code comes from the engine, which found an argument that cannot be read.
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

function withoutHints(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean .*$/s, "");
  return message === error.message ? error : rewritten(error, message, error.extensions);
}

/** The engine quotes what was sent: its messages are cut to so many characters. */
const longestMessage = 500;

function asInput(error: GraphQLError): GraphQLError {
  return cut(rewritten(error, error.message, { code: "BAD_USER_INPUT", retryable: false }));
}

function cut(error: GraphQLError): GraphQLError {
  const { message, extensions } = error;
  return message.length > longestMessage ? rewritten(error, `${message.slice(0, longestMessage)}…`, extensions) : error;
}

function withoutTree(error: GraphQLError): GraphQLError {
  return rewritten(error, error.message, error.extensions);
}

/** The same error in other words. It holds its places and not the nodes: a refusal that is kept holds no tree. */
function rewritten(
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
