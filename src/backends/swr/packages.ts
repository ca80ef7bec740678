import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Package, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { Page, PageRequest, Row } from "../../model/page.ts";
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
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageReader } from "../backend.ts";
import { keyText } from "../batch.ts";
import { sliceWindow } from "../paging.ts";
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
import type { Access, Searched } from "./namespaces.ts";
import { getRepository, listPackages } from "./operations.ts";
import { createSoftware, noVersion, type Software } from "./software.ts";
import { isEmptyStart, type Whole, windowOf, withGap } from "./walk.ts";

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

/** Answers for software packages and image repositories; either is null where its capability is switched off. */
export function createPackageReader(access: Access, hasPackages: boolean, images: Images | null): PackageReader {
  const { backend, region, namespaces } = access;
  const packages = hasPackages ? createSoftware(access) : null;

  function segmentsFor(format: PackageFormat | null): readonly Segment[] {
    const segments: Segment[] = [];
    if (packages !== null && (format === null || format === "GENERIC")) segments.push("packages");
    if (images !== null && (format === null || format === "DOCKER" || format === "OCI")) segments.push("images");
    return segments;
  }

  /** Whether a format can be searched: null where it is in no segment, or only in a package API that does not exist. */
  function searchableSegments(format: PackageFormat | null): readonly Segment[] {
    const segments = segmentsFor(format);
    const isOnlyPackages = segments.length === 1 && segments[0] === "packages";
    return isOnlyPackages && region.lacksPackages.get() !== null ? [] : segments;
  }

  /** Every package of one segment that the query means; software packages of any namespace for null. */
  async function listOf(
    segment: Segment,
    namespace: string | null,
    query: PackageQuery,
  ): Promise<Answer<Whole<Package>>> {
    const list = await (segment === "images" && namespace !== null
      ? imagesNamed(namespace, query)
      : (packages?.list(namespace) ?? unknown("NOT_SEARCHABLE")));
    // The server's filters are fuzzy.
    return mapAnswer(list, (whole) => ({ ...whole, rows: whole.rows.filter(({ name }) => isMeant(name, query)) }));
  }

  async function imagesNamed(namespace: string, { name, match }: PackageQuery): Promise<Answer<Whole<Package>>> {
    if (images === null) return unknown("NOT_SEARCHABLE");
    if (match !== "EXACT" || name === null) return images.list(namespace, name ?? "");
    const one = isRepositoryPath(name) ? await images.repository({ namespace, path: name }) : impossible;
    // A missing repository proves nothing about the namespace.
    if (one.kind === "ABSENT") return found({ rows: [], dropped: [], origin: unaskedOrigin(backend) });
    return mapAnswer(one, (row) => ({ rows: [row], dropped: [], origin: row.origin }));
  }

  async function pageOf(
    segment: Segment,
    namespace: string,
    query: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Package>>> {
    if (segment === "images" && images !== null && query.name === null) return images.page(namespace, request);
    const page = windowOf(await listOf(segment, namespace, query), request, ({ ref }) => ref.key);
    return segment === "images" ? page : mapAnswer(page, (known) => ({ ...known, total: null }));
  }

  /** One segment behind the other, each asked only where the page reaches it. */
  async function page(namespace: string, query: PackageQuery, request: PageRequest): Promise<Answer<Page<Package>>> {
    const segments = segmentsFor(query.format);
    const start = segments.findIndex((segment) => segment === request.after?.[0]);
    const rows: Row<Package>[] = [];
    const dropped: DroppedRow[] = [];
    const answers: Answer<Page<Package>>[] = [];
    let last: Page<Package> | null = null;
    for (const [index, segment] of segments.entries()) {
      if (index < start) continue;
      const inner = index === start ? (request.after?.slice(1) ?? []) : [];
      // Where the page is full, one row shows whether there are more.
      const room = request.first - rows.length;
      try {
        const after = inner.length === 0 ? null : inner;
        const part = await pageOf(segment, namespace, query, { first: Math.max(room, 1), after });
        answers.push(part);
        if (part.kind === "FOUND") {
          const { value } = part;
          last = { ...value, hasNext: room === 0 ? value.rows.length > 0 : value.hasNext };
          for (const row of value.dropped) dropped.push(row);
          if (room > 0) for (const row of value.rows) rows.push({ ...row, position: [segment, ...row.position] });
          if (last.hasNext) break;
        }
      } catch (error) {
        if (segments.length === 1) throw error;
        for (const row of withoutPackages(error)) dropped.push(row);
        answers.push(unknown("NOT_SEARCHABLE"));
      }
      // The next page has no reason to come back to a list that has ended.
      const [end, next] = [rows.at(-1), segments[index + 1]];
      if (end !== undefined && next !== undefined) rows.splice(-1, 1, { ...end, position: [next] });
    }
    const whole = last && { ...last, rows, dropped, total: segments.length === 1 ? last.total : null };
    const answer = answers.length === 0 ? found(noRows(backend)) : combined(answers, whole);
    return isEmptyStart(answer, request) ? namespaces.emptied([namespace], answer) : answer;
  }

  /** The lists of these segments in one namespace, or wherever this backend searches. */
  async function listsOf(segments: readonly Segment[], scope: string | null): Promise<Answer<Lists>> {
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

  const search: PackageReader["search"] = async (query, request) => {
    const segments = searchableSegments(query.format);
    if (segments.length === 0) return unknown("NOT_SEARCHABLE");
    const sought = await listsOf(segments, null);
    if (sought.kind !== "FOUND") return sought;
    const notes: DroppedRow[] = [];
    const answers = await Promise.all(
      sought.value.lists.map(({ segment, namespace }) =>
        listOf(segment, namespace, query).catch((error: unknown): Answer<Whole<Package>> => {
          if (segments.length === 1) return failed(error);
          for (const note of withoutPackages(error)) notes.push(note);
          return unknown("NOT_SEARCHABLE");
        }),
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
    const answer = found(
      isCounted ? window : { ...window, total: null },
      gap?.reason === "NOT_SEARCHABLE" ? null : gap,
    );
    return isEmpty ? namespaces.emptied(sought.value.namespaces, answer) : answer;
  };

  const named: PackageReader["named"] = async (name, format, scope) => {
    const [segment] = searchableSegments(format);
    if (segment === undefined) return unknown("NOT_SEARCHABLE");
    if (scope !== null && !isNamespace(scope)) return impossible;
    const sought = await listsOf([segment], scope);
    if (sought.kind !== "FOUND") return sought;
    const answers = await Promise.all(
      sought.value.lists.map(async ({ namespace }): Promise<Answer<readonly Package[]>> => {
        const list = await listOf(segment, namespace, { name, match: "EXACT", format }).catch(failed);
        return list.kind === "FOUND" ? foundAny(list.value.rows, notNamed[segment], list.gap) : list;
      }),
    );
    const all = joined(answers, notNamed[segment]);
    // It may be in the namespace whose row could not be read.
    if (all.kind !== "ABSENT") return all;
    // Each image was asked for by its key; an empty list of packages may be that of a missing namespace.
    return sought.gap ?? (segment === "images" ? all : namespaces.emptied(sought.value.namespaces, all));
  };

  /** `pkg:generic/<name>@<version>`; software packages print no such URL, because it names nothing outside. */
  async function byGenericPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    const name = purl.namespace === null ? purl.name : `${purl.namespace}/${purl.name}`;
    const owners = await named(name, "GENERIC", scope);
    if (owners.kind !== "FOUND") return owners;
    const versions = await Promise.all(
      owners.value.map(async ({ ref }): Promise<Answer<readonly Version[]>> => {
        const one = await readVersion({ package: ref, version, nativeId: null }).catch(failed);
        return mapAnswer(one, (value) => [value]);
      }),
    );
    return withGap(joined(versions, noVersion), owners.gap);
  }

  /** Dispatches on what the ref names; unknown where that capability is switched off. */
  async function either<T>(
    ref: PackageRef,
    ofPackage: (name: PackageName, software: Software) => Promise<Answer<T>>,
    ofImage: (name: RepositoryName, from: Images) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const target = parseRef(ref);
    if (target === null) return impossible;
    if (target.kind === "image") return images === null ? unknown("NOT_SEARCHABLE") : ofImage(target, images);
    return packages === null ? unknown("NOT_SEARCHABLE") : ofPackage(target, packages);
  }

  const readPackage: PackageReader["package"] = (ref) =>
    either(
      ref,
      (name, software) => software.package(name),
      (name, from) => from.repository(name),
    );

  const readVersion: PackageReader["version"] = ({ package: ref, version }) =>
    either(
      ref,
      (name, software) => software.version(name, version),
      async (name, from) => (isTag(version) ? from.version(name, version) : impossible),
    );

  return {
    keyOf: (name, format) => {
      const [segment] = segmentsFor(format);
      if (segment === "packages") return keyOfName(name);
      return segment === "images" && isRepositoryPath(name) ? imageKey(name) : null;
    },
    parseKey: (key) => {
      const target = parseKey(key);
      if (target === null) return null;
      return target.kind === "image"
        ? { name: target.path, format: "DOCKER" }
        : { name: decodeOnce(target.raw), format: "GENERIC" };
    },
    package: readPackage,
    page: async ({ repository }, query, request) => {
      // Organizations are in no groups.
      if (repository === null) return unknown("NOT_SEARCHABLE");
      return isNamespace(repository) ? page(repository, query, request) : impossible;
    },
    version: readVersion,
    versions: async (ref, filter, request) => {
      // SWR has no stages, so a stage has no versions.
      if (filter.stage !== null) return mapAnswer(await readPackage(ref), () => noRows(backend));
      return either(
        ref,
        async (name, software) => {
          const list = mapAnswer(await software.versions(name), (whole) => {
            const rows = whole.rows.filter((one) => one.name.startsWith(filter.prefix ?? ""));
            return { ...whole, rows: filter.direction === "DESC" ? rows.reverse() : rows };
          });
          return windowOf(list, request, (one) => one.ref.version);
        },
        (name, from) => from.versions(name, filter, request),
      );
    },
    latest: (ref) =>
      either(
        ref,
        (name, software) => software.newest(name),
        (name, from) => from.newest(name),
      ),
    files: ({ package: ref, version }, request) =>
      either(
        ref,
        async (name, software) =>
          windowOf(await software.files(name, version), request, (file) => file.path ?? file.name),
        // An image has layers, not files.
        async () => found(noRows(backend)),
      ),
    // Files have a checksum, but only behind one call for each version of each package.
    byChecksum: async () => unknown("NOT_SEARCHABLE"),
    named,
    byPurl: async (purl, scope) => {
      if (purl.type === "generic") return byGenericPurl(purl, scope);
      return purl.type === "oci" && images !== null ? images.byPurl(purl, scope) : unknown("NOT_SEARCHABLE");
    },
    search,
  };
}

interface List {
  readonly segment: Segment;
  /** Null for software packages of every namespace. */
  readonly namespace: string | null;
}

interface Lists extends Searched {
  readonly lists: readonly List[];
}

/** The rows of several segments as one answer. */
function combined(answers: readonly Answer<Page<Package>>[], whole: Page<Package> | null): Answer<Page<Package>> {
  const gap = firstGap(answers);
  // A region without package API proves nothing about packages: the answer is the rows of images.
  if (whole !== null && (whole.rows.length > 0 || whole.dropped.length > 0 || gap === null)) {
    return found(whole, gap?.reason === "NOT_SEARCHABLE" ? null : gap);
  }
  return gap ?? answers[0] ?? unknown("NOT_SEARCHABLE");
}

/** Notes, once, that the region has no package API; the rest is still answered. Throws any other error. */
function withoutPackages(error: unknown): readonly DroppedRow[] {
  if (!isUnpublished(error)) throw error;
  return error.status === null ? [] : [unpublished];
}

function isMeant(name: string, { name: text, match }: PackageQuery): boolean {
  if (text === null) return true;
  if (match === "EXACT") return name === text;
  return match === "PREFIX" ? name.startsWith(text) : name.includes(text);
}

/** The page of a place that exists and has nothing of what was asked for. */
function noRows(backend: string): Page<never> {
  return { rows: [], hasNext: false, total: 0, origin: unaskedOrigin(backend), dropped: [] };
}

/** The origin of an answer that needed no call. */
function unaskedOrigin(backend: string): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
}
