import type { Context } from "./context.ts";
import type { BackendHealth } from "./generated/resolvers.ts";
import { outcomeOf } from "./outcome.ts";

/**
 * Asks one backend the cheapest thing it answers, through the same policies as everything else: an open breaker
 * shows as DOWN without a call.
 */
export async function healthOf(context: Context, name: string): Promise<BackendHealth | null> {
  const backend = context.estate.find(name);
  const ping = backend && context.readers(backend).ping;
  if (!backend || !ping) return null;
  const started = performance.now();
  const outcome = await outcomeOf(name, ping(), (origin) => origin);
  return {
    status: outcome.source.status,
    latencyMs: outcome.error?.circuitOpen ? null : Math.round(performance.now() - started),
    circuitOpen: backend.circuitOpen(),
    checkedAt: new Date().toISOString(),
  };
}
