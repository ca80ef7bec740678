import type { Call } from "../../upstream/call.ts";
import type { Upstream } from "../../upstream/client.ts";
import type { Operation, Query } from "../../upstream/operation.ts";
import type { Remover } from "../backend.ts";
import { parseRepository } from "./repository.ts";

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

/**
 * The registry service behind a key's scheme. The repository service has deletes as well, but they leave the files where
 * they are.
 */
const services: ReadonlyMap<string, string> = new Map([
  ["gav", "maven"],
  ["docker", "docker"],
  ["oci", "oci"],
  ["npm", "npm"],
  ["helm", "helm"],
  ["pypi", "pypi"],
  ["rpm", "rpm"],
  ["nuget", "nuget"],
  ["composer", "composer"],
  ["conan", "conan"],
  ["cargo", "cargo"],
  ["huggingface", "huggingface"],
]);

/** How this bkrepo deletes: through the service that knows where a package's files are. */
export function createRemover(upstream: Upstream, call: Call): Remover {
  const send = (operation: Operation, place: string, key: string, query: Query): (() => Promise<void>) | null => {
    const repository = parseRepository(place);
    const service = services.get(key.slice(0, Math.max(0, key.indexOf("://"))));
    if (repository === null || service === undefined) return null;
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
