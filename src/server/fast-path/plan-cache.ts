import type { DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode } from "graphql";
import { createBoundedMap } from "../bounded-map.ts";
import { conditionsOf, createPlan, type Plan, type Variables } from "./plan.ts";

/** A document that has been read: what is wrong with it, or the document with its plans. */
export type KnownDocument =
  | { readonly errors: readonly GraphQLError[] }
  | {
      readonly document: DocumentNode;
      /** The prepared plan of an operation; null for one that is not prepared. `variables` are coerced ones. */
      readonly planOf: (operation: OperationDefinitionNode, variables: Variables) => Plan | null;
    };

/**
 * Documents and their plans by text, each read once, bounded: a stream of documents that come once each must not fill the
 * memory, and a stream of refused ones never pushes out one that may run.
 */
export interface PlanCache {
  readonly find: (text: string) => KnownDocument;
  /** Documents held that may run. */
  readonly size: () => number;
}

/** Bounds for what is kept of documents: a tree takes about a hundred times the memory of its text. */
export const keptDocuments = { entries: 500, characters: 262_144 } as const;
/** Refusals kept: a stream of refused documents must find its own again. */
const keptRefusals = 100;
/** Ways in which one document's `@skip` and `@include` have turned out. */
const mostPlans = 16;

/**
 * An empty cache for one schema. `read` parses and validates a document, or answers what is wrong with it; `bodyBytes` is
 * the largest body that a document comes in, so that any one refusal fits.
 */
export function createPlanCache(
  schema: GraphQLSchema,
  read: (text: string) => DocumentNode | readonly GraphQLError[],
  bodyBytes: number,
): PlanCache {
  const runnable = createBoundedMap<KnownDocument>(keptDocuments);
  const refused = createBoundedMap<KnownDocument>({ entries: keptRefusals, characters: 2 * bodyBytes });

  function prepare(document: DocumentNode): KnownDocument {
    const conditions = conditionsOf(document);
    const plans = new Map<string, Plan | null>();
    return {
      document,
      planOf: (operation, variables) => {
        const key = `${operation.name?.value ?? ""} ${conditions.map((name) => String(variables[name])).join()}`;
        const known = plans.get(key);
        if (known !== undefined) return known;
        const made = createPlan(schema, document, operation, variables);
        if (plans.size >= mostPlans) plans.clear();
        plans.set(key, made);
        return made;
      },
    };
  }

  return {
    find: (text) => {
      const found = runnable.get(text) ?? refused.get(text);
      if (found !== undefined) return found;
      const document = read(text);
      const known = "kind" in document ? prepare(document) : { errors: document };
      ("errors" in known ? refused : runnable).set(text, known);
      return known;
    },
    size: runnable.size,
  };
}
