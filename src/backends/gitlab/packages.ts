import { mapPage, type Page, type PageRequest } from "../../model/backend.ts";
import type { Package, PackageFile, PackageFormat, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { isNotFound } from "../../upstream/errors.ts";
import type { Call } from "../../upstream/operation.ts";
import {
  type Absent,
  type Answer,
  emptyPage,
  failed,
  firstGap,
  found,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageReader, Readers, VersionQuery } from "../backend.ts";
import { keyText, single } from "../loading/loader.ts";
import { readChain } from "../paging/chain.ts";
import { readFiltered } from "../paging/filter.ts";
import type { UpstreamPage } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import { type GitlabClient, type PackageList, pageSize } from "./client.ts";
import { createCommitReader } from "./commits.ts";
import { ImageRegistry } from "./images.ts";
import {
  filterOf,
  formatOf,
  imageType,
  isLossy,
  isNumber,
  isProjectPath,
  matchesName,
  nameIn,
  parseKey,
  printKey,
  storedName,
  terraformType,
  typeOf,
} from "./keys.ts";
import { isWhole, readListWindow } from "./lists.ts";
import { isOf, nameOf, toFile, toPackage, toPackageRef, toWeb, versionName } from "./mapper.ts";
import { listPackageFiles } from "./operations.ts";
import type { FileRow } from "./payload.ts";
import { type ListedRow, newestFirst, type PackagePage, PackageRows, silenceIn } from "./rows.ts";
import { type GitlabSettings, type Scope, searchScopes } from "./settings.ts";
import { type Head, headOfAll, PackageLookups, packageOf, packageTextOf, rowsByPackage } from "./versions.ts";

/** One request's view of a GitLab. */
export function createReaders(client: GitlabClient, settings: GitlabSettings, call: Call): Readers {
  const { capabilities } = settings;
  const packages = new PackageRegistry(client, settings, call);
  const images = capabilities.includes("IMAGES") ? new ImageRegistry(client, settings, call) : null;
  return {
    ping: () => client.ping(call),
    commits: createCommitReader(client, settings.url, packages, call),
    ...(images === null ? {} : { images: images.reader() }),
    ...(capabilities.includes("PACKAGES") ? { packages: createPackageReader(packages, images, settings) } : {}),
  };
}

type Registry = Pick<ImageRegistry & PackageRegistry, keyof ImageRegistry & keyof PackageRegistry>;

/** Asks the package registry about packages, and the container registry about images. */
function createPackageReader(
  packages: PackageRegistry,
  images: ImageRegistry | null,
  settings: GitlabSettings,
): PackageReader {
  const isImageFormat = (format: PackageFormat | null) => format === "DOCKER" || format === "OCI";
  // Without `images`, the configuration says that this server has no container registry, and nothing is sent.
  const ask = async <T>(isImage: boolean, question: (registry: Registry) => Promise<Answer<T>>): Promise<Answer<T>> => {
    const registry = isImage ? images : packages;
    return registry === null ? unknown("NOT_CONFIGURED") : question(registry);
  };
  const askAbout = <T>({ key }: PackageRef, question: (registry: Registry) => Promise<Answer<T>>) =>
    ask(parseKey(key)?.type === imageType, question);
  const scopesIn = (project: string | null): readonly Scope[] =>
    project === null ? searchScopes(settings) : [{ kind: "project", id: project }];
  return {
    keyOf: (name, format) => {
      const type = typeOf(format);
      if (type === null || (type === imageType && images === null)) return null;
      const stored = storedName(type, name);
      return stored === null || isLossy(type, stored) ? null : printKey({ type, name: stored });
    },
    parseKey: (key) => {
      const parsed = parseKey(key);
      return parsed && { name: parsed.name, format: formatOf(parsed.type) };
    },
    package: (ref) => askAbout(ref, (registry) => registry.package(ref)),
    page: async ({ repository, group }, filter, request) => {
      const id = repository ?? group;
      if (id === null || !isProjectPath(id)) return impossible;
      const scope: Scope = { kind: repository === null ? "group" : "project", id };
      return ask(isImageFormat(filter.format), (registry) => registry.page(scope, filter, request));
    },
    version: (ref) => askAbout(ref.package, (registry) => registry.version(ref)),
    versions: async (ref, filter, request) => {
      // GitLab knows no stages, so no version is in one.
      if (filter.stage !== null) return impossible;
      return askAbout(ref, (registry) => registry.versions(ref, filter, request));
    },
    latest: (ref) => askAbout(ref, (registry) => registry.latest(ref)),
    files: (version, request) => packages.files(version, request),
    // GitLab's own search looks into names only.
    byChecksum: () => Promise.resolve(unknown("NOT_SEARCHABLE")),
    named: async (name, format, project) => {
      if (project !== null && !isProjectPath(project)) return impossible;
      return ask(isImageFormat(format), (registry) => registry.named(name, format, scopesIn(project)));
    },
    byPurl: async (purl, project) =>
      project !== null && !isProjectPath(project) ? impossible : packages.byPurl(purl, scopesIn(project)),
    search: async (filter, request) => {
      const scopes = searchScopes(settings);
      if (scopes.length === 0) return unknown("NOT_CONFIGURED");
      return ask(isImageFormat(filter.format), (registry) => registry.search(filter, request, scopes));
    },
  };
}

/** The package registry within one request: lookups, windows over packages, versions and files. */
export class PackageRegistry extends PackageLookups {
  readonly #filePages;

  constructor(client: GitlabClient, { name: backend, url, webUrl }: GitlabSettings, call: Call) {
    super(new PackageRows(client, backend, toWeb(webUrl ?? url), call));
    this.#filePages = single<{ project: string; id: string; page: number; size: number }, UpstreamPage<FileRow>>(
      ({ project, id, page, size }) => keyText(project, id, page, size),
      ({ project, id, page, size }) => client.listFiles(project, id, page, size, call),
      { call, backend, operation: listPackageFiles.name },
    );
  }

  page(scope: Scope, filter: PackageQuery, request: PageRequest): Promise<Answer<Page<Package>>> {
    return readPackages(request, [scope], filter, "list", this);
  }

  search(filter: PackageQuery, request: PageRequest, scopes: readonly Scope[]): Promise<Answer<Page<Package>>> {
    return readPackages(request, scopes, filter, "search", this);
  }

  async versions(ref: PackageRef, filter: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    const name = nameIn(ref);
    if (name === null) return impossible;
    const { prefix, direction } = filter;
    const list = { ...newestFirst(ref.repository, name), sort: direction === "DESC" ? "desc" : "asc" } as const;
    const reading = this.rows.reading(list);
    const isWanted = (one: ListedRow) => isOf(one.row, name) && (!prefix || versionName(one.row).startsWith(prefix));
    const answer = await readListWindow(request, reading, isWanted);
    if (answer.kind !== "FOUND") return answer;
    const { isWhole, dropped } = answer.value;
    const hasRow = reading.pages.some((page) => page.rows.some(({ row }) => isOf(row, name)));
    // An unreadable row is reported as such, and may be the package's.
    if (isWhole && dropped.length === 0 && !hasRow) return silenceIn(list, reading.pages);
    return mapAnswer(answer, (page) => mapPage(page, ({ version }) => version));
  }

  async files(version: VersionRef, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    // The files of an image are layers, and GitLab lists none.
    if (nameIn(version.package) === null) return impossible;
    if (version.nativeId !== null) return this.#filesOf(version, version.nativeId, request);
    const loaded = await this.version(version);
    if (loaded.kind !== "FOUND") return loaded;
    const { ref } = loaded.value;
    return ref.nativeId === null ? impossible : this.#filesOf(ref, ref.nativeId, request);
  }

  async #filesOf(version: VersionRef, id: string, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    const { repository } = version.package;
    const { web } = this.rows;
    if (!isNumber(id)) return impossible;
    try {
      const window = await readWindow(request, {
        fetch: (page, size) => this.#filePages.load({ project: repository, id, page: page + 1, size }),
        identity: (row) => String(row.id),
        maxSize: pageSize,
      });
      return found(mapPage(window, (row) => toFile(row, { repository, web })));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    // Whether there is such a version is for its list to say.
    const owner = await this.version(version);
    return owner.kind === "FOUND" ? unknown("DETAIL_MISSING") : owner;
  }
}

