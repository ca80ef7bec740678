import { composeServices } from "@apollo/composition";
import { composeServices as composeGuild, compositionHasErrors } from "@theguild/federation-composition";
import { federateSubgraphs, ROUTER_COMPATIBILITY_VERSION_ONE } from "@wundergraph/composition";
import { parse } from "graphql";

/** What each composer makes of the subgraphs: the supergraph, or why there is none. */
export function composeEverywhere(subgraphs) {
  return { apollo: composeApollo(subgraphs), guild: composeTheirs(subgraphs), wundergraph: composeCosmo(subgraphs) };
}

export function composeApollo(subgraphs) {
  const { errors, supergraphSdl, hints } = composeServices(
    subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })),
  );
  return { errors: (errors ?? []).map(String), supergraph: supergraphSdl ?? null, hints: (hints ?? []).map(String) };
}

function composeTheirs(subgraphs) {
  const result = composeGuild(subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })));
  const failed = compositionHasErrors(result);
  return {
    errors: failed ? result.errors.map(({ message }) => message) : [],
    supergraph: failed ? null : result.supergraphSdl,
  };
}

function composeCosmo(subgraphs) {
  const result = federateSubgraphs({
    subgraphs: subgraphs.map(({ name, url, sdl }) => ({ name, url, definitions: parse(sdl) })),
    version: ROUTER_COMPATIBILITY_VERSION_ONE,
  });
  return {
    errors: result.success ? [] : result.errors.map(({ message }) => message),
    supergraph: result.success ? "a router configuration" : null,
    warnings: (result.warnings ?? []).map(({ message }) => message),
  };
}
