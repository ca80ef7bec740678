import type { DroppedRow } from "../../model/backend.ts";
import type { PackageRef, Version, VersionRef } from "../../model/package.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Call } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, type Unknown, unknown } from "../answers.ts";
import { keyText, single } from "../loading/loader.ts";
import { rangeOf } from "../paging/source.ts";
import { type GitlabClient, type PackageList, pageSize } from "./client.ts";
import { isProjectPath, isSameProject, packageText, printKey } from "./keys.ts";
import { isWhole, type ListPage, noPage, orNoPage, type SharedList, sharedList, unreadable } from "./lists.ts";
import { nameOf, projectOf, projectOfPage, type RowContext, toVersion, versionName, type Web } from "./mapper.ts";
import { getPackage, getProject, packagesIn } from "./operations.ts";
import type { PackageRow } from "./payload.ts";

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
export interface PackagePage extends ListPage<ListedRow> {
  /** Counts from 1. */
  readonly number: number;
}

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
  const [first] = pages;
  if (first?.absence) return first.absence;
  if (hasGap(pages)) throw unreadable(first?.origin.backend ?? "", packagesIn(list.scope.kind).name);
  return isWhole(pages, ({ row }) => row.id) ? absenceIn(list) : unknown("LOST_ROWS");
}

function hasGap(pages: readonly PackagePage[]): boolean {
  return pages.some(({ dropped }) => dropped.length > 0);
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
    return hasGap(this.pages);
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

/** What one list has of many keys. */
interface Swept {
  /** The first row of each key. */
  readonly found: ReadonlyMap<string, ListedRow>;
  /** Packages of rows that were skipped. */
  readonly skipped: ReadonlySet<string>;
  /** What the list proves about the other keys; null where they have to be read in another way. */
  readonly silence: Answer<never> | null;
}

/**
 * Looks for many keys in one list: reads on while the pages left are fewer than the keys left. The search for the
 * newest rows stops at what makes the order doubtful: a row that could not be read, a date that is missing or too high.
 */
export async function sweep(
  scan: PackageScan,
  wanted: ReadonlySet<string>,
  rowText: (row: PackageRow) => string | null,
  goal: "newest" | "any",
): Promise<Swept> {
  const hits = new Map<string, ListedRow>();
  const skipped = new Set<string>();
  const unfinished: Swept = { found: hits, skipped, silence: null };
  for await (const page of scan) {
    if (goal === "newest" && !scan.isNewestFirst) return unfinished;
    for (const one of goal === "newest" ? rowsBeforeGap(page) : page.rows) {
      const text = rowText(one.row);
      if (text === null) skipped.add(printKey(nameOf(one.row)));
      else if (wanted.has(text) && !hits.has(text)) hits.set(text, one);
    }
    const missing = wanted.size - hits.size;
    if (missing === 0 || (goal === "newest" && scan.hasGap)) return unfinished;
    const pagesLeft = page.total === null ? null : Math.ceil(page.total / pageSize) - scan.pages.length;
    if (page.more && (pagesLeft === null || pagesLeft >= missing)) return unfinished;
  }
  const silence = scan.hasGap ? null : scan.silence();
  return { ...unfinished, silence: silence?.kind === "ABSENT" ? silence : null };
}

/**
 * The package rows that one request has read: each page is read once, and its rows answer later questions about them.
 */
export class PackageRows {
  readonly #client: GitlabClient;
  /** The backend's configured name. */
  readonly backend: string;
  readonly web: Web;
  readonly #call: Call;
  readonly #paths;
  readonly #pages;
  readonly #asked = new Set<string>();
  // Rows of the pages read, by number, by package, and by version name where their list is newest first.
  readonly #byId = new Map<string, ListedRow>();
  readonly #byPackage = new Map<string, ListedRow>();
  readonly #byVersion = new Map<string, ListedRow>();
  // Pages that are in none of these yet: most rows of a page are never asked for by key.
  #unindexed: { readonly page: PackagePage; readonly list: PackageList }[] = [];

  constructor(client: GitlabClient, backend: string, web: Web, call: Call) {
    this.#client = client;
    this.backend = backend;
    this.web = web;
    this.#call = call;
    this.#paths = single<string, string | null>(
      (project) => project,
      (project) => this.#readPath(project),
      { call, backend, operation: getProject.name },
    );
    this.#pages = single<{ list: PackageList; number: number }, PackagePage>(
      ({ list, number }) => pageText(list, number),
      ({ list, number }) => this.#readPage(list, number),
      { call, backend, operation: ([key]) => (key ? packagesIn(key.list.scope.kind).name : "") },
    );
  }

  /** One page of a list; pages count from 1. */
  page(list: PackageList, number: number): Promise<PackagePage> {
    return this.#pages.load({ list, number });
  }

  /** A list as a source of the paging engine. */
  reading(list: PackageList): SharedList<ListedRow, PackagePage> {
    return sharedList(
      (number) => this.page(list, number),
      ({ row }: ListedRow) => String(row.id),
    );
  }

  /** Reads a list page by page. */
  scan(list: PackageList): PackageScan {
    return new PackageScan(list, (number) => this.page(list, number));
  }

  /** Whether the first page of a list was asked for already, so that reading it costs nothing. */
  isRead(list: PackageList): boolean {
    return this.#asked.has(pageText(list, 1));
  }

  /** The full path of a project by its path, former path or number; null where there is none, or none readable. */
  pathOf(project: string): Promise<string | null> {
    return this.#paths.load(project);
  }

  /** The row of a version, if this request has read it. */
  find(ref: VersionRef): ListedRow | null {
    this.#index();
    const { package: owner, version, nativeId } = ref;
    const row =
      nativeId === null
        ? this.#byVersion.get(keyText(owner.repository, owner.key, version))
        : this.#byId.get(idText(owner.repository, nativeId));
    return row && isMeant(row, ref) ? row : null;
  }

  /** Any row of a package, if this request has read one. */
  findPackage(ref: PackageRef): ListedRow | null {
    this.#index();
    return this.#byPackage.get(packageText(ref)) ?? null;
  }

  /** Reads one row by its number; null when it has no page of its own. */
  async row(project: string, id: string): Promise<ListedRow | null> {
    try {
      const { value, origin, movedTo } = await this.#client.getPackage(project, id, this.#call);
      if (String(value.id) !== id) {
        const reason = "a row with another number than the one asked for";
        throw new UpstreamError("MALFORMED", { backend: this.backend, operation: getPackage.name, reason });
      }
      const repository = await this.#repositoryOf([value], project, movedTo);
      if (repository === null) return null;
      const row = new ListedRow(value, { repository, web: this.web, origin, absence: null });
      this.#byId.set(idText(repository, id), row);
      return row;
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  async #readPage(list: PackageList, number: number): Promise<PackagePage> {
    this.#asked.add(pageText(list, number));
    const operation = packagesIn(list.scope.kind);
    const page = await orNoPage(
      this.#client.listPackages(list, number, this.#call),
      this.backend,
      absent(operation, "KEYED_READ"),
      // A server that is too old for a type has none of it.
      list.type === null ? null : absenceIn(list),
    );
    const listed = list.scope.kind === "project" ? await this.#ofProject(page, list) : this.#ofGroup(page, list);
    const numbered = { ...listed, number };
    this.#unindexed.push({ page: numbered, list });
    return numbered;
  }

  async #ofProject(page: ListPage<PackageRow>, list: PackageList): Promise<ListPage<ListedRow>> {
    const { origin } = page;
    const repository = await this.#repositoryOf(page.rows, list.scope.id, page.movedTo);
    if (repository === null) return noPage(origin, absent(getProject, "KEYED_READ"));
    const context = { repository, web: this.web, origin, absence: absenceIn(list) };
    return { ...page, rows: page.rows.map((row) => new ListedRow(row, context)) };
  }

  #ofGroup(page: ListPage<PackageRow>, list: PackageList): ListPage<ListedRow> {
    const { origin } = page;
    const operation = packagesIn(list.scope.kind).name;
    const absence = absenceIn(list);
    const rows: ListedRow[] = [];
    const dropped: DroppedRow[] = [...page.dropped];
    for (const { row, place } of rangeOf({ identity: ({ id }) => String(id) }, page, 0).rows) {
      const repository = projectOf(row, this.web);
      if (repository !== null) rows.push(new ListedRow(row, { repository, web: this.web, origin, absence }));
      else dropped.push({ operation, index: place, reason: "project_path: expected string" });
    }
    return { ...page, rows, dropped };
  }

  /** A project as its rows spell it: it may have been asked for by number, in another case, or by a former path. */
  async #repositoryOf(rows: readonly PackageRow[], project: string, movedTo: string | null): Promise<string | null> {
    const path = rows.reduce((known: string | null, row) => known ?? projectOfPage(row, this.web), null);
    // Access rules are about the project that answers, so its path has to be known before a row is shown.
    if (movedTo !== null) return (await this.pathOf(movedTo)) ?? path;
    return path !== null && isSameProject(path, project) ? path : project;
  }

  async #readPath(project: string): Promise<string | null> {
    if (!isProjectPath(project)) return null;
    try {
      return (await this.#client.getProject(project, this.#call)).value.path_with_namespace;
    } catch (error) {
      // Job tokens read packages and no projects.
      if (isNotFound(error) || (error instanceof UpstreamError && error.failure === "DENIED")) return null;
      throw error;
    }
  }

  #index(): void {
    const unindexed = this.#unindexed;
    this.#unindexed = [];
    for (const { page, list } of unindexed) {
      const isNewestFirst = list.orderBy === "created_at" && list.sort === "desc";
      for (const one of page.rows) {
        const { repository } = one.context;
        const key = printKey(nameOf(one.row));
        this.#byId.set(idText(repository, String(one.row.id)), one);
        const ofPackage = keyText(repository, key);
        if (!this.#byPackage.has(ofPackage)) this.#byPackage.set(ofPackage, one);
        // Of several rows of one name, clients are served the newest.
        const ofVersion = keyText(repository, key, versionName(one.row));
        if (isNewestFirst && !this.#byVersion.has(ofVersion)) this.#byVersion.set(ofVersion, one);
      }
    }
  }
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
