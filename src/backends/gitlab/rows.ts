import type { DroppedRow } from "../../model/backend.ts";
import type { PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import { type Absent, absent, type Unknown } from "../answers.ts";
import { keyText, single } from "../batch.ts";
import { isWhole, type ListPage, noPage, orNoPage, silenceOf } from "./absence.ts";
import type { GitlabClient, PackageList } from "./client.ts";
import { isProjectPath, isSameProject, packageText, printKey } from "./keys.ts";
import { nameOf, projectOf, projectOfPage, type RowContext, toVersion, versionName, type Web } from "./mapper.ts";
import { getPackage, getProject, packagesIn } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import { placed } from "./walk.ts";

/** A row's context, shared by all rows of one page of a project's list. */
export interface ListContext extends RowContext {
  /** What the list proves about what its rows do not mention; null for a row that was read by its number. */
  readonly absence: Absent | null;
}

/** A package row with its context. */
export class ListedRow {
  readonly row: PackageRow;
  readonly context: ListContext;
  #version: Version | null = null;

  constructor(row: PackageRow, context: ListContext) {
    this.row = row;
    this.context = context;
  }

  /** The row as a version, mapped when it is first read. */
  get version(): Version {
    this.#version ??= toVersion(this.row, this.context);
    return this.#version;
  }
}

/** A page of a package list. A row of a group's list that does not say its project is dropped as unreadable. */
export type PackagePage = ListPage<ListedRow>;

/** A project's rows, newest first, with the filters that are given. */
export function newestFirst(
  project: string,
  { type = null, name = null, version = null }: Partial<Pick<PackageList, "type" | "name" | "version">> = {},
): PackageList {
  return { scope: { kind: "project", id: project }, type, name, version, orderBy: "created_at", sort: "desc" };
}

/** The absence that a list proves by not holding a row. */
function absenceIn({ scope, type, name, version }: PackageList): Absent {
  const isFiltered = type !== null || name !== null || version !== null;
  return absent(packagesIn(scope.kind), isFiltered ? "COMPLETE_FILTER" : "WHOLE_LIST");
}

/** The rows of a page in front of the first one that could not be read. */
export function rowsBeforeGap({ rows, dropped }: PackagePage): readonly ListedRow[] {
  return rows.slice(
    0,
    dropped.reduce((first, { index }) => Math.min(first, index), rows.length),
  );
}

/**
 * What a list, read to its end, proves about what it did not hold: its absence, the absence of its place, or LOST_ROWS
 * where fewer rows came than the server counts. Throws MALFORMED where a row could not be read.
 */
export function silenceIn(list: PackageList, pages: readonly PackagePage[]): Absent | Unknown {
  return silenceOf(pages, ({ row }) => row.id, absenceIn(list), packagesIn(list.scope.kind));
}

/** Reads one package list page by page, from its first page to its last. */
export class PackageScan implements AsyncIterable<PackagePage> {
  readonly list: PackageList;
  /** The pages read so far. */
  readonly pages: PackagePage[] = [];
  readonly #read: (number: number) => Promise<PackagePage>;
  #checkedPages = 0;
  #isOrdered = true;
  #lastDate = Number.POSITIVE_INFINITY;

  constructor(list: PackageList, read: (number: number) => Promise<PackagePage>) {
    this.list = list;
    this.#read = read;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PackagePage> {
    let page: PackagePage;
    do {
      page = await this.#read(this.pages.length + 1);
      this.pages.push(page);
      yield page;
    } while (page.more);
  }

  /** Reads all pages. */
  async all(): Promise<this> {
    for await (const _ of this);
    return this;
  }

  /** Whether the pages read are newest first: no date is missing or higher than the one before. */
  get isNewestFirst(): boolean {
    for (; this.#checkedPages < this.pages.length; this.#checkedPages++) {
      for (const { row } of this.pages[this.#checkedPages]?.rows ?? []) {
        const date = Date.parse(row.created_at ?? "");
        // The comparison is false for NaN.
        if (!(date <= this.#lastDate)) this.#isOrdered = false;
        this.#lastDate = date;
      }
    }
    return this.#isOrdered;
  }

  /** Whether a row of the pages read could not be read. */
  get hasGap(): boolean {
    return this.pages.some(({ dropped }) => dropped.length > 0);
  }

  /** Whether the pages read are the whole list, and no row is missing. */
  get isComplete(): boolean {
    return this.pages.at(-1)?.more === false && !this.hasGap && isWhole(this.pages, ({ row }) => row.id);
  }

  /** As {@link silenceIn}, of the pages read. */
  silence(): Absent | Unknown {
    return silenceIn(this.list, this.pages);
  }
}

/** The package rows that one request has read; made by {@link createPackageRows}. */
export type PackageRows = ReturnType<typeof createPackageRows>;

/** Creates a request's view of package rows: each page is read once, and its rows answer later questions about them. */
export function createPackageRows(client: GitlabClient, backend: string, web: Web, call: Call) {
  const asked = new Set<string>();
  // Rows of the pages read, by number, by package, and by version name where their list is newest first.
  const byId = new Map<string, ListedRow>();
  const byPackage = new Map<string, ListedRow>();
  const byVersion = new Map<string, ListedRow>();
  // Pages that are in none of these yet: most rows of a page are never asked for by key.
  const unindexed: { readonly page: PackagePage; readonly list: PackageList }[] = [];

  const paths = single<string, string | null>(
    (project) => project,
    async (project) => {
      if (!isProjectPath(project)) return null;
      try {
        return (await client.getProject(project, call)).value.path_with_namespace;
      } catch (error) {
        // Job tokens read packages and no projects.
        if (isNotFound(error) || (error instanceof UpstreamError && error.failure === "DENIED")) return null;
        throw error;
      }
    },
    { call, backend, operation: getProject.name },
  );

  const pages = single<{ list: PackageList; number: number }, PackagePage>(
    ({ list, number }) => pageText(list, number),
    async ({ list, number }) => {
      asked.add(pageText(list, number));
      const page = await readPage(list, number);
      unindexed.push({ page, list });
      return page;
    },
    { call, backend, operation: ([key]) => (key ? packagesIn(key.list.scope.kind).name : "") },
  );
  const page = (list: PackageList, number: number) => pages.load({ list, number });

  async function readPage(list: PackageList, number: number): Promise<PackagePage> {
    const { scope, type } = list;
    const { name: operation } = packagesIn(scope.kind);
    const absence = absenceIn(list);
    const page = await orNoPage(
      client.listPackages(list, number, call),
      backend,
      absent(packagesIn(scope.kind), "KEYED_READ"),
      type === null ? null : absence,
    );
    const { origin } = page;
    if (scope.kind === "project") {
      const repository = await repositoryOf(page.rows, scope.id, page.movedTo);
      if (repository === null) return noPage(origin, absent(getProject, "KEYED_READ"));
      const context = { repository, web, origin, absence };
      return { ...page, rows: page.rows.map((row) => new ListedRow(row, context)) };
    }
    const rows: ListedRow[] = [];
    const dropped: DroppedRow[] = [...page.dropped];
    for (const { row, place } of placed(page, 1)) {
      const repository = projectOf(row, web);
      if (repository !== null) rows.push(new ListedRow(row, { repository, web, origin, absence }));
      else dropped.push({ operation, index: place, reason: "project_path: expected string" });
    }
    return { ...page, rows, dropped };
  }

  /** A project as its rows spell it: it may have been asked for by number, in another case, or by a former path. */
  async function repositoryOf(rows: readonly PackageRow[], project: string, movedTo: string | null) {
    // Access rules are about the project that answers, so its path has to be known before a row is shown.
    if (movedTo !== null) return (await paths.load(movedTo)) ?? pathIn(rows);
    const path = pathIn(rows);
    return path !== null && isSameProject(path, project) ? path : project;
  }

  /** The project in the page address of the first row that has one. */
  function pathIn(rows: readonly PackageRow[]): string | null {
    for (const row of rows) {
      const path = projectOfPage(row, web);
      if (path !== null) return path;
    }
    return null;
  }

  function index(): void {
    for (const { page, list } of unindexed.splice(0)) {
      const isNewestFirst = list.orderBy === "created_at" && list.sort === "desc";
      for (const one of page.rows) {
        const { repository } = one.context;
        const key = printKey(nameOf(one.row));
        byId.set(idText(repository, String(one.row.id)), one);
        const ofPackage = keyText(repository, key);
        if (!byPackage.has(ofPackage)) byPackage.set(ofPackage, one);
        // Of several rows of one name, clients are served the newest.
        const ofVersion = keyText(repository, key, versionName(one.row));
        if (isNewestFirst && !byVersion.has(ofVersion)) byVersion.set(ofVersion, one);
      }
    }
  }

  return {
    /** One page of a list; pages count from 1. */
    page,
    scan: (list: PackageList) => new PackageScan(list, (number) => page(list, number)),
    /** Whether the first page of a list was asked for already, so that reading it costs nothing. */
    isRead: (list: PackageList) => asked.has(pageText(list, 1)),
    /** The row of a version, if this request has read it. */
    find: (ref: VersionRef): ListedRow | null => {
      index();
      const { package: owner, version, nativeId } = ref;
      const row =
        nativeId === null
          ? byVersion.get(keyText(owner.repository, owner.key, version))
          : byId.get(idText(owner.repository, nativeId));
      return row && isMeant(row, ref) ? row : null;
    },
    /** Any row of a package, if this request has read one. */
    findPackage: (ref: PackageRef): ListedRow | null => {
      index();
      return byPackage.get(packageText(ref)) ?? null;
    },
    /** Reads one row by its number; null when it has no page of its own. */
    row: async (project: string, id: string): Promise<ListedRow | null> => {
      try {
        const { value, origin, movedTo } = await client.getPackage(project, id, call);
        if (String(value.id) !== id) {
          const reason = "a row with another number than the one asked for";
          throw new UpstreamError("MALFORMED", { backend, operation: getPackage.name, reason });
        }
        const repository = await repositoryOf([value], project, movedTo);
        if (repository === null) return null;
        const one = new ListedRow(value, { repository, web, origin, absence: null });
        byId.set(idText(repository, id), one);
        return one;
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    /** The full path of a project by its path, former path or number; null where there is none, or none readable. */
    pathOf: (project: string): Promise<string | null> => paths.load(project),
  };
}

/** Whether a row is the one a reference means: clients send ids back, and the number may be another version's. */
export function isMeant({ row }: ListedRow, ref: VersionRef): boolean {
  return printKey(nameOf(row)) === ref.package.key && versionName(row) === ref.version;
}

function idText(repository: string, id: string): string {
  return `${id} ${repository.toLowerCase()}`;
}

function pageText({ scope, type, name, version, orderBy, sort }: PackageList, number: number): string {
  return keyText(scope.kind, scope.id, type, name, version, orderBy, sort, number);
}
