import type { Package, PackageRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import type { PackageQuery, PackageScope } from "../backend.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { toPackage } from "./mapper.ts";
import { rulesOf } from "./package-filter.ts";
import { packageFields, packageText, packageWindow } from "./package-window.ts";
import { isForbidden, type RepositoryProbe, unlessMissing } from "./probe.ts";
import { parseRepository, printRepository, type Repository } from "./repository.ts";
import { allOf, is, oneOf } from "./rule.ts";
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
  readonly byRef: Loader<PackageRef, Package | null>;
  readonly page: (scope: PackageScope, filter: PackageQuery, request: PageRequest) => Promise<Page<Package>>;
}

interface Wanted {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

/** Loaders that share one request's answers. */
export function packageLoaders(view: View, probe: RepositoryProbe): PackageLoaders {
  const { client, settings, call } = view;

  const byRef = batched<PackageRef, Package>(
    packageText,
    async (refs) => {
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
    },
    {
      by: {
        call,
        backend: settings.name,
        operation: (refs) => (refs.length === 1 ? "bkrepo.getPackage" : "bkrepo.searchPackages"),
      },
    },
  );

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
        (pageNumber) =>
          client.searchPackages({ select: packageFields, page: { pageNumber, pageSize }, sort, rule }, call),
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
        () => packageWindow(view, leg, is("repoName", repository.name), filter, request),
        () => emptyPage<Package>(unasked(view)),
      );
    },
    { call, backend: settings.name, operation: "bkrepo.searchPackages" },
  );

  async function page(scope: PackageScope, filter: PackageQuery, request: PageRequest): Promise<Page<Package>> {
    if (scope.repository === null) {
      throw new UpstreamError("REJECTED", { backend: settings.name, operation: null, reason: "bkrepo has no groups" });
    }
    const repository = parseRepository(scope.repository);
    if (repository === null || rulesOf(filter) === null) return emptyPage(unasked(view));
    return pages.load({ repository, filter, request });
  }

  return { byRef, page };
}
