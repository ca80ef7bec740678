import type { Operation } from "../../../src/upstream/operation.ts";

/** Answers 404 for a package that the repository does not have. */
export const getPackage = {
  name: "example.getPackage",
  method: "GET",
  path: "/repositories/{repository}/packages/{name}",
  answers: "one package",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Not paged; 404 for a package that the repository does not have. */
export const listVersions = {
  name: "example.listVersions",
  method: "GET",
  path: "/repositories/{repository}/packages/{name}/versions",
  answers: "every version of one package, newest first",
  versions: "all",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Every call the adapter can make. */
export const operations: readonly Operation[] = [getPackage, listVersions];
