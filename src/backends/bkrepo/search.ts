import { parseDigest } from "../../model/artifact.ts";
import type { Package, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { namesSamePackage, namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
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
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { ImageReader, PackageQuery } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { type Context, emptyPage, largestBatch, largestPage, lostRows, repositoriesIn, uncalled } from "./client.ts";
import {
  imageNameOf,
  imageTypes,
  keyOf,
  keyOfPurl,
  parseRepository,
  printRepository,
  purlOfName,
  type Repository,
  typeOfPurl,
  typesOf,
} from "./keys.ts";
import type { TaggedPackage } from "./mapper.ts";
import { pagePackages, pageVersions, searchPackages } from "./operations.ts";
import {
  emptySearchMeans,
  isForbidden,
  listWindow,
  type Packages,
  packageWindow,
  type Repositories,
  rulesOf,
  searchAll,
  windowText,
} from "./packages.ts";
import { allOf, anyOf, endsWith, is, like, oneOf, patternOf, type Rule } from "./payload.ts";
import type { Versions } from "./versions.ts";

/** Packages that are identified by something else than their key. */
export interface PackageMatcher {
  /** Identifies the matcher. */
  readonly text: string;
  /** Matches at least what is accepted. */
  readonly rule: Rule;
  readonly accepts: (one: Package) => boolean;
}

/** Packages of a name and format, in every spelling that the format treats as equal; null where none can exist. */
function matcherOfName(name: string, format: PackageFormat): PackageMatcher | null {
  const types = typesOf(format);
  if (name === "" || types.length === 0) return null;
  const key = keyOf(name, format);
  const purl = purlOfName(name, format);
  const spellings: Rule[] = [is("name", name)];
  if (key !== null) spellings.push(is("key", key));
  if (purl !== null) spellings.push(like("name", namePattern(purl)));
  return {
    text: keyText("name", name, format),
    rule: allOf(oneOf("type", types), anyOf(...spellings)),
    accepts: (one) =>
      one.format === format &&
      (one.name === name || one.ref.key === key || (purl !== null && isNamedByPurl(one, purl))),
  };
}

/** Packages that a package URL names; null where bkrepo has no packages of its type. */
function matcherOfPurl(purl: PurlParts): PackageMatcher | null {
  const type = typeOfPurl(purl.type);
  if (type === null) return null;
  return {
    text: keyText("purl", purl.type, purl.namespace, purl.name),
    rule: allOf(oneOf("type", [type]), like("name", namePattern(purl))),
    accepts: (one) => isNamedByPurl(one, purl),
  };
}

/** Images whose path is this name or ends in it after a slash. */
export function matcherOfImage(name: string): PackageMatcher {
  return {
    text: keyText("image", name),
    rule: allOf(oneOf("type", imageTypes), anyOf(is("name", name), endsWith("name", `/${name}`))),
    accepts: ({ ref }) => {
      const path = imageNameOf(ref.key);
      return path === name || path?.endsWith(`/${name}`) === true;
    },
  };
}

/** Whether a package URL names a package: by the package's own URL, or by the only key of the URL. */
function isNamedByPurl({ ref, purl: printed }: Package, purl: PurlParts): boolean {
  const own = printed === null ? null : parsePurl(printed);
  const known = keyOfPurl(purl);
  return (known?.isOnly === true && known.key === ref.key) || (own !== null && namesSamePackage(own, purl));
}

/**
 * The stored name in the widest spelling of a package URL: the search ignores case, and what PEP 503 treats as one character
 * is a wildcard. The stored name of Maven is the artifactId, that of RPM and Conan the name without folder and user.
 */
function namePattern({ type, namespace, name }: PurlParts): string {
  if (type === "pypi") return patternOf(name.replace(/[-_.]+/g, "*"));
  const hasNamespace = namespace !== null && ["npm", "composer", "huggingface"].includes(type);
  return patternOf(hasNamespace ? `${namespace}/${name}` : name);
}

/** One source of a search across repositories, with an order of its own. */
interface Segment {
  readonly id: string;
  readonly window: (query: PackageQuery, request: PageRequest) => Promise<Page<TaggedPackage>>;
}

interface Lookup {
  readonly matcher: PackageMatcher;
  /** One repository, or null for all that are configured. */
  readonly scope: string | null;
}

const notListed = absent(pagePackages, "WHOLE_LIST");

/** How one request searches packages across repositories. */
export type PackageSearch = ReturnType<typeof createPackageSearch>;

/** Searches across the configured repositories, which share one request's answers. */
export function createPackageSearch(context: Context, repositories: Repositories, packages: Packages) {
  const { settings, call } = context;
  const by = { call, backend: settings.name, operation: searchPackages.name };
  const configured = groupBy(repositoriesIn(settings), printRepository).flatMap(([first]) => first ?? []);
  const isPartial = (place: Repository) => repositories.knownVisibility(place) === "PARTIAL";

  const searches = single(
    ({ query, request }: { query: PackageQuery; request: PageRequest }) => keyText(...windowText(query, request)),
    async ({ query, request }) => {
      const answer = await searchPlaces(query, request);
      if (answer.kind === "FOUND") packages.remember(answer.value.rows.map(({ value }) => value));
      return answer;
    },
    by,
  );

  async function search(query: PackageQuery, request: PageRequest): Promise<Answer<Page<TaggedPackage>>> {
    if (configured.length === 0) return unknown("NOT_CONFIGURED");
    return rulesOf(query) === null ? impossible : searches.load({ query, request });
  }

  async function searchPlaces(query: PackageQuery, request: PageRequest): Promise<Answer<Page<TaggedPackage>>> {
    const searched = configured.filter((place) => !isPartial(place));
    const lists = await listSegments(configured.filter(isPartial));
    const { page, failure } = await chain([...searchSegments(searched), ...lists.segments], query, request);
    if (page.rows.length > 0 || page.dropped.length > 0 || request.after !== null) {
      return found(failure === null ? page : { ...page, total: null }, failure ?? lists.gap);
    }
    if (failure !== null) return failure;
    // Nothing was found: the lists of the repositories whose searches see less are read.
    const seen = await Promise.all(searched.map((place) => repositories.visibility.load(place).catch(failed)));
    const partial = searched.filter((_place, index) => {
      const visibility = seen[index];
      return visibility?.kind === "FOUND" && visibility.value === "PARTIAL";
    });
    const others = await listSegments(partial);
    const { page: rest } = await chain(others.segments, query, request);
    const gap = lists.gap ?? firstGap(seen) ?? others.gap;
    if (rest.rows.length > 0) return found(gap === null ? rest : { ...rest, total: null }, gap);
    if (gap !== null) return gap;
    // Where every repository is missing, there is nothing to be empty.
    const missing = seen.find((answer): answer is Absent => answer.kind === "ABSENT");
    const isAnywhere = lists.segments.length > 0 || seen.some(({ kind }) => kind === "FOUND");
    return isAnywhere || missing === undefined ? found(page) : missing;
  }

  /** The repositories of each project are one search. */
  function searchSegments(places: readonly Repository[]): readonly Segment[] {
    return byProject(places).map(({ project, names }) => ({
      id: project,
      window: (query, request) =>
        packageWindow(context, project, names, query, request).catch((error: unknown) => {
          if (isForbidden(error)) return emptyPage(uncalled(context));
          throw error;
        }),
    }));
  }

  /** Each repository whose search sees less is a list. */
  async function listSegments(places: readonly Repository[]) {
    const lists = await Promise.all(places.map((place) => repositories.packages.load(place).catch(failed)));
    const segments = places.flatMap((place, index): Segment | [] => {
      const list = lists[index];
      if (list?.kind !== "FOUND") return [];
      const window = async (query: PackageQuery, request: PageRequest) =>
        listWindow(context, list.value, query, request);
      return { id: printRepository(place), window };
    });
    return { segments, gap: firstGap(lists) };
  }

  // One segment after another; a position begins with the id of its segment. A segment that fails is skipped.
  async function chain(
    segments: readonly Segment[],
    query: PackageQuery,
    request: PageRequest,
  ): Promise<{ readonly page: Page<TaggedPackage>; readonly failure: Unknown | null }> {
    const [id, ...inner] = request.after ?? [];
    const start = Math.max(
      0,
      segments.findIndex((segment) => segment.id === id),
    );
    const asked = await Promise.all(
      segments.slice(start).map(async (segment) => {
        const after: Position | null = segment.id === id ? inner : null;
        return { segment, answer: await segment.window(query, { first: request.first, after }).then(found, failed) };
      }),
    );
    const failure = firstGap(asked.map(({ answer }) => answer));
    const open = asked.flatMap(({ segment, answer }) => (answer.kind === "FOUND" ? segment : []));
    const pages = asked.flatMap(({ answer }) => (answer.kind === "FOUND" ? answer.value : []));
    const [head] = pages;
    if (head === undefined) {
      if (failure?.failure) throw failure.failure;
      return { page: emptyPage(uncalled(context)), failure };
    }
    const rows: Row<TaggedPackage>[] = [];
    let more = false;
    for (const [index, page] of pages.entries()) {
      const segment = open[index];
      // What comes behind an unfinished segment waits.
      if (segment === undefined || more) break;
      for (const row of page.rows) rows.push({ ...row, position: [segment.id, ...row.position] });
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
                segments.slice(0, start).map((segment) => segment.window(query, { first: 1, after: null })),
              );
              return sum([counted, ...rest.map((page) => page.total)]);
            },
      origin: head.origin,
      dropped: pages.flatMap((page) => page.dropped),
    };
    return { page, failure };
  }

  /** The lookups of one tick are one search in each project. */
  const lookups = batched<Lookup, readonly TaggedPackage[]>(
    ({ matcher, scope }) => keyText(scope, matcher.text),
    async (wanted, answers) => {
      await Promise.all(
        groupBy(wanted, ({ scope }) => keyText(scope)).map(async (group) => {
          const scope = group[0]?.scope ?? null;
          const places = scope === null ? configured : [parseRepository(scope)].filter((place) => place !== null);
          const matchers = group.map(({ matcher }) => matcher);
          const answered = await lookUp(matchers, places).catch(asError);
          matchers.forEach(({ text }, index) => {
            const answer = answered instanceof Error ? answered : answered[index];
            if (answer) answers.set(keyText(scope, text), answer);
          });
        }),
      );
      return answers;
    },
    { by },
  );

  async function lookUp(
    matchers: readonly PackageMatcher[],
    places: readonly Repository[],
  ): Promise<readonly Answer<readonly TaggedPackage[]>[]> {
    const searched = places.filter((place) => !isPartial(place));
    const [{ rows, failures }, lists] = await Promise.all([
      searchFor(matchers, searched),
      Promise.all(places.filter(isPartial).map((place) => repositories.packages.load(place).catch(failed))),
    ]);
    return Promise.all(
      matchers.map(async ({ accepts }) => {
        const listed = (list: Answer<readonly TaggedPackage[]>) =>
          list.kind === "FOUND" ? foundAny(list.value.filter(accepts), notListed, list.gap) : list;
        const answers: Answer<readonly TaggedPackage[]>[] = [...failures, ...lists.map(listed)];
        const seen = rows.filter(accepts);
        if (seen.length > 0) answers.push(found(seen));
        if (failures.length > 0 || answers.some(({ kind }) => kind === "FOUND")) return joined(answers, notListed);
        const unseen = await Promise.all(searched.map((place) => listIfPartial(place).catch(failed)));
        return joined([...answers, ...unseen.map(listed)], notListed);
      }),
    );
  }

  /** After a search without a result: the list where the search sees less, otherwise what the silence proves. */
  async function listIfPartial(place: Repository): Promise<Answer<readonly TaggedPackage[]>> {
    const visibility = await repositories.visibility.load(place);
    const isUnseen = visibility.kind === "FOUND" && visibility.value === "PARTIAL";
    return isUnseen ? repositories.packages.load(place) : emptySearchMeans(visibility);
  }

  /** The rows of one search in each project; a search that fails takes nothing from the others. */
  async function searchFor(matchers: readonly PackageMatcher[], places: readonly Repository[]) {
    const rows: TaggedPackage[] = [];
    const failures: Unknown[] = [];
    const searchesOf = byProject(places).flatMap((place) =>
      chunks(matchers, largestBatch).map((some) => ({ place, some })),
    );
    const answers = await Promise.all(
      searchesOf.map(async ({ place: { project, names }, some }) => {
        const rules = [oneOf("repoName", names), anyOf(...some.map(({ rule }) => rule))];
        try {
          const collected = await searchAll(context, project, rules, largestPage);
          return collected.isWhole ? found(collected.rows) : failed(lostRows(context, searchPackages));
        } catch (error) {
          return isForbidden(error) ? found([]) : failed(error);
        }
      }),
    );
    for (const answer of answers) {
      if (answer.kind === "UNKNOWN") failures.push(answer);
      else for (const row of answer.value) rows.push(row);
    }
    return { rows, failures };
  }

  /** The packages that a matcher accepts, in one repository or in all that are configured. */
  async function matching(matcher: PackageMatcher, scope: string | null): Promise<Answer<readonly TaggedPackage[]>> {
    if (scope === null && configured.length === 0) return unknown("NOT_CONFIGURED");
    if (scope !== null && parseRepository(scope) === null) return impossible;
    const answer = await lookups.load({ matcher, scope });
    if (answer.kind === "FOUND") packages.remember(answer.value);
    return answer;
  }

  async function named(
    name: string,
    format: PackageFormat,
    scope: string | null,
  ): Promise<Answer<readonly TaggedPackage[]>> {
    const matcher = matcherOfName(name, format);
    return matcher === null ? impossible : matching(matcher, scope);
  }

  return { search, named, matching };
}

