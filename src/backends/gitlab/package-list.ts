import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Package } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import type { PackageQuery } from "../backend.ts";
import { keyText } from "../batch.ts";
import type { UpstreamPage } from "../paging.ts";
import { type PackageList, pageSize, type Scope } from "./client.ts";
import { formatOf, type PackageName, storedName, terraformType, typeOf } from "./identity.ts";
import { nameOf, type RowContext, toPackage } from "./mapper.ts";
import { listGroupPackages, listProjectPackages } from "./operations.ts";
import { type Head, type PackageRows, summarize } from "./package-rows.ts";
import type { PackageRow } from "./payload.ts";
import { isCount, type Placed, placed, resume } from "./walk.ts";

/** One list after the other: a scope's packages, then its Terraform modules, which GitLab keeps apart. */
export type Leg = PackageList;

/** The lists that together hold every package a filter can match, in the order they are read. */
export function legsOf(scopes: readonly Scope[], filter: PackageQuery): readonly Leg[] {
  const type = filter.format === null || filter.format === "OTHER" ? null : typeOf(filter.format);
  if (filter.format !== null && filter.format !== "OTHER" && type === null) return [];
  const types = type !== null ? [type] : filter.format === "OTHER" ? [null] : [null, terraformType];
  return scopes.flatMap((scope) =>
    types.map((one): Leg => {
      const name = filter.name === null ? null : (storedName(one ?? "", filter.name) ?? filter.name);
      return { scope, type: one, name, version: null, orderBy: "name", sort: "asc" };
    }),
  );
}

/**
 * A window over packages: rows sorted by name, collapsed to one package for each project, type and name. A package whose
 * rows were all seen knows its counts, and its newest version is remembered for whoever asks next.
 *
 * Position: `[leg, offset behind the row, count or -1, name, …packages of that name already shown]`. The name finds the
 * place again when rows have come or gone; the rest is needed because rows of one name come in no particular order.
 */
