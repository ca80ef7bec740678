import type { Package, PackageFormat } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import type { PackageQuery } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { toPackage } from "./mapper.ts";
import { isNamed, type Name, nameText, rulesOf, rulesOfName } from "./package-filter.ts";
import { type Leg, packageFields, packageWindow } from "./package-window.ts";
import { parseRepository } from "./repository.ts";
import { allOf, anyOf, is, oneOf } from "./rule.ts";
import {
  chunks,
  collect,
  emptyPage,
  groupBy,
  largestBatch,
  largestPage,
  unasked,
  unreadable,
  type View,
} from "./view.ts";

/** How this request looks for packages wherever the configuration says; null where it says nowhere. */
export interface PackageSearch {
  readonly search: (query: PackageQuery, request: PageRequest) => Promise<Page<Package> | null>;
  readonly named: (name: string, format: PackageFormat) => Promise<readonly Package[] | null>;
}

/** Loaders that share one request's answers. */
export function packageSearch(view: View): PackageSearch {
  const { client, settings, call } = view;

  const legs: readonly Leg[] = groupBy(
    settings.repositories.map(parseRepository).filter((repository) => repository !== null),
    ({ project }) => project,
  ).flatMap(([first, ...rest]) =>
    first === undefined
      ? []
      : [{ project: first.project, repositories: [...new Set([first, ...rest].map(({ name }) => name))] }],
  );

  const legWindow = (leg: Leg, filter: PackageQuery, request: PageRequest) =>
    packageWindow(view, leg, oneOf("repoName", leg.repositories), filter, request);

  const searches = single(
    ({ query, request }: { query: PackageQuery; request: PageRequest }) =>
      keyText(query.name, query.match, query.format, request.first, ...(request.after ?? [])),
    ({ query, request }) => searchAll(query, request),
    { call, backend: settings.name, operation: "bkrepo.searchPackages" },
  );

  async function search(query: PackageQuery, request: PageRequest): Promise<Page<Package> | null> {
    if (legs.length === 0) return null;
    return rulesOf(query) === null ? emptyPage(unasked(view)) : searches.load({ query, request });
  }

  // Project after project, each in its own order; a position begins with the project it is in.
  async function searchAll(query: PackageQuery, request: PageRequest): Promise<Page<Package>> {
    const [project, ...inner] = request.after ?? [];
    const start = Math.max(
      0,
      legs.findIndex((leg) => leg.project === project),
    );
    const open = legs.slice(start);
    const pages = await Promise.all(
      open.map((leg) => {
        const after: Position | null = leg.project === project ? inner : null;
        return legWindow(leg, query, { first: request.first, after });
      }),
    );
    const [head] = pages;
    if (head === undefined) return emptyPage(unasked(view));
    const rows: Row<Package>[] = [];
    let more = false;
    for (const [index, found] of pages.entries()) {
      const leg = open[index];
      // What comes behind an unfinished project has to wait for its turn.
      if (leg === undefined || more) break;
      for (const row of found.rows) rows.push({ ...row, position: [leg.project, ...row.position] });
      more = found.hasNext;
    }
    const counted = sum(pages.map((found) => found.total));
    return {
      rows: rows.slice(0, request.first),
      hasNext: more || rows.length > request.first,
      total:
        start === 0
          ? counted
          : async () => {
              const rest = await Promise.all(
                legs.slice(0, start).map((leg) => legWindow(leg, query, { first: 1, after: null })),
              );
              return sum([counted, ...rest.map((found) => found.total)]);
            },
      origin: head.origin,
      dropped: pages.flatMap((found) => found.dropped),
    };
  }

  /** Names of one tick are one search in each project. */
  const byName = batched<Name, readonly Package[]>(
    nameText,
    async (names) => {
      const rules = names.map(rulesOfName).filter((rule) => rule !== null);
      if (rules.length === 0) return new Map();
      const found = (
        await Promise.all(
          legs.flatMap(({ project, repositories }) =>
            chunks(rules, largestBatch).map(async (some) => {
              const rule = allOf(is("projectId", project), oneOf("repoName", repositories), anyOf(...some));
              const sort = { properties: ["key", "repoName"], direction: "ASC" } as const;
              const { rows, complete } = await collect(
                (pageNumber) =>
                  client.searchPackages(
                    { select: packageFields, page: { pageNumber, pageSize: largestPage }, sort, rule },
                    call,
                  ),
                largestPage,
                true,
              );
              // The list has no place to say that one is missing, so an incomplete one is no answer.
              if (!complete) throw unreadable(view, "bkrepo.searchPackages", "rows of the answer are missing");
              return rows.map(({ row, context }) =>
                toPackage(row, { backend: settings.name, repository: { project, name: row.repoName }, ...context }),
              );
            }),
          ),
        )
      ).flat();
      return new Map(names.map((name) => [nameText(name), found.filter((one) => isNamed(one, name))]));
    },
    { by: { call, backend: settings.name, operation: "bkrepo.searchPackages" } },
  );

  async function named(name: string, format: PackageFormat): Promise<readonly Package[] | null> {
    if (legs.length === 0) return null;
    return (await byName.load({ name, format })) ?? [];
  }

  return { search, named };
}

function sum(totals: readonly Page<Package>["total"][]): number | null {
  return totals.reduce<number | null>(
    (left, right) => (left === null || typeof right !== "number" ? null : left + right),
    0,
  );
}
