import type { Call } from "./call.ts";
import type { Failure, UpstreamError } from "./errors.ts";
import { createEvent } from "./event.ts";

/** What happened to one request on the wire, or to a call that never got there; told by {@link exchanges}. */
export interface Exchange {
  readonly call: Call;
  /** Configured name. */
  readonly backend: string;
  readonly operation: string;
  /** The dialect's judgement, or MALFORMED where the answer could not be decoded. */
  readonly outcome: "OK" | Failure;
  /** HTTP status, null when there was no answer. */
  readonly status: number | null;
  /** From sending to the last byte of the answer; for a call that was not sent, from asking to being refused. */
  readonly ms: number;
  /** Counts from 1; 0: nothing was sent for this call, see `via`. */
  readonly attempt: number;
  /**
   * How the answer came: over the `WIRE`; from a `FLIGHT` that another call had begun; from the `CACHE`; `STALE` from
   * the cache because the backend failed; or `UNSENT` (open breaker, full queue, no budget or credential, no time left).
   */
  readonly via: "WIRE" | "FLIGHT" | "CACHE" | "STALE" | "UNSENT";
  /** Bytes of the answer's body, as far as it was read to its end. */
  readonly bytes: number;
  /** The failure with what may be told of it; null for OK and for a redirect that was followed. */
  readonly error: UpstreamError | null;
}

/** Tells of each request that took from the budget, and of each call that was answered or refused without one. */
export const exchanges = createEvent<Exchange>("delivery-graph:exchange");

/** Tells of an exchange; the first word counts. Hands the error back, so that it can be thrown on. */
export type Settle = <E extends UpstreamError | null>(error: E) => E;

/** The request behind a call. */
function requestOf(call: Call): Call {
  return call.onBehalfOf ? requestOf(call.onBehalfOf()) : call;
}

/** What is known of an exchange when it starts. */
export type Start = Pick<Exchange, "call" | "backend" | "operation" | "attempt" | "via">;

/** Starts the clock of one exchange; it stops with the answer, and is told once, when somebody has judged it. */
export function startExchange(
  start: Start,
  started: number = performance.now(),
): (answer: Pick<Exchange, "status" | "bytes">) => Settle {
  const { backend, operation, attempt, via } = start;
  const call = requestOf(start.call);
  return ({ status, bytes }) => {
    const ms = performance.now() - started;
    let told = false;
    return (error) => {
      if (!told && exchanges.isHeard()) {
        const outcome = error?.failure ?? "OK";
        exchanges.tell({ call, backend, operation, attempt, via, status, bytes, ms, outcome, error });
      }
      told = true;
      return error;
    };
  };
}
