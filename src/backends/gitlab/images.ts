import type { Digest, ImageRef } from "../../model/artifact.ts";
import { mapPage, type Origin, type Page, type PageRequest } from "../../model/backend.ts";
import type { ImageRecord, Package, PackageFormat, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Call } from "../../upstream/operation.ts";
import {
  type Absent,
  type Answer,
  absent,
  failed,
  firstGap,
  found,
  impossible,
  mapAnswer,
  originNow,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { ImageReader, PackageQuery, VersionQuery } from "../backend.ts";
import { keyText, single } from "../loading/loader.ts";
import type { Collected } from "../paging/collect.ts";
import { sliceWindow } from "../paging/window.ts";
import type { GitlabClient, Sourced } from "./client.ts";
import { imageType, isCompanionTag, isProjectPath, isTag, matchesName, parseKey, splitName } from "./keys.ts";
import {
  type ListPage,
  orNoPage,
  readListWindow,
  readWhole,
  type SharedList,
  sharedList,
  silenceOf,
  tooFar,
} from "./lists.ts";
import { projectOfRepository, toImagePackage, toImageRecord, toImageVersion } from "./mapper.ts";
import { getTag, listProjectRepositories, listTags, repositoriesIn } from "./operations.ts";
import type { RepositoryRow, TagDetail, TagRow } from "./payload.ts";
import { type GitlabSettings, type Scope, searchScopes } from "./settings.ts";

/** The most tags that one query looks into: each is a call here and a round trip to the registry there. */
const maxTags = 40;

/** A container repository, and where it was found. */
interface Located {
  readonly row: RepositoryRow;
  /** How the project is asked for; the row holds its name. */
  readonly project: string;
  readonly origin: Origin;
}

/** A tag that its repository has. */
interface Tagged {
  readonly tag: TagRow;
  /** Null where it is unknown. */
  readonly detail: TagDetail | null;
  readonly origin: Origin;
}

/** Every repository of some places, each once. */
interface Repositories {
  readonly rows: readonly Located[];
  readonly lists: readonly Collected<RepositoryRow>[];
  /** Why there may be more. */
  readonly gap: Unknown | null;
  /** What it proves that a repository is not among them; throws the failure of a list that could not be read. */
  readonly silence: () => Absent | Unknown;
}

/**
 * The container registry within one request: images by reference, and repositories as packages whose versions are tags.
 */
export class ImageRegistry {
  readonly #client: GitlabClient;
  readonly #settings: GitlabSettings;
  readonly #call: Call;
  readonly #pages;
  readonly #repositories;
  readonly #tags;
  readonly #details;
  readonly #images;

  constructor(client: GitlabClient, settings: GitlabSettings, call: Call) {
    this.#client = client;
    this.#settings = settings;
    this.#call = call;
    const backend = settings.name;
    this.#pages = single<{ scope: Scope; number: number }, ListPage<RepositoryRow>>(
      ({ scope, number }) => keyText(scope.kind, scope.id, number),
      ({ scope, number }) => {
        const missing = absent(repositoriesIn(scope.kind), "KEYED_READ");
        return orNoPage(client.listRepositories(scope, number, call), backend, missing);
      },
      { call, backend, operation: ([key]) => repositoriesIn(key?.scope.kind ?? "project").name },
    );
    this.#repositories = single<Scope, Answer<Collected<RepositoryRow>>>(
      ({ kind, id }) => keyText(kind, id),
      (scope) => readWhole(this.#repositoriesIn(scope)),
    );
    this.#tags = single<Located, Answer<Collected<TagRow>>>(
      ({ row }) => String(row.id),
      (located) => readWhole(this.#tagsIn(located)),
      { call, backend, operation: listTags.name },
    );
    this.#details = single<Located & { readonly tag: string }, Answer<Sourced<TagDetail>>>(
      ({ row, tag }) => keyText(row.id, tag),
      (key) => this.#detailOf(key),
      { call, backend, operation: getTag.name },
    );
    this.#images = single<ImageRef, Answer<ImageRecord>>(
      ({ repository, tag, digest }) => keyText(repository, tag, digest),
      (ref) => this.#imageAt(ref),
    );
  }

  /** The registry as a reader of images. */
  reader(): ImageReader {
    return {
      image: (ref) => this.#images.load(ref),
      copies: (name, digest) => this.#copies(name, digest),
      expectCopies: () => {
        this.#repositoriesOf(searchScopes(this.#settings)).catch(() => null);
      },
      byDigest: (digest, scope) => this.#byDigest(digest, scope),
    };
  }

  async package(ref: PackageRef): Promise<Answer<Package>> {
    return mapAnswer(await this.#locate(ref), ({ row, origin }) => toImagePackage(row, origin));
  }

  async page(scope: Scope, filter: PackageQuery, request: PageRequest): Promise<Answer<Page<Package>>> {
    const keep = filter.name === null ? null : (row: RepositoryRow) => matchesImage(row, filter);
    const page = await readListWindow(request, this.#repositoriesIn(scope), keep);
    return mapAnswer(page, (one) => mapPage(one, (row) => toImagePackage(row, one.origin)));
  }

  async search(filter: PackageQuery, request: PageRequest, scopes: readonly Scope[]): Promise<Answer<Page<Package>>> {
    const { rows, lists, gap, silence } = await this.#repositoriesOf(scopes);
    const origin = lists[0]?.origin ?? originNow(this.#settings.name);
    const hits = rows.filter(({ row }) => matchesImage(row, filter));
    const dropped = lists.flatMap((list) => list.dropped);
    if (hits.length === 0 && dropped.length === 0) return silence();
    const window = sliceWindow(request, hits, ({ row }) => String(row.id), { origin, dropped });
    return found(
      mapPage(window, ({ row }) => toImagePackage(row, origin)),
      gap,
    );
  }

  /** Repositories whose path, or the last part of it, is `name`. */
  async named(name: string, format: PackageFormat, scopes: readonly Scope[]): Promise<Answer<readonly Package[]>> {
    const all = await this.search({ name, match: "EXACT", format }, { first: 1000, after: null }, scopes);
    return mapAnswer(all, (page) => page.rows.map(({ value }) => value));
  }

  async version(ref: VersionRef): Promise<Answer<Version>> {
    const located = await this.#locate(ref.package);
    if (located.kind !== "FOUND") return located;
    const one = await this.#tag(located.value, ref.version);
    return mapAnswer(one, ({ tag, detail, origin }) => toImageVersion(located.value.row, tag, detail, origin));
  }

  /** Tags in the server's own order: a list of tags holds no dates. */
  async versions(ref: PackageRef, { prefix }: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    const located = await this.#locate(ref);
    if (located.kind !== "FOUND") return located;
    const keep = prefix === null ? null : ({ name }: TagRow) => name.startsWith(prefix);
    const page = await readListWindow(request, this.#tagsIn(located.value), keep);
    return mapAnswer(page, (one) => mapPage(one, (tag) => toImageVersion(located.value.row, tag, null, one.origin)));
  }

  /**
   * The newest tag by the date in its configuration, without signatures and the like. UNCHECKED_ORDER where several
   * tags are left and one of them has no date; rejects with OVER_BUDGET for repositories with many tags.
   */
  async latest(ref: PackageRef): Promise<Answer<Version>> {
    const located = await this.#locate(ref);
    if (located.kind !== "FOUND") return located;
    const list = await this.#tags.load(located.value);
    // A tag that could not be read, or did not come, may be newer.
    const silence = silenceOf(list, listTags);
    if (list.kind !== "FOUND" || silence.kind === "UNKNOWN") return silence;
    const tags = list.value.rows.filter(({ name }) => !isCompanionTag(name));
    if (tags.length === 0) return silence;
    if (tags.length > maxTags) throw this.#tooManyTags("compare");
    const { row } = located.value;
    const details = await Promise.all(tags.map((tag) => this.#details.load({ ...located.value, tag: tag.name })));
    const versions = tags.map((tag, index) => {
      const detail = details[index];
      if (detail?.kind !== "FOUND") return toImageVersion(row, tag, null, list.value.origin);
      return toImageVersion(row, detail.value.value, detail.value.value, detail.value.origin);
    });
    const gap = firstGap(details);
    const [only] = versions;
    if (only && versions.length === 1) return found(only, gap);
    if (gap?.failure) throw gap.failure;
    // A tag without a date is not an old tag.
    if (versions.some(({ createdAt }) => createdAt === null)) return unknown("UNCHECKED_ORDER");
    return found(versions.reduce((best, one) => ((one.createdAt ?? "") > (best.createdAt ?? "") ? one : best)));
  }

  #repositoriesIn(scope: Scope): SharedList<RepositoryRow> {
    return sharedList(
      (number) => this.#pages.load({ scope, number }),
      ({ id }: RepositoryRow) => String(id),
    );
  }

  #tagsIn({ row, project }: Located): SharedList<TagRow> {
    // The project's list names the repository: that its tags are not found proves nothing.
    const missing = unknown("DETAIL_MISSING");
    const fetch = (number: number) =>
      orNoPage(this.#client.listTags(project, row.id, number, this.#call), this.#settings.name, missing);
    return sharedList(fetch, ({ name }: TagRow) => name);
  }

  /** A tag's detail; unknown after a 404, or a 500, which concerns this tag only and says nothing about the server. */
  async #detailOf({ row, project, tag }: Located & { readonly tag: string }): Promise<Answer<Sourced<TagDetail>>> {
    try {
      return found(await this.#client.getTag(project, row.id, tag, this.#call));
    } catch (error) {
      if (isNotFound(error)) return unknown("DETAIL_MISSING");
      if (error instanceof UpstreamError && error.status === 500) return failed(error);
      throw error;
    }
  }

  async #locate({ repository, key }: PackageRef): Promise<Answer<Located>> {
    const name = parseKey(key);
    if (name?.type !== imageType || !isProjectPath(repository)) return impossible;
    return this.#repositoryAt(repository, name.name);
  }

  async #repositoryAt(project: string, path: string): Promise<Answer<Located>> {
    const list = await this.#repositories.load({ kind: "project", id: project });
    if (list.kind === "FOUND") {
      const row = list.value.rows.find((one) => one.path.toLowerCase() === path.toLowerCase());
      if (row) return found({ row, project, origin: list.value.origin });
    }
    return silenceOf(list, listProjectRepositories);
  }

  /** The repository of a pulled path: under a configured project, else under the longest prefix that is a project. */
  async #repositoryOfPath(path: string): Promise<Answer<Located>> {
    const parts = path.split("/");
    const prefixes = parts
      .map((_, index) => parts.slice(0, parts.length - index).join("/"))
      .filter((one) => one.includes("/"));
    const configured = prefixes.find((prefix) =>
      this.#settings.projects.some((project) => project.toLowerCase() === prefix.toLowerCase()),
    );
    let answer: Answer<Located> = impossible;
    for (const project of configured === undefined ? prefixes : [configured]) {
      if (!isProjectPath(project)) return impossible;
      answer = await this.#repositoryAt(project, path);
      // Where there is no such project, the path may belong to a shorter one.
      if (answer.kind !== "ABSENT" || answer.proof !== "KEYED_READ") return answer;
    }
    return answer;
  }

  /** One tag. A missing detail proves nothing, so the list of tags decides then whether there is such a tag. */
  async #tag(located: Located, name: string): Promise<Answer<Tagged>> {
    if (!isTag(name)) return impossible;
    const detail = await this.#details.load({ ...located, tag: name });
    if (detail.kind === "FOUND") {
      const { value, origin } = detail.value;
      return found({ tag: value, detail: value, origin });
    }
    const list = await this.#tags.load(located);
    const tag = list.kind === "FOUND" ? list.value.rows.find((one) => one.name === name) : undefined;
    if (list.kind !== "FOUND" || tag === undefined) return silenceOf(list, listTags);
    return found({ tag, detail: null, origin: list.value.origin }, firstGap([detail]));
  }

  async #imageAt({ registry, repository, tag: spelled, digest }: ImageRef): Promise<Answer<ImageRecord>> {
    if (registry !== null && !this.#settings.hosts.includes(registry)) return impossible;
    // Docker pulls `latest` where a reference names neither tag nor digest.
    const tag = spelled ?? (digest === null ? "latest" : null);
    const located = await this.#repositoryOfPath(repository);
    if (located.kind !== "FOUND") return located;
    const tagged = tag === null ? impossible : await this.#tag(located.value, tag);
    const record = mapAnswer(tagged, (one) => toImageRecord(located.value.row, one.tag, one.detail, one.origin));
    if (digest === null || (record.kind === "FOUND" && record.value.digest === digest)) return record;
    // A digest names bytes, wherever the tag beside it points by now.
    const copies = await this.#withDigest([located.value], digest);
    if (copies.kind !== "FOUND") return copies;
    const [copy] = copies.value;
    return copy ? found(copy) : unknown("LEFT_OUT");
  }

  /** The tags of these repositories with one digest. */
  async #withDigest(located: readonly Located[], digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const lists = await Promise.all(
      located.map(async (one) => ({ one, list: await this.#tags.load(one).catch(failed) })),
    );
    const tagsOf = (list: Answer<Collected<TagRow>>) => (list.kind === "FOUND" ? list.value.rows : []);
    const total = lists.reduce((sum, { list }) => sum + tagsOf(list).length, 0);
    const share = Math.floor(maxTags / Math.max(1, located.length));
    const records = await Promise.all(
      lists.flatMap(({ one, list }) => {
        const tags = total > maxTags ? likeliestTags(tagsOf(list), share) : tagsOf(list);
        return tags.filter(({ name }) => isTag(name)).map((tag) => this.#recordOf(one, tag));
      }),
    );
    const hits = records.flatMap((record) => (record.kind === "FOUND" ? [record.value] : []));
    const copies = hits.filter((one) => one.digest === digest);
    const failure = lists.find(({ list }) => list.kind === "UNKNOWN" && list.failure)?.list ?? null;
    // A tag whose detail is unknown may be the one; one that was deleted meanwhile is not.
    const gap = firstGap(failure ? [failure] : records);
    if (copies.length > 0) return found(copies, gap);
    if (failure && gap?.failure) throw gap.failure;
    if (total > records.length) throw this.#tooManyTags("look into");
    if (gap) return gap;
    const silences = lists.map(({ list }) => silenceOf(list, listTags));
    return silences.find(({ kind }) => kind === "UNKNOWN") ?? absent(listTags, "WHOLE_LIST");
  }

  async #recordOf(located: Located, tag: TagRow): Promise<Answer<ImageRecord>> {
    const detail = await this.#details.load({ ...located, tag: tag.name }).catch(failed);
    return mapAnswer(detail, ({ value, origin }) => toImageRecord(located.row, value, value, origin));
  }

  async #copies(name: string, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const scopes = searchScopes(this.#settings);
    if (scopes.length === 0) return unknown("NOT_CONFIGURED");
    const { rows, gap, silence } = await this.#repositoriesOf(scopes);
    const candidates = rows.filter(({ row }) => splitName(row.path).last === name);
    return this.#copiesAmong(candidates, digest, gap, silence);
  }

  async #byDigest(digest: Digest, scope: string | null): Promise<Answer<readonly ImageRecord[]>> {
    // GitLab has no search by digest alone; within a project its tags can be looked through.
    if (scope === null) return unknown("NOT_SEARCHABLE");
    if (!isProjectPath(scope)) return impossible;
    const { rows, silence } = await this.#repositoriesOf([{ kind: "project", id: scope }]);
    return this.#copiesAmong(rows, digest, null, silence);
  }

  async #copiesAmong(
    candidates: readonly Located[],
    digest: Digest,
    gap: Unknown | null,
    silence: () => Absent | Unknown,
  ): Promise<Answer<readonly ImageRecord[]>> {
    const copies = candidates.length > 0 ? await this.#withDigest(candidates, digest) : null;
    if (copies?.kind === "FOUND") return found(copies.value, copies.gap ?? gap);
    const whole = silence();
    return whole.kind === "UNKNOWN" ? whole : (copies ?? whole);
  }

  async #repositoriesOf(scopes: readonly Scope[]): Promise<Repositories> {
    const lists = await Promise.all(
      scopes.map(async (scope) => ({ scope, list: await this.#repositories.load(scope).catch(failed) })),
    );
    const gap = firstGap(lists.map(({ list }) => list));
    const byId = new Map<number, Located>();
    for (const { scope, list } of lists) {
      if (list.kind !== "FOUND") continue;
      for (const row of list.value.rows) {
        const project = scope.kind === "project" ? scope.id : projectOfRepository(row);
        if (!byId.has(row.id)) byId.set(row.id, { row, project, origin: list.value.origin });
      }
    }
    return {
      rows: [...byId.values()],
      lists: lists.flatMap(({ list }) => (list.kind === "FOUND" ? [list.value] : [])),
      gap,
      silence: () => {
        if (gap?.failure) throw gap.failure;
        const silences = lists.map(({ scope, list }) => silenceOf(list, repositoriesIn(scope.kind)));
        return silences.find(({ kind }) => kind === "UNKNOWN") ?? silences[0] ?? unknown("NOT_CONFIGURED");
      },
    };
  }

  #tooManyTags(purpose: "compare" | "look into"): UpstreamError {
    return tooFar(this.#settings.name, getTag.name, `more than ${maxTags} tags to ${purpose}`);
  }
}

/**
 * Lists are sorted by name, and most names grow: the newest tags tend to be the last. Signatures come after all others.
 */
function likeliestTags(rows: readonly TagRow[], most: number): readonly TagRow[] {
  const named = rows.filter(({ name }) => !isCompanionTag(name));
  const tags = named.length > 0 ? named : rows;
  return tags.slice(tags.length - Math.min(most, tags.length));
}

// An image is known by its whole path here and by the last part of it elsewhere.
function matchesImage({ path }: RepositoryRow, { name, match }: PackageQuery): boolean {
  if (name === null) return true;
  return matchesName(
    { type: imageType, name: path.toLowerCase() },
    match === "EXACT" ? name.toLowerCase() : name,
    match,
  );
}
