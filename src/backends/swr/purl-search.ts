import { type ImageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Version } from "../../model/package.ts";
import { namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
import { type Answer, absent, failed, found, impossible, joined, unknown } from "../answers.ts";
import type { PackageReader } from "../backend.ts";
import type { Access } from "./access.ts";
import { listRepositories, listTags, listVersions, type RepositoryName } from "./client.ts";
import { toImageVersion } from "./mapper.ts";
import { isNamespace, isRepositoryPath } from "./names.ts";
import type { Places } from "./places.ts";
import type { Repositories } from "./repositories.ts";
import type { Tags } from "./tags.ts";

const noTag = absent(listTags, "WHOLE_LIST");
const noVersion = absent(listVersions, "WHOLE_LIST");
const noRepository = absent(listRepositories, "COMPLETE_FILTER");

/**
 * How versions are found by package URL. Tags print `pkg:oci/<name>@<digest>?repository_url=...&tag=...`: where the URL
 * names a repository of ours, that one is read, else those of that name wherever this backend looks. Software packages
 * print none, since a generic package names nothing anywhere else; `pkg:generic/<name>@<version>` finds them all the same.
 */
export function createPurlSearch(
  {
    hosts,
    namespaces,
    named,
    version: readVersion,
  }: Pick<Access, "hosts" | "namespaces"> & Pick<PackageReader, "named" | "version">,
  places: Places,
  images: { readonly repositories: Repositories; readonly tags: Tags } | null,
): PackageReader["byPurl"] {
  async function generic(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    const name = purl.namespace === null ? purl.name : `${purl.namespace}/${purl.name}`;
    const packages = await named(name, "GENERIC", scope);
    if (packages.kind !== "FOUND") return packages;
    const versions = await Promise.all(
      packages.value.map(async ({ ref }): Promise<Answer<readonly Version[]>> => {
        const one = await readVersion({ package: ref, version, nativeId: null }).catch(failed);
        return one.kind === "FOUND" ? found([one.value], one.gap) : one;
      }),
    );
    const all = joined(versions, noVersion);
    if (packages.gap === null) return all;
    return all.kind === "FOUND" ? found(all.value, all.gap ?? packages.gap) : packages.gap;
  }

  /** The repositories that a package URL may mean. */
  async function repositoriesOf(
    purl: PurlParts,
    scope: string | null,
    { repositories }: NonNullable<typeof images>,
  ): Promise<Answer<readonly RepositoryName[]>> {
    const own = ownRepository(purl, hosts);
    if (own !== null && (scope === null || scope === own.namespace)) return found([own]);
    if (scope !== null && !isNamespace(scope)) return impossible;
    const looked = scope === null ? await places.look() : found({ namespaces: [scope], dropped: [] });
    if (looked.kind !== "FOUND") return looked;
    const lists = await Promise.all(
      looked.value.namespaces.map(async (namespace): Promise<Answer<readonly RepositoryName[]>> => {
        const list = await repositories.list(namespace, purl.name).catch(failed);
        if (list.kind !== "FOUND") return list;
        const same = list.value.rows
          .filter(({ name }) => name.slice(name.lastIndexOf("/") + 1) === purl.name)
          .map(({ name }) => ({ namespace, path: name }));
        return same.length > 0 ? found(same, list.gap) : (list.gap ?? noRepository);
      }),
    );
    const all = joined(lists, noRepository);
    if (all.kind !== "ABSENT") return all;
    return looked.gap ?? namespaces.emptied(looked.value.namespaces, all);
  }

  async function oci(
    purl: PurlParts,
    scope: string | null,
    legs: NonNullable<typeof images>,
  ): Promise<Answer<readonly Version[]>> {
    const repositories = await repositoriesOf(purl, scope, legs);
    if (repositories.kind !== "FOUND") return repositories;
    const lists = await Promise.all(
      repositories.value.map(async (name): Promise<Answer<readonly Version[]>> => {
        const all = await legs.tags.all(name).catch(failed);
        if (all.kind !== "FOUND") return all;
        const versions = all.value.rows.map((row) => toImageVersion(row, name, hosts, all.value.origin));
        const meant = versions.filter((version) => isMeant(version, purl));
        // A tag that tells no digest may hold these bytes as well.
        const gap = all.gap ?? (versions.some(({ digest }) => digest === null) ? unknown("LOST_ROWS") : null);
        return meant.length > 0 ? found(meant, all.gap) : (gap ?? noTag);
      }),
    );
    const all = joined(lists, noTag);
    if (repositories.gap === null) return all;
    return all.kind === "FOUND" ? found(all.value, all.gap ?? repositories.gap) : repositories.gap;
  }

  return async (purl, scope) => {
    if (purl.type === "generic") return generic(purl, scope);
    return purl.type === "oci" && images !== null ? oci(purl, scope, images) : unknown("NOT_SEARCHABLE");
  };
}

/** Whether a tag is what the URL names: the same bytes, under the tag that the URL states. */
function isMeant(version: Version, purl: PurlParts): boolean {
  const tag = purl.qualifiers["tag"];
  if (tag !== undefined && tag !== version.name) return false;
  if (parseDigest(purl.version) === null) return version.name === (purl.version ?? tag);
  // Without a host of its own a tag prints no URL: its bytes are compared all the same.
  const own = version.purl === null ? null : parsePurl(version.purl);
  return own === null
    ? version.digest === parseDigest(purl.version)
    : namesSameVersion(own, { ...purl, namespace: null });
}

/** The repository that `repository_url` names, where it is one of ours: with or without the name at its end. */
function ownRepository({ namespace, name, qualifiers }: PurlParts, hosts: readonly string[]): RepositoryName | null {
  const place = qualifiers["repository_url"];
  if (place === undefined) return null;
  const path = namespace === null ? name : `${namespace}/${name}`;
  const image: ImageRef | null = parseImageRef(
    place === path || place.endsWith(`/${path}`) ? place : `${place}/${path}`,
  );
  if (image === null || image.registry === null || !hosts.includes(image.registry)) return null;
  const cut = image.repository.indexOf("/");
  const repository = { namespace: image.repository.slice(0, Math.max(cut, 0)), path: image.repository.slice(cut + 1) };
  return isNamespace(repository.namespace) && isRepositoryPath(repository.path) ? repository : null;
}
