import type { Page, PageRequest } from "../../model/backend.ts";
import type { PackageRef } from "../../model/package.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  emptyPage,
  found,
  impossible,
  mapAnswer,
  originNow,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageScope } from "../backend.ts";
import { type Answers, batched, chunks, groupBy, keyText, type Loader, single, toError } from "../loading/loader.ts";
import { type Collected, collect } from "../paging/collect.ts";
import type { NumberedSource } from "../paging/source.ts";
import { readWindow, sliceWindow } from "../paging/window.ts";
import {
  type BkrepoClient,
  largestBatch,
  largestPage,
  type RecordPage,
  type SearchPage,
  type SearchVisibility,
} from "./client.ts";
import { keyOf, namedTypes, parseRepository, printRepository, type Repository, typesOf } from "./keys.ts";
import { type TaggedPackage, toPackage } from "./mapper.ts";
import { getPackage, pagePackages, searchPackages } from "./operations.ts";
import { anyOf, isExactPattern, leaf, type PackageRow, patternOf, type Rule } from "./payload.ts";

/** A page of packages, or why there is none. */
export type PackagePage = Answer<Page<TaggedPackage>>;

/** Packages that were found, or why there are none. */
export type PackageList = Answer<readonly TaggedPackage[]>;

/** The text that identifies a package reference in this backend. */
export function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

/** Pages of a plain list that are read; what is behind them is unknown. */
const mostListPages = 25;

/** The most pages of one search; what is behind them is missing. */
const mostSearchPages = 50;

/**
 * One request's knowledge of repositories as a whole. bkrepo restricts searches to the paths that the user was granted
 * and answers 200, while the lists by address require the repository right alone. So a search is compared with the
 * count of the list before its empty answer proves anything.
 */
export class Repositories {
  readonly #client: BkrepoClient;
  /** The number of packages, null where the server does not count; absent where there is no such repository. */
  readonly packageCount: Loader<Repository, Answer<number | null>>;
  /** What the searches see; EMPTY where the repository has no packages, absent where it does not exist. */
  readonly visibility: Loader<Repository, Answer<SearchVisibility | "EMPTY">>;
  /** Every package by the plain list, sorted by key. */
  readonly packages: Loader<Repository, PackageList>;

