import type { PackageFormat } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import {
  type Absent,
  type Answer,
  absent,
  failed,
  firstGap,
  found,
  foundAny,
  impossible,
  joined,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { PackageQuery } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { pagePackages, searchPackages } from "./client.ts";
import { type TaggedPackage, toPackage } from "./mapper.ts";
import { type Meant, meantByName, rulesOf } from "./package-filter.ts";
import { type Leg, listWindow, packageFields, packageWindow } from "./package-window.ts";
import type { PackageLoaders } from "./packages.ts";
import { parseRepository, printRepository, type Repository } from "./repository.ts";
import { allOf, anyOf, is, oneOf } from "./rule.ts";
import { isForbidden, type SightReader, silenceOf } from "./sight.ts";
import { collect, emptyPage, largestBatch, largestPage, unasked, unreadable, type View } from "./view.ts";

/** How this request looks for packages wherever the configuration says. */
export interface PackageSearch {
  readonly search: (query: PackageQuery, request: PageRequest) => Promise<Answer<Page<TaggedPackage>>>;
  readonly named: (
    name: string,
    format: PackageFormat,
    scope: string | null,
  ) => Promise<Answer<readonly TaggedPackage[]>>;
  /** Packages that somebody means, in one repository or wherever the configuration says. */
  readonly meant: (meant: Meant, scope: string | null) => Promise<Answer<readonly TaggedPackage[]>>;
}

/** A part of the places that are searched, in an order of its own. */
interface SearchLeg {
  readonly id: string;
  readonly window: (query: PackageQuery, request: PageRequest) => Promise<Page<TaggedPackage>>;
}

interface Asked {
  readonly meant: Meant;
  /** One repository, or null for all that are configured. */
  readonly scope: string | null;
}

/** Loaders that share one request's answers. */
export function packageSearch(view: View, sights: SightReader, packages: PackageLoaders): PackageSearch {
  const { client, settings, call } = view;

  const configured = repositoriesOf(settings.repositories);

  /** The repositories of each project, in one search. */
  const searchLegs = (places: readonly Repository[]): readonly SearchLeg[] =>
    legsOf(places).map((leg) => ({
      id: leg.project,
      window: (query, request) =>
        packageWindow(view, leg, oneOf("repoName", leg.repositories), query, request).catch((error: unknown) => {
          // Before 3.0.3 a search all of whose repositories are missing or unreadable is refused.
          if (!isForbidden(error)) throw error;
          return emptyPage(unasked(view));
        }),
    }));

  /** One repository whose search sees less, by its plain list. */
  const listLeg = (place: Repository, packages: readonly TaggedPackage[]): SearchLeg => ({
    id: printRepository(place),
    window: async (query, request) => listWindow(view, packages, query, request),
  });

  const searches = single(
    ({ query, request }: { query: PackageQuery; request: PageRequest }) =>
      keyText(query.name, query.match, query.format, request.first, ...(request.after ?? [])),
    async ({ query, request }) => {
      const answer = await searchAll(query, request);
      if (answer.kind === "FOUND") packages.remember(answer.value.rows.map(({ value }) => value));
      return answer;
    },
    { call, backend: settings.name, operation: "bkrepo.searchPackages" },
  );

  async function search(query: PackageQuery, request: PageRequest): Promise<Answer<Page<TaggedPackage>>> {
    if (configured.length === 0) return unknown("NOT_CONFIGURED");
    return rulesOf(query) === null ? impossible : searches.load({ query, request });
  }

  async function searchAll(query: PackageQuery, request: PageRequest): Promise<Answer<Page<TaggedPackage>>> {
    const blind = configured.filter((place) => sights.known(place) === "NARROW");
    const open = configured.filter((place) => !blind.includes(place));
    const lists = await listsOf(blind);
    const { page, failure } = await windowOver([...searchLegs(open), ...lists.legs], query, request);
    if (page.rows.length > 0 || page.dropped.length > 0 || request.after !== null) {
      return found(failure === null ? page : { ...page, total: null }, failure ?? lists.gap);
    }
    // A search that failed says itself why nobody could say.
    if (failure !== null) return failure;
    // Nothing was found: each repository is asked whether its search sees what its list has.
    const seen = await Promise.all(open.map((place) => sights.sight.load(place).catch(failed)));
    const narrow = open.filter((_place, index) => {
      const sight = seen[index];
      return sight?.kind === "FOUND" && sight.value === "NARROW";
    });
    const others = await listsOf(narrow);
    const { page: rest } = await windowOver(others.legs, query, request);
    const gap = lists.gap ?? firstGap(seen) ?? others.gap;
    if (rest.rows.length > 0) return found(gap === null ? rest : { ...rest, total: null }, gap);
    if (gap !== null) return gap;
    // Where every place is missing, there is nothing to be empty.
    const missing = seen.find((sight): sight is Absent => sight.kind === "ABSENT");
    const isAnywhere = lists.legs.length > 0 || seen.some(({ kind }) => kind === "FOUND");
    return isAnywhere || missing === undefined ? found(page) : missing;
  }

  async function listsOf(places: readonly Repository[]) {
    const lists = await Promise.all(places.map((place) => sights.list.load(place).catch(failed)));
    const legs = places.flatMap((place, index) => {
      const list = lists[index];
      return list?.kind === "FOUND" ? [listLeg(place, list.value)] : [];
    });
    return { legs, gap: firstGap(lists) };
  }

  // One after another, each in its own order; a position begins with the one it is in. One that fails is passed over.
  async function windowOver(
    legs: readonly SearchLeg[],
    query: PackageQuery,
    request: PageRequest,
  ): Promise<{ readonly page: Page<TaggedPackage>; readonly failure: Unknown | null }> {
    const [id, ...inner] = request.after ?? [];
    const start = Math.max(
      0,
      legs.findIndex((leg) => leg.id === id),
    );
    const told = await Promise.all(
      legs.slice(start).map(async (leg) => {
        const after: Position | null = leg.id === id ? inner : null;
        return { leg, answer: await leg.window(query, { first: request.first, after }).then(found, failed) };
      }),
    );
    const failure = firstGap(told.map(({ answer }) => answer));
    const open = told.flatMap(({ leg, answer }) => (answer.kind === "FOUND" ? leg : []));
    const pages = told.flatMap(({ answer }) => (answer.kind === "FOUND" ? answer.value : []));
    const [head] = pages;
    if (head === undefined) {
      if (failure?.failure) throw failure.failure;
      return { page: emptyPage(unasked(view)), failure };
    }
    const rows: Row<TaggedPackage>[] = [];
    let more = false;
    for (const [index, page] of pages.entries()) {
      const leg = open[index];
      // What comes behind an unfinished leg has to wait for its turn.
      if (leg === undefined || more) break;
      for (const row of page.rows) rows.push({ ...row, position: [leg.id, ...row.position] });
      more = page.hasNext;
    }
    const counted = sum(pages.map((page) => page.total));
    const page: Page<TaggedPackage> = {
      rows: rows.slice(0, request.first),
      hasNext: more || rows.length > request.first,
      total:
        start === 0
          ? counted
          : async () => {
              const rest = await Promise.all(
                legs.slice(0, start).map((leg) => leg.window(query, { first: 1, after: null })),
              );
              return sum([counted, ...rest.map((page) => page.total)]);
            },
      origin: head.origin,
      dropped: pages.flatMap((page) => page.dropped),
    };
    return { page, failure };
  }

  /** What is meant in one tick is one search in each project. */
  const byMeaning = batched<Asked, readonly TaggedPackage[]>(
    ({ meant, scope }) => keyText(scope, meant.text),
    async (asked) => {
      const answers = new Map<string, Answer<readonly TaggedPackage[]> | Error>();
      await Promise.all(
        groupBy(asked, ({ scope }) => keyText(scope)).map(async (group) => {
          const [first] = group;
          const places = first?.scope == null ? configured : repositoriesOf([first.scope]);
          const answered = await lookFor(
            group.map(({ meant }) => meant),
            places,
          ).catch(asError);
          group.forEach(({ meant, scope }, index) => {
            const answer = answered instanceof Error ? answered : answered[index];
            if (answer) answers.set(keyText(scope, meant.text), answer);
          });
        }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation: "bkrepo.searchPackages" } },
  );

  async function lookFor(
    wanted: readonly Meant[],
    places: readonly Repository[],
  ): Promise<readonly Answer<readonly TaggedPackage[]>[]> {
    // Where the search is known to see less, the list is read at once.
    const blind = places.filter((place) => sights.known(place) === "NARROW");
    const open = places.filter((place) => !blind.includes(place));
    const [{ rows, failures }, lists] = await Promise.all([
      searchFor(wanted, open),
      Promise.all(blind.map((place) => sights.list.load(place).catch(failed))),
    ]);
    return Promise.all(
      wanted.map(async (meant) => {
        const seen = rows.filter(meant.accepts);
        const answers = [...failures, ...lists.map((list) => listed(list, meant.accepts))];
        if (seen.length > 0) answers.push(found(seen));
        // A search that failed says itself why nobody could say.
        if (failures.length > 0 || answers.some(({ kind }) => kind === "FOUND")) return joined(answers, notListed);
        const silent = await Promise.all(open.map((place) => behindSilence(place).catch(failed)));
        return joined([...answers, ...silent.map((list) => listed(list, meant.accepts))], notListed);
      }),
    );
  }

  /** What a search that found nothing in a repository may have passed over: its whole list where it sees less, else none. */
  async function behindSilence(place: Repository): Promise<Answer<readonly TaggedPackage[]>> {
    const sight = await sights.sight.load(place);
    return sight.kind === "FOUND" && sight.value === "NARROW" ? sights.list.load(place) : silenceOf(sight);
  }

  /** What the searches of these places found; a project whose search failed takes nothing from the others. */
  async function searchFor(
    wanted: readonly Meant[],
    places: readonly Repository[],
  ): Promise<{ readonly rows: readonly TaggedPackage[]; readonly failures: readonly Unknown[] }> {
    const told = await Promise.all(
      legsOf(places).flatMap(({ project, repositories }) =>
        chunks(wanted, largestBatch).map(async (some) => {
          const meant = some.map(({ rule }) => rule);
          const rule = allOf(is("projectId", project), oneOf("repoName", repositories), anyOf(...meant));
          const sort = { properties: ["key", "repoName"], direction: "ASC" } as const;
          try {
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
            if (!complete) throw unreadable(view, searchPackages.name, "rows of the answer are missing");
            return rows.map(({ row, context }) =>
              toPackage(row, { backend: settings.name, repository: { project, name: row.repoName }, ...context }),
            );
          } catch (error) {
            if (isForbidden(error)) return [];
            return failed(error);
          }
        }),
      ),
    );
    return {
      rows: told.flatMap((answer) => ("kind" in answer ? [] : answer)),
      failures: told.flatMap((answer) => ("kind" in answer ? answer : [])),
    };
  }

  async function meant(what: Meant, scope: string | null): Promise<Answer<readonly TaggedPackage[]>> {
    if (scope === null && configured.length === 0) return unknown("NOT_CONFIGURED");
    if (scope !== null && parseRepository(scope) === null) return impossible;
    const answer = await byMeaning.load({ meant: what, scope });
    if (answer.kind === "FOUND") packages.remember(answer.value);
    return answer;
  }

  async function named(
    name: string,
    format: PackageFormat,
    scope: string | null,
  ): Promise<Answer<readonly TaggedPackage[]>> {
    // The server has a closed list of package types, and an empty name is none.
    const what = meantByName(name, format);
    return what === null ? impossible : meant(what, scope);
  }

  return { search, named, meant };
}

/** Those of a plain list that are meant: without one of them, it is a whole list without them. */
function listed(list: Answer<readonly TaggedPackage[]>, accepts: Meant["accepts"]): Answer<readonly TaggedPackage[]> {
  return list.kind === "FOUND" ? foundAny(list.value.filter(accepts), notListed, list.gap) : list;
}

const notListed = absent(pagePackages, "WHOLE_LIST");

function repositoriesOf(texts: readonly string[]): readonly Repository[] {
  const all = texts.map(parseRepository).filter((repository) => repository !== null);
  return groupBy(all, printRepository).flatMap(([first]) => first ?? []);
}

function legsOf(repositories: readonly Repository[]): readonly Leg[] {
  return groupBy(repositories, ({ project }) => project).map((group) => ({
    project: group[0]?.project ?? "",
    repositories: group.map(({ name }) => name),
  }));
}

function sum(totals: readonly Page<TaggedPackage>["total"][]): number | null {
  return totals.reduce<number | null>(
    (left, right) => (left === null || typeof right !== "number" ? null : left + right),
    0,
  );
}
