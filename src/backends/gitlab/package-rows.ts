import type DataLoader from "dataloader";
import type { Origin } from "../../model/backend.ts";
import type { Package, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { parseInstant } from "../../model/time.ts";
import type { Call } from "../../upstream/call.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import { batched, keyText, single } from "../batch.ts";
import type { UpstreamPage } from "../paging.ts";
import { answering, groupBy, orNothing, unreadable } from "./absence.ts";
import { type GitlabClient, type PackageList, pageSize, type Scope } from "./client.ts";
import { imageType, isNumber, isProjectPath, type PackageName, parseKey, printKey, terraformType } from "./identity.ts";
import {
  type AllRows,
  nameOf,
  projectOf,
  type RowContext,
  toPackage,
  toPackageRef,
  toVersion,
  versionName,
  type Web,
} from "./mapper.ts";
import { getPackage, listGroupPackages, listProjectPackages } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import { placed } from "./walk.ts";

/** A row and the answer that held it. */
export interface Found {
  readonly row: PackageRow;
  readonly origin: Origin;
}

/** What is known of a package from its rows. */
export interface Head {
  /** Any of its rows. */
  readonly some: Found;
  /** Its newest row that was not left in status `error`; null when there is none. */
  readonly newest: Found | null;
  /** False when a row that could not be read stood before `newest` and may be a newer one. */
  readonly certain: boolean;
  /** Null unless all rows of the package were seen. */
  readonly all: AllRows | null;
}

/** One request's knowledge of package rows: every row that was seen answers later questions about it. */
export interface PackageRows {
  /** One page, once; an empty one where the scope does not exist or the type is unknown to the server. */
  readonly page: (list: PackageList, number: number) => Promise<UpstreamPage<PackageRow>>;
  /** The list that answers most questions about one package: its rows and their fuzzy neighbours, newest first. */
  readonly listOf: (ref: PackageRef, name: PackageName) => PackageList;
  readonly heads: DataLoader<PackageRef, Head | null, string>;
  readonly packages: DataLoader<PackageRef, Package | null, string>;
  readonly versions: DataLoader<VersionRef, Version | null, string>;
  /** The row behind a version, if this request has seen it. */
  readonly known: (version: VersionRef) => Found | null;
  readonly contextOf: (row: PackageRow, scope: Scope, origin: Origin) => RowContext | null;
}

/** Everything about package rows within one request. */
export function createPackageRows(client: GitlabClient, backend: string, web: Web, call: Call): PackageRows {
  const seen = new Map<string, Found>();
  const asked = new Set<string>();

  const pages = single<{ list: PackageList; number: number }, UpstreamPage<PackageRow>>(
    ({ list, number }) => pageText(list, number),
    async ({ list, number }) => {
      asked.add(pageText(list, number));
      const page = await orNothing(client.listPackages(list, number, call), backend, list.type);
      const order = list.orderBy === "created_at" && list.sort === "desc" ? "newest first" : "other";
      for (const row of page.rows) remember(row, list.scope, page.origin, order);
      return page;
    },
    {
      call,
      backend,
      operation: ([key]) => (key?.list.scope.kind === "group" ? listGroupPackages : listProjectPackages).name,
    },
  );
  const page: PackageRows["page"] = (list, number) => pages.load({ list, number });

  function contextOf(row: PackageRow, scope: Scope, origin: Origin): RowContext | null {
    const repository = scope.kind === "project" ? scope.id : projectOf(row, web);
    return repository === null ? null : { repository, web, origin };
  }

  function remember(row: PackageRow, scope: Scope, origin: Origin, order: "newest first" | "other"): void {
    const context = contextOf(row, scope, origin);
    if (context === null) return;
    seen.set(rowText(context.repository, row.id), { row, origin });
    const version = toVersion(row, context);
    versions.prime(version.ref, version);
    // Newest first, so of several rows of one name the first one seen is what clients are served.
    if (order === "newest first") versions.prime({ ...version.ref, nativeId: null }, version);
    packages.prime(toPackageRef(row, context), toPackage(row, context, null));
  }

  function listOf({ repository }: PackageRef, { type, name }: PackageName): PackageList {
    return newestFirst(repository, { type, name });
  }

  const heads = batched<PackageRef, Head>(packageText, async (refs) => {
    const answers = new Map<string, Head | Error>();
    const readable = refs.flatMap((ref) => {
      const name = nameIn(ref);
      return name === null ? [] : [{ ref, name, text: packageText(ref) }];
    });
    // Terraform modules are in no list but their own.
    const groups = groupBy(readable, ({ ref, name }) => keyText(ref.repository, name.type === terraformType ? 1 : 0));
    await Promise.all(
      [...groups.values()].map((group) =>
        answering(
          group.map(({ text }) => text),
          answers,
          () => headsOf(group, answers),
        ),
      ),
    );
    return answers;
  });

  type Wanted = { readonly ref: PackageRef; readonly name: PackageName; readonly text: string };

  // Several packages of one project: its newest rows first, as long as a page is cheaper than asking one by one.
  async function headsOf(group: readonly Wanted[], answers: Map<string, Head | Error>): Promise<void> {
    let left = group;
    const [first] = group;
    if (first && group.length > 1) {
      const list = newestFirst(first.ref.repository, { type: common(group.map(({ name }) => name.type)) });
      const wanted = new Map(group.map((one) => [printKey(one.name), one]));
      const textOf = (row: PackageRow) => (row.status === "error" ? null : printKey(nameOf(row)));
      const swept = await sweep(list, new Set(wanted.keys()), textOf, "stop at a gap");
      for (const [key, found] of swept.found) {
        const text = wanted.get(key)?.text;
        if (text !== undefined) answers.set(text, { some: found, newest: found, certain: true, all: null });
      }
      left = group.filter(({ text, name }) => {
        // Seen to the end and not there: absent, unless it was passed over because of its status.
        return !answers.has(text) && !(swept.complete && !swept.passed.has(printKey(name)));
      });
    }
    await Promise.all(
      left.map(({ ref, name, text }) =>
        answering([text], answers, async () => {
          const head = await headOf(ref, name);
          if (head !== null) answers.set(text, head);
        }),
      ),
    );
  }

  async function headOf(ref: PackageRef, name: PackageName): Promise<Head | null> {
    const list = listOf(ref, name);
    const rows: Found[] = [];
    let newest: Found | null = null;
    let gap = false;
    let certain = true;
    for (let number = 1; ; number++) {
      const one = await page(list, number);
      const firstGap = Math.min(...one.dropped.map(({ index }) => index), pageSize);
      for (const { row, place } of placed(one, number)) {
        if (!isOf(row, name)) continue;
        const found = { row, origin: one.origin };
        rows.push(found);
        if (newest !== null || row.status === "error") continue;
        newest = found;
        certain = !gap && place % pageSize < firstGap;
      }
      gap ||= one.dropped.length > 0;
      if (newest === null && one.more) continue;
      const [some] = rows;
      if (some === undefined) {
        if (gap) throw unreadable(backend, listProjectPackages.name);
        return null;
      }
      if (newest === null) certain = !gap;
      return { some, newest, certain, all: one.more || gap ? null : summarize(rows.map(({ row }) => row)) };
    }
  }

  const packages = batched<PackageRef, Package>(packageText, async (refs) => {
    const answers = new Map<string, Package | Error>();
    await Promise.all(
      refs.map((ref) =>
        answering([packageText(ref)], answers, async () => {
          const head = await heads.load(ref);
          if (head === null) return;
          const { row, origin } = head.newest ?? head.some;
          answers.set(packageText(ref), toPackage(row, { repository: ref.repository, web, origin }, head.all));
        }),
      ),
    );
    return answers;
  });

  const versions = batched<VersionRef, Version>(versionText, async (refs) => {
    const answers = new Map<string, Version | Error>();
    const found = (ref: VersionRef, { row, origin }: Found) => {
      // Ids come back from clients: a number that belongs to another package or version finds nothing.
      if (printKey(nameOf(row)) !== ref.package.key || versionName(row) !== ref.version) return;
      answers.set(versionText(ref), toVersion(row, { repository: ref.package.repository, web, origin }));
    };
    const sound = refs.filter((ref) => nameIn(ref.package) && (ref.nativeId === null || isNumber(ref.nativeId)));
    const fresh = sound.filter((ref) => {
      const row = known(ref);
      if (row !== null) found(ref, row);
      return row === null;
    });
    const byId = groupBy(
      fresh.filter((ref) => ref.nativeId !== null),
      ({ package: { repository, key } }) => keyText(repository, parseKey(key)?.type === terraformType ? 1 : 0),
    );
    const byName = groupBy(
      fresh.filter((ref) => ref.nativeId === null),
      (ref) => packageText(ref.package),
    );
    await Promise.all([
      ...[...byId.values()].map((group) =>
        answering(group.map(versionText), answers, () => versionsById(group, found, answers)),
      ),
      ...[...byName.values()].map((group) =>
        answering(group.map(versionText), answers, () => versionsByName(group, found)),
      ),
    ]);
    return answers;
  });

  type Tell = (ref: VersionRef, found: Found) => void;

  // A list row says what the single answer says: many ids of one project are pages, unless single calls are fewer.
  async function versionsById(
    group: readonly VersionRef[],
    tell: Tell,
    answers: Map<string, Version | Error>,
  ): Promise<void> {
    let left = group;
    const [first] = group;
    if (first && group.length > 1) {
      const names = group.flatMap((ref) => parseKey(ref.package.key) ?? []);
      const list = newestFirst(first.package.repository, {
        type: common(names.map(({ type }) => type)),
        name: common(group.map(({ package: { key } }) => key)) === null ? null : (names[0]?.name ?? null),
      });
      const ids = new Set(group.map(({ nativeId }) => String(nativeId)));
      const swept = await sweep(list, ids, (row) => String(row.id), "pass gaps");
      left = group.filter((ref) => {
        const row = swept.found.get(String(ref.nativeId));
        if (row) tell(ref, row);
        return !row && !swept.complete;
      });
    }
    await Promise.all(
      left.map((ref) =>
        answering([versionText(ref)], answers, async () => {
          const row = await rowById(ref);
          if (row !== null) tell(ref, row);
        }),
      ),
    );
  }

  async function rowById(ref: VersionRef): Promise<Found | null> {
    const { repository } = ref.package;
    const name = nameIn(ref.package);
    if (ref.nativeId === null || name === null) return null;
    const answer = await orNull(client.getPackage(repository, ref.nativeId, call));
    if (answer !== null) {
      const found = { row: answer.value, origin: answer.origin };
      if (String(answer.value.id) !== ref.nativeId) {
        const reason = "a row with another number than the one asked for";
        throw new UpstreamError("MALFORMED", { backend, operation: getPackage.name, reason });
      }
      seen.set(rowText(repository, answer.value.id), found);
      return found;
    }
    // A row in status `error` is listed and yet has no page of its own.
    const list = newestFirst(repository, { ...name, version: ref.version.startsWith("#") ? null : ref.version });
    return search(list, (row) => String(row.id) === ref.nativeId);
  }

  async function versionsByName(group: readonly VersionRef[], tell: Tell): Promise<void> {
    const [first] = group;
    const name = first && nameIn(first.package);
    if (!first || !name) return;
    const all = listOf(first.package, name);
    // One name: the server filters (or ignores it, and the row is checked). Unless the whole list is here already.
    const narrow = group.length === 1 && !asked.has(pageText(all, 1));
    const list = narrow ? { ...all, version: first.version } : all;
    const left = new Map(group.map((ref) => [ref.version, ref]));
    let gap = false;
    for (let number = 1; left.size > 0; number++) {
      const one = await page(list, number);
      gap ||= one.dropped.length > 0;
      for (const row of one.rows) {
        const ref = isOf(row, name) ? left.get(versionName(row)) : undefined;
        // Newest first: of rows with one name, the one published last is what clients are served.
        if (ref && left.delete(ref.version)) tell(ref, { row, origin: one.origin });
      }
      if (one.more) continue;
      if (gap && left.size > 0) throw unreadable(backend, listProjectPackages.name);
      return;
    }
  }

  async function search(list: PackageList, matches: (row: PackageRow) => boolean): Promise<Found | null> {
    let gap = false;
    for (let number = 1; ; number++) {
      const one = await page(list, number);
      const row = one.rows.find(matches);
      if (row) return { row, origin: one.origin };
      gap ||= one.dropped.length > 0;
      if (one.more) continue;
      if (gap) throw unreadable(backend, listProjectPackages.name);
      return null;
    }
  }

  /**
   * Reads a list while the pages left are fewer than the keys left. `complete` means that it was read to its end and
   * every row was readable; `passed` holds keys of rows whose text was null on purpose.
   */
  async function sweep(
    list: PackageList,
    wanted: ReadonlySet<string>,
    textOf: (row: PackageRow) => string | null,
    gaps: "stop at a gap" | "pass gaps",
  ): Promise<{ found: Map<string, Found>; passed: Set<string>; complete: boolean }> {
    const found = new Map<string, Found>();
    const passed = new Set<string>();
    let readable = true;
    for (let number = 1; ; number++) {
      const one = await page(list, number);
      const firstGap = gaps === "pass gaps" ? pageSize : Math.min(...one.dropped.map(({ index }) => index), pageSize);
      readable &&= one.dropped.length === 0;
      for (const { row, place } of placed(one, number)) {
        if (place % pageSize > firstGap) break;
        const text = textOf(row);
        if (text === null) passed.add(printKey(nameOf(row)));
        else if (wanted.has(text) && !found.has(text)) found.set(text, { row, origin: one.origin });
      }
      const missing = wanted.size - found.size;
      if (missing === 0 || !one.more) return { found, passed, complete: readable };
      const left = one.total === null ? 0 : Math.ceil(one.total / pageSize) - number;
      if ((gaps === "stop at a gap" && !readable) || one.total === null || left >= missing) {
        return { found, passed, complete: false };
      }
    }
  }

  function known({ package: { repository }, nativeId }: VersionRef): Found | null {
    return nativeId === null ? null : (seen.get(rowText(repository, Number(nativeId))) ?? null);
  }

  return { page, listOf, heads, packages, versions, known, contextOf };
}

/** A project's rows, newest first, narrowed as far as is known. */
export function newestFirst(
  project: string,
  narrow: { readonly type?: string | null; readonly name?: string | null; readonly version?: string | null } = {},
): PackageList {
  const { type = null, name = null, version = null } = narrow;
  return { scope: { kind: "project", id: project }, type, name, version, orderBy: "created_at", sort: "desc" };
}

/** Whether a row is a version of exactly this package: GitLab's own filter is `%name%` in any case. */
export function isOf(row: PackageRow, { type, name }: PackageName): boolean {
  const named = nameOf(row);
  return named.type === type && named.name === name;
}

/** Count and dates of a package from all of its rows. */
export function summarize(rows: readonly PackageRow[]): AllRows {
  const times = rows.flatMap((row) => parseInstant(row.created_at) ?? []).sort();
  return { count: rows.length, first: times[0] ?? null, last: times.at(-1) ?? null };
}

/** The name in a reference, when both its project and its key can be GitLab's and it is no image. */
export function nameIn({ repository, key }: PackageRef): PackageName | null {
  const name = parseKey(key);
  return name !== null && name.type !== imageType && isProjectPath(repository) ? name : null;
}

function common(values: readonly string[]): string | null {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

function versionText({ package: { repository, key }, version, nativeId }: VersionRef): string {
  return keyText(repository, key, version, nativeId);
}

function rowText(repository: string, id: number): string {
  return keyText(repository, id);
}

function pageText({ scope, type, name, version, orderBy, sort }: PackageList, number: number): string {
  return keyText(scope.kind, scope.id, type, name, version, orderBy, sort, number);
}
