import process from "node:process";
import type { Failure, UpstreamError } from "./errors.ts";
import type { Call } from "./operation.ts";

/** An event of a lower floor that upper floors subscribe to; its publisher does not know the subscribers. */
export class Event<T> {
  readonly #subscribers = new Set<(message: T) => void>();

  /** Whether there is a subscriber: without one a message need not be made. */
  get hasSubscribers(): boolean {
    return this.#subscribers.size > 0;
  }

  /**
   * An error of a subscriber is an uncaught error of the process; the publisher and other subscribers do not see it.
   */
  publish(message: T): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(message);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }

  /** Returns how to unsubscribe. Subscribers run synchronously, in the order in which they subscribed. */
  subscribe(subscriber: (message: T) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }
}

/** One request to a backend, or a call for which none was sent; published by {@link exchanges}. */
export interface Exchange {
  readonly call: Call;
  readonly backend: string;
  readonly operation: string;
  /** The dialect's judgement, or MALFORMED where the answer could not be decoded. */
  readonly outcome: "OK" | Failure;
  readonly status: number | null;
  /** From sending to the last byte of the answer; for a call that was not sent, from asking to being refused. */
  readonly ms: number;
  /** Counts from 1; 0: no request was sent for this call, see `via`. */
  readonly attempt: number;
  /**
   * `SENT`, by a request; `COALESCED`, from the request of another call in flight; `CACHE`; `STALE`, from the cache
   * because the backend failed; `UNSENT`, there is none (open breaker, full queue, no budget, credential or time left).
   */
  readonly via: "SENT" | "COALESCED" | "CACHE" | "STALE" | "UNSENT";
  /** Bytes of the answer's body, as far as it was read. */
  readonly bytes: number;
  /** The failure; null for OK and for a redirect to the same origin. */
  readonly error: UpstreamError | null;
}

/** Published for each request that took from the budget, and for each call that needed or got none. */
export const exchanges = new Event<Exchange>();

type ExchangeFacts = Pick<Exchange, "backend" | "operation" | "attempt" | "via">;

/** An exchange that takes place. It is published once, when its outcome has been judged. */
export class ExchangeReport {
  readonly #call: Call;
  readonly #facts: ExchangeFacts;
  readonly #startedAt: number;
  #status: number | null = null;
  #bytes = 0;
  #ms = 0;
  #isPublished = false;

  constructor(call: Call, facts: ExchangeFacts, startedAt: number) {
    this.#call = requestOf(call);
    this.#facts = facts;
    this.#startedAt = startedAt;
  }

  /** Stops the clock: the answer is complete, or there is none (status null). */
  end(status: number | null, bytes: number): this {
    this.#status = status;
    this.#bytes = bytes;
    this.#ms = performance.now() - this.#startedAt;
    return this;
  }

  /** Publishes the outcome; only the first one counts. Returns the error, so that it can be thrown. */
  settle<E extends UpstreamError | null>(error: E): E {
    if (!this.#isPublished && exchanges.hasSubscribers) {
      exchanges.publish({
        call: this.#call,
        ...this.#facts,
        status: this.#status,
        bytes: this.#bytes,
        ms: this.#ms,
        outcome: error?.failure ?? "OK",
        error,
      });
    }
    this.#isPublished = true;
    return error;
  }
}

function requestOf(call: Call): Call {
  return call.onBehalfOf ? requestOf(call.onBehalfOf()) : call;
}
