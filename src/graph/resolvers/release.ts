import { secondsBetween } from "../../model/time.ts";
import { createArtifact, imageSeed } from "../artifact.ts";
import { packagesOf } from "../commit.ts";
import { toConnection, windowOf } from "../connection.ts";
import { choose, readerOf } from "../context.ts";
import { driftOf } from "../drift.ts";
import { badInput } from "../errors.ts";
import type { Resolvers } from "../generated/resolvers.ts";
import { buildId, coordinatesOf, releaseId } from "../ids.ts";
import { redactManifests } from "../manifests.ts";
import { told } from "../outcome.ts";
import { artifactOf, inRelease, part } from "../release-parts.ts";
import { selects } from "../selection.ts";
import { backendNamed } from "./backend.ts";

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
    release: async (_root, { id }, context) => {
      const node = coordinatesOf(id, "Release");
      if (node.type !== "Release") throw badInput("BAD_ID", "This is not the id of a Release.");
      return (await readerOf(context, "releases", node.ref.backend)?.release(node.ref)) ?? null;
    },
    releases: async (_root, { filter, first, after }, context, info) => {
      const { backend, reader } = choose(context, "releases", filter.backend);
      const query = {
        project: filter.project ?? null,
        workflow: filter.workflow ?? null,
        taskId: filter.taskId ?? null,
        service: filter.service ?? null,
        label: filter.label ?? null,
      };
      const list = { backend: backend.name, filter: ["releases", query] };
      const request = windowOf({ first, after }, list);
      return toConnection(context, info, await reader.page(query, request, selects(info, ...partPaths)), list, request);
    },
  },
  Release: {
    id: ({ ref }) => releaseId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.backend),
    environment: ({ environment, ref }) => (environment === null ? null : { ...environment, zadig: ref.backend }),
    builds: async (release, _args, context, info) => {
      const embedded = await part(context, info, release, "builds");
      const builds = embedded ?? (await readerOf(context, "releases", release.ref.backend)?.builds(release)) ?? null;
      return builds?.map((build) => ({ ...build, within: release })) ?? null;
    },
    deployments: async (release, _args, context, info) => {
      const deployments = await part(context, info, release, "deployments");
      return deployments && inRelease(deployments, release.ref.backend);
    },
    tests: (release, _args, context, info) => part(context, info, release, "tests"),
    distributions: async (release, _args, context, info) => {
      const distributions = await part(context, info, release, "distributions");
      return distributions && inRelease(distributions, release.ref.backend);
    },
    securityScans: async (release, _args, context, info) => {
      const scans = await part(context, info, release, "securityScans");
      return scans && inRelease(scans, release.ref.backend);
    },
    images: async (release, _args, context, info) => {
      const images = await part(context, info, release, "images");
      return images && inRelease(images, release.ref.backend);
    },
    drift: async (release, _args, context, info) => {
      const images = await part(context, info, release, "images");
      if (!images) return null;
      const verdicts = await Promise.all(images.map((image) => driftOf(context, release, image)));
      return verdicts.flatMap((verdict) => verdict ?? []);
    },
    sources: ({ origin, parts }) => [told(origin, parts && parts.dropped.length > 0 ? "PARTIAL" : "OK")],
  },
  Environment: {
    services: ({ services, zadig }) => inRelease(services, zadig),
  },
  EnvironmentService: {
    containers: ({ containers, zadig }) => inRelease(containers, zadig),
  },
  Container: {
    artifact: ({ image, zadig }, _args, context) => artifactOf(context, zadig, image),
  },
  BuildInfo: {
    id: ({ ref }) => buildId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.backend),
    release: async ({ ref, within }, _args, context) => {
      if (within) return within;
      if (!("release" in ref)) return null;
      return (await readerOf(context, "releases", ref.backend)?.release(ref.release)) ?? null;
    },
    artifact: ({ image, built, ref }, _args, context) =>
      image === null ? null : createArtifact(context, imageSeed(image, ref.backend, built.digest)),
    durationSeconds: ({ startedAt, finishedAt }) => secondsBetween(startedAt, finishedAt),
  },
  Deployment: {
    artifact: ({ image, zadig }, _args, context) => artifactOf(context, zadig, image),
    manifests: ({ manifests }) => manifests && redactManifests(manifests),
  },
  Distribution: {
    artifact: ({ image, zadig }, _args, context) => artifactOf(context, zadig, image),
  },
  SecurityScan: {
    artifact: ({ image, digest, zadig }, _args, context) => artifactOf(context, zadig, image, digest),
  },
  ReleaseImage: {
    artifact: ({ source, target, digest, zadig }, _args, context) =>
      artifactOf(context, zadig, source ?? target, digest),
  },
  ImageDrift: {
    checkedIn: ({ checkedIn }, _args, context) => (checkedIn === null ? null : backendNamed(context, checkedIn)),
  },
  Commit: {
    packages: (commit, _args, context) => packagesOf(context, commit),
  },
};
