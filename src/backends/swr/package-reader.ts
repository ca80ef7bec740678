import type { DroppedRow } from "../../model/backend.ts";
import type { Package, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import {
  type Answer,
  absent,
  failed,
  firstGap,
  found,
  impossible,
  joined,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageReader, VersionQuery } from "../backend.ts";
import { keyText } from "../batch.ts";
import { mapPage, sliceWindow } from "../paging.ts";
import type { Access } from "./access.ts";
import { getRepository, listPackages, type RepositoryName, type Told } from "./client.ts";
import { tagOf, toImageVersion } from "./mapper.ts";
import { decodeOnce, imageKey, isNamespace, isRepositoryPath, isTag, keyOfName, parseTarget } from "./names.ts";
import { type Listed, type PackageLeg, unaskedOrigin } from "./package-leg.ts";
import type { TagRow } from "./payload.ts";
import type { Places } from "./places.ts";
import { createPurlSearch } from "./purl-search.ts";
import type { Repositories } from "./repositories.ts";
import { byPush, type Tags } from "./tags.ts";
import { isUnpublished } from "./verdict.ts";

/** Software packages come before image repositories; a position begins with the list it belongs to. */
type Leg = "packages" | "images";

/** What proves that there is nothing of a name. */
const notNamed = {
  packages: absent(listPackages, "WHOLE_LIST"),
  images: absent(getRepository, "KEYED_READ"),
} as const;

/** Answers for software packages and image repositories; a leg that is null is a capability that is switched off. */
export function createPackageReader(
  { backend, hosts, region, namespaces }: Access,
  places: Places,
  packages: PackageLeg | null,
  images: { readonly repositories: Repositories; readonly tags: Tags } | null,
): PackageReader {
  function legsFor(format: PackageFormat | null): readonly Leg[] {
    const legs: Leg[] = [];
    if (packages !== null && (format === null || format === "GENERIC")) legs.push("packages");
    if (images !== null && (format === null || format === "DOCKER" || format === "OCI")) legs.push("images");
    return legs;
  }

  /** Every package of one leg that the query means; software packages of any namespace for null. */
  async function listOf(leg: Leg, namespace: string | null, query: PackageQuery): Promise<Answer<Listed<Package>>> {
    const list = await (leg === "images" && namespace !== null ? imagesNamed(namespace, query) : packagesOf(namespace));
    return mapAnswer(list, (whole) => ({ ...whole, rows: whole.rows.filter((one) => isMeant(one.name, query)) }));
  }

  async function packagesOf(namespace: string | null): Promise<Answer<Listed<Package>>> {
    if (packages === null) return unknown("NOT_SEARCHABLE");
    return namespace === null ? packages.everything() : packages.list(namespace);
  }

  async function imagesNamed(namespace: string, { name, match }: PackageQuery): Promise<Answer<Listed<Package>>> {
    if (images === null) return unknown("NOT_SEARCHABLE");
    if (match !== "EXACT" || name === null) return images.repositories.list(namespace, name ?? "");
    const one = isRepositoryPath(name) ? await images.repositories.repository({ namespace, path: name }) : impossible;
    // That there is no such repository says nothing of the namespace that was looked into.
    if (one.kind === "ABSENT") return found({ rows: [], dropped: [], gap: null, origin: unaskedOrigin(backend) });
    return mapAnswer(one, (row) => ({ rows: [row], dropped: [], gap: null, origin: row.origin }));
  }

  async function pageOf(
    leg: Leg,
    namespace: string,
    query: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Package>>> {
    if (leg === "images" && images !== null && query.name === null) return images.repositories.page(namespace, request);
    const list = await listOf(leg, namespace, query);
    const page = mapAnswer(list, (whole) => windowOf(whole, whole.rows, request, (one) => one.ref.key));
    return leg === "images" ? page : mapAnswer(page, (known) => ({ ...known, total: null }));
  }

  /** Says once that the region has no package API; what else was asked for is still answered. */
  function missing(error: unknown): readonly DroppedRow[] {
    if (!isUnpublished(error)) throw error;
    const reason = "the region publishes no software package API";
    return error.status === null ? [] : [{ operation: listPackages.name, index: 0, reason }];
  }

  async function page(namespace: string, query: PackageQuery, request: PageRequest): Promise<Answer<Page<Package>>> {
    const legs = legsFor(query.format);
    const start = legOf(request.after);
    const at = start === null ? -1 : legs.indexOf(start);
    const rows: Row<Package>[] = [];
    const dropped: DroppedRow[] = [];
    const answers: Answer<Page<Package>>[] = [];
    let last: Page<Package> | null = null;
    for (const [index, leg] of legs.entries()) {
      if (index < at) continue;
      const inner = index === at ? request.after?.slice(1) : undefined;
      const after = inner === undefined || inner.length === 0 ? null : inner;
      // Where the page is full, one row tells whether there are more.
      const room = request.first - rows.length;
      try {
        const part = await pageOf(leg, namespace, query, { first: Math.max(room, 1), after });
        answers.push(part);
        if (part.kind === "FOUND") {
          const { value } = part;
          last = { ...value, hasNext: room === 0 ? value.rows.length > 0 : value.hasNext };
          for (const row of value.dropped) dropped.push(row);
          if (room > 0) for (const row of value.rows) rows.push(inLeg(leg, row));
          if (last.hasNext) break;
        }
      } catch (error) {
        if (legs.length === 1) throw error;
        for (const row of missing(error)) dropped.push(row);
        answers.push(unknown("NOT_SEARCHABLE"));
      }
      // The next page has no reason to come back to a list that has ended.
      const [end, next] = [rows.at(-1), legs[index + 1]];
      if (end !== undefined && next !== undefined) rows.splice(-1, 1, { ...end, position: [next] });
    }
    const whole = last && { ...last, rows, dropped, total: legs.length === 1 ? last.total : null };
    const answer = combined(answers, whole);
    const isEmpty = answer.kind === "FOUND" && answer.value.rows.length === 0 && answer.value.dropped.length === 0;
    return isEmpty && request.after === null ? namespaces.emptied([namespace], answer) : answer;
  }

  /** One answer of what the legs said. */
  function combined(answers: readonly Answer<Page<Package>>[], whole: Page<Package> | null): Answer<Page<Package>> {
    if (answers.length === 0) return found(noRows(backend));
    const gap = firstGap(answers);
    // A region without package API says nothing of its packages: rows of images are all there is to tell.
    if (whole !== null && (whole.rows.length > 0 || whole.dropped.length > 0 || gap === null)) {
      return found(whole, gap?.reason === "NOT_SEARCHABLE" ? null : gap);
    }
    return gap ?? answers[0] ?? unknown("NOT_SEARCHABLE");
  }

  /** The lists of these legs wherever this backend looks; unknown where that would be too many namespaces. */
  async function everywhere(legs: readonly Leg[], scope: string | null): Promise<Answer<Sought>> {
    if (scope !== null) return found({ lists: legs.map((leg) => ({ leg, namespace: scope })), dropped: [] });
    // One list holds the packages of all namespaces: nobody has to know these for it.
    const isOneList = !places.configured && legs.includes("packages");
    const inPlaces = isOneList ? legs.filter((leg) => leg !== "packages") : legs;
    const looked = inPlaces.length > 0 ? await places.look() : found({ namespaces: [], dropped: [] });
    return mapAnswer(looked, ({ namespaces: all, dropped }) => {
      const lists = all.flatMap((namespace) => inPlaces.map((leg) => ({ leg, namespace })));
      return { lists: isOneList ? [{ leg: "packages" as const, namespace: null }, ...lists] : lists, dropped };
    });
  }

  const search: PackageReader["search"] = async (query, request) => {
    const legs = legsFor(query.format);
    const onlyPackages = legs.length === 1 && legs[0] === "packages";
    if (legs.length === 0 || (onlyPackages && !region.hasPackages())) return unknown("NOT_SEARCHABLE");
    const sought = await everywhere(legs, null);
    if (sought.kind !== "FOUND") return sought;
    const notes: DroppedRow[] = [];
    const parts = await Promise.all(
      sought.value.lists.map(({ leg, namespace }) =>
        listOf(leg, namespace, query).catch((error: unknown): Answer<Listed<Package>> => {
          if (legs.length === 1) return failed(error);
          if (notes.length === 0) for (const note of missing(error)) notes.push(note);
          else missing(error);
          return unknown("NOT_SEARCHABLE");
        }),
      ),
    );
    const lists = parts.flatMap((part) => (part.kind === "FOUND" ? part.value : []));
    const rows = lists.flatMap((list) => list.rows);
    // Namespaces that were asked together share one answer, and so the rows that were dropped from it.
    const dropped = [...new Set(lists.flatMap((list) => list.dropped)), ...sought.value.dropped, ...notes];
    const gap = firstGap(parts) ?? sought.gap;
    if (rows.length === 0 && dropped.length === 0) {
      if (gap !== null) return gap;
    }
    const page = sliceWindow(request, rows, identityOf, {
      origin: lists[0]?.origin ?? unaskedOrigin(backend),
      dropped,
    });
    const answer = found(
      legs.includes("packages") || dropped.length > 0 ? { ...page, total: null } : page,
      gap?.reason === "NOT_SEARCHABLE" ? null : gap,
    );
    return rows.length === 0 && dropped.length === 0 ? namespaces.emptied(namespacesOf(sought.value), answer) : answer;
  };

  const named: PackageReader["named"] = async (name, format, scope) => {
    const [leg] = legsFor(format);
    if (leg === undefined || (leg === "packages" && !region.hasPackages())) return unknown("NOT_SEARCHABLE");
    if (scope !== null && !isNamespace(scope)) return impossible;
    const sought = await everywhere([leg], scope);
    if (sought.kind !== "FOUND") return sought;
    const lists = await Promise.all(
      sought.value.lists.map(async ({ namespace }): Promise<Answer<readonly Package[]>> => {
        const list = await listOf(leg, namespace, { name, match: "EXACT", format }).catch(failed);
        if (list.kind !== "FOUND") return list;
        return list.value.rows.length > 0 ? found(list.value.rows, list.gap) : (list.gap ?? notNamed[leg]);
      }),
    );
    const all = joined(lists, notNamed[leg]);
    // It may be in the place whose row could not be read.
    if (all.kind !== "ABSENT") return all;
    // Of images each one was asked for by its key; an empty list of packages may be that of a namespace that is not there.
    return sought.gap ?? (leg === "images" ? all : namespaces.emptied(namespacesOf(sought.value), all));
  };

  const toTagVersion = (name: RepositoryName, { row, origin }: Told<TagRow>) =>
    toImageVersion(row, name, hosts, origin);

  async function tagsStarting(
    tags: Tags,
    name: RepositoryName,
    prefix: string,
    direction: VersionQuery["direction"],
    request: PageRequest,
  ): Promise<Answer<Page<Version>>> {
    return mapAnswer(await tags.all(name), (whole) => {
      const rows = whole.rows.filter((row) => tagOf(row).startsWith(prefix)).sort(byPush);
      if (direction === "DESC") rows.reverse();
      const window = windowOf(whole, rows, request, tagOf);
      return mapPage(window, (row) => toTagVersion(name, { row, origin: whole.origin }));
    });
  }

  async function versionsOf(
    leg: PackageLeg,
    ref: PackageRef,
    { prefix, direction }: VersionQuery,
    request: PageRequest,
  ): Promise<Answer<Page<Version>>> {
    return mapAnswer(await leg.versions(ref), (list) => {
      const rows = list.rows.filter((one) => prefix === null || one.name.startsWith(prefix));
      if (direction === "DESC") rows.reverse();
      return windowOf(list, rows, request, (one) => one.ref.version);
    });
  }

  /** Runs the part of the leg that the key names; unknown where that capability is switched off. */
  async function either<T>(
    ref: PackageRef,
    ofPackages: (leg: PackageLeg) => Promise<Answer<T>>,
    ofImages: (name: RepositoryName, legs: NonNullable<typeof images>) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const repository = repositoryOf(ref);
    if (repository === "IMPOSSIBLE") return impossible;
    if (repository === null) return packages === null ? unknown("NOT_SEARCHABLE") : ofPackages(packages);
    return images === null ? unknown("NOT_SEARCHABLE") : ofImages(repository, images);
  }

  const readPackage: PackageReader["package"] = (ref) =>
    either(
      ref,
      (leg) => leg.package(ref),
      (name, { repositories }) => repositories.repository(name),
    );

  const readVersion: PackageReader["version"] = (ref) =>
    either(
      ref.package,
      (leg) => leg.version(ref),
      async (name, { tags }) =>
        isTag(ref.version)
          ? mapAnswer(await tags.tag(name, ref.version), (told) => toTagVersion(name, told))
          : impossible,
    );

  return {
    keyOf: (name, format) => {
      const [leg] = legsFor(format);
      if (leg === "packages") return keyOfName(name);
      return leg === "images" && isRepositoryPath(name) ? imageKey(name) : null;
    },
    parseKey: (key) => {
      const target = parseTarget(key);
      if (target === null) return null;
      return target.kind === "image"
        ? { name: target.path, format: "DOCKER" }
        : { name: decodeOnce(target.raw), format: "GENERIC" };
    },
    package: readPackage,
    page: async ({ repository }, query, request) => {
      // Organizations lie in no groups.
      if (repository === null) return unknown("NOT_SEARCHABLE");
      return isNamespace(repository) ? page(repository, query, request) : impossible;
    },
    version: readVersion,
    versions: async (ref, filter, request) => {
      // Nothing here has stages, so nothing is in one.
      if (filter.stage !== null) return mapAnswer(await readPackage(ref), () => noRows(backend));
      return either(
        ref,
        (leg) => versionsOf(leg, ref, filter, request),
        async (name, { tags }) => {
          if (filter.prefix !== null) return tagsStarting(tags, name, filter.prefix, filter.direction, request);
          const window = await tags.window(name, filter.direction, request);
          return mapAnswer(window, (rows) => mapPage(rows, (told) => toTagVersion(name, told)));
        },
      );
    },
    latest: (ref) =>
      either(
        ref,
        (leg) => leg.newest(ref),
        async (name, { tags }) => mapAnswer(await tags.newest(name), (told) => toTagVersion(name, told)),
      ),
    files: (ref, request) =>
      either(
        ref.package,
        async (leg) =>
          mapAnswer(await leg.files(ref), (list) =>
            windowOf(list, list.rows, request, (file) => file.path ?? file.name),
          ),
        // An image has layers, not files.
        async () => found(noRows(backend)),
      ),
    // Files carry a checksum, but only behind one call for each version of each package.
    byChecksum: async () => unknown("NOT_SEARCHABLE"),
    named,
    byPurl: createPurlSearch({ hosts, namespaces, named, version: readVersion }, places, images),
    search,
  };
}

interface Sought {
  readonly lists: readonly { readonly leg: Leg; readonly namespace: string | null }[];
  readonly dropped: readonly DroppedRow[];
}

function namespacesOf({ lists }: Sought): readonly string[] {
  return [...new Set(lists.flatMap(({ namespace }) => namespace ?? []))];
}

/** The image repository a package ref names; null for software packages, `IMPOSSIBLE` for what nothing is called. */
function repositoryOf({ repository, key }: PackageRef): RepositoryName | "IMPOSSIBLE" | null {
  const target = parseTarget(key);
  if (target === null || !isNamespace(repository)) return "IMPOSSIBLE";
  return target.kind === "image" ? { namespace: repository, path: target.path } : null;
}

// The server's filters are fuzzy: what they let through is checked again.
function isMeant(name: string, query: Pick<PackageQuery, "name" | "match">): boolean {
  if (query.name === null) return true;
  if (query.match === "EXACT") return name === query.name;
  return query.match === "PREFIX" ? name.startsWith(query.name) : name.includes(query.name);
}

function identityOf({ ref }: Package): string {
  return keyText(ref.repository, ref.key);
}

function legOf(after: Position | null): Leg | null {
  const word = after?.[0];
  return word === "packages" || word === "images" ? word : null;
}

function inLeg(leg: Leg, row: Row<Package>): Row<Package> {
  const position: Position = [leg, ...row.position];
  return { ...row, position };
}

/** A window over some rows of a list; counted only where the list was read as a whole. */
function windowOf<T>(
  { origin, dropped, gap }: Pick<Listed<unknown>, "origin" | "dropped"> & { readonly gap: Unknown | null },
  rows: readonly T[],
  request: PageRequest,
  identity: (row: T) => string,
): Page<T> {
  const window = sliceWindow(request, rows, identity, { origin, dropped });
  return gap === null ? window : { ...window, total: null };
}

/** The page of a place that is there and holds nothing of what was asked for. */
function noRows(backend: string): Page<never> {
  return { rows: [], hasNext: false, total: 0, origin: unaskedOrigin(backend), dropped: [] };
}
