import type { Operation } from "../../upstream/operation.ts";

/** The server's own version; any access token may ask for it. */
export const getVersion: Operation = {
  name: "gitlab.getVersion",
  method: "GET",
  path: "/api/v4/version",
  answers: "whether the server answers to an access token",
  versions: "8.13+",
};

/** The projects that a caller can see. */
export const listProjects: Operation = {
  name: "gitlab.listProjects",
  method: "GET",
  path: "/api/v4/projects",
  answers: "whether the server answers to anybody",
  versions: "all",
};

/** Package rows (one row is one version) of a project; 100 of them a call. */
export const listProjectPackages: Operation = {
  name: "gitlab.listProjectPackages",
  method: "GET",
  path: "/api/v4/projects/{project}/packages",
  answers: "100 versions with their newest pipeline: many ids, names or newest versions of one project in one call",
  versions: "11.8+; filters by name and type 12.9+, by version 16.6+",
};

/** Package rows of a group and its subgroups. */
export const listGroupPackages: Operation = {
  name: "gitlab.listGroupPackages",
  method: "GET",
  path: "/api/v4/groups/{group}/packages",
  answers: "100 versions of all projects below a group",
  versions: "12.5+",
};

/** One package row by its number. */
export const getPackage: Operation = {
  name: "gitlab.getPackage",
  method: "GET",
  path: "/api/v4/projects/{project}/packages/{id}",
  answers: "one version with its newest pipeline",
  versions: "11.9+",
};

/** Files of one package row. */
export const listPackageFiles: Operation = {
  name: "gitlab.listPackageFiles",
  method: "GET",
  path: "/api/v4/projects/{project}/packages/{id}/package_files",
  answers: "100 files of one version",
  versions: "11.8+",
};

/** Pipelines that published one package row; 20 a call, by cursor. */
export const listPackagePipelines: Operation = {
  name: "gitlab.listPackagePipelines",
  method: "GET",
  path: "/api/v4/projects/{project}/packages/{id}/pipelines",
  answers: "20 pipelines of one version, newest first",
  versions: "16.1+",
};

/** One project. */
export const getProject: Operation = {
  name: "gitlab.getProject",
  method: "GET",
  path: "/api/v4/projects/{project}",
  answers: "the path behind a project's number",
  versions: "all",
};

/** One commit by its hash. */
export const getCommit: Operation = {
  name: "gitlab.getCommit",
  method: "GET",
  path: "/api/v4/projects/{project}/repository/commits/{sha}",
  answers: "one commit",
  versions: "all",
};

/** Merge requests that brought a commit. */
export const listCommitMergeRequests: Operation = {
  name: "gitlab.listCommitMergeRequests",
  method: "GET",
  path: "/api/v4/projects/{project}/repository/commits/{sha}/merge_requests",
  answers: "100 merge requests of one commit",
  versions: "10.7+",
};

/** Pipelines of a project by revision. */
export const listPipelines: Operation = {
  name: "gitlab.listPipelines",
  method: "GET",
  path: "/api/v4/projects/{project}/pipelines",
  answers: "the pipelines that ran for one commit: how far back its packages can reach",
  versions: "all",
};

/** Container repositories of a project. */
export const listProjectRepositories: Operation = {
  name: "gitlab.listProjectRepositories",
  method: "GET",
  path: "/api/v4/projects/{project}/registry/repositories",
  answers: "100 container repositories of a project",
  versions: "11.8+",
};

/** Container repositories of a group. */
export const listGroupRepositories: Operation = {
  name: "gitlab.listGroupRepositories",
  method: "GET",
  path: "/api/v4/groups/{group}/registry/repositories",
  answers: "100 container repositories of all projects below a group",
  versions: "12.2+",
};

/** Tags of one container repository, by name only. */
export const listTags: Operation = {
  name: "gitlab.listTags",
  method: "GET",
  path: "/api/v4/projects/{project}/registry/repositories/{repository}/tags",
  answers: "100 tag names of one container repository",
  versions: "11.8+",
};

/** One tag with its digest. */
export const getTag: Operation = {
  name: "gitlab.getTag",
  method: "GET",
  path: "/api/v4/projects/{project}/registry/repositories/{repository}/tags/{tag}",
  answers: "one tag with its digest",
  versions: "11.8+",
};

/** Every call the GitLab adapter can make. */
export const operations: readonly Operation[] = [
  getVersion,
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
