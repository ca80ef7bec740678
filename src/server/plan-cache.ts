import {
  type DocumentNode,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
  parse,
  validate,
} from "graphql";
import { conditionsOf, createPlan, type Plan, type Variables } from "../graph/execution/plan.ts";
import { createBoundedMap } from "./bounded-map.ts";

/** An operation that may be run as it is: known, valid, its variables fit. */
export interface Prepared {
  readonly plan: Plan;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Variables;
}

/** Plans by document, bounded: a stream of documents that come once each must not fill the memory. */
export interface PlanCache {
  /** Null for whatever is not prepared here: what does not parse, is not valid, is no plain query, does not fit. */
  readonly prepare: (
    query: string,
    operationName: string | null,
    variables: Readonly<Record<string, unknown>>,
  ) => Prepared | null;
  /** Documents held. */
  readonly size: () => number;
}

/** Bounds for what is kept of documents: a tree takes about a hundred times the memory of its text. */
export const keptDocuments = { entries: 500, characters: 262_144 } as const;
/** Ways in which one document's `@skip` and `@include` have turned out. */
const mostPlans = 16;
/** What graphql-js allows before it stops counting. */
const mostErrors = 50;

interface Known {
  readonly document: DocumentNode;
  readonly conditions: readonly string[];
  readonly plans: Map<string, Plan | null>;
}

/** An empty cache for one schema; longer documents than `tokens` are not for it. */
export function createPlanCache(schema: GraphQLSchema, limits: { readonly tokens: number }): PlanCache {
  const documents = createBoundedMap<Known | null>(keptDocuments);

  function find(query: string): Known | null {
    const found = documents.get(query);
    if (found !== undefined) return found;
    const read = readDocument(query);
    documents.set(query, read);
    return read;
  }

  function readDocument(query: string): Known | null {
    try {
      const document = parse(query, { maxTokens: limits.tokens });
      if (validate(schema, document).length > 0) return null;
      return { document, conditions: conditionsOf(document), plans: new Map() };
    } catch {
      return null;
    }
  }

  function planOf({ document, conditions, plans }: Known, operation: OperationDefinitionNode, variables: Variables) {
    const key = `${operation.name?.value ?? ""} ${conditions.map((name) => String(variables[name])).join()}`;
    const known = plans.get(key);
    if (known !== undefined) return known;
    const made = createPlan(schema, document, operation, variables);
    if (plans.size >= mostPlans) plans.clear();
    plans.set(key, made);
    return made;
  }

  return {
    prepare: (query, operationName, given) => {
      const known = find(query);
      const operation = known && getOperationAST(known.document, operationName);
      if (!known || !operation) return null;
      const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], given, {
        maxErrors: mostErrors,
      });
      if (errors) return null;
      const plan = planOf(known, operation, coerced);
      return plan && { plan, document: known.document, operation, variables: coerced };
    },
    size: documents.size,
  };
}
