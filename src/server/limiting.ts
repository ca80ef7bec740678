import { GraphQLError, getOperationAST, getVariableValues } from "graphql";
import type { Plugin } from "graphql-yoga";
import type { Config } from "../config.ts";
import type { Context } from "../graph/context.ts";
import { checkLimits, type Spent } from "../graph/limits.ts";
import { checkValues } from "../graph/values.ts";

/** Mistakes in variables that are told at once. */
const maxErrors = 5;

/**
 * Looks at what came beside the document before anybody else does, and measures each operation when its variables are
 * known and nothing has run yet. The operations of one request share one cost and one answer.
 */
export function limiting({ limits }: Config, mask: (error: unknown) => GraphQLError): Plugin<Context> {
  const spent = new WeakMap<object, Spent>();
  const spentBy = (request: object): Spent => {
    const known = spent.get(request) ?? { cost: 0, answerBytes: 0 };
    spent.set(request, known);
    return known;
  };
  return {
    onParams: ({ params, setParams, setResult }) => {
      const problem = problemOf(() => checkValues({ ...params, query: null }));
      if (!problem) return;
      setParams({ query: "{ __typename }" });
      setResult({ errors: [refused(problem)] });
    },
    onExecute: ({ args, setResultAndStopExecution }) => {
      const { schema, document, contextValue } = args;
      const operation = getOperationAST(document, args.operationName);
      if (!operation) return;
      const variables = args.variableValues ?? {};
      // The engine tells of more mistakes, and each quotes the whole value that it is in.
      const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables, { maxErrors });
      if (errors) return setResultAndStopExecution({ errors: errors.map(mask) });
      const asked = { schema, document, operation, variables };
      const problem = problemOf(() => checkLimits(asked, limits, spentBy(contextValue.request)));
      if (problem) setResultAndStopExecution({ errors: [refused(problem)] });
    },
  };
}

function problemOf(check: () => void): GraphQLError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
}

/** A refusal of the whole operation: HTTP 400. */
export function refused(error: GraphQLError): GraphQLError {
  return new GraphQLError(error.message, { extensions: { ...error.extensions, http: { status: 400 } } });
}
