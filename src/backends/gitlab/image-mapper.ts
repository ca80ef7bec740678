import { type Digest, type ImageRef, imageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import type { ImageRecord, Package, PackageRef, Version } from "../../model/package.ts";
import { parseInstant } from "../../model/values.ts";
import { imagePurl, imageType, printKey } from "./identity.ts";
import type { RepositoryRow, TagDetail, TagRow } from "./payload.ts";

/** The registry that a container repository is in, from its location: host and path; null where it is not told. */
function registryOf({ path, location }: Pick<RepositoryRow, "path" | "location">): string | null {
  const end = `/${path}`;
  if (!location?.endsWith(end)) return parseImageRef(location)?.registry ?? null;
  // Paths are wider than references: a project may begin with a dot.
  return parseImageRef(`${location.slice(0, -end.length)}/any`)?.registry ?? null;
}

/** Where a container repository's images are pulled from: registry host and path; the bare path where it is not told. */
function locationOf(row: RepositoryRow): string {
  const registry = registryOf(row);
  return registry === null ? row.path : `${registry}/${row.path}`;
}

/**
 * The project that a container repository belongs to: its path without the image's own name. Container paths are
 * lower-cased (`ContainerRepository#path`), so this is the project's path in lower case, on whatever way the row was
 * reached; GitLab matches it without case.
 */
export function projectOfRepository(row: RepositoryRow): string {
  const end = `/${row.name.toLowerCase()}`;
  return row.name !== "" && row.path.endsWith(end) ? row.path.slice(0, -end.length) : row.path;
}

/** A container repository as a package whose versions are tags. */
export function toImagePackage(row: RepositoryRow, origin: Origin): Package {
  return {
    ref: packageRefOf(row, origin),
    origin,
    name: row.path,
    format: "DOCKER",
    formatName: imageType,
    purl: imagePurl(locationOf(row), null, null),
    description: null,
    visibility: null,
    downloads: null,
    versionCount: row.tags_count ?? null,
    createdBy: null,
    createdAt: parseInstant(row.created_at),
    updatedAt: null,
    webUrl: null,
  };
}

/** A tag as a version. From a list only its name is known; `detail` adds digest, size and date. */
export function toImageVersion(row: RepositoryRow, tag: TagRow, detail: TagDetail | null, origin: Origin): Version {
  const digest = parseDigest(detail?.digest);
  return {
    ref: { package: packageRefOf(row, origin), version: tag.name, nativeId: null },
    origin,
    name: tag.name,
    format: "DOCKER",
    purl: digest === null ? null : imagePurl(locationOf(row), digest, tag.name),
    status: row.status ?? null,
    stages: [],
    tags: [],
    size: detail?.total_size ?? null,
    fileCount: null,
    downloads: null,
    createdBy: null,
    createdAt: parseInstant(detail?.created_at),
    updatedAt: null,
    metadata: [],
    downloadUrl: null,
    digest,
    image: toImageRef(row, tag.name, null),
    paths: [],
    pipeline: null,
  };
}

/** What the registry holds under a tag; no more than its name where its details could not be had. */
export function toImageRecord(row: RepositoryRow, tag: TagRow, detail: TagDetail | null, origin: Origin): ImageRecord {
  const digest = parseDigest(detail?.digest);
  return {
    origin,
    image: toImageRef(row, tag.name, digest),
    digest,
    // A tag with a config digest is one image; without one it may be an index or something GitLab cannot read.
    kind: /^[0-9a-f]{64}$/i.test(detail?.revision ?? "") ? "MANIFEST" : null,
    size: detail?.total_size ?? null,
    architecture: null,
    os: null,
    createdBy: null,
    createdAt: parseInstant(detail?.created_at),
    pushedAt: null,
    webUrl: null,
    archived: false,
    version: { package: packageRefOf(row, origin), version: tag.name, nativeId: null },
  };
}

function packageRefOf(row: RepositoryRow, { backend }: Origin): PackageRef {
  return { backend, repository: projectOfRepository(row), key: printKey({ type: imageType, name: row.path }) };
}

function toImageRef(row: RepositoryRow, tag: string, digest: Digest | null): ImageRef {
  return imageRef({ registry: registryOf(row), repository: row.path, tag, digest });
}
