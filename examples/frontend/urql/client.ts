import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";

// Types without an id are part of whatever holds them.
const embedded = [
  "ArtifactLocation",
  "ArtifactTrace",
  "Backend",
  "PageInfo",
  "ReleaseConnection",
  "ReleaseEdge",
  "ReleaseImage",
  "Source",
  "VersionConnection",
  "VersionEdge",
];

/** urql over the gateway, with its normalised cache; lists grow page by page. */
export function createUrqlClient(url: string): Client {
  return new Client({
    url,
    preferGetMethod: false,
    exchanges: [
      cacheExchange({
        keys: Object.fromEntries(embedded.map((type) => [type, () => null])),
        resolvers: { Query: { releases: relayPagination() }, Package: { versions: relayPagination() } },
      }),
      fetchExchange,
    ],
  });
}
