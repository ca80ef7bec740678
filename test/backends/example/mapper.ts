import type { Origin } from "../../../src/model/backend.ts";
import type { Package, PackageRef, Version } from "../../../src/model/package.ts";
import { parseInstant } from "../../../src/model/values.ts";
import type { PackageRow, VersionRow } from "./payload.ts";

export function toPackage(row: PackageRow, ref: PackageRef, origin: Origin): Package {
  return {
    ref,
    origin,
    name: row.name,
    format: "GENERIC",
    formatName: "package",
    purl: null,
    description: row.description ?? null,
    visibility: null,
    downloads: null,
    versionCount: null,
    createdBy: null,
    createdAt: null,
    updatedAt: null,
    webUrl: null,
  };
}

export function toVersion(row: VersionRow, ref: PackageRef, origin: Origin): Version {
  return {
    ref: { package: ref, version: row.version, nativeId: null },
    origin,
    name: row.version,
    format: "GENERIC",
    purl: null,
    status: null,
    stages: [],
    tags: [],
    size: null,
    fileCount: null,
    downloads: null,
    createdBy: null,
    createdAt: parseInstant(row.published),
    updatedAt: null,
    metadata: [],
    downloadUrl: null,
    digest: null,
    image: null,
    paths: [],
    pipeline: null,
  };
}
