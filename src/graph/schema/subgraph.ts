import type { IExecutableSchemaDefinition } from "@graphql-tools/schema";
import {
  type ASTNode,
  type DefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  GraphQLError,
  type GraphQLResolveInfo,
  Kind,
  parse,
  print,
  visit,
} from "graphql";
import { type Digest, parseDigest } from "../../model/artifact.ts";
import type { Release } from "../../model/release.ts";
import type { ArtifactNode } from "../artifact/artifact.ts";
import { configuredPlaces } from "../artifact/lookups.ts";
import { errorsIn, outcomeOf } from "../artifact/outcome.ts";
import { searchDigest, traceFound } from "../artifact/trace-starts.ts";
import { backendsWith, type Context } from "../context.ts";
import { badInput } from "../errors.ts";
import { loadNode } from "../identity/nodes.ts";
import { coordinatesOf, type NodeType } from "../identity/opaque.ts";

/** What another subgraph sends to name one object: its type and the fields of one of its keys, all unchecked. */
export type Representation = Readonly<Record<string, unknown>> & { readonly __typename: string };

/** Reads one entity again: null when it is gone, rejects when the answer is unknown. */
export type ReferenceResolver<C> = (
  representation: Representation,
  context: C,
  info: GraphQLResolveInfo,
) => Promise<object | null>;

/** What a schema needs on top of its own documents to serve as a subgraph. */
export interface SubgraphParts<C> {
  /** What `_service` publishes: the document without the definitions that its `@link` imports. */
  readonly sdl: string;
  readonly typeDefs: DocumentNode;
  readonly resolvers: NonNullable<IExecutableSchemaDefinition<C>["resolvers"]>;
}

/**
 * The definitions of the federation specification for a document and its reference resolvers. With `tellsSdl: false`
 * `_service` answers FORBIDDEN: it tells as much as introspection does. Throws when the types with a
 * `@key` and the types with a resolver are not the same.
 */
export function subgraphOf<C>(
  document: DocumentNode,
  references: Readonly<Record<string, ReferenceResolver<C>>>,
  { tellsSdl = true }: { readonly tellsSdl?: boolean } = {},
): SubgraphParts<C> {
  const sdl = `${print(publishedForm(document))}\n`;
  const entities = entitiesOf(document);
  const resolved = Object.keys(references);
  const odd = [...entities, ...resolved].filter((name) => !entities.includes(name) || !resolved.includes(name));
  if (odd.length > 0) throw new Error(`entities and reference resolvers differ in ${odd.join(", ")}`);
  const byName = new Map(Object.entries(references));

  async function resolve(given: unknown, context: C, info: GraphQLResolveInfo): Promise<object | null> {
    if (!isRepresentation(given)) {
      throw badInput("BAD_USER_INPUT", "A representation is an object with the name of its type as __typename.");
    }
    const reference = byName.get(given.__typename);
    if (!reference) throw badInput("BAD_USER_INPUT", "A representation names a type that is no entity of this graph.");
    const value = await reference(given, context, info);
    // An artifact is an instance of a class and has its own name: a copy would lose its methods.
    return value === null || "__typename" in value ? value : { ...value, __typename: given.__typename };
  }

  return {
    sdl,
    // What an entity costs is what `node` costs; the two directives are for the gateway's own limits and not published.
    typeDefs: parse(`
      scalar _Any
      type _Service { sdl: String! }
      union _Entity = ${entities.join(" | ")}
      extend type Query {
        _service: _Service!
        _entities(representations: [_Any!]!): [_Entity]! ${costOf(document)}
      }
    `),
    resolvers: {
      Query: {
        _service: () => {
          if (!tellsSdl) throw sdlForbidden();
          return { sdl };
        },
        // All at once, so that the loaders see one batch; each an own promise, so that one fails alone.
        _entities: (_root: unknown, { representations }: { representations: readonly unknown[] }, context, info) =>
          representations.map((one) => resolve(one, context, info)),
      },
      _Entity: { __resolveType: (value: { readonly __typename: string }) => value.__typename },
    },
  };
}

function sdlForbidden(): GraphQLError {
  return new GraphQLError("This gateway does not tell its schema.", {
    extensions: { code: "FORBIDDEN", retryable: false },
  });
}

/** The object types that other subgraphs may refer to. */
function entitiesOf(document: DocumentNode): string[] {
  const names = document.definitions.flatMap((definition) => {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) return [];
    return definition.directives?.some(({ name }) => name.value === "key") ? [definition.name.value] : [];
  });
  return [...new Set(names)];
}

/**
 * The document as it is published: without definitions of what it links, which composers bring themselves, and without
 * the scopes, which are enforced here for everybody. A supergraph that names them is one that @apollo/gateway refuses.
 */
function publishedForm(document: DocumentNode): DocumentNode {
  const imported = importsOf(document);
  const definitions = document.definitions.filter((definition) => !isOfFederation(definition, imported));
  return visit(
    { ...document, definitions },
    {
      Directive: ({ name }) => (unpublished.has(name.value) ? null : undefined),
      StringValue: ({ value }, _key, _parent, _path, ancestors) =>
        unpublished.has(value.slice(1)) && isWithin(ancestors, "link") ? null : undefined,
    },
  );
}

const unpublished: ReadonlySet<string> = new Set(["requiresScopes"]);

function isWithin(ancestors: readonly (ASTNode | readonly ASTNode[])[], directive: string): boolean {
  return ancestors.some((node) => "kind" in node && node.kind === Kind.DIRECTIVE && node.name.value === directive);
}

