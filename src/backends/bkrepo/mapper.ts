import { type Digest, digestOf, type ImageRef, imageRef, parseDigest } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import { keep } from "../../model/once.ts";
import type {
  ImageRecord,
  MetadataEntry,
  Package,
  PackageFile,
  PackageFormat,
  PackageRef,
  Version,
} from "../../model/package.ts";
import { toPurl } from "../../model/purl.ts";
import { fromMillis, parseInstant, toCount } from "../../model/values.ts";
import { referTo } from "./image-location.ts";
import { formatOf, imageNameOf, isImageKey, parseKey, purlOf } from "./package-key.ts";
import { digestKey, type NodeRow, type PackageRow, type VersionDetail, type VersionRow } from "./payload.ts";
import { printRepository, type Repository } from "./repository.ts";

/** What an answer does not repeat and its rows need: where it came from and which zone its zone-less times are in. */
export interface AnswerContext {
  readonly origin: Origin;
  /** Offset such as `+08:00`. */
  readonly zone: string;
}

/** What a version or file needs besides: neither says whose it is. */
export interface PlaceContext extends AnswerContext {
  readonly backend: string;
  /** Base address of the backend, for download links. */
  readonly base: string;
  /** Registry host that references of its images name; null when none is configured. */
  readonly host: string | null;
  readonly repository: Repository;
  readonly key: string;
}

/** A version named so is a platform's manifest of a multi-arch image, pushed by digest; nobody gave it a name. */
export const childPrefix = "sha256:";

/** A package, and which of its versions its floating tags (npm's dist-tags) stand at. */
export interface TaggedPackage extends Package {
  /** Version names by tag. */
  readonly floating: ReadonlyMap<string, string>;
}

/** A package from a typed answer or a raw search row. */
export function toPackage(
  row: PackageRow,
  { backend, repository, origin, zone }: Pick<PlaceContext, "backend" | "repository"> & AnswerContext,
): TaggedPackage {
  const parsed = parseKey(row.key);
  const type = row.type ?? "";
  return {
    ref: { backend, repository: printRepository(repository), key: row.key },
    origin,
    name: row.name || (parsed?.name ?? row.key),
    format: type === "" ? (parsed?.format ?? "OTHER") : formatOf(type),
    formatName: type || (parsed?.format ?? "OTHER"),
    get purl() {
      return keep(this, "purl", purlOf(row.key, null));
    },
    description: row.description || null,
    // Public or not is a property of the repository, which package answers do not tell.
    visibility: null,
    downloads: toCount(row.downloads),
    // Of images the server counts the hidden children of multi-arch tags as well, which nobody else calls versions.
    versionCount: isImageKey(row.key) ? null : toCount(row.versions),
    createdBy: row.createdBy || null,
    createdAt: toInstant(row.createdDate, zone),
    updatedAt: toInstant(row.lastModifiedDate, zone),
    webUrl: null,
    floating: toFloatingTags(row.versionTag ?? {}),
  };
}

// Keys of stored maps hold neither dots nor dollars; only typed answers undo that (TagUtils.decodeTag).
function toFloatingTags(tags: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const floating = new Map<string, string>();
  for (const [tag, version] of Object.entries(tags)) {
    if (typeof version === "string") floating.set(tag.replaceAll("\\u002e", ".").replaceAll("\\u0024", "$"), version);
  }
  return floating;
}

/**
 * A version of the package that was asked for. `floating` reads the floating tags that the package keeps, for the types
 * whose versions do not tell theirs.
 */
export function toVersion(
  row: VersionRow,
  context: PlaceContext,
  floating: (() => Promise<ReadonlyMap<string, string>>) | null = null,
): Version {
  const { backend, base, repository, key, origin, zone } = context;
  const ref: PackageRef = { backend, repository: printRepository(repository), key };
  const format = parseKey(key)?.format ?? "OTHER";
  const metadata = toMetadata(row);
  const digest = isImageKey(key) ? toImageDigest(row, metadata) : null;
  const image = toReference(row.name, digest, context);
  const files = unique([...(row.contentPaths ?? []), row.contentPath]);
  // An image's manifest comes first: a tag pushed for one platform and then for several leaves both files behind.
  const paths =
    image === null ? unique([...files, row.manifestPath]) : unique([row.manifestPath, row.contentPath, ...files]);
  return {
    ref: { package: ref, version: row.name, nativeId: null },
    origin,
    name: row.name,
    format,
    // Hardly anybody asks for it, and it is the dearest part.
    get purl() {
      return keep(this, "purl", image === null ? purlOf(key, row.name) : toImagePurl(image));
    },
    status: null,
    stages: row.stageTag ?? [],
    tags: floating === null ? (row.tags ?? []) : () => floating().then((tags) => tagsAt(row, tags)),
    // Of an index the server counts the bytes of the index itself, which is nobody's idea of an image's size.
    size: image !== null && toKind({ metadata, paths }) === "INDEX" ? null : toCount(row.size),
    // An image's only files are its manifests, which nobody means by "files", and of these three the record names but one.
    fileCount: image === null && files.length > 0 && !namesOneFile.includes(format) ? files.length : null,
    downloads: toCount(row.downloads),
    createdBy: row.createdBy || null,
    createdAt: toInstant(row.createdDate, zone),
    updatedAt: toInstant(row.lastModifiedDate, zone),
    metadata,
    // For an image the server would answer its manifest.json, and without a file it answers an error.
    downloadUrl: image === null && files.length > 0 ? toVersionUrl(base, repository, key, row.name) : null,
    digest,
    image,
    paths,
    pipeline: null,
  };
}

