import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Package, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { PurlParts } from "../../model/purl.ts";
import {
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
import type { PackageQuery, PackageReader } from "../backend.ts";
import { keyText } from "../loading/loader.ts";
import { readChain } from "../paging/chain.ts";
import { sliceWindow } from "../paging/window.ts";
import type { Access, Searched } from "./client.ts";
import { isUnpublished } from "./dialect.ts";
import type { Images } from "./images.ts";
import {
  decodeOnce,
  imageKey,
  isNamespace,
  isRepositoryPath,
  isTag,
  keyOfName,
  type PackageName,
  parseKey,
  parseRef,
  type RepositoryName,
} from "./keys.ts";
import { isEmptyStart, type Listed, windowOf, withGap } from "./lists.ts";
import { getRepository, listPackages } from "./operations.ts";
import { noVersion, type Software } from "./software.ts";

/** Software packages come before image repositories; a position begins with the segment it belongs to. */
type Segment = "packages" | "images";

/** What proves that nothing has a name. */
const notNamed = {
  packages: absent(listPackages, "WHOLE_LIST"),
  images: absent(getRepository, "KEYED_READ"),
} as const;

/** Tells that software packages are missing from an answer. */
const unpublished: DroppedRow = {
  operation: listPackages.name,
  index: 0,
  reason: "the region publishes no software package API",
};

interface List {
  readonly segment: Segment;
  /** Null for software packages of every namespace. */
  readonly namespace: string | null;
}

interface Lists extends Searched {
  readonly lists: readonly List[];
}

/** Answers for software packages and image repositories; either is null where its capability is switched off. */
export class Packages implements PackageReader {
  readonly #access: Access;
  readonly #software: Software | null;
  readonly #images: Images | null;

  constructor(access: Access, software: Software | null, images: Images | null) {
    this.#access = access;
    this.#software = software;
    this.#images = images;
  }

  readonly keyOf: PackageReader["keyOf"] = (name, format) => {
    const [segment] = this.#segmentsFor(format);
    if (segment === "packages") return keyOfName(name);
    return segment === "images" && isRepositoryPath(name) ? imageKey(name) : null;
  };

  readonly parseKey: PackageReader["parseKey"] = (key) => {
    const target = parseKey(key);
    if (target === null) return null;
    return target.kind === "image"
      ? { name: target.path, format: "DOCKER" }
      : { name: decodeOnce(target.raw), format: "GENERIC" };
  };

  readonly package: PackageReader["package"] = (ref) =>
    this.#either(
      ref,
      (name, software) => software.package(name),
      (name, { repositories }) => repositories.repository(name),
    );

  readonly version: PackageReader["version"] = ({ package: ref, version }) =>
    this.#either(
      ref,
      (name, software) => software.version(name, version),
      async (name, { tags }) => (isTag(version) ? tags.version(name, version) : impossible),
    );

  readonly versions: PackageReader["versions"] = async (ref, filter, request) => {
    // SWR has no stages, so a stage has no versions.
    if (filter.stage !== null) return mapAnswer(await this.package(ref), () => this.#noRows());
    return this.#either(
      ref,
      async (name, software) => {
        const list = mapAnswer(await software.versions(name), (whole) => {
          const rows = whole.rows.filter((one) => one.name.startsWith(filter.prefix ?? ""));
          return { ...whole, rows: filter.direction === "DESC" ? rows.reverse() : rows };
        });
        return windowOf(list, request, (one) => one.ref.version);
      },
      (name, { tags }) => tags.versions(name, filter, request),
    );
  };

  readonly latest: PackageReader["latest"] = (ref) =>
    this.#either(
      ref,
      (name, software) => software.newest(name),
      (name, { tags }) => tags.newest(name),
    );

  readonly files: PackageReader["files"] = ({ package: ref, version }, request) =>
    this.#either(
      ref,
      async (name, software) =>
        windowOf(await software.files(name, version), request, (file) => file.path ?? file.name),
      // An image has layers, not files.
      async () => found(this.#noRows()),
    );

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
      segments.map((id) => ({
        id,
        read: (inner) =>
          this.#pageOf(id, repository, query, inner).catch((error) => withoutPackages(error, segments, notes)),
      })),
      "ONE_BY_ONE",
    );
    const whole = page && { ...page, dropped: [...notes, ...page.dropped] };
    const answer = segments.length === 0 ? found(this.#noRows()) : combined(answers, whole);
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
    const isCounted = !segments.includes("packages") && dropped.length === 0;
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
        return list.kind === "FOUND" ? foundAny(list.value.rows, notNamed[segment], list.gap) : list;
      }),
    );
    const all = joined(answers, notNamed[segment]);
    // It may be in the namespace whose row could not be read.
    if (all.kind !== "ABSENT") return all;
    // Each image was asked for by its key; an empty list of packages may be that of a missing namespace.
    if (sought.gap !== null || segment === "images") return sought.gap ?? all;
    return this.#access.namespaces.emptied(sought.value.namespaces, all);
  };

  readonly byPurl: PackageReader["byPurl"] = async (purl, scope) => {
    if (purl.type === "generic") return this.#byGenericPurl(purl, scope);
    const isImage = purl.type === "oci" && this.#images !== null;
    return isImage ? this.#images.byPurl(purl, scope) : unknown("NOT_SEARCHABLE");
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
    return withGap(joined(versions, noVersion), owners.gap);
  }

  /** Dispatches on what the ref names; unknown where that capability is switched off. */
  async #either<T>(
    ref: PackageRef,
    ofPackage: (name: PackageName, software: Software) => Promise<Answer<T>>,
    ofImage: (name: RepositoryName, images: Images) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const target = parseRef(ref);
    if (target === null) return impossible;
    if (target.kind === "package")
      return this.#software ? ofPackage(target, this.#software) : unknown("NOT_SEARCHABLE");
    return this.#images ? ofImage(target, this.#images) : unknown("NOT_SEARCHABLE");
  }

  #segmentsFor(format: PackageFormat | null): readonly Segment[] {
    const segments: Segment[] = [];
    if (this.#software && (format === null || format === "GENERIC")) segments.push("packages");
    if (this.#images && (format === null || format === "DOCKER" || format === "OCI")) segments.push("images");
    return segments;
  }

  /** Empty where a format is in no segment, or only in the package API that the region does not publish. */
  #searchable(format: PackageFormat | null): readonly Segment[] {
    const segments = this.#segmentsFor(format);
    const isOnlyPackages = segments.length === 1 && segments[0] === "packages";
    return isOnlyPackages && this.#access.region.lacksPackages.get() !== null ? [] : segments;
  }

  /** The lists of these segments in one namespace, or wherever this backend searches. */
  async #listsOf(segments: readonly Segment[], scope: string | null): Promise<Answer<Lists>> {
    const { namespaces } = this.#access;
    // One list has the packages of all namespaces: these need not be known for it.
    const isOneList = scope === null && namespaces.configured.length === 0 && segments.includes("packages");
    const each = isOneList ? segments.filter((segment) => segment !== "packages") : segments;
    const searched = each.length > 0 ? await namespaces.searched(scope) : found({ namespaces: [], dropped: [] });
    return mapAnswer(searched, ({ namespaces: all, dropped }) => {
      const lists: List[] = all.flatMap((namespace) => each.map((segment) => ({ segment, namespace })));
      if (isOneList) lists.unshift({ segment: "packages", namespace: null });
      return { lists, namespaces: all, dropped };
    });
  }

  /** Every package of one segment that the query means; software packages of any namespace for null. */
  async #listOf(segment: Segment, namespace: string | null, query: PackageQuery): Promise<Answer<Listed<Package>>> {
    const list = await (segment === "images" && namespace !== null
      ? this.#imagesNamed(namespace, query)
      : (this.#software?.list(namespace) ?? unknown("NOT_SEARCHABLE")));
    // The server's filters are fuzzy.
    return mapAnswer(list, (whole) => ({ ...whole, rows: whole.rows.filter(({ name }) => isMeant(name, query)) }));
  }

  async #imagesNamed(namespace: string, { name, match }: PackageQuery): Promise<Answer<Listed<Package>>> {
    if (this.#images === null) return unknown("NOT_SEARCHABLE");
    const { repositories } = this.#images;
    if (match !== "EXACT" || name === null) return repositories.list(namespace, name ?? "");
    const one = isRepositoryPath(name) ? await repositories.repository({ namespace, path: name }) : impossible;
    // A missing repository proves nothing about the namespace.
    if (one.kind === "ABSENT") return found({ rows: [], dropped: [], origin: unaskedOrigin(this.#access.backend) });
    return mapAnswer(one, (row) => ({ rows: [row], dropped: [], origin: row.origin }));
  }

  async #pageOf(
    segment: Segment,
    namespace: string,
    query: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Package>>> {
    const isImages = segment === "images";
    if (isImages && query.name === null && this.#images) return this.#images.repositories.page(namespace, request);
    const page = windowOf(await this.#listOf(segment, namespace, query), request, ({ ref }) => ref.key);
    return isImages ? page : mapAnswer(page, (known) => ({ ...known, total: null }));
  }

  /** The page of a place that exists and has nothing of what was asked for. */
  #noRows(): Page<never> {
    return { rows: [], hasNext: false, total: 0, origin: unaskedOrigin(this.#access.backend), dropped: [] };
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
function withoutPackages(error: unknown, segments: readonly Segment[], notes: DroppedRow[]): Unknown {
  if (segments.length === 1 || !isUnpublished(error)) throw error;
  if (error.status !== null) notes.push(unpublished);
  return unknown("NOT_SEARCHABLE");
}

function isMeant(name: string, { name: text, match }: PackageQuery): boolean {
  if (text === null) return true;
  if (match === "EXACT") return name === text;
  return match === "PREFIX" ? name.startsWith(text) : name.includes(text);
}

/** The origin of an answer that needed no call. */
function unaskedOrigin(backend: string): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
}
