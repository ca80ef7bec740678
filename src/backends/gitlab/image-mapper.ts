import type { Origin } from "../../model/backend.ts";
import { type Digest, parseDigest } from "../../model/digest.ts";
import { type ImageRef, imageRef, parseImageRef } from "../../model/image-ref.ts";
import type { ImageRecord, Package, Version } from "../../model/package.ts";
import { parseInstant } from "../../model/time.ts";
import { imagePurl, imageType, printKey } from "./identity.ts";
import type { RepositoryRow, TagDetail, TagRow } from "./payload.ts";

/** Where a container repository's images are pulled from: registry host and path; the bare path where it is not told. */
function locationOf(row: { readonly path: string; readonly location?: string | null | undefined }): string {
  const parsed = parseImageRef(row.location);
  return parsed?.registry ? `${parsed.registry}/${parsed.repository}` : row.path;
}

/** The project that a container repository belongs to: its path without the image's own name. */
export function projectOfRepository(row: RepositoryRow): string {
  return row.name !== "" && row.path.endsWith(`/${row.name}`) ? row.path.slice(0, -row.name.length - 1) : row.path;
}

/** A container repository as a package whose versions are tags. */
export function toImagePackage(row: RepositoryRow, repository: string, origin: Origin): Package {
  return {
    ref: { backend: origin.backend, repository, key: printKey({ type: imageType, name: row.path }) },
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
export function toImageVersion(
  row: RepositoryRow,
  tag: TagRow,
  detail: TagDetail | null,
  repository: string,
  origin: Origin,
): Version {
  const digest = parseDigest(detail?.digest);
  return {
    ref: {
      package: { backend: origin.backend, repository, key: printKey({ type: imageType, name: row.path }) },
      version: tag.name,
      nativeId: null,
    },
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

/** What the registry holds under a tag. */
export function toImageRecord(row: RepositoryRow, detail: TagDetail, repository: string, origin: Origin): ImageRecord {
  const digest = parseDigest(detail.digest);
  return {
    origin,
    image: toImageRef(row, detail.name, digest),
    digest,
    // A tag with a config digest is one image; without one it may be an index or something GitLab cannot read.
    kind: /^[0-9a-f]{64}$/i.test(detail.revision ?? "") ? "MANIFEST" : null,
    size: detail.total_size ?? null,
    architecture: null,
    os: null,
    createdBy: null,
    createdAt: parseInstant(detail.created_at),
    pushedAt: null,
    webUrl: null,
    archived: false,
    version: {
      package: { backend: origin.backend, repository, key: printKey({ type: imageType, name: row.path }) },
      version: detail.name,
      nativeId: null,
    },
  };
}

function toImageRef(row: RepositoryRow, tag: string, digest: Digest | null): ImageRef {
  const registry = parseImageRef(row.location)?.registry ?? null;
  return imageRef({ registry, repository: row.path, tag, digest });
}
