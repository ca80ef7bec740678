import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { type DocumentNode, type GraphQLSchema, Kind, parse } from "graphql";
import { createYoga, type Plugin } from "graphql-yoga";
import { type Representation, subgraphOf } from "../../src/graph/schema/subgraph.ts";
import { traceHeader, useInlineTrace } from "../../src/server/graphql/use-inline-trace.ts";

// The products subgraph of Apollo's compatibility tests, with the data they expect, on this gateway's own machinery.

const user = {
  email: "support@apollographql.com",
  name: "Jane Smith",
  totalProductsCreated: 1337,
  yearsOfEmployment: 10,
};
const dimensions = { size: "small", weight: 1, unit: "kg" };
const research = ["Federation Study", "Studio Study"].map((description, index) => ({
  study: { caseNumber: `${1234 + index}`, description },
  outcome: null,
}));
const deprecated = {
  sku: "apollo-federation-v1",
  package: "@apollo/federation-v1",
  reason: "Migrate to Federation V2",
  createdBy: user,
};
const shared = { dimensions, createdBy: user, notes: null };
const products = [
  {
    ...shared,
    id: "apollo-federation",
    sku: "federation",
    package: "@apollo/federation",
    variation: { id: "OSS" },
    research: research.slice(0, 1),
  },
  {
    ...shared,
    id: "apollo-studio",
    sku: "studio",
    package: "",
    variation: { id: "platform" },
    research: research.slice(1),
  },
];

/** The directives of the specification that the products schema imports, and one of its own. */
const definitions = parse(`
  scalar federation__FieldSet
  scalar link__Import
  directive @link(url: String, as: String, import: [link__Import]) repeatable on SCHEMA
  directive @composeDirective(name: String!) repeatable on SCHEMA
  directive @extends on OBJECT | INTERFACE
  directive @external on OBJECT | FIELD_DEFINITION
  directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
  directive @inaccessible on FIELD_DEFINITION | OBJECT
  directive @interfaceObject on OBJECT
  directive @override(from: String!) on FIELD_DEFINITION
  directive @provides(fields: federation__FieldSet!) on FIELD_DEFINITION
  directive @requires(fields: federation__FieldSet!) on FIELD_DEFINITION
  directive @shareable repeatable on OBJECT | FIELD_DEFINITION
  directive @tag(name: String!) repeatable on FIELD_DEFINITION | OBJECT
`);

const references = {
  Product: async ({ id, sku, package: name, variation }: Representation) =>
    products.find((one) =>
      id !== undefined
        ? one.id === id
        : one.sku === sku && (name !== undefined ? one.package === name : one.variation.id === idOf(variation)),
    ) ?? null,
  DeprecatedProduct: async ({ sku, package: name }: Representation) =>
    sku === deprecated.sku && name === deprecated.package ? deprecated : null,
  ProductResearch: async ({ study }: Representation) =>
    research.find((one) => one.study.caseNumber === textIn(study, "caseNumber")) ?? null,
  User: async (reference: Representation) => (reference["email"] === user.email ? { ...user, ...reference } : null),
  Inventory: async ({ id }: Representation) => (id === "apollo-oss" ? { id, deprecatedProducts: [deprecated] } : null),
};

/** Serves it at `/` on a free port of this machine. */
export async function serveProducts(sdl: string): Promise<{ readonly url: string; readonly close: () => void }> {
  const document = parse(sdl);
  const { typeDefs, resolvers } = subgraphOf(document, references);
  const schema = makeExecutableSchema({
    typeDefs: [definitions, defined(document), typeDefs],
    resolvers: [
      ...[resolvers].flat(),
      {
        Query: {
          product: (_root: unknown, { id }: { id: string }) => products.find((one) => one.id === id) ?? null,
          deprecatedProduct: (_root: unknown, { sku, package: name }: { sku: string; package: string }) =>
            references.DeprecatedProduct({ __typename: "DeprecatedProduct", sku, package: name }),
        },
        User: {
          averageProductsCreatedPerYear: ({ totalProductsCreated, yearsOfEmployment }: typeof user) =>
            Math.round(totalProductsCreated / yearsOfEmployment),
        },
      },
    ],
  });
  const server = createServer(createYoga({ schema, graphqlEndpoint: "/", logging: false, plugins: [tracing(schema)] }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The gateway's own traces, in a server that is not the gateway. */
function tracing(schema: GraphQLSchema): Plugin {
  const trace = useInlineTrace(schema);
  return {
    onExecute: ({ args: { contextValue } }) => {
      if (contextValue.request?.headers.get(traceHeader.name) === traceHeader.value) trace.start(contextValue);
    },
    onExecutionResult: ({ result, context, setResult }) => {
      if (!result || Array.isArray(result) || Symbol.asyncIterator in result) return;
      setResult(trace.finish(context, result));
    },
  };
}

/** Extensions of what is defined nowhere, which only federation knows, as definitions. */
function defined(document: DocumentNode): DocumentNode {
  return {
    ...document,
    definitions: document.definitions.map((definition) =>
      definition.kind === Kind.OBJECT_TYPE_EXTENSION
        ? { ...definition, kind: Kind.OBJECT_TYPE_DEFINITION }
        : definition,
    ),
  };
}

function idOf(variation: unknown): string | null {
  return textIn(variation, "id");
}

function textIn(value: unknown, key: string): string | null {
  const found: unknown =
    typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : null;
  return typeof found === "string" ? found : null;
}
