import type { Page, PageRequest, Row } from "../../model/backend.ts";
import type { PackageRef, Version, VersionRef } from "../../model/package.ts";
import { type Answer, absent, absentIfNotFound, found, foundAny, impossible, mapAnswer, unknown } from "../answers.ts";
import type { VersionQuery } from "../backend.ts";
import { type Answers, batched, groupBy, keyText, type Loader, toError } from "../loading/loader.ts";
import { collect } from "../paging/collect.ts";
import { readFiltered } from "../paging/filter.ts";
import { readPlace } from "../paging/position.ts";
import type { NumberedSource } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import { type BkrepoClient, largestPage, type VersionFilter } from "./client.ts";
import { hasPackageTags, isImageKey, parseRepository, type Repository } from "./keys.ts";
import { childPrefix, packageContext, toVersion } from "./mapper.ts";
import { getPackage, pageVersions } from "./operations.ts";
import { type Packages, packageText } from "./packages.ts";
import { isCountedByPrefix, literalPrefix } from "./payload.ts";

/** The text that identifies a version reference in this backend. */
export function versionText({ package: { repository, key }, version }: VersionRef): string {
  return keyText(repository, key, version);
}

/** Versions that were found, or why there are none. */
export type VersionList = Answer<readonly Version[]>;

type VersionPage = Answer<Page<Version>>;

interface Target {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

interface WindowKey extends Target {
  readonly filter: VersionFilter;
  readonly request: PageRequest;
}

const newestFirst: VersionFilter = { prefix: null, stages: [], direction: "DESC" };

/** The page size of the search for a name among those that begin like it, and the most of its pages. */
const searchSize = 100;
const mostSearchPages = 25;

/** The most pages of 200 rows that are read of a whole list. */
const mostWholePages = 5;

/** The least page of an image's versions: one push for several platforms writes a version for each of them. */
const leastImagePage = 20;

/** Rows by which the order is checked before the first of them is the newest. */
const latestSize = 5;

/** Pages behind the first that are searched for a version that is no attachment. */
const mostLatestPages = 5;

/** Tags that cosign and others store beside an image: `sha256-<hex>.sig`, `.att`, `.sbom`, referrers without suffix. */
const attachment = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[\w-]+)?$/;

const noRepository = absent(pageVersions, "KEYED_READ");
const noSuchVersion = absent(pageVersions, "COMPLETE_FILTER");
const noVersions = absent(pageVersions, "WHOLE_LIST");

/** The versions of packages in one request. */
export class Versions {
  readonly #client: BkrepoClient;
  readonly #packages: Packages;
  readonly byRef: Loader<VersionRef, Answer<Version>>;
  /** Windows of one tick that begin at the same place are one window of the largest size: `latest` and `versions`. */
  readonly #windows: Loader<WindowKey, VersionPage>;

  constructor(client: BkrepoClient, packages: Packages) {
    this.#client = client;
    this.#packages = packages;
    const by = client.loadedBy(pageVersions);
    this.byRef = batched(versionText, (refs, answers) => this.#load(refs, answers), by);
    this.#windows = batched(windowText, (keys, answers) => this.#loadWindows(keys, answers), by);
  }

  async page(ref: PackageRef, query: VersionQuery, request: PageRequest): Promise<VersionPage> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const { direction } = query;
    const filter: VersionFilter = { prefix: query.prefix || null, stages: stageTags(query.stage), direction };
    const answer = await this.#windows.load({ ...target, filter, request });
    if (answer.kind !== "FOUND" || request.after !== null) return answer;
    if (answer.value.rows.length > 0 || answer.value.dropped.length > 0) return answer;
    // The server answers an unknown package as one without versions.
    const owner = await this.#packages.byRef.load(ref);
    return owner.kind === "FOUND" ? answer : owner;
  }

