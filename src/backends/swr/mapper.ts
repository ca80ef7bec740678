import { type Digest, type ImageRef, imageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Instant, Origin } from "../../model/backend.ts";
import type { ImageRecord, MetadataEntry, Package, PackageFile, Version, VersionRef } from "../../model/package.ts";
import { toPurl } from "../../model/purl.ts";
import { keep, parseInstant, toCount, toInt, trimSlashes } from "../../model/values.ts";
import type { Sourced } from "./client.ts";
import { baseName, decodeOnce, imageKey, type PackageName, packageKey } from "./keys.ts";
import type { Dates, FileRow, PackageRow, RepositoryDetail, TagRow, VersionRow } from "./payload.ts";

/** A software package. It has no purl: a generic package names nothing outside this backend. */
export function toPackage(row: Sourced<PackageRow>): Package {
  const { origin } = row;
  return {
    ref: { backend: origin.backend, repository: row.namespace, key: packageKey(row.package) },
    origin,
    name: decodeOnce(row.package),
    format: "GENERIC",
    formatName: "package",
    purl: null,
    description: row.description || null,
    visibility: row.visibility || null,
    downloads: null,
    versionCount: toCount(row.num_versions),
    createdBy: row.creator || null,
    ...toDates(row),
    webUrl: null,
  };
}

/** Fields of a version that SWR does not tell. */
const unknownOfVersions = {
  status: null,
  stages: [],
  tags: [],
  downloads: null,
  downloadUrl: null,
  paths: [],
  pipeline: null,
} as const;

/** A version of a software package, whose key is `key`. */
export function toVersion(row: Sourced<VersionRow>, namespace: string, key: string): Version {
  const { origin } = row;
  return {
    ref: { package: { backend: origin.backend, repository: namespace, key }, version: row.version, nativeId: null },
    origin,
    name: decodeOnce(row.version),
    format: "GENERIC",
    purl: null,
    size: toCount(row.size),
    fileCount: toInt(row.num_files),
    createdBy: row.creator || null,
    ...toDates(row),
    metadata: [...entry("description", row.description), ...entry("visibility", row.visibility)],
    digest: null,
    image: null,
    ...unknownOfVersions,
  };
}

/** A file of a version; `base` is the address of the API. */
export function toFile(row: FileRow, base: string): PackageFile {
  const digest = parseDigest(row.digest);
  return {
    name: row.filename,
    path: pathOf(row),
    size: toCount(row.size),
    digests: digest === null ? [] : [digest],
    createdAt: toDates(row).createdAt,
    downloadUrl: toDownloadUrl(row.url, base),
  };
}

/** Folder and name: two folders may have files of one name. The root is spelled `/`, others with or without slashes. */
export function pathOf({ folder, filename }: Pick<FileRow, "folder" | "filename">): string {
  const inside = trimSlashes(folder ?? "");
  return inside === "" ? filename : `${inside}/${filename}`;
}

/**
 * The file's link on the API, for a caller with credentials of its own. It is the row's own path, because the server
 * drops the folder of files in the root. Null unless it is a clean path of that host.
 */
function toDownloadUrl(path: string | null | undefined, base: string): string | null {
  if (!path?.startsWith("/")) return null;
  const segments = path.slice(1).split("/");
  const clean = segments.every(
    (segment) => /^(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-f]{2})+$/i.test(segment) && !/^\.\.?$/.test(decodeOnce(segment)),
  );
  return clean ? base + path : null;
}

/** An image repository as a package; the detail, unlike the list, does not name its organization. */
export function toImagePackage(row: Sourced<RepositoryDetail>, namespace: string): Package {
  const { origin } = row;
  return {
    ref: { backend: origin.backend, repository: namespace, key: imageKey(row.name) },
    origin,
    name: row.name,
    format: "DOCKER",
    formatName: "image",
    // A purl of type oci names one image by its digest; a repository has none.
    purl: null,
    description: row.description || null,
    visibility: row.is_public ? "public" : row.is_public === false ? "private" : null,
    downloads: toCount(row.num_download),
    versionCount: toCount(row.num_images),
    createdBy: row.creator_name || null,
    ...toDates(row),
    webUrl: null,
  };
}

