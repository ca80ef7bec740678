/**
 * What can go wrong with one upstream call, as a closed set. Anything else that is thrown is a bug of ours.
 * `OVER_BUDGET` is our own cap: the call was never made.
 */
export type Failure =
  | "NOT_FOUND"
  | "DENIED"
  | "REJECTED"
  | "THROTTLED"
  | "TIMED_OUT"
  | "UNAVAILABLE"
  | "MALFORMED"
  | "OVER_BUDGET";

/** What may be told about a failure. None of it is the vendor's text, an address or a credential. */
export interface FailureFacts {
  /** Configured name of the backend. */
  readonly backend: string;
  /** Our name of the call, such as `swr.listVersions`; null where no single call is to blame. */
  readonly operation: string | null;
  /** HTTP status, null when there was no answer. */
  readonly status?: number | null;
  /** The vendor's stable code, only where a dialect vouches for its form (letters, digits, dots, underscores). */
  readonly code?: string | null;
  readonly traceId?: string | null;
  /** How long the backend wants to be left alone. */
  readonly retryAfterMs?: number | null;
  /** Whether asking again may help; by default true for THROTTLED, TIMED_OUT and UNAVAILABLE. */
  readonly retryable?: boolean;
  /** True when nothing was sent because the backend's breaker is open: final for this request. */
  readonly circuitOpen?: boolean;
  /** True for a MALFORMED answer that was larger than we read: less of it may be asked for. */
  readonly tooLarge?: boolean;
  /** What whoever asks, or runs the gateway, can do about it: a sentence in our words that is safe to show. */
  readonly advice?: string;
  /** What was wrong, in our words; for the log, and only for MALFORMED safe to show. */
  readonly reason?: string;
}

/** The one error the floors below the graph throw on purpose. */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly failure: Failure;
  readonly backend: string;
  readonly operation: string | null;
  readonly status: number | null;
  readonly code: string | null;
  readonly traceId: string | null;
  readonly retryAfterMs: number | null;
  readonly retryable: boolean;
  readonly circuitOpen: boolean;
  readonly tooLarge: boolean;
  readonly advice: string | null;
  readonly reason: string | null;

  constructor(failure: Failure, facts: FailureFacts) {
    super(`${facts.backend}: ${failure}${facts.operation ? ` in ${facts.operation}` : ""}`);
    this.failure = failure;
    this.backend = facts.backend;
    this.operation = facts.operation;
    this.status = facts.status ?? null;
    this.code = facts.code ?? null;
    this.traceId = facts.traceId ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.retryable = facts.retryable ?? ["THROTTLED", "TIMED_OUT", "UNAVAILABLE"].includes(failure);
    this.circuitOpen = facts.circuitOpen ?? false;
    this.tooLarge = facts.tooLarge ?? false;
    this.advice = facts.advice ?? null;
    this.reason = facts.reason ?? null;
  }
}

/** Thrown by a decoder when an answer has not the shape we rely on; the client turns it into MALFORMED. */
export class MisshapenAnswer extends Error {
  override readonly name = "MisshapenAnswer";
}

/** Thrown where an answer is larger than we read, in bytes or in parts. */
export class AnswerTooLarge extends MisshapenAnswer {}

/** Whether an answer was larger than we read: a smaller page may be asked for. */
export function isTooLarge(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.tooLarge;
}

/** Whether the failure means "the backend answered, and there is no such thing". */
export function isNotFound(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.failure === "NOT_FOUND";
}
