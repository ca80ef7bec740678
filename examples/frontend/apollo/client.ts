import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";
import { Defer20220824Handler } from "@apollo/client/incremental";
import { relayStylePagination } from "@apollo/client/utilities";

/** Apollo Client over the gateway: lists grow page by page, and deferred fragments arrive as they are ready. */
export function createApolloClient(uri: string): ApolloClient {
  return new ApolloClient({
    link: new HttpLink({ uri }),
    incrementalHandler: new Defer20220824Handler(),
    cache: new InMemoryCache({
      typePolicies: {
        // A list is known by its filter; first and after only say which part of it.
        Query: { fields: { releases: relayStylePagination(["filter"]) } },
        Package: { fields: { versions: relayStylePagination(["prefix", "stage", "direction"]) } },
      },
    }),
  });
}
