/** Failures of one upstream call. `OVER_BUDGET`: our own limit of calls or time, so the call was not made. */
export type Failure =
  | "NOT_FOUND"
  | "DENIED"
  | "REJECTED"
  | "THROTTLED"
  | "TIMED_OUT"
  | "UNAVAILABLE"
  | "MALFORMED"
  | "OVER_BUDGET";

/** Why there is no answer. `SILENT`: the request was sent, and was reset, late, or answered by a proxy (502 to 504). */
export type Silence = "UNREACHABLE" | "SILENT";

/** What may be published about a failure. None of it is the vendor's text, an address or a credential. */
export interface FailureFacts {
  readonly backend: string;
  /** Our name of the call, such as `swr.listVersions`; null where no single call is to blame. */
  readonly operation: string | null;
  readonly status?: number | null;
  /** The vendor's stable code, only where a dialect vouches for its form (letters, digits, dots, underscores). */
  readonly code?: string | null;
  readonly traceId?: string | null;
  readonly retryAfterMs?: number | null;
  /** Whether asking again may help; by default true for THROTTLED, TIMED_OUT and UNAVAILABLE. */
  readonly retryable?: boolean;
  /** True when nothing was sent because the backend's breaker is open: final for this request. */
  readonly circuitOpen?: boolean;
  /** Set where the server did not answer; see {@link Silence}. */
  readonly silence?: Silence | null;
  /** True for a MALFORMED answer that was larger than we read: a smaller page may be asked for. */
  readonly tooLarge?: boolean;
  /** What the caller, or the operator, can do about it: a sentence of ours that is safe to show. */
  readonly advice?: string;
  /** What was wrong, in our words; for the log, and only for MALFORMED safe to show. */
  readonly reason?: string;
}

/** The one error that the floors below the graph throw on purpose. */
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
  readonly silence: Silence | null;
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
    this.silence = facts.silence ?? (isProxyStatus(this.status) ? "SILENT" : null);
    this.tooLarge = facts.tooLarge ?? false;
    this.advice = facts.advice ?? null;
    this.reason = facts.reason ?? null;
  }
}

/** Statuses with which a proxy answers in place of a server that does not. */
export function isProxyStatus(status: number | null): boolean {
  return status !== null && status >= 502 && status <= 504;
}

/** Thrown by a decoder when an answer lacks the shape that we rely on; the client throws MALFORMED for it. */
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

/** `code` of a call for which our own queue had no room: the backend has not been asked. */
export const queueFullCode = "QUEUE_FULL";

/** Whether our own queue had no room for the call. */
export function isQueueFull({ code }: UpstreamError): boolean {
  return code === queueFullCode;
}

const noTimeLeft = "no time left";

/** The failure of a call that was not made, because its operation's time was over before. */
export function outOfTime(backend: string, operation: string): UpstreamError {
  return new UpstreamError("OVER_BUDGET", { backend, operation, reason: noTimeLeft });
}

/** Whether a call was not made because its operation's time was over before. */
export function isOutOfTime(error: unknown): boolean {
  return error instanceof UpstreamError && error.failure === "OVER_BUDGET" && error.reason === noTimeLeft;
}

/** A proxy that gave no connection: it could not be reached itself, or it refused. */
export class ProxyFailure extends Error {
  override readonly name = "ProxyFailure";
  readonly status: number | null;

  constructor(status: number | null, cause?: unknown) {
    super("the proxy gave no connection", { cause });
    this.status = status;
  }
}

/** Why no connection could be made, and whether trying again may help. */
type ConnectionFault = Required<Pick<FailureFacts, "reason" | "retryable">>;

/**
 * A certificate or a proxy as the cause of an error; null for any other. Codes of certificates are those of Node's
 * documentation ("X509 certificate error codes") and, for a refusal by the server, OpenSSL's alerts.
 */
export function connectionFaultOf(error: unknown): ConnectionFault | null {
  if (error instanceof ProxyFailure) return proxyFaultOf(error);
  const code = codeOf(error);
  const reason = certificateFault(code, "server");
  return reason === null ? null : { reason: `${code}: ${reason}`, retryable: false };
}

/** The code of a system's, TLS or undici error, which contains no address; `unknown` where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}

function proxyFaultOf({ status, cause }: ProxyFailure): ConnectionFault {
  if (status === null) {
    const code = codeOf(cause);
    const fault = certificateFault(code, "proxy");
    const reason = fault === null ? `the proxy cannot be reached: ${code}` : `the proxy, ${code}: ${fault}`;
    return { reason, retryable: fault === null };
  }
  const advice =
    proxyRefusals.get(status) ?? (status >= 500 ? "it could not reach the server" : "it makes no connection");
  // A proxy that refuses us or the address goes on to do so; one that could not reach the server may reach it later.
  return { reason: `the proxy refused with ${status}: ${advice}`, retryable: status >= 500 || status === 429 };
}

const proxyRefusals: ReadonlyMap<number, string> = new Map([
  [401, "it takes other credentials, in its address"],
  [403, "its rules must allow the backend's host and port"],
  [405, "it makes no tunnels: it must allow CONNECT"],
  [407, "it takes other credentials, in its address"],
  [429, "it is asked too often"],
]);

/** What is wrong with a certificate and how to fix it; null for a code that is not about certificates. */
function certificateFault(code: string, peer: "server" | "proxy"): string | null {
  const isAlert = code.startsWith("ERR_SSL_") && code.includes("ALERT");
  // Before TLS 1.3 a server that misses a certificate sends no more than this.
  if (isAlert && code.endsWith("HANDSHAKE_FAILURE")) {
    return `the ${peer} ended the handshake: it wants a certificate (tls.cert and tls.key), or other versions of TLS`;
  }
  // The alert of a server that wants a certificate of the gateway, or another one.
  if (isAlert && /CERT|UNKNOWN_CA|ACCESS_DENIED/.test(code)) {
    return `the ${peer} accepts no certificate of the gateway: tls.cert and tls.key must be a pair that it trusts`;
  }
  const fault = certificateFaults.get(code);
  if (fault !== undefined) return `the ${peer}'s certificate ${fault}`;
  return invalidCertificate.test(code) ? `the ${peer}'s certificate is not valid: it must be replaced there` : null;
}

const unknownIssuer = "is of an issuer that is not trusted: name the authority as tls.ca or in NODE_EXTRA_CA_CERTS";
const otherName = "is for other names: url must hold one of them, or tls.serverName";

const certificateFaults: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "has expired: it must be renewed there"],
  ["CERT_NOT_YET_VALID", "is not valid yet: one of the two clocks is wrong, or it came too early"],
  ["CERT_REVOKED", "was revoked: it must be replaced there"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "is signed by itself: name it as tls.ca if it is the right one"],
  ["SELF_SIGNED_CERT_IN_CHAIN", unknownIssuer],
  ["UNABLE_TO_GET_ISSUER_CERT", unknownIssuer],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", unknownIssuer],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", `${unknownIssuer}, or let the server send the whole chain`],
  ["ERR_TLS_CERT_ALTNAME_INVALID", otherName],
  ["HOSTNAME_MISMATCH", otherName],
]);

/** Codes of certificates that are invalid in some other way. */
const invalidCertificate =
  /^(?:CERT|CRL|INVALID|PATH_LENGTH|ERROR_IN_C(?:ERT|RL)|UNABLE_TO_(?:DECODE|DECRYPT|GET)|ERR_TLS_CERT)_/;
