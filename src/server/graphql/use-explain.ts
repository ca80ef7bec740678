import { GraphQLError } from "graphql";
import type { Config } from "../../config/index.ts";
import type { Context } from "../../graph/context.ts";
import { type ExplainReport, estimate, explainMode, Ledger } from "../../graph/cost/explain.ts";
import type { Asked } from "../../graph/cost/walk.ts";
import { Refusal } from "../http/response.ts";
import type { Observer } from "../observability/telemetry.ts";

/** The explanation of one operation. */
export interface Explanation {
  /** Whether the operation is only planned and not run. */
  readonly isPlan: boolean;
  /** Records the upstream calls of the operation while it runs. */
  readonly observer: Observer;
  /** `extensions.explain`: the estimate, and of an operation that has run its actual calls. */
  readonly result: () => ExplainReport;
}

/**
 * Evaluates the header `X-Explain` of an operation; a refusal where the caller may not use it. The estimate is made
 * before the operation runs: what the run teaches about a backend must not improve it.
 */
export function useExplain(
  header: string,
  asked: Asked,
  context: Context,
  { upstreamCalls }: Pick<Config["limits"], "upstreamCalls">,
): Explanation | Refusal {
  try {
    const isPlan = explainMode(header, context.caller) === "plan";
    const estimated: ExplainReport = { estimated: estimate(asked, context), budget: upstreamCalls };
    const ledger = new Ledger();
    return {
      isPlan,
      observer: {
        exchanged: (_operation, exchange) => ledger.exchanged(exchange),
        loaded: (_operation, load) => ledger.loaded(load),
      },
      result: () => (isPlan ? estimated : { ...estimated, actual: ledger.rows() }),
    };
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return new Refusal(error.extensions["code"] === "FORBIDDEN" ? 403 : 400, [error]);
  }
}
