import type { Operation } from "../../upstream/operation.ts";

const basic = { method: "GET", versions: "basic edition, v2" } as const;
const packageApi = { method: "GET", versions: "regions with the software package API" } as const;

/** Not paged; with `mode::visible` it includes organizations in which only single repositories are visible. */
export const listNamespaces = {
  ...basic,
  name: "swr.listNamespaces",
  path: "/v2/manage/namespaces",
  answers: "every organization that is visible, where the configuration names none",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Distinguishes an empty organization from a missing one (404) and a forbidden one (403). */
export const getNamespace = {
  ...basic,
  name: "swr.getNamespace",
  path: "/v2/manage/namespaces/{namespace}",
  answers: "whether one organization is there; asked only where its lists were empty",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Not paged. `[]` comes for a forbidden organization too, so it proves nothing without `getNamespace`. */
export const listPackages = {
  ...packageApi,
  name: "swr.listPackages",
  path: "/v2/manage/packages",
  answers: "every software package of one organization, or of all that are visible",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Not paged. An empty list or a 404 proves nothing about a package that `listPackages` names. */
export const listVersions = {
  ...packageApi,
  name: "swr.listVersions",
  path: "/v2/manage/namespaces/{namespace}/packages/{package}/versions",
  answers: "every version of one software package, and so the newest and any one by name",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Not paged. */
export const listFiles = {
  ...packageApi,
  name: "swr.listFiles",
  path: "/v2/manage/namespaces/{namespace}/packages/{package}/versions/{version}/file_paths",
  answers: "every file of one version of a software package",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/**
 * `name` is documented as "contains": the list has at least all repositories whose path contains the text. No list has
 * the repositories that another account shared.
 */
export const listRepositories = {
  ...basic,
  name: "swr.listRepositories",
  path: "/v2/manage/repos",
  answers: "up to 1000 image repositories of one organization",
  proves: ["WHOLE_LIST", "COMPLETE_FILTER"],
} as const satisfies Operation;

/** Reads shared and public repositories too. */
export const getRepository = {
  ...basic,
  name: "swr.getRepository",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}",
  answers: "one image repository",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Every tag of every kind; tags have no rights of their own below those to the repository. */
export const listTags = {
  ...basic,
  name: "swr.listTags",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}/tags",
  answers: "up to 1000 tags of one image repository, and so any of them by name or digest",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Exact. A tag that the list of tags names exists even where this call answers 404. */
export const getTag = {
  ...basic,
  name: "swr.getTag",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}/tags/{tag}",
  answers: "one tag of one image repository",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** As `listTags`, by marker. */
export const listTagsByMarker = {
  name: "swr.listTagsByMarker",
  method: "GET",
  path: "/v3/manage/namespaces/{namespace}/repos/{repository}/tags",
  answers: "up to 1000 tags of one image repository, without their manifests",
  versions: "basic edition, v3: some regions; used with imageApi v3 or auto",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** The one call to IAM. */
export const issueToken = {
  name: "swr.issueToken",
  method: "POST",
  path: "/v3/auth/tokens",
  answers: "a token for one project, good for 24 hours and every other call (sent to IAM, not to SWR)",
  versions: "IAM v3",
  proves: [],
} as const satisfies Operation;

/** Every call the adapter can make. */
export const operations: readonly Operation[] = [
  listNamespaces,
  getNamespace,
  listPackages,
  listVersions,
  listFiles,
  listRepositories,
  getRepository,
  listTags,
  getTag,
  listTagsByMarker,
  issueToken,
];
