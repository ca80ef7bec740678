import type DataLoader from "dataloader";
import type { Package, PackageFormat, PackageRef } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import type { PackageQuery, PackageScope } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { readWindow } from "../paging.ts";
import { toPackage } from "./mapper.ts";
import { isNamed, matches, type Name, nameText, rulesOf, rulesOfName } from "./package-filter.ts";
import { isForbidden, type RepositoryProbe, unlessMissing } from "./probe.ts";
import { parseRepository, printRepository, type Repository } from "./repository.ts";
import { allOf, anyOf, is, oneOf, type Rule } from "./rule.ts";
import {
  asError,
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

/** How this request reads packages. */
export interface PackageLoaders {
  readonly byRef: DataLoader<PackageRef, Package | null, string>;
  readonly page: (scope: PackageScope, filter: PackageQuery, request: PageRequest) => Promise<Page<Package>>;
  readonly search: (query: PackageQuery, request: PageRequest) => Promise<Page<Package> | null>;
  readonly named: (name: string, format: PackageFormat) => Promise<readonly Package[] | null>;
}

/** The text that tells two package references apart. */
export function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

/** Never `historyVersion`: it grows with every version ever published. */
const select = [
  "repoName",
  "name",
  "key",
  "type",
  "downloads",
  "versions",
  "description",
  "createdBy",
  "createdDate",
  "lastModifiedDate",
];

interface Wanted {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

/** A project and those of its repositories that are searched. */
interface Leg {
  readonly project: string;
  readonly repositories: readonly string[];
}

/** Loaders that share one request's answers. */
export function packageLoaders(view: View, probe: RepositoryProbe): PackageLoaders {
  const { client, settings, call } = view;

  const byRef = batched<PackageRef, Package>(packageText, async (refs) => {
    const wanted = refs.flatMap((ref) => {
      const repository = parseRepository(ref.repository);
      return repository === null || ref.key === "" ? [] : [{ ref, repository }];
    });
    const answers = new Map<string, Package | Error>();
    const groups = groupBy(wanted, ({ repository }) => repository.project).flatMap((group) =>
      chunks(group, largestBatch),
    );
    await Promise.all(
      groups.map(async (group) => {
        const found = await (group.length === 1 ? lone(group) : many(group)).catch(asError);
        for (const { ref } of group) {
          const answer = found instanceof Error ? found : found.get(packageText(ref));
          if (answer) answers.set(packageText(ref), answer);
        }
      }),
    );
    return answers;
  });

  // Alone, `package/info` is as cheap as the search and says outright whether the repository may be read.
  async function lone(group: readonly Wanted[]): Promise<Map<string, Package | Error>> {
    const found = new Map<string, Package | Error>();
    for (const { ref, repository } of group) {
      const answer = await orNull(client.getPackage(repository, ref.key, call));
      if (answer === null || answer.value === null) continue;
      const same = answer.value.key === ref.key;
      found.set(
        packageText(ref),
        same
          ? toPackage(answer.value, { backend: settings.name, repository, ...answer })
          : unreadable(view, "bkrepo.getPackage", "another package than the one asked for"),
      );
    }
    return found;
  }

  // One search for all keys of a project: a superset (keys × repositories), picked by repository and key.
  async function many(group: readonly Wanted[]): Promise<Map<string, Package | Error>> {
    const [first] = group;
    if (first === undefined) return new Map();
    const { project } = first.repository;
    const keys = [...new Set(group.map(({ ref }) => ref.key))];
    const repositories = [...new Set(group.map(({ repository }) => repository.name))];
    // The default page of 20 would cut the answer silently.
    const pageSize = Math.min(keys.length * repositories.length, 5 * largestPage);
    const rule = allOf(is("projectId", project), oneOf("repoName", repositories), oneOf("key", keys));
    const sort = { properties: ["key", "repoName"], direction: "ASC" } as const;
    const found = new Map<string, Package | Error>();
    let refused: unknown = null;
    let complete = true;
    try {
      const collected = await collect(
        (pageNumber) => client.searchPackages({ select, page: { pageNumber, pageSize }, sort, rule }, call),
        pageSize,
        true,
      );
      complete = collected.complete;
      for (const { row, context } of collected.rows) {
        const value = toPackage(row, {
          backend: settings.name,
          repository: { project, name: row.repoName },
          ...context,
        });
        found.set(packageText(value.ref), value);
      }
    } catch (error) {
      // Before 3.0.3 a search all of whose repositories are missing or unreadable is refused.
      if (!isForbidden(error)) throw error;
      refused = error;
    }
    const missing = group.filter(({ ref }) => !found.has(packageText(ref)));
    const answered = new Set(
      [...found.values()].flatMap((value) => (value instanceof Error ? [] : [value.ref.repository])),
    );
    await Promise.all(
      missing.map(async ({ ref, repository }) => {
        const error = complete
          ? // The search passes over unreadable repositories without a word: silence is only an answer of those that gave one.
            answered.has(ref.repository)
            ? null
            : await probe.load(repository).then((state) => (state === "MISSING" ? null : refused), asError)
          : unreadable(view, "bkrepo.searchPackages", "rows of the answer are missing");
        if (error !== null) found.set(packageText(ref), asError(error));
      }),
    );
    return found;
  }

  const pages = single(
    ({ repository, filter, request }: { repository: Repository; filter: PackageQuery; request: PageRequest }) =>
      keyText(
        printRepository(repository),
        filter.name,
        filter.match,
        filter.format,
        request.first,
        ...(request.after ?? []),
      ),
    ({ repository, filter, request }) => {
      const leg = { project: repository.project, repositories: [repository.name] };
      return unlessMissing(
        probe,
        repository,
        () => window(leg, is("repoName", repository.name), filter, request),
        () => emptyPage<Package>(unasked(view)),
      );
    },
  );

  async function page(scope: PackageScope, filter: PackageQuery, request: PageRequest): Promise<Page<Package>> {
    if (scope.repository === null) {
      throw new UpstreamError("REJECTED", { backend: settings.name, operation: null, reason: "bkrepo has no groups" });
    }
    const repository = parseRepository(scope.repository);
    if (repository === null || rulesOf(filter) === null) return emptyPage(unasked(view));
    return pages.load({ repository, filter, request });
  }

  /** One project's window, in an order that has no ties. */
  async function window(leg: Leg, where: Rule, filter: PackageQuery, request: PageRequest): Promise<Page<Package>> {
    const rule = allOf(is("projectId", leg.project), where, ...(rulesOf(filter) ?? []));
    const sort = {
      properties: leg.repositories.length === 1 ? ["key"] : ["key", "repoName"],
      direction: "ASC",
    } as const;
    return readWindow(request, {
      maxSize: largestPage,
      identity: packageIdentity,
      fetch: async (index, pageSize) => {
        const { value, origin, zone } = await client.searchPackages(
          { select, page: { pageNumber: index + 1, pageSize }, sort, rule },
          call,
        );
        const rows = value.rows
          .map((row) =>
            toPackage(row, {
              backend: settings.name,
              repository: { project: leg.project, name: row.repoName },
              origin,
              zone,
            }),
          )
          .filter((found) => matches(found, filter));
        return { rows, count: value.count, dropped: value.dropped, origin, total: value.total };
      },
    });
  }

  const legs: readonly Leg[] = groupBy(
    settings.repositories.map(parseRepository).filter((repository) => repository !== null),
    ({ project }) => project,
  ).flatMap(([first, ...rest]) =>
    first === undefined
      ? []
      : [{ project: first.project, repositories: [...new Set([first, ...rest].map(({ name }) => name))] }],
  );

  const legWindow = (leg: Leg, filter: PackageQuery, request: PageRequest) =>
    window(leg, oneOf("repoName", leg.repositories), filter, request);

  const searches = single(
    ({ query, request }: { query: PackageQuery; request: PageRequest }) =>
      keyText(query.name, query.match, query.format, request.first, ...(request.after ?? [])),
    ({ query, request }) => searchAll(query, request),
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
      rows.push(...found.rows.map((row) => ({ ...row, position: [leg.project, ...row.position] })));
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
  const byName = batched<Name, readonly Package[]>(nameText, async (names) => {
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
                client.searchPackages({ select, page: { pageNumber, pageSize: largestPage }, sort, rule }, call),
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
  });

  async function named(name: string, format: PackageFormat): Promise<readonly Package[] | null> {
    if (legs.length === 0) return null;
    return (await byName.load({ name, format })) ?? [];
  }

  return { byRef, page, search, named };
}

function packageIdentity({ ref }: Package): string {
  return packageText(ref);
}

function sum(totals: readonly Page<Package>["total"][]): number | null {
  return totals.reduce<number | null>(
    (left, right) => (left === null || typeof right !== "number" ? null : left + right),
    0,
  );
}
