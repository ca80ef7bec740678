import type { Operation } from "../../upstream/operation.ts";

/** Releases of 1.8 and later. */
export const listReleases: Operation = {
  name: "zadig.listReleases",
  method: "GET",
  path: "/api/aslan/delivery/releases",
  answers: "a page of releases of one project or all, newest first; up to 3.x with builds, deployments and tests",
  versions: "1.7 and later (releases need a paid licence from 2.0 on)",
};

/** One release with its parts. */
export const getRelease: Operation = {
  name: "zadig.getRelease",
  method: "GET",
  path: "/api/aslan/delivery/releases/{id}",
  answers: "one release with its parts",
  versions: "1.8 and later",
};

/** Releases as 1.6 documents them. */
export const listReleasesDirectory: Operation = {
  name: "zadig.listReleasesDirectory",
  method: "GET",
  path: "/api/directory/dc/releases",
  answers: "a page of releases of one project or all, with builds, deployments and tests",
  versions: "1.6 and later",
};

/** Releases by OpenAPI: one project at a time, brief. */
export const listReleasesOpen: Operation = {
  name: "zadig.listReleasesOpen",
  method: "GET",
  path: "/openapi/delivery/releases",
  answers: "a page of brief releases of one project",
  versions: "2.3.1 and later",
};

/** O1: one release by id. */
export const getReleaseOpen: Operation = {
  name: "zadig.getReleaseOpen",
  method: "GET",
  path: "/openapi/delivery/releases/{id}",
  answers: "one release with deployments or charts",
  versions: "2.3.1 to 3.4",
};

/** O2: one release by project and version name. */
export const getReleaseOpenByName: Operation = {
  name: "zadig.getReleaseOpenByName",
  method: "GET",
  path: "/openapi/delivery/releases/detail",
  answers: "one release with services and images",
  versions: "4.0 and later",
};

/** Artifacts by filters; an anchored alternation of images makes it a multi-get. */
export const listArtifacts: Operation = {
  name: "zadig.listArtifacts",
  method: "GET",
  path: "/api/aslan/delivery/artifacts",
  answers: "a page of artifacts, or every artifact of many image references at once (anchored alternation)",
  versions: "all",
};

/** One artifact by id. */
export const getArtifact: Operation = {
  name: "zadig.getArtifact",
  method: "GET",
  path: "/api/aslan/delivery/artifacts/{id}",
  answers: "one artifact with its activities",
  versions: "all",
};

/** The id behind an exact image reference, images that the list hides included. */
export const findArtifact: Operation = {
  name: "zadig.findArtifact",
  method: "GET",
  path: "/api/aslan/delivery/artifacts/image",
  answers: "the id of one artifact by exact image reference",
  versions: "1.8 and later",
};

/** One artifact by exact image, without its id. */
export const getArtifactDirectory: Operation = {
  name: "zadig.getArtifactDirectory",
  method: "GET",
  path: "/api/directory/dc/artifact",
  answers: "one artifact by exact image reference, with its activities but without its id",
  versions: "1.8 and later",
};

/** Everything this adapter can ask of Zadig: reads only. */
export const operations: readonly Operation[] = [
  listReleases,
  getRelease,
  listReleasesDirectory,
  listReleasesOpen,
  getReleaseOpen,
  getReleaseOpenByName,
  listArtifacts,
  getArtifact,
  findArtifact,
  getArtifactDirectory,
];
