import type { BackendIdentity, Capability } from "../model/backend.ts";

/** A query worth running, as the front page, GraphiQL and the banner of the demo offer it. */
export interface Example {
  /** What it answers, as a short sentence without a full stop. */
  readonly title: string;
  readonly query: string;
}

/** Queries that make sense whatever is behind the backends that were configured. */
export function examplesFor(backends: readonly BackendIdentity[]): readonly Example[] {
  const able = (capability: Capability) => backends.find(({ capabilities }) => capabilities.includes(capability));
  const releases = able("RELEASES");
  const artifacts = able("ARTIFACTS");
  return [
    { title: "Which backends are configured, and what each can be asked", query: backendsQuery },
    ...(releases
      ? [
          {
            title: `The newest releases in ${releases.name}, with what was built for them`,
            query: releasesQuery(releases.name),
          },
        ]
      : []),
    ...(artifacts
      ? [{ title: `The newest images in ${artifacts.name}, and where they lie`, query: imagesQuery(artifacts.name) }]
      : []),
  ];
}

const backendsQuery = `{
  backends {
    name
    kind
    capabilities
  }
}`;

const releasesQuery = (backend: string) => `{
  releases(filter: { backend: "${backend}" }, first: 5) {
    nodes {
      version
      project
      createdAt
      builds {
        service
        commits {
          sha
          message
        }
      }
    }
    sources {
      status
      backend {
        name
      }
    }
  }
}`;

const imagesQuery = (backend: string) => `{
  artifacts(filter: { backend: "${backend}", type: IMAGE }, first: 5) {
    nodes {
      name
      digest
      createdAt
      locations {
        image {
          raw
        }
        matchedBy
      }
    }
  }
}`;