  /** The newest version by publication; attachments of images are not versions. */
  async latest(ref: PackageRef): Promise<Answer<Version>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const isImage = isImageKey(ref.key);
    const isVersion = ({ name }: Version) => !isImage || !attachment.test(name);
    const rows: Row<Version>[] = [];
    let request: PageRequest = { first: latestSize, after: null };
    for (let pages = 0; ; pages++) {
      const answer = await this.#windows.load({ ...target, filter: newestFirst, request });
      if (answer.kind !== "FOUND") return answer;
      const page = answer.value;
      for (const row of page.rows) rows.push(row);
      const head = rows.find(({ value }) => isVersion(value));
      const offset = head === undefined ? Number.POSITIVE_INFINITY : readPlace(head.position).offset;
      // An unreadable row in front may be the newest.
      if (page.dropped.some(({ index }) => index < offset)) throw this.#client.malformed(pageVersions);
      const after = page.rows.at(-1)?.position ?? null;
      if (head !== undefined || !page.hasNext || after === null) {
        return newestOf(rows.map(({ value }) => value).filter(isVersion), !page.hasNext);
      }
      if (pages === mostLatestPages) return unknown("UNREAD");
      request = { first: searchSize, after };
    }
  }

  /** Versions that begin with the prefix, or all, newest first; children of multi-arch images are among them. */
  allOf(ref: PackageRef, prefix: string | null): Promise<VersionList> {
    const target = targetOf(ref);
    if (target === null) return Promise.resolve(impossible);
    const read = this.#readAll(target, { ...newestFirst, prefix }).then(({ rows, dropped, isWhole }) => {
      const gap = isWhole ? null : unknown(dropped.length > 0 ? "LOST_ROWS" : "UNREAD");
      return foundAny(rows, prefix === null ? noVersions : noSuchVersion, gap);
    });
    return absentIfNotFound(read, noRepository);
  }

  async #load(refs: readonly VersionRef[], answers: Answers<Version>) {
    await Promise.all(
      groupBy(refs, (ref) => packageText(ref.package)).map(async (group) => {
        const target = targetOf(group[0]?.package);
        const names = group.map((ref) => ref.version).filter((name) => name !== "");
        const read = target && names.length > 0 ? await this.#namesOf(target, names).catch(toError) : new Map();
        for (const ref of group) {
          const answer = read instanceof Error ? read : read.get(ref.version);
          // The server's rules allow no such repository, no empty key and no empty name.
          answers.set(versionText(ref), answer ?? impossible);
        }
      }),
    );
    return answers;
  }

  /** Versions by exact name: one page of their common prefix answers most, the others are read one by one. */
  async #namesOf(target: Target, names: readonly string[]): Promise<Map<string, Answer<Version> | Error>> {
    const answers = new Map<string, Answer<Version> | Error>();
    const left = new Set(names);
    if (left.size > 1) {
      const { fetch } = this.#source(target, { ...newestFirst, prefix: commonPrefix(names) });
      const answer = await absentIfNotFound(fetch(0, largestPage).then(found), noRepository);
      if (answer.kind !== "FOUND") return new Map(names.map((name) => [name, answer]));
      const { rows, count, total, dropped } = answer.value;
      for (const row of rows) if (left.delete(row.name)) answers.set(row.name, found(row));
      if (total !== null && count >= total) {
        const isWhole = dropped.length === 0 && new Set(rows.map((row) => row.name)).size >= total;
        for (const name of left) answers.set(name, isWhole ? noSuchVersion : this.#client.malformed(pageVersions));
        return answers;
      }
    }
    await Promise.all(
      [...left].map(async (name) => {
        answers.set(name, await absentIfNotFound(this.#nameOf(target, name), noRepository).catch(toError));
      }),
    );
    return answers;
  }

  // The server matches prefixes. Oldest first, because `1.0` is older than most versions that begin with it.
  async #nameOf(target: Target, name: string): Promise<Answer<Version>> {
    const source = this.#source(target, { prefix: name, stages: [], direction: "ASC" });
    const size = literalPrefix(name) === name ? searchSize : largestPage;
    const until = (row: Version) => row.name === name;
    const list = await collect(source, { size, mostPages: mostSearchPages, atOnce: 1, until });
    const version = list.rows.find(until);
    if (version) return found(version);
    if (list.isWhole) return noSuchVersion;
    if (list.rows.length + list.dropped.length >= mostSearchPages * size) return unknown("UNREAD");
    throw this.#client.malformed(pageVersions);
  }

  async #loadWindows(keys: readonly WindowKey[], answers: Answers<Page<Version>>): Promise<Answers<Page<Version>>> {
    await Promise.all(
      groupBy(keys, listText).map(async (group) => {
        const largest = group.reduce((one, other) => (other.request.first > one.request.first ? other : one));
        const read = await this.#window(largest, largest.filter, largest.request).catch(toError);
        for (const key of group) {
          const answer = read instanceof Error ? read : mapAnswer(read, (page) => shorten(page, key.request.first));
          answers.set(windowText(key), answer);
        }
      }),
    );
    return answers;
  }

  async #window(target: Target, filter: VersionFilter, request: PageRequest): Promise<VersionPage> {
    const { prefix } = filter;
    const hidesChildren = isImageKey(target.ref.key) && !prefix?.startsWith(childPrefix);
    const isSuperset = prefix !== null && !isCountedByPrefix(prefix);
    const source = this.#source(target, filter);
    const read =
      hidesChildren || isSuperset
        ? this.#filtered(target, filter, request, hidesChildren)
        : readWindow(request, { ...source, keep: (row) => isMatch(row, filter) }).then(found);
    const answer = await absentIfNotFound<Page<Version>>(read, noRepository);
    this.byRef.deferPrime(() => {
      if (answer.kind !== "FOUND") return;
      for (const { value } of answer.value.rows) this.byRef.prime(value.ref, found(value));
    });
    return answer;
  }

  /** A window without children of images and without names that the server's filter matches beyond the prefix. */
  #filtered(target: Target, filter: VersionFilter, request: PageRequest, hidesChildren: boolean) {
    const isOwn = (row: Version) => isMatch(row, filter) && !(hidesChildren && isChild(row));
    const isCut = literalPrefix(filter.prefix ?? "") !== (filter.prefix ?? "");
    return readFiltered(request, this.#source(target, filter), {
      accept: (row) => (isOwn(row) ? row : null),
      rows: isCut ? largestPage : Math.min(largestPage, Math.max(leastImagePage, 2 * request.first)),
      count: (total) => this.#countFiltered(target, filter, isOwn, total),
    });
  }

  /** Null where the server cannot count the rows and there are too many to read. */
  async #countFiltered(
    target: Target,
    filter: VersionFilter,
    isOwn: (row: Version) => boolean,
    total: number | null,
  ): Promise<number | null> {
    const { prefix } = filter;
    if (prefix !== null && !isCountedByPrefix(prefix)) {
      const { rows, isWhole } = await this.#readAll(target, filter);
      return isWhole ? rows.filter(isOwn).length : null;
    }
    if (total === null || (prefix !== null && !childPrefix.startsWith(prefix))) return total;
    // A tag contains no colon, so the names that begin with `sha256:` are the children, and the server counts them.
    const children = await this.#source(target, { ...filter, prefix: childPrefix }).fetch(0, 1);
    return children.total === null ? null : Math.max(0, total - children.total);
  }

  /** All rows that match a filter, among the first 1000 of the server's. */
  async #readAll(target: Target, filter: VersionFilter) {
    const list = await collect(this.#source(target, filter), { mostPages: mostWholePages, atOnce: 1 });
    return { ...list, rows: list.rows.filter((row) => isMatch(row, filter)) };
  }

  /** The server's list, a superset of the filter; NOT_FOUND where there is no such repository. */
  #source({ ref, repository }: Target, filter: VersionFilter): NumberedSource<Version> {
    const sent = { ...filter, prefix: literalPrefix(filter.prefix ?? "") };
    const floating = hasPackageTags(ref.key) ? () => this.#floatingTags(ref) : null;
    return {
      fetch: async (index, pageSize) => {
        const page = { pageNumber: index + 1, pageSize };
        const answer = await this.#client.pageVersions(repository, ref.key, sent, page);
        const context = packageContext(this.#client, repository, ref.key, answer);
        return { ...answer, rows: answer.rows.map((row) => toVersion(row, context, floating)) };
      },
      identity: ({ name }) => name,
      maxSize: largestPage,
    };
  }

  /** The tags of the package, which this request may have read already. */
  async #floatingTags(ref: PackageRef): Promise<ReadonlyMap<string, string>> {
    const owner = await this.#packages.byRef.load(ref);
    if (owner.kind === "FOUND") return owner.value.floating;
    if (owner.kind === "UNKNOWN" && owner.failure) throw owner.failure;
    throw this.#client.malformed(getPackage, "a package whose versions are listed");
  }
}