/** One list of the chain: a scope's packages, or its Terraform modules, which GitLab lists apart. */
interface ListSegment extends PackageList {
  /** True for a list that is only read where those before it are empty. */
  readonly isLastResort?: boolean;
}

/** The lists that together have every package a filter can match, in the order they are read. */
function segmentsOf(scopes: readonly Scope[], { name, match, format }: PackageQuery): readonly ListSegment[] {
  const known = format === null || format === "OTHER" ? null : typeOf(format);
  if (format !== null && format !== "OTHER" && known === null) return [];
  const types = known !== null ? [known] : format === "OTHER" ? [null] : [null, terraformType];
  const segment = (scope: Scope, type: string | null): ListSegment => {
    const exact = name === null ? null : filterOf(type, storedName(type ?? "", name) ?? name);
    const part = name === null ? null : filterOf(null, name);
    return { scope, type, name: match === "EXACT" ? exact : part, version: null, orderBy: "name", sort: "asc" };
  };
  // A Python package may be stored with other separators than it is searched by.
  const mayBePython = format === null && match === "EXACT" && name !== null && /[-_.]/.test(name);
  return [
    ...scopes.flatMap((scope) => types.map((type) => segment(scope, type))),
    ...(mayBePython ? scopes.map((scope) => ({ ...segment(scope, "pypi"), isLastResort: true })) : []),
  ];
}

