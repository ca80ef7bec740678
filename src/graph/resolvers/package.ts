import { mapPage } from "../../backends/paging.ts";
import type { PackageRef } from "../../model/package.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { createArtifact } from "../artifact.ts";
import { commitOfPipeline } from "../commit.ts";
import { checkedFirst, pathOf, reportDropped, toConnection, windowOf } from "../connection.ts";
import { type Context, choose, readerOf } from "../context.ts";
import { badInput, toGraphQLError } from "../errors.ts";
import type { PackageRef as PackageRefInput, Resolvers } from "../generated/resolvers.ts";
import { scopeOf } from "../hint.ts";
import { packageId, versionId } from "../ids.ts";
import { latestBySemver } from "../latest.ts";
import { namesakesOf } from "../namesakes.ts";
import { told } from "../outcome.ts";
import { artifactOfVersion, fileSeed } from "../package-file.ts";
import { loadPackage, versionsQuery } from "../prefetch.ts";
import { searchPackages } from "../search.ts";
import { buildsOfVersion } from "../version-builds.ts";
import { backendNamed } from "./backend.ts";

/** Resolvers of schema/package.graphql. */
export const packageResolvers: Resolvers = {
  Query: {
    package: async (_root, { ref }, context, info) => {
      const { reader } = choose(context, "packages", ref.backend);
      const found = refOf(context, ref);
      return found && loadPackage(reader, found, info);
    },
    packages: async (_root, { scope, filter, first, after }, context, info) => {
      const { backend, reader } = choose(context, "packages", scope.backend);
      const { repository, group } = scopeOf(context, scope);
      const query = { name: filter.name ?? null, match: filter.match ?? "CONTAINS", format: filter.format ?? null };
      const list = { backend: backend.name, filter: ["packages", repository, group, query] };
      const request = windowOf({ first, after }, list, context);
      return toConnection(context, info, await reader.page({ repository, group }, query, request), list, request);
    },
    searchPackages: (_root, { name, match, format, first }, context, info) =>
      searchPackages(context, info, { name: checkedName(name), match, format: format ?? null }, checkedFirst(first)),
  },
  Package: {
    id: ({ ref }) => packageId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.backend),
    repository: ({ ref }) => ref.repository,
    key: ({ ref }) => ref.key,
    latestVersion: async ({ ref }, { by }, context, info) => {
      const reader = readerOf(context, "packages", ref.backend);
      if (!reader) return null;
      if (by === "PUBLISHED") return reader.latest(ref);
      const { version, isWhole, dropped } = await latestBySemver(reader, ref);
      reportDropped(context, info, ref.backend, dropped);
      if (!isWhole) {
        const unread = new UpstreamError("OVER_BUDGET", { backend: ref.backend, operation: null });
        context.report(toGraphQLError(unread, pathOf(info)));
      }
      return version;
    },
    version: async ({ ref }, { name }, context) =>
      (await readerOf(context, "packages", ref.backend)?.version({ package: ref, version: name, nativeId: null })) ??
      null,
    versions: async ({ ref }, { prefix, stage, direction, first, after }, context, info) => {
      const reader = readerOf(context, "packages", ref.backend);
      if (!reader) return null;
      const { query, list } = versionsQuery(ref, { prefix, stage, direction });
      const request = windowOf({ first, after }, list, context);
      return toConnection(context, info, await reader.versions(ref, query, request), list, request);
    },
    namesakes: (own, _args, context) => namesakesOf(context, own),
  },
  Version: {
    id: ({ ref }) => versionId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.package.backend),
    package: async ({ ref }, _args, context) =>
      (await readerOf(context, "packages", ref.package.backend)?.package(ref.package)) ?? null,
    files: ({ ref }, { first, after }, context, info) => {
      const reader = readerOf(context, "packages", ref.package.backend);
      if (!reader) return null;
      const list = { backend: ref.package.backend, filter: ["Version.files", ref] };
      const request = windowOf({ first, after }, list, context);
      return reader.files(ref, request).then((page) => {
        const { fetchedAt } = page.origin;
        const files = mapPage(page, (file) => ({ ...file, version: ref, fetchedAt }));
        return toConnection(context, info, files, list, request);
      });
    },
    artifact: (version, _args, context) => artifactOfVersion(context, version),
    publishedBy: ({ pipeline }) => pipeline,
    builds: (version, _args, context) => buildsOfVersion(context, version),
    sources: ({ origin }) => [told(origin)],
  },
  PackageFile: {
    artifact: (file, _args, context) => createArtifact(context, fileSeed(context, file)),
  },
  PipelineRun: {
    commit: (run, _args, context, info) => commitOfPipeline(context, run, info),
  },
  PackageSearchGroup: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
  },
};

/** The coordinates a caller means: by key, or by name with format. Null when this backend has no such format. */
function refOf(context: Context, { backend, repository, key, name, format }: PackageRefInput): PackageRef | null {
  const { reader } = choose(context, "packages", backend);
  if (key !== null && key !== undefined) {
    if (key === "") throw badInput("BAD_USER_INPUT", '"key" must not be empty.');
    return { backend, repository, key };
  }
  if (!name || !format)
    throw badInput("BAD_USER_INPUT", 'A package is named by "key", or by "name" together with "format".');
  const made = reader.keyOf(name, format);
  return made === null ? null : { backend, repository, key: made };
}

function checkedName(name: string): string {
  if (name.trim() === "" || name.length > 512)
    throw badInput("BAD_USER_INPUT", '"name" must have 1 to 512 characters.');
  return name;
}
