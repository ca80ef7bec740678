import { graphql } from "./generated/gql.ts";

/** A page of releases with what was built for each. */
export const releasesQuery = graphql(`
  query Releases($project: String, $first: Int!, $after: String) {
    releases(filter: { project: $project }, first: $first, after: $after) {
      edges {
        cursor
        node {
          id
          version
          createdAt
          images {
            service
            artifact {
              id
              digest
              size
            }
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      sources {
        status
        backend {
          name
        }
      }
    }
  }
`);

/** One package with a page of its versions. */
export const versionsQuery = graphql(`
  query Versions($backend: String!, $repository: String!, $key: String!, $first: Int!, $after: String) {
    package(ref: { backend: $backend, repository: $repository, key: $key }) {
      id
      name
      purl
      versions(first: $first, after: $after) {
        edges {
          cursor
          node {
            id
            name
            createdAt
            size
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

/** One image through every backend; its releases may come later than the rest. */
export const traceQuery = graphql(`
  query Trace($image: String!) {
    traceByImage(image: $image) {
      isComplete
      artifact {
        id
        digest
        type
        locations {
          matchedBy
          backend {
            name
          }
        }
        ...TracedReleases @defer
      }
      sources {
        status
        backend {
          name
        }
      }
    }
  }
`);

export const tracedReleases = graphql(`
  fragment TracedReleases on Artifact {
    releases(first: 5) {
      nodes {
        id
        version
      }
    }
  }
`);
