import type { Origin } from "../../model/backend.ts";
import type { Package, PackageFile, Version } from "../../model/package.ts";
import type { Operation } from "../../upstream/operation.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  found,
  impossible,
  mapAnswer,
  unknown,
} from "../answers.ts";
import { batched, keyText, single } from "../batch.ts";
import { decodeOnce, isName, type PackageName, packageKey } from "./keys.ts";
import { createdText, pathOf, sortableDate, toFile, toPackage, toVersion } from "./mapper.ts";
import type { Access } from "./namespaces.ts";
import { listFiles, listPackages, listVersions } from "./operations.ts";
import type { PackageRow, VersionRow } from "./payload.ts";
import { compare, pick, readWhole, type Whole } from "./walk.ts";

/** The three lists of the package API have no detail beside them: what they do not name does not exist. */
const noPackage = absent(listPackages, "WHOLE_LIST");
/** No version of a software package has the name, or there is none at all. */
export const noVersion = absent(listVersions, "WHOLE_LIST");
const noFile = absent(listFiles, "WHOLE_LIST");

/** Software packages of one request; equal reads are one call. All reject with an UpstreamError. */
export type Software = ReturnType<typeof createSoftware>;

/** Opens the software packages for one request. */
export function createSoftware({ backend, base, client, region, namespaces, call }: Access) {
  const by = (operation: Operation) => ({ call, backend, operation: operation.name });

  // A single namespace is a filter that the server has; for several, one list of everything is fewer calls.
  const rows = single<string | null, Answer<Whole<PackageRow>>>(
    (namespace) => namespace ?? "",
    (namespace) => {
      const nameOf = (row: PackageRow) => keyText(row.namespace, decodeOnce(row.package));
      return absentIfNotFound(
        readWhole((range) => client.listPackages(namespace, range), nameOf),
        noPackage,
      );
    },
  );

  const lists = batched<string, Whole<Package>>(
    (namespace) => namespace,
    async (asked, answers) => {
      const answer = await rows.load(asked.length === 1 ? (asked[0] ?? null) : null);
      // Matched by the row's own namespace: the same name may be in several, and filters are not to be trusted.
      const byNamespace = Map.groupBy(answer.kind === "FOUND" ? answer.value.rows : [], (row) => row.namespace);
      for (const namespace of asked) {
        const own = byNamespace.get(namespace) ?? [];
        if (own.length > 0) region.setNonEmpty(namespace);
        answers.set(
          namespace,
          mapAnswer(answer, (whole) => ({ ...whole, rows: toPackages(own, whole.origin) })),
        );
      }
      return answers;
    },
    { by: by(listPackages) },
  );

  const versionLists = single<PackageName, Answer<Whole<Version>>>(
    // Two spellings of one name (`%e6`, `%E6`) are one key.
    ({ namespace, raw }) => keyText(namespace, decodeOnce(raw)),
    async (name) => {
      const read = readWhole<VersionRow>(
        (range) => client.listVersions(name, range),
        (row) => row.version,
      );
      const key = packageKey(name.raw);
      const list = mapAnswer(await absentIfNotFound(read, noVersion), (whole) => {
        const sorted = whole.rows.toSorted(byPublication);
        return { ...whole, rows: sorted.map((row) => toVersion(row, name.namespace, key, whole.origin)) };
      });
      return unlessNamed(list, noVersion, async () => mapAnswer(await find(name), () => true));
    },
    by(listVersions),
  );

  const fileLists = single<PackageName & { readonly version: string }, Answer<Whole<PackageFile>>>(
    ({ namespace, raw, version }) => keyText(namespace, decodeOnce(raw), version),
    async ({ version, ...name }) => {
      const read = readWhole((range) => client.listFiles(name, version, range), pathOf);
      const list = mapAnswer(await absentIfNotFound(read, noFile), (whole) => {
        const sorted = whole.rows.toSorted((one, other) => compare(pathOf(one), pathOf(other)));
        return { ...whole, rows: sorted.map((row) => toFile(row, base)) };
      });
      // Versions without files are usual: they may be uploaded later.
      return unlessNamed(list, noFile, async () =>
        mapAnswer(await findVersion(name, version), (one) => !one.fileCount),
      );
    },
    by(listFiles),
  );

  async function find({ namespace, raw }: PackageName): Promise<Answer<Package>> {
    const name = decodeOnce(raw);
    const answer = pick(await lists.load(namespace), (one) => one.name === name, noPackage);
    return answer.kind === "ABSENT" ? namespaces.emptied([namespace], answer) : answer;
  }

  async function findVersion(name: PackageName, version: string): Promise<Answer<Version>> {
    const list = await versionLists.load(name);
    // The server spells names encoded, and a person may have written the decoded name.
    const exact = pick(list, (one) => one.ref.version === version, noVersion);
    return exact.kind === "FOUND" ? exact : pick(list, (one) => one.name === version, noVersion);
  }

  return {
    /**
     * All packages of a namespace in order of their names; several namespaces asked together are one call. Null: all that
     * are visible, by namespace and name. Whether an empty namespace exists is for the caller to ask.
     */
    list: async (namespace: string | null): Promise<Answer<Whole<Package>>> => {
      if (namespace !== null) return lists.load(namespace);
      return mapAnswer(await rows.load(null), (whole) => ({ ...whole, rows: toPackages(whole.rows, whole.origin) }));
    },
    package: find,
    /** All versions, oldest first. */
    versions: versionLists.load,
    version: findVersion,
    /** The version that was published last. */
    newest: async (name: PackageName): Promise<Answer<Version>> => {
      const list = await versionLists.load(name);
      if (list.kind !== "FOUND") return list;
      // The row that could not be read may be the newest, and so may be one without a date.
      if (list.gap !== null) return list.gap;
      const { rows: all } = list.value;
      const newest = all.at(-1);
      if (newest === undefined) return noVersion;
      const isDated = all.every(({ createdAt }) => createdAt !== null);
      return all.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
    },
    /** All files in order of their paths. */
    files: async (name: PackageName, version: string): Promise<Answer<Whole<PackageFile>>> =>
      // As a path part an impossible version would point elsewhere.
      isName(version) ? fileLists.load({ ...name, version }) : impossible,
  };
}

/**
 * A list, unless it is missing or empty although another list names its owner. `isOwnerEmpty` reads the owner, and whether
 * it may have an empty list.
 */
async function unlessNamed<T>(
  list: Answer<Whole<T>>,
  absence: Absent,
  isOwnerEmpty: () => Promise<Answer<boolean>>,
): Promise<Answer<Whole<T>>> {
  const isEmpty = list.kind === "FOUND" && list.value.rows.length === 0 && list.gap === null;
  if (list.kind === "FOUND" && !isEmpty) return list;
  const owner = await isOwnerEmpty();
  if (owner.kind === "FOUND") return isEmpty && owner.value ? list : unknown("DETAIL_MISSING");
  return owner.kind === "ABSENT" && owner.operation !== null ? absence : owner;
}

function toPackages(rows: readonly PackageRow[], origin: Origin): readonly Package[] {
  return rows
    .map((row) => toPackage(row, origin))
    .sort((one, other) => compare(one.ref.repository, other.ref.repository) || compare(one.name, other.name));
}

// The order of the list is not promised, and names do not sort as versions do.
function byPublication(one: VersionRow, other: VersionRow): number {
  const dates = compare(sortableDate(createdText(one)), sortableDate(createdText(other)));
  return dates || compare(one.version, other.version);
}
