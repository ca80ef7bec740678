import { CancelSource, type CancelToken, neverCancelled } from "../../src/upstream/cancel.ts";
import type { Call } from "../../src/upstream/operation.ts";

/** A request's inheritance for tests that talk to an adapter directly: generous unless told otherwise. */
export function testCall(
  options: { calls?: number; signal?: AbortSignal; credential?: string; caller?: string } = {},
): Call {
  let left = options.calls ?? 1000;
  return {
    cancelToken: options.signal ? cancelTokenOf(options.signal) : neverCancelled,
    remainingMs: () => 15_000,
    requestId: "test",
    budget: { take: () => left-- > 0 },
    caller: { key: options.caller ?? "test", credentialFor: () => options.credential ?? null },
  };
}

/** The token of an AbortSignal. */
export function cancelTokenOf(signal: AbortSignal): CancelToken {
  const source = new CancelSource();
  if (signal.aborted) source.cancel();
  else signal.addEventListener("abort", () => source.cancel(), { once: true });
  return source;
}
