import { type Digest, type ImageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { ImageRecord, Version } from "../../model/package.ts";
import { namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
import { type Answer, absent, failed, found, foundAny, impossible, joined, mapAnswer, unknown } from "../answers.ts";
import type { ImageReader } from "../backend.ts";
import type { Access } from "./client.ts";
import { baseName, isNamespace, isTag, parseRepository, type RepositoryName } from "./keys.ts";
import { withGap } from "./lists.ts";
import { isIndex, toImageRecord, toImageVersion } from "./mapper.ts";
import { listRepositories, listTags } from "./operations.ts";
import { Repositories } from "./repositories.ts";
import { Tags } from "./tags.ts";

/** Searching for a digest is a call for each repository: more of them would use up what the rest of a request needs. */
const mostRepositories = 50;

const noTag = absent(listTags, "WHOLE_LIST");
/** `name` is documented as "contains", and the last part of a path contains itself; rows are compared again. */
const noRepository = absent(listRepositories, "COMPLETE_FILTER");

/** The images of one request: answers what references point at, and where there are copies. */
export class Images implements ImageReader {
  readonly repositories: Repositories;
  readonly tags: Tags;
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
    this.repositories = new Repositories(access);
    this.tags = new Tags(access, this.repositories);
  }

  readonly image: ImageReader["image"] = async (ref) => {
    const { hosts } = this.#access;
    if (!isOwn(ref, hosts)) return unknown("NOT_SEARCHABLE");
    const name = parseRepository(ref.repository);
    // Docker asks for `latest` where a reference names neither tag nor digest.
    const tag = ref.tag ?? (ref.digest === null ? "latest" : null);
    if (name === null || (tag !== null && !isTag(tag))) return impossible;
    if (tag !== null) {
      const tagged = await this.tags.tag(name, tag);
      const record = mapAnswer(tagged, ({ row, origin }) => toImageRecord(row, name, hosts, origin));
      if (ref.digest === null || (record.kind === "FOUND" && record.value.digest === ref.digest)) return record;
    }
    const records = ref.digest === null ? impossible : await this.#withDigest(name, ref.digest);
    if (records.kind !== "FOUND") return records;
    const [record] = records.value;
    return record === undefined ? noTag : found(record);
  };

  readonly expectCopies: ImageReader["expectCopies"] = (name) => {
    const prefetch = async () => {
      const searched = await this.#access.namespaces.searched();
      const all = searched.kind === "FOUND" ? searched.value.namespaces : [];
      await Promise.allSettled(all.map((namespace) => this.repositories.list(namespace, name)));
    };
    prefetch().catch(() => null);
  };

  readonly copies: ImageReader["copies"] = async (name, digest, own) => {
    const { hosts, namespaces } = this.#access;
    // It is most likely among the repositories that are listed below: a read of its tag is answered by the same list.
    const known = own !== undefined && isOwn(own, hosts) ? parseRepository(own.repository) : null;
    if (known !== null && namespaces.configured.includes(known.namespace) && !this.tags.isMissed(known)) {
      this.tags.all(known).catch(() => null);
    }
    const searched = await namespaces.searched();
    if (searched.kind !== "FOUND") return searched;
    const all = searched.value.namespaces;
    const records = await Promise.all(all.map((namespace) => this.#inNamespace(namespace, name, digest).catch(failed)));
    const answer = withGap(joined(records, noRepository), searched.gap);
    return answer.kind === "ABSENT" ? namespaces.emptied(all, answer) : answer;
  };

  readonly byDigest: ImageReader["byDigest"] = async (digest, scope) => {
    if (scope === null) return unknown("NOT_SEARCHABLE");
    if (!isNamespace(scope)) return impossible;
    const answer = await this.#inNamespace(scope, null, digest);
    return answer.kind === "ABSENT" ? this.#access.namespaces.emptied([scope], answer) : answer;
  };

  /**
   * Versions by package URL. Tags print `pkg:oci/<name>@<digest>?repository_url=...&tag=...`: where the URL names a
   * repository of this backend, that one is read, else those of that name wherever this backend searches.
   */
  async byPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const names = await this.#repositoriesOf(purl, scope);
    if (names.kind !== "FOUND") return names;
    const lists = await Promise.all(names.value.map((name) => this.#versionsOf(name, purl).catch(failed)));
    return withGap(joined(lists, noTag), names.gap);
  }

  /** Every tag of a repository that is these very bytes, in order of names. */
  async #withDigest(name: RepositoryName, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const list = await this.tags.all(name);
    if (list.kind !== "FOUND") return list;
    const { rows, origin } = list.value;
    const same = rows.filter((row) => parseDigest(row.digest) === digest);
    // A tag without a digest may be these bytes as well.
    const gap = list.gap ?? (rows.some((row) => parseDigest(row.digest) === null) ? unknown("LOST_ROWS") : null);
    return foundAny(
      same.map((row) => toImageRecord(row, name, this.#access.hosts, origin)),
      // A manifest that only an index names is in no list, and can be pulled all the same.
      rows.some(isIndex) ? unknown("NARROW_SEARCH") : noTag,
      gap,
    );
  }

  /** These bytes in the repositories of a name in one namespace; for null in all of them, unless these are too many. */
  async #inNamespace(namespace: string, name: string | null, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const list = await this.repositories.list(namespace, name ?? "");
    if (list.kind !== "FOUND") return list;
    const own = list.value.rows.filter(
      (one) => one.versionCount !== 0 && (name === null || baseName(one.name) === name),
    );
    if (name === null && own.length > mostRepositories) return unknown("UNREAD");
    const records = await Promise.all(
      own.map((one) => this.#withDigest({ namespace, path: one.name }, digest).catch(failed)),
    );
    return withGap(joined(records, name === null ? noTag : noRepository), list.gap);
  }

  /** The repositories that a package URL may mean. */
  async #repositoriesOf(purl: PurlParts, scope: string | null): Promise<Answer<readonly RepositoryName[]>> {
    const { hosts, namespaces } = this.#access;
    const own = ownRepository(purl, hosts);
    if (own !== null && (scope === null || scope === own.namespace)) return found([own]);
    if (scope !== null && !isNamespace(scope)) return impossible;
    const searched = await namespaces.searched(scope);
    if (searched.kind !== "FOUND") return searched;
    const lists = await Promise.all(
      searched.value.namespaces.map(async (namespace): Promise<Answer<readonly RepositoryName[]>> => {
        const list = await this.repositories.list(namespace, purl.name).catch(failed);
        if (list.kind !== "FOUND") return list;
        const same = list.value.rows.filter(({ name }) => baseName(name) === purl.name);
        const names = same.map(({ name }) => ({ namespace, path: name }));
        return foundAny(names, noRepository, list.gap);
      }),
    );
    const all = joined(lists, noRepository);
    if (all.kind !== "ABSENT") return all;
    return searched.gap ?? namespaces.emptied(searched.value.namespaces, all);
  }

  async #versionsOf(name: RepositoryName, purl: PurlParts): Promise<Answer<readonly Version[]>> {
    const list = await this.tags.all(name);
    if (list.kind !== "FOUND") return list;
    const { rows, origin } = list.value;
    const versions = rows.map((row) => toImageVersion(row, name, this.#access.hosts, origin));
    const meant = versions.filter((version) => isMeant(version, purl));
    if (meant.length > 0) return found(meant, list.gap);
    // A tag without a digest may be these bytes as well.
    return list.gap ?? (versions.some(({ digest }) => digest === null) ? unknown("LOST_ROWS") : noTag);
  }
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
