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
import { checkNesting, readDocument } from "../../graph/cost/document.ts";
import { checkLimits, type Limits, type Spent } from "../../graph/cost/limits.ts";
import { nullsInPlaceOfValues } from "../../graph/cost/values.ts";
import { badInput, badInputAt } from "../../graph/errors.ts";
import type { Plan, Variables } from "../fast-path/plan.ts";
import { createPlanCache } from "../fast-path/plan-cache.ts";
import { Refusal, refuse } from "../http/refusal.ts";
import type { Masking } from "./masking.ts";

/** An operation that may be run as it is: its document is valid, its variables fit. */
export interface Prepared {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** As they were sent. */
  readonly given: Readonly<Record<string, unknown>>;
  /** As coerced. */
  readonly variables: Variables;
  /** How it runs; null for what only the reference execution runs. */
  readonly plan: Plan | null;
}

/** A text that somebody wants to be run. */
export interface Text {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whether it came by GET, which may change nothing. */
  readonly isSafe: boolean;
}

/** Everything that is decided about an operation before it runs, once for every way it can run. */
export interface Preparation {
  readonly prepare: (text: Text) => Prepared | Refusal;
  /**
   * The estimated cost in upstream calls, or why the operation is too much beside what its request has spent already; what
   * is allowed is added to `spent`.
   */
  readonly measure: (prepared: Prepared, spent: Spent) => number | Refusal;
  /** Why an operation may not even be estimated; null where it may. Its cost and the size of its answer may be any. */
  readonly refuseUnread: (prepared: Prepared) => Refusal | null;
}

/** Errors of one document: each costs a search for its line. */
const mostDocumentErrors = 25;
/** Errors of variables: each quotes the value that it is about. */
const mostVariableErrors = 5;

/** Prepares for one schema; nothing has a plan without `fastPath`. */
export function createPreparation(
  { limits, server }: Pick<Config, "limits" | "server">,
  schema: GraphQLSchema,
  masking: Masking,
  fastPath: boolean,
): Preparation {
  const rules = server.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const documents = createPlanCache(
    schema,
    (text) => {
      try {
        const document = readDocument(text, limits);
        checkNesting(document);
        const misnamed = misnamedVariables(document);
        if (misnamed.length > 0) return misnamed.slice(0, mostDocumentErrors).map(masking.ofInput);
        const errors = validate(schema, document, rules, { maxErrors: mostDocumentErrors }).map(masking.ofInput);
        return errors.length === 0 ? document : errors;
      } catch (error) {
        return [inputError(error)];
      }
    },
    limits.bodyBytes,
  );

  /** What a document or its variables are refused with; anything else that was thrown is a bug, and goes on. */
  function inputError(error: unknown): GraphQLError {
    if (error instanceof GraphQLError) return masking.ofInput(error);
    // Whatever nests in a way that nobody counts: the stack is as it was before.
    if (error instanceof RangeError) return badInput("BAD_USER_INPUT", "The document is nested too deeply.");
    throw error;
  }

  function prepare({ query, operationName, variables: given, isSafe }: Text): Prepared | Refusal {
    const known = documents.find(query);
    if ("errors" in known) return new Refusal(400, known.errors);
    const { document } = known;
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
    const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], given, {
      maxErrors: mostVariableErrors,
    });
    if (errors) return new Refusal(400, errors.map(masking.ofInput));
    const nulls = nullsInPlaceOfValues(schema, document, operation, coerced);
    if (nulls.length > 0) return new Refusal(400, nulls);
    const plan = fastPath ? known.planOf(operation, coerced) : null;
    return { document, operation, given, variables: coerced, plan };
  }

  function measure({ document, operation, given }: Prepared, most: Limits, spent: Spent): number | Refusal {
    try {
      return checkLimits({ schema, document, operation, variables: given }, most, spent).calls;
    } catch (error) {
      return new Refusal(400, [placedAt(operation, inputError(error))]);
    }
  }

  return {
    prepare: (text) => {
      try {
        return prepare(text);
      } catch (error) {
        return new Refusal(400, [inputError(error)]);
      }
    },
    measure: (prepared, spent) => measure(prepared, limits, spent),
    refuseUnread: (prepared) => {
      const any = { ...limits, cost: Number.POSITIVE_INFINITY, answerBytes: Number.POSITIVE_INFINITY };
      const measured = measure(prepared, any, { cost: 0, answerBytes: 0 });
      return measured instanceof Refusal ? measured : null;
    },
  };
}

/** What every object has in JavaScript: the engines find it under a variable's name where nothing was sent. */
const namesOfObjects: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** Errors for variables of such names; each would be read differently by the two ways of running. */
function misnamedVariables({ definitions }: DocumentNode): readonly GraphQLError[] {
  return definitions
    .flatMap((one) => (one.kind === Kind.OPERATION_DEFINITION ? (one.variableDefinitions ?? []) : []))
    .filter(({ variable }) => namesOfObjects.has(variable.name.value))
    .map(({ variable }) => badInputAt(variable, `A variable cannot be called "$${variable.name.value}": rename it.`));
}

/** The same error at a place of the document, where it has none. */
function placedAt(node: OperationDefinitionNode, error: GraphQLError): GraphQLError {
  return error.locations ? error : new GraphQLError(error.message, { nodes: [node], extensions: error.extensions });
}

function missingOperation({ definitions }: DocumentNode, name: string | null): string {
  if (name !== null) return 'The document has no operation of the name that "operationName" gives.';
  return definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION)
    ? 'The document has several operations: say which with "operationName".'
    : "The document has no operation.";
}
