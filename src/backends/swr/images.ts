import { type Digest, type ImageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import { mapPage, type Page, type PageRequest } from "../../model/backend.ts";
import type { ImageRecord, Package, PackageFormat, Version } from "../../model/package.ts";
import { namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
import { isNotFound } from "../../upstream/errors.ts";
import {
  type Answer,
  absent,
  absentIfNotFound,
  failed,
  found,
  foundAny,
  impossible,
  joined,
  mapAnswer,
  originNow,
  unknown,
} from "../answers.ts";
import type { ImageReader, PackageQuery, VersionQuery } from "../backend.ts";
import { type Answers, batched, groupBy, keyText, type Loader, single, toError } from "../loading/loader.ts";
import { type NumberedSource, readPage } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import { type Access, compare, type Listed, largestPage, readAll, type Sourced, windowOf, withGap } from "./client.ts";
import { isNamespaceMissing } from "./dialect.ts";
import { baseName, imageKey, isNamespace, isRepositoryPath, isTag, type PackageName, parseRepository } from "./keys.ts";
import { isIndex, toImagePackage, toImageRecord, toImageVersion } from "./mapper.ts";
import { getRepository, listRepositories, listTags } from "./operations.ts";
import type { RepositoryRow, TagRow } from "./payload.ts";
import { Tags } from "./tags.ts";

/** A list proves nothing about repositories that other accounts share: only the keyed read sees them. */
const notFound = absent(getRepository, "KEYED_READ");
const noNamespace = absent(listRepositories, "WHOLE_LIST");

/** Rows of the list that are read where the keyed read does not know a repository that the list may name. */
const confirmingRows = 100;

/** Searching for a digest is a call for each repository: more of them would use up what the rest of a request needs. */
const mostRepositories = 50;

const noTag = absent(listTags, "WHOLE_LIST");
/** `name` is documented as "contains", and the last part of a path contains itself; rows are compared again. */
const noRepository = absent(listRepositories, "COMPLETE_FILTER");

/**
 * The images of one request: as packages, as what references point at, and as copies of the same bytes. Equal reads are
 * one call. Whether an empty namespace exists is for the caller of a list to ask.
 */
export class Images implements ImageReader {
  readonly id = "images";
  readonly formats: readonly PackageFormat[] = ["DOCKER", "OCI"];
  readonly notNamed = notFound;
  readonly #access: Access;
  readonly #tags: Tags;
  readonly #byName: Loader<PackageName, Answer<Package>>;
  readonly #lists: Loader<{ readonly namespace: string; readonly part: string }, Answer<Listed<Package>>>;

  constructor(access: Access) {
    const { backend, call } = access;
    const nameOf = (names: readonly unknown[]) => (names.length === 1 ? getRepository : listRepositories).name;
    this.#access = access;
    this.#tags = new Tags(access, (name) => this.package(name));
    const by = { call, backend, operation: nameOf };
    this.#byName = batched(textOf, (names, answers) => this.#readByName(names, answers), by);
    this.#lists = single(
      ({ namespace, part }) => keyText(namespace, part),
      ({ namespace, part }) => this.#listContaining(namespace, part),
      { call, backend, operation: listRepositories.name },
    );
  }

  keyOf(name: string): string | null {
    return isRepositoryPath(name) ? imageKey(name) : null;
  }

  async list(namespace: string | null, { name, match }: PackageQuery): Promise<Answer<Listed<Package>>> {
    if (namespace === null) return unknown("NOT_SEARCHABLE");
    if (match !== "EXACT" || name === null) return this.#lists.load({ namespace, part: name ?? "" });
    const one = isRepositoryPath(name) ? await this.package({ namespace, name }) : impossible;
    // A missing repository proves nothing about the namespace.
    if (one.kind === "ABSENT") return found({ rows: [], dropped: [], origin: originNow(this.#access.backend) });
    return mapAnswer(one, (row) => ({ rows: [row], dropped: [], origin: row.origin }));
  }

  /** In order of names. */
  window(namespace: string, request: PageRequest): Promise<Answer<Page<Package>>> {
    const read = async (inOrder: boolean): Promise<Answer<Page<Package>>> => {
      if (!inOrder) return windowOf(await this.#readList(namespace, null, false), request, ({ name }) => name);
      const page = await readWindow(request, {
        ...this.#source(namespace, null, true),
        identity: ({ name }) => name,
        keep: (row) => row.namespace === namespace,
      });
      if (page.rows.length > 0) this.#access.region.setNonEmpty(namespace);
      return found(mapPage(page, (row) => toImagePackage(row, namespace)));
    };
    return absentIfNotFound(this.#access.region.ordered("repositories", read), noNamespace);
  }

  /** Several repositories of one namespace asked together are one call. */
  package(name: PackageName): Promise<Answer<Package>> {
    return this.#byName.load(name);
  }

  async version(owner: PackageName, version: string): Promise<Answer<Version>> {
    if (!isTag(version)) return impossible;
    return mapAnswer(await this.#tags.tag(owner, version), (tag) => this.#toVersion(owner, tag));
  }

  async versions(owner: PackageName, query: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    const page = await this.#tags.window(owner, query, request);
    return mapAnswer(page, (tags) => mapPage(tags, (tag) => this.#toVersion(owner, tag)));
  }

  async newest(owner: PackageName): Promise<Answer<Version>> {
    return mapAnswer(await this.#tags.newest(owner), (tag) => this.#toVersion(owner, tag));
  }

  readonly image: ImageReader["image"] = async (ref) => {
    const { hosts } = this.#access;
    if (!isOwn(ref, hosts)) return unknown("NOT_SEARCHABLE");
    const name = parseRepository(ref.repository);
    // Docker asks for `latest` where a reference names neither tag nor digest.
    const tag = ref.tag ?? (ref.digest === null ? "latest" : null);
    if (name === null || (tag !== null && !isTag(tag))) return impossible;
    if (tag !== null) {
      const tagged = await this.#tags.tag(name, tag);
      const record = mapAnswer(tagged, (row) => toImageRecord(row, name, hosts));
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
      await Promise.allSettled(all.map((namespace) => this.#lists.load({ namespace, part: name })));
    };
    prefetch().catch(() => null);
  };

  readonly copies: ImageReader["copies"] = async (name, digest, own) => {
    const { hosts, namespaces } = this.#access;
    // It is most likely among the repositories that are listed below: a read of its tag is answered by the same list.
    const known = own !== undefined && isOwn(own, hosts) ? parseRepository(own.repository) : null;
    if (known !== null && namespaces.configured.includes(known.namespace) && !this.#tags.isMissed(known)) {
      this.#tags.all(known).catch(() => null);
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

  #toVersion(owner: PackageName, tag: Sourced<TagRow>): Version {
    return toImageVersion(tag, owner, this.#access.hosts);
  }

  /** Every tag of a repository that is these very bytes, in order of names. */
  async #withDigest(name: PackageName, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const list = await this.#tags.all(name);
    if (list.kind !== "FOUND") return list;
    const { rows } = list.value;
    const same = rows.filter((row) => parseDigest(row.digest) === digest);
    // A tag without a digest may be these bytes as well.
    const gap = list.gap ?? (rows.some((row) => parseDigest(row.digest) === null) ? unknown("LOST_ROWS") : null);
    return foundAny(
      same.map((row) => toImageRecord(row, name, this.#access.hosts)),
      // A manifest that only an index names is in no list, and can be pulled all the same.
      rows.some(isIndex) ? unknown("NARROW_SEARCH") : noTag,
      gap,
    );
  }

  /** These bytes in the repositories of a name in one namespace; for null in all of them, unless these are too many. */
  async #inNamespace(namespace: string, name: string | null, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const list = await this.#lists.load({ namespace, part: name ?? "" });
    if (list.kind !== "FOUND") return list;
    const own = list.value.rows.filter(
      (one) => one.versionCount !== 0 && (name === null || baseName(one.name) === name),
    );
    if (name === null && own.length > mostRepositories) return unknown("UNREAD");
    const records = await Promise.all(
      own.map((one) => this.#withDigest({ namespace, name: one.name }, digest).catch(failed)),
    );
    return withGap(joined(records, name === null ? noTag : noRepository), list.gap);
  }

  /** The repositories that a package URL may mean. */
  async #repositoriesOf(purl: PurlParts, scope: string | null): Promise<Answer<readonly PackageName[]>> {
    const { hosts, namespaces } = this.#access;
    const own = ownRepository(purl, hosts);
    if (own !== null && (scope === null || scope === own.namespace)) return found([own]);
    if (scope !== null && !isNamespace(scope)) return impossible;
    const searched = await namespaces.searched(scope);
    if (searched.kind !== "FOUND") return searched;
    const lists = await Promise.all(
      searched.value.namespaces.map(async (namespace): Promise<Answer<readonly PackageName[]>> => {
        const list = await this.#lists.load({ namespace, part: purl.name }).catch(failed);
        if (list.kind !== "FOUND") return list;
        const same = list.value.rows.filter(({ name }) => baseName(name) === purl.name);
        const names = same.map(({ name }) => ({ namespace, name }));
        return foundAny(names, noRepository, list.gap);
      }),
    );
    const all = joined(lists, noRepository);
    if (all.kind !== "ABSENT") return all;
    return searched.gap ?? namespaces.emptied(searched.value.namespaces, all);
  }

  async #versionsOf(name: PackageName, purl: PurlParts): Promise<Answer<readonly Version[]>> {
    const list = await this.#tags.all(name);
    if (list.kind !== "FOUND") return list;
    const versions = list.value.rows.map((row) => this.#toVersion(name, row));
    const meant = versions.filter((version) => isMeant(version, purl));
    if (meant.length > 0) return found(meant, list.gap);
    // A tag without a digest may be these bytes as well.
    return list.gap ?? (versions.some(({ digest }) => digest === null) ? unknown("LOST_ROWS") : noTag);
  }

  /** All repositories whose path contains the text; the server may leave the filter to the caller. */
  #listContaining(namespace: string, part: string): Promise<Answer<Listed<Package>>> {
    // Only characters of names narrow the list; anything else would be rejected, or read as something else.
    const filter = /^[a-z0-9._/-]+$/.test(part) ? part : null;
    const read = (inOrder: boolean) => this.#readList(namespace, filter, inOrder);
    return absentIfNotFound(this.#access.region.ordered("repositories", read), noNamespace);
  }

  #source(namespace: string, part: string | null, inOrder: boolean): NumberedSource<Sourced<RepositoryRow>> {
    const { client } = this.#access;
    return {
      fetch: (page, size) => client.listRepositories(namespace, part, inOrder, { limit: size, offset: page * size }),
      // Filters are fuzzy: rows of other namespaces count, and are left out afterwards.
      identity: (row) => keyText(row.namespace, row.name),
      maxSize: largestPage,
    };
  }

  async #readList(namespace: string, part: string | null, inOrder: boolean): Promise<Answer<Listed<Package>>> {
    return mapAnswer(await readAll(this.#source(namespace, part, inOrder)), (whole) => {
      const own = whole.rows.filter((row) => row.namespace === namespace);
      if (own.length > 0) this.#access.region.setNonEmpty(namespace);
      const rows = own.map((row) => toImagePackage(row, namespace));
      return { ...whole, rows: rows.sort((one, other) => compare(one.name, other.name)) };
    });
  }

  /** The first page of a list, and how the rest of it is read. */
  #head(namespace: string, part: string | null, size: number) {
    return this.#access.region.ordered("repositories", async (inOrder) => {
      const source = this.#source(namespace, part, inOrder);
      return { head: await readPage(source, 0, size), source };
    });
  }

  async #readByName(names: readonly PackageName[], answers: Answers<Package>): Promise<Answers<Package>> {
    await Promise.all(
      groupBy(names, ({ namespace }) => namespace).map((group) => {
        return group.length === 1 ? this.#readDetails(group, answers, true) : this.#readGroup(group, answers);
      }),
    );
    return answers;
  }

  async #readDetails(names: readonly PackageName[], answers: Answers<Package>, confirms: boolean): Promise<void> {
    await Promise.all(
      names.map(async (name) => answers.set(textOf(name), await this.#readDetail(name, confirms).catch(toError))),
    );
  }

  /** Several repositories of one namespace: by its list, and by details for those that are not on its first page. */
  async #readGroup(group: readonly PackageName[], answers: Answers<Package>): Promise<void> {
    const namespace = group[0]?.namespace ?? "";
    const left = () => group.filter((name) => !answers.has(textOf(name)));
    const add = (row: Sourced<RepositoryRow>) => {
      if (row.namespace !== namespace) return;
      answers.set(keyText(namespace, row.name), found(toImagePackage(row, namespace)));
    };
    try {
      const { head, source } = await this.#head(namespace, null, largestPage);
      for (const { row } of head.rows) add(row);
      // A few names are cheaper to read one by one than by the pages they may be on.
      const pages = head.total === null ? 0 : Math.max(0, Math.ceil(head.total / largestPage) - 1);
      if (left().length > 0 && pages < left().length) {
        const rest = await readAll(source, { head });
        if (rest.kind === "FOUND") for (const row of rest.value.rows) add(row);
      }
      await this.#readDetails(left(), answers, false);
    } catch (error) {
      // An organization that the list does not know may be another account's, which shared a repository.
      if (isNotFound(error)) return this.#readDetails(group, answers, false);
      for (const name of left()) answers.set(textOf(name), toError(error));
    }
  }

  async #readDetail({ namespace, name }: PackageName, confirms: boolean): Promise<Answer<Package>> {
    const { client, region } = this.#access;
    try {
      const row = await client.getRepository({ namespace, name });
      region.setNonEmpty(namespace);
      // The name that was asked for is the name it is found by again.
      return found(toImagePackage({ ...row, name }, namespace));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (!confirms || isNamespaceMissing(error)) return notFound;
      return absentIfNotFound(this.#confirm(namespace, name), notFound);
    }
  }

  /** A detail that is missing proves nothing about a repository that the list names. */
  async #confirm(namespace: string, name: string): Promise<Answer<Package>> {
    const isMeant = (row: RepositoryRow) => row.namespace === namespace && row.name === name;
    const { head, source } = await this.#head(namespace, name, confirmingRows);
    let row = head.rows.find((one) => isMeant(one.row))?.row;
    const count = head.end - head.start;
    const isCut = count >= confirmingRows || (head.total !== null && head.total > count);
    if (row === undefined && isCut) {
      const list = await readAll(source);
      if (list.kind !== "FOUND") return list;
      row = list.value.rows.find(isMeant);
    }
    return row ? found(toImagePackage(row, namespace)) : notFound;
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
function ownRepository({ namespace, name, qualifiers }: PurlParts, hosts: readonly string[]): PackageName | null {
  const url = qualifiers["repository_url"];
  if (url === undefined) return null;
  const path = namespace === null ? name : `${namespace}/${name}`;
  const image = parseImageRef(url === path || url.endsWith(`/${path}`) ? url : `${url}/${path}`);
  return image !== null && isOwn(image, hosts) ? parseRepository(image.repository) : null;
}

function textOf({ namespace, name }: PackageName): string {
  return keyText(namespace, name);
}
