import { randomUUID } from "node:crypto";
import type { Call } from "../upstream/call.ts";

/** The parts of a request that its upstream calls inherit. */
export interface Asking {
  readonly headers: { readonly get: (name: string) => string | null };
  /** Calls back when the connection closes, whether or not the answer is out. */
  readonly onClose: (listener: () => void) => void;
}

/** Starts the clock and the budget of one operation. */
export function createCall(
  asking: Asking,
  limits: { readonly upstreamCalls: number; readonly deadlineMs: number },
): Call {
  const end = performance.now() + limits.deadlineMs;
  let left = limits.upstreamCalls;
  const leaving = new AbortController();
  const timer = setTimeout(() => leaving.abort(), limits.deadlineMs).unref();
  asking.onClose(() => {
    clearTimeout(timer);
    leaving.abort();
  });
  return {
    signal: leaving.signal,
    remainingMs: () => end - performance.now(),
    requestId: requestIdOf(asking.headers),
    budget: { take: () => left-- > 0 },
    caller: { credentialFor: (backend) => credentialOf(asking.headers.get(`x-backend-token-${backend}`)) },
  };
}

/** The caller's own id for the request, if it looks like one: trace id, else `x-request-id`, else a new one. */
function requestIdOf(headers: Asking["headers"]): string {
  const trace = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(headers.get("traceparent") ?? "")?.[1];
  const given = headers.get("x-request-id");
  return trace ?? (given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID());
}

/** A credential must be fit for a header, or it is none. */
function credentialOf(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : null;
}
