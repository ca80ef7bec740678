import type { DocumentNode, ExecutionResult, GraphQLSchema } from "graphql";
import type { AnswerMeter } from "../../graph/cost/answer-meter.ts";
import { createAdmissionControl } from "../../model/queue.ts";
import { type CoalescedAnswers, createCoalescedAnswers } from "./coalesced-answers.ts";
import { executePlan } from "./executor.ts";
import { type DocumentPlans, type Plan, plansOf, type Variables } from "./plan.ts";

export type { AnswerRun, Credentials } from "./coalesced-answers.ts";
export type { DocumentPlans, Plan, Variables } from "./plan.ts";

/**
 * Everything that makes common operations cheaper and that no answer depends on; README.md says what each part brings.
 * `Q` is a prepared operation, `A` an answer.
 */
export interface FastPath<Q, A> {
  /** The plans of a validated document. */
  readonly plansOf: (document: DocumentNode) => DocumentPlans;
  /** Executes a plan with coerced variables. */
  readonly execute: (
    plan: Plan,
    variables: Variables,
    context: unknown,
    meter: AnswerMeter,
  ) => Promise<ExecutionResult> | ExecutionResult;
  /** Waits until an operation of this estimated cost is admitted; null when it may start at once. */
  readonly admit: (cost: number) => Promise<void> | null;
  readonly answers: CoalescedAnswers<Q, A>;
}

/** Estimated calls that are admitted in one tick of the event loop: some small operations, or one of any size. */
const costPerTick = 10;

/** The fast path of one gateway. A follower waits `maxWaitMs` at most for the answer of another. */
export function createFastPath<Q, A>(schema: GraphQLSchema, maxWaitMs: number): FastPath<Q, A> {
  return {
    plansOf: (document) => plansOf(schema, document),
    execute: executePlan,
    admit: createAdmissionControl(costPerTick).admit,
    answers: createCoalescedAnswers(maxWaitMs),
  };
}