export async function readPackages(
  request: PageRequest,
  legs: readonly Leg[],
  filter: PackageQuery,
  rows: PackageRows,
  origin: Origin,
): Promise<Page<Package>> {
  const place = placeOf(request.after, legs.length);
  // A name seldom fills a window: every list will be read anyway, so all of them at once.
  if (request.after === null && filter.name !== null) {
    await Promise.all(legs.map((leg) => rows.page(leg, 1)));
  }
  const shown: { readonly hit: Hit; readonly position: Position }[] = [];
  const dropped: DroppedRow[] = [];
  const distinct = new Set<string>();
  const walks: LegWalk[] = [];
  let { name, emitted } = place;
  let latest = origin;
  let hasNext = false;

  walking: for (let index = place.leg; index < legs.length; index++) {
    const leg = legs[index];
    if (leg === undefined) break;
    const fetch = (number: number) => rows.page(leg, number);
    const mark = { offset: place.offset, total: place.total, last: index === place.leg ? name : null };
    const start = await resume(fetch, mark, (row) => nameOf(row).name === mark.last, "at");
    if (mark.last === null) name = null;
    const walk: LegWalk = { leg, firstPage: Math.floor(start / pageSize) + 1, pages: [] };
    walks.push(walk);
    for (let number = walk.firstPage; ; number++) {
      const page = await fetch(number);
      walk.pages.push(page);
      latest = page.origin;
      for (const row of page.dropped) dropped.push(row);
      for (const { row, place: at } of placed(page, number)) {
        if (at < start || !matches(row, filter, leg)) continue;
        const context = rows.contextOf(row, leg.scope, page.origin);
        if (context === null) {
          const operation = leg.scope.kind === "group" ? listGroupPackages.name : listProjectPackages.name;
          dropped.push({ operation, index: at % pageSize, reason: "project_path: expected string" });
          continue;
        }
        const named = nameOf(row);
        if (named.name !== name) emitted = [];
        name = named.name;
        const short = shortOf(row, leg.scope, context, named);
        const identity = keyText(context.repository, named.type, named.name);
        if (emitted.includes(short) || distinct.has(identity)) continue;
        if (shown.length === request.first) {
          hasNext = true;
          break walking;
        }
        distinct.add(identity);
        emitted = [...emitted, short];
        shown.push({
          hit: { row, context, identity },
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

  const complete = new Map(walks.flatMap((walk) => [...completeGroups(walk, rows)]));
  const packages = shown.map(({ hit: { row, context, identity }, position }): Row<Package> => {
    const group = complete.get(identity);
    const value = toPackage(group?.newest?.row ?? row, context, group?.all ?? null);
    rows.packages.clear(value.ref).prime(value.ref, value);
    if (group) rows.heads.prime(value.ref, group);
    return { value, position };
  });
  const total = request.after === null && !hasNext ? packages.length : null;
  return { rows: packages, hasNext, total, origin: latest, dropped };
}

interface Hit {
  readonly row: PackageRow;
  readonly context: RowContext;
  readonly identity: string;
}

interface LegWalk {
  readonly leg: Leg;
  readonly firstPage: number;
  readonly pages: UpstreamPage<PackageRow>[];
}

/** Packages whose rows are all among the pages read: their names neither begin before the first row nor go on behind. */
function completeGroups({ leg, firstPage, pages }: LegWalk, rows: PackageRows): Map<string, Head> {
  const groups = new Map<string, Head>();
  // An unreadable row may belong to any of them.
  if (pages.some((page) => page.dropped.length > 0)) return groups;
  const all = pages.flatMap((page, index) =>
    placed(page, firstPage + index).map((one): Placed<PackageRow> & { origin: Origin } => ({
      ...one,
      origin: page.origin,
    })),
  );
  const ended = pages.at(-1)?.more === false;
  const [head] = all;
  const tail = all.at(-1);
  const open = new Set([
    ...(firstPage > 1 && head ? [nameOf(head.row).name] : []),
    ...(!ended && tail ? [nameOf(tail.row).name] : []),
  ]);
  const members = new Map<string, { readonly row: PackageRow; readonly origin: Origin }[]>();
  for (const { row, origin } of all) {
    const named = nameOf(row);
    const context = rows.contextOf(row, leg.scope, origin);
    if (context === null || open.has(named.name)) continue;
    const identity = keyText(context.repository, named.type, named.name);
    // Rows that a shifting list repeats are one row.
    const group = (members.get(identity) ?? []).filter((other) => other.row.id !== row.id);
    members.set(identity, [...group, { row, origin }]);
  }
  for (const [identity, group] of members) {
    const [some] = group;
    if (some === undefined) continue;
    const sound = group.filter(({ row }) => row.status !== "error").sort((left, right) => newer(left.row, right.row));
    groups.set(identity, {
      some,
      newest: sound[0] ?? null,
      certain: true,
      all: summarize(group.map(({ row }) => row)),
    });
  }
  return groups;
}

/** Sorts newest first by instant: servers write their own offset, so the texts do not compare. */
export function newer(left: PackageRow, right: PackageRow): number {
  return (Date.parse(right.created_at ?? "") || 0) - (Date.parse(left.created_at ?? "") || 0) || right.id - left.id;
}

// The server's filter is `%name%` in any case; what the caller meant is checked here.
function matches(row: PackageRow, filter: PackageQuery, leg: Leg): boolean {
  const { type, name } = nameOf(row);
  if (leg.type !== null && type !== leg.type) return false;
  if (filter.format === "OTHER" && formatOf(type) !== "OTHER") return false;
  if (leg.name === null) return true;
  return matchesName(name, leg.name, filter.match);
}

/** Exact names compare as they are; parts of names compare in any case, as GitLab's own search does. */
export function matchesName(name: string, wanted: string, match: PackageQuery["match"]): boolean {
  if (match === "EXACT") return name === wanted;
  const [has, part] = [name.toLowerCase(), wanted.toLowerCase()];
  return match === "PREFIX" ? has.startsWith(part) : has.includes(part);
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