/** A tag as a version of its repository; `hosts` are the registry's, as configured. */
export function toImageVersion(row: Sourced<TagRow>, repository: PackageName, hosts: readonly string[]): Version {
  const { origin } = row;
  const tag = tagOf(row);
  const digest = parseDigest(row.digest);
  const image = toReference(row, repository, hosts);
  return {
    ref: toTagRef(tag, repository, origin),
    origin,
    name: tag,
    format: "DOCKER",
    get purl() {
      return keep(this, "purl", toImagePurl(image, digest));
    },
    size: toImageSize(row),
    fileCount: null,
    createdBy: null,
    ...toDates(row),
    metadata: [],
    digest,
    image: image.registry === null ? null : image,
    ...unknownOfVersions,
  };
}

/** A tag as the image under a reference. Platform and author would be another call each: null. */
export function toImageRecord(row: Sourced<TagRow>, repository: PackageName, hosts: readonly string[]): ImageRecord {
  const { origin } = row;
  const { createdAt, updatedAt } = toDates(row);
  return {
    origin,
    image: toReference(row, repository, hosts),
    digest: parseDigest(row.digest),
    kind: isIndex(row) ? "INDEX" : row.tag_type === 0 ? "MANIFEST" : null,
    size: toImageSize(row),
    architecture: null,
    os: null,
    createdBy: null,
    createdAt,
    pushedAt: updatedAt,
    webUrl: null,
    archived: false,
    version: toTagRef(tagOf(row), repository, origin),
  };
}

/** Whether the tag is an index (a manifest list) of images for several platforms; `tag_type` 0 is one manifest. */
export function isIndex(row: TagRow): boolean {
  return row.tag_type === 1;
}

/** The tag's name in either spelling. */
export function tagOf(row: TagRow): string {
  return row.Tag ?? row.tag ?? "";
}

/**
 * A date as text of fixed width that sorts: instants have milliseconds, while the server writes up to nine digits and
 * cuts trailing zeros. Empty for "never", so that such rows count as the oldest.
 */
export function sortableDate(text: string | null | undefined): string {
  const instant = parseInstant(text);
  if (instant === null) return "";
  const fraction = /\.(\d{1,9})/.exec(text ?? "")?.[1] ?? "";
  return `${instant.slice(0, 19)}.${fraction.padEnd(9, "0")}`;
}

/** When the row was created, as the server wrote it. */
export function createdText(row: Dates): string | null {
  return row.CreatedAt ?? row.created ?? row.created_at ?? null;
}

/** When the row was last changed (a tag: pushed), as the server wrote it. */
export function updatedText(row: Dates): string | null {
  return row.UpdatedAt ?? row.updated ?? row.updated_at ?? null;
}

function toTagRef(version: string, { namespace, name }: PackageName, { backend }: Origin): VersionRef {
  return { package: { backend, repository: namespace, key: imageKey(name) }, version, nativeId: null };
}

function toDates(row: Dates): { readonly createdAt: Instant | null; readonly updatedAt: Instant | null } {
  return { createdAt: parseInstant(createdText(row)), updatedAt: parseInstant(updatedText(row)) };
}

// An index has no layers of its own: its size is 0 or that of the list, while an empty package version really is empty.
function toImageSize(row: TagRow): number | null {
  const size = toCount(row.size);
  return size === 0 || isIndex(row) ? null : size;
}

// `path` is the public pull address; old rows have a private one, and then the configured host is right.
function toReference(row: TagRow, { namespace, name }: PackageName, hosts: readonly string[]): ImageRef {
  const repository = `${namespace}/${name}`;
  const parsed = parseImageRef(row.path);
  const host = parsed?.repository === repository ? parsed.registry : null;
  const registry = host !== null && (hosts.length === 0 || hosts.includes(host)) ? host : (hosts[0] ?? null);
  return imageRef({ registry, repository, tag: tagOf(row), digest: null });
}

function toImagePurl({ registry, repository, tag }: ImageRef, digest: Digest | null): string | null {
  if (registry === null || digest === null) return null;
  const qualifiers = { repository_url: `${registry}/${repository}`, ...(tag === null ? {} : { tag }) };
  return toPurl({ type: "oci", name: baseName(repository), version: digest, qualifiers });
}

function entry(key: string, value: string | null | undefined): readonly MetadataEntry[] {
  return value ? [{ key, value, isSystem: true }] : [];
}
