import { parse, print } from "graphql";
import type { BackendIdentity, Capability } from "../../model/backend.ts";

/** A query worth running, as the front page, GraphiQL and the banner of the demo offer it. */
export interface Example {
  /** What it answers, as a short sentence without a full stop. */
  readonly title: string;
  readonly query: string;
}

/** Queries for any configuration; none of them names a backend, so strangers may see them. */
export const generalExamples: readonly Example[] = [configuredBackends(), newestReleases(null), newestImages(null)];

/** Queries for the configured backends. */
export function examplesFor(backends: readonly BackendIdentity[]): readonly Example[] {
  const withCapability = (capability: Capability) =>
    backends.filter(({ capabilities }) => capabilities.includes(capability)).slice(0, 1);
  return [
    configuredBackends(),
    ...withCapability("RELEASES").map(({ name }) => newestReleases(name)),
    ...withCapability("ARTIFACTS").map(({ name }) => newestImages(name)),
  ];
}

function configuredBackends(): Example {
  return {
    title: "Which backends are configured, and what each can be asked",
    query: pretty("query Backends { backends { name kind capabilities } }"),
  };
}

/** Null asks all backends. */
function newestReleases(backend: string | null): Example {
  const filter = backend === null ? "" : `filter: { backend: "${backend}" },`;
  return {
    title: `The newest releases${backend === null ? "" : ` in ${backend}`}, with what was built for them`,
    query: pretty(`query NewestReleases {
      releases(${filter} first: 5) {
        nodes { version project createdAt builds { service commits { sha message } } }
        sources { status backend { name } }
      }
    }`),
  };
}

/** Null asks all backends. */
function newestImages(backend: string | null): Example {
  const filter = `filter: { ${backend === null ? "" : `backend: "${backend}",`} type: IMAGE }`;
  return {
    title: `The newest images${backend === null ? "" : ` in ${backend}`}, and where they lie`,
    query: pretty(`query NewestImages {
      artifacts(${filter}, first: 5) {
        nodes { name digest createdAt locations { image { raw } matchedBy } }
      }
    }`),
  };
}

function pretty(query: string): string {
  return print(parse(query));
}
