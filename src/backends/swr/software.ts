import type { Origin } from "../../model/backend.ts";
import type { Package, PackageFile, Version } from "../../model/package.ts";
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
import { type Answers, batched, keyText, type Loader, single } from "../loading/loader.ts";
import type { Access } from "./client.ts";
import { decodeOnce, isName, type PackageName, packageKey } from "./keys.ts";
import { compare, type Listed, pick, readUnpaged } from "./lists.ts";
import { createdText, pathOf, sortableDate, toFile, toPackage, toVersion } from "./mapper.ts";
import { listFiles, listPackages, listVersions } from "./operations.ts";
import type { PackageRow, VersionRow } from "./payload.ts";

/** The three lists of the package API have no detail beside them: what they do not name does not exist. */
const noPackage = absent(listPackages, "WHOLE_LIST");
/** No version of a software package has the name, or there is none at all. */
export const noVersion = absent(listVersions, "WHOLE_LIST");
const noFile = absent(listFiles, "WHOLE_LIST");

interface VersionName {
  readonly owner: PackageName;
  readonly version: string;
}

/** Software packages of one request; equal reads are one call. All reject with an UpstreamError. */
export class Software {
  readonly #access: Access;
  /** Rows of one namespace, or of all that are visible. */
  readonly #rows: Loader<string | null, Answer<Listed<PackageRow>>>;
  readonly #lists: Loader<string, Answer<Listed<Package>>>;
  readonly #versions: Loader<PackageName, Answer<Listed<Version>>>;
  readonly #files: Loader<VersionName, Answer<Listed<PackageFile>>>;

  constructor(access: Access) {
    const { backend, call } = access;
    this.#access = access;
    this.#rows = single(
      (namespace) => namespace ?? "",
      (namespace) => this.#readRows(namespace),
    );
    this.#lists = batched(
      (namespace) => namespace,
      (namespaces, answers) => this.#readLists(namespaces, answers),
      { call, backend, operation: listPackages.name },
    );
    // Two spellings of one name (`%e6`, `%E6`) are one key.
    this.#versions = single(
      ({ namespace, raw }) => keyText(namespace, decodeOnce(raw)),
      (name) => this.#readVersions(name),
      { call, backend, operation: listVersions.name },
    );
    this.#files = single(
      ({ owner: { namespace, raw }, version }) => keyText(namespace, decodeOnce(raw), version),
      (name) => this.#readFiles(name),
      { call, backend, operation: listFiles.name },
    );
  }

  /**
   * All packages of a namespace in order of their names; several namespaces asked together are one call. Null: all that
   * are visible, by namespace and name. Whether an empty namespace exists is for the caller to ask.
   */
  async list(namespace: string | null): Promise<Answer<Listed<Package>>> {
    if (namespace !== null) return this.#lists.load(namespace);
    return mapAnswer(await this.#rows.load(null), (list) => ({ ...list, rows: toPackages(list.rows, list.origin) }));
  }

  /** One package. */
  async package({ namespace, raw }: PackageName): Promise<Answer<Package>> {
    const name = decodeOnce(raw);
    const answer = pick(await this.#lists.load(namespace), (one) => one.name === name, noPackage);
    return answer.kind === "ABSENT" ? this.#access.namespaces.emptied([namespace], answer) : answer;
  }

  /** All versions, oldest first. */
  versions(name: PackageName): Promise<Answer<Listed<Version>>> {
    return this.#versions.load(name);
  }

  /** One version. */
  async version(name: PackageName, version: string): Promise<Answer<Version>> {
    const list = await this.#versions.load(name);
    // The server spells names encoded, and a person may have written the decoded name.
    const exact = pick(list, (one) => one.ref.version === version, noVersion);
    return exact.kind === "FOUND" ? exact : pick(list, (one) => one.name === version, noVersion);
  }

  /** The version that was published last. */
  async newest(name: PackageName): Promise<Answer<Version>> {
    const list = await this.#versions.load(name);
    if (list.kind !== "FOUND") return list;
    // The row that could not be read may be the newest, and so may be one without a date.
    if (list.gap !== null) return list.gap;
    const { rows } = list.value;
    const newest = rows.at(-1);
    if (newest === undefined) return noVersion;
    const isDated = rows.every(({ createdAt }) => createdAt !== null);
    return rows.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
  }

  /** All files of a version in order of their paths. */
  async files(owner: PackageName, version: string): Promise<Answer<Listed<PackageFile>>> {
    // As a path part an impossible version would point elsewhere.
    return isName(version) ? this.#files.load({ owner, version }) : impossible;
  }

  #readRows(namespace: string | null): Promise<Answer<Listed<PackageRow>>> {
    const read = readUnpaged(
      (slice) => this.#access.client.listPackages(namespace, slice),
      (row) => keyText(row.namespace, decodeOnce(row.package)),
    );
    return absentIfNotFound(read, noPackage);
  }

  /** A single namespace is a filter that the server has; for several, one list of everything is fewer calls. */
  async #readLists(namespaces: readonly string[], answers: Answers<Listed<Package>>) {
    const answer = await this.#rows.load(namespaces.length === 1 ? (namespaces[0] ?? null) : null);
    // Matched by the row's own namespace: the same name may be in several, and filters are not to be trusted.
    const groups = Map.groupBy(answer.kind === "FOUND" ? answer.value.rows : [], (row) => row.namespace);
    for (const namespace of namespaces) {
      const rows = groups.get(namespace) ?? [];
      if (rows.length > 0) this.#access.region.setNonEmpty(namespace);
      const own = mapAnswer(answer, (list) => ({ ...list, rows: toPackages(rows, list.origin) }));
      answers.set(namespace, own);
    }
    return answers;
  }

  async #readVersions(name: PackageName): Promise<Answer<Listed<Version>>> {
    const read = readUnpaged<VersionRow>(
      (slice) => this.#access.client.listVersions(name, slice),
      (row) => row.version,
    );
    const key = packageKey(name.raw);
    const list = mapAnswer(await absentIfNotFound(read, noVersion), (whole) => {
      const sorted = whole.rows.toSorted(byPublication);
      return { ...whole, rows: sorted.map((row) => toVersion(row, name.namespace, key, whole.origin)) };
    });
    return unlessNamed(list, noVersion, async () => mapAnswer(await this.package(name), () => true));
  }

  async #readFiles({ owner, version }: VersionName): Promise<Answer<Listed<PackageFile>>> {
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

/**
 * A list, unless it is missing or empty although another list names its owner. `isOwnerEmpty` reads the owner, and
 * whether it may have an empty list.
 */
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
