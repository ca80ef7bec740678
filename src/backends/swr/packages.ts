import type { DroppedRow, Page, PageRequest } from "../../model/backend.ts";
import type { Package, PackageFile, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { PurlParts } from "../../model/purl.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  emptyPage,
  failed,
  firstGap,
  found,
  foundAny,
  impossible,
  joined,
  mapAnswer,
  originNow,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageReader, VersionQuery } from "../backend.ts";
import { type Answers, batched, keyText, type Loader, single } from "../loading/loader.ts";
import { readChain } from "../paging/chain.ts";
import { sliceWindow } from "../paging/window.ts";
import {
  type Access,
  compare,
  isEmptyStart,
  type Listed,
  pick,
  readUnpaged,
  type Searched,
  type Sourced,
  windowOf,
  withGap,
} from "./client.ts";
import { isUnpublished } from "./dialect.ts";
import type { Images } from "./images.ts";
import { decodeOnce, isName, isNamespace, keyOfName, type PackageName, packageKey, parseKey } from "./keys.ts";
import { createdText, pathOf, sortableDate, toFile, toPackage, toVersion } from "./mapper.ts";
import { listFiles, listPackages, listVersions } from "./operations.ts";
import type { PackageRow, VersionRow } from "./payload.ts";

/** One of the two kinds of packages; its id begins the positions of its rows. */
type PackageSegment = Software | Images;

/** The three lists of the package API have no detail beside them: what they do not name does not exist. */
const noPackage = absent(listPackages, "WHOLE_LIST");
const noVersion = absent(listVersions, "WHOLE_LIST");
const noFile = absent(listFiles, "WHOLE_LIST");

/** Tells that software packages are missing from an answer. */
const unpublished: DroppedRow = {
  operation: listPackages.name,
  index: 0,
  reason: "the region publishes no software package API",
};

/** Lists that a search reads; `namespace` is null for a list of every namespace. */
interface Lists extends Searched {
  readonly lists: readonly { readonly segment: PackageSegment; readonly namespace: string | null }[];
}

/** Answers for the segments whose capability is configured; software packages come before image repositories. */
export class Packages implements PackageReader {
  readonly #access: Access;
  readonly #segments: readonly PackageSegment[];

  constructor(access: Access, segments: readonly PackageSegment[]) {
    this.#access = access;
    this.#segments = segments;
  }

  readonly keyOf: PackageReader["keyOf"] = (name, format) => this.#segmentsFor(format)[0]?.keyOf(name) ?? null;

  readonly parseKey: PackageReader["parseKey"] = (key) => {
    const target = parseKey(key);
    if (target?.id === "images") return { name: target.name, format: "DOCKER" };
    return target && { name: decodeOnce(target.name), format: "GENERIC" };
  };

  readonly package: PackageReader["package"] = (ref) => this.#ask(ref, (segment, name) => segment.package(name));

  readonly version: PackageReader["version"] = ({ package: ref, version }) =>
    this.#ask(ref, (segment, owner) => segment.version(owner, version));

