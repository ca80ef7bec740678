import type { Digest } from "../../model/digest.ts";
import type { ImageRef } from "../../model/image-ref.ts";
import type { ImageRecord } from "../../model/package.ts";
import type { ImageReader } from "../backend.ts";
import type { Found, RepositoryName } from "./client.ts";
import type { ImageLeg } from "./image-leg.ts";
import { toImageRecord, toManifestDigest } from "./mapper.ts";
import { isNamespace, isRepositoryPath, isTag } from "./names.ts";
import { type Access, unanswered } from "./package-leg.ts";
import type { TagRow } from "./payload.ts";
import type { Places } from "./places.ts";

/** Looking for a digest is a call for each repository: past so many it would eat what the rest of a request needs. */
const mostRepositories = 50;

/** Answers what image references hold; `searched` are the places where copies are looked for. */
export function createImageReader({ backend, hosts }: Access, searched: Places, leg: ImageLeg): ImageReader {
  const toRecord = (name: RepositoryName, { row, origin }: Found<TagRow>) => toImageRecord(row, name, hosts, origin);

  /** Every tag of a repository that holds these very bytes, in order of names. */
  function holding(name: RepositoryName, digest: Digest): Promise<readonly ImageRecord[]> {
    return leg.tags(name).then((tags) => {
      if (tags === null) return [];
      const rows = tags.rows.filter((row) => toManifestDigest(row.digest) === digest);
      if (rows.length === 0 && !tags.complete) return unanswered(backend, "swr.listTags");
      return rows.map((row) => toRecord(name, { row, origin: tags.origin }));
    });
  }

  return {
    image: async (ref) => {
      const name = repositoryOf(ref, hosts);
      // Docker asks for `latest` where a reference names neither tag nor digest.
      const tag = ref.tag ?? (ref.digest === null ? "latest" : null);
      if (name === null || (tag !== null && !isTag(tag))) return null;
      const tagged = tag === null ? null : await leg.tag(name, tag);
      if (ref.digest === null) return tagged && toRecord(name, tagged);
      if (tagged !== null && toManifestDigest(tagged.row.digest) === ref.digest) return toRecord(name, tagged);
      // No call finds a tag by its digest: the list is searched. What only an index names is in no list.
      const [record] = await holding(name, ref.digest);
      return record ?? null;
    },
    expectCopies: (name) => {
      const list = (namespaces: readonly string[]) => namespaces.map((namespace) => leg.list(namespace, name));
      searched
        .all()
        .then((namespaces) => Promise.allSettled(list(namespaces ?? [])))
        .catch(() => null);
    },
    copies: async (name, digest, own) => {
      // Most likely it is among those that are listed below: whoever asks for its tag now finds it in the same list.
      const known = own === undefined ? null : repositoryOf(own, hosts);
      if (known !== null && searched.names(known.namespace) && !leg.isMissed(known)) leg.tags(known).catch(() => null);
      const namespaces = await searched.all();
      if (namespaces === null) return null;
      const places = await Promise.all(
        namespaces.map(async (namespace) => {
          const { rows, complete } = await leg.list(namespace, name);
          if (!complete) return unanswered(backend, "swr.listRepositories");
          return rows
            .filter((one) => one.name.slice(one.name.lastIndexOf("/") + 1) === name && one.versionCount !== 0)
            .map((one) => ({ namespace, path: one.name }));
        }),
      );
      const records = await Promise.all(places.flat().map((place) => holding(place, digest)));
      return records.flat();
    },
    byDigest: async (digest, scope) => {
      if (scope === null) return null;
      if (!isNamespace(scope)) return [];
      const { rows, complete } = await leg.list(scope, "");
      if (!complete) return unanswered(backend, "swr.listRepositories");
      const places = rows.filter((one) => one.versionCount !== 0);
      if (places.length > mostRepositories) return null;
      const records = await Promise.all(places.map((one) => holding({ namespace: scope, path: one.name }, digest)));
      return records.flat();
    },
  };
}

/** The repository a reference names here; null when it is another registry's or no SWR repository at all. */
function repositoryOf({ registry, repository }: ImageRef, hosts: readonly string[]): RepositoryName | null {
  if (registry === null || !hosts.includes(registry)) return null;
  const cut = repository.indexOf("/");
  const [namespace, path] = [repository.slice(0, Math.max(cut, 0)), repository.slice(cut + 1)];
  return isNamespace(namespace) && isRepositoryPath(path) ? { namespace, path } : null;
}
