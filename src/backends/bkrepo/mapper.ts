import { type Digest, digestOf, type ImageRef, imageRef, parseDigest } from "../../model/artifact.ts";
import type { ImageRecord, MetadataEntry, Package, PackageFile, PackageFormat, Version } from "../../model/package.ts";
import { toPurl } from "../../model/purl.ts";
import { fromMillis, keep, parseInstant, toCount } from "../../model/values.ts";
import type { AnswerSource, BkrepoClient } from "./client.ts";
import {
  formatOf,
  imageNameOf,
  isImageKey,
  parseKey,
  printRepository,
  purlOf,
  type Repository,
  referTo,
} from "./keys.ts";
import { digestKey, type NodeRow, type PackageRow, type VersionRow } from "./payload.ts";

/** What the rows of a package's versions and files do not contain. */
export interface PackageContext extends AnswerSource {
  readonly backend: string;
  /** Base address of the backend, for download links. */
  readonly base: string;
  /** Registry host in references of its images; null when none is configured. */
  readonly host: string | null;
  readonly repository: Repository;
  readonly key: string;
}

/** The context of a package's versions and files in one answer. */
export function packageContext(
  { name, base, settings }: BkrepoClient,
  repository: Repository,
  key: string,
  { origin, zone }: AnswerSource,
): PackageContext {
  return { backend: name, base, host: settings.hosts[0] ?? null, repository, key, origin, zone };
}

/** Names of versions that were pushed by digest: the manifests of one platform of a multi-arch image. */
export const childPrefix = "sha256:";

/** A package with its floating tags, such as npm's dist-tags. */
export interface TaggedPackage extends Package {
  /** Version names by tag. */
  readonly floating: ReadonlyMap<string, string>;
}

/** A package from a typed answer or a raw search row; `repository` is `project/repo`. */
export function toPackage(
  row: PackageRow,
  backend: string,
  repository: string,
  { origin, zone }: AnswerSource,
): TaggedPackage {
  const parsed = parseKey(row.key);
  const type = row.type ?? "";
  return {
    ref: { backend, repository, key: row.key },
    origin,
    name: row.name || (parsed?.name ?? row.key),
    format: type === "" ? (parsed?.format ?? "OTHER") : formatOf(type),
    formatName: type || (parsed?.format ?? "OTHER"),
    get purl() {
      return keep(this, "purl", purlOf(row.key, null));
    },
    description: row.description || null,
    // Repositories are public or not; package answers do not contain it.
    visibility: null,
    downloads: toCount(row.downloads),
    // The server's count of an image's versions includes the hidden children of multi-arch tags.
    versionCount: isImageKey(row.key) ? null : toCount(row.versions),
    createdBy: row.createdBy || null,
    createdAt: toInstant(row.createdDate, zone),
    updatedAt: toInstant(row.lastModifiedDate, zone),
    webUrl: null,
    floating: toFloatingTags(row.versionTag),
  };
}

const noTags: ReadonlyMap<string, string> = new Map();

// Keys of stored maps contain neither dots nor dollars; only typed answers undo that (TagUtils.decodeTag).
function toFloatingTags(tags: PackageRow["versionTag"]): ReadonlyMap<string, string> {
  if (!tags) return noTags;
  const floating = new Map<string, string>();
  for (const [tag, version] of Object.entries(tags)) {
    if (typeof version === "string") floating.set(tag.replaceAll("\\u002e", ".").replaceAll("\\u0024", "$"), version);
  }
  return floating;
}

/** A version of the package in the context. `floating` reads the package's floating tags, where versions have none. */
export function toVersion(
  row: VersionRow,
  context: PackageContext,
  floating: (() => Promise<ReadonlyMap<string, string>>) | null = null,
): Version {
  const { backend, base, repository, key, origin, zone } = context;
  const format = parseKey(key)?.format ?? "OTHER";
  const metadata = toMetadata(row);
  const digest = isImageKey(key) ? toImageDigest(row, metadata) : null;
  const image = toReference(row.name, digest, context);
  const files = unique([...(row.contentPaths ?? []), row.contentPath]);
  // An image's manifest comes first: a tag pushed for one platform and then for several leaves two manifests.
  const paths =
    image === null ? unique([...files, row.manifestPath]) : unique([row.manifestPath, row.contentPath, ...files]);
  return {
    ref: { package: { backend, repository: printRepository(repository), key }, version: row.name, nativeId: null },
    origin,
    name: row.name,
    format,
    // The most expensive field, and rarely selected.
    get purl() {
      return keep(this, "purl", image === null ? purlOf(key, row.name) : toImagePurl(image));
    },
    status: null,
    stages: row.stageTag ?? [],
    tags: floating === null ? (row.tags ?? []) : () => floating().then((tags) => tagsAt(row, tags)),
    // The server's size of an index is that of the index itself, not of its images.
    size: image !== null && toKind({ metadata, paths }) === "INDEX" ? null : toCount(row.size),
    // Manifests are not files of an image, and the records of some formats name one file of several.
    fileCount: image === null && files.length > 0 && !namesOneFile.includes(format) ? files.length : null,
    downloads: toCount(row.downloads),
    createdBy: row.createdBy || null,
    createdAt: toInstant(row.createdDate, zone),
    updatedAt: toInstant(row.lastModifiedDate, zone),
    metadata,
    // For an image the server answers its manifest.json, and for a version without a file an error.
    downloadUrl: image === null && files.length > 0 ? toVersionUrl(base, repository, key, row.name) : null,
    digest,
    image,
    paths,
    pipeline: null,
  };
}

/** Formats whose records name the file of the last upload only. */
const namesOneFile: readonly PackageFormat[] = ["MAVEN", "CONAN", "ML_MODEL"];

