import type { Resolvers } from "../generated/resolvers.ts";
import { scalars } from "../schema/scalars.ts";

/** Resolvers of schema/root.graphql. */
export const rootResolvers: Resolvers = {
  ...scalars,
  Query: {
    backends: (_root, _args, { estate }) => estate.backends,
  },
};
