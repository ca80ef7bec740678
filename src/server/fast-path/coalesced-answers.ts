import type { CallerFacts } from "../../graph/context.ts";
import type { CancelToken } from "../../upstream/cancel.ts";
import { type Coalescer, createCoalescer, type Run } from "../../upstream/coalesce.ts";

/** A caller that waits for the answer to an operation. */
export interface AnswerWaiter<Q> {
  /** Cancelled when the caller leaves. */
  readonly cancelToken: CancelToken;
  /** The operation as the leader prepared it; null in a follower, which has not parsed its own. */
  readonly prepared: Q | null;
}

/**
 * A run of one operation for all its waiters; its result is null for a follower that has to run the operation itself.
 */
export type AnswerRun<Q, A> = Run<A | null, AnswerWaiter<Q>>;

/** Names and values of headers. */
export type Credentials = readonly (readonly [name: string, value: string])[];

/** Runs equal in-flight operations of equal callers once. No answer is stored. */
export interface CoalescedAnswers<Q, A> extends Coalescer<A | null, AnswerWaiter<Q>> {
  /** The key that equal requests share; null for a request that is not coalesced. */
  readonly keyOf: (asker: Asker, body: Buffer) => string | null;
}

/** Everything beside the body that an answer can depend on. */
export interface Asker {
  readonly caller: CallerFacts;
  /** Media type of the answer. */
  readonly type: string;
  /** The caller's own credentials for backends, by header; null for none. */
  readonly credentials: Credentials | null;
}

/** Longer bodies are not compared, which bounds the memory of keys. */
const maxBodyBytes = 16_384;

/** Starts empty. Followers that have waited for `maxWaitMs` are released with null. */
export function createCoalescedAnswers<Q, A>(maxWaitMs: number): CoalescedAnswers<Q, A> {
  // All anonymous callers are the same object.
  let last: { readonly caller: CallerFacts; readonly text: string } | null = null;
  const printed = (caller: CallerFacts): string => {
    if (last?.caller !== caller) last = { caller, text: printCaller(caller) };
    return last.text;
  };
  return {
    ...createCoalescer<A | null, AnswerWaiter<Q>>({ maxWaitMs, released: null }),
    keyOf: ({ caller, type, credentials }, body) => {
      if (body.length > maxBodyBytes) return null;
      const own = credentials === null ? "" : JSON.stringify(credentials);
      // JSON has no line break, so no part can be mistaken for the next; each byte of the body is one character.
      return `${type}\n${printed(caller)}\n${own}\n${body.toString("latin1")}`;
    },
  };
}

/** All facts of a caller. The compiler requires each new one here, because it may change an answer. */
function printCaller({ name, scopes, access }: CallerFacts): string {
  const facts: { readonly [K in keyof CallerFacts]-?: unknown } = { name, scopes: [...scopes].sort(), access };
  return JSON.stringify(facts);
}
