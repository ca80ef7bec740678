import type { Package, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { parseInstant } from "../../model/values.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import {
  type Absent,
  type Answer,
  absent,
  failed,
  found,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { groupBy } from "../batches.ts";
import { isWhole, noPage, orNoPage, unreadable } from "./absence.ts";
import { type GitlabClient, type PackageList, pageSize } from "./client.ts";
import { isProjectPath, isSameProject, type PackageName, printKey, terraformType } from "./identity.ts";
import {
  type AllRows,
  nameOf,
  projectOf,
  projectOfPage,
  type RowContext,
  toPackage,
  toPackageRef,
  toVersion,
  type Web,
} from "./mapper.ts";
import { getPackage, getProject } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import { common, isOf, nameIn, newer, newestFirst, packageText, versionText } from "./row-keys.ts";
import {
  absenceIn,
  createOrderCheck,
  firstGapOf,
  operationOf,
  type PackagePage,
  type ReadList,
  type SeenRow,
  silenceIn,
  sweep,
} from "./scan.ts";
import { answering } from "./several.ts";
import { loadVersions } from "./version-lookup.ts";
import { placed } from "./walk.ts";

/** What is known of a package from its rows. */
export interface Head {
  /** Any of its rows. */
  readonly some: SeenRow;
  /** Its newest row that was not left in status `error`; null when there is none, or when `doubt` says why not. */
  readonly newest: SeenRow | null;
  /** Why the newest cannot be told; null where it can. */
  readonly doubt: Unknown | null;
  /** Null unless all rows of the package were seen. */
  readonly all: AllRows | null;
  /** What the list that told of it proves of what it does not hold. */
  readonly absence: Absent;
}

/** A row that this request has seen. */
export interface KnownRow extends SeenRow {
  /** What the list that holds it proves of what it does not tell; null for a row that was asked for by its number. */
  readonly absence: Absent | null;
}

/** One request's knowledge of package rows: every row that was seen answers later questions about it. */
export interface PackageRows extends ReadList {
  /** The list that answers most questions about one package: its rows and their fuzzy neighbours, newest first. */
  readonly listOf: (ref: PackageRef, name: PackageName) => PackageList;
  readonly heads: Loader<PackageRef, Answer<Head>>;
  readonly packages: Loader<PackageRef, Answer<Package>>;
  readonly versions: Loader<VersionRef, Answer<Version>>;
  /** The row behind a version, if this request has seen it. */
  readonly known: (version: VersionRef) => KnownRow | null;
  /** A row as a version; one that this request has seen was made into one then. */
  readonly versionOf: (row: PackageRow, context: RowContext) => Version;
  /** The full path of a project, whatever it is asked by; null where there is none, or none that may be told. */
  readonly pathOf: (project: string) => Promise<string | null>;
}

/** The most pages that are read for the newest of a list that is not in the order asked for. */
const mostUnorderedPages = 20;

/** Everything about package rows within one request. */
export function createPackageRows(client: GitlabClient, backend: string, web: Web, call: Call): PackageRows {
  const seen = new Map<string, KnownRow>();
  // Who reads a page makes versions of its rows; what the loaders are told of it later is the same.
  const versionsOfRows = new Map<PackageRow, Version>();
  const asked = new Set<string>();
  const primed = new Set<string>();

  const paths = single<string, string | null>(
    (project) => project,
    (project) =>
      isProjectPath(project)
        ? client.getProject(project, call).then(
            ({ value }) => value.path_with_namespace,
            (error: unknown) => {
              // Job tokens read packages and no projects.
              if (isNotFound(error) || (error instanceof UpstreamError && error.failure === "DENIED")) return null;
              throw error;
            },
          )
        : Promise.resolve(null),
    { call, backend, operation: getProject.name },
  );
  const pathOf = (project: string) => paths.load(project);

  const pages = single<{ list: PackageList; number: number }, PackagePage>(
    ({ list, number }) => pageText(list, number),
    async ({ list, number }) => {
      asked.add(pageText(list, number));
      const page = await readPage(list, number);
      const order = list.orderBy === "created_at" && list.sort === "desc" ? "newest first" : "other";
      const absence = absenceIn(list);
      for (const row of page.rows) see(row, page, absence);
      versions.primeLater(() => {
        for (const row of page.rows) rememberVersion(row, page, order);
      });
      packages.primeLater(() => {
        for (const row of page.rows) rememberPackage(row, page);
      });
      return page;
    },
    { call, backend, operation: ([key]) => (key ? operationOf(key.list).name : "") },
  );
  const page: PackageRows["page"] = (list, number) => pages.load({ list, number });

  async function readPage(list: PackageList, number: number): Promise<PackagePage> {
    const { scope, type } = list;
    const refused = type === null ? null : absenceIn(list);
    const page = await orNoPage(
      client.listPackages(list, number, call),
      backend,
      absent(operationOf(list), "KEYED_READ"),
      refused,
    );
    if (scope.kind === "group") return { ...page, repository: null };
    if (page.movedTo === null) return { ...page, repository: repositoryIn(page.rows, scope.id) };
    // Another project answers to the name: rules are about that one, so its path has to be known before a row is shown.
    const repository = (await pathOf(page.movedTo)) ?? pathIn(page.rows);
    if (repository !== null) return { ...page, repository };
    return { ...noPage<PackageRow>(page.origin, absent(getProject, "KEYED_READ")), repository: scope.id };
  }

  /** A project as its rows spell it: it may have been asked for by number or in another case. */
  function repositoryIn(rows: readonly PackageRow[], asked: string): string {
    const path = pathIn(rows);
    return path !== null && isSameProject(path, asked) ? path : asked;
  }

  /** The project whose page the first row with a page has. */
  function pathIn(rows: readonly PackageRow[]): string | null {
    for (const row of rows) {
      const path = projectOfPage(row, web);
      if (path !== null) return path;
    }
    return null;
  }

  function contextOf(row: PackageRow, { repository: project, origin }: PackagePage): RowContext | null {
    const repository = project ?? projectOf(row, web);
    return repository === null ? null : { repository, web, origin };
  }

  function see(row: PackageRow, page: PackagePage, absence: Absent): void {
    const context = contextOf(row, page);
    if (context !== null) seen.set(rowText(context.repository, row.id), { row, context, absence });
  }

  function rememberVersion(row: PackageRow, page: PackagePage, order: "newest first" | "other"): void {
    const context = contextOf(row, page);
    if (context === null) return;
    const version = versionOf(row, context);
    versions.prime(version.ref, found(version));
    // Newest first, so of several rows of one name the first one seen is what clients are served.
    if (order === "newest first") versions.prime({ ...version.ref, nativeId: null }, found(version));
  }

  function rememberPackage(row: PackageRow, page: PackagePage): void {
    const context = contextOf(row, page);
    if (context === null) return;
    const ref = toPackageRef(row, context);
    const text = packageText(ref);
    if (primed.has(text)) return;
    primed.add(text);
    packages.prime(ref, found(toPackage(row, context, null)));
  }

  function listOf({ repository }: PackageRef, { type, name }: PackageName): PackageList {
    return newestFirst(repository, { type, name });
  }

  const heads = batched<PackageRef, Head>(packageText, async (refs, answers) => {
    const readable = refs.flatMap((ref): Wanted[] => {
      const name = nameIn(ref);
      if (name === null) answers.set(packageText(ref), impossible);
      return name === null ? [] : [{ ref, name, text: packageText(ref) }];
    });
    // Terraform modules are in no list but their own.
    const groups = groupBy(readable, ({ ref, name }) => keyText(ref.repository, name.type === terraformType ? 1 : 0));
    await Promise.all(
      groups.map((group) =>
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
  async function headsOf(group: readonly Wanted[], answers: Map<string, Answer<Head> | Error>): Promise<void> {
    let left = group;
    const [first] = group;
    if (first && group.length > 1) {
      const list = newestFirst(first.ref.repository, { type: common(group.map(({ name }) => name.type)) });
      const wanted = new Map(group.map((one) => [printKey(one.name), one]));
      const textOf = (row: PackageRow) => (row.status === "error" ? null : printKey(nameOf(row)));
      const swept = await sweep(rows, list, new Set(wanted.keys()), textOf, "the newest");
      for (const [key, hit] of swept.found) {
        const text = wanted.get(key)?.text;
        if (text !== undefined)
          answers.set(text, found({ some: hit, newest: hit, doubt: null, all: null, absence: absenceIn(list) }));
      }
      left = group.filter(({ text, name }) => {
        if (answers.has(text)) return false;
        // Seen to the end and not there: absent, unless it was passed over because of its status.
        if (swept.silence === null || swept.passed.has(printKey(name))) return true;
        answers.set(text, swept.silence);
        return false;
      });
    }
    await Promise.all(
      left.map(({ ref, name, text }) =>
        answering([text], answers, async () => {
          answers.set(text, await headOf(ref, name));
        }),
      ),
    );
  }

  async function headOf(ref: PackageRef, name: PackageName): Promise<Answer<Head>> {
    const list = listOf(ref, name);
    const pages: PackagePage[] = [];
    const own: SeenRow[] = [];
    const isOrdered = createOrderCheck();
    let newest: SeenRow | null = null;
    let isBehindGap = false;
    let ordered = true;
    for (let number = 1; ; number++) {
      const one = await page(list, number);
      ordered = isOrdered(one);
      const firstGap = firstGapOf(one);
      const hasGap = pages.some(({ dropped }) => dropped.length > 0);
      pages.push(one);
      for (const { row, place } of placed(one, number)) {
        const context = isOf(row, name) ? contextOf(row, one) : null;
        if (context === null) continue;
        own.push({ row, context });
        if (newest !== null || row.status === "error") continue;
        newest = { row, context };
        isBehindGap = hasGap || place % pageSize > firstGap;
      }
      if (!one.more || (newest !== null && ordered) || number === mostUnorderedPages) break;
    }
    const [some] = own;
    if (some === undefined) return pages.at(-1)?.more ? unknown("UNREAD") : silenceIn(list, pages);
    const hasGap = pages.some(({ dropped }) => dropped.length > 0);
    const isAll = pages.at(-1)?.more === false && !hasGap && isWhole(pages, ({ id }) => id);
    const all = isAll ? summarize(own.map(({ row }) => row)) : null;
    if (ordered || newest === null) {
      const inDoubt = newest === null ? hasGap : isBehindGap;
      const lost = failed(unreadable(backend, operationOf(list).name));
      return found({ some, newest, doubt: inDoubt ? lost : null, all, absence: absenceIn(list) });
    }
    // Not in the order asked for, or without dates: only a list that was read whole can tell, where its dates can.
    const absence = absenceIn(list);
    const head = headOfAll(own, absence);
    return found(isAll && head ? head : { some, newest: null, doubt: unknown("UNCHECKED_ORDER"), all, absence });
  }

  const packages = batched<PackageRef, Package>(packageText, async (refs, answers) => {
    await Promise.all(
      refs.map((ref) =>
        answering([packageText(ref)], answers, async () => {
          const toOne = ({ newest, some, all }: Head) => toPackage((newest ?? some).row, (newest ?? some).context, all);
          answers.set(packageText(ref), mapAnswer(await heads.load(ref), toOne));
        }),
      ),
    );
    return answers;
  });

  const versions = batched<VersionRef, Version>(versionText, (refs) =>
    loadVersions(refs, {
      ...rows,
      isRead: (list) => asked.has(pageText(list, 1)),
      single: (project, id) => getRow(project, id),
    }),
  );

  /** One row by its number; null when it has no page of its own. */
  async function getRow(project: string, id: string): Promise<SeenRow | null> {
    try {
      const { value: row, origin, movedTo } = await client.getPackage(project, id, call);
      if (String(row.id) !== id) {
        const reason = "a row with another number than the one asked for";
        throw new UpstreamError("MALFORMED", { backend, operation: getPackage.name, reason });
      }
      const repository = movedTo === null ? repositoryIn([row], project) : ((await pathOf(movedTo)) ?? pathIn([row]));
      if (repository === null) return null;
      const one = { row, context: { repository, web, origin }, absence: null };
      seen.set(rowText(repository, row.id), one);
      return one;
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  function known({ package: { repository }, nativeId }: VersionRef): KnownRow | null {
    return nativeId === null ? null : (seen.get(rowText(repository, Number(nativeId))) ?? null);
  }

  const versionOf: PackageRows["versionOf"] = (row, context) => {
    const made = versionsOfRows.get(row);
    // A project may be known by its path in one place and by its number in another.
    if (made?.ref.package.repository === context.repository) return made;
    const version = toVersion(row, context);
    versionsOfRows.set(row, version);
    return version;
  };

  const rows: PackageRows = { page, contextOf, listOf, heads, packages, versions, known, versionOf, pathOf };
  return rows;
}

/** What all rows of one package tell of it; null for none. */
export function headOfAll(group: readonly SeenRow[], absence: Absent): Head | null {
  const [some] = group;
  if (some === undefined) return null;
  const sound = group.filter(({ row }) => row.status !== "error").sort((left, right) => newer(left.row, right.row));
  const isTold = sound.length <= 1 || sound.every(({ row }) => !Number.isNaN(Date.parse(row.created_at ?? "")));
  return {
    some,
    newest: isTold ? (sound[0] ?? null) : null,
    doubt: isTold ? null : unknown("UNCHECKED_ORDER"),
    all: summarize(group.map(({ row }) => row)),
    absence,
  };
}

/** Count and dates of a package from all of its rows. */
function summarize(rows: readonly PackageRow[]): AllRows {
  const times = rows.flatMap((row) => parseInstant(row.created_at) ?? []).sort();
  return { count: rows.length, first: times[0] ?? null, last: times.at(-1) ?? null };
}

function rowText(repository: string, id: number): string {
  return `${id} ${repository.toLowerCase()}`;
}

function pageText({ scope, type, name, version, orderBy, sort }: PackageList, number: number): string {
  return keyText(scope.kind, scope.id, type, name, version, orderBy, sort, number);
}