/** Formats whose record names the file of the last upload, whatever else the version has. */
const namesOneFile: readonly PackageFormat[] = ["MAVEN", "CONAN", "ML_MODEL"];

function tagsAt({ name, tags }: VersionRow, floating: ReadonlyMap<string, string>): readonly string[] {
  return unique([...(tags ?? []), ...[...floating].flatMap(([tag, version]) => (version === name ? tag : []))]);
}

/** A file from a node search, or from a registry service's version detail. */
export function toFile(
  row: Pick<NodeRow, "fullPath" | "name" | "size" | "sha256" | "md5" | "createdDate">,
  context: Pick<PlaceContext, "base" | "repository" | "key" | "zone">,
): PackageFile {
  return {
    name: row.name || row.fullPath.slice(row.fullPath.lastIndexOf("/") + 1),
    path: row.fullPath,
    size: toCount(row.size),
    digests: [digestOf("sha256", row.sha256), digestOf("md5", row.md5)].filter((digest) => digest !== null),
    createdAt: toInstant(row.createdDate, context.zone),
    downloadUrl: toFileUrl(row.fullPath, context),
  };
}

/** The main file that a version detail tells. */
export function toMainFile(
  { basic }: VersionDetail,
  context: Pick<PlaceContext, "base" | "repository" | "key" | "zone">,
): PackageFile {
  return toFile({ ...basic, name: null }, context);
}

/**
 * What a version of an image package says of the image. `image` is the reference that was asked for, `digest` the
 * version's own or the one found otherwise, `archived` what the manifest's file said where it was read.
 */
export function toImageRecord(
  version: Version,
  image: ImageRef,
  digest: Digest | null,
  archived: boolean,
): ImageRecord {
  return {
    origin: version.origin,
    image: imageRef({ registry: image.registry, repository: image.repository, tag: image.tag, digest }),
    digest,
    kind: toKind(version),
    size: version.size,
    architecture: null,
    os: null,
    createdBy: version.createdBy,
    // `createdDate` is the first push of the tag, whatever it holds now: it does not tell when these bytes were made.
    createdAt: null,
    pushedAt: version.updatedAt ?? version.createdAt,
    webUrl: null,
    archived,
    version: version.ref,
  };
}

/** A moment of either record shape: zone-less text, or epoch milliseconds, which need no zone. */
export function toInstant(moment: string | number | null | undefined, zone: string): string | null {
  return typeof moment === "number" ? fromMillis(moment) : parseInstant(moment, zone);
}

/**
 * The list form carries who wrote an entry; the plain map is the fall-back and collapses repeated keys. Nothing of an
 * entry but these three fields is read.
 */
function toMetadata(row: VersionRow): MetadataEntry[] {
  const listed = row.packageMetadata ?? row.nodeMetadata;
  if (listed) return listed.map(({ key, value, system }) => ({ key, value: value ?? null, isSystem: system === true }));
  return Object.entries(row.metadata ?? {}).map(([key, value]) => ({ key, value: value ?? null, isSystem: false }));
}

/**
 * The digest by the key of its time: `manifest_digest` since 2022, `docker.manifest.digest` from the docker service
 * before, its misspelt form since 3.0.1, and bare hex. It is written in a second step that may have failed, so it can be missing.
 * A child needs none of it: its name is its digest.
 */
function toImageDigest(row: VersionRow, metadata: readonly MetadataEntry[]): Digest | null {
  for (const key of [digestKey, "docker.manifest.digest", "docker.manfiest.digest", "sha256"]) {
    const value = metadata.find((entry) => entry.key === key)?.value ?? row.metadata?.[key];
    const digest = typeof value === "string" ? parseDigest(value) : null;
    if (digest !== null) return digest;
  }
  return row.name.startsWith(childPrefix) ? parseDigest(row.name) : null;
}

/** Docker's spelling of an image version; null for other packages. A child is addressed by digest alone. */
function toReference(version: string, digest: Digest | null, context: PlaceContext): ImageRef | null {
  const name = imageNameOf(context.key);
  if (name === null) return null;
  const tag = version.startsWith(childPrefix) ? null : version;
  return referTo({ repository: context.repository, name }, context.host, { tag, digest });
}

/** An image's package URL names its bytes; without a digest there is no honest one. */
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
function toFileUrl(
  fullPath: string,
  { base, repository, key }: Pick<PlaceContext, "base" | "repository" | "key">,
): string | null {
  const format: PackageFormat = parseKey(key)?.format ?? "OTHER";
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
