import { deletePackage, deleteVersion } from "../access/deletion.ts";
import type { Resolvers } from "../generated/resolvers.ts";
import { backendNamed } from "./backend.ts";

/** Resolvers of schema/mutation.graphql: only where mutations are configured. */
export const mutationResolvers: Resolvers = {
  Mutation: {
    deletePackage: (_root, { id, confirmName }, context) => deletePackage(context, id, confirmName),
    deleteVersion: (_root, { id, confirmName }, context) => deleteVersion(context, id, confirmName),
  },
  Deletion: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
  },
};
