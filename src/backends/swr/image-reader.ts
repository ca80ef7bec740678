import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { ImageRecord } from "../../model/package.ts";
import { type Answer, absent, failed, found, impossible, joined, mapAnswer, unknown } from "../answers.ts";
import type { ImageReader } from "../backend.ts";
import type { Access } from "./access.ts";
import { listRepositories, listTags, type RepositoryName, type Told } from "./client.ts";
import { isIndex, toImageRecord, toManifestDigest } from "./mapper.ts";
import { isNamespace, isRepositoryPath, isTag } from "./names.ts";
import type { Listed } from "./package-leg.ts";
import type { TagRow } from "./payload.ts";
import type { Places } from "./places.ts";
import type { Repositories } from "./repositories.ts";
import type { Tags } from "./tags.ts";

/** Looking for a digest is a call for each repository: past so many it would eat what the rest of a request needs. */
const mostRepositories = 50;

const noTag = absent(listTags, "WHOLE_LIST");
/** `name` is documented as "contains", and the last part of a path contains itself; rows are compared again. */
const noRepository = absent(listRepositories, "COMPLETE_FILTER");

/** Answers what image references hold; `searched` are the places where copies are looked for. */
export function createImageReader(
  { hosts, namespaces }: Access,
  searched: Places,
  { list }: Repositories,
  tags: Tags,
): ImageReader {
  const toRecord = (name: RepositoryName, { row, origin }: Told<TagRow>) => toImageRecord(row, name, hosts, origin);

  /** Every tag of a repository that holds these very bytes, in order of names. */
  async function holding(name: RepositoryName, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const all = await tags.all(name);
    if (all.kind !== "FOUND") return all;
    const { rows, origin } = all.value;
    const same = rows.filter((row) => toManifestDigest(row.digest) === digest);
    // A tag that tells no digest may hold them as well.
    const gap = all.gap ?? (rows.some((row) => toManifestDigest(row.digest) === null) ? unknown("LOST_ROWS") : null);
    // What only an index names is in no list, and can be pulled all the same.
    if (same.length === 0) return gap ?? (rows.some(isIndex) ? unknown("NARROW_SEARCH") : noTag);
    return found(
      same.map((row) => toRecord(name, { row, origin })),
      gap,
    );
  }

  /** Any tag that holds these bytes. */
  async function byDigest(name: RepositoryName, digest: Digest): Promise<Answer<ImageRecord>> {
    const answer = await holding(name, digest);
    if (answer.kind !== "FOUND") return answer;
    const [record] = answer.value;
    return record === undefined ? noTag : found(record);
  }

  /** The same bytes in repositories of one namespace; those that say they hold nothing are passed over. */
  async function inNamespace(
    namespace: string,
    part: string,
    digest: Digest,
    isMeant: (path: string) => boolean,
    most: number,
  ): Promise<Answer<readonly ImageRecord[]>> {
    const repositories = await list(namespace, part);
    if (repositories.kind !== "FOUND") return repositories;
    const places = placesIn(repositories.value, namespace, isMeant);
    if (places.length > most) return unknown("UNREAD");
    const records = joined(
      await Promise.all(places.map((place) => holding(place, digest).catch(failed))),
      part === "" ? noTag : noRepository,
    );
    if (repositories.gap === null) return records;
    return records.kind === "FOUND" ? found(records.value, records.gap ?? repositories.gap) : repositories.gap;
  }

  return {
    image: async (ref) => {
      const name = repositoryOf(ref, hosts);
      if (name === "ELSEWHERE") return unknown("NOT_SEARCHABLE");
      // Docker asks for `latest` where a reference names neither tag nor digest.
      const tag = ref.tag ?? (ref.digest === null ? "latest" : null);
      // No organization, repository or tag can be called so.
      if (name === null || (tag !== null && !isTag(tag))) return impossible;
      const tagged = tag === null ? null : await tags.tag(name, tag);
      if (tagged !== null && ref.digest === null) return mapAnswer(tagged, (told) => toRecord(name, told));
      if (tagged?.kind === "FOUND" && toManifestDigest(tagged.value.row.digest) === ref.digest) {
        return found(toRecord(name, tagged.value));
      }
      if (ref.digest === null) return impossible;
      return byDigest(name, ref.digest);
    },
    expectCopies: (name) => {
      searched
        .look()
        .then((looked) =>
          Promise.allSettled(
            looked.kind === "FOUND" ? looked.value.namespaces.map((namespace) => list(namespace, name)) : [],
          ),
        )
        .catch(() => null);
    },
    copies: async (name, digest, own) => {
      // Most likely it is among those that are listed below: whoever asks for its tag now finds it in the same list.
      const known = own === undefined ? null : repositoryOf(own, hosts);
      if (known !== null && known !== "ELSEWHERE" && searched.names(known.namespace) && !tags.isMissed(known)) {
        tags.all(known).catch(() => null);
      }
      const looked = await searched.look();
      if (looked.kind !== "FOUND") return looked;
      const isNamed = (path: string) => path.slice(path.lastIndexOf("/") + 1) === name;
      const records = await Promise.all(
        looked.value.namespaces.map((namespace) =>
          inNamespace(namespace, name, digest, isNamed, Number.POSITIVE_INFINITY).catch(failed),
        ),
      );
      const answer = joined(records, noRepository);
      if (looked.gap === null) {
        return answer.kind === "ABSENT" ? namespaces.emptied(looked.value.namespaces, answer) : answer;
      }
      return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? looked.gap) : looked.gap;
    },
    byDigest: async (digest, scope) => {
      if (scope === null) return unknown("NOT_SEARCHABLE");
      if (!isNamespace(scope)) return impossible;
      const answer = await inNamespace(scope, "", digest, () => true, mostRepositories);
      return answer.kind === "ABSENT" ? namespaces.emptied([scope], answer) : answer;
    },
  };
}

function placesIn(
  { rows }: Listed<{ readonly name: string; readonly versionCount: number | null }>,
  namespace: string,
  isMeant: (path: string) => boolean,
): readonly RepositoryName[] {
  return rows
    .filter((one) => isMeant(one.name) && one.versionCount !== 0)
    .map((one) => ({ namespace, path: one.name }));
}

/** The repository a reference names here; `ELSEWHERE` when it is another registry's, null for what nothing is called. */
function repositoryOf(
  { registry, repository }: ImageRef,
  hosts: readonly string[],
): RepositoryName | "ELSEWHERE" | null {
  if (registry === null || !hosts.includes(registry)) return "ELSEWHERE";
  const cut = repository.indexOf("/");
  const [namespace, path] = [repository.slice(0, Math.max(cut, 0)), repository.slice(cut + 1)];
  return isNamespace(namespace) && isRepositoryPath(path) ? { namespace, path } : null;
}
