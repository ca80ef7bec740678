/* eslint-disable */
import * as types from './graphql';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  query Releases($project: String, $first: Int!, $after: String) {\n    releases(filter: { project: $project }, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          version\n          createdAt\n          images {\n            service\n            artifact {\n              id\n              digest\n              size\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n": typeof types.ReleasesDocument,
    "\n  query Versions($backend: String!, $repository: String!, $key: String!, $first: Int!, $after: String) {\n    package(ref: { backend: $backend, repository: $repository, key: $key }) {\n      id\n      name\n      purl\n      versions(first: $first, after: $after) {\n        edges {\n          cursor\n          node {\n            id\n            name\n            createdAt\n            size\n          }\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": typeof types.VersionsDocument,
    "\n  query Trace($image: String!) {\n    traceByImage(image: $image) {\n      isComplete\n      artifact {\n        id\n        digest\n        type\n        locations {\n          matchedBy\n          backend {\n            name\n          }\n        }\n        ...TracedReleases @defer\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n": typeof types.TraceDocument,
    "\n  fragment TracedReleases on Artifact {\n    releases(first: 5) {\n      nodes {\n        id\n        version\n      }\n    }\n  }\n": typeof types.TracedReleasesFragmentDoc,
};
const documents: Documents = {
    "\n  query Releases($project: String, $first: Int!, $after: String) {\n    releases(filter: { project: $project }, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          version\n          createdAt\n          images {\n            service\n            artifact {\n              id\n              digest\n              size\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n": types.ReleasesDocument,
    "\n  query Versions($backend: String!, $repository: String!, $key: String!, $first: Int!, $after: String) {\n    package(ref: { backend: $backend, repository: $repository, key: $key }) {\n      id\n      name\n      purl\n      versions(first: $first, after: $after) {\n        edges {\n          cursor\n          node {\n            id\n            name\n            createdAt\n            size\n          }\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": types.VersionsDocument,
    "\n  query Trace($image: String!) {\n    traceByImage(image: $image) {\n      isComplete\n      artifact {\n        id\n        digest\n        type\n        locations {\n          matchedBy\n          backend {\n            name\n          }\n        }\n        ...TracedReleases @defer\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n": types.TraceDocument,
    "\n  fragment TracedReleases on Artifact {\n    releases(first: 5) {\n      nodes {\n        id\n        version\n      }\n    }\n  }\n": types.TracedReleasesFragmentDoc,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Releases($project: String, $first: Int!, $after: String) {\n    releases(filter: { project: $project }, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          version\n          createdAt\n          images {\n            service\n            artifact {\n              id\n              digest\n              size\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Releases($project: String, $first: Int!, $after: String) {\n    releases(filter: { project: $project }, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          version\n          createdAt\n          images {\n            service\n            artifact {\n              id\n              digest\n              size\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Versions($backend: String!, $repository: String!, $key: String!, $first: Int!, $after: String) {\n    package(ref: { backend: $backend, repository: $repository, key: $key }) {\n      id\n      name\n      purl\n      versions(first: $first, after: $after) {\n        edges {\n          cursor\n          node {\n            id\n            name\n            createdAt\n            size\n          }\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Versions($backend: String!, $repository: String!, $key: String!, $first: Int!, $after: String) {\n    package(ref: { backend: $backend, repository: $repository, key: $key }) {\n      id\n      name\n      purl\n      versions(first: $first, after: $after) {\n        edges {\n          cursor\n          node {\n            id\n            name\n            createdAt\n            size\n          }\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Trace($image: String!) {\n    traceByImage(image: $image) {\n      isComplete\n      artifact {\n        id\n        digest\n        type\n        locations {\n          matchedBy\n          backend {\n            name\n          }\n        }\n        ...TracedReleases @defer\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Trace($image: String!) {\n    traceByImage(image: $image) {\n      isComplete\n      artifact {\n        id\n        digest\n        type\n        locations {\n          matchedBy\n          backend {\n            name\n          }\n        }\n        ...TracedReleases @defer\n      }\n      sources {\n        status\n        backend {\n          name\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment TracedReleases on Artifact {\n    releases(first: 5) {\n      nodes {\n        id\n        version\n      }\n    }\n  }\n"): (typeof documents)["\n  fragment TracedReleases on Artifact {\n    releases(first: 5) {\n      nodes {\n        id\n        version\n      }\n    }\n  }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;