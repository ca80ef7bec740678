import type { PackageRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  found,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery, PackageScope } from "../backend.ts";
import { type Answers, batched, keyText, single } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { keepRows, readWindow, sliceWindow } from "../paging.ts";
import {
  type Context,
  collect,
  emptyPage,
  largestBatch,
  largestPage,
  lostRows,
  type SearchVisibility,
  uncalled,
} from "./client.ts";
import { keyOf, namedTypes, parseRepository, printRepository, type Repository, typesOf } from "./keys.ts";
import { type TaggedPackage, toPackage } from "./mapper.ts";
import { getPackage, pagePackages, searchPackages } from "./operations.ts";
import {
  allOf,
  anyOf,
  is,
  isExactPattern,
  like,
  noneOf,
  oneOf,
  packageFields,
  patternOf,
  type Rule,
} from "./payload.ts";

/** The text that identifies a package reference in this backend. */
export function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

/** The identity of a package in a list. */
function packageIdentity({ ref }: TaggedPackage): string {
  return packageText(ref);
}

/** Pages of a plain list that are read; what is behind them is unknown. */
const mostListPages = 25;

/** One request's knowledge of repositories. */
export type Repositories = ReturnType<typeof createRepositories>;

/**
 * Reads repositories as a whole. bkrepo restricts searches to the paths that the user was granted and answers 200, while the
 * lists by address require the repository right alone. So a search is compared with the count of the list before its empty
 * answer proves anything.
 */
export function createRepositories({ client, settings, call }: Context) {
  const credential = settings.forward === "caller" ? call.caller.credentialFor(settings.name) : null;
  const noRepository = absent(pagePackages, "KEYED_READ");
  const by = { call, backend: settings.name, operation: pagePackages.name };

  /** What earlier requests learned; null where nothing is known. */
  function knownVisibility(repository: Repository): SearchVisibility | null {
    return call.anew ? null : client.visibilities.get(repository, credential);
  }

  /** The number of packages, null where the server does not count; absent where there is no such repository. */
  const packageCount = single(
    printRepository,
    (repository: Repository): Promise<Answer<number | null>> =>
      absentIfNotFound(
        client
          .pagePackages(repository, { pageNumber: 1, pageSize: 1 }, call)
          .then(({ total, count }) => found(total ?? (count === 0 ? 0 : null))),
        noRepository,
      ),
    by,
  );

  /** What the searches see; EMPTY where the repository has no packages, absent where it does not exist. */
  const visibility = single(
    printRepository,
    async (repository: Repository): Promise<Answer<SearchVisibility | "EMPTY">> => {
      const known = knownVisibility(repository);
      if (known !== null) return found(known);
      const counted = await packageCount.load(repository);
      if (counted.kind !== "FOUND") return counted;
      if (counted.value === 0) return found("EMPTY");
      // `IN` skips repositories that may not be searched, where `EQ` refuses the whole search.
      const rule = allOf(is("projectId", repository.project), oneOf("repoName", [repository.name]));
      const page = { pageNumber: 1, pageSize: 1 };
      const seen = await client
        .searchPackages({ select: ["repoName", "key"], page, sort: byKey, rule }, call)
        .then(({ total }) => total)
        .catch((error: unknown) => {
          if (isForbidden(error)) return 0;
          throw error;
        });
      const isFull = counted.value !== null && seen !== null && seen >= counted.value;
      client.visibilities.set(repository, credential, isFull ? "FULL" : "PARTIAL");
      return found(isFull ? "FULL" : "PARTIAL");
    },
  );

  /** Every package by the plain list, sorted by key. */
  const packages = single(
    printRepository,
    (repository: Repository) => absentIfNotFound(readList(repository), noRepository),
    by,
  );

  // Pages without an order may overlap; a page without new rows ends the walk.
  async function readList(repository: Repository): Promise<Answer<readonly TaggedPackage[]>> {
    const byPackageKey = new Map<string, TaggedPackage>();
    const place = printRepository(repository);
    let isWhole = false;
    let hasLostRows = false;
    for (let pageNumber = 1; pageNumber <= mostListPages; pageNumber++) {
      const page = await client.pagePackages(repository, { pageNumber, pageSize: largestPage }, call);
      const before = byPackageKey.size;
      for (const row of page.rows) byPackageKey.set(row.key, toPackage(row, settings.name, place, page));
      hasLostRows ||= page.dropped.length > 0;
      isWhole = page.total === null ? page.count < largestPage : byPackageKey.size >= page.total;
      if (isWhole || byPackageKey.size === before) break;
    }
    const all = [...byPackageKey.values()].sort((one, other) => (one.ref.key < other.ref.key ? -1 : 1));
    if (isWhole && !hasLostRows) return found(all);
    if (all.length === 0) throw lostRows({ client, settings, call }, pagePackages);
    return found(all, unknown(hasLostRows ? "LOST_ROWS" : "UNREAD"));
  }

  return { knownVisibility, packageCount, visibility, packages };
}