  readonly versions: PackageReader["versions"] = async (ref, filter, request) => {
    // SWR has no stages, so a stage has no versions.
    if (filter.stage !== null) return mapAnswer(await this.package(ref), () => emptyPage(this.#access.backend));
    return this.#ask(ref, (segment, owner) => segment.versions(owner, filter, request));
  };

  readonly latest: PackageReader["latest"] = (ref) => this.#ask(ref, (segment, owner) => segment.newest(owner));

  readonly files: PackageReader["files"] = ({ package: ref, version }, request) =>
    this.#ask(ref, async (segment, owner) => {
      // An image has layers, not files.
      return segment.id === "images" ? found(emptyPage(this.#access.backend)) : segment.files(owner, version, request);
    });

  // Files have a checksum, but only behind one call for each version of each package.
  readonly byChecksum: PackageReader["byChecksum"] = async () => unknown("NOT_SEARCHABLE");

  readonly page: PackageReader["page"] = async ({ repository }, query, request) => {
    // Organizations are in no groups.
    if (repository === null) return unknown("NOT_SEARCHABLE");
    if (!isNamespace(repository)) return impossible;
    const segments = this.#segmentsFor(query.format);
    const notes: DroppedRow[] = [];
    const { page, answers } = await readChain(
      request,
      segments.map((segment) => ({
        id: segment.id,
        read: (inner) =>
          this.#pageOf(segment, repository, query, inner).catch((error) => withoutPackages(error, segments, notes)),
      })),
      "ONE_BY_ONE",
    );
    // What a region without package API holds is not counted.
    const total = answers.some(({ kind }) => kind === "UNKNOWN") ? null : (page?.total ?? null);
    const whole = page && { ...page, total, dropped: [...notes, ...page.dropped] };
    const answer = segments.length === 0 ? found(emptyPage(this.#access.backend)) : combined(answers, whole);
    return isEmptyStart(answer, request) ? this.#access.namespaces.emptied([repository], answer) : answer;
  };

  readonly search: PackageReader["search"] = async (query, request) => {
    const { backend, namespaces } = this.#access;
    const segments = this.#searchable(query.format);
    if (segments.length === 0) return unknown("NOT_SEARCHABLE");
    const sought = await this.#listsOf(segments, null);
    if (sought.kind !== "FOUND") return sought;
    const notes: DroppedRow[] = [];
    const answers = await Promise.all(
      sought.value.lists.map(({ segment, namespace }) =>
        this.#listOf(segment, namespace, query).catch((error: unknown) =>
          segments.length === 1 ? failed(error) : withoutPackages(error, segments, notes),
        ),
      ),
    );
    const lists = answers.flatMap((answer) => (answer.kind === "FOUND" ? answer.value : []));
    const rows = lists.flatMap((list) => list.rows);
    // Namespaces that were asked together share one answer, and so the rows that were dropped from it.
    const dropped = [...new Set([...lists.flatMap((list) => list.dropped), ...sought.value.dropped, ...notes])];
    const gap = firstGap(answers) ?? sought.gap;
    const isEmpty = rows.length === 0 && dropped.length === 0;
    if (isEmpty && gap !== null) return gap;
    const origin = lists[0]?.origin ?? originNow(backend);
    const window = sliceWindow(request, rows, ({ ref }) => keyText(ref.repository, ref.key), { origin, dropped });
    const isCounted = dropped.length === 0 && segments.every(({ id }) => id === "images");
    const answer = found(isCounted ? window : { ...window, total: null }, unlessNotSearchable(gap));
    return isEmpty ? namespaces.emptied(sought.value.namespaces, answer) : answer;
  };

  readonly named: PackageReader["named"] = async (name, format, scope) => {
    const [segment] = this.#searchable(format);
    if (segment === undefined) return unknown("NOT_SEARCHABLE");
    if (scope !== null && !isNamespace(scope)) return impossible;
    const sought = await this.#listsOf([segment], scope);
    if (sought.kind !== "FOUND") return sought;
    const answers = await Promise.all(
      sought.value.lists.map(async ({ namespace }): Promise<Answer<readonly Package[]>> => {
        const list = await this.#listOf(segment, namespace, { name, match: "EXACT", format }).catch(failed);
        return list.kind === "FOUND" ? foundAny(list.value.rows, segment.notNamed, list.gap) : list;
      }),
    );
    const all = joined(answers, segment.notNamed);
    // It may be in the namespace whose row could not be read.
    if (all.kind !== "ABSENT") return all;
    // Each image was asked for by its key; an empty list of packages may be that of a missing namespace.
    if (sought.gap !== null || segment.id === "images") return sought.gap ?? all;
    return this.#access.namespaces.emptied(sought.value.namespaces, all);
  };

  readonly byPurl: PackageReader["byPurl"] = async (purl, scope) => {
    if (purl.type === "generic") return this.#byGenericPurl(purl, scope);
    const images = this.#segments.find((segment) => segment.id === "images");
    return purl.type === "oci" && images ? images.byPurl(purl, scope) : unknown("NOT_SEARCHABLE");
  };

  /** `pkg:generic/<name>@<version>`; software packages print no such URL, because it names nothing outside. */
  async #byGenericPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    const name = purl.namespace === null ? purl.name : `${purl.namespace}/${purl.name}`;
    const owners = await this.named(name, "GENERIC", scope);
    if (owners.kind !== "FOUND") return owners;
    const read = async (ref: PackageRef): Promise<Answer<readonly Version[]>> =>
      mapAnswer(await this.version({ package: ref, version, nativeId: null }), (one) => [one]);
    const versions = await Promise.all(owners.value.map(({ ref }) => read(ref).catch(failed)));
    return withGap(joined(versions, noVersion), owners.gap);
  }

  /** Asks the segment that the ref is of; unknown where its capability is switched off. */
  async #ask<T>(
    { repository: namespace, key }: PackageRef,
    ask: (segment: PackageSegment, name: PackageName) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const target = parseKey(key);
    if (target === null || !isNamespace(namespace)) return impossible;
    const segment = this.#segments.find(({ id }) => id === target.id);
    return segment ? ask(segment, { namespace, name: target.name }) : unknown("NOT_SEARCHABLE");
  }

  #segmentsFor(format: PackageFormat | null): readonly PackageSegment[] {
    return this.#segments.filter(({ formats }) => format === null || formats.includes(format));
  }

