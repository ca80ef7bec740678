import type { BackendIdentity } from "../model/backend.ts";

/** A query worth running, as the front page, GraphiQL and the banner of the demo offer it. */
export interface Example {
  /** What it answers, as a short sentence without a full stop. */
  readonly title: string;
  readonly query: string;
}

/** Queries that make sense whatever is behind the backends that were configured. */
export function examplesFor(backends: readonly BackendIdentity[]): readonly Example[] {
  const releases = backends.find(({ capabilities }) => capabilities.includes("RELEASES"));
  const artifacts = backends.find(({ capabilities }) => capabilities.includes("ARTIFACTS"));
  return [
    {
      title: "Which backends are configured, and what each can be asked",
      query: "{\n  backends {\n    name\n    kind\n    capabilities\n  }\n}",
    },
    ...(releases
      ? [
          {
            title: `The newest releases in ${releases.name}, with what was built for them`,
            query: `{\n  releases(filter: { backend: "${releases.name}" }, first: 5) {\n    nodes {\n      version\n      project\n      createdAt\n      builds {\n        service\n        commits {\n          sha\n          message\n        }\n      }\n    }\n    sources {\n      status\n      backend {\n        name\n      }\n    }\n  }\n}`,
          },
        ]
      : []),
    ...(artifacts
      ? [
          {
            title: `The newest artifacts in ${artifacts.name}, and where they lie`,
            query: `{\n  artifacts(filter: { backend: "${artifacts.name}" }, first: 5) {\n    nodes {\n      name\n      digest\n      createdAt\n      locations {\n        image {\n          raw\n        }\n        matchedBy\n      }\n    }\n  }\n}`,
          },
        ]
      : []),
  ];
}
