import type { DroppedRow, Origin } from "../../model/backend.ts";
import { once } from "../../model/once.ts";
import type { Package } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Absent, type Answer, failed, found, type Unknown, unknown } from "../answers.ts";
import type { PackageQuery } from "../backend.ts";
import { type PackageList, pageSize } from "./client.ts";
import { filterOf, formatOf, matchesName, type PackageName, storedName, terraformType, typeOf } from "./keys.ts";
import { isCount, isWhole, placed, resume } from "./lists.ts";
import { nameOf, type RowContext, toPackage } from "./mapper.ts";
import type { PackageRow } from "./payload.ts";
import { type ListedRow, type PackagePage, type PackageRows, silenceIn } from "./rows.ts";
import type { Scope } from "./settings.ts";
import { settled } from "./several.ts";
import { type Head, headOfAll, packageOf, packageTextOf, rowsByPackage, type VersionLookups } from "./versions.ts";

/** One list after the other: a scope's packages, then its Terraform modules, which GitLab keeps apart. */
export interface Leg extends PackageList {
  /** Set for a list that is only read where none of those before it held anything. */
  readonly isLastResort?: true;
}

/** The lists that together hold every package a filter can match, in the order they are read. */
export function segmentsOf(scopes: readonly Scope[], { name, match, format }: PackageQuery): readonly Leg[] {
  const type = format === null || format === "OTHER" ? null : typeOf(format);
  if (format !== null && format !== "OTHER" && type === null) return [];
  const types = type !== null ? [type] : format === "OTHER" ? [null] : [null, terraformType];
  const legOf = (scope: Scope, one: string | null): Leg => {
    const filter =
      name === null
        ? null
        : match === "EXACT"
          ? filterOf(one, storedName(one ?? "", name) ?? name)
          : filterOf(null, name);
    return { scope, type: one, name: filter, version: null, orderBy: "name", sort: "asc" };
  };
  const legs = scopes.flatMap((scope) => types.map((one) => legOf(scope, one)));
  // A Python package may be spelled with other separators than it was asked for.
  const isLossy = type === null && format === null && match === "EXACT" && name !== null && /[-_.]/.test(name);
  const last = isLossy ? scopes.map((scope): Leg => ({ ...legOf(scope, "pypi"), isLastResort: true })) : [];
  return [...legs, ...last];
}

/**
 * A window over packages: rows sorted by name, collapsed to one package for each project, type and name. A package whose
 * rows were all seen knows its counts, and its newest version is remembered for whoever asks next.
 *
 * Position: `[leg, offset behind the row, count or -1, name, …packages of that name already shown]`. The name finds the
 * place again when rows have come or gone; the rest is needed because rows of one name come in no particular order.
 *
 * Absent where none of the places exists, and for a `search` also where none of them holds such a package.
 */
export async function readPackages(
  request: PageRequest,
  legs: readonly Leg[],
  filter: PackageQuery,
  { rows, lookups }: { readonly rows: PackageRows; readonly lookups: VersionLookups },
  { origin, goal }: { readonly origin: Origin; readonly goal: "list" | "search" },
): Promise<Answer<Page<Package>>> {
  const place = placeOf(request.after, legs.length);
  // A name seldom fills a window: every list will be read anyway, so all of them at once.
  if (request.after === null && filter.name !== null) {
    await Promise.all(legs.filter((leg) => !leg.isLastResort).map((leg) => settled(rows.page(leg, 1))));
  }
  const shown: { readonly hit: ListedRow; readonly position: Position }[] = [];
  const dropped: DroppedRow[] = [];
  const distinct = new Set<string>();
  const walks: LegWalk[] = [];
  let { name, emitted } = place;
  let latest = origin;
  let hasNext = false;
  // A window that is full at the end of a list: what follows is only asked for by who wants to know.
  let isOpen = false;
  // The first list that could not be read at all: what the others hold is handed on.
  let failure: UpstreamError | null = null;

  walking: for (let index = place.leg; index < legs.length; index++) {
    const leg = legs[index];
    if (leg === undefined || (leg.isLastResort && shown.length > 0 && index > place.leg)) break;
    if (walks.some((walk) => isMissing(walk) && walk.leg.scope === leg.scope)) continue;
    if (shown.length === request.first) {
      isOpen = true;
      break;
    }
    const fetch = (number: number) => rows.page(leg, number);
    // A list of one place begins with its packages: without them nothing is known of it.
    const begun = index > place.leg || (goal === "search" && request.after === null) ? await settled(fetch(1)) : null;
    if (begun instanceof UpstreamError) {
      failure ??= begun;
      continue;
    }
    const mark = { offset: place.offset, total: place.total, last: index === place.leg ? name : null };
    const start = await resume(fetch, mark, ({ row }) => nameOf(row).name === mark.last, "at");
    if (mark.last === null) name = null;
    const walk: LegWalk = { leg, firstPage: Math.floor(start / pageSize) + 1, pages: [] };
    walks.push(walk);
    for (let number = walk.firstPage; ; number++) {
      const page = await fetch(number);
      walk.pages.push(page);
      latest = page.origin;
      for (const one of page.dropped) dropped.push(one);
      for (const { row: one, place: at } of placed(page, number)) {
        if (at < start || !matches(one.row, filter, leg)) continue;
        const named = nameOf(one.row);
        if (named.name !== name) emitted = [];
        name = named.name;
        const short = shortOf(one.row, leg.scope, one.context, named);
        const identity = packageTextOf(one);
        if (emitted.includes(short) || distinct.has(identity)) continue;
        if (shown.length === request.first) {
          hasNext = true;
          break walking;
        }
        distinct.add(identity);
        emitted = [...emitted, short];
        shown.push({
          hit: one,
          position: [index, at + 1, page.total ?? -1, named.name, ...emitted],
        });
      }
      if (!page.more) break;
      if (shown.length === request.first) {
        hasNext = true;
        break walking;
      }
    }
  }

  const complete = new Map(walks.flatMap((walk) => [...completeGroups(walk)]));
  const packages = shown.map(({ hit, position }): Row<Package> => {
    const group = complete.get(packageTextOf(hit)) ?? null;
    const value = group ? packageOf(group) : toPackage(hit.row, hit.context, null);
    if (group) lookups.remember(value.ref, group);
    return { value, position };
  });
  const isFirst = request.after === null;
  if (failure && packages.length === 0) throw failure;
  if (isFirst && packages.length === 0 && dropped.length === 0) {
    const silence = await silenceOfWalks(walks, rows, goal);
    if (silence !== null) return silence;
  }
  const count = isFirst && !hasNext ? packages.length : null;
  const isShort =
    !hasNext && walks.some(({ firstPage, pages }) => firstPage === 1 && !isWhole(pages, ({ row }) => row.id));
  const whole = { rows: packages, hasNext, total: count, origin: latest, dropped };
  const after = packages.at(-1)?.position ?? null;
  const confirmNext = once(async () => {
    const next = await readPackages({ first: 1, after }, legs, filter, { rows, lookups }, { origin, goal });
    return next.kind === "FOUND" && next.value.rows.length > 0;
  });
  const total = async () => ((await confirmNext()) ? null : count);
  const page = isOpen ? { ...whole, hasNext: true, total, confirmNext } : whole;
  return found(page, failure ? failed(failure) : isShort ? unknown("LOST_ROWS") : null);
}

