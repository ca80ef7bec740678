import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  specifiedRules,
  type ValidationRule,
  validate,
} from "graphql";
import { readDocument } from "../graph/document.ts";
import { createBoundedMap } from "./bounded-map.ts";

/** What is known of a text that was sent as a document. */
export interface KnownDocument {
  /** Only names its operations where the text was refused: a refusal must not keep a tree alive. */
  readonly document: DocumentNode;
  /** What it was refused with while it was read; null when it could be read. */
  readonly refusal: GraphQLError | null;
  /** What validation says; empty for a document that may run. */
  readonly errors: readonly GraphQLError[];
}

/** Documents by text, each parsed and validated once, whoever asks: the direct lane first, the engine after it. */
export interface Documents {
  readonly read: (text: string) => KnownDocument;
  /** What validation said of a document that came from here; null for any other. */
  readonly errorsOf: (document: DocumentNode) => readonly GraphQLError[] | null;
  /** Documents held that may run. */
  readonly size: () => number;
}

/** Bounds for what is kept of documents: a tree takes about a hundred times the memory of its text. */
export const keptDocuments = { entries: 500, characters: 262_144 } as const;
/** Refusals kept: a stream of refused documents must find its own again, and never push out one that may run. */
const keptRefusals = 100;
/** Errors of one document: each costs a search for its line. */
const mostErrors = 25;

/** What a document is checked for. */
export interface DocumentRules {
  readonly tokens: number;
  /** Largest body that a document comes in: any one refusal must fit in. */
  readonly bodyBytes: number;
  readonly introspection: boolean;
  /** Rules on top of the specification's. */
  readonly rules?: readonly ValidationRule[];
}

const refusals = new WeakSet<GraphQLError>();

/** Whether a document was refused with this error for what it is, before it was looked at as GraphQL. */
export function isRefusedDocument(error: GraphQLError): boolean {
  return refusals.has(error);
}

/** Starts empty. */
export function createDocuments(schema: GraphQLSchema, options: DocumentRules): Documents {
  const runnable = createBoundedMap<KnownDocument>(keptDocuments);
  const refused = createBoundedMap<KnownDocument>({ entries: keptRefusals, characters: 2 * options.bodyBytes });
  const errors = new WeakMap<DocumentNode, readonly GraphQLError[]>();
  const rules = [
    ...specifiedRules,
    ...(options.introspection ? [] : [NoSchemaIntrospectionCustomRule]),
    ...(options.rules ?? []),
  ];

  function check(text: string): KnownDocument {
    try {
      const document = readDocument(text, options);
      const found = validate(schema, document, rules, { maxErrors: mostErrors });
      return { document: found.length === 0 ? document : bare(document), refusal: null, errors: found };
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      // An error of syntax has no code of ours.
      if (error.extensions["code"] !== undefined) refusals.add(error);
      return { document: nothing, refusal: error, errors: [] };
    }
  }

  return {
    read: (text) => {
      const found = runnable.get(text) ?? refused.get(text);
      if (found !== undefined) return found;
      const read = check(text);
      const isRunnable = read.refusal === null && read.errors.length === 0;
      (isRunnable ? runnable : refused).set(text, read);
      if (read.refusal === null) errors.set(read.document, read.errors);
      return read;
    },
    errorsOf: (document) => errors.get(document) ?? null,
    size: runnable.size,
  };
}

const nothing: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

/** The operations of a document by name, with nothing in them: enough to be asked for, and small. */
function bare({ definitions }: DocumentNode): DocumentNode {
  const operations = definitions.flatMap((one): OperationDefinitionNode[] =>
    one.kind === Kind.OPERATION_DEFINITION
      ? [
          {
            kind: one.kind,
            operation: one.operation,
            ...(one.name ? { name: { kind: Kind.NAME, value: one.name.value } } : {}),
            selectionSet: { kind: Kind.SELECTION_SET, selections: [] },
          },
        ]
      : [],
  );
  return { kind: Kind.DOCUMENT, definitions: operations };
}
