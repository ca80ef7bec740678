import { readdirSync, readFileSync } from "node:fs";
import { mergeTypeDefs } from "@graphql-tools/merge";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { type DocumentNode, type GraphQLSchema, parse } from "graphql";
import type { Context } from "./context.ts";
import { artifactResolvers } from "./resolvers/artifact.ts";
import { backendResolvers } from "./resolvers/backend.ts";
import { nodeResolvers } from "./resolvers/node.ts";
import { packageResolvers } from "./resolvers/package.ts";
import { releaseResolvers } from "./resolvers/release.ts";
import { rootResolvers } from "./resolvers/root.ts";

const folder = new URL("../../schema/", import.meta.url);

/** The schema files as one document: the standalone form, `node` and `nodes` included. */
export function readSchemaDocument(): DocumentNode {
  const files = readdirSync(folder).filter((name) => name.endsWith(".graphql"));
  return mergeTypeDefs(files.sort().map((name) => parse(readFileSync(new URL(name, folder), "utf8"))));
}

/** The executable graph. Throws when a resolver has no field, or the files do not make a schema. */
export function createSchema(): GraphQLSchema {
  return makeExecutableSchema<Context>({
    typeDefs: readSchemaDocument(),
    resolvers: [rootResolvers, nodeResolvers, backendResolvers, releaseResolvers, artifactResolvers, packageResolvers],
    resolverValidationOptions: { requireResolversToMatchSchema: "error" },
  });
}
