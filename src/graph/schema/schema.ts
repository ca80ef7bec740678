import { readdirSync, readFileSync } from "node:fs";
import { makeExecutableSchema } from "@graphql-tools/schema";
import {
  concatAST,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  isScalarType,
  Kind,
  type ObjectTypeDefinitionNode,
  type ObjectTypeExtensionNode,
  parse,
  print,
} from "graphql";
import type { Context } from "../context.ts";
import { meterResolvers } from "../cost/answer-meter.ts";
import { artifactResolvers } from "../resolvers/artifact.ts";
import { backendResolvers } from "../resolvers/backend.ts";
import { mutationResolvers } from "../resolvers/mutation.ts";
import { nodeResolvers } from "../resolvers/node.ts";
import { packageResolvers } from "../resolvers/package.ts";
import { releaseResolvers } from "../resolvers/release.ts";
import { rootResolvers } from "../resolvers/root.ts";
import { enforceScopes } from "./scopes.ts";
import { references, subgraphOf, withoutFederation } from "./subgraph.ts";

const folder = new URL("../../../schema/", import.meta.url);

/**
 * `standalone` is what a client asks directly; `subgraph` is what a router puts together with other teams' graphs. They
 * differ in `node` and `nodes`, which cannot be composed, and in the definitions of federation.
 */
export type SchemaForm = "standalone" | "subgraph";

/** What the running schema has and tells. */
export interface SchemaOptions {
  /** Whether there is a `Mutation`; default false. */
  readonly mutations?: boolean;
  /** Whether `_service` of the subgraph form tells the schema; default true. */
  readonly tellsSdl?: boolean;
}

/**
 * The executable graph, its scopes enforced. Throws when a resolver has no field, or the files do not make a schema.
 */
export function createSchema(
  form: SchemaForm = "standalone",
  { mutations = false, tellsSdl = true }: SchemaOptions = {},
): GraphQLSchema {
  const document = readFiles(() => true);
  return meterResolvers(enforceScopes(describeScalars(unguarded(form, mutations, tellsSdl), document), document));
}

/** An implementation takes the place of the scalar in the files, and with it the place of its description. */
function describeScalars(schema: GraphQLSchema, { definitions }: DocumentNode): GraphQLSchema {
  for (const node of definitions) {
    if (node.kind !== Kind.SCALAR_TYPE_DEFINITION) continue;
    const type = schema.getType(node.name.value);
    if (isScalarType(type)) type.description ??= node.description?.value;
  }
  return schema;
}

function unguarded(form: SchemaForm, mutations: boolean, tellsSdl: boolean): GraphQLSchema {
  const readers = [rootResolvers, backendResolvers, releaseResolvers, artifactResolvers, packageResolvers];
  const resolvers = mutations ? [...readers, mutationResolvers] : readers;
  const resolverValidationOptions = { requireResolversToMatchSchema: "error" } as const;
  if (form === "standalone") {
    return makeExecutableSchema<Context>({
      typeDefs: standaloneDocument(mutations),
      resolvers: [...resolvers, nodeResolvers],
      resolverValidationOptions,
    });
  }
  const document = subgraphDocument(mutations);
  const parts = subgraphOf(document, references, { tellsSdl });
  return makeExecutableSchema<Context>({
    typeDefs: [document, parts.typeDefs],
    resolvers: [...resolvers, parts.resolvers].flat(),
    resolverValidationOptions,
  });
}

/** The schema as text: what the running gateway publishes in this form. */
export function printSchemaForm(form: SchemaForm): string {
  return form === "standalone"
    ? `${print(standaloneDocument(false))}\n`
    : subgraphOf(subgraphDocument(false), references).sdl;
}

function standaloneDocument(mutations: boolean): DocumentNode {
  return withoutFederation(readFiles((name) => mutations || name !== "mutation.graphql"));
}

function subgraphDocument(mutations: boolean): DocumentNode {
  return readFiles((name) => name !== "node.graphql" && (mutations || name !== "mutation.graphql"));
}

function readFiles(wanted: (name: string) => boolean): DocumentNode {
  const files = readdirSync(folder).filter((name) => name.endsWith(".graphql") && wanted(name));
  return mergeExtensions(concatAST(files.sort().map((name) => parse(readFileSync(new URL(name, folder), "utf8")))));
}

/**
 * Moves the fields of type extensions into the type, which has its place where the first of them was; directives first.
 */
function mergeExtensions({ definitions }: DocumentNode): DocumentNode {
  const types = new Map<string, ObjectTypeDefinitionNode | ObjectTypeExtensionNode>();
  for (const node of definitions.filter(isObjectType)) {
    const before = types.get(node.name.value);
    const type = before?.kind === Kind.OBJECT_TYPE_DEFINITION ? before : node;
    types.set(node.name.value, { ...type, fields: [...(before?.fields ?? []), ...(node.fields ?? [])] });
  }
  const merged = new Set(definitions.map((node) => (isObjectType(node) ? (types.get(node.name.value) ?? node) : node)));
  const isDirective = ({ kind }: DefinitionNode) => kind === Kind.DIRECTIVE_DEFINITION;
  const inOrder = [...merged].toSorted((one, other) => Number(isDirective(other)) - Number(isDirective(one)));
  return { kind: Kind.DOCUMENT, definitions: inOrder };
}

function isObjectType(node: DefinitionNode): node is ObjectTypeDefinitionNode | ObjectTypeExtensionNode {
  return node.kind === Kind.OBJECT_TYPE_DEFINITION || node.kind === Kind.OBJECT_TYPE_EXTENSION;
}