  /** Empty where a format is in no segment, or only in the package API that the region does not publish. */
  #searchable(format: PackageFormat | null): readonly PackageSegment[] {
    const segments = this.#segmentsFor(format);
    const lacksApi = this.#access.region.lacksPackages.get() !== null;
    return lacksApi && segments.every(({ id }) => id === "packages") ? [] : segments;
  }

  /** The lists of these segments in one namespace, or wherever this backend searches. */
  async #listsOf(segments: readonly PackageSegment[], scope: string | null): Promise<Answer<Lists>> {
    const { namespaces } = this.#access;
    // One list has the software packages of all namespaces: these need not be known for it.
    const isOneList = ({ id }: PackageSegment) =>
      id === "packages" && scope === null && namespaces.configured.length === 0;
    const each = segments.filter((segment) => !isOneList(segment));
    const searched = each.length > 0 ? await namespaces.searched(scope) : found({ namespaces: [], dropped: [] });
    return mapAnswer(searched, ({ namespaces: all, dropped }) => {
      const whole = segments.filter(isOneList).map((segment) => ({ segment, namespace: null }));
      const lists = all.flatMap((namespace) => each.map((segment) => ({ segment, namespace })));
      return { lists: [...whole, ...lists], namespaces: all, dropped };
    });
  }

  /** Every package of one segment that the query means. */
  async #listOf(
    segment: PackageSegment,
    namespace: string | null,
    query: PackageQuery,
  ): Promise<Answer<Listed<Package>>> {
    const list = segment.id === "packages" ? await segment.list(namespace) : await segment.list(namespace, query);
    // The server's filters are fuzzy.
    return mapAnswer(list, (whole) => ({ ...whole, rows: whole.rows.filter(({ name }) => isMeant(name, query)) }));
  }

  async #pageOf(
    segment: PackageSegment,
    namespace: string,
    query: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Package>>> {
    if (query.name === null && segment.id === "images") return segment.window(namespace, request);
    const page = windowOf(await this.#listOf(segment, namespace, query), request, ({ ref }) => ref.key);
    return segment.id === "images" ? page : mapAnswer(page, (known) => ({ ...known, total: null }));
  }
}

/** The rows of several segments as one answer. */
function combined(answers: readonly Answer<Page<Package>>[], whole: Page<Package> | null): Answer<Page<Package>> {
  const gap = firstGap(answers);
  if (whole !== null && (whole.rows.length > 0 || whole.dropped.length > 0 || gap === null)) {
    return found(whole, unlessNotSearchable(gap));
  }
  return gap ?? answers[0] ?? unknown("NOT_SEARCHABLE");
}

/** A region without package API proves nothing about packages: the answer is the rows of images. */
function unlessNotSearchable(gap: Unknown | null): Unknown | null {
  return gap?.reason === "NOT_SEARCHABLE" ? null : gap;
}

