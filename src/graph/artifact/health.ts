import { found } from "../../backends/answers.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Context } from "../context.ts";
import type { BackendHealth } from "../generated/resolvers.ts";
import { outcomeOf } from "./outcome.ts";

const asked = new WeakMap<Context, Map<string, Promise<BackendHealth | null>>>();

/**
 * How one backend is, asked once within an operation, however many places want to know. Null when there is nothing that
 * its credentials may surely ask.
 */
export function healthOf(context: Context, name: string): Promise<BackendHealth | null> {
  const known = asked.get(context) ?? new Map<string, Promise<BackendHealth | null>>();
  asked.set(context, known);
  const answer = known.get(name) ?? ask(context, name);
  known.set(name, answer);
  return answer;
}

/**
 * Asks one backend the cheapest thing it answers, through the same policies as everything else: an open breaker
 * shows as DOWN without a call.
 */
async function ask(context: Context, name: string): Promise<BackendHealth | null> {
  const backend = context.estate.find(name);
  if (!backend || !context.readers(backend).ping) return null;
  // What a cache says of a backend's health is no news.
  const ping = backend.during({ ...context.call, anew: true, onBehalfOf: () => context.call }).ping;
  if (!ping) return null;
  const started = performance.now();
  const { source, error } = await outcomeOf(
    name,
    ping().then((origin) => found(origin)),
    (origin) => origin,
  );
  const isSent = !(error instanceof UpstreamError && error.circuitOpen);
  return {
    status: source.status,
    latencyMs: isSent ? Math.round(performance.now() - started) : null,
    circuitOpen: backend.circuitOpen(context.call),
    checkedAt: new Date().toISOString(),
  };
}
