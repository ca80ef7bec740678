import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  specifiedRules,
  validate,
} from "graphql";
import type { Config } from "../../config/index.ts";
import { checkNesting, nullsInPlaceOfValues, readDocument } from "../../graph/cost/document.ts";
import { checkLimits, type Limits, type Spent } from "../../graph/cost/limits.ts";
import { badInput, badInputAt } from "../../graph/errors.ts";
import { Lru } from "../../model/lru.ts";
import type { FastPath, Plan, PlanOf, Variables } from "../fast-path/index.ts";
import type { GraphQLParameters } from "../http/request.ts";
import { Refusal, refuse } from "../http/response.ts";
import type { MaskedErrors } from "./use-masked-errors.ts";

/** An operation that is ready to run: its document is valid, its variables are coerced. */
export interface Prepared {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly sentVariables: Readonly<Record<string, unknown>>;
  readonly variables: Variables;
  /** Null for what only the reference executor runs. */
  readonly plan: Plan | null;
}

/** Prepares operations: everything that is decided before one runs, for either executor. */
export type Preparation = ReturnType<typeof createPreparation>;

/** An operation as it was sent; `isSafe`: by GET, which must not change anything. */
type Sent = Pick<GraphQLParameters, "operationName" | "variables"> & {
  readonly query: string;
  readonly isSafe: boolean;
};

/** Errors of one document: each costs a search for its line. */
const maxDocumentErrors = 25;
/** Errors of variables: each quotes the value that it is about. */
const maxVariableErrors = 5;

/** Prepares operations for one schema; without a fast path none has a plan. */
export function createPreparation(
  { limits, server }: Pick<Config, "limits" | "server">,
  schema: GraphQLSchema,
  errors: Pick<MaskedErrors, "maskInput">,
  fastPath: Pick<FastPath<unknown, unknown>, "plansOf"> | null,
) {
  const rules = server.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const documents = createDocumentCache(readValid, fastPath, limits.bodyBytes);

  function readValid(text: string): DocumentNode | readonly GraphQLError[] {
    try {
      const document = readDocument(text, limits);
      checkNesting(document);
      const misnamed = misnamedVariables(document);
      if (misnamed.length > 0) return misnamed.slice(0, maxDocumentErrors).map(errors.maskInput);
      const problems = validate(schema, document, rules, { maxErrors: maxDocumentErrors }).map(errors.maskInput);
      return problems.length === 0 ? document : problems;
    } catch (error) {
      return [inputError(error)];
    }
  }

  /** The error of a document or its variables; anything else that was thrown is a bug, and rethrown. */
  function inputError(error: unknown): GraphQLError {
    if (error instanceof GraphQLError) return errors.maskInput(error);
    // Nesting that no check counts overflows the stack, which is intact again here.
    if (error instanceof RangeError) return badInput("BAD_USER_INPUT", "The document is nested too deeply.");
    throw error;
  }

  function measure({ document, operation, sentVariables }: Prepared, max: Limits, spent: Spent): number | Refusal {
    try {
      return checkLimits({ schema, document, operation, variables: sentVariables }, max, spent).calls;
    } catch (error) {
      return new Refusal(400, [locate(operation, inputError(error))]);
    }
  }

  function prepareKnown({ query, operationName, variables: sentVariables, isSafe }: Sent): Prepared | Refusal {
    const known = documents.find(query);
    if ("errors" in known) return new Refusal(400, known.errors);
    const { document, planOf } = known;
    const operation = getOperationAST(document, operationName);
    if (!operation) return refuse(missingOperation(document, operationName));
    if (isSafe && operation.operation === "mutation") {
      return refuse("GET may not change anything: send mutations with POST.", {
        status: 405,
        headers: { allow: "POST" },
      });
    }
    if (!schema.getRootType(operation.operation)) {
      return new Refusal(400, [badInputAt(operation, `This gateway has no ${operation.operation}s.`)]);
    }
    const definitions = operation.variableDefinitions ?? [];
    const result = getVariableValues(schema, definitions, sentVariables, { maxErrors: maxVariableErrors });
    if (result.errors) return new Refusal(400, result.errors.map(errors.maskInput));
    const variables = result.coerced;
    const nulls = nullsInPlaceOfValues(schema, document, operation, variables);
    if (nulls.length > 0) return new Refusal(400, nulls);
    return { document, operation, sentVariables, variables, plan: planOf?.(operation, variables) ?? null };
  }

  return {
    prepare: (sent: Sent): Prepared | Refusal => {
      try {
        return prepareKnown(sent);
      } catch (error) {
        return new Refusal(400, [inputError(error)]);
      }
    },
    /** The estimated cost in calls, which is added to `spent`; a refusal when both together are too high. */
    measure: (prepared: Prepared, spent: Spent) => measure(prepared, limits, spent),
    /** The refusal of an operation that must not even be estimated; null where it may, whatever its cost. */
    refuseUnmeasurable: (prepared: Prepared): Refusal | null => {
      const unlimited = { ...limits, cost: Number.POSITIVE_INFINITY, answerBytes: Number.POSITIVE_INFINITY };
      const measured = measure(prepared, unlimited, { cost: 0, answerBytes: 0 });
      return measured instanceof Refusal ? measured : null;
    },
  };
}