/** The document without any word of federation but the hints on cost: what a client that asks directly gets to see. */
export function withoutFederation(document: DocumentNode): DocumentNode {
  const leaving = new Set(["link", ...importsOf(document)].filter((name) => !hints.has(name)));
  const definitions = document.definitions.filter(
    (definition) => !isOfFederation(definition, leaving) && definition.kind !== Kind.SCHEMA_EXTENSION,
  );
  return visit({ ...document, definitions }, { Directive: ({ name }) => (leaving.has(name.value) ? null : undefined) });
}

const hints: ReadonlySet<string> = new Set(["cost", "listSize"]);

function costOf(document: DocumentNode): string {
  const imported = importsOf(document);
  return [...hints].every((hint) => imported.has(hint))
    ? '@cost(weight: 2) @listSize(slicingArguments: ["representations"])'
    : "";
}

function isOfFederation(definition: DefinitionNode, imported: ReadonlySet<string>): boolean {
  if (!("name" in definition) || definition.name === undefined) return false;
  const name = definition.name.value;
  if (definition.kind === Kind.DIRECTIVE_DEFINITION) {
    return name === "link" || name.startsWith("federation__") || imported.has(name);
  }
  return name.startsWith("federation__") || name.startsWith("link__");
}

/** Names of the directives that the document takes from the federation specification. */
function importsOf(document: DocumentNode): ReadonlySet<string> {
  const links = document.definitions
    .flatMap((definition) =>
      definition.kind === Kind.SCHEMA_EXTENSION || definition.kind === Kind.SCHEMA_DEFINITION
        ? (definition.directives ?? [])
        : [],
    )
    .filter((directive) => directive.name.value === "link" && /\/federation\/v\d/.test(argument(directive, "url")));
  return new Set(
    links
      .flatMap((link) => link.arguments ?? [])
      .flatMap(({ name, value }) => (name.value === "import" && value.kind === Kind.LIST ? value.values : []))
      .flatMap((value) => (value.kind === Kind.STRING ? [value.value.replace(/^@/, "")] : [])),
  );
}

function argument(directive: DirectiveNode, name: string): string {
  const value = directive.arguments?.find((one) => one.name.value === name)?.value;
  return value?.kind === Kind.STRING ? value.value : "";
}

function isRepresentation(value: unknown): value is Representation {
  return typeof value === "object" && value !== null && "__typename" in value && typeof value.__typename === "string";
}

type Reference = ReferenceResolver<Context>;

/** How each entity is read again by each of its keys: null when it is gone, rejects when the answer is unknown. */
export const references: Readonly<Record<string, Reference>> = {
  Release: (given, context, info) =>
    byId("Release", given, context, info, ({ zadigId }) => releaseByZadigId(context, zadigId)),
  BuildInfo: (given, context, info) => byId("BuildInfo", given, context, info),
  Artifact: (given, context, info) =>
    byId("Artifact", given, context, info, ({ digest }) => artifactByDigest(context, digest)),
  Package: (given, context, info) => byId("Package", given, context, info),
  Version: (given, context, info) => byId("Version", given, context, info),
};

/** By id where there is one, else by the type's natural key. */
async function byId(
  type: NodeType,
  given: Representation,
  context: Context,
  info: GraphQLResolveInfo,
  otherwise?: (given: Representation) => Promise<object | null>,
): Promise<object | null> {
  const { id } = given;
  if (id === undefined || id === null) {
    if (otherwise) return otherwise(given);
    throw badInput("BAD_USER_INPUT", `A reference to a ${type} has its id.`);
  }
  if (typeof id !== "string") throw badInput("BAD_ID", `This is not the id of a ${type}.`);
  coordinatesOf(id, type);
  return loadNode(context, id, info);
}

/**
 * Zadig's ids are unique within one Zadig, so every one is asked; the first that has it, in the configuration's order.
 */
async function releaseByZadigId(context: Context, zadigId: unknown): Promise<Release | null> {
  if (typeof zadigId !== "string") throw badInput("BAD_USER_INPUT", "A reference to a Release has its id or zadigId.");
  const asked = backendsWith(context, "releases");
  if (asked.length === 0) throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend has releases.");
  const outcomes = await Promise.all(
    asked.map(({ backend, reader }) =>
      outcomeOf(
        backend.name,
        reader.release({ backend: backend.name, project: null, zadigId, version: null }),
        ({ origin }) => origin,
      ),
    ),
  );
  const found = outcomes.find(({ value }) => value !== null)?.value;
  if (found) return found;
  for (const error of errorsIn(outcomes)) throw error;
  return null;
}

/**
 * No backend finds bytes by their digest alone, so every place is searched that the configuration names for searches.
 * Zadig holds no bytes: that it cannot be asked by digest leaves nothing open.
 */
async function artifactByDigest(context: Context, text: unknown): Promise<ArtifactNode | null> {
  const digest: Digest | null = typeof text === "string" ? parseDigest(text) : null;
  if (digest === null) throw badInput("BAD_USER_INPUT", "A reference to an Artifact has its id or digest.");
  const search = await searchDigest(context, digest, configuredPlaces(context));
  const { artifact } = await traceFound(context, digest, search);
  if (artifact) return artifact;
  const outcomes = [...search.images, ...search.files];
  for (const error of errorsIn(outcomes)) throw error;
  const open = outcomes.filter(({ source }) => source.status !== "ABSENT").map(({ source }) => source.backend);
  if (open.length === 0 && outcomes.length > 0) return null;
  throw badInput(
    "BAD_USER_INPUT",
    `No place that was searched has this digest, and ${[...new Set(open)].join(", ") || "no backend"} cannot be ` +
      "searched by digest alone: refer to the artifact by its id.",
  );
}
