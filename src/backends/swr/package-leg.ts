import type { Origin } from "../../model/backend.ts";
import type { Package, PackageFile, PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Call } from "../../upstream/call.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import { batched, keyText, single } from "../batch.ts";
import type { SwrClient } from "./client.ts";
import { createdText, pathOf, sortableDate, toFile, toPackage, toVersion } from "./mapper.ts";
import { decodeOnce, isNamespace, parseTarget } from "./names.ts";
import type { PackageRow, VersionRow } from "./payload.ts";
import type { Region } from "./region.ts";
import { readWhole, type Whole } from "./walk.ts";

/** What a request's readers work with. */
export interface Access {
  /** Configured name of the backend. */
  readonly backend: string;
  /** Address of the API. */
  readonly base: string;
  readonly hosts: readonly string[];
  readonly client: SwrClient;
  readonly region: Region;
  readonly call: Call;
}

/** A list of model objects, whole as far as it could be read. */
export interface Listed<T> {
  readonly rows: readonly T[];
  readonly dropped: Whole<T>["dropped"];
  readonly complete: boolean;
  readonly origin: Origin;
}

/** Software packages of one request; equal questions are one call. All reject with an UpstreamError. */
export interface PackageLeg {
  /** All packages of a namespace in order of their names; several namespaces asked together are one call. */
  readonly list: (namespace: string) => Promise<Listed<Package>>;
  /** All packages that are visible, by namespace and name; one call, shared with lists of several namespaces. */
  readonly everything: () => Promise<Listed<Package>>;
  readonly package: (ref: PackageRef) => Promise<Package | null>;
  /** All versions, oldest first; null when there is no such package. */
  readonly versions: (ref: PackageRef) => Promise<Listed<Version> | null>;
  readonly version: (ref: VersionRef) => Promise<Version | null>;
  /** All files in order of their paths; null when there is no such version. */
  readonly files: (ref: VersionRef) => Promise<Listed<PackageFile> | null>;
}

/** Opens the software packages for one request. */
export function createPackageLeg({ backend, base, client, region, call }: Access): PackageLeg {
  // A single namespace is a filter the server has; for several, one list of everything is fewer calls.
  const fetched = single<{ only: string | null }, Whole<PackageRow> | null>(
    ({ only }) => keyText(only),
    ({ only }) =>
      orNull(
        region.packages("swr.listPackages", () =>
          readWhole(
            (stretch) => client.listPackages(only, stretch, call),
            (row) => keyText(row.namespace, decodeOnce(row.package)),
          ),
        ),
      ),
  );

  const lists = batched<string, Listed<Package>>(
    (namespace) => namespace,
    async (namespaces) => {
      const whole = await fetched.load({ only: namespaces.length === 1 ? (namespaces[0] ?? null) : null });
      // A namespace that is not there holds nothing.
      if (whole === null) return new Map();
      // Matched by the row's own namespace: the same name may stand in several, and filters are not to be trusted.
      const byNamespace = Map.groupBy(whole.rows, (row) => row.namespace);
      return new Map(
        namespaces.map((namespace) => {
          const rows = (byNamespace.get(namespace) ?? []).map((row) => toPackage(row, whole.origin));
          return [namespace, { ...whole, rows: rows.sort(byName) }];
        }),
      );
    },
    { by: { call, backend, operation: "swr.listPackages" } },
  );

  const versions = single<{ namespace: string; raw: string }, Listed<Version> | null>(
    // Two spellings of one name (`%e6`, `%E6`) are one question.
    ({ namespace, raw }) => keyText(namespace, decodeOnce(raw)),
    async ({ namespace, raw }) => {
      const whole = await orNull(
        region.packages("swr.listVersions", () =>
          readWhole(
            (stretch) => client.listVersions(namespace, raw, stretch, call),
            (row) => row.version,
          ),
        ),
      );
      if (whole === null) return null;
      const rows = whole.rows.toSorted(byPublication);
      return { ...whole, rows: rows.map((row) => toVersion(row, namespace, raw, whole.origin)) };
    },
    { call, backend, operation: "swr.listVersions" },
  );

  const files = single<{ namespace: string; raw: string; version: string }, Listed<PackageFile> | null>(
    ({ namespace, raw, version }) => keyText(namespace, decodeOnce(raw), version),
    async ({ namespace, raw, version }) => {
      const whole = await orNull(
        region.packages("swr.listFiles", () =>
          readWhole((stretch) => client.listFiles(namespace, raw, version, stretch, call), pathOf),
        ),
      );
      if (whole === null) return null;
      const rows = whole.rows.toSorted((one, other) => compare(pathOf(one), pathOf(other)));
      return { ...whole, rows: rows.map((row) => toFile(row, base)) };
    },
    { call, backend, operation: "swr.listFiles" },
  );

  const leg: PackageLeg = {
    list: async (namespace) => (await lists.load(namespace)) ?? noneOf(backend),
    everything: async () => {
      const whole = await fetched.load({ only: null });
      if (whole === null) return noneOf(backend);
      const rows = whole.rows.map((row) => toPackage(row, whole.origin));
      return { ...whole, rows: rows.sort((one, other) => compare(placed(one), placed(other)) || byName(one, other)) };
    },
    package: async (ref) => {
      const place = placeOf(ref);
      if (place === null) return null;
      const { rows, complete } = await leg.list(place.namespace);
      const name = decodeOnce(place.raw);
      const row = rows.find((one) => one.name === name);
      if (row === undefined && !complete) return unanswered(backend, "swr.listPackages");
      return row ?? null;
    },
    versions: async (ref) => {
      const place = placeOf(ref);
      return place === null ? null : versions.load(place);
    },
    version: async (ref) => {
      const list = await leg.versions(ref.package);
      if (list === null) return null;
      // A person may have written the name as it is shown, the server spells it encoded.
      const row =
        list.rows.find((one) => one.ref.version === ref.version) ?? list.rows.find((one) => one.name === ref.version);
      if (row === undefined && !list.complete) return unanswered(backend, "swr.listVersions");
      return row ?? null;
    },
    files: async (ref) => {
      const place = placeOf(ref.package);
      // Nothing can be called so, and as a path part it would point elsewhere.
      if (place === null || parseTarget(ref.version) === null) return null;
      return files.load({ ...place, version: ref.version });
    },
  };
  return leg;
}

/** The error for a key that an unreadable or incomplete answer should have held: neither there nor absent. */
export function unanswered(backend: string, operation: string): never {
  const reason = "the answer was not complete, so what is missing in it is not absent";
  throw new UpstreamError("MALFORMED", { backend, operation, reason });
}

/** The list of what holds nothing, or of what nothing had to be asked for. */
export function noneOf(backend: string): Listed<never> {
  const origin: Origin = { backend, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
  return { rows: [], dropped: [], complete: true, origin };
}

/** Order of code units: the same everywhere, and stable from one page to the next. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function placeOf({ repository, key }: PackageRef): { namespace: string; raw: string } | null {
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
