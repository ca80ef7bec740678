import type { GraphQLResolveInfo } from "graphql";
import { found, mapAnswer, type Unknown, unknown } from "../../backends/answers.ts";
import type { ArtifactReader, PackageQuery, PackageReader } from "../../backends/backend.ts";
import { isSameReference } from "../../model/artifact.ts";
import type { DroppedRow, Position } from "../../model/backend.ts";
import {
  isHigher,
  type Package,
  type PackageRef,
  parseSemanticVersion,
  type SemanticVersion,
  type Version,
} from "../../model/package.ts";
import { nameOfPurl, namesSamePackage, type PurlParts, parsePurl } from "../../model/purl.ts";
import type { ArtifactRecord, BuildInfo } from "../../model/release.ts";
import { backendsWith, type Context } from "../context.ts";
import { badInput } from "../errors.ts";
import type { MatchMethod } from "../generated/resolvers.ts";
import { type Connection, toConnection } from "../resolvers/connection.ts";
import { firstOrigin, recordsOfTag } from "./lookups.ts";
import { gather, isComplete, outcomeOf, type SourceParent, sourceFrom, sourceWithStatus } from "./outcome.ts";
import { everyBackend } from "./trace.ts";

/**
 * The Zadig builds that made a version. An image is joined by digest, found by its name and tag; anything else by the
 * revision of the pipeline that published it. Null where no Zadig can be asked for it, as its sources tell. Throws
 * where none is configured, or none could say.
 */
export async function buildsOfVersion(
  context: Context,
  info: GraphQLResolveInfo,
  version: Version,
): Promise<readonly BuildInfo[] | null> {
  const zadigs = backendsWith(context, "artifacts");
  if (zadigs.length === 0) throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend tells builds.");
  const search = searchFor(version);
  if (search === null) return null;
  const outcomes = zadigs.map(({ backend, reader }) => outcomeOf(backend.name, search(reader), firstOrigin));
  return gather(context, info, await Promise.all(outcomes));
}

/** The answer of each backend that was asked for a version, with those that cannot be asked for its builds. */
export function sourcesOfVersion(context: Context, version: Version): readonly SourceParent[] {
  const zadigs = searchFor(version) === null ? backendsWith(context, "artifacts") : [];
  return [sourceFrom(version.origin), ...zadigs.map(({ backend }) => sourceWithStatus(backend.name, "NOT_SEARCHABLE"))];
}

/** How a Zadig is asked for the builds of a version; null where it cannot be. */
function searchFor({ image, digest, pipeline }: Version) {
  if (image?.tag && digest) {
    const { tag } = image;
    // A record without a digest belongs to its reference.
    const isOwn = (record: ArtifactRecord) =>
      record.digest === null ? record.image !== null && isSameReference(record.image, image) : record.digest === digest;
    return (reader: ArtifactReader) =>
      recordsOfTag(reader, image, tag, isOwn).then((answer) =>
        mapAnswer(answer, (records) => records.filter(isOwn).flatMap(reader.buildsOf)),
      );
  }
  if (pipeline?.sha && pipeline.projectPath) {
    const { sha, projectPath, ref } = pipeline;
    return (reader: ArtifactReader) =>
      reader
        .byCommit(projectPath, ref, sha)
        .then((answer) =>
          mapAnswer(answer, (records) =>
            records.flatMap(reader.buildsOf).filter(({ commits }) => commits.some((commit) => commit.sha === sha)),
          ),
        );
  }
  return null;
}

export interface PackageLinkParent {
  readonly package: Package;
  readonly matchedBy: MatchMethod;
}

/**
 * Packages of the same name in other repositories, linked and never merged: by package URLs that name the same package,
 * else by the name and format as the backend itself compares them. What a backend does not know is reported in `errors`
 * beside the links that were found. Backends whose configuration names no place are not asked, and not listed. Throws
 * when none could say.
 */
export async function namesakesOf(
  context: Context,
  info: GraphQLResolveInfo,
  own: Package,
): Promise<readonly PackageLinkParent[]> {
  const purl = own.purl === null ? null : parsePurl(own.purl);
  // Maven's own name is the artifact alone in some backends, or written with slashes: the package URL tells it whole.
  const name = (own.format === "MAVEN" && purl && nameOfPurl(purl)?.name) || own.name;
  const outcomes = await Promise.all(
    backendsWith(context, "packages").map(({ backend, reader }) =>
      outcomeOf(backend.name, reader.named(name, own.format, null), firstOrigin),
    ),
  );
  return gather(context, info, outcomes)
    .filter(
      ({ ref }) => ref.backend !== own.ref.backend || ref.repository !== own.ref.repository || ref.key !== own.ref.key,
    )
    .map((other) => ({
      package: other,
      matchedBy: isSamePurl(purl, other) ? ("PURL" as const) : ("NAME_VERSION" as const),
    }));
}

