import type { Log } from "./log.ts";
import type { Observer } from "./telemetry.ts";

/** Longer names are cut: they are the caller's to choose, and a log line is not. */
const longestName = 100;

/**
 * One line an operation and one a failed upstream request, in our words only: no document, no variables, no address, no
 * header, nothing that a backend said but its stable code and its request id.
 */
export function createRequestLog(log: Log): Observer {
  return {
    exchanged: ({ requestId }, { backend, operation, outcome, via, status, ms, attempt, error }) => {
      // NOT_FOUND is an answer. What was never sent is counted, and while a breaker is open it would flood the log.
      if (error === null || outcome === "NOT_FOUND" || via !== "WIRE") return;
      const facts = {
        requestId,
        backend,
        call: operation,
        outcome,
        status,
        ms: Math.round(ms),
        attempt,
        ...(error.code === null ? {} : { upstreamCode: error.code }),
        ...(error.reason === null ? {} : { reason: error.reason }),
        ...(error.traceId === null ? {} : { upstreamTraceId: error.traceId }),
      };
      log.warn(facts, "an upstream request failed");
    },
    ended: ({ requestId, name, calls }, outcome, ms) => {
      const operation = name === null ? null : name.slice(0, longestName);
      const facts = { requestId, operation, outcome, ms: Math.round(ms), calls };
      if (outcome === "bug") log.error(facts, "answered");
      else log.info(facts, "answered");
    },
  };
}
