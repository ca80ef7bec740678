import type { Operation } from "../../upstream/operation.ts";

/**
 * Requires the repository right alone, and answers all rows of it (UserPackageController.listPackagePage). Its 404 is a
 * keyed read of the repository; its pages, read to the count, are the whole list.
 */
export const pagePackages = {
  name: "bkrepo.pagePackages",
  method: "GET",
  path: "/repository/api/package/page/{project}/{repository}",
  answers:
    "Whether one repository exists and may be read, and how many packages it has; its whole list where the search " +
    "sees less. Made only when a search left that open: its pages have no order.",
  versions: "all",
  proves: ["KEYED_READ", "WHOLE_LIST"],
} as const satisfies Operation;

/** Requires the repository right alone, and answers null for a key that the repository does not have. */
export const getPackage = {
  name: "bkrepo.getPackage",
  method: "GET",
  path: "/repository/api/package/info/{project}/{repository}",
  answers: "One package by key, telling an absent package from a forbidden repository. Several keys go to the search.",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/**
 * Sees only the paths that the user was granted, and answers 200 without rows where there are none
 * (RepoNameRuleInterceptor). Its empty answer proves an absence only in repositories whose list it counted in full.
 */
export const searchPackages = {
  name: "bkrepo.searchPackages",
  method: "POST",
  isQuery: true,
  path: "/repository/api/package/search",
  answers:
    "Up to 200 packages of one project by key, across its repositories; one page of a repository's packages; " +
    "packages by name.",
  versions: "all",
  proves: ["COMPLETE_FILTER"],
} as const satisfies Operation;

/** Requires the repository right alone. Only literal text is sent as `version`, so the answer is a superset. */
export const pageVersions = {
  name: "bkrepo.pageVersions",
  method: "GET",
  path: "/repository/api/version/page/{project}/{repository}",
  answers:
    "One page of the versions of one package by publication time; versions by exact name, several of one package by " +
    "their common beginning.",
  versions: "all",
  proves: ["KEYED_READ", "WHOLE_LIST", "COMPLETE_FILTER"],
} as const satisfies Operation;

/** A digest may be stored under another metadata key, or under none: an empty answer proves nothing. */
export const listVersions = {
  name: "bkrepo.listVersions",
  method: "POST",
  isQuery: true,
  path: "/repository/api/version/list/{project}/{repository}",
  answers: "The tags of one image that hold one digest. Never without that filter: the answer is not paged.",
  versions: "1.3 and later",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Sees only the paths that the user was granted, as the search for packages does. */
export const queryNodes = {
  name: "bkrepo.queryNodes",
  method: "POST",
  isQuery: true,
  path: "/repository/api/node/queryWithoutCount",
  answers:
    "Size and checksums of the files of up to 200 paths and folders of one project, across its repositories and many " +
    "versions.",
  versions: "all",
  proves: ["COMPLETE_FILTER"],
} as const satisfies Operation;

/** Reads one path; the code of a missing node proves that nothing is there. */
export const getNode = {
  name: "bkrepo.getNode",
  method: "GET",
  path: "/repository/api/node/detail/{project}/{repository}/{path+}",
  answers: "One file by its path; made only when a query saw none of a version's files, or not its manifest.",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Fails for some versions that exist: its "not found" proves nothing. */
export const getVersionDetail = {
  name: "bkrepo.getVersionDetail",
  method: "GET",
  path: "/{service}/ext/version/detail/{project}/{repository}",
  answers: "The main file of one version whose record names no path.",
  versions: "all",
  proves: [],
} as const satisfies Operation;

/** Every call of the adapter that reads. */
export const operations: readonly Operation[] = [
  pagePackages,
  getPackage,
  searchPackages,
  pageVersions,
  listVersions,
  queryNodes,
  getNode,
  getVersionDetail,
];