  constructor(client: BkrepoClient) {
    this.#client = client;
    const by = client.loadedBy(pagePackages);
    const noRepository = absent(pagePackages, "KEYED_READ");
    this.packageCount = single(printRepository, (one) => absentIfNotFound(this.#count(one), noRepository), by);
    this.visibility = single(printRepository, (one) => this.#compare(one));
    this.packages = single(printRepository, (one) => absentIfNotFound(this.#readList(one), noRepository), by);
  }

  /** Whether the searches are known to see less than the list; asks nothing. */
  isPartial(repository: Repository): boolean {
    return this.#client.knownVisibility(repository) === "PARTIAL";
  }

  async #count(repository: Repository): Promise<Answer<number | null>> {
    const { total, count } = await this.#client.pagePackages(repository, { pageNumber: 1, pageSize: 1 });
    return found(total ?? (count === 0 ? 0 : null));
  }

  async #compare(repository: Repository): Promise<Answer<SearchVisibility | "EMPTY">> {
    const known = this.#client.knownVisibility(repository);
    if (known !== null) return found(known);
    const counted = await this.packageCount.load(repository);
    if (counted.kind !== "FOUND") return counted;
    if (counted.value === 0) return found("EMPTY");
    const { project, name } = repository;
    const seen = await ifSearchable(this.#client.searchPackages(project, [name], [], { pageNumber: 1, pageSize: 1 }));
    const total = seen === null ? 0 : seen.total;
    const isFull = counted.value !== null && total !== null && total >= counted.value;
    this.#client.learnVisibility(repository, isFull ? "FULL" : "PARTIAL");
    return found(isFull ? "FULL" : "PARTIAL");
  }

  async #readList(repository: Repository): Promise<PackageList> {
    const place = printRepository(repository);
    const fetch = (page: SearchPage) => this.#client.pagePackages(repository, page);
    const source = sourceOf(this.#client, () => place, fetch);
    const { rows, dropped, isWhole } = await collect(source, { mostPages: mostListPages, atOnce: 1 });
    const all = rows.toSorted((one, other) => (one.ref.key < other.ref.key ? -1 : 1));
    if (isWhole) return found(all);
    if (all.length === 0) throw this.#client.malformed(pagePackages);
    return found(all, unknown(dropped.length > 0 ? "LOST_ROWS" : "UNREAD"));
  }
}

/** What it means that a search found nothing in a repository of this visibility. */
export function emptySearchMeans(visibility: Answer<SearchVisibility | "EMPTY">): Absent | Unknown {
  if (visibility.kind !== "FOUND") return visibility;
  if (visibility.value === "PARTIAL") return unknown("NARROW_SEARCH");
  return visibility.value === "EMPTY" ? absent(pagePackages, "WHOLE_LIST") : absent(searchPackages, "COMPLETE_FILTER");
}

/** Null for a search that was refused because of its repositories: before 3.0.3 where none of them may be read. */
export function ifSearchable<T>(search: Promise<T>): Promise<T | null> {
  return search.catch((error: unknown) => {
    if (error instanceof UpstreamError && error.failure === "DENIED" && error.status === 403) return null;
    throw error;
  });
}

/** The rules of a filter, which match at least what {@link matches} accepts; null where bkrepo has no such packages. */
export function rulesOf({ name, match, format }: PackageQuery): readonly Rule[] | null {
  const rules: Rule[] = [];
  if (format === "OTHER") rules.push(leaf("type", "NIN", namedTypes));
  else if (format !== null) {
    const types = typesOf(format);
    if (types.length === 0) return null;
    rules.push(leaf("type", "IN", types));
  }
  // No package has an empty name.
  if (name === null || name === "") return name === "" && match === "EXACT" ? null : rules;
  if (match === "EXACT") {
    const key = exactKey(name, format);
    rules.push(key === null ? leaf("name", "EQ", name) : anyOf(leaf("name", "EQ", name), leaf("key", "EQ", key)));
  } else rules.push(leaf("name", "MATCH_I", match === "PREFIX" ? `${patternOf(name)}*` : `*${patternOf(name)}*`));
  return rules;
}

/** Compares a row with the filter again: the server matches more. */
function matches({ name, ref, format }: TaggedPackage, filter: PackageQuery): boolean {
  if (filter.format !== null && format !== filter.format) return false;
  if (filter.name === null || filter.name === "") return true;
  if (filter.match === "EXACT") return name === filter.name || ref.key === exactKey(filter.name, filter.format);
  const [actual, wanted] = [name.toLowerCase(), filter.name.toLowerCase()];
  return filter.match === "PREFIX" ? actual.startsWith(wanted) : actual.includes(wanted);
}

// The stored name of a Maven package is its artifactId, and NuGet keys are lower-case: a full name means the key.
function exactKey(name: string, format: PackageQuery["format"]): string | null {
  return keyOf(name, format ?? "MAVEN");
}

/** A list of packages by the pages of a call; `placeOf` gives the `project/repo` of a row. */
function sourceOf<R extends PackageRow>(
  client: BkrepoClient,
  placeOf: (row: R) => string,
  fetch: (page: SearchPage) => Promise<RecordPage<R>>,
): NumberedSource<TaggedPackage> {
  return {
    fetch: async (index, pageSize) => {
      const page = await fetch({ pageNumber: index + 1, pageSize });
      return { ...page, rows: page.rows.map((row) => toPackage(row, client.name, placeOf(row), page)) };
    },
    identity: ({ ref }) => packageText(ref),
    maxSize: largestPage,
  };
}

/** The packages of one project that match the rules, sorted by key; `where` as in the client's `searchPackages`. */
function searchSource(
  client: BkrepoClient,
  project: string,
  where: string | readonly string[],
  rules: readonly Rule[],
) {
  const search = (page: SearchPage) => client.searchPackages(project, where, rules, page);
  return sourceOf(client, ({ repoName }) => `${project}/${repoName}`, search);
}

/** A window over the packages of one project. */
export async function packageWindow(
  client: BkrepoClient,
  project: string,
  where: string | readonly string[],
  filter: PackageQuery,
  request: PageRequest,
): Promise<Page<TaggedPackage>> {
  const source = searchSource(client, project, where, rulesOf(filter) ?? []);
  const page = await readWindow(request, { ...source, keep: (one) => matches(one, filter) });
  const isCounted = filter.name === null || filter.match === "EXACT" || isExactPattern(filter.name);
  return isCounted ? page : { ...page, total: null };
}

/** The same window over packages that were read already. */
export function listWindow(
  client: BkrepoClient,
  packages: readonly TaggedPackage[],
  filter: PackageQuery,
  request: PageRequest,
): Page<TaggedPackage> {
  const rows = packages.filter((one) => matches(one, filter));
  const origin = packages[0]?.origin ?? originNow(client.name);
  return sliceWindow(request, rows, ({ ref }) => packageText(ref), { origin, dropped: [] });
}

/** All packages of one project that match the rules. */
export function searchAll(
  client: BkrepoClient,
  project: string,
  names: readonly string[],
  rules: readonly Rule[],
  size: number,
): Promise<Collected<TaggedPackage>> {
  return collect(searchSource(client, project, names, rules), { size, mostPages: mostSearchPages });
}

interface Wanted {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

/** What identifies a window in a loader. */
export type WindowKey = PackageQuery & PageRequest;

interface PageKey extends WindowKey {
  readonly repository: Repository;
}

/** Keys of one repository that a search did not find are read one by one up to this number. */
const mostSingleReads = 2;

/** The packages of one request, by key and by the pages of a repository. */
export class Packages {
  readonly #client: BkrepoClient;
  readonly #repositories: Repositories;
  readonly #pages: Loader<PageKey, PackagePage>;
  readonly byRef: Loader<PackageRef, Answer<TaggedPackage>>;

  constructor(client: BkrepoClient, repositories: Repositories) {
    this.#client = client;
    this.#repositories = repositories;
    this.byRef = batched(packageText, (refs, answers) => this.#load(refs, answers), {
      ...client.loadedBy(searchPackages),
      operation: (refs) => (refs.length === 1 ? getPackage.name : searchPackages.name),
    });
    this.#pages = single(
      (key) => keyText(printRepository(key.repository), windowText(key)),
      async (key) => this.rememberPage(await this.#readPage(key)),
      client.loadedBy(searchPackages),
    );
  }

  async page(scope: PackageScope, filter: PackageQuery, request: PageRequest): Promise<PackagePage> {
    if (scope.repository === null) {
      const reason = "bkrepo has no groups";
      throw new UpstreamError("REJECTED", { backend: this.#client.name, operation: null, reason });
    }
    const repository = parseRepository(scope.repository);
    if (repository === null) return impossible;
    if (rulesOf(filter) !== null) return this.#pages.load({ repository, ...filter, ...request });
    // bkrepo has no such packages; the question left is whether the repository exists.
    return mapAnswer(await this.#repositories.packageCount.load(repository), () => emptyPage(this.#client.name));
  }

  /** Answers later reads by key from the packages of another answer. */
  remember(packages: readonly TaggedPackage[]): void {
    this.byRef.deferPrime(() => {
      for (const one of packages) this.byRef.prime(one.ref, found(one));
    });
  }

  /** The same for the rows of a page. */
  rememberPage(answer: PackagePage): PackagePage {
    if (answer.kind === "FOUND") this.remember(answer.value.rows.map(({ value }) => value));
    return answer;
  }

  async #load(refs: readonly PackageRef[], answers: Answers<TaggedPackage>) {
    const wanted: Wanted[] = [];
    for (const ref of refs) {
      const repository = parseRepository(ref.repository);
      // The server's rules allow neither such a repository nor an empty key.
      if (repository === null || ref.key === "") answers.set(packageText(ref), impossible);
      else wanted.push({ ref, repository });
    }
    const groups = groupBy(wanted, ({ repository }) => repository.project);
    await Promise.all(
      groups
        .flatMap((group) => chunks(group, largestBatch))
        .map(async (group) => {
          const searched = group.filter(({ repository }) => !this.#repositories.isPartial(repository));
          // For one key, `package/info` costs as much as a search, and it proves an absence.
          if (searched.length <= 1) return this.#read(group, answers);
          const unsearchable = group.filter(({ repository }) => this.#repositories.isPartial(repository));
          await Promise.all([this.#read(unsearchable, answers), this.#search(searched, answers)]);
        }),
    );
    return answers;
  }

  async #read(group: readonly Wanted[], answers: Answers<TaggedPackage>): Promise<void> {
    await Promise.all(
      group.map(async (one) => answers.set(packageText(one.ref), await this.#readOne(one).catch(toError))),
    );
  }

  async #readOne({ ref, repository }: Wanted): Promise<Answer<TaggedPackage>> {
    const answer = await this.#client.getPackage(repository, ref.key);
    if (answer.kind === "FOUND" && answer.value.value.key !== ref.key) {
      throw this.#client.malformed(getPackage, "another package than the one asked for");
    }
    return mapAnswer(answer, (row) => toPackage(row.value, this.#client.name, ref.repository, row));
  }

  // One search for all keys of a project: a superset (keys × repositories), from which the wanted ones are picked.
  async #search(group: readonly Wanted[], answers: Answers<TaggedPackage>): Promise<void> {
    const keys = [...new Set(group.map(({ ref }) => ref.key))];
    const names = [...new Set(group.map(({ repository }) => repository.name))];
    const seen = new Set<string>();
    // The default page of 20 would cut the answer silently.
    const pageSize = Math.min(keys.length * names.length, 5 * largestPage);
    const project = group[0]?.repository.project ?? "";
    const rules = [leaf("key", "IN", keys)];
    const list = await ifSearchable(searchAll(this.#client, project, names, rules, pageSize)).catch(toError);
    if (list instanceof Error) {
      for (const { ref } of group) answers.set(packageText(ref), list);
      return;
    }
    for (const one of list?.rows ?? []) {
      seen.add(packageText(one.ref));
      answers.set(packageText(one.ref), found(one));
    }
    const missing = group.filter(({ ref }) => !seen.has(packageText(ref)));
    if (list === null || list.isWhole) {
      await Promise.all(groupBy(missing, ({ ref }) => ref.repository).map((some) => this.#settle(some, answers)));
    } else for (const { ref } of missing) answers.set(packageText(ref), this.#client.malformed(searchPackages));
  }

  /** Keys of one repository that the search did not find, which alone proves nothing. */
  async #settle(missing: readonly Wanted[], answers: Answers<TaggedPackage>): Promise<void> {
    const [first] = missing;
    if (first === undefined) return;
    const { repository } = first;
    const isKnown = this.#client.knownVisibility(repository) !== null;
    if (missing.length <= mostSingleReads && !isKnown) return this.#read(missing, answers);
    const visibility = await this.#repositories.visibility.load(repository).catch(toError);
    const answer = visibility instanceof Error ? visibility : emptySearchMeans(visibility);
    if (!(answer instanceof Error) && answer.kind === "UNKNOWN") return this.#read(missing, answers);
    for (const { ref } of missing) answers.set(packageText(ref), answer);
  }

  async #readPage(key: PageKey): Promise<PackagePage> {
    const { repository } = key;
    if (!this.#repositories.isPartial(repository)) {
      const { project, name } = repository;
      const page = await ifSearchable(packageWindow(this.#client, project, name, key, key));
      if (page !== null && (page.rows.length > 0 || page.dropped.length > 0)) return found(page);
      const visibility = await this.#repositories.visibility.load(repository);
      if (visibility.kind !== "FOUND") return visibility;
      // A search is also refused where the plain list may be read.
      if (page !== null && visibility.value !== "PARTIAL") return found(page);
    }
    const list = await this.#repositories.packages.load(repository);
    if (list.kind !== "FOUND") return list;
    const page = listWindow(this.#client, list.value, key, key);
    if (list.gap === null) return found(page);
    return page.rows.length > 0 ? found({ ...page, total: null }, list.gap) : list.gap;
  }
}

/** The text of a window's key. */
export function windowText({ name, match, format, first, after }: WindowKey): string {
  return keyText(name, match, format, first, ...(after ?? []));
}
