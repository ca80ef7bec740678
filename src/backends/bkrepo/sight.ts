import { UpstreamError } from "../../upstream/errors.ts";
import { type Absent, type Answer, absent, absentIfNotFound, found, type Unknown, unknown } from "../answers.ts";
import { type Single, single } from "../batch.ts";
import { pagePackages, searchPackages } from "./client.ts";
import { type TaggedPackage, toPackage } from "./mapper.ts";
import { printRepository, type Repository } from "./repository.ts";
import { allOf, is, oneOf } from "./rule.ts";
import type { Sight } from "./sight-memory.ts";
import { largestPage, unreadable, type View } from "./view.ts";

/**
 * What a search's silence about one repository means. bkrepo cuts searches down to the paths that the user was granted
 * and says nothing of it, while the lists by address ask for the repository right alone: so a search is compared with
 * the list's count before its silence proves anything.
 */
export interface SightReader {
  /** How many packages the repository has (null where the server does not count); absent where it does not exist. */
  readonly count: Single<Repository, Answer<number | null>>;
  /**
   * Found: what its searches see, `EMPTY` where it has no packages at all. Absent: the repository does not exist. Rejects
   * (DENIED …) where neither can be said.
   */
  readonly sight: Single<Repository, Answer<Sight | "EMPTY">>;
  /** What was learnt minutes ago; asks nothing. */
  readonly known: (repository: Repository) => Sight | null;
  /** Every package by the plain list, by key: what is searched where the search sees less. */
  readonly list: Single<Repository, Answer<readonly TaggedPackage[]>>;
}

/** Pages of a plain list that are read; a repository with more packages is not walked to its end. */
const mostListPages = 25;

/** One request's view of what searches see; what it learns is kept for minutes beyond the request. */
export function sightReader(view: View): SightReader {
  const { client, settings, call, sights } = view;
  const credential = settings.forward === "caller" ? call.caller.credentialFor(settings.name) : null;
  const missing = absent(pagePackages, "KEYED_READ");
  const known = (repository: Repository) => (call.anew ? null : sights.get(printRepository(repository), credential));

  const count = single(
    printRepository,
    (repository: Repository) =>
      absentIfNotFound(
        client
          .pagePackages(repository, { pageNumber: 1, pageSize: 1 }, call)
          .then(({ value }) => found(value.total ?? (value.count === 0 ? 0 : null))),
        missing,
      ),
    { call, backend: settings.name, operation: pagePackages.name },
  );

  const sight = single(
    (repository: Repository) => printRepository(repository),
    async (repository): Promise<Answer<Sight | "EMPTY">> => {
      const before = known(repository);
      if (before !== null) return found(before);
      const counted = await count.load(repository);
      if (counted.kind !== "FOUND") return counted;
      if (counted.value === 0) return found("EMPTY");
      // `IN` passes over what may not be searched, where `EQ` refuses the whole question.
      const rule = allOf(is("projectId", repository.project), oneOf("repoName", [repository.name]));
      const page = { pageNumber: 1, pageSize: 1 };
      const sort = { properties: ["key"], direction: "ASC" } as const;
      const seen = await client
        .searchPackages({ select: ["repoName", "key"], page, sort, rule }, call)
        .then(({ value }) => value.total)
        .catch((error: unknown) => {
          // Before 3.0.3 a search of nothing that may be searched is refused.
          if (isForbidden(error)) return 0;
          throw error;
        });
      const seesAll = counted.value !== null && seen !== null && seen >= counted.value;
      sights.set(printRepository(repository), credential, seesAll ? "WHOLE" : "NARROW");
      return found(seesAll ? "WHOLE" : "NARROW");
    },
  );

  const list = single(
    (repository: Repository) => printRepository(repository),
    (repository) => absentIfNotFound(walk(repository), missing),
    { call, backend: settings.name, operation: pagePackages.name },
  );

  async function walk(repository: Repository): Promise<Answer<readonly TaggedPackage[]>> {
    const packages = new Map<string, TaggedPackage>();
    let isWhole = false;
    let isLost = false;
    for (let pageNumber = 1; pageNumber <= mostListPages; pageNumber++) {
      const { value, origin, zone } = await client.pagePackages(
        repository,
        { pageNumber, pageSize: largestPage },
        call,
      );
      const before = packages.size;
      for (const row of value.rows) {
        packages.set(row.key, toPackage(row, { backend: settings.name, repository, origin, zone }));
      }
      isLost ||= value.dropped.length > 0;
      isWhole = value.total === null ? value.count < largestPage : packages.size >= value.total;
      // Pages without an order may overlap; one that brings nothing new ends the walk.
      if (isWhole || packages.size === before) break;
    }
    const all = [...packages.values()].sort((one, other) => (one.ref.key < other.ref.key ? -1 : 1));
    if (isWhole && !isLost) return found(all);
    const gap = isLost ? unknown("LOST_ROWS") : unknown("UNREAD");
    if (all.length === 0) throw unreadable(view, pagePackages.name, "rows of the answer are missing");
    return found(all, gap);
  }

  return { count, sight, known, list };
}

/** What it means that a search found nothing in one repository. */
export function silenceOf(sight: Answer<Sight | "EMPTY">): Absent | Unknown {
  if (sight.kind !== "FOUND") return sight;
  switch (sight.value) {
    case "EMPTY":
      return absent(pagePackages, "WHOLE_LIST");
    case "WHOLE":
      return absent(searchPackages, "COMPLETE_FILTER");
    case "NARROW":
      return unknown("NARROW_SEARCH");
  }
}

/** Whether a search was refused by its rules' repositories, as opposed to by the credentials. */
export function isForbidden(error: unknown): boolean {
  return error instanceof UpstreamError && error.failure === "DENIED" && error.status === 403;
}