/** Notes, once for a region, that it has no package API, for the other segment to be answered; throws other errors. */
function withoutPackages(error: unknown, segments: readonly PackageSegment[], notes: DroppedRow[]): Unknown {
  if (segments.length === 1 || !isUnpublished(error)) throw error;
  if (error.status !== null) notes.push(unpublished);
  return unknown("NOT_SEARCHABLE");
}

function isMeant(name: string, { name: text, match }: PackageQuery): boolean {
  if (text === null) return true;
  if (match === "EXACT") return name === text;
  return match === "PREFIX" ? name.startsWith(text) : name.includes(text);
}

/** Software packages of one request; equal reads are one call. All reject with an UpstreamError. */
export class Software {
  readonly id = "packages";
  readonly formats: readonly PackageFormat[] = ["GENERIC"];
  readonly notNamed = noPackage;
  readonly keyOf = keyOfName;
  readonly #access: Access;
  /** Rows of one namespace, or of all that are visible. */
  readonly #rows: Loader<{ readonly namespace: string | null }, Answer<Listed<Sourced<PackageRow>>>>;
  readonly #lists: Loader<string, Answer<Listed<Package>>>;
  readonly #versions: Loader<PackageName, Answer<Listed<Version>>>;
  readonly #files: Loader<readonly [owner: PackageName, version: string], Answer<Listed<PackageFile>>>;

