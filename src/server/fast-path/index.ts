import type { DocumentNode, GraphQLSchema } from "graphql";
import type { CallerFacts } from "../../graph/context.ts";
import { createAdmissionControl } from "../../model/queue.ts";
import type { CancelToken } from "../../upstream/cancel.ts";
import { Coalescer, type Run } from "../../upstream/coalesce.ts";
import { executePlan } from "./executor.ts";
import { plansOf } from "./plan.ts";

export type { Plan, PlanOf, Variables } from "./plan.ts";

/** Estimated calls that are admitted in one tick of the event loop: some small operations, or one of any size. */
const costPerTick = 10;

/**
 * Everything that makes common operations cheaper and that no answer depends on; README.md says what each part brings.
 * `Q` is a prepared operation, `A` an answer.
 */
export type FastPath<Q, A> = ReturnType<typeof createFastPath<Q, A>>;

/** The fast path of one gateway. A follower waits `maxWaitMs` at most for the answer of another. */
export function createFastPath<Q, A>(schema: GraphQLSchema, maxWaitMs: number) {
  return {
    plansOf: (document: DocumentNode) => plansOf(schema, document),
    execute: executePlan,
    /** Waits until an operation of this estimated cost is admitted. */
    admit: createAdmissionControl(costPerTick),
    answers: new CoalescedAnswers<Q, A>({ maxWaitMs, released: null }),
  };
}

/** A caller that waits for the answer to an operation. */
interface AnswerWaiter<Q> {
  /** Cancelled when the caller leaves. */
  readonly cancelToken: CancelToken;
  /** The operation as the leader prepared it; null in a follower, which has not parsed its own. */
  readonly prepared: Q | null;
}

/** A run of one operation; its result is null for a follower that has to run the operation itself. */
export type AnswerRun<Q, A> = Run<A | null, AnswerWaiter<Q>>;

/** Names and values of headers. */
export type Credentials = readonly (readonly [name: string, value: string])[];

/** Everything beside the body that an answer can depend on. */
export interface Asker {
  readonly caller: CallerFacts;
  readonly type: string;
  /** The caller's own credentials for backends, by header; null for none. */
  readonly credentials: Credentials | null;
}

/** Longer bodies are not compared, which bounds the memory of keys. */
const maxBodyBytes = 16_384;

/** Runs equal in-flight operations of equal callers once. No answer is stored. */
export class CoalescedAnswers<Q, A> extends Coalescer<A | null, AnswerWaiter<Q>> {
  /** All anonymous callers are the same object. */
  #last: { readonly caller: CallerFacts; readonly text: string } | null = null;

  /** The key that equal requests share; null for a request that is not coalesced. */
  keyOf({ caller, type, credentials }: Asker, body: Buffer): string | null {
    if (body.length > maxBodyBytes) return null;
    if (this.#last?.caller !== caller) this.#last = { caller, text: printCaller(caller) };
    const own = credentials === null ? "" : JSON.stringify(credentials);
    // JSON has no line break, so no part can be mistaken for the next; each byte of the body is one character.
    return `${type}\n${this.#last.text}\n${own}\n${body.toString("latin1")}`;
  }
}

/** All facts of a caller. The compiler requires each new one here, because it may change an answer. */
function printCaller({ name, scopes, access }: CallerFacts): string {
  const facts: { readonly [K in keyof CallerFacts]-?: unknown } = { name, scopes: [...scopes].sort(), access };
  return JSON.stringify(facts);
}
