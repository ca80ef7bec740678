import type { Resolvers } from "../generated/resolvers.ts";
import { loadNode } from "../identity/nodes.ts";

/** Resolvers of schema/node.graphql: the standalone form only. */
export const nodeResolvers: Resolvers = {
  Query: {
    node: (_root, { id }, context, info) => loadNode(context, id, info),
    // One bad or unanswerable id is an error in its own place; the others answer.
    nodes: (_root, { ids }, context, info) => ids.map((id) => loadNode(context, id, info)),
  },
  Node: {
    __resolveType: (node) => node?.__typename ?? null,
  },
};
