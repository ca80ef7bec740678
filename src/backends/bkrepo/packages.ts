import type { PackageRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, found, impossible, mapAnswer } from "../answers.ts";
import type { PackageQuery, PackageScope } from "../backend.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { searchPackages } from "./client.ts";
import { type TaggedPackage, toPackage } from "./mapper.ts";
import { rulesOf } from "./package-filter.ts";
import { listWindow, packageFields, packageText, packageWindow } from "./package-window.ts";
import { parseRepository, printRepository, type Repository } from "./repository.ts";
import { allOf, is, oneOf } from "./rule.ts";
import { isForbidden, type SightReader, silenceOf } from "./sight.ts";
import { collect, emptyPage, largestBatch, largestPage, unasked, unreadable, type View } from "./view.ts";

/** How this request reads packages. */
export interface PackageLoaders {
  readonly byRef: Loader<PackageRef, Answer<TaggedPackage>>;
  /** Has packages that another answer told answer for themselves when they are asked for by key. */
  readonly remember: (packages: readonly TaggedPackage[]) => void;
  readonly page: (
    scope: PackageScope,
    filter: PackageQuery,
    request: PageRequest,
  ) => Promise<Answer<Page<TaggedPackage>>>;
}

interface Wanted {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

type Answers = Map<string, Answer<TaggedPackage> | Error>;

/** Keys of one repository that a search left out are read one by one up to this many; more are worth asking why. */
const mostSingleReads = 2;

/** Loaders that share one request's answers. */
export function packageLoaders(view: View, sights: SightReader): PackageLoaders {
  const { client, settings, call } = view;

  const byRef = batched<PackageRef, TaggedPackage>(
    packageText,
    async (refs, answers) => {
      const wanted: Wanted[] = [];
      for (const ref of refs) {
        const repository = parseRepository(ref.repository);
        // The server's own rules allow neither such a repository nor an empty key.
        if (repository === null || ref.key === "") answers.set(packageText(ref), impossible);
        else wanted.push({ ref, repository });
      }
      const groups = groupBy(wanted, ({ repository }) => repository.project).flatMap((group) =>
        chunks(group, largestBatch),
      );
      await Promise.all(groups.map((group) => (group.length === 1 ? read(group, answers) : search(group, answers))));
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

  function remember(packages: readonly TaggedPackage[]): void {
    byRef.primeLater(() => {
      for (const one of packages) byRef.prime(one.ref, found(one));
    });
  }

  // Alone, `package/info` is as cheap as the search and says outright whether the repository may be read.
  async function read(group: readonly Wanted[], answers: Answers): Promise<void> {
    await Promise.all(
      group.map(async ({ ref, repository }) => {
        answers.set(packageText(ref), await readOne(ref, repository).catch(asError));
      }),
    );
  }

  async function readOne(ref: PackageRef, repository: Repository): Promise<Answer<TaggedPackage>> {
    const answer = await client.getPackage(repository, ref.key, call);
    if (answer.kind === "FOUND" && answer.value.value.key !== ref.key) {
      throw unreadable(view, "bkrepo.getPackage", "another package than the one asked for");
    }
    return mapAnswer(answer, ({ value, ...context }) =>
      toPackage(value, { backend: settings.name, repository, ...context }),
    );
  }

  // One search for all keys of a project: a superset (keys × repositories), picked by repository and key.
  async function search(group: readonly Wanted[], answers: Answers): Promise<void> {
    const isBlind = ({ repository }: Wanted) => sights.known(repository) === "NARROW";
    const [blind, open] = [group.filter(isBlind), group.filter((one) => !isBlind(one))];
    await Promise.all([read(blind, answers), open.length === 1 ? read(open, answers) : searchOpen(open, answers)]);
  }

  async function searchOpen(group: readonly Wanted[], answers: Answers): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    const { project } = first.repository;
    const keys = [...new Set(group.map(({ ref }) => ref.key))];
    const repositories = [...new Set(group.map(({ repository }) => repository.name))];
    // The default page of 20 would cut the answer silently.
    const pageSize = Math.min(keys.length * repositories.length, 5 * largestPage);
    const rule = allOf(is("projectId", project), oneOf("repoName", repositories), oneOf("key", keys));
    const sort = { properties: ["key", "repoName"], direction: "ASC" } as const;
    const seen = new Set<string>();
    let isComplete = true;
    try {
      const collected = await collect(
        (pageNumber) =>
          client.searchPackages({ select: packageFields, page: { pageNumber, pageSize }, sort, rule }, call),
        pageSize,
        true,
      );
      isComplete = collected.complete;
      for (const { row, context } of collected.rows) {
        const value = toPackage(row, {
          backend: settings.name,
          repository: { project, name: row.repoName },
          ...context,
        });
        seen.add(packageText(value.ref));
        answers.set(packageText(value.ref), found(value));
      }
    } catch (error) {
      // Before 3.0.3 a search all of whose repositories are missing or unreadable is refused.
      if (!isForbidden(error)) {
        for (const { ref } of group) answers.set(packageText(ref), asError(error));
        return;
      }
    }
    const missing = group.filter(({ ref }) => !seen.has(packageText(ref)));
    if (!isComplete) {
      const lost = unreadable(view, searchPackages.name, "rows of the answer are missing");
      for (const { ref } of missing) answers.set(packageText(ref), lost);
      return;
    }
    await Promise.all(groupBy(missing, ({ ref }) => ref.repository).map((left) => settle(left, answers)));
  }

  /** Keys of one repository that the search left out: its silence alone says nothing of them. */
  async function settle(left: readonly Wanted[], answers: Answers): Promise<void> {
    const [first] = left;
    if (first === undefined) return;
    const { repository } = first;
    if (left.length <= mostSingleReads && sights.known(repository) === null) return read(left, answers);
    const sight = await sights.sight.load(repository).catch(asError);
    if (!(sight instanceof Error) && sight.kind === "FOUND" && sight.value === "NARROW") return read(left, answers);
    const silence = sight instanceof Error ? sight : silenceOf(sight);
    for (const { ref } of left) answers.set(packageText(ref), silence);
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
    async ({ repository, filter, request }) => {
      const answer = await readPage(repository, filter, request);
      if (answer.kind === "FOUND") remember(answer.value.rows.map(({ value }) => value));
      return answer;
    },
    { call, backend: settings.name, operation: "bkrepo.searchPackages" },
  );

  async function readPage(
    repository: Repository,
    filter: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<TaggedPackage>>> {
    if (sights.known(repository) === "NARROW") return listPage(repository, filter, request);
    const leg = { project: repository.project, repositories: [repository.name] };
    let page: Page<TaggedPackage> | null = null;
    try {
      page = await packageWindow(view, leg, is("repoName", repository.name), filter, request);
    } catch (error) {
      if (!isForbidden(error)) throw error;
    }
    if (page !== null && (page.rows.length > 0 || page.dropped.length > 0)) return found(page);
    const sight = await sights.sight.load(repository);
    if (sight.kind !== "FOUND") return sight;
    // Refused, although the plain list may be read: another case of a search that sees less.
    if (page === null || sight.value === "NARROW") return listPage(repository, filter, request);
    return found(page);
  }

  /** The page of a repository that cannot be searched, cut from its whole list. */
  async function listPage(
    repository: Repository,
    filter: PackageQuery,
    request: PageRequest,
  ): Promise<Answer<Page<TaggedPackage>>> {
    const list = await sights.list.load(repository);
    if (list.kind !== "FOUND") return list;
    const page = listWindow(view, list.value, filter, request);
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
    // bkrepo can have no such package: what is left to say is whether there is such a place.
    if (rulesOf(filter) === null) {
      return mapAnswer(await sights.count.load(repository), () => emptyPage(unasked(view)));
    }
    return pages.load({ repository, filter, request });
  }

  return { byRef, remember, page };
}