function tagsAt({ name, tags }: VersionRow, floating: ReadonlyMap<string, string>): readonly string[] {
  return unique([...(tags ?? []), ...[...floating].flatMap(([tag, version]) => (version === name ? tag : []))]);
}

/** A file from a file query, or from a registry service's version detail. */
export function toFile(
  row: Omit<NodeRow, "repoName" | "archived">,
  { base, repository, key, zone }: Pick<PackageContext, "base" | "repository" | "key" | "zone">,
): PackageFile {
  return {
    name: row.name || row.fullPath.slice(row.fullPath.lastIndexOf("/") + 1),
    path: row.fullPath,
    size: toCount(row.size),
    digests: [digestOf("sha256", row.sha256), digestOf("md5", row.md5)].filter((digest) => digest !== null),
    createdAt: toInstant(row.createdDate, zone),
    downloadUrl: toFileUrl(base, repository, key, row.fullPath),
  };
}

/**
 * The image of a version. `image` is the reference that was asked for, `digest` the version's own or its manifest's,
 * `archived` comes from the manifest's file where it was read.
 */
export function toImageRecord(version: Version, image: ImageRef, digest: Digest | null, archived = false): ImageRecord {
  return {
    origin: version.origin,
    image: imageRef({ registry: image.registry, repository: image.repository, tag: image.tag, digest }),
    digest,
    kind: toKind(version),
    size: version.size,
    architecture: null,
    os: null,
    createdBy: version.createdBy,
    // `createdDate` is the first push of the tag, not the build of these bytes.
    createdAt: null,
    pushedAt: version.updatedAt ?? version.createdAt,
    webUrl: null,
    archived,
    version: version.ref,
  };
}

/** A time of either record shape: zone-less text, or epoch milliseconds, which need no zone. */
export function toInstant(moment: string | number | null | undefined, zone: string): string | null {
  return typeof moment === "number" ? fromMillis(moment) : parseInstant(moment, zone);
}

/** The list form has repeated keys and who wrote an entry; the map is the fall-back. */
function toMetadata(row: VersionRow): MetadataEntry[] {
  const listed = row.packageMetadata ?? row.nodeMetadata;
  if (listed) return listed.map(({ key, value, system }) => ({ key, value: value ?? null, isSystem: system === true }));
  return Object.entries(row.metadata ?? {}).map(([key, value]) => ({ key, value: value ?? null, isSystem: false }));
}

/**
 * The digest by the key of its release: `manifest_digest` since 2022, `docker.manifest.digest` from the docker service
 * before, its misspelt form since 3.0.1, and bare hex. Null where the server's second step, which stores it, failed.
 * The name of a child is its digest.
 */
function toImageDigest(row: VersionRow, metadata: readonly MetadataEntry[]): Digest | null {
  for (const key of [digestKey, "docker.manifest.digest", "docker.manfiest.digest", "sha256"]) {
    const value = metadata.find((entry) => entry.key === key)?.value ?? row.metadata?.[key];
    const digest = typeof value === "string" ? parseDigest(value) : null;
    if (digest !== null) return digest;
  }
  return row.name.startsWith(childPrefix) ? parseDigest(row.name) : null;
}

/** The reference of an image's version; null for other packages. A child has no tag. */
function toReference(version: string, digest: Digest | null, context: PackageContext): ImageRef | null {
  const name = imageNameOf(context.key);
  if (name === null) return null;
  const tag = version.startsWith(childPrefix) ? null : version;
  return referTo({ repository: context.repository, name }, context.host, { tag, digest });
}

/** An image's package URL names its bytes; null without a digest. */
function toImagePurl({ registry, repository, tag, digest }: ImageRef): string | null {
  if (digest === null) return null;
  return toPurl({
    type: "oci",
    name: repository.slice(repository.lastIndexOf("/") + 1),
    version: digest,
    qualifiers: {
      ...(registry === null ? {} : { repository_url: `${registry}/${repository}` }),
      ...(tag === null ? {} : { tag }),
    },
  });
}

function toKind({ metadata, paths }: Pick<Version, "metadata" | "paths">): ImageRecord["kind"] {
  const media = metadata.find(({ key }) => key === "docker.manifest.type")?.value;
  if (typeof media === "string") {
    if (/image\.index|manifest\.list/.test(media)) return "INDEX";
    if (/manifest/.test(media)) return "MANIFEST";
  }
  const [path] = paths;
  if (path?.endsWith("/list.manifest.json")) return "INDEX";
  return path?.endsWith("/manifest.json") ? "MANIFEST" : null;
}

function toVersionUrl(base: string, repository: Repository, key: string, version: string): string {
  const query = `packageKey=${encodeURIComponent(key)}&version=${encodeURIComponent(version)}`;
  return `${base}/repository/api/version/download/${encodePath(printRepository(repository))}?${query}`;
}

/** The registry's own address of a file, for the registries whose addresses are their paths; null for the others. */
function toFileUrl(base: string, repository: Repository, key: string, fullPath: string): string | null {
  const format = parseKey(key)?.format;
  const path = encodePath(fullPath.replace(/^\/+/, ""));
  const place = encodePath(printRepository(repository));
  if (format === "MAVEN") return `${base}/maven/${place}/${path}`;
  if (format === "HELM") return `${base}/helm/${place}/charts/${path.slice(path.lastIndexOf("/") + 1)}`;
  // Only tarballs are served under their path; the manifest beside them is the server's own copy.
  if (format === "NPM" && fullPath.includes("/-/")) return `${base}/npm/${place}/${path}`;
  return null;
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function unique(paths: readonly (string | null | undefined)[]): string[] {
  return [...new Set(paths.flatMap((path) => path || []))];
}