/** What it means that a search found nothing in a repository of this visibility. */
export function emptySearchMeans(visibility: Answer<SearchVisibility | "EMPTY">): Absent | Unknown {
  if (visibility.kind !== "FOUND") return visibility;
  if (visibility.value === "PARTIAL") return unknown("NARROW_SEARCH");
  return visibility.value === "EMPTY" ? absent(pagePackages, "WHOLE_LIST") : absent(searchPackages, "COMPLETE_FILTER");
}

/** Whether a search was refused because of its repositories: before 3.0.3 where none of them exists and may be read. */
export function isForbidden(error: unknown): boolean {
  return error instanceof UpstreamError && error.failure === "DENIED" && error.status === 403;
}

/** The rules of a filter, which match at least what {@link matches} accepts; null where bkrepo has no such packages. */
export function rulesOf({ name, match, format }: PackageQuery): readonly Rule[] | null {
  const rules: Rule[] = [];
  if (format === "OTHER") rules.push(noneOf("type", namedTypes));
  else if (format !== null) {
    const types = typesOf(format);
    if (types.length === 0) return null;
    rules.push(oneOf("type", types));
  }
  // No package has an empty name.
  if (name === null || name === "") return name === "" && match === "EXACT" ? null : rules;
  if (match === "EXACT") {
    const key = exactKey(name, format);
    rules.push(key === null ? is("name", name) : anyOf(is("name", name), is("key", key)));
  } else rules.push(like("name", match === "PREFIX" ? `${patternOf(name)}*` : `*${patternOf(name)}*`));
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

const byKey = { properties: ["key"], direction: "ASC" } as const;
const byKeyAndRepository = { properties: ["key", "repoName"], direction: "ASC" } as const;

/**
 * A window over the packages of one project. One repository by name is refused (403) where it may not be searched; of a
 * list, such repositories are skipped.
 */
export async function packageWindow(
  { client, settings, call }: Context,
  project: string,
  repositories: string | readonly string[],
  filter: PackageQuery,
  request: PageRequest,
): Promise<Page<TaggedPackage>> {
  const isOne = typeof repositories === "string";
  const where = isOne ? is("repoName", repositories) : oneOf("repoName", repositories);
  const rule = allOf(is("projectId", project), where, ...(rulesOf(filter) ?? []));
  // Keys are unique in a repository.
  const sort = isOne || repositories.length === 1 ? byKey : byKeyAndRepository;
  const page = await readWindow(request, {
    maxSize: largestPage,
    identity: packageIdentity,
    fetch: async (index, pageSize) => {
      const body = { select: packageFields, page: { pageNumber: index + 1, pageSize }, sort, rule };
      const answer = await client.searchPackages(body, call);
      const rows = answer.rows.map((row) => toPackage(row, settings.name, `${project}/${row.repoName}`, answer));
      return keepRows({ ...answer, rows }, (one) => matches(one, filter));
    },
  });
  const isCounted = filter.name === null || filter.match === "EXACT" || isExactPattern(filter.name);
  return isCounted ? page : { ...page, total: null };
}

/** The same window over packages that were read already. */
export function listWindow(
  context: Context,
  packages: readonly TaggedPackage[],
  filter: PackageQuery,
  request: PageRequest,
): Page<TaggedPackage> {
  const rows = packages.filter((one) => matches(one, filter));
  return sliceWindow(request, rows, packageIdentity, { origin: packages[0]?.origin ?? uncalled(context), dropped: [] });
}

/** All packages that a search finds in a project, sorted by key. */
export function searchAll(
  { client, settings, call }: Context,
  project: string,
  rules: readonly Rule[],
  pageSize: number,
) {
  const rule = allOf(is("projectId", project), ...rules);
  return collect(
    async (pageNumber) => {
      const body = { select: packageFields, page: { pageNumber, pageSize }, sort: byKeyAndRepository, rule };
      const answer = await client.searchPackages(body, call);
      const rows = answer.rows.map((row) => toPackage(row, settings.name, `${project}/${row.repoName}`, answer));
      return { ...answer, rows };
    },
    packageIdentity,
    pageSize,
    true,
  );
}

interface Wanted {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

/** Keys of one repository that a search did not find are read one by one up to this number. */
const mostSingleReads = 2;

/** How one request reads packages. */
export type Packages = ReturnType<typeof createPackages>;

/** Readers of packages by key and of the packages of a repository, which share one request's answers. */
export function createPackages(context: Context, repositories: Repositories) {
  const { client, settings, call } = context;
  const isPartial = (repository: Repository) => repositories.knownVisibility(repository) === "PARTIAL";

  const byRef = batched<PackageRef, TaggedPackage>(
    packageText,
    async (refs, answers) => {
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
            const searched = group.filter(({ repository }) => !isPartial(repository));
            const unsearchable = group.filter(({ repository }) => isPartial(repository));
            // For one key, `package/info` costs as much as a search, and it proves an absence.
            if (searched.length === 1) await read(group, answers);
            else await Promise.all([read(unsearchable, answers), search(searched, answers)]);
          }),
      );
      return answers;
    },
    {
      by: {
        call,
        backend: settings.name,
        operation: (refs) => (refs.length === 1 ? getPackage.name : searchPackages.name),
      },
    },
  );

  /** Answers later reads by key from the packages of another answer. */
  function remember(packages: readonly TaggedPackage[]): void {
    byRef.primeLater(() => {
      for (const one of packages) byRef.prime(one.ref, found(one));
    });
  }

  async function read(group: readonly Wanted[], answers: Answers<TaggedPackage>): Promise<void> {
    await Promise.all(group.map(async (one) => answers.set(packageText(one.ref), await readOne(one).catch(asError))));
  }

  async function readOne({ ref, repository }: Wanted): Promise<Answer<TaggedPackage>> {
    const answer = await client.getPackage(repository, ref.key, call);
    if (answer.kind === "FOUND" && answer.value.value.key !== ref.key) {
      const reason = "another package than the one asked for";
      throw new UpstreamError("MALFORMED", { backend: settings.name, operation: getPackage.name, reason });
    }
    return mapAnswer(answer, (row) => toPackage(row.value, settings.name, ref.repository, row));
  }

  // One search for all keys of a project: a superset (keys × repositories), from which the wanted ones are picked.
  async function search(group: readonly Wanted[], answers: Answers<TaggedPackage>): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    const keys = [...new Set(group.map(({ ref }) => ref.key))];
    const names = [...new Set(group.map(({ repository }) => repository.name))];
    const rules = [oneOf("repoName", names), oneOf("key", keys)];
    const seen = new Set<string>();
    let isWhole = true;
    try {
      // The default page of 20 would cut the answer silently.
      const pageSize = Math.min(keys.length * names.length, 5 * largestPage);
      const collected = await searchAll(context, first.repository.project, rules, pageSize);
      isWhole = collected.isWhole;
      for (const one of collected.rows) {
        seen.add(packageText(one.ref));
        answers.set(packageText(one.ref), found(one));
      }
    } catch (error) {
      if (!isForbidden(error)) {
        for (const { ref } of group) answers.set(packageText(ref), asError(error));
        return;
      }
    }
    const missing = group.filter(({ ref }) => !seen.has(packageText(ref)));
    if (isWhole) await Promise.all(groupBy(missing, ({ ref }) => ref.repository).map((some) => settle(some, answers)));
    else for (const { ref } of missing) answers.set(packageText(ref), lostRows(context, searchPackages));
  }

  /** Keys of one repository that the search did not find: its silence alone proves nothing. */
  async function settle(missing: readonly Wanted[], answers: Answers<TaggedPackage>): Promise<void> {
    const [first] = missing;
    if (first === undefined) return;
    const { repository } = first;
    const isKnown = repositories.knownVisibility(repository) !== null;
    if (missing.length <= mostSingleReads && !isKnown) return read(missing, answers);
    const visibility = await repositories.visibility.load(repository).catch(asError);
    if (!(visibility instanceof Error) && visibility.kind === "FOUND" && visibility.value === "PARTIAL") {
      return read(missing, answers);
    }
    const answer = visibility instanceof Error ? visibility : emptySearchMeans(visibility);
    for (const { ref } of missing) answers.set(packageText(ref), answer);
  }

  const pages = single(
    ({ repository, filter, request }: { repository: Repository; filter: PackageQuery; request: PageRequest }) =>
      keyText(printRepository(repository), ...windowText(filter, request)),
    async ({ repository, filter, request }) => {
      const answer = await readPage(repository, filter, request);
      if (answer.kind === "FOUND") remember(answer.value.rows.map(({ value }) => value));
      return answer;
    },
    { call, backend: settings.name, operation: searchPackages.name },
  );

  async function readPage(
    repository: Repository,
    filter: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<TaggedPackage>>> {
    if (isPartial(repository)) return listPage(repository, filter, request);
    let page: Page<TaggedPackage> | null = null;
    try {
      page = await packageWindow(context, repository.project, repository.name, filter, request);
    } catch (error) {
      if (!isForbidden(error)) throw error;
    }
    if (page !== null && (page.rows.length > 0 || page.dropped.length > 0)) return found(page);
    const visibility = await repositories.visibility.load(repository);
    if (visibility.kind !== "FOUND") return visibility;
    // A search is also refused where the plain list may be read.
    if (page === null || visibility.value === "PARTIAL") return listPage(repository, filter, request);
    return found(page);
  }

  async function listPage(
    repository: Repository,
    filter: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<TaggedPackage>>> {
    const list = await repositories.packages.load(repository);
    if (list.kind !== "FOUND") return list;
    const page = listWindow(context, list.value, filter, request);
    if (list.gap === null) return found(page);
    return page.rows.length > 0 ? found({ ...page, total: null }, list.gap) : list.gap;
  }

  async function page(
    scope: PackageScope,
    filter: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<TaggedPackage>>> {
    if (scope.repository === null) {
      throw new UpstreamError("REJECTED", { backend: settings.name, operation: null, reason: "bkrepo has no groups" });
    }
    const repository = parseRepository(scope.repository);
    if (repository === null) return impossible;
    if (rulesOf(filter) !== null) return pages.load({ repository, filter, request });
    // bkrepo has no such packages; the question left is whether the repository exists.
    return mapAnswer(await repositories.packageCount.load(repository), () => emptyPage(uncalled(context)));
  }

  return { byRef, remember, page };
}

/** The parts of a loader's key that identify a window. */
export function windowText(filter: PackageQuery, { first, after }: PageRequest): readonly (string | number | null)[] {
  return [filter.name, filter.match, filter.format, first, ...(after ?? [])];
}
