import type { Upstream } from "../../upstream/client.ts";
import type { Call, Operation } from "../../upstream/operation.ts";
import type { Remover } from "../backend.ts";
import { imageType, isNumber, isProjectPath, parseKey } from "./keys.ts";

const deletePackageRow = {
  name: "gitlab.deletePackage",
  method: "DELETE",
  path: "/api/v4/projects/{project}/packages/{id}",
  answers: "nothing; one version is gone from lists at once and from disk later. Only with mutations: true",
  versions: "11.9+",
  proves: [],
} as const satisfies Operation;

/** The calls that delete; made only where mutations are configured. */
export const removals: readonly Operation[] = [deletePackageRow];

/** How this GitLab deletes: one row of its package table, which is a version. Packages as we know them it has none. */
export function createRemover(upstream: Upstream, call: Call): Remover {
  return {
    package: () => null,
    version: ({ package: { repository, key }, nativeId }) => {
      const isImage = parseKey(key)?.type === imageType;
      if (isImage || nativeId === null || !isNumber(nativeId) || !isProjectPath(repository)) return null;
      const parts = { project: repository, id: nativeId };
      return async () => {
        await upstream.call(deletePackageRow, { parts, decode: () => undefined }, call);
      };
    },
  };
}
