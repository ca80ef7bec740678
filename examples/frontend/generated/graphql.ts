/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** What an artifact is: Zadig `type`, or by the package format. */
export type ArtifactType =
  /** A Helm chart, packed as a file or pushed to a registry. */
  | 'CHART'
  /** A file: Zadig `file`; any file of a package. */
  | 'FILE'
  /** A container image or image index: Zadig `image`; any image in a registry. */
  | 'IMAGE'
  /** Anything else. */
  | 'OTHER';

/** Why two records are believed to be the same thing, strongest first. */
export type MatchMethod =
  /** One backend's record names the other, such as a commit named by a GitLab pipeline. */
  | 'DECLARED'
  /** Equal sha256 or sha512: proof, and the only reason to merge. */
  | 'DIGEST'
  /** Equal image reference; tags move, so this says where, not what. */
  | 'IMAGE_REF'
  /** Equal name and version, or equal name and format. */
  | 'NAME_VERSION'
  /** Equal package URL, version included. */
  | 'PURL'
  /** Equal sha1 or md5 and nothing stronger: a candidate, never merged. */
  | 'WEAK_CHECKSUM';

/**
 * Outcome of asking one backend. Only ABSENT means: it answered, and these credentials can see nothing there.
 * Every other status than OK and ABSENT leaves a question open.
 */
export type SourceStatus =
  /**
   * It answered, and these credentials can see nothing there. Backends hide what a caller may not see,
   * so a private thing looks the same (GitLab 404, bkrepo `data: null`).
   */
  | 'ABSENT'
  /** It refused the credentials or the right to read (HTTP 401 or 403): `UPSTREAM_UNAUTHENTICATED`, `UPSTREAM_FORBIDDEN`. */
  | 'DENIED'
  /** It could not be reached, answered 5xx, or its circuit breaker is open: `UPSTREAM_UNAVAILABLE`. */
  | 'DOWN'
  /** It sent what cannot be read, such as a login page with status 200 or too many bytes: `UPSTREAM_MALFORMED`. */
  | 'MALFORMED'
  /**
   * It was not asked: its configuration leaves no place to look (the capability is off, or no repository, namespace, group or host is named).
   * The name of a backend that does not exist at all is the error `BACKEND_NOT_CONFIGURED`.
   */
  | 'NOT_CONFIGURED'
  /** It was not asked: it has no way to search by what is known, such as Zadig by digest. */
  | 'NOT_SEARCHABLE'
  /** It answered in full. */
  | 'OK'
  /** It was not asked, or not to the end, because this request spent its cap of upstream calls or its time: `UPSTREAM_BUDGET_EXCEEDED`. */
  | 'OVER_BUDGET'
  /**
   * It answered in part: rows could not be read and were left out, one of several calls failed, or it answered and could not say
   * (a search that sees less than may be read, a detail that is missing, data that it does not keep).
   */
  | 'PARTIAL'
  /** It did not answer; the data is an earlier answer held by the cache, as old as `fetchedAt` says. */
  | 'STALE'
  /**
   * It asked for fewer calls (HTTP 429, or SWR's own codes for that): `UPSTREAM_THROTTLED`; see `retryAfterMs`. Or the gateway's
   * own queue for it had no room for more of this caller's calls: then `upstreamCode` is `QUEUE_FULL`.
   */
  | 'THROTTLED'
  /** It did not answer before the deadline: `UPSTREAM_TIMEOUT`. */
  | 'TIMEOUT';

export type ReleasesQueryVariables = Exact<{
  project?: string | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type ReleasesQuery = { releases: { edges: Array<{ cursor: string, node: { id: string, version: string, createdAt: string | null, images: Array<{ service: string | null, artifact: { id: string, digest: string | null, size: number | null } | null }> | null } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null }, sources: Array<{ status: SourceStatus, backend: { name: string } }> } | null };

export type VersionsQueryVariables = Exact<{
  backend: string;
  repository: string;
  key: string;
  first: number;
  after?: string | null | undefined;
}>;


export type VersionsQuery = { package: { id: string, name: string, purl: string | null, versions: { edges: Array<{ cursor: string, node: { id: string, name: string, createdAt: string | null, size: number | null } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null } | null };

export type TraceQueryVariables = Exact<{
  image: string;
}>;


export type TraceQuery = { traceByImage: { isComplete: boolean, artifact: { id: string, digest: string | null, type: ArtifactType, locations: Array<{ matchedBy: MatchMethod, backend: { name: string } }> } & ({ releases: { nodes: Array<{ id: string, version: string }> } | null } | { releases?: never }) | null, sources: Array<{ status: SourceStatus, backend: { name: string } }> } };

export type TracedReleasesFragment = { releases: { nodes: Array<{ id: string, version: string }> } | null };

export const TracedReleasesFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TracedReleases"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Artifact"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"releases"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"IntValue","value":"5"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}}]}}]} as unknown as DocumentNode<TracedReleasesFragment, unknown>;
export const ReleasesDocument = {"__meta__":{"hash":"sha256:0b6f7922a324e9ea8d58fa8d6b352f6704a8219be0fb1e4e6adde38fedabcb01"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Releases"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"project"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"releases"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"project"},"value":{"kind":"Variable","name":{"kind":"Name","value":"project"}}}]}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"images"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"service"}},{"kind":"Field","name":{"kind":"Name","value":"artifact"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"digest"}},{"kind":"Field","name":{"kind":"Name","value":"size"}}]}}]}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}},{"kind":"Field","name":{"kind":"Name","value":"sources"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"backend"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReleasesQuery, ReleasesQueryVariables>;
export const VersionsDocument = {"__meta__":{"hash":"sha256:b502ccde89669ab16f25a112711629490b20ef11e6f6d70aa0a6a91627dac65b"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Versions"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"backend"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"repository"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"key"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"package"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"ref"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"backend"},"value":{"kind":"Variable","name":{"kind":"Name","value":"backend"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"repository"},"value":{"kind":"Variable","name":{"kind":"Name","value":"repository"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"key"},"value":{"kind":"Variable","name":{"kind":"Name","value":"key"}}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"purl"}},{"kind":"Field","name":{"kind":"Name","value":"versions"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"size"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]}}]} as unknown as DocumentNode<VersionsQuery, VersionsQueryVariables>;
export const TraceDocument = {"__meta__":{"hash":"sha256:a2ee912cee7ee980f5118039bddba5cfc5a5302658029ab9b9db74b7f560878c","deferredFields":{"TracedReleases":["releases"]}},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Trace"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"image"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"traceByImage"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"image"},"value":{"kind":"Variable","name":{"kind":"Name","value":"image"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"isComplete"}},{"kind":"Field","name":{"kind":"Name","value":"artifact"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"digest"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"locations"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"matchedBy"}},{"kind":"Field","name":{"kind":"Name","value":"backend"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"TracedReleases"},"directives":[{"kind":"Directive","name":{"kind":"Name","value":"defer"}}]}]}},{"kind":"Field","name":{"kind":"Name","value":"sources"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"backend"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TracedReleases"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Artifact"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"releases"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"IntValue","value":"5"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}}]}}]} as unknown as DocumentNode<TraceQuery, TraceQueryVariables>;