import type { Origin } from "../../model/backend.ts";
import type { Package, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { parseInstant } from "../../model/time.ts";
import type { Call } from "../../upstream/call.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import type { UpstreamPage } from "../paging.ts";
import { orNothing, unreadable } from "./absence.ts";
import { answering, groupBy } from "./batch-answers.ts";
import { type GitlabClient, type PackageList, pageSize, type Scope } from "./client.ts";
import { type PackageName, printKey, terraformType } from "./identity.ts";
import {
  type AllRows,
  nameOf,
  projectOf,
  type RowContext,
  toPackage,
  toPackageRef,
  toVersion,
  type Web,
} from "./mapper.ts";
import { getPackage, listGroupPackages, listProjectPackages } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import { common, isOf, nameIn, newestFirst, packageText, versionText } from "./row-keys.ts";
import { type Found, sweep } from "./scan.ts";
import { loadVersions } from "./version-lookup.ts";
import { placed } from "./walk.ts";

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
  readonly heads: Loader<PackageRef, Head | null>;
  readonly packages: Loader<PackageRef, Package | null>;
  readonly versions: Loader<VersionRef, Version | null>;
  /** The row behind a version, if this request has seen it. */
  readonly known: (version: VersionRef) => Found | null;
  /** A row as a version; one that this request has seen was made into one then. */
  readonly versionOf: (row: PackageRow, context: RowContext) => Version;
  readonly contextOf: (row: PackageRow, scope: Scope, origin: Origin) => RowContext | null;
}

/** Everything about package rows within one request. */
export function createPackageRows(client: GitlabClient, backend: string, web: Web, call: Call): PackageRows {
  const seen = new Map<string, Found>();
  // Who reads a page makes versions of its rows; what the loaders are told of it later is the same.
  const versionsOfRows = new Map<PackageRow, Version>();
  const asked = new Set<string>();
  const primed = new Set<string>();

  const pages = single<{ list: PackageList; number: number }, UpstreamPage<PackageRow>>(
    ({ list, number }) => pageText(list, number),
    async ({ list, number }) => {
      asked.add(pageText(list, number));
      const page = await orNothing(client.listPackages(list, number, call), backend, list.type);
      const order = list.orderBy === "created_at" && list.sort === "desc" ? "newest first" : "other";
      for (const row of page.rows) see(row, list.scope, page.origin);
      versions.primeLater(() => {
        for (const row of page.rows) rememberVersion(row, list.scope, page.origin, order);
      });
      packages.primeLater(() => {
        for (const row of page.rows) rememberPackage(row, list.scope, page.origin);
      });
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

  function see(row: PackageRow, scope: Scope, origin: Origin): void {
    const context = contextOf(row, scope, origin);
    if (context !== null) seen.set(rowText(context.repository, row.id), { row, origin });
  }

  function rememberVersion(row: PackageRow, scope: Scope, origin: Origin, order: "newest first" | "other"): void {
    const context = contextOf(row, scope, origin);
    if (context === null) return;
    const version = versionOf(row, context);
    versions.prime(version.ref, version);
    // Newest first, so of several rows of one name the first one seen is what clients are served.
    if (order === "newest first") versions.prime({ ...version.ref, nativeId: null }, version);
  }

  function rememberPackage(row: PackageRow, scope: Scope, origin: Origin): void {
    const context = contextOf(row, scope, origin);
    if (context === null) return;
    const ref = toPackageRef(row, context);
    const text = packageText(ref);
    if (primed.has(text)) return;
    primed.add(text);
    packages.prime(ref, toPackage(row, context, null));
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
      const swept = await sweep(page, list, new Set(wanted.keys()), textOf, "stop at a gap");
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
      const firstGap = one.dropped.reduce((least, { index }) => Math.min(least, index), pageSize);
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

  const versions = batched<VersionRef, Version>(versionText, (refs) =>
    loadVersions(refs, {
      backend,
      web,
      page,
      known,
      isRead: (list) => asked.has(pageText(list, 1)),
      single: (project, id) => getRow(project, id),
    }),
  );

  async function getRow(project: string, id: string): Promise<Found | null> {
    const answer = await orNull(client.getPackage(project, id, call));
    if (answer === null) return null;
    const found = { row: answer.value, origin: answer.origin };
    if (String(answer.value.id) !== id) {
      const reason = "a row with another number than the one asked for";
      throw new UpstreamError("MALFORMED", { backend, operation: getPackage.name, reason });
    }
    seen.set(rowText(project, answer.value.id), found);
    return found;
  }

  function known({ package: { repository }, nativeId }: VersionRef): Found | null {
    return nativeId === null ? null : (seen.get(rowText(repository, Number(nativeId))) ?? null);
  }

  const versionOf: PackageRows["versionOf"] = (row, context) => {
    const known = versionsOfRows.get(row);
    // A project may be known by its path in one place and by its number in another.
    if (known?.ref.package.repository === context.repository) return known;
    const version = toVersion(row, context);
    versionsOfRows.set(row, version);
    return version;
  };

  return { page, listOf, heads, packages, versions, known, versionOf, contextOf };
}

/** Count and dates of a package from all of its rows. */
export function summarize(rows: readonly PackageRow[]): AllRows {
  const times = rows.flatMap((row) => parseInstant(row.created_at) ?? []).sort();
  return { count: rows.length, first: times[0] ?? null, last: times.at(-1) ?? null };
}

function rowText(repository: string, id: number): string {
  return `${id} ${repository}`;
}

function pageText({ scope, type, name, version, orderBy, sort }: PackageList, number: number): string {
  return keyText(scope.kind, scope.id, type, name, version, orderBy, sort, number);
}