function byProject(repositories: readonly Repository[]) {
  return groupBy(repositories, ({ project }) => project).map((group) => ({
    project: group[0]?.project ?? "",
    names: group.map(({ name }) => name),
  }));
}

function sum(totals: readonly Page<TaggedPackage>["total"][]): number | null {
  let all = 0;
  for (const total of totals) {
    if (typeof total !== "number") return null;
    all += total;
  }
  return all;
}

const noSuchVersion = absent(pageVersions, "COMPLETE_FILTER");

/** Looks up the versions that a package URL names: packages by every spelling, then their versions compared by URL. */
export function createPurlLookup(context: Context, search: PackageSearch, versions: Versions, images: ImageReader) {
  return async function byPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    if (purl.type === "oci") return imagesOf(purl, scope);
    const matcher = matcherOfPurl(purl);
    // The server has a closed list of package types (PackageType), and none of them has such URLs.
    if (matcher === null) return impossible;
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    // In one repository the key of the URL is read at once; packages in another spelling need the search.
    const known = scope === null ? null : keyOfPurl(purl);
    if (scope !== null && known !== null) {
      const ref = { backend: context.settings.name, repository: scope, key: known.key };
      const answer = await versionsOf(ref, purl, version);
      if (known.isOnly || answer.kind !== "ABSENT") return answer;
    }
    const packages = await search.matching(matcher, scope);
    if (packages.kind !== "FOUND") return packages;
    const read = await Promise.all(packages.value.map(({ ref }) => versionsOf(ref, purl, version).catch(failed)));
    return withGap(joined(read, noSuchVersion), packages.gap);
  };

  async function versionsOf(ref: PackageRef, purl: PurlParts, version: string): Promise<Answer<readonly Version[]>> {
    // Under the only key of the URL, equal versions are the same, whatever vendor the URL states beside the user.
    const known = keyOfPurl(purl);
    const isOnlyKey = known?.isOnly === true && known.key === ref.key;
    const isSame = (one: Version) => {
      const own = one.purl === null ? null : parsePurl(one.purl);
      return (isOnlyKey && one.name === version) || (own !== null && namesSameVersion(own, purl));
    };
    // The stored version of an RPM ends in its architecture: without one, the URL has the beginning of it.
    const arch = purl.qualifiers["arch"];
    const name = purl.type === "rpm" ? `${version}.${arch}` : version;
    const read: Answer<readonly Version[]> =
      purl.type === "rpm" && arch === undefined
        ? await versions.allOf(ref, `${version}.`)
        : mapAnswer(await versions.byRef.load({ package: ref, version: name, nativeId: null }), (one) => [one]);
    return read.kind === "FOUND" ? foundAny(read.value.filter(isSame), noSuchVersion, read.gap) : read;
  }

  /** An image's package URL names its digest: the versions that have it under this name. */
  async function imagesOf(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const digest = purl.version === null ? null : parseDigest(purl.version);
    if (digest === null) return impossible;
    const records = await images.copies(purl.name, digest);
    if (records.kind !== "FOUND") return records;
    const refs = records.value.flatMap(({ version }) => version ?? []);
    const read = await Promise.all(
      refs
        .filter(({ package: place }) => scope === null || place.repository === scope)
        .map(async (ref) => mapAnswer(await versions.byRef.load(ref).catch(failed), (one) => [one])),
    );
    return joined(read, records.gap ?? noSuchVersion);
  }
}

/** An answer from the packages that were found, where others may be missing. */
export function withGap<T>(answer: Answer<T>, gap: Unknown | null): Answer<T> {
  if (gap === null || answer.kind === "UNKNOWN") return answer;
  return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? gap) : gap;
}