/** A validated document with its plans, or its errors. There are no plans without a fast path. */
type KnownDocument =
  | { readonly errors: readonly GraphQLError[] }
  | { readonly document: DocumentNode; readonly planOf: PlanOf | null };

/** Bounds of the valid documents in the cache: a tree takes about a hundred times the memory of its text. */
export const documentBounds = { maxEntries: 500, maxWeight: 262_144 } as const;
/** Invalid documents in the cache: they have bounds of their own, so that they never evict a valid one. */
const maxInvalidDocuments = 100;

/** Documents by their text, each read once. `bodyBytes` is the largest body, so that any one refusal fits. */
export function createDocumentCache(
  read: (text: string) => DocumentNode | readonly GraphQLError[],
  fastPath: Pick<FastPath<unknown, unknown>, "plansOf"> | null,
  bodyBytes: number,
) {
  const weigh = (_known: KnownDocument, text: string) => text.length;
  const valid = new Lru<KnownDocument>({ ...documentBounds, weigh });
  const invalid = new Lru<KnownDocument>({ maxEntries: maxInvalidDocuments, maxWeight: 2 * bodyBytes, weigh });
  return {
    find: (text: string): KnownDocument => {
      const found = valid.get(text) ?? invalid.get(text);
      if (found !== undefined) return found;
      const document = read(text);
      const known: KnownDocument =
        "kind" in document ? { document, planOf: fastPath?.plansOf(document) ?? null } : { errors: document };
      ("errors" in known ? invalid : valid).set(text, known);
      return known;
    },
    size: () => valid.size,
  };
}

/** Properties of every JavaScript object: the executors find them under a variable's name where nothing was sent. */
const objectProperties: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** Errors for variables with such names, which the two executors would read differently. */
function misnamedVariables({ definitions }: DocumentNode): readonly GraphQLError[] {
  return definitions
    .flatMap((one) => (one.kind === Kind.OPERATION_DEFINITION ? (one.variableDefinitions ?? []) : []))
    .filter(({ variable }) => objectProperties.has(variable.name.value))
    .map(({ variable }) => badInputAt(variable, `A variable cannot be called "$${variable.name.value}": rename it.`));
}

function locate(node: OperationDefinitionNode, error: GraphQLError): GraphQLError {
  return error.locations ? error : new GraphQLError(error.message, { nodes: [node], extensions: error.extensions });
}

function missingOperation({ definitions }: DocumentNode, name: string | null): string {
  if (name !== null) return 'The document has no operation of the name that "operationName" gives.';
  return definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION)
    ? 'The document has several operations: say which with "operationName".'
    : "The document has no operation.";
}
