import type { Origin } from "../../model/backend.ts";
import type { Package, PackageFile, Version } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
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
import type { VersionQuery } from "../backend.ts";
import { type Answers, batched, keyText, type Loader, single } from "../loading/loader.ts";
import { type Access, compare, type Listed, pick, readUnpaged, windowOf } from "./client.ts";
import { decodeOnce, isName, keyOfName, type PackageName, packageKey } from "./keys.ts";
import { createdText, pathOf, sortableDate, toFile, toPackage, toVersion } from "./mapper.ts";
import { listFiles, listPackages, listVersions } from "./operations.ts";
import type { PackageSegment } from "./packages.ts";
import type { PackageRow, VersionRow } from "./payload.ts";

/** The three lists of the package API have no detail beside them: what they do not name does not exist. */
const noPackage = absent(listPackages, "WHOLE_LIST");
const noVersion = absent(listVersions, "WHOLE_LIST");
const noFile = absent(listFiles, "WHOLE_LIST");

interface VersionName {
  readonly owner: PackageName;
  readonly version: string;
}

/** Software packages of one request; equal reads are one call. All reject with an UpstreamError. */
export class Software implements PackageSegment {
  readonly id = "packages";
  readonly formats = ["GENERIC"] as const;
  readonly isCounted = false;
  readonly notNamed = noPackage;
  readonly keyOf = keyOfName;
  readonly #access: Access;
  /** Rows of one namespace, or of all that are visible. */
  readonly #rows: Loader<{ readonly namespace: string | null }, Answer<Listed<PackageRow>>>;
  readonly #lists: Loader<string, Answer<Listed<Package>>>;
  readonly #versions: Loader<PackageName, Answer<Listed<Version>>>;
  readonly #files: Loader<VersionName, Answer<Listed<PackageFile>>>;

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
      ({ owner: { namespace, name }, version }) => keyText(namespace, decodeOnce(name), version),
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
    return mapAnswer(await this.#rows.load({ namespace: null }), (list) => ({
      ...list,
      rows: toPackages(list.rows, list.origin),
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
    const list = isName(version) ? await this.#files.load({ owner, version }) : impossible;
    return windowOf(list, request, (file) => file.path ?? file.name);
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
    const [only = null] = namespaces.length === 1 ? namespaces : [];
    const answer = await this.#rows.load({ namespace: only });
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

  /** Oldest first. */
  async #readVersions(owner: PackageName): Promise<Answer<Listed<Version>>> {
    const read = readUnpaged<VersionRow>(
      (slice) => this.#access.client.listVersions(owner, slice),
      (row) => row.version,
    );
    const key = packageKey(owner.name);
    const list = mapAnswer(await absentIfNotFound(read, noVersion), (whole) => {
      const sorted = whole.rows.toSorted(byPublication);
      return { ...whole, rows: sorted.map((row) => toVersion(row, owner.namespace, key, whole.origin)) };
    });
    return unlessNamed(list, noVersion, async () => mapAnswer(await this.package(owner), () => true));
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