function listText({ ref, filter, request }: WindowKey): string {
  const { prefix, stages, direction } = filter;
  return keyText(packageText(ref), prefix, stages.join(), direction, ...(request.after ?? []));
}

function windowText(key: WindowKey): string {
  return keyText(listText(key), key.request.first);
}

function targetOf(ref: PackageRef | undefined): Target | null {
  if (ref === undefined || ref.key === "") return null;
  const repository = parseRepository(ref.repository);
  return repository === null ? null : { ref, repository };
}

/**
 * The newest of versions that the server sorted by publication. Of a whole list it is the one of the latest date, of
 * the beginning of a list the first one, where the dates prove the order. Unknown where dates are missing.
 */
function newestOf(versions: readonly Version[], isWhole: boolean): Answer<Version> {
  const [head, ...others] = versions;
  if (head === undefined) return noVersions;
  if (isWhole && others.length === 0) return found(head);
  const moments = versions.map(({ createdAt }) => (createdAt === null ? Number.NaN : Date.parse(createdAt)));
  if (moments.some(Number.isNaN)) return unknown("UNCHECKED_ORDER");
  const latest = moments.reduce((one, other) => Math.max(one, other));
  if (isWhole) return found(versions[moments.indexOf(latest)] ?? head);
  const isSorted = moments.every((moment, index) => index === 0 || moment <= (moments[index - 1] ?? 0));
  return isSorted ? found(head) : unknown("UNCHECKED_ORDER");
}

function isChild({ name }: Version): boolean {
  return name.startsWith(childPrefix);
}

/** Compares a row with the filter again: the server matches more. */
function isMatch({ name, stages }: Version, filter: VersionFilter): boolean {
  return name.startsWith(filter.prefix ?? "") && filter.stages.every((stage) => stages.includes(stage));
}

/** Stored stage tags begin with `@`, also where callers leave it out as the vendor's documents do. */
function stageTags(text: string | null): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "")
    .map((tag) => (tag.startsWith("@") ? tag : `@${tag}`));
}

/** The common prefix of all names; null where it is empty. */
function commonPrefix(names: readonly string[]): string | null {
  const [first = "", ...rest] = names;
  let length = first.length;
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length) || null;
}

/** The first rows of a larger window. */
function shorten(page: Page<Version>, first: number): Page<Version> {
  return page.rows.length <= first ? page : { ...page, rows: page.rows.slice(0, first), hasNext: true };
}
