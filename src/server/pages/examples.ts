import type { BackendIdentity, Capability } from "../../model/backend.ts";

/** A query worth running, as the front page, GraphiQL and the banner of the demo offer it. */
export interface Example {
  /** What it answers, as a short sentence without a full stop. */
  readonly title: string;
  readonly query: string;
}

/** Queries that make sense whatever is behind, and that tell nobody what is: none of them names a backend. */
export const generalExamples: readonly Example[] = [
  { title: "Which backends are configured, and what each can be asked", query: backendsQuery() },
  { title: "The newest releases, with what was built for them", query: releasesQuery(null) },
  { title: "The newest images, and where they lie", query: imagesQuery(null) },
];

/** Queries that make sense whatever is behind the backends that were configured. */
export function examplesFor(backends: readonly BackendIdentity[]): readonly Example[] {
  const able = (capability: Capability) => backends.find(({ capabilities }) => capabilities.includes(capability));
  const releases = able("RELEASES");
  const artifacts = able("ARTIFACTS");
  return [
    { title: "Which backends are configured, and what each can be asked", query: backendsQuery() },
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

function backendsQuery(): string {
  return `query Backends {
  backends {
    name
    kind
    capabilities
  }
}`;
}

/** Null asks all backends. */
function releasesQuery(backend: string | null): string {
  return `query NewestReleases {
  releases(${backend === null ? "" : `filter: { backend: "${backend}" }, `}first: 5) {
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
}

/** Null asks all backends. */
function imagesQuery(backend: string | null): string {
  return `query NewestImages {
  artifacts(filter: { ${backend === null ? "" : `backend: "${backend}", `}type: IMAGE }, first: 5) {
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
}