/** A window's reading of one list. */
interface SegmentReading {
  readonly list: PackageList;
  readonly pages: readonly PackagePage[];
}

/**
 * Reads a window over packages: rows sorted by name, collapsed to one package for each project, type and name. A
 * package whose rows were all read has its counts, and its head is remembered. Absent where no scope exists, and for a
 * `search` also where none holds such a package.
 */
async function readPackages(
  request: PageRequest,
  scopes: readonly Scope[],
  filter: PackageQuery,
  goal: "list" | "search",
  lookups: PackageLookups,
): Promise<Answer<Page<Package>>> {
  const { rows } = lookups;
  const segments = segmentsOf(scopes, filter);
  // A name seldom fills a window, so every list will be read: their first pages are one wave.
  if (request.after === null && filter.name !== null) {
    await Promise.all(segments.map((list) => (list.isLastResort ? null : rows.page(list, 1).catch(failed))));
  }
  const readings: SegmentReading[] = [];
  const read = async (list: PackageList, index: number, inner: PageRequest): Promise<Answer<Page<Package>>> => {
    const missing = readings.find((one) => one.list.scope === list.scope && isMissing(one));
    if (missing) return missing.pages[0]?.absence ?? impossible;
    // A list of one place begins with its packages: without them nothing is known of it, and the failure is thrown.
    const mayFail = inner.after === null && (index > 0 || goal === "search");
    const head = mayFail ? await rows.page(list, 1).catch(failed) : null;
    if (head && "kind" in head) return head;
    const { source, pages } = rows.reading(list);
    readings.push({ list, pages });
    const window = await readFiltered(inner, source, {
      accept: (one) => (matches(one, filter, list) ? one : null),
      rows: pageSize,
      guessesNext: true,
      collapse: { group: ({ row }) => nameOf(row).name, part: (one) => partOf(one, list.scope) },
      count: () => Promise.resolve(null),
    });
    if (window.kind !== "FOUND") return window;
    // The window that ends the list reports the rows that it lacks.
    const gap = window.value.lacksRows && !window.value.hasNext ? unknown("LOST_ROWS") : null;
    const heads = completeHeads(pages);
    const packages = mapPage(window.value, (one) => {
      const head = heads.get(packageTextOf(one));
      if (head === undefined) return toPackage(one.row, one.context, null);
      lookups.remember(toPackageRef(one.row, one.context), head);
      return packageOf(head);
    });
    // A window that goes on within a name has not seen the packages of that name that were shown before.
    return found({ ...packages, total: inner.after === null ? packages.total : null }, gap);
  };
  const chain = segments.map((list, index) => ({
    id: String(index),
    isLastResort: list.isLastResort === true,
    read: (inner: PageRequest) => read(list, index, inner),
  }));
  const { page, answers } = await readChain(request, chain, "ONE_BY_ONE");
  const gap = firstGap(answers);
  if (gap?.failure && !page?.rows.length) throw gap.failure;
  const silence =
    request.after === null && !page?.rows.length && !page?.dropped.length
      ? await silenceOfAll(readings, goal, rows)
      : null;
  if (silence) return silence;
  return found(page ?? emptyPage(rows.backend), gap);
}

