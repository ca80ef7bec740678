import type { Operation } from "../../upstream/operation.ts";

/** The server's own version; any access token may ask for it. */
export const getVersion = {
  name: "gitlab.getVersion",
  method: "GET",
  path: "/api/v4/version",
  answers: "whether the server answers to an access token",
  versions: "8.13+",
  proves: [],
} as const satisfies Operation;

/** The user behind an access token; one of a project or a group is a bot of its own (lib/api/users.rb). */
export const getUser = {
  name: "gitlab.getUser",
  method: "GET",
  path: "/api/v4/user",
  answers: "whose access token it is; asked by --check --connect alone",
  versions: "all",
  proves: [],
} as const satisfies Operation;

/** The projects that a caller can see. */
export const listProjects = {
  name: "gitlab.listProjects",
  method: "GET",
  path: "/api/v4/projects",
  answers: "whether the server answers to anybody",
  versions: "all",
  proves: [],
} as const satisfies Operation;

/**
 * Package rows (one row is one version) of a project; 100 of them a call. A 404 is the project's (`find_project!` in
 * lib/api/helpers.rb). `package_name` is `ILIKE %text%` of any length (`search_by_name` in
 * app/models/packages/package.rb), so it answers at least every row whose name holds the text; `package_version` is
 * equality, and ignored before 16.6. Rows that are hidden, being processed or marked for destruction are in no list
 * without their status, and have no page.
 */
export const listProjectPackages = {
  name: "gitlab.listProjectPackages",
  method: "GET",
  path: "/api/v4/projects/{project}/packages",
  answers: "100 versions with their newest pipeline: many ids, names or newest versions of one project in one call",
  versions: "11.8+; filters by name and type 12.9+, by version 16.6+",
  proves: ["KEYED_READ", "WHOLE_LIST", "COMPLETE_FILTER"],
} as const satisfies Operation;

/**
 * Package rows of a group and its subgroups, of every project whose packages the credentials may read
 * (app/finders/packages/group_packages_finder.rb). A 404 is the group's.
 */
const listGroupPackages = {
  name: "gitlab.listGroupPackages",
  method: "GET",
  path: "/api/v4/groups/{group}/packages",
  answers: "100 versions of all projects below a group",
  versions: "12.5+",
  proves: ["KEYED_READ", "WHOLE_LIST", "COMPLETE_FILTER"],
} as const satisfies Operation;

/**
 * One package row by its number. Its 404 proves nothing: rows in status `error` are listed and have no page of their
 * own (`detailed_info?` in app/models/packages/package.rb).
 */
export const getPackage = {
  name: "gitlab.getPackage",
  method: "GET",
  path: "/api/v4/projects/{project}/packages/{id}",
  answers: "one version with its newest pipeline",
  versions: "11.9+",
  proves: [],
} as const satisfies Operation;

/** Files of one package row. Its 404 proves nothing: it has the same look-up as the page of the row. */
export const listPackageFiles = {
  name: "gitlab.listPackageFiles",
  method: "GET",
  path: "/api/v4/projects/{project}/packages/{id}/package_files",
  answers: "100 files of one version",
  versions: "11.8+",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/**
 * Pipelines that published one package row; 20 a call, by cursor. Its 404 proves nothing: servers before 16.1 have no
 * such list, and rows in status `error` have none of their own.
 */
export const listPackagePipelines = {
  name: "gitlab.listPackagePipelines",
  method: "GET",
  path: "/api/v4/projects/{project}/packages/{id}/pipelines",
  answers: "20 pipelines of one version, newest first",
  versions: "16.1+",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/**
 * One project, whatever spelling of its path or former path it is asked by. 404: none of that name, or none that the
 * credentials may know of.
 */
export const getProject = {
  name: "gitlab.getProject",
  method: "GET",
  path: "/api/v4/projects/{project}",
  answers: "the path behind a project's number",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** One commit by its hash. */
export const getCommit = {
  name: "gitlab.getCommit",
  method: "GET",
  path: "/api/v4/projects/{project}/repository/commits/{sha}",
  answers: "one commit",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Merge requests that brought a commit. */
export const listCommitMergeRequests = {
  name: "gitlab.listCommitMergeRequests",
  method: "GET",
  path: "/api/v4/projects/{project}/repository/commits/{sha}/merge_requests",
  answers: "100 merge requests of one commit",
  versions: "10.7+",
  proves: ["KEYED_READ", "WHOLE_LIST"],
} as const satisfies Operation;

/** Pipelines of a project by revision. */
export const listPipelines = {
  name: "gitlab.listPipelines",
  method: "GET",
  path: "/api/v4/projects/{project}/pipelines",
  answers: "the pipelines that ran for one commit: how far back its packages can reach",
  versions: "all",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Container repositories of a project. */
export const listProjectRepositories = {
  name: "gitlab.listProjectRepositories",
  method: "GET",
  path: "/api/v4/projects/{project}/registry/repositories",
  answers: "100 container repositories of a project",
  versions: "11.8+",
  proves: ["KEYED_READ", "WHOLE_LIST"],
} as const satisfies Operation;

/** Container repositories of a group. */
const listGroupRepositories = {
  name: "gitlab.listGroupRepositories",
  method: "GET",
  path: "/api/v4/groups/{group}/registry/repositories",
  answers: "100 container repositories of all projects below a group",
  versions: "12.2+",
  proves: ["KEYED_READ", "WHOLE_LIST"],
} as const satisfies Operation;

/** Tags of one container repository, by name only. Its 404 proves nothing: the project's list names the repository. */
export const listTags = {
  name: "gitlab.listTags",
  method: "GET",
  path: "/api/v4/projects/{project}/registry/repositories/{repository}/tags",
  answers: "100 tag names of one container repository",
  versions: "11.8+",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/**
 * One tag with its digest. Its 404 proves nothing: registries without the metadata database have no details of an OCI
 * index, and answer 404 or, from 19.0.2 on, 500 for it (lib/container_registry/tag.rb), although the list names it.
 */
export const getTag = {
  name: "gitlab.getTag",
  method: "GET",
  path: "/api/v4/projects/{project}/registry/repositories/{repository}/tags/{tag}",
  answers: "one tag with its digest",
  versions: "11.8+",
  proves: [],
} as const satisfies Operation;

/** The operation that lists the packages of a project or group. */
export function packagesIn(kind: "project" | "group") {
  return kind === "project" ? listProjectPackages : listGroupPackages;
}

/** The operation that lists the container repositories of a project or group. */
export function repositoriesIn(kind: "project" | "group") {
  return kind === "project" ? listProjectRepositories : listGroupRepositories;
}

/** Every call the GitLab adapter can make. */
export const operations: readonly Operation[] = [
  getVersion,
  getUser,
  listProjects,
  listProjectPackages,
  listGroupPackages,
  getPackage,
  listPackageFiles,
  listPackagePipelines,
  getProject,
  getCommit,
  listCommitMergeRequests,
  listPipelines,
  listProjectRepositories,
  listGroupRepositories,
  listTags,
  getTag,
];
