import type { Call } from "../upstream/call.ts";
import { createEnding, signalOf } from "../upstream/ending.ts";
import { createStandIns } from "../upstream/stand-ins.ts";
import type { RequestHeaders } from "./request-id.ts";

/** The parts of a request that its upstream calls inherit. */
export interface Asking {
  readonly headers: RequestHeaders;
  readonly requestId: string;
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
  const ending = createEnding();
  let signal: AbortSignal | null = null;
  const timer = setTimeout(() => ending.end(), Math.ceil(end - performance.now())).unref();
  asking.onClose(() => {
    clearTimeout(timer);
    ending.end();
  });
  return {
    get signal() {
      signal ??= signalOf(ending);
      return signal;
    },
    ending,
    remainingMs: () => end - performance.now(),
    requestId: asking.requestId,
    standIns: createStandIns(),
    budget: { take: () => left-- > 0 },
    caller: { credentialFor: (backend) => credentialOf(asking.headers.get(credentialHeader(backend))) },
  };
}

/** The header in which a caller sends its own credential for a backend. */
export function credentialHeader(backend: string): string {
  return `x-backend-token-${backend}`;
}

/** A credential must be fit for a header, or it is none. */
function credentialOf(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : null;
}
