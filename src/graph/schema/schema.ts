import { readdirSync, readFileSync } from "node:fs";
import { makeExecutableSchema } from "@graphql-tools/schema";
import {
  type ConstDirectiveNode,
  concatAST,
  type DefinitionNode,
  type DocumentNode,
  defaultFieldResolver,
  GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  isObjectType,
  isScalarType,
  Kind,
  type ObjectTypeDefinitionNode,
  type ObjectTypeExtensionNode,
  parse,
  print,
  type ValueNode,
} from "graphql";
import { parseScope, type Scope } from "../../model/access.ts";
import type { Context } from "../context.ts";
import { meterResolvers } from "../cost/answer-meter.ts";
import { artifactResolvers } from "../resolvers/artifact.ts";
import { backendResolvers } from "../resolvers/backend.ts";
import { mutationResolvers } from "../resolvers/mutation.ts";
import { nodeResolvers } from "../resolvers/node.ts";
import { packageResolvers } from "../resolvers/package.ts";
import { releaseResolvers } from "../resolvers/release.ts";
import { rootResolvers } from "../resolvers/root.ts";
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
  for (const node of definitions.filter(isTypeNode)) {
    const before = types.get(node.name.value);
    const type = before?.kind === Kind.OBJECT_TYPE_DEFINITION ? before : node;
    types.set(node.name.value, { ...type, fields: [...(before?.fields ?? []), ...(node.fields ?? [])] });
  }
  const merged = new Set(definitions.map((node) => (isTypeNode(node) ? (types.get(node.name.value) ?? node) : node)));
  const isDirective = ({ kind }: DefinitionNode) => kind === Kind.DIRECTIVE_DEFINITION;
  const inOrder = [...merged].toSorted((one, other) => Number(isDirective(other)) - Number(isDirective(one)));
  return { kind: Kind.DOCUMENT, definitions: inOrder };
}

function isTypeNode(node: DefinitionNode): node is ObjectTypeDefinitionNode | ObjectTypeExtensionNode {
  return node.kind === Kind.OBJECT_TYPE_DEFINITION || node.kind === Kind.OBJECT_TYPE_EXTENSION;
}

/** The caller must have all scopes of one of these sets. */
type Requirement = readonly ReadonlySet<Scope>[];

/**
 * Puts a check before every field that `@requiresScopes` stands on in the document, and before every field of `Query`
 * and `Mutation`, which need `read` whether or not anything says so: a field that is added later is closed until it is
 * opened. A caller who lacks the scope gets FORBIDDEN in that place, nothing is asked for it, and the rest of the
 * answer stands. The document is the one with the words of federation, whether or not the schema still has them.
 */
export function enforceScopes(schema: GraphQLSchema, document: DocumentNode): GraphQLSchema {
  const demands = demandsIn(document);
  // A caller who deletes learns what is there.
  const roots = new Set<unknown>([schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    const ofRoot: readonly Requirement[] = roots.has(type) ? [[new Set(["read"] as const)]] : [];
    const ofType = demands.get(type.name) ?? [];
    for (const field of Object.values(type.getFields())) {
      const needed = [...ofRoot, ...ofType, ...(demands.get(`${type.name}.${field.name}`) ?? [])];
      if (needed.length > 0) guard(field, needed);
    }
  }
  return schema;
}

/** What is demanded by coordinate: `Type` for all of its fields, `Type.field` for one. */
function demandsIn(document: DocumentNode): ReadonlyMap<string, readonly Requirement[]> {
  const demands = new Map<string, readonly Requirement[]>();
  const add = (coordinate: string, directives: readonly ConstDirectiveNode[] | undefined) =>
    demands.set(coordinate, [...(demands.get(coordinate) ?? []), ...requirementsOf(directives)]);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) continue;
    add(definition.name.value, definition.directives);
    for (const field of definition.fields ?? []) add(`${definition.name.value}.${field.name.value}`, field.directives);
  }
  return demands;
}

function guard(field: GraphQLField<unknown, Context>, needed: readonly Requirement[]): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  field.resolve = (source, args, context, info) => {
    for (const requirement of needed) {
      if (!requirement.some((set) => set.isSubsetOf(context.caller.scopes))) throw lacking(requirement);
    }
    return resolve(source, args, context, info);
  };
}

function lacking(requirement: Requirement): GraphQLError {
  const words = requirement.map((set) => [...set].map((scope) => `"${scope}"`).join(" and ")).join(", or ");
  return new GraphQLError(`This field needs the scope ${words}.`, {
    extensions: { code: "FORBIDDEN", retryable: false },
  });
}

// Read from the document and not from the directive's definition: whatever is no list of lists of known scopes is a
// mistake in the schema, and must keep the gateway from starting instead of leaving a field open.
function requirementsOf(directives: readonly ConstDirectiveNode[] | undefined): readonly Requirement[] {
  return (directives ?? [])
    .filter(({ name }) => name.value === "requiresScopes")
    .map(({ arguments: args }) => {
      const sets = listIn(args?.find(({ name }) => name.value === "scopes")?.value).map(
        (set) => new Set(listIn(set).map(scopeIn)),
      );
      if (sets.length === 0 || sets.some((set) => set.size === 0)) throw new Error("@requiresScopes without a scope");
      return sets;
    });
}

function listIn(value: ValueNode | undefined): readonly ValueNode[] {
  return value?.kind === Kind.LIST ? value.values : [];
}

function scopeIn(value: ValueNode): Scope {
  const scope = value.kind === Kind.STRING ? parseScope(value.value) : null;
  if (scope === null) throw new Error("@requiresScopes with a scope that does not exist");
  return scope;
}
