import type { ExecutionResult } from "graphql";
import type { Plugin } from "graphql-yoga";
import { type AnswerMeter, createAnswerMeter, meteredResolver } from "../graph/answer-meter.ts";
import type { Context } from "../graph/context.ts";

/** The meters of requests that the engine answers; the operations of a batch share one. */
export interface Meters {
  readonly of: (request: object) => AnswerMeter;
  /** Ends what is too large. To stand behind all plugins that have a say in how an operation is executed. */
  readonly plugin: Plugin<Context>;
}

/** Meters that let so many bytes pass. */
export function createMeters(most: number): Meters {
  const meters = new WeakMap<object, AnswerMeter>();
  return {
    of: (request) => {
      const meter = meters.get(request) ?? createAnswerMeter(most);
      meters.set(request, meter);
      return meter;
    },
    plugin: {
      onExecute: ({ args, executeFn, setExecuteFn }) => {
        const { meter } = args.contextValue;
        if (meter === null) return;
        setExecuteFn(async (given) => {
          const over = new AbortController();
          meter.onRefusal(() => over.abort(meter.refusal()));
          // The request's own signal is not one that `AbortSignal.any` takes.
          if ("signal" in given && given.signal instanceof AbortSignal) follow(given.signal, over);
          const metered = { ...given, fieldResolver: meteredResolver, signal: over.signal };
          try {
            const result = await executeFn(metered);
            if (Symbol.asyncIterator in result) return cutShort(result, meter);
            return refusalOf(meter) ?? result;
          } catch (error) {
            const refusal = refusalOf(meter);
            if (refusal) return refusal;
            throw error;
          }
        });
      },
    },
  };
}

function follow(signal: AbortSignal, controller: AbortController): void {
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
}

function refusalOf(meter: AnswerMeter): ExecutionResult | null {
  const refusal = meter.refusal();
  return refusal && { errors: [refusal], data: null };
}

/** An answer in parts, the last of which says that it was too large. */
async function* cutShort(parts: AsyncIterable<object>, meter: AnswerMeter): AsyncGenerator<object> {
  try {
    for await (const part of parts) {
      if (meter.refusal()) break;
      yield part;
    }
  } catch (error) {
    if (!meter.refusal()) throw error;
  }
  const refusal = refusalOf(meter);
  if (refusal) yield { incremental: [{ ...refusal, path: [] }], hasNext: false };
}
