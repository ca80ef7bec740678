import {
  type DocumentNode,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
} from "graphql";
import { conditionsOf, createPlan, type Plan, type Variables } from "../graph/execution/plan.ts";
import { checkValues } from "../graph/values.ts";
import type { Documents } from "./documents.ts";

/** An operation that may be run as it is: known, valid, its variables fit. */
export interface Prepared {
  readonly plan: Plan;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Variables;
}

/** Plans by document; they live as long as the document is known. */
export interface PlanCache {
  /**
   * Null for whatever is not prepared here: what cannot be read, is not valid, is no plain query, does not fit. Throws
   * BAD_USER_INPUT for variables that nothing should look at any further.
   */
  readonly prepare: (
    query: string,
    operationName: string | null,
    variables: Readonly<Record<string, unknown>>,
  ) => Prepared | null;
}

/** Ways in which one document's `@skip` and `@include` have turned out. */
const mostPlans = 16;
/** What graphql-js allows before it stops counting. */
const mostErrors = 50;

interface Known {
  readonly conditions: readonly string[];
  readonly plans: Map<string, Plan | null>;
}

/** An empty cache for one schema and its documents. */
export function createPlanCache(schema: GraphQLSchema, documents: Documents): PlanCache {
  const known = new WeakMap<DocumentNode, Known>();

  function planOf(document: DocumentNode, operation: OperationDefinitionNode, variables: Variables) {
    const { conditions, plans } = known.get(document) ?? { conditions: conditionsOf(document), plans: new Map() };
    known.set(document, { conditions, plans });
    const key = `${operation.name?.value ?? ""} ${conditions.map((name) => String(variables[name])).join()}`;
    const found = plans.get(key);
    if (found !== undefined) return found;
    const made = createPlan(schema, document, operation, variables);
    if (plans.size >= mostPlans) plans.clear();
    plans.set(key, made);
    return made;
  }

  return {
    prepare: (query, operationName, given) => {
      checkValues(given);
      const { document, refusal, errors } = documents.read(query);
      const operation = refusal === null && errors.length === 0 ? getOperationAST(document, operationName) : null;
      if (!operation) return null;
      const { coerced, errors: misfits } = getVariableValues(schema, operation.variableDefinitions ?? [], given, {
        maxErrors: mostErrors,
      });
      if (misfits) return null;
      const plan = planOf(document, operation, coerced);
      return plan && { plan, document, operation, variables: coerced };
    },
  };
}