/** Whether the scope of a list does not exist. */
function isMissing({ pages: [first] }: SegmentReading): boolean {
  return first?.absence?.kind === "ABSENT" && first.absence.proof === "KEYED_READ";
}

/**
 * What it means that no list has a package: that the scopes do not exist, or, for a search, that there is none. Null
 * where a scope exists and is empty.
 */
async function silenceOfAll(
  readings: readonly SegmentReading[],
  goal: "list" | "search",
  rows: PackageRows,
): Promise<Absent | Unknown | null> {
  const silences = readings.map(({ list, pages }) => silenceIn(list, pages));
  const doubt = silences.find(({ kind }) => kind === "UNKNOWN");
  if (doubt) return doubt;
  if (goal === "search") return silences[0] ?? null;
  const missing = readings.find(isMissing);
  if (missing) return missing.pages[0]?.absence ?? null;
  const [first] = readings;
  if (first === undefined || readings.some(({ pages }) => pages[0]?.absence === null)) return null;
  // The server is too old for the type, which does not prove that the scope exists.
  return (await rows.page({ ...first.list, type: null, name: null }, 1)).absence;
}

/** Heads of the packages whose rows are all among the pages read: their names do not go on before or behind them. */
function completeHeads(pages: readonly PackagePage[]): ReadonlyMap<string, Head> {
  const heads = new Map<string, Head>();
  // A window that looks for its place may jump to another page: the pages behind the last jump are consecutive.
  const isJump = (page: PackagePage, index: number) => pages[index + 1] && pages[index + 1]?.number !== page.number + 1;
  const run = pages.slice(pages.findLastIndex(isJump) + 1);
  const isStart = run[0]?.number === 1;
  const isEnd = run.at(-1)?.more === false;
  // An unreadable or a missing row may belong to any of them.
  if (run.some((page) => page.dropped.length > 0)) return heads;
  if (isStart && isEnd && !isWhole(run, ({ row }) => row.id)) return heads;
  const all = run.flatMap((page) => page.rows);
  const open = [isStart ? undefined : all[0], isEnd ? undefined : all.at(-1)].map((one) => one && nameOf(one.row).name);
  for (const [text, group] of rowsByPackage(all.filter(({ row }) => !open.includes(nameOf(row).name)))) {
    const head = headOfAll(group);
    if (head) heads.set(text, head);
  }
  return heads;
}

// The server's filter is `%name%` in any case, so rows are compared again.
function matches({ row }: ListedRow, filter: PackageQuery, list: PackageList): boolean {
  const named = nameOf(row);
  if (list.type !== null && named.type !== list.type) return false;
  if (filter.format === "OTHER" && formatOf(named.type) !== "OTHER") return false;
  return filter.name === null || matchesName(named, filter.name, filter.match);
}

// Within one project the type distinguishes packages of one name; within a group the project is needed too.
function partOf({ row, context }: ListedRow, scope: Scope): string {
  const { type } = nameOf(row);
  return scope.kind === "project" ? type : `${type}@${row.project_id ?? context.repository}`;
}
