import { found } from "../../backends/answers.ts";
import type { BackendIdentity } from "../../model/backend.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { aged, outcomeOf } from "../artifact/outcome.ts";
import type { Context } from "../context.ts";
import type { BackendHealth, Resolvers } from "../generated/resolvers.ts";

/** The backend of that name. A model object can only name a configured one, so anything else is our bug. */
export function backendNamed(context: Context, name: string): BackendIdentity {
  const backend = context.estate.find(name);
  if (!backend) throw new Error("a model object names a backend that is not configured");
  return backend;
}

/** Resolvers of schema/backend.graphql. */
export const backendResolvers: Resolvers = {
  Backend: {
    kind: ({ type }) => type.kind,
    health: (backend, _args, context) => healthOf(context, backend.name),
  },
  Source: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
    status: (source, _args, { call }) => aged(call, source).status,
    fetchedAt: (source, _args, { call }) => aged(call, source).fetchedAt,
  },
  Observation: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
  },
  Conflict: {
    chosen: ({ chosen }, _args, context) => backendNamed(context, chosen),
  },
};

const healths = new WeakMap<Context, Map<string, Promise<BackendHealth | null>>>();

/**
 * How one backend is, asked once within an operation, however many places want to know. Null when there is nothing that
 * its credentials may surely ask.
 */
function healthOf(context: Context, name: string): Promise<BackendHealth | null> {
  const known = healths.get(context) ?? new Map<string, Promise<BackendHealth | null>>();
  healths.set(context, known);
  const answer = known.get(name) ?? askHealth(context, name);
  known.set(name, answer);
  return answer;
}

/**
 * Asks one backend the cheapest thing it answers, through the same policies as everything else: an open breaker
 * shows as DOWN without a call.
 */
async function askHealth(context: Context, name: string): Promise<BackendHealth | null> {
  const backend = context.estate.find(name);
  if (!backend || !context.readers(backend).ping) return null;
  // What a cache says of a backend's health is no news.
  const ping = backend.during({ ...context.call, bypassCache: true, onBehalfOf: () => context.call }).ping;
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
