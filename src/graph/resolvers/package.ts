import type { GraphQLResolveInfo } from "graphql";
import { type Answer, failed, found, unknown } from "../../backends/answers.ts";
import type { PackageReader } from "../../backends/backend.ts";
import type { PageRequest } from "../../model/backend.ts";
import type { Package } from "../../model/package.ts";
import { ArtifactNode } from "../artifact/artifact.ts";
import { lookUp, reportHere } from "../artifact/outcome.ts";
import { artifactOfVersion } from "../artifact/package-files.ts";
import {
  buildsOfVersion,
  latestBySemver,
  namesakesOf,
  searchPackages,
  sourcesOfVersion,
} from "../artifact/package-links.ts";
import { commitOfPipeline } from "../artifact/release-parts.ts";
import { fileSeed } from "../artifact/seeds.ts";
import { readerOf, resolveReader } from "../context.ts";
import { badInput, noAnswer } from "../errors.ts";
import type { PackageRef as PackageRefInput, Resolvers } from "../generated/resolvers.ts";
import { scopeOf } from "../identity/nodes.ts";
import { packageId, versionId } from "../identity/opaque.ts";
import { backendNamed } from "./backend.ts";
import { checkedFirst, connect, connectAs, reportDropped } from "./connection.ts";
import { loadPackage, versionsQuery } from "./selection.ts";

/** Resolvers of schema/package.graphql. */
export const packageResolvers: Resolvers = {
  Query: {
    package: async (_root, { ref }, context, info) => {
      const { backend } = resolveReader(context, "packages", ref.backend);
      return lookUp(context, info, "packages", backend.name, (reader) => packageOf(reader, ref, info));
    },
    packages: (_root, { scope, filter, ...window }, context, info) => {
      const { backend, reader } = resolveReader(context, "packages", scope.backend);
      const { repository, group } = scopeOf(context, scope);
      const query = { name: filter.name ?? null, match: filter.match ?? "CONTAINS", format: filter.format ?? null };
      const list = { backend: backend.name, filter: ["packages", repository, group, query] };
      return connect(context, info, list, window, (request) => reader.page({ repository, group }, query, request));
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
      if (by === "PUBLISHED") return lookUp(context, info, "packages", ref.backend, () => reader.latest(ref));
      const { version, gap, dropped } = await latestBySemver(reader, ref);
      reportDropped(context, info, ref.backend, dropped);
      // The highest of some is not the highest.
      if (gap) throw noAnswer(ref.backend, gap);
      return version;
    },
    version: ({ ref }, { name }, context, info) =>
      lookUp(context, info, "packages", ref.backend, (reader) =>
        reader.version({ package: ref, version: name, nativeId: null }),
      ),
    versions: ({ ref }, { first, after, ...filter }, context, info) => {
      const reader = readerOf(context, "packages", ref.backend);
      if (!reader) return null;
      const { query, list } = versionsQuery(ref, filter);
      return connect(context, info, list, { first, after }, (request) => reader.versions(ref, query, request));
    },
    namesakes: (own, _args, context, info) => namesakesOf(context, info, own),
  },
  Version: {
    id: ({ ref }) => versionId(ref),
    backend: ({ ref }, _args, context) => backendNamed(context, ref.package.backend),
    package: ({ ref }, _args, context, info) =>
      lookUp(context, info, "packages", ref.package.backend, (reader) => reader.package(ref.package)),
    files: ({ ref }, window, context, info) => {
      const reader = readerOf(context, "packages", ref.package.backend);
      if (!reader) return null;
      const list = { backend: ref.package.backend, filter: ["Version.files", ref] };
      const read = (request: PageRequest) => reader.files(ref, request);
      return connectAs(context, info, list, window, read, (file, { origin }) => ({
        ...file,
        version: ref,
        fetchedAt: origin.fetchedAt,
      }));
    },
    artifact: (version, _args, context, info) => artifactOfVersion(context, version, info),
    tags: async ({ ref, tags }, _args, context, info) => {
      if (typeof tags !== "function") return tags;
      const answer = await tags().then(found, failed);
      if (answer.kind === "FOUND") return answer.value;
      if (answer.kind === "UNKNOWN") reportHere(context, info, noAnswer(ref.package.backend, answer));
      return [];
    },
    publishedBy: ({ pipeline }) => pipeline,
    builds: (version, _args, context, info) => buildsOfVersion(context, info, version),
    sources: (version, _args, context) => sourcesOfVersion(context, version),
  },
  PackageFile: {
    artifact: (file, _args, context) => new ArtifactNode(context, fileSeed(context, file)),
  },
  PipelineRun: {
    commit: (run, _args, context, info) => commitOfPipeline(context, run, info),
  },
  PackageSearchGroup: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
  },
};

/**
 * The package a caller means: by key, or by name with format, whatever spelling the backend keeps. Throws
 * BAD_USER_INPUT for a reference that names none, or several.
 */
async function packageOf(
  reader: PackageReader,
  { backend, repository, key, name, format }: PackageRefInput,
  info: GraphQLResolveInfo,
): Promise<Answer<Package>> {
  if (key !== null && key !== undefined) {
    if (key === "") throw badInput("BAD_USER_INPUT", '"key" must not be empty.');
    return loadPackage(reader, { backend, repository, key }, info);
  }
  if (!name || !format) {
    throw badInput("BAD_USER_INPUT", 'A package is named by "key", or by "name" together with "format".');
  }
  const made = reader.keyOf(name, format);
  if (made !== null) return loadPackage(reader, { backend, repository, key: made }, info);
  const named = await reader.named(name, format, repository);
  if (named.kind !== "FOUND") return named;
  const [only, another] = named.value;
  if (another) {
    throw badInput(
      "BAD_USER_INPUT",
      'Several packages have this name and format: name the one that is meant by "key".',
    );
  }
  return only ? found(only, named.gap) : unknown("LEFT_OUT");
}

function checkedName(name: string): string {
  if (name.trim() === "" || name.length > 512)
    throw badInput("BAD_USER_INPUT", '"name" must have 1 to 512 characters.');
  return name;
}
