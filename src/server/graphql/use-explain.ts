import { GraphQLError } from "graphql";
import type { Config } from "../../config/index.ts";
import type { Context } from "../../graph/context.ts";
import { createLedger, type Explained, estimate, explainMode, type Ledger } from "../../graph/cost/explain.ts";
import type { Asked } from "../../graph/cost/walk.ts";
import { Refusal } from "../http/refusal.ts";

/** An operation whose cost somebody wants to know. */
export interface Explaining {
  /** Whether it is not run at all. */
  readonly isPlan: boolean;
  /** What the operation takes while it runs is to be written down here. */
  readonly ledger: Ledger;
  /** `extensions.explain` of a plan, or of what has run. */
  readonly explained: () => Explained;
}

/**
 * What the header `X-Explain` asks about an operation, or why it is not told. Reckoned before the operation runs: what
 * the run teaches about a backend must not make the estimate look better.
 */
export function explain(
  header: string,
  asked: Asked,
  context: Context,
  { upstreamCalls }: Pick<Config["limits"], "upstreamCalls">,
): Explaining | Refusal {
  try {
    const mode = explainMode(header, context.caller);
    const told: Explained = { estimated: estimate(asked, context), budget: upstreamCalls };
    const ledger = createLedger();
    const isPlan = mode === "plan";
    return { isPlan, ledger, explained: () => (isPlan ? told : { ...told, actual: ledger.rows() }) };
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return new Refusal(error.extensions["code"] === "FORBIDDEN" ? 403 : 400, [error]);
  }
}
