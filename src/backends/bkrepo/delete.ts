import type { Upstream } from "../../upstream/client.ts";
import type { Call, Operation, Query } from "../../upstream/operation.ts";
import type { Remover } from "../backend.ts";
import { parseRepository, serviceOf } from "./keys.ts";

const deletePackage = {
  name: "bkrepo.deletePackage",
  method: "DELETE",
  path: "/{service}/ext/package/delete/{project}/{repository}",
  answers: "Nothing; one package is gone with its versions and their files. Only with mutations: true.",
  versions: "all",
  proves: [],
} as const satisfies Operation;

const deleteVersion = {
  name: "bkrepo.deleteVersion",
  method: "DELETE",
  path: "/{service}/ext/version/delete/{project}/{repository}",
  answers: "Nothing; one version is gone with its files. Only with mutations: true.",
  versions: "all",
  proves: [],
} as const satisfies Operation;

/** The calls that delete; made only where mutations are configured. */
export const removals: readonly Operation[] = [deletePackage, deleteVersion];

/** Deletes through the registry service of the key, because the deletes of the repository service leave the files. */
export function createRemover(upstream: Upstream, call: Call): Remover {
  const send = (operation: Operation, place: string, key: string, query: Query) => {
    const repository = parseRepository(place);
    const service = serviceOf(key);
    if (repository === null || service === null) return null;
    const parts = { service, project: repository.project, repository: repository.name };
    const request = { parts, query: { packageKey: key, ...query }, decode: () => undefined };
    return async () => {
      await upstream.call(operation, request, call);
    };
  };
  return {
    package: ({ repository, key }) => send(deletePackage, repository, key, {}),
    version: ({ package: { repository, key }, version }) => send(deleteVersion, repository, key, { version }),
  };
}
