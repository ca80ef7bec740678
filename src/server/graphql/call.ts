import { isIPv6 } from "node:net";
import type { Config } from "../../config/index.ts";
import type { CallerFacts } from "../../graph/context.ts";
import type { Call } from "../../upstream/call.ts";
import { createCancelSource } from "../../upstream/cancel.ts";
import { createStandIns } from "../../upstream/stand-ins.ts";
import type { RequestHeaders } from "../observability/request-id.ts";

/** The parts of a request that its upstream calls inherit. */
export interface Asking {
  readonly headers: RequestHeaders;
  readonly requestId: string;
  /** Whose share of a backend's queue it waits in; see {@link callerKey}. */
  readonly callerKey: string;
  /** `performance.now()` when the operation came in: its time runs from there. */
  readonly startedAt: number;
  /** Calls back when the connection closes, whether or not the answer is out. */
  readonly onClose: (listener: () => void) => void;
}

/** Starts the clock and the budget of one operation. */
export function createCall(
  asking: Asking,
  limits: { readonly upstreamCalls: number; readonly deadlineMs: number },
): Call {
  const end = asking.startedAt + limits.deadlineMs;
  let left = limits.upstreamCalls;
  const cancelToken = createCancelSource();
  const timer = setTimeout(() => cancelToken.cancel(), Math.ceil(end - performance.now())).unref();
  asking.onClose(() => {
    clearTimeout(timer);
    cancelToken.cancel();
  });
  return {
    cancelToken,
    remainingMs: () => end - performance.now(),
    requestId: asking.requestId,
    standIns: createStandIns(),
    budget: { take: () => left-- > 0 },
    caller: {
      key: asking.callerKey,
      credentialFor: (backend) => credentialOf(asking.headers.get(credentialHeader(backend))),
    },
  };
}

/**
 * One key for all calls of one caller: the name of its key or its token's subject, which the gateway has proved; where
 * nobody has to say who they are, the address of the connection. A caller who changes its credentials for backends stays
 * the same. Of an IPv6 address the first 64 bits count, as a host may choose the rest of it.
 */
export function callerKey(mode: Config["auth"]["mode"], caller: CallerFacts, address: string | null): string {
  if (mode !== "none") return `caller ${caller.name}`;
  return `address ${address !== null && isIPv6(address) ? networkOf(address) : (address ?? "unknown")}`;
}

/** An IPv4 address inside an IPv6 one is itself; of any other the first four groups are the network. */
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

/** A credential must be fit for a header, or it is none. */
function credentialOf(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : null;
}
