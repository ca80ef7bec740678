import type { Package } from "../../model/package.ts";
import { mapPage, type Page, type PageRequest } from "../../model/page.ts";
import { type Absent, type Answer, failed, firstGap, found, impossible, type Unknown, unknown } from "../answers.ts";
import type { PackageQuery } from "../backend.ts";
import { readChain } from "../paging/chain.ts";
import { readFiltered } from "../paging/filter.ts";
import { type PackageList, pageSize } from "./client.ts";
import { filterOf, formatOf, matchesName, storedName, terraformType, typeOf } from "./keys.ts";
import { isWhole, originNow, sourceOf } from "./lists.ts";
import { nameOf, toPackage, toPackageRef } from "./mapper.ts";
import { type ListedRow, type PackagePage, type PackageRows, silenceIn } from "./rows.ts";
import type { Scope } from "./settings.ts";
import { type Head, headOfAll, packageOf, packageTextOf, rowsByPackage, type VersionLookups } from "./versions.ts";

/** One list of the chain: a scope's packages, or its Terraform modules, which GitLab lists apart. */
interface ListSegment extends PackageList {
  /** True for a list that is only read where none of those before it held anything. */
  readonly isLastResort?: boolean;
}

/** The lists that together hold every package a filter can match, in the order they are read. */
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
 * Reads a window over packages: rows sorted by name, collapsed to one package for each project, type and name. A package
 * whose rows were all read has its counts, and its head is remembered. Absent where no scope exists, and for a `search`
 * also where none holds such a package.
 */
export async function readPackages(
  request: PageRequest,
  scopes: readonly Scope[],
  filter: PackageQuery,
  goal: "list" | "search",
  { rows, lookups }: { readonly rows: PackageRows; readonly lookups: VersionLookups },
): Promise<Answer<Page<Package>>> {
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
    const { source, pages } = sourceOf(
      (number) => rows.page(list, number),
      ({ row }: ListedRow) => String(row.id),
    );
    readings.push({ list, pages });
    const window = await readFiltered(inner, source, {
      accept: (one) => (matches(one, filter, list) ? one : null),
      rows: pageSize,
      guessesNext: true,
      collapse: { group: ({ row }) => nameOf(row).name, part: (one) => partOf(one, list.scope) },
      count: () => Promise.resolve(null),
    });
    if (window.kind !== "FOUND") return window;
    const gap = window.value.lacksRows && window.value.isWhole ? unknown("LOST_ROWS") : null;
    const heads = completeHeads(pages);
    const packages = mapPage(window.value, (one) => {
      const head = heads.get(packageTextOf(one));
      if (head === undefined) return toPackage(one.row, one.context, null);
      lookups.remember(toPackageRef(one.row, one.context), head);
      return packageOf(head);
    });
    return found(packages, gap);
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
  const empty = { rows: [], hasNext: false, total: 0, origin: originNow(rows.backend), dropped: [] };
  return found(page ?? empty, gap);
}

/** Whether the scope of a list does not exist. */
function isMissing({ pages: [first] }: SegmentReading): boolean {
  return first?.absence?.kind === "ABSENT" && first.absence.proof === "KEYED_READ";
}

/**
 * What it means that no list held a package: that the scopes do not exist, or, for a search, that there is none. Null
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
