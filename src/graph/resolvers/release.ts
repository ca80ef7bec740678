import { mapAnswer } from "../../backends/answers.ts";
import { mapPage } from "../../model/page.ts";
import { secondsBetween } from "../../model/values.ts";
import { createArtifact, imageSeed } from "../artifact/artifact.ts";
import { driftOf } from "../artifact/drift.ts";
import { lookUp } from "../artifact/outcome.ts";
import {
  artifactOf,
  inRelease,
  packagesOf,
  part,
  type ReleaseParent,
  redactInTasks,
  sourceOfRelease,
} from "../artifact/release-parts.ts";
import { readerOf, resolveReader } from "../context.ts";
import { badInput } from "../errors.ts";
import type { Resolvers } from "../generated/resolvers.ts";
import { buildId, coordinatesOf, releaseId } from "../identity/ids.ts";
import { backendNamed } from "./backend.ts";
import { toConnection, windowOf } from "./connection.ts";
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
      const node = coordinatesOf(id, "Release");
      if (node.type !== "Release") throw badInput("BAD_ID", "This is not the id of a Release.");
      const reader = readerOf(context, "releases", node.ref.backend);
      return reader ? lookUp(context, info, node.ref.backend, reader.release(node.ref)) : null;
    },
    releases: async (_root, { filter, first, after }, context, info) => {
      const { backend, reader } = resolveReader(context, "releases", filter.backend);
      const query = {
        project: filter.project ?? null,
        workflow: filter.workflow ?? null,
        taskId: filter.taskId ?? null,
        service: filter.service ?? null,
        label: filter.label ?? null,
      };
      const list = { backend: backend.name, filter: ["releases", query] };
      const request = windowOf({ first, after }, list, context);
      const wantsParts = selects(info, ...partPaths);
      const listed = mapAnswer(await reader.page(query, request, wantsParts), (page) =>
        mapPage(page, (release): ReleaseParent => (wantsParts ? { ...release, wantsParts: true } : release)),
      );
      return toConnection(context, info, listed, list, request);
    },
  },
  Release: {
    id: ({ ref }) => releaseId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.backend),
    environment: ({ environment, ref, createdAt }) =>
      environment === null ? null : { ...environment, zadig: ref.backend, asOf: createdAt },
    builds: async (release, _args, context, info) => {
      const embedded = await part(context, info, release, "builds");
      const { backend } = release.ref;
      const reader = readerOf(context, "releases", backend);
      const builds = embedded ?? (reader && ((await lookUp(context, info, backend, reader.builds(release))) ?? []));
      return builds?.map((build) => ({ ...build, within: release })) ?? null;
    },
    deployments: async (release, _args, context, info) => {
      const deployments = await part(context, info, release, "deployments");
      return deployments && inRelease(deployments, release.ref.backend, release.createdAt);
    },
    tests: (release, _args, context, info) => part(context, info, release, "tests"),
    distributions: async (release, _args, context, info) => {
      const distributions = await part(context, info, release, "distributions");
      return distributions && inRelease(distributions, release.ref.backend, release.createdAt);
    },
    securityScans: async (release, _args, context, info) => {
      const scans = await part(context, info, release, "securityScans");
      return scans && inRelease(scans, release.ref.backend, release.createdAt);
    },
    images: async (release, _args, context, info) => {
      const images = await part(context, info, release, "images");
      return images && inRelease(images, release.ref.backend, release.createdAt);
    },
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
    release: ({ ref, within }, _args, context, info) => {
      if (within) return within;
      const reader = "release" in ref ? readerOf(context, "releases", ref.backend) : null;
      return reader && "release" in ref ? lookUp(context, info, ref.backend, reader.release(ref.release)) : null;
    },
    artifact: async ({ image, built, ref, within }, _args, context, info) => {
      if (image === null) return null;
      const seed = imageSeed(image, ref.backend, built.digest);
      if (seed.digest !== null || !("release" in ref)) return createArtifact(context, seed);
      const reader = readerOf(context, "releases", ref.backend);
      const release = within ?? (reader && (await lookUp(context, info, ref.backend, reader.release(ref.release))));
      return createArtifact(context, { ...seed, asOf: release?.createdAt ?? null });
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
