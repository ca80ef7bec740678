import type { DroppedRow } from "../../model/backend.ts";
import type { Package, PackageFile, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { PurlParts } from "../../model/purl.ts";
import {
  type Absent,
  type Answer,
  absent,
  failed,
  firstGap,
  found,
  foundAny,
  impossible,
  joined,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageReader, VersionQuery } from "../backend.ts";
import { keyText } from "../loading/loader.ts";
import { readChain } from "../paging/chain.ts";
import { sliceWindow } from "../paging/window.ts";
import {
  type Access,
  emptyPage,
  isEmptyStart,
  type Listed,
  type Searched,
  unaskedOrigin,
  windowOf,
  withGap,
} from "./client.ts";
import { isUnpublished } from "./dialect.ts";
import { decodeOnce, isNamespace, type PackageKind, type PackageName, parseKey } from "./keys.ts";
import { listPackages, listVersions } from "./operations.ts";

/** One of the two kinds of packages. All methods reject with an UpstreamError. */
export interface PackageSegment {
  /** Begins the positions of its rows. */
  readonly id: PackageKind;
  readonly formats: readonly PackageFormat[];
  /** Whether its lists tell how many packages there are. */
  readonly isCounted: boolean;
  /** Proves that no package has a name. */
  readonly notNamed: Absent;
  /** The key of a package by its display name; null for an impossible name. */
  readonly keyOf: (name: string) => string | null;
  /** At least every package of a namespace that the query means; null as `namespace` searches all that are visible. */
  readonly list: (namespace: string | null, query: PackageQuery) => Promise<Answer<Listed<Package>>>;
  /** A window over all packages of a namespace, where the server reads it in order. */
  readonly window?: (namespace: string, request: PageRequest) => Promise<Answer<Page<Package>>>;
  readonly package: (name: PackageName) => Promise<Answer<Package>>;
  readonly version: (owner: PackageName, version: string) => Promise<Answer<Version>>;
  readonly versions: (owner: PackageName, query: VersionQuery, request: PageRequest) => Promise<Answer<Page<Version>>>;
  readonly newest: (owner: PackageName) => Promise<Answer<Version>>;
  readonly files: (owner: PackageName, version: string, request: PageRequest) => Promise<Answer<Page<PackageFile>>>;
  /** Versions by package URL, where it has a type of its own. */
  readonly byPurl?: PackageReader["byPurl"];
}

/** Tells that software packages are missing from an answer. */
const unpublished: DroppedRow = {
  operation: listPackages.name,
  index: 0,
  reason: "the region publishes no software package API",
};

interface Lists extends Searched {
  /** `namespace` is null for a list of every namespace. */
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
    if (target === null) return null;
    const { id, name } = target;
    return id === "images" ? { name, format: "DOCKER" } : { name: decodeOnce(name), format: "GENERIC" };
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
    this.#ask(ref, (segment, owner) => segment.files(owner, version, request));

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
    const whole = page && { ...page, dropped: [...notes, ...page.dropped] };
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
    const origin = lists[0]?.origin ?? unaskedOrigin(backend);
    const window = sliceWindow(request, rows, ({ ref }) => keyText(ref.repository, ref.key), { origin, dropped });
    const isCounted = dropped.length === 0 && segments.every((segment) => segment.isCounted);
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
    const images = this.#segments.find(({ id }) => id === "images");
    return purl.type === "oci" && images?.byPurl ? images.byPurl(purl, scope) : unknown("NOT_SEARCHABLE");
  };

  /** `pkg:generic/<name>@<version>`; software packages print no such URL, because it names nothing outside. */
  async #byGenericPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    const name = purl.namespace === null ? purl.name : `${purl.namespace}/${purl.name}`;
    const owners = await this.named(name, "GENERIC", scope);
    if (owners.kind !== "FOUND") return owners;
    const versions = await Promise.all(
      owners.value.map(async ({ ref }): Promise<Answer<readonly Version[]>> => {
        const one = await this.version({ package: ref, version, nativeId: null }).catch(failed);
        return mapAnswer(one, (value) => [value]);
      }),
    );
    return withGap(joined(versions, absent(listVersions, "WHOLE_LIST")), owners.gap);
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
    // The server's filters are fuzzy.
    return mapAnswer(await segment.list(namespace, query), (whole) => {
      return { ...whole, rows: whole.rows.filter(({ name }) => isMeant(name, query)) };
    });
  }

  async #pageOf(
    segment: PackageSegment,
    namespace: string,
    query: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Package>>> {
    if (query.name === null && segment.window) return segment.window(namespace, request);
    const page = windowOf(await this.#listOf(segment, namespace, query), request, ({ ref }) => ref.key);
    return segment.isCounted ? page : mapAnswer(page, (known) => ({ ...known, total: null }));
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

/**
 * Notes, once for a region, that it has no package API; the other segment is still answered. Throws any other error,
 * and every error of a single segment.
 */
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