function isSamePurl(own: PurlParts | null, { purl }: Package): boolean {
  const other = purl === null ? null : parsePurl(purl);
  return own !== null && other !== null && namesSamePackage(own, other);
}

/** Versions looked through for the highest: of a package with more the highest is unknown. */
const mostVersions = 1000;

/** The highest version that was read, and what stood in the way of reading all. */
export interface Highest {
  /** The highest of those that were read; null when none of them is a semantic version. */
  readonly version: Version | null;
  /** What stands in the way of calling it the highest of all; null when every version was looked at. */
  readonly gap: Unknown | null;
  /** Versions that could not be read. */
  readonly dropped: readonly DroppedRow[];
}

/**
 * The highest version by SemVer precedence; releases before pre-releases. No backend sorts so (bkrepo's ordinal and
 * GitLab's text order both lie), so the versions are read, newest first, and compared here.
 */
export async function latestBySemver(reader: Pick<PackageReader, "versions">, ref: PackageRef): Promise<Highest> {
  const dropped: DroppedRow[] = [];
  let gap: Unknown | null = null;
  let best: { readonly version: Version; readonly parsed: SemanticVersion } | null = null;
  let after: Position | null = null;
  for (let read = 0; read < mostVersions; ) {
    const query = { prefix: null, stage: null, direction: "DESC" } as const;
    const answer = await reader.versions(ref, query, { first: 100, after });
    if (answer.kind !== "FOUND") {
      gap ??= answer.kind === "UNKNOWN" ? answer : null;
      break;
    }
    const page = answer.value;
    gap ??= answer.gap;
    for (const { value } of page.rows) {
      const parsed = parseSemanticVersion(value.name);
      if (parsed && (!best || isHigher(parsed, best.parsed))) best = { version: value, parsed };
    }
    for (const row of page.dropped) dropped.push(row);
    read += page.rows.length;
    after = page.rows.at(-1)?.position ?? null;
    if (!page.hasNext || after === null) break;
    if (read >= mostVersions) gap ??= unknown("UNREAD");
  }
  // A version that could not be read may be the highest.
  if (dropped.length > 0) gap ??= unknown("LOST_ROWS");
  return { version: best?.version ?? null, gap, dropped };
}

export interface SearchParent {
  readonly groups: readonly SearchGroupParent[];
  readonly isComplete: boolean;
  readonly sources: readonly SourceParent[];
}

export interface SearchGroupParent {
  readonly backend: string;
  /** Null when this backend could not say. */
  readonly packages: Connection<Package> | null;
}

/** Asks every package backend at the same time; each answers for itself, in its own order. */
export async function searchPackages(
  context: Context,
  info: GraphQLResolveInfo,
  query: PackageQuery & { readonly name: string },
  first: number,
): Promise<SearchParent> {
  const request = { first, after: null };
  const answers = await Promise.all(
    backendsWith(context, "packages").map(async ({ backend, reader }) => {
      const list = { backend: backend.name, filter: ["searchPackages", query] };
      const { source, value } = await outcomeOf(
        backend.name,
        reader
          .search(query, request)
          .then((answer) =>
            answer.kind === "UNKNOWN" ? answer : found(toConnection(context, info, answer, list, request)),
          ),
        () => null,
      );
      return { group: { backend: backend.name, packages: value }, source: value ? sourceOf(source, value) : source };
    }),
  );
  const sources = everyBackend(
    context,
    answers.map(({ source }) => source),
  );
  const able = sources.filter(({ backend }) => answers.some(({ group }) => group.backend === backend));
  return { groups: answers.map(({ group }) => group), isComplete: isComplete(context.call, able), sources };
}

/** A search that was answered in full and holds no row has found that there is none. */
function sourceOf(searched: SourceParent, { nodes, sources }: Connection<Package>): SourceParent {
  const source = sources[0] ?? searched;
  return nodes.length === 0 && source.status === "OK" ? { ...source, status: "ABSENT" } : source;
}
