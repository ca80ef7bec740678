import type { GraphQLResolveInfo } from "graphql";
import { parseDigest } from "../../model/artifact.ts";
import type { PageRequest } from "../../model/backend.ts";
import { toPurl } from "../../model/purl.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import { ArtifactNode } from "../artifact/artifact.ts";
import { conflictsOf, type MergedField, observationsOf } from "../artifact/merge.ts";
import { lookUp, reportHere } from "../artifact/outcome.ts";
import { coordinateOf, recordSeed } from "../artifact/seeds.ts";
import { traceByImage } from "../artifact/trace.ts";
import { traceByDigest, traceByPurl } from "../artifact/trace-starts.ts";
import { type Context, readerOf, resolveReader } from "../context.ts";
import { badInput } from "../errors.ts";
import type { Resolvers } from "../generated/resolvers.ts";
import { hintOf } from "../identity/nodes.ts";
import { printId } from "../identity/opaque.ts";
import { backendNamed } from "./backend.ts";
import { connect, connectAs } from "./connection.ts";
import { selects } from "./selection.ts";

/** Resolvers of schema/artifact.graphql. */
export const artifactResolvers: Resolvers = {
  Query: {
    artifacts: (_root, { filter, ...window }, context, info) => {
      const { backend, reader } = resolveReader(context, "artifacts", filter.backend);
      const query = {
        image: filter.image ?? null,
        name: filter.name ?? null,
        imageTag: filter.imageTag ?? null,
        type: filter.type ?? null,
        repository: filter.repository ?? null,
        branch: filter.branch ?? null,
      };
      const list = { backend: backend.name, filter: ["artifacts", query] };
      const read = (request: PageRequest) => reader.page(query, request);
      return connectAs(context, info, list, window, read, (record) => new ArtifactNode(context, recordSeed(record)));
    },
    traceByImage: (_root, { image }, context, info) => traceByImage(context, image, wantsOf(info)),
    traceByDigest: (_root, { digest, hint }, context, info) => {
      const parsed = parseDigest(digest);
      if (!parsed) throw badInput("BAD_USER_INPUT", "This is not a digest.");
      const where = hintOf(context, hint);
      return traceByDigest(context, parsed, where === null ? [] : [where], wantsOf(info));
    },
    traceByPurl: (_root, { purl, hint }, context, info) =>
      traceByPurl(context, purl, hintOf(context, hint), wantsOf(info)),
  },
  Artifact: {
    id: (artifact) => printId("Artifact", [artifact.seed.digest, ...coordinateOf(artifact.seed)]),
    digest: (artifact) => artifact.digest(),
    otherDigests: async (artifact) => {
      const own = await artifact.digest();
      const others = [artifact.seed.packaged, ...artifact.seed.sameFiles].flatMap(
        (packaged) => packaged?.file.digests ?? [],
      );
      return [...new Set(others)].filter((digest) => digest !== own);
    },
    name: async (artifact, _args, context, info) =>
      textOf(await mergedValue(artifact, "name", context, info)) ?? artifact.seed.file,
    type: async (artifact) => {
      const { type } = artifact.seed;
      return type === "OTHER" ? ((await artifact.record())?.type ?? type) : type;
    },
    purl: async (artifact) => {
      const [image] = artifact.seed.images;
      const digest = image ? await artifact.digest() : null;
      if (!image || digest === null) return null;
      const path = image.registry === null ? image.repository : `${image.registry}/${image.repository}`;
      const qualifiers = { repository_url: path, ...(image.tag === null ? {} : { tag: image.tag }) };
      return toPurl({ type: "oci", name: image.repository.split("/").at(-1) ?? "", version: digest, qualifiers });
    },
    size: async (artifact, _args, context, info) => numberOf(await mergedValue(artifact, "size", context, info)),
    architecture: mergedText("architecture"),
    os: mergedText("os"),
    createdBy: mergedText("createdBy"),
    createdAt: mergedText("createdAt"),
    locations: (artifact) => artifact.locations(),
    activities: async (artifact, _args, context, info) => {
      const records = await artifact.knownRecords();
      if (!records) return null;
      const lists = await Promise.all(records.map((record) => activitiesOf(context, info, record)));
      return lists.flatMap((activities) => activities ?? []);
    },
    builds: async (artifact, _args, context) => {
      const records = await artifact.knownRecords();
      return (
        records?.flatMap((record) => readerOf(context, "artifacts", record.ref.backend)?.buildsOf(record) ?? []) ?? null
      );
    },
    releases: async (artifact, window, context, info) => {
      const record = await artifact.knownRecord();
      const reader = record && readerOf(context, "releases", record.ref.backend);
      if (!record || !reader) return null;
      const list = { backend: record.ref.backend, filter: ["Artifact.releases", record.ref] };
      return connect(context, info, list, window, (request) => reader.containing(record, request));
    },
    observations: async (artifact) => observationsOf(await artifact.claims()),
    conflicts: async (artifact) => conflictsOf(await artifact.claims()),
    isComplete: (artifact) => artifact.isComplete(),
    sources: (artifact) => artifact.sources(),
  },
  ArtifactTrace: {
    artifact: ({ artifact, failure }) => {
      if (!artifact && failure) throw failure;
      return artifact;
    },
  },
  ArtifactLocation: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
    version: ({ version }, _args, context, info) =>
      version && lookUp(context, info, "packages", version.package.backend, (reader) => reader.version(version)),
  },
};

/** A record's activities: at hand, or in the record read whole. */
async function activitiesOf(
  context: Context,
  info: GraphQLResolveInfo,
  record: ArtifactRecord,
): Promise<ArtifactRecord["activities"]> {
  if (record.activities) return record.activities;
  const whole = await lookUp(context, info, "artifacts", record.ref.backend, (reader) => reader.artifact(record.ref));
  return whole?.activities ?? null;
}

/** Selections that need the copies elsewhere. */
const fieldsThatTrace = ["locations", "sources", "isComplete", "observations", "conflicts"];

function wantsOf(info: GraphQLResolveInfo) {
  return { copies: selects(info, "sources", "isComplete", ...fieldsThatTrace.map((field) => `artifact.${field}`)) };
}

/** A merged scalar. Failures of backends that are trusted more are reported in `errors`, at this field. */
async function mergedValue(artifact: ArtifactNode, field: MergedField, context: Context, info: GraphQLResolveInfo) {
  const { value, failures } = await artifact.merged(field);
  const [first] = failures;
  if (first && value === null) throw first;
  for (const failure of failures) reportHere(context, info, failure);
  return value;
}

/** The resolver of a merged scalar that is text. */
function mergedText(field: MergedField) {
  return async (artifact: ArtifactNode, _args: unknown, context: Context, info: GraphQLResolveInfo) =>
    textOf(await mergedValue(artifact, field, context, info));
}

function textOf(value: string | number | null): string | null {
  return typeof value === "string" ? value : null;
}

function numberOf(value: string | number | null): number | null {
  return typeof value === "number" ? value : null;
}
