/** A connection that a proxy did not give: it could not be reached itself, or it refused. */
export class ProxyFailure extends Error {
  override readonly name = "ProxyFailure";
  /** What it answered; null where it could not be asked. */
  readonly status: number | null;

  constructor(status: number | null, cause?: unknown) {
    super("the proxy gave no connection", { cause });
    this.status = status;
  }
}

/** Why no connection came about: `reason` in our words, for the log, and whether trying again may help. */
export interface ConnectionFault {
  readonly reason: string;
  readonly retryable: boolean;
}

/**
 * Tells of a certificate or a proxy in the way; null for what is neither. Codes of certificates are those of Node's
 * documentation ("X509 certificate error codes") and, for a refusal by the server, OpenSSL's alerts.
 */
export function connectionFaultOf(error: unknown): ConnectionFault | null {
  if (error instanceof ProxyFailure) return proxyFaultOf(error);
  const code = codeOf(error);
  const words = wordsFor(code, "server");
  return words === null ? null : { reason: `${code}: ${words}`, retryable: false };
}

/** The code of a system's, TLS or undici error, which names no address; `unknown` where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}

function proxyFaultOf({ status, cause }: ProxyFailure): ConnectionFault {
  if (status === null) {
    const code = codeOf(cause);
    const words = wordsFor(code, "proxy");
    const reason = words === null ? `the proxy cannot be reached: ${code}` : `the proxy, ${code}: ${words}`;
    return { reason, retryable: words === null };
  }
  const said = refusals.get(status) ?? (status >= 500 ? "it could not reach the server" : "it makes no connection");
  // What a proxy has against us or against the address stays so; that it found no way may pass.
  return { reason: `the proxy refused with ${status}: ${said}`, retryable: status >= 500 || status === 429 };
}

const refusals: ReadonlyMap<number, string> = new Map([
  [401, "it takes other credentials, in its address"],
  [403, "its rules must allow the backend's host and port"],
  [405, "it makes no tunnels: it must allow CONNECT"],
  [407, "it takes other credentials, in its address"],
  [429, "it is asked too often"],
]);

/** What a code says of a certificate and what would be right; null for a code of something else. */
function wordsFor(code: string, whose: "server" | "proxy"): string | null {
  const isAlert = code.startsWith("ERR_SSL_") && code.includes("ALERT");
  // Before TLS 1.3 a server that misses a certificate says no more than this.
  if (isAlert && code.endsWith("HANDSHAKE_FAILURE")) {
    return `the ${whose} ended the handshake: it wants a certificate (tls.cert and tls.key), or other versions of TLS`;
  }
  // A server says so where it wants a certificate of the gateway, or another one.
  if (isAlert && /CERT|UNKNOWN_CA|ACCESS_DENIED/.test(code)) {
    return `the ${whose} accepts no certificate of the gateway: tls.cert and tls.key must be a pair that it trusts`;
  }
  const words = certificates.get(code);
  if (words !== undefined) return `the ${whose}'s certificate ${words}`;
  return otherCertificates.has(code) ? `the ${whose}'s certificate is not valid: it must be replaced there` : null;
}

const unknownIssuer = "is of an issuer that is not trusted: name the authority as tls.ca or in NODE_EXTRA_CA_CERTS";

const certificates: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "has expired: it must be renewed there"],
  ["CERT_NOT_YET_VALID", "is not valid yet: one of the two clocks is wrong, or it came too early"],
  ["CERT_REVOKED", "was revoked: it must be replaced there"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "is signed by itself: name it as tls.ca if it is the right one"],
  ["SELF_SIGNED_CERT_IN_CHAIN", unknownIssuer],
  ["UNABLE_TO_GET_ISSUER_CERT", unknownIssuer],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", unknownIssuer],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", `${unknownIssuer}, or let the server send the whole chain`],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "is for other names: url must hold one of them, or tls.serverName"],
  ["HOSTNAME_MISMATCH", "is for other names: url must hold one of them, or tls.serverName"],
]);

const otherCertificates: ReadonlySet<string> = new Set([
  "CERT_CHAIN_TOO_LONG",
  "CERT_REJECTED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "CRL_HAS_EXPIRED",
  "CRL_NOT_YET_VALID",
  "CRL_SIGNATURE_FAILURE",
  "ERROR_IN_CERT_NOT_AFTER_FIELD",
  "ERROR_IN_CERT_NOT_BEFORE_FIELD",
  "ERROR_IN_CRL_LAST_UPDATE_FIELD",
  "ERROR_IN_CRL_NEXT_UPDATE_FIELD",
  "ERR_TLS_CERT_ALTNAME_FORMAT",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNABLE_TO_DECRYPT_CRL_SIGNATURE",
  "UNABLE_TO_GET_CRL",
]);
