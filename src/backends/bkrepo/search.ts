import { parseDigest } from "../../model/artifact.ts";
import type { PageRequest } from "../../model/backend.ts";
import type { Package, PackageFormat, PackageRef, Version } from "../../model/package.ts";
import { namesSamePackage, namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
import {
  type Absent,
  type Answer,
  absent,
  emptyPage,
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
import { type Answers, batched, chunks, groupBy, keyText, type Loader, single, toError } from "../loading/loader.ts";
import { readChain, type Segment } from "../paging/chain.ts";
import { type BkrepoClient, largestBatch, largestPage, repositoriesIn } from "./client.ts";
import {
  imageNameOf,
  imageTypes,
  keyOf,
  keyOfPurl,
  parseRepository,
  purlOfName,
  type Repository,
  typeOfPurl,
  typesOf,
} from "./keys.ts";
import type { TaggedPackage } from "./mapper.ts";
import { pagePackages, pageVersions, searchPackages } from "./operations.ts";
import {
  emptySearchMeans,
  ifSearchable,
  listWindow,
  type PackageList,
  type PackagePage,
  type Packages,
  packageWindow,
  type Repositories,
  rulesOf,
  searchAll,
  type WindowKey,
  windowText,
} from "./packages.ts";
import { allOf, anyOf, leaf, literalSuffix, patternOf, type Rule } from "./payload.ts";
import type { VersionList, Versions } from "./versions.ts";

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
  const spellings: Rule[] = [leaf("name", "EQ", name)];
  if (key !== null) spellings.push(leaf("key", "EQ", key));
  if (purl !== null) spellings.push(leaf("name", "MATCH_I", namePattern(purl)));
  return {
    text: keyText("name", name, format),
    rule: allOf(leaf("type", "IN", types), anyOf(...spellings)),
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
    rule: allOf(leaf("type", "IN", [type]), leaf("name", "MATCH_I", namePattern(purl))),
    accepts: (one) => isNamedByPurl(one, purl),
  };
}

/** Images whose path is this name or ends in it after a slash. */
export function matcherOfImage(name: string): PackageMatcher {
  return {
    text: keyText("image", name),
    rule: allOf(
      leaf("type", "IN", imageTypes),
      anyOf(leaf("name", "EQ", name), leaf("name", "SUFFIX", literalSuffix(`/${name}`))),
    ),
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
 * The stored name in the widest spelling of a package URL: the search ignores case, and what PEP 503 treats as one
 * character is a wildcard. The stored name of Maven is the artifactId, that of RPM and Conan has no folder and no user.
 */
function namePattern({ type, namespace, name }: PurlParts): string {
  if (type === "pypi") return patternOf(name.replace(/[-_.]+/g, "*"));
  const hasNamespace = namespace !== null && ["npm", "composer", "huggingface"].includes(type);
  return patternOf(hasNamespace ? `${namespace}/${name}` : name);
}

/** A matcher with the repository that is searched; null for all that are configured. */
interface Lookup {
  readonly matcher: PackageMatcher;
  readonly scope: string | null;
}

const notListed = absent(pagePackages, "WHOLE_LIST");

/** Searches across the configured repositories in one request. */
export class PackageFinder {
  readonly #client: BkrepoClient;
  readonly #repositories: Repositories;
  readonly #packages: Packages;
  readonly #configured: readonly Repository[];
  readonly #searches: Loader<WindowKey, PackagePage>;
  /** The lookups of one tick are one search in each project. */
  readonly #lookups: Loader<Lookup, PackageList>;

  constructor(client: BkrepoClient, repositories: Repositories, packages: Packages) {
    this.#client = client;
    this.#repositories = repositories;
    this.#packages = packages;
    this.#configured = repositoriesIn(client.settings);
    const by = client.loadedBy(searchPackages);
    this.#searches = single(windowText, async (key) => packages.rememberPage(await this.#search(key)), by);
    this.#lookups = batched(lookupText, (lookups, answers) => this.#load(lookups, answers), by);
  }

  async search(query: PackageQuery, request: PageRequest): Promise<PackagePage> {
    if (this.#configured.length === 0) return unknown("NOT_CONFIGURED");
    return rulesOf(query) === null ? impossible : this.#searches.load({ ...query, ...request });
  }

  async named(name: string, format: PackageFormat, scope: string | null): Promise<PackageList> {
    const matcher = matcherOfName(name, format);
    return matcher === null ? impossible : this.matching(matcher, scope);
  }

  /** The packages that a matcher accepts, in one repository or in all that are configured. */
  async matching(matcher: PackageMatcher, scope: string | null): Promise<PackageList> {
    if (scope === null && this.#configured.length === 0) return unknown("NOT_CONFIGURED");
    if (scope !== null && parseRepository(scope) === null) return impossible;
    const answer = await this.#lookups.load({ matcher, scope });
    if (answer.kind === "FOUND") this.#packages.remember(answer.value);
    return answer;
  }

  async #search(key: WindowKey): Promise<PackagePage> {
    const searched = this.#searchable(this.#configured);
    const lists = await this.#partialLists(this.#configured);
    const segments = [...this.#searchSegments(searched, key), ...this.#listSegments(lists, key)];
    const { page, failure } = await this.#chain(segments, key);
    const gap = firstGap(lists);
    if (page.rows.length > 0 || page.dropped.length > 0 || key.after !== null) {
      return found(failure === null ? page : { ...page, total: null }, failure ?? gap);
    }
    if (failure !== null) return failure;
    // Nothing was found: the lists of the repositories whose searches see less are read.
    const unseen = await Promise.all(searched.map((one) => this.#listIfPartial(one).catch(failed)));
    const { page: rest } = await this.#chain(this.#listSegments(unseen, key), key);
    const unknownPart = gap ?? firstGap(unseen);
    if (rest.rows.length > 0) return found(unknownPart === null ? rest : { ...rest, total: null }, unknownPart);
    if (unknownPart !== null) return unknownPart;
    // Where every repository is missing, there is nothing to be empty.
    const isMissing = (one: PackageList): one is Absent => one.kind === "ABSENT" && one.proof === "KEYED_READ";
    const answers = [...lists, ...unseen];
    const missing = answers.find(isMissing);
    return missing && answers.every(isMissing) ? missing : found(page);
  }

  #searchable(repositories: readonly Repository[]): readonly Repository[] {
    return repositories.filter((one) => !this.#repositories.isPartial(one));
  }

  /** The lists of the repositories whose searches are known to see less. */
  #partialLists(repositories: readonly Repository[]): Promise<readonly PackageList[]> {
    const partial = repositories.filter((one) => this.#repositories.isPartial(one));
    return Promise.all(partial.map((one) => this.#repositories.packages.load(one).catch(failed)));
  }

  /** The repositories of each project are one search. */
  #searchSegments(repositories: readonly Repository[], query: PackageQuery): readonly Segment<TaggedPackage>[] {
    return byProject(repositories).map(({ project, names }) => ({
      id: project,
      read: (request) =>
        ifSearchable(packageWindow(this.#client, project, names, query, request)).then(
          (page) => found(page ?? emptyPage(this.#client.name)),
          failed,
        ),
    }));
  }

  /** Each list that was read is a segment, named by its repository. */
  #listSegments(lists: readonly PackageList[], query: PackageQuery): readonly Segment<TaggedPackage>[] {
    return lists.flatMap((list) => {
      if (list.kind !== "FOUND") return [];
      const [first] = list.value;
      if (first === undefined) return [];
      const read = async (request: PageRequest) => found(listWindow(this.#client, list.value, query, request));
      return { id: first.ref.repository, read };
    });
  }

  /** A window over all segments, of which those that fail are skipped; rejects where no other is left. */
  async #chain(segments: readonly Segment<TaggedPackage>[], request: PageRequest) {
    const { page, answers } = await readChain(request, segments, "TOGETHER");
    const failure = firstGap(answers);
    if (page === null && failure?.failure) throw failure.failure;
    return { page: page ?? emptyPage(this.#client.name), failure };
  }

  async #load(lookups: readonly Lookup[], answers: Answers<readonly TaggedPackage[]>) {
    await Promise.all(
      groupBy(lookups, ({ scope }) => keyText(scope)).map(async (group) => {
        const repository = parseRepository(group[0]?.scope ?? "");
        const matchers = group.map(({ matcher }) => matcher);
        const read = await this.#lookUp(matchers, repository ? [repository] : this.#configured).catch(toError);
        for (const [index, lookup] of group.entries()) {
          const answer = read instanceof Error ? read : read[index];
          if (answer) answers.set(lookupText(lookup), answer);
        }
      }),
    );
    return answers;
  }

  async #lookUp(
    matchers: readonly PackageMatcher[],
    repositories: readonly Repository[],
  ): Promise<readonly PackageList[]> {
    const searched = this.#searchable(repositories);
    const [searches, lists] = await Promise.all([
      this.#searchFor(matchers, searched),
      this.#partialLists(repositories),
    ]);
    return Promise.all(
      matchers.map(async ({ accepts }) => {
        const listed = (list: PackageList) =>
          list.kind === "FOUND" ? foundAny(list.value.filter(accepts), notListed, list.gap) : list;
        const read = [...searches.map((rows) => mapAnswer(rows, (all) => all.filter(accepts))), ...lists.map(listed)];
        // A search without a result proves nothing; one that failed is the reason why nothing is known.
        const answers = read.filter((answer) => answer.kind !== "FOUND" || answer.value.length > 0);
        const isFailed = searches.some(({ kind }) => kind === "UNKNOWN");
        if (isFailed || answers.some(({ kind }) => kind === "FOUND")) return joined(answers, notListed);
        const unseen = await Promise.all(searched.map((one) => this.#listIfPartial(one).catch(failed)));
        return joined([...answers, ...unseen.map(listed)], notListed);
      }),
    );
  }

  /** After a search without a result: the list where the search sees less, otherwise what the empty answer proves. */
  async #listIfPartial(repository: Repository): Promise<PackageList> {
    const visibility = await this.#repositories.visibility.load(repository);
    const isUnseen = visibility.kind === "FOUND" && visibility.value === "PARTIAL";
    return isUnseen ? this.#repositories.packages.load(repository) : emptySearchMeans(visibility);
  }

  /** The rows of one search in each project; a search that fails takes nothing from the others. */
  #searchFor(matchers: readonly PackageMatcher[], repositories: readonly Repository[]): Promise<PackageList[]> {
    return Promise.all(
      byProject(repositories).flatMap(({ project, names }) =>
        chunks(matchers, largestBatch).map(async (some) => {
          const rules = [anyOf(...some.map(({ rule }) => rule))];
          const search = ifSearchable(searchAll(this.#client, project, names, rules, largestPage));
          const list = await search.then((all) => found(all), failed);
          if (list.kind === "UNKNOWN") return list;
          if (list.value?.isWhole === false) return failed(this.#client.malformed(searchPackages));
          return found(list.value?.rows ?? []);
        }),
      ),
    );
  }
}

function lookupText({ matcher, scope }: Lookup): string {
  return keyText(scope, matcher.text);
}

function byProject(repositories: readonly Repository[]) {
  return groupBy(repositories, ({ project }) => project).map((group) => ({
    project: group[0]?.project ?? "",
    names: group.map(({ name }) => name),
  }));
}

const noSuchVersion = absent(pageVersions, "COMPLETE_FILTER");

/** Looks up the versions that a package URL names: packages by every spelling, then their versions compared by URL. */
export class PurlLookup {
  readonly #client: BkrepoClient;
  readonly #search: PackageFinder;
  readonly #versions: Versions;
  readonly #images: ImageReader;

  constructor(client: BkrepoClient, search: PackageFinder, versions: Versions, images: ImageReader) {
    this.#client = client;
    this.#search = search;
    this.#versions = versions;
    this.#images = images;
  }

  async versionsOf(purl: PurlParts, scope: string | null): Promise<VersionList> {
    if (purl.type === "oci") return this.#imagesOf(purl, scope);
    const matcher = matcherOfPurl(purl);
    // The server has a closed list of package types (PackageType), and none of them has such URLs.
    if (matcher === null) return impossible;
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    // In one repository the key of the URL is read at once; packages in another spelling need the search.
    const known = scope === null ? null : keyOfPurl(purl);
    if (scope !== null && known !== null) {
      const ref = { backend: this.#client.name, repository: scope, key: known.key };
      const answer = await this.#versionsIn(ref, purl, version);
      if (known.isOnly || answer.kind !== "ABSENT") return answer;
    }
    const packages = await this.#search.matching(matcher, scope);
    if (packages.kind !== "FOUND") return packages;
    const read = await Promise.all(packages.value.map(({ ref }) => this.#versionsIn(ref, purl, version).catch(failed)));
    return withGap(joined(read, noSuchVersion), packages.gap);
  }

  async #versionsIn(ref: PackageRef, purl: PurlParts, version: string): Promise<VersionList> {
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
    const read: VersionList =
      purl.type === "rpm" && arch === undefined
        ? await this.#versions.allOf(ref, `${version}.`)
        : mapAnswer(await this.#versions.byRef.load({ package: ref, version: name, nativeId: null }), (one) => [one]);
    return read.kind === "FOUND" ? foundAny(read.value.filter(isSame), noSuchVersion, read.gap) : read;
  }

  /** An image's package URL names its digest: the versions that have it under this name. */
  async #imagesOf(purl: PurlParts, scope: string | null): Promise<VersionList> {
    const digest = purl.version === null ? null : parseDigest(purl.version);
    if (digest === null) return impossible;
    const records = await this.#images.copies(purl.name, digest);
    if (records.kind !== "FOUND") return records;
    const refs = records.value.flatMap(({ version }) => version ?? []);
    const read = await Promise.all(
      refs
        .filter(({ package: place }) => scope === null || place.repository === scope)
        .map(async (ref) => mapAnswer(await this.#versions.byRef.load(ref).catch(failed), (one) => [one])),
    );
    return joined(read, records.gap ?? noSuchVersion);
  }
}

/** An answer from the packages that were found, where others may be missing. */
export function withGap<T>(answer: Answer<T>, gap: Unknown | null): Answer<T> {
  if (gap === null || answer.kind === "UNKNOWN") return answer;
  return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? gap) : gap;
}
