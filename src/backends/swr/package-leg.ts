import type { Origin } from "../../model/backend.ts";
import type { Package, PackageFile, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { isNotFound } from "../../upstream/errors.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  found,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import { batched, keyText, single } from "../batch.ts";
import type { Access } from "./access.ts";
import { listFiles, listPackages, listVersions } from "./client.ts";
import { createdText, pathOf, sortableDate, toFile, toPackage, toVersion } from "./mapper.ts";
import { decodeOnce, isNamespace, packageKey, parseTarget } from "./names.ts";
import type { PackageRow, VersionRow } from "./payload.ts";
import { readWhole, type Whole } from "./walk.ts";

/** A list of model objects, whole as far as it could be read. */
export interface Listed<T> {
  readonly rows: readonly T[];
  readonly dropped: Whole<T>["dropped"];
  /** Set where rows are missing from it. */
  readonly gap: Unknown | null;
  readonly origin: Origin;
}

/** Software packages of one request; equal questions are one call. All reject with an UpstreamError. */
export interface PackageLeg {
  /**
   * All packages of a namespace in order of their names; several namespaces asked together are one call. Whether an empty
   * namespace is there at all is for the caller to ask.
   */
  readonly list: (namespace: string) => Promise<Answer<Listed<Package>>>;
  /** All packages that are visible, by namespace and name; one call, shared with lists of several namespaces. */
  readonly everything: () => Promise<Answer<Listed<Package>>>;
  readonly package: (ref: PackageRef) => Promise<Answer<Package>>;
  /** All versions, oldest first. */
  readonly versions: (ref: PackageRef) => Promise<Answer<Listed<Version>>>;
  /** The version that was published last. */
  readonly newest: (ref: PackageRef) => Promise<Answer<Version>>;
  readonly version: (ref: VersionRef) => Promise<Answer<Version>>;
  /** All files in order of their paths. */
  readonly files: (ref: VersionRef) => Promise<Answer<Listed<PackageFile>>>;
}

/** The three lists of the package API have no detail beside them: what they do not name is nowhere. */
const notListed = {
  package: absent(listPackages, "WHOLE_LIST"),
  version: absent(listVersions, "WHOLE_LIST"),
  file: absent(listFiles, "WHOLE_LIST"),
} as const;

/** Opens the software packages for one request. */
export function createPackageLeg({ backend, base, client, region, namespaces, call }: Access): PackageLeg {
  // A single namespace is a filter the server has; for several, one list of everything is fewer calls.
  const fetched = single<{ only: string | null }, Answer<Whole<PackageRow>>>(
    ({ only }) => keyText(only),
    ({ only }) =>
      absentIfNotFound(
        region
          .packages(listPackages.name, () =>
            readWhole(
              (stretch) => client.listPackages(only, stretch, call),
              (row) => keyText(row.namespace, decodeOnce(row.package)),
            ),
          )
          .then((whole) => found(whole, whole.gap)),
        notListed.package,
      ),
  );

  const lists = batched<string, Listed<Package>>(
    (namespace) => namespace,
    async (asked) => {
      const answer = await fetched.load({ only: asked.length === 1 ? (asked[0] ?? null) : null });
      const answers = new Map<string, Answer<Listed<Package>>>();
      // Matched by the row's own namespace: the same name may stand in several, and filters are not to be trusted.
      const byNamespace = Map.groupBy(
        answer.kind === "FOUND" ? answer.value.rows : [],
        (row: PackageRow) => row.namespace,
      );
      for (const namespace of asked) {
        const list = mapAnswer(answer, (whole) => {
          const rows = (byNamespace.get(namespace) ?? []).map((row) => toPackage(row, whole.origin));
          if (rows.length > 0) namespaces.seen(namespace);
          return { ...whole, rows: rows.sort(byName) };
        });
        answers.set(namespace, list);
      }
      return answers;
    },
    { by: { call, backend, operation: listPackages.name } },
  );

  const versions = single<Place, Answer<Listed<Version>>>(
    // Two spellings of one name (`%e6`, `%E6`) are one question.
    ({ namespace, raw }) => keyText(namespace, decodeOnce(raw)),
    async ({ namespace, raw }) => {
      const key = packageKey(raw);
      const read = region.packages(listVersions.name, () =>
        readWhole(
          (stretch) => client.listVersions(namespace, raw, stretch, call),
          (row) => row.version,
        ),
      );
      const whole = await orNothing(read);
      if (whole === null || (whole.count === 0 && whole.gap === null)) {
        const none = whole && found({ ...whole, rows: [] });
        return unlessNamed(await leg.package({ backend, repository: namespace, key }), none, notListed.version);
      }
      const rows = whole.rows.toSorted(byPublication);
      const listed = rows.map((row) => toVersion(row, namespace, key, whole.origin));
      return found({ ...whole, rows: listed }, whole.gap);
    },
    { call, backend, operation: listVersions.name },
  );

  const files = single<Place & { version: string }, Answer<Listed<PackageFile>>>(
    ({ namespace, raw, version }) => keyText(namespace, decodeOnce(raw), version),
    async ({ namespace, raw, version }) => {
      const read = region.packages(listFiles.name, () =>
        readWhole((stretch) => client.listFiles(namespace, raw, version, stretch, call), pathOf),
      );
      const whole = await orNothing(read);
      if (whole === null || (whole.count === 0 && whole.gap === null)) {
        const ref = { package: { backend, repository: namespace, key: packageKey(raw) }, version, nativeId: null };
        const named = await leg.version(ref);
        // Versions without files are usual: they may be uploaded later.
        const isEmpty = named.kind === "FOUND" && !named.value.fileCount;
        const none = whole && isEmpty ? found({ ...whole, rows: [] }) : null;
        return unlessNamed(named, none, notListed.file);
      }
      const rows = whole.rows.toSorted((one, other) => compare(pathOf(one), pathOf(other)));
      return found({ ...whole, rows: rows.map((row) => toFile(row, base)) }, whole.gap);
    },
    { call, backend, operation: listFiles.name },
  );

  const leg: PackageLeg = {
    list: (namespace) => lists.load(namespace),
    everything: async () =>
      mapAnswer(await fetched.load({ only: null }), (whole) => {
        const rows = whole.rows.map((row) => toPackage(row, whole.origin));
        return { ...whole, rows: rows.sort((one, other) => compare(placed(one), placed(other)) || byName(one, other)) };
      }),
    package: async (ref) => {
      const place = placeOf(ref);
      if (place === null) return impossible;
      const name = decodeOnce(place.raw);
      const list = await leg.list(place.namespace);
      const answer = pick(list, (one) => one.name === name, notListed.package);
      return answer.kind === "ABSENT" ? namespaces.emptied([place.namespace], answer) : answer;
    },
    versions: async (ref) => {
      const place = placeOf(ref);
      return place === null ? impossible : versions.load(place);
    },
    newest: async (ref) => {
      const list = await leg.versions(ref);
      if (list.kind !== "FOUND") return list;
      // The row that could not be read may be the newest, and so may be one without a date.
      if (list.gap !== null) return list.gap;
      const { rows } = list.value;
      const newest = rows.at(-1);
      if (newest === undefined) return notListed.version;
      return rows.length > 1 && rows.some(({ createdAt }) => createdAt === null)
        ? unknown("UNCHECKED_ORDER")
        : found(newest);
    },
    version: async ({ package: ref, version }) => {
      const list = await leg.versions(ref);
      // A person may have written the name as it is shown, the server spells it encoded.
      const exact = pick(list, (one) => one.ref.version === version, notListed.version);
      return exact.kind === "FOUND" ? exact : pick(list, (one) => one.name === version, notListed.version);
    },
    files: async (ref) => {
      const place = placeOf(ref.package);
      // Nothing can be called so, and as a path part it would point elsewhere.
      if (place === null || parseTarget(ref.version) === null) return impossible;
      return files.load({ ...place, version: ref.version });
    },
  };
  return leg;
}

interface Place {
  readonly namespace: string;
  /** As paths want it. */
  readonly raw: string;
}

/** One row of a list; what the list does not hold is absent only where nothing is missing from it. */
export function pick<T>(list: Answer<Listed<T>>, isMeant: (row: T) => boolean, absence: Absent): Answer<T> {
  if (list.kind !== "FOUND") return list;
  const row = list.value.rows.find(isMeant);
  return row === undefined ? (list.gap ?? absence) : found(row);
}

/**
 * What a list that is not there, or is empty, means for a thing that another list may name: absent with it; where it is
 * named all the same, the empty list it is (`none`), or else nobody can say.
 */
function unlessNamed<T>(named: Answer<unknown>, none: Answer<T> | null, absence: Absent): Answer<T> {
  if (named.kind === "FOUND") return none ?? unknown("DETAIL_MISSING");
  return named.kind === "ABSENT" && named.operation !== null ? absence : named;
}

async function orNothing<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** The origin of what nothing had to be asked for. */
export function unaskedOrigin(backend: string): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
}

/** Order of code units: the same everywhere, and stable from one page to the next. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** What was thrown, as the answer of one key. */
export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a call threw something that is no Error", { cause: error });
}

function placeOf({ repository, key }: PackageRef): Place | null {
  const target = parseTarget(key);
  return target?.kind === "package" && isNamespace(repository) ? { namespace: repository, raw: target.raw } : null;
}

function placed({ ref }: Package): string {
  return ref.repository;
}

function byName(one: Package, other: Package): number {
  return compare(one.name, other.name);
}

// The order of the list is not promised, and names do not sort as versions do.
function byPublication(one: VersionRow, other: VersionRow): number {
  const dates = compare(sortableDate(createdText(one)), sortableDate(createdText(other)));
  return dates || compare(one.version, other.version);
}