/** Whether the place of a list does not exist. */
function isMissing({ pages }: LegWalk): boolean {
  const absence = pages[0]?.absence;
  return absence?.kind === "ABSENT" && absence.proof === "KEYED_READ";
}

/**
 * What it means that no list held a package: that the places do not exist, or, where a search was to find something,
 * that there is none. Null where a place is there and empty.
 */
async function silenceOfWalks(
  walks: readonly LegWalk[],
  rows: PackageRows,
  goal: "list" | "search",
): Promise<Absent | Unknown | null> {
  const silences = walks.map(({ leg, pages }) => silenceIn(leg, pages));
  const doubt = silences.find(({ kind }) => kind === "UNKNOWN");
  if (doubt) return doubt;
  if (goal === "search") return silences[0] ?? null;
  const absences = walks.map(({ pages }) => pages[0]?.absence ?? null);
  const missing = walks.find(isMissing);
  if (missing) return missing.pages[0]?.absence ?? null;
  const [first] = walks;
  if (first === undefined || absences.includes(null)) return null;
  // The server is too old for the type, and has not said whether there is such a place.
  return (await rows.page({ ...first.leg, type: null, name: null }, 1)).absence;
}

interface LegWalk {
  readonly leg: Leg;
  readonly firstPage: number;
  readonly pages: PackagePage[];
}

/** Packages whose rows are all among the pages read: their names neither begin before the first row nor go on behind. */
function completeGroups({ firstPage, pages }: LegWalk): Map<string, Head> {
  const groups = new Map<string, Head>();
  // An unreadable row may belong to any of them.
  if (pages.some((page) => page.dropped.length > 0)) return groups;
  const all = pages.flatMap((page) => page.rows);
  const ended = pages.at(-1)?.more === false;
  const [head] = all;
  const tail = all.at(-1);
  const open = new Set([
    ...(firstPage > 1 && head ? [nameOf(head.row).name] : []),
    ...(!ended && tail ? [nameOf(tail.row).name] : []),
  ]);
  if (ended && firstPage === 1 && !isWhole(pages, ({ row }) => row.id)) return groups;
  for (const [text, group] of rowsByPackage(all.filter(({ row }) => !open.has(nameOf(row).name)))) {
    const one = headOfAll(group);
    if (one) groups.set(text, one);
  }
  return groups;
}

// The server's filter is `%name%` in any case; what the caller meant is checked here.
function matches(row: PackageRow, filter: PackageQuery, leg: Leg): boolean {
  const { type, name } = nameOf(row);
  if (leg.type !== null && type !== leg.type) return false;
  if (filter.format === "OTHER" && formatOf(type) !== "OTHER") return false;
  return filter.name === null || matchesName({ type, name }, filter.name, filter.match);
}

// Within one project the type tells packages of one name apart; within a group the project is needed too.
function shortOf(row: PackageRow, scope: Scope, context: RowContext, { type }: PackageName): string {
  return scope.kind === "project" ? type : `${type}@${row.project_id ?? context.repository}`;
}

function placeOf(
  after: Position | null,
  legs: number,
): { leg: number; offset: number; total: number | null; name: string | null; emitted: readonly string[] } {
  const [leg, offset, total, name, ...emitted] = after ?? [];
  const sound = isCount(leg) && leg < legs && isCount(offset) && isCount(total, -1) && typeof name === "string";
  if (!sound) return { leg: 0, offset: 0, total: null, name: null, emitted: [] };
  return {
    leg,
    offset,
    total: total < 0 ? null : total,
    name,
    emitted: emitted.filter((part): part is string => typeof part === "string"),
  };
}
