import type { BackendIdentity } from "../../model/backend.ts";
import { aged, healthOf } from "../artifact/outcome.ts";
import type { Context } from "../context.ts";
import type { Resolvers } from "../generated/resolvers.ts";

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
