import { isIPv6 } from "node:net";
import type { Config } from "../../config/index.ts";
import type { CallerFacts } from "../../graph/context.ts";
import { createStaleResponses } from "../../upstream/cache.ts";
import { createCancelSource } from "../../upstream/cancel.ts";
import type { Call } from "../../upstream/operation.ts";
import type { RequestHeaders } from "../observability/request-id.ts";

/** The parts of a request that its upstream calls inherit. */
export interface CallOptions {
  readonly headers: RequestHeaders;
  readonly requestId: string;
  /** The fair share of a backend's queue is by this key; see {@link callerKey}. */
  readonly callerKey: string;
  /** `performance.now()` when the operation came in: its deadline counts from there. */
  readonly startedAt: number;
  /** Calls back when the call is no longer needed: its answer is sent, or no one waits for it. */
  readonly onClose: (listener: () => void) => void;
}

/** Starts the clock and the budget of one operation. */
export function createCall(
  { headers, requestId, callerKey: key, startedAt, onClose }: CallOptions,
  limits: { readonly upstreamCalls: number; readonly deadlineMs: number },
): Call {
  const deadline = startedAt + limits.deadlineMs;
  let left = limits.upstreamCalls;
  const cancelToken = createCancelSource();
  const timer = setTimeout(() => cancelToken.cancel(), Math.ceil(deadline - performance.now())).unref();
  onClose(() => {
    clearTimeout(timer);
    cancelToken.cancel();
  });
  return {
    cancelToken,
    remainingMs: () => deadline - performance.now(),
    requestId,
    staleResponses: createStaleResponses(),
    budget: { take: () => left-- > 0 },
    caller: { key, credentialFor: (backend) => credentialOf(headers.get(credentialHeader(backend))) },
  };
}

/**
 * One key for all calls of one caller: the name of its key or its token's subject, which is authenticated; without
 * authentication the address of the connection. It does not depend on credentials for backends, which a caller may
 * change. Of an IPv6 address the first 64 bits count, because the rest is up to the host.
 */
export function callerKey(mode: Config["auth"]["mode"], caller: CallerFacts, address: string | null): string {
  if (mode !== "none") return `caller ${caller.name}`;
  return `address ${address !== null && isIPv6(address) ? networkOf(address) : (address ?? "unknown")}`;
}

/** The first four groups of an IPv6 address; the IPv4 address inside a mapped one. */
function networkOf(address: string): string {
  if (/^::ffff:[\d.]+$/i.test(address)) return address.slice("::ffff:".length);
  const [before = "", after] = address.split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  return [...head, ...Array.from({ length: zeros }, () => "0"), ...tail].slice(0, 4).join(":");
}

/** The header in which a caller sends its own credential for a backend. */
export function credentialHeader(backend: string): string {
  return `x-backend-token-${backend}`;
}

/** A credential that no header may contain is ignored. */
function credentialOf(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : null;
}
