import type { GraphQLResolveInfo } from "graphql";
import type { PageRequest } from "../../model/backend.ts";
import { secondsBetween } from "../../model/values.ts";
import { ArtifactNode } from "../artifact/artifact.ts";
import { redactInTasks } from "../artifact/manifests.ts";
import { lookUp } from "../artifact/outcome.ts";
import {
  artifactOf,
  type BuildParent,
  driftOf,
  inRelease,
  packagesOf,
  part,
  type ReleaseParent,
  sourceOfRelease,
} from "../artifact/release-parts.ts";
import { imageSeed } from "../artifact/seeds.ts";
import { type Context, resolveReader } from "../context.ts";
import type { Resolvers } from "../generated/resolvers.ts";
import { buildId, coordinatesOf, releaseId } from "../identity/opaque.ts";
import { backendNamed } from "./backend.ts";
import { connectAs } from "./connection.ts";
import { selects } from "./selection.ts";

const partFields = [
  "environment",
  "builds",
  "deployments",
  "tests",
  "distributions",
  "securityScans",
  "images",
  "drift",
];
const partPaths = partFields.flatMap((name) => [`nodes.${name}`, `edges.node.${name}`]);

/** Resolvers of schema/release.graphql. */
export const releaseResolvers: Resolvers = {
  Query: {
    release: (_root, { id }, context, info) => {
      const { ref } = coordinatesOf(id, "Release");
      return lookUp(context, info, "releases", ref.backend, (reader) => reader.release(ref));
    },
    releases: (_root, { filter, ...window }, context, info) => {
      const { backend, reader } = resolveReader(context, "releases", filter.backend);
      const query = {
        project: filter.project ?? null,
        workflow: filter.workflow ?? null,
        taskId: filter.taskId ?? null,
        service: filter.service ?? null,
        label: filter.label ?? null,
      };
      const list = { backend: backend.name, filter: ["releases", query] };
      const wantsParts = selects(info, ...partPaths);
      const read = (request: PageRequest) => reader.page(query, request, wantsParts);
      return connectAs(context, info, list, window, read, (release) =>
        wantsParts ? { ...release, wantsParts } : release,
      );
    },
  },
  Release: {
    id: ({ ref }) => releaseId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.backend),
    environment: ({ environment, ref, createdAt }) =>
      environment === null ? null : { ...environment, zadig: ref.backend, asOf: createdAt },
    builds: async (release, _args, context, info) => {
      const builds =
        (await part(context, info, release, "builds")) ??
        (await lookUp(context, info, "releases", release.ref.backend, (reader) => reader.builds(release))) ??
        [];
      return builds.map((build) => ({ ...build, within: release }));
    },
    deployments: (release, _args, context, info) =>
      partsInRelease(release, part(context, info, release, "deployments")),
    tests: (release, _args, context, info) => part(context, info, release, "tests"),
    distributions: (release, _args, context, info) =>
      partsInRelease(release, part(context, info, release, "distributions")),
    securityScans: (release, _args, context, info) =>
      partsInRelease(release, part(context, info, release, "securityScans")),
    images: async (release, _args, context, info) =>
      inRelease(await part(context, info, release, "images"), release.ref.backend, release.createdAt),
    drift: async (release, _args, context, info) => {
      const images = await part(context, info, release, "images");
      const verdicts = await Promise.all(images.map((image) => driftOf(context, release, image)));
      return verdicts.flatMap((verdict) => verdict ?? []);
    },
    sources: async (release, _args, context, info) => [await sourceOfRelease(context, info, release)],
  },
  Environment: {
    services: ({ services, zadig, asOf }) => inRelease(services, zadig, asOf),
  },
  EnvironmentService: {
    containers: ({ containers, zadig, asOf }) => inRelease(containers, zadig, asOf),
  },
  Container: {
    artifact: (part, _args, context) => artifactOf(context, part, part.image),
  },
  BuildInfo: {
    id: ({ ref }) => buildId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.backend),
    release: (build, _args, context, info) => releaseOf(context, info, build),
    artifact: async (build, _args, context, info) => {
      const { image, built, ref } = build;
      if (image === null) return null;
      const seed = imageSeed(image, ref.backend, built.digest);
      if (seed.digest !== null || !("release" in ref)) return new ArtifactNode(context, seed);
      const release = await releaseOf(context, info, build);
      return new ArtifactNode(context, { ...seed, asOf: release?.createdAt ?? null });
    },
    durationSeconds: ({ startedAt, finishedAt }) => secondsBetween(startedAt, finishedAt),
  },
  Deployment: {
    artifact: (part, _args, context) => artifactOf(context, part, part.image),
    manifests: ({ manifests }) => manifests && redactInTasks(manifests),
  },
  Distribution: {
    artifact: (part, _args, context) => artifactOf(context, part, part.image),
  },
  SecurityScan: {
    artifact: (scan, _args, context) => artifactOf(context, scan, scan.image, scan.digest),
  },
  ReleaseImage: {
    artifact: (part, _args, context) => artifactOf(context, part, part.source ?? part.target, part.digest),
  },
  ImageDrift: {
    checkedIn: ({ checkedIn }, _args, context) => (checkedIn === null ? null : backendNamed(context, checkedIn)),
  },
  Commit: {
    packages: (commit, _args, context, info) => packagesOf(context, commit, info),
  },
};

/** The release that a build was met in, or that it names; null for a build that a record tells. */
function releaseOf(context: Context, info: GraphQLResolveInfo, { ref, within }: BuildParent) {
  if (within || !("release" in ref)) return within ?? null;
  return lookUp(context, info, "releases", ref.backend, (reader) => reader.release(ref.release));
}

/** A list of parts that remember whose release they are. */
async function partsInRelease<T extends object>({ ref, createdAt }: ReleaseParent, list: Promise<readonly T[] | null>) {
  const parts = await list;
  return parts && inRelease(parts, ref.backend, createdAt);
}
