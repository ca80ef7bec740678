import type { DroppedRow } from "../../model/backend.ts";
import type { Package, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import type { PackageQuery, PackageReader, VersionQuery } from "../backend.ts";
import { keyText } from "../batch.ts";
import { mapPage, sliceWindow } from "../paging.ts";
import type { Found, RepositoryName } from "./client.ts";
import type { ImageLeg } from "./image-leg.ts";
import { createdText, sortableDate, tagOf, toImageVersion, updatedText } from "./mapper.ts";
import { decodeOnce, imageKey, isNamespace, isRepositoryPath, isTag, keyOfName, parseTarget } from "./names.ts";
import { type Access, compare, type Listed, noneOf, type PackageLeg, unanswered } from "./package-leg.ts";
import type { TagRow } from "./payload.ts";
import type { Places } from "./places.ts";
import { isUnpublished } from "./verdict.ts";

/** Software packages come before image repositories; a position begins with the list it belongs to. */
type Leg = "packages" | "images";

/** The call that lists a leg. */
const listing = { packages: "swr.listPackages", images: "swr.listRepositories" } as const;

/** Answers for software packages and image repositories; a leg that is null is a capability that is switched off. */
export function createPackageReader(
  { backend, hosts, region }: Access,
  places: Places,
  packages: PackageLeg | null,
  images: ImageLeg | null,
): PackageReader {
  function legsFor(format: PackageFormat | null): readonly Leg[] {
    const legs: Leg[] = [];
    if (packages !== null && (format === null || format === "GENERIC")) legs.push("packages");
    if (images !== null && (format === null || format === "DOCKER" || format === "OCI")) legs.push("images");
    return legs;
  }

  /** Every package of one leg that the query means; software packages of any namespace for null. */
  async function listOf(leg: Leg, namespace: string | null, query: PackageQuery): Promise<Listed<Package>> {
    const list = await (leg === "images" && namespace !== null ? imagesNamed(namespace, query) : packagesOf(namespace));
    if (list === undefined) return noneOf(backend);
    // A list that was cut short would end a walk as if there were no more.
    if (!list.complete && list.dropped.length === 0) return unanswered(backend, listing[leg]);
    return { ...list, rows: list.rows.filter((one) => isMeant(one.name, query)) };
  }

  async function packagesOf(namespace: string | null): Promise<Listed<Package> | undefined> {
    return namespace === null ? packages?.everything() : packages?.list(namespace);
  }

  async function imagesNamed(namespace: string, { name, match }: PackageQuery): Promise<Listed<Package> | undefined> {
    if (images === null) return undefined;
    if (match !== "EXACT" || name === null) return images.list(namespace, name ?? "");
    const one = isRepositoryPath(name) ? await images.repository({ namespace, path: name }) : null;
    return one === null ? noneOf(backend) : { ...noneOf(backend), rows: [one], origin: one.origin };
  }

  async function pageOf(
    leg: Leg,
    namespace: string,
    query: PackageQuery,
    request: PageRequest,
  ): Promise<Page<Package>> {
    if (leg === "images" && images !== null && query.name === null) {
      return (await images.page(namespace, request)) ?? nothing(backend);
    }
    const list = await listOf(leg, namespace, query);
    const page = windowOf(list, list.rows, request, (one) => one.ref.key);
    return leg === "images" ? page : { ...page, total: null };
  }

  /** Says once that the region has no package API; what else was asked for is still answered. */
  function missing(error: unknown): readonly DroppedRow[] {
    if (!isUnpublished(error)) throw error;
    const reason = "the region publishes no software package API";
    return error.status === null ? [] : [{ operation: "swr.listPackages", index: 0, reason }];
  }

  async function page(namespace: string, query: PackageQuery, request: PageRequest): Promise<Page<Package>> {
    const legs = legsFor(query.format);
    const start = legOf(request.after);
    const at = start === null ? -1 : legs.indexOf(start);
    const rows: Row<Package>[] = [];
    const dropped: DroppedRow[] = [];
    let answer: Page<Package> | null = null;
    for (const [index, leg] of legs.entries()) {
      if (index < at) continue;
      const inner = index === at ? request.after?.slice(1) : undefined;
      const after = inner === undefined || inner.length === 0 ? null : inner;
      // Where the page is full, one row tells whether there are more.
      const room = request.first - rows.length;
      try {
        const part = await pageOf(leg, namespace, query, { first: Math.max(room, 1), after });
        answer = { ...part, hasNext: room === 0 ? part.rows.length > 0 : part.hasNext };
        for (const row of part.dropped) dropped.push(row);
        if (room > 0) for (const row of part.rows) rows.push(inLeg(leg, row));
      } catch (error) {
        if (legs.length === 1) throw error;
        for (const row of missing(error)) dropped.push(row);
      }
      if (answer?.hasNext) break;
      // The next page has no reason to come back to a list that has ended.
      const [last, next] = [rows.at(-1), legs[index + 1]];
      if (last !== undefined && next !== undefined) rows.splice(-1, 1, { ...last, position: [next] });
    }
    if (answer === null) return { ...nothing(backend), dropped };
    return { ...answer, rows, dropped, total: legs.length === 1 ? answer.total : null };
  }

  /** The lists of these legs wherever this backend looks; null where that would be too many namespaces. */
  async function everywhere(legs: readonly Leg[]) {
    // One list holds the packages of all namespaces: nobody has to know these for it.
    const isOneList = !places.configured && legs.includes("packages");
    const inPlaces = isOneList ? legs.filter((leg) => leg !== "packages") : legs;
    const looked = inPlaces.length > 0 ? await places.look() : { namespaces: [], dropped: [] };
    if (looked === null) return null;
    const lists = looked.namespaces.flatMap((namespace) => inPlaces.map((leg) => ({ leg, namespace })));
    return { lists: isOneList ? [{ leg: "packages" as const, namespace: null }, ...lists] : lists, ...looked };
  }

  async function search(query: PackageQuery, request: PageRequest): Promise<Page<Package> | null> {
    const legs = legsFor(query.format);
    const onlyPackages = legs.length === 1 && legs[0] === "packages";
    if (onlyPackages && !region.hasPackages()) return null;
    const sought = await everywhere(legs);
    if (sought === null) return null;
    const notes: DroppedRow[] = [];
    const parts = await Promise.all(
      sought.lists.map(({ leg, namespace }) =>
        listOf(leg, namespace, query).catch((error: unknown): Listed<Package> => {
          if (legs.length === 1) throw error;
          if (notes.length === 0) for (const note of missing(error)) notes.push(note);
          else missing(error);
          return noneOf(backend);
        }),
      ),
    );
    const rows = parts.flatMap((part) => part.rows);
    // Namespaces that were asked together share one answer, and so the rows that were dropped from it.
    const dropped = [...new Set(parts.flatMap((part) => part.dropped)), ...sought.dropped, ...notes];
    const found = sliceWindow(request, rows, identityOf, {
      origin: parts[0]?.origin ?? noneOf(backend).origin,
      dropped,
    });
    return legs.includes("packages") || dropped.length > 0 ? { ...found, total: null } : found;
  }

  const toTagVersion = (name: RepositoryName, { row, origin }: Found<TagRow>) =>
    toImageVersion(row, name, hosts, origin);

  async function tagsStarting(
    name: RepositoryName,
    prefix: string,
    direction: VersionQuery["direction"],
    request: PageRequest,
  ): Promise<Page<Version>> {
    const tags = await images?.tags(name);
    if (!tags) return nothing(backend);
    if (!tags.complete && tags.dropped.length === 0) return unanswered(backend, "swr.listTags");
    const rows = tags.rows.filter((row) => tagOf(row).startsWith(prefix));
    rows.sort((one, other) => compare(pushed(one), pushed(other)) || compare(tagOf(one), tagOf(other)));
    if (direction === "DESC") rows.reverse();
    const window = windowOf(tags, rows, request, tagOf);
    return mapPage(window, (row) => toTagVersion(name, { row, origin: tags.origin }));
  }

  async function versionsOf(
    ref: PackageRef,
    { prefix, direction }: VersionQuery,
    request: PageRequest,
  ): Promise<Page<Version>> {
    const list = await packages?.versions(ref);
    if (!list) return nothing(backend);
    if (!list.complete && list.dropped.length === 0) return unanswered(backend, "swr.listVersions");
    const rows = list.rows.filter((one) => prefix === null || one.name.startsWith(prefix));
    if (direction === "DESC") rows.reverse();
    return windowOf(list, rows, request, (one) => one.ref.version);
  }

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
    package: async (ref) => {
      const repository = repositoryOf(ref);
      if (repository === null) return (await packages?.package(ref)) ?? null;
      return (await images?.repository(repository)) ?? null;
    },
    page: async ({ repository }, query, request) =>
      repository !== null && isNamespace(repository) ? page(repository, query, request) : nothing(backend),
    version: async (ref) => {
      const repository = repositoryOf(ref.package);
      if (repository === null) return (await packages?.version(ref)) ?? null;
      const found = isTag(ref.version) ? await images?.tag(repository, ref.version) : null;
      return found ? toTagVersion(repository, found) : null;
    },
    versions: async (ref, filter, request) => {
      // Nothing here has stages, so nothing is in one.
      if (filter.stage !== null) return nothing(backend);
      const repository = repositoryOf(ref);
      if (repository === null) return versionsOf(ref, filter, request);
      if (filter.prefix !== null) return tagsStarting(repository, filter.prefix, filter.direction, request);
      const window = await images?.tagWindow(repository, filter.direction, request);
      return window ? mapPage(window, (found) => toTagVersion(repository, found)) : nothing(backend);
    },
    latest: async (ref) => {
      const repository = repositoryOf(ref);
      if (repository !== null) {
        const found = await images?.newestTag(repository);
        return found ? toTagVersion(repository, found) : null;
      }
      const list = await packages?.versions(ref);
      // The row that could not be read may be the newest.
      if (list && !list.complete) return unanswered(backend, "swr.listVersions");
      return list?.rows.at(-1) ?? null;
    },
    files: async (ref, request) => {
      // An image has layers, not files.
      const list = repositoryOf(ref.package) === null ? await packages?.files(ref) : null;
      if (!list) return nothing(backend);
      return windowOf(list, list.rows, request, (file) => file.path ?? file.name);
    },
    // Files carry a checksum, but only behind one call for each version of each package.
    byChecksum: async () => null,
    named: async (name, format) => {
      const [leg] = legsFor(format);
      if (leg === undefined) return [];
      if (leg === "packages" && !region.hasPackages()) return null;
      const sought = await everywhere([leg]);
      if (sought === null) return null;
      const query = { name, match: "EXACT", format } as const;
      const lists = await Promise.all(sought.lists.map(({ namespace }) => listOf(leg, namespace, query)));
      const found = lists.flatMap(({ rows, complete }) => {
        if (rows.length === 0 && !complete) return unanswered(backend, listing[leg]);
        return rows;
      });
      // It may be in the place whose row could not be read.
      return found.length === 0 && sought.dropped.length > 0 ? unanswered(backend, "swr.listNamespaces") : found;
    },
    search,
  };
}

/** The image repository a package ref names; null for software packages and for nonsense. */
function repositoryOf({ repository, key }: PackageRef): RepositoryName | null {
  const target = parseTarget(key);
  return target?.kind === "image" && isNamespace(repository) ? { namespace: repository, path: target.path } : null;
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

function pushed(row: TagRow): string {
  return sortableDate(updatedText(row) ?? createdText(row));
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
  { origin, dropped, complete }: Pick<Listed<unknown>, "origin" | "dropped" | "complete">,
  rows: readonly T[],
  request: PageRequest,
  identity: (row: T) => string,
): Page<T> {
  const window = sliceWindow(request, rows, identity, { origin, dropped });
  return complete ? window : { ...window, total: null };
}

/** An answer that needs no call, or one that said there is nothing. */
function nothing(backend: string): Page<never> {
  const { origin } = noneOf(backend);
  return { rows: [], hasNext: false, total: 0, origin, dropped: [] };
}
