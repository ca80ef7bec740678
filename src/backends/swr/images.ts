import { type Digest, type ImageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { ImageRecord, Version } from "../../model/package.ts";
import { namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
import { type Answer, absent, failed, found, foundAny, impossible, joined, mapAnswer, unknown } from "../answers.ts";
import type { ImageReader } from "../backend.ts";
import { baseName, isNamespace, isTag, parseRepository, type RepositoryName } from "./keys.ts";
import { isIndex, toImageRecord, toImageVersion } from "./mapper.ts";
import type { Access } from "./namespaces.ts";
import { listRepositories, listTags } from "./operations.ts";
import { createRepositories } from "./repositories.ts";
import { createTags } from "./tags.ts";
import { withGap } from "./walk.ts";

/** Searching for a digest is a call for each repository: more of them would use up what the rest of a request needs. */
const mostRepositories = 50;

const noTag = absent(listTags, "WHOLE_LIST");
/** `name` is documented as "contains", and the last part of a path contains itself; rows are compared again. */
const noRepository = absent(listRepositories, "COMPLETE_FILTER");

/** Image repositories and their tags, as packages and versions, for one request. */
export type Images = ReturnType<typeof createImages>;

/** Opens the images for one request. */
export function createImages(access: Access) {
  const { hosts, namespaces } = access;
  const repositories = createRepositories(access);
  const tags = createTags(access, repositories);

  /** The repositories that a package URL may mean. */
  async function repositoriesOf(purl: PurlParts, scope: string | null): Promise<Answer<readonly RepositoryName[]>> {
    const own = ownRepository(purl, hosts);
    if (own !== null && (scope === null || scope === own.namespace)) return found([own]);
    if (scope !== null && !isNamespace(scope)) return impossible;
    const searched = await namespaces.searched(scope);
    if (searched.kind !== "FOUND") return searched;
    const lists = await Promise.all(
      searched.value.namespaces.map(async (namespace): Promise<Answer<readonly RepositoryName[]>> => {
        const list = await repositories.list(namespace, purl.name).catch(failed);
        if (list.kind !== "FOUND") return list;
        const same = list.value.rows.filter(({ name }) => baseName(name) === purl.name);
        return foundAny(
          same.map(({ name }) => ({ namespace, path: name })),
          noRepository,
          list.gap,
        );
      }),
    );
    const all = joined(lists, noRepository);
    if (all.kind !== "ABSENT") return all;
    return searched.gap ?? namespaces.emptied(searched.value.namespaces, all);
  }

  /**
   * Versions by package URL. Tags print `pkg:oci/<name>@<digest>?repository_url=...&tag=...`: where the URL names a
   * repository of this backend, that one is read, else those of that name wherever this backend searches.
   */
  async function byPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const names = await repositoriesOf(purl, scope);
    if (names.kind !== "FOUND") return names;
    const lists = await Promise.all(
      names.value.map(async (name): Promise<Answer<readonly Version[]>> => {
        const list = await tags.all(name).catch(failed);
        if (list.kind !== "FOUND") return list;
        const versions = list.value.rows.map((row) => toImageVersion(row, name, hosts, list.value.origin));
        const meant = versions.filter((version) => isMeant(version, purl));
        if (meant.length > 0) return found(meant, list.gap);
        // A tag without a digest may be these bytes as well.
        return list.gap ?? (versions.some(({ digest }) => digest === null) ? unknown("LOST_ROWS") : noTag);
      }),
    );
    return withGap(joined(lists, noTag), names.gap);
  }

  return { ...repositories, ...tags, byPurl };
}

/** Answers what image references point at; copies are searched for in `access.namespaces`. */
export function createImageReader({ hosts, namespaces }: Access, images: Images): ImageReader {
  /** Every tag of a repository that is these very bytes, in order of names. */
  async function withDigest(name: RepositoryName, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const list = await images.all(name);
    if (list.kind !== "FOUND") return list;
    const { rows, origin } = list.value;
    const same = rows.filter((row) => parseDigest(row.digest) === digest);
    // A tag without a digest may be these bytes as well.
    const gap = list.gap ?? (rows.some((row) => parseDigest(row.digest) === null) ? unknown("LOST_ROWS") : null);
    return foundAny(
      same.map((row) => toImageRecord(row, name, hosts, origin)),
      // A manifest that only an index names is in no list, and can be pulled all the same.
      rows.some(isIndex) ? unknown("NARROW_SEARCH") : noTag,
      gap,
    );
  }

  /** The same bytes in repositories of one namespace; unknown where more than `most` would have to be read. */
  async function inNamespace(
    namespace: string,
    name: string | null,
    digest: Digest,
    most = Number.POSITIVE_INFINITY,
  ): Promise<Answer<readonly ImageRecord[]>> {
    const list = await images.list(namespace, name ?? "");
    if (list.kind !== "FOUND") return list;
    const own = list.value.rows.filter(
      (one) => one.versionCount !== 0 && (name === null || baseName(one.name) === name),
    );
    if (own.length > most) return unknown("UNREAD");
    const records = await Promise.all(
      own.map((one) => withDigest({ namespace, path: one.name }, digest).catch(failed)),
    );
    return withGap(joined(records, name === null ? noTag : noRepository), list.gap);
  }

  return {
    image: async (ref) => {
      if (!isOwn(ref, hosts)) return unknown("NOT_SEARCHABLE");
      const name = parseRepository(ref.repository);
      // Docker asks for `latest` where a reference names neither tag nor digest.
      const tag = ref.tag ?? (ref.digest === null ? "latest" : null);
      if (name === null || (tag !== null && !isTag(tag))) return impossible;
      if (tag !== null) {
        const tagged = await images.tag(name, tag);
        const record = mapAnswer(tagged, ({ row, origin }) => toImageRecord(row, name, hosts, origin));
        if (ref.digest === null || (record.kind === "FOUND" && record.value.digest === ref.digest)) return record;
      }
      const records = ref.digest === null ? impossible : await withDigest(name, ref.digest);
      if (records.kind !== "FOUND") return records;
      const [record] = records.value;
      return record === undefined ? noTag : found(record);
    },
    expectCopies: (name) => {
      namespaces
        .searched()
        .then((searched) => {
          const all = searched.kind === "FOUND" ? searched.value.namespaces : [];
          return Promise.allSettled(all.map((namespace) => images.list(namespace, name)));
        })
        .catch(() => null);
    },
    copies: async (name, digest, own) => {
      // It is most likely among the repositories that are listed below: a read of its tag is answered by the same list.
      const known = own !== undefined && isOwn(own, hosts) ? parseRepository(own.repository) : null;
      if (known !== null && namespaces.configured.includes(known.namespace) && !images.isMissed(known)) {
        images.all(known).catch(() => null);
      }
      const searched = await namespaces.searched();
      if (searched.kind !== "FOUND") return searched;
      const all = searched.value.namespaces;
      const records = await Promise.all(all.map((namespace) => inNamespace(namespace, name, digest).catch(failed)));
      const answer = withGap(joined(records, noRepository), searched.gap);
      return answer.kind === "ABSENT" ? namespaces.emptied(all, answer) : answer;
    },
    byDigest: async (digest, scope) => {
      if (scope === null) return unknown("NOT_SEARCHABLE");
      if (!isNamespace(scope)) return impossible;
      const answer = await inNamespace(scope, null, digest, mostRepositories);
      return answer.kind === "ABSENT" ? namespaces.emptied([scope], answer) : answer;
    },
  };
}

function isOwn({ registry }: ImageRef, hosts: readonly string[]): boolean {
  return registry !== null && hosts.includes(registry);
}

/** Whether a tag is what the URL names: the same bytes, under the tag that the URL has. */
function isMeant(version: Version, purl: PurlParts): boolean {
  const tag = purl.qualifiers["tag"];
  if (tag !== undefined && tag !== version.name) return false;
  const digest = parseDigest(purl.version);
  if (digest === null) return version.name === (purl.version ?? tag);
  // Without a host of its own a tag has no URL: its bytes are compared all the same.
  const own = version.purl === null ? null : parsePurl(version.purl);
  return own === null ? version.digest === digest : namesSameVersion(own, { ...purl, namespace: null });
}

/** The repository that `repository_url` names, where it is one of ours: with or without the name at its end. */
function ownRepository({ namespace, name, qualifiers }: PurlParts, hosts: readonly string[]): RepositoryName | null {
  const url = qualifiers["repository_url"];
  if (url === undefined) return null;
  const path = namespace === null ? name : `${namespace}/${name}`;
  const image = parseImageRef(url === path || url.endsWith(`/${path}`) ? url : `${url}/${path}`);
  return image !== null && isOwn(image, hosts) ? parseRepository(image.repository) : null;
}
