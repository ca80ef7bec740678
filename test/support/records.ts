import type { Version } from "../../src/model/package.ts";
import type { Release } from "../../src/model/release.ts";

/** A version of which a backend says nothing more. */
export function bareVersion(fields: Pick<Version, "ref" | "origin" | "name"> & Partial<Version>): Version {
  return {
    format: "NPM",
    purl: null,
    status: null,
    stages: [],
    tags: [],
    size: null,
    fileCount: null,
    downloads: null,
    createdBy: null,
    createdAt: null,
    updatedAt: null,
    metadata: [],
    downloadUrl: null,
    digest: null,
    image: null,
    paths: [],
    pipeline: null,
    ...fields,
  };
}

/** A release of which a backend says nothing more. */
export function bareRelease(
  fields: Pick<Release, "ref" | "origin" | "zadigId" | "version" | "project"> & Partial<Release>,
): Release {
  return {
    workflow: null,
    taskId: null,
    type: null,
    status: null,
    description: null,
    labels: [],
    createdBy: null,
    createdAt: null,
    environment: null,
    parts: null,
    ...fields,
  };
}
