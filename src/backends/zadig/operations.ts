import type { Operation } from "../../upstream/operation.ts";

/**
 * Releases of 1.8 and later. Obeys the same right as the read by id, and holds every release that was not deleted; a
 * project that does not exist has none.
 */
export const listReleases = {
  name: "zadig.listReleases",
  method: "GET",
  path: "/api/aslan/delivery/releases",
  answers: "a page of releases of one project or all, newest first; up to 3.x with builds, deployments and tests",
  versions: "1.7 and later (releases need a paid licence from 2.0 on)",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/**
 * One release with its parts. Up to 1.7 it never finds anything (the id is compared as text), so its silence counts
 * only where it has found something; the code 6563 also means a database that does not answer, which fails other calls.
 */
export const getRelease = {
  name: "zadig.getRelease",
  method: "GET",
  path: "/api/aslan/delivery/releases/{id}",
  answers: "one release with its parts",
  versions: "1.8 and later",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Releases as 1.6 documents them; from 1.7 on a proxy of the other list. */
export const listReleasesDirectory = {
  name: "zadig.listReleasesDirectory",
  method: "GET",
  path: "/api/directory/dc/releases",
  answers: "a page of releases of one project or all, with builds, deployments and tests",
  versions: "1.6 and later",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Releases by OpenAPI: one project at a time, brief. */
export const listReleasesOpen = {
  name: "zadig.listReleasesOpen",
  method: "GET",
  path: "/openapi/delivery/releases",
  answers: "a page of brief releases of one project",
  versions: "2.3.1 and later",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** O1: one release by id. Answers 500 for what is not there as for what is broken: only the list tells which. */
export const getReleaseOpen = {
  name: "zadig.getReleaseOpen",
  method: "GET",
  path: "/openapi/delivery/releases/{id}",
  answers: "one release with deployments or charts",
  versions: "2.3.1 to 3.4",
  proves: [],
} as const satisfies Operation;

/** O2: one release by project and version name. Answers 500 as `getReleaseOpen` does. */
export const getReleaseOpenByName = {
  name: "zadig.getReleaseOpenByName",
  method: "GET",
  path: "/openapi/delivery/releases/detail",
  answers: "one release with services and images",
  versions: "4.0 and later",
  proves: [],
} as const satisfies Operation;

/**
 * Artifacts by filters; an anchored alternation of images makes it a multi-get, since `image` and `name` go into a
 * Mongo `$regex` as they are, in every version. With `repoName` or `branch` it answers by build activities, of any
 * artifact; without, it hides images that have no `image_size` (OCI manifests and indexes): of these its silence proves
 * nothing.
 */
export const listArtifacts = {
  name: "zadig.listArtifacts",
  method: "GET",
  path: "/api/aslan/delivery/artifacts",
  answers: "a page of artifacts, or every artifact of many image references at once (anchored alternation)",
  versions: "all",
  proves: ["COMPLETE_FILTER"],
} as const satisfies Operation;

/** One artifact by id; the code 6662 means "no such id". */
export const getArtifact = {
  name: "zadig.getArtifact",
  method: "GET",
  path: "/api/aslan/delivery/artifacts/{id}",
  answers: "one artifact with its activities",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** The id behind an exact image reference, images that the list hides included. */
export const findArtifact = {
  name: "zadig.findArtifact",
  method: "GET",
  path: "/api/aslan/delivery/artifacts/image",
  answers: "the id of one artifact by exact image reference",
  versions: "1.8 and later",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** One artifact by exact image, without its id. Answers 500 for what is not there as for what is broken. */
export const getArtifactDirectory = {
  name: "zadig.getArtifactDirectory",
  method: "GET",
  path: "/api/directory/dc/artifact",
  answers: "one artifact by exact image reference, with its activities but without its id",
  versions: "1.8 and later",
  proves: [],
} as const satisfies Operation;

/** The projects that these credentials may see. */
export const listProjects = {
  name: "zadig.listProjects",
  method: "GET",
  path: "/openapi/projects/project",
  answers: "the projects that may be seen; asked only where nothing was found of one project",
  versions: "1.16 and later",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

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
  listProjects,
];