  constructor(access: Access) {
    const { backend, call } = access;
    this.#access = access;
    this.#rows = single(
      ({ namespace }) => namespace ?? "",
      ({ namespace }) => this.#readRows(namespace),
    );
    this.#lists = batched(
      (namespace) => namespace,
      (namespaces, answers) => this.#readLists(namespaces, answers),
      { call, backend, operation: listPackages.name },
    );
    // Two spellings of one name (`%e6`, `%E6`) are one key.
    this.#versions = single(
      ({ namespace, name }) => keyText(namespace, decodeOnce(name)),
      (owner) => this.#readVersions(owner),
      { call, backend, operation: listVersions.name },
    );
    this.#files = single(
      ([{ namespace, name }, version]) => keyText(namespace, decodeOnce(name), version),
      ([owner, version]) => this.#readFiles(owner, version),
      { call, backend, operation: listFiles.name },
    );
  }

  /**
   * All packages of a namespace in order of their names; several namespaces asked together are one call. Null: all that
   * are visible, by namespace and name. Whether an empty namespace exists is for the caller to ask.
   */
  async list(namespace: string | null): Promise<Answer<Listed<Package>>> {
    if (namespace !== null) return this.#lists.load(namespace);
    return mapAnswer(await this.#rows.load({ namespace: null }), (list) => ({
      ...list,
      rows: toPackages(list.rows),
    }));
  }

  async package({ namespace, name }: PackageName): Promise<Answer<Package>> {
    const shown = decodeOnce(name);
    const answer = pick(await this.#lists.load(namespace), (one) => one.name === shown, noPackage);
    return answer.kind === "ABSENT" ? this.#access.namespaces.emptied([namespace], answer) : answer;
  }

  async version(owner: PackageName, version: string): Promise<Answer<Version>> {
    const list = await this.#versions.load(owner);
    // The server spells names encoded, and a person may have written the decoded name.
    const exact = pick(list, (one) => one.ref.version === version, noVersion);
    return exact.kind === "FOUND" ? exact : pick(list, (one) => one.name === version, noVersion);
  }

  /** In order of publication. */
  async versions(
    owner: PackageName,
    { prefix, direction }: VersionQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Version>>> {
    const list = mapAnswer(await this.#versions.load(owner), (whole) => {
      const rows = whole.rows.filter((one) => one.name.startsWith(prefix ?? ""));
      return { ...whole, rows: direction === "DESC" ? rows.reverse() : rows };
    });
    return windowOf(list, request, (one) => one.ref.version);
  }

  async newest(owner: PackageName): Promise<Answer<Version>> {
    const list = await this.#versions.load(owner);
    if (list.kind !== "FOUND") return list;
    // The row that could not be read may be the newest, and so may be one without a date.
    if (list.gap !== null) return list.gap;
    const { rows } = list.value;
    const newest = rows.at(-1);
    if (newest === undefined) return noVersion;
    const isDated = rows.every(({ createdAt }) => createdAt !== null);
    return rows.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
  }

  /** In order of their paths. */
  async files(owner: PackageName, version: string, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    // As a path part an impossible version would point elsewhere.
    const list = isName(version) ? await this.#files.load([owner, version]) : impossible;
    return windowOf(list, request, (file) => file.path ?? file.name);
  }

  #readRows(namespace: string | null): Promise<Answer<Listed<Sourced<PackageRow>>>> {
    const read = readUnpaged(
      (slice) => this.#access.client.listPackages(namespace, slice),
      (row) => keyText(row.namespace, decodeOnce(row.package)),
    );
    return absentIfNotFound(read, noPackage);
  }

  /** A single namespace is a filter that the server has; for several, one list of everything is fewer calls. */
  async #readLists(namespaces: readonly string[], answers: Answers<Listed<Package>>) {
    const [only = null] = namespaces.length === 1 ? namespaces : [];
    const answer = await this.#rows.load({ namespace: only });
    // Matched by the row's own namespace: the same name may be in several, and filters are not to be trusted.
    const groups = Map.groupBy(answer.kind === "FOUND" ? answer.value.rows : [], (row) => row.namespace);
    for (const namespace of namespaces) {
      const rows = groups.get(namespace) ?? [];
      if (rows.length > 0) this.#access.region.setNonEmpty(namespace);
      const own = mapAnswer(answer, (list) => ({ ...list, rows: toPackages(rows) }));
      answers.set(namespace, own);
    }
    return answers;
  }

  /** Oldest first. */
  async #readVersions(owner: PackageName): Promise<Answer<Listed<Version>>> {
    const read = readUnpaged<Sourced<VersionRow>>(
      (slice) => this.#access.client.listVersions(owner, slice),
      (row) => row.version,
    );
    const key = packageKey(owner.name);
    const list = mapAnswer(await absentIfNotFound(read, noVersion), (whole) => {
      const sorted = whole.rows.toSorted(byPublication);
      return { ...whole, rows: sorted.map((row) => toVersion(row, owner.namespace, key)) };
    });
    return unlessNamed(list, noVersion, async () => mapAnswer(await this.package(owner), () => true));
  }

  async #readFiles(owner: PackageName, version: string): Promise<Answer<Listed<PackageFile>>> {
    const { client, base } = this.#access;
    const read = readUnpaged((slice) => client.listFiles(owner, version, slice), pathOf);
    const list = mapAnswer(await absentIfNotFound(read, noFile), (whole) => {
      const sorted = whole.rows.toSorted((one, other) => compare(pathOf(one), pathOf(other)));
      return { ...whole, rows: sorted.map((row) => toFile(row, base)) };
    });
    // Versions without files are usual: they may be uploaded later.
    return unlessNamed(list, noFile, async () =>
      mapAnswer(await this.version(owner, version), (one) => !one.fileCount),
    );
  }
}

/** A list, unless it is missing or empty although its owner, read by `isOwnerEmpty`, exists and is not empty. */
async function unlessNamed<T>(
  list: Answer<Listed<T>>,
  absence: Absent,
  isOwnerEmpty: () => Promise<Answer<boolean>>,
): Promise<Answer<Listed<T>>> {
  const isEmpty = list.kind === "FOUND" && list.value.rows.length === 0 && list.gap === null;
  if (list.kind === "FOUND" && !isEmpty) return list;
  const owner = await isOwnerEmpty();
  if (owner.kind === "FOUND") return isEmpty && owner.value ? list : unknown("DETAIL_MISSING");
  return owner.kind === "ABSENT" && owner.operation !== null ? absence : owner;
}

function toPackages(rows: readonly Sourced<PackageRow>[]): readonly Package[] {
  return rows
    .map(toPackage)
    .sort((one, other) => compare(one.ref.repository, other.ref.repository) || compare(one.name, other.name));
}

// The order of the list is not promised, and names do not sort as versions do.
function byPublication(one: VersionRow, other: VersionRow): number {
  const dates = compare(sortableDate(createdText(one)), sortableDate(createdText(other)));
  return dates || compare(one.version, other.version);
}
