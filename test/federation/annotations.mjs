import { createServer } from "node:http";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { graphql, parse } from "graphql";

/**
 * Another team's subgraph: approvals of releases, known to it by Zadig's id, and licences of artifacts, known by digest.
 * It knows no id of the gateway's.
 */
export const annotationsSdl = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])

  type Release @key(fields: "zadigId") {
    zadigId: String
    approvedBy: String!
  }
  type Artifact @key(fields: "digest") {
    digest: Digest
    licences: [String!]!
  }
  scalar Digest
  type PageInfo @shareable {
    hasNextPage: Boolean!
    hasPreviousPage: Boolean!
    startCursor: String
    endCursor: String
  }
  type ApprovalPage {
    "An entry is null where the fields that must be there are of a release that is gone."
    releases: [Release]!
    pageInfo: PageInfo!
  }
  type Query {
    approvals(zadigIds: [String!]!): ApprovalPage!
    licensed(digests: [String!]!): [Artifact!]!
  }
`;

const approvedBy = ({ zadigId }) => `approver of ${zadigId}`;
const licences = ({ digest }) => ["Apache-2.0", `NOTICE for ${digest.slice(0, 15)}`];
const pageInfo = { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null };

const resolvers = {
  Release: { approvedBy, __resolveReference: (reference) => reference },
  Artifact: { licences, __resolveReference: (reference) => reference },
  Query: {
    approvals: (_root, { zadigIds }) => ({ releases: zadigIds.map((zadigId) => ({ zadigId })), pageInfo }),
    licensed: (_root, { digests }) => digests.map((digest) => ({ digest })),
  },
};
const schema = buildSubgraphSchema([{ typeDefs: parse(annotationsSdl), resolvers }]);

/** Serves it on a free port of this machine. */
export async function serveAnnotations() {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { query, variables, operationName } = JSON.parse(Buffer.concat(chunks).toString());
    const result = await graphql({ schema, source: query, variableValues: variables, operationName });
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/graphql`, close: () => server.close() };
}
