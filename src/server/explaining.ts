import { GraphQLError, getOperationAST } from "graphql";
import type { Plugin } from "graphql-yoga";
import type { Config } from "../config.ts";
import type { Context } from "../graph/context.ts";
import { estimate } from "../graph/estimate.ts";
import { createLedger, type Explained, explainMode } from "../graph/explain.ts";
import { checkLimits } from "../graph/limits.ts";
import type { Asked } from "../graph/walk.ts";
import type { Arriving, Watch } from "./watching.ts";

/**
 * Answers the header `X-Explain`. A plan runs nothing: its answer is the estimate, beside the error that the operation
 * would be refused with. Stands before the limits, so that a plan can tell what an operation costs that is too dear to run.
 */
export function explaining({ limits }: Config, watch: Watch): Plugin<Context & Arriving> {
  return {
    onExecute: ({ args, setResultAndStopExecution }) => {
      const { contextValue: context, schema, document } = args;
      const operation = getOperationAST(document, args.operationName);
      const header = context.req.headers["x-explain"];
      if (!operation || header === undefined) return;
      const asked: Asked = { schema, document, operation, variables: args.variableValues ?? {} };
      let mode: ReturnType<typeof explainMode>;
      let explain: Explained;
      try {
        mode = explainMode(String(header), context.caller);
        // A plan may tell the cost of what is too dear; what is too much to look at is not looked at here either.
        checkLimits(asked, { ...limits, cost: Number.POSITIVE_INFINITY, answerBytes: Number.POSITIVE_INFINITY });
        // Reckoned before it runs: what the run teaches about a backend must not make the estimate look better.
        explain = { estimated: estimate(asked, context), budget: limits.upstreamCalls };
      } catch (error) {
        if (!(error instanceof GraphQLError)) throw error;
        setResultAndStopExecution({ errors: [refusedWith(error)] });
        return;
      }
      if (mode === "plan") {
        const problem = problemWith(asked, limits);
        const refusal = problem === null ? {} : { errors: [problem] };
        setResultAndStopExecution({ data: null, ...refusal, extensions: { explain } });
        return;
      }
      const ledger = createLedger();
      watch.of(context)?.join({
        exchanged: (_operation, exchange) => ledger.exchanged(exchange),
        loaded: (_operation, load) => ledger.loaded(load),
      });
      return {
        onExecuteDone: ({ result, setResult }) => {
          if (Symbol.asyncIterator in result) return;
          const explained: Explained = { ...explain, actual: ledger.rows() };
          setResult({ ...result, extensions: { ...result.extensions, explain: explained } });
        },
      };
    },
  };
}

function problemWith(asked: Asked, limits: Config["limits"]): GraphQLError | null {
  try {
    checkLimits(asked, limits);
    return null;
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
}

function refusedWith({ message, extensions }: GraphQLError): GraphQLError {
  const status = extensions["code"] === "FORBIDDEN" ? 403 : 400;
  return new GraphQLError(message, { extensions: { ...extensions, http: { status } } });
}
