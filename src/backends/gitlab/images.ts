import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import type { ImageRecord, Package, PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import {
  type Absent,
  type Answer,
  absent,
  failed,
  firstGap,
  found,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { ImageReader, PackageQuery, VersionQuery } from "../backend.ts";
import { keyText, single } from "../batch.ts";
import { mapPage, sliceWindow } from "../paging.ts";
import { type ListPage, originNow, orNoPage, tooFar } from "./absence.ts";
import type { GitlabClient, Sourced } from "./client.ts";
import { imageType, isCompanionTag, isProjectPath, isTag, matchesName, parseKey, splitName } from "./keys.ts";
import { projectOfRepository, toImagePackage, toImageRecord, toImageVersion } from "./mapper.ts";
import { getTag, listGroupRepositories, listProjectRepositories, listTags } from "./operations.ts";
import type { RepositoryRow, TagDetail, TagRow } from "./payload.ts";
import { type GitlabSettings, type Scope, searchScopes } from "./settings.ts";
import { settled } from "./several.ts";
import { readAll, readFiltered, silenceOfWhole, type WholeList } from "./walk.ts";

/** The most tags that one question looks into: each is a call here and a round trip to the registry there. */
const mostTags = 40;

/** The container registry within one request: images by reference, and repositories as packages. */
export interface Registry {
  readonly images: ImageReader;
  readonly package: (ref: PackageRef) => Promise<Answer<Package>>;
  readonly page: (scope: Scope, filter: PackageQuery, request: PageRequest) => Promise<Answer<Page<Package>>>;
  readonly search: (
    scopes: readonly Scope[],
    filter: PackageQuery,
    request: PageRequest,
  ) => Promise<Answer<Page<Package>>>;
  readonly version: (ref: VersionRef) => Promise<Answer<Version>>;
  /** In the server's own order: a list of tags tells no dates. */
  readonly versions: (ref: PackageRef, filter: VersionQuery, request: PageRequest) => Promise<Answer<Page<Version>>>;
  /**
   * The newest by the date in its configuration, signatures and the like left out; UNCHECKED_ORDER where several tags are
   * left and one of them has no date, OVER_BUDGET for repositories with many tags.
   */
  readonly latest: (ref: PackageRef) => Promise<Answer<Version>>;
}

interface Located {
  readonly row: RepositoryRow;
  /** How the project is asked for; what it is called is told by the row. */
  readonly project: string;
  readonly origin: Origin;
}

/** A tag that its repository has. */
interface Tagged {
  readonly tag: TagRow;
  /** Null where they could not be had. */
  readonly detail: TagDetail | null;
  readonly origin: Origin;
}

/** Everything about container repositories within one request. */
export function createRegistry(client: GitlabClient, settings: GitlabSettings, call: Call): Registry {
  const { name: backend, hosts } = settings;
  const searched = searchScopes(settings);

  const pages = single<{ scope: Scope; number: number }, ListPage<RepositoryRow>>(
    ({ scope, number }) => keyText(scope.kind, scope.id, number),
    ({ scope, number }) => {
      const operation = scope.kind === "group" ? listGroupRepositories : listProjectRepositories;
      return orNoPage(client.listRepositories(scope, number, call), backend, absent(operation, "KEYED_READ"));
    },
    {
      call,
      backend,
      operation: ([key]) => (key?.scope.kind === "group" ? listGroupRepositories : listProjectRepositories).name,
    },
  );
  const pageOf = (scope: Scope) => (number: number) => pages.load({ scope, number });
  const repositoriesIn = (scope: Scope) => readAll(pageOf(scope), ({ id }) => id);

  const repositories = single<string, WholeList<RepositoryRow>>(
    (project) => project,
    (project) => repositoriesIn({ kind: "project", id: project }),
  );

  const tags = single<Located, WholeList<TagRow>>(
    ({ row }) => String(row.id),
    (located) =>
      readAll(
        (number) => tagPage(located, number),
        ({ name }) => name,
      ),
    { call, backend, operation: listTags.name },
  );
  const tagPage = ({ row, project }: Located, number: number) =>
    // The repository was listed: that its tags are not found proves nothing.
    orNoPage(client.listTags(project, row.id, number, call), backend, unknown("DETAIL_MISSING"));

  /** The details of one tag, or the failure that says nothing of the server: a 404, and a 500 of this very tag. */
  const details = single<Located & { readonly tag: string }, Sourced<TagDetail> | UpstreamError>(
    ({ row, tag }) => keyText(row.id, tag),
    ({ row, project, tag }) =>
      client.getTag(project, row.id, tag, call).catch((error: unknown) => {
        if (isNotFound(error) || isOwnFailure(error)) return error;
        throw error;
      }),
    { call, backend, operation: getTag.name },
  );

  async function locate({ repository, key }: PackageRef): Promise<Answer<Located>> {
    const name = parseKey(key);
    if (name?.type !== imageType || !isProjectPath(repository)) return impossible;
    return repositoryAt(repository, name.name);
  }

  async function repositoryAt(project: string, path: string): Promise<Answer<Located>> {
    const list = await repositories.load(project);
    const row = list.rows.find((one) => one.path.toLowerCase() === path.toLowerCase());
    if (row) return found({ row, project, origin: list.origin });
    return silenceOfWhole(list, absent(listProjectRepositories, "WHOLE_LIST"), listProjectRepositories);
  }

  /** The repository of a pulled path: under a configured project, else under the longest prefix that is a project. */
  async function locatePath(path: string): Promise<Answer<Located>> {
    const parts = path.split("/");
    const prefixes = parts
      .map((_, index) => parts.slice(0, parts.length - index).join("/"))
      .filter((one) => one.includes("/"));
    const isConfigured = (prefix: string) =>
      settings.projects.some((project) => project.toLowerCase() === prefix.toLowerCase());
    const configured = prefixes.find(isConfigured);
    let answer: Answer<Located> = impossible;
    for (const project of configured === undefined ? prefixes : [configured]) {
      if (!isProjectPath(project)) return impossible;
      answer = await repositoryAt(project, path);
      // Where there is no such project, the path may belong to one further up.
      if (answer.kind !== "ABSENT" || answer.proof !== "KEYED_READ") return answer;
    }
    return answer;
  }

  /**
   * One tag. Details that are not there prove nothing: registries without the metadata database have none of an index, and
   * answer 404 or 500 for it. The list of tags says then whether there is such a tag.
   */
  async function tagged(located: Located, name: string): Promise<Answer<Tagged>> {
    if (!isTag(name)) return impossible;
    const told = await details.load({ ...located, tag: name });
    if (!(told instanceof UpstreamError)) return found({ tag: told.value, detail: told.value, origin: told.origin });
    const list = await tags.load(located);
    const tag = list.rows.find((one) => one.name === name);
    const gap = isNotFound(told) ? unknown("DETAIL_MISSING") : failed(told);
    if (tag) return found({ tag, detail: null, origin: list.origin }, gap);
    return silenceOfWhole(list, absent(listTags, "WHOLE_LIST"), listTags);
  }

  const image = single<ImageRef, Answer<ImageRecord>>(
    ({ repository, tag, digest }) => keyText(repository, tag, digest),
    async ({ registry, repository, tag: spelled, digest }) => {
      if (registry !== null && !hosts.includes(registry)) return impossible;
      // Docker asks for `latest` where a reference names neither tag nor digest.
      const tag = spelled ?? (digest === null ? "latest" : null);
      const located = await locatePath(repository);
      if (located.kind !== "FOUND") return located;
      const now = tag === null ? impossible : await tagged(located.value, tag);
      const record = mapAnswer(now, (one) => toImageRecord(located.value.row, one.tag, one.detail, one.origin));
      if (digest === null || (record.kind === "FOUND" && record.value.digest === digest)) return record;
      // A digest names bytes, wherever the tag beside it points by now.
      const copies = await withDigest([located.value], digest);
      return copies.kind === "FOUND" && copies.value[0] ? found(copies.value[0]) : withoutValue(copies);
    },
  );

  /** Looks into the tags of the given repositories for one digest. */
  async function withDigest(located: readonly Located[], digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    const listed = await Promise.all(located.map((one) => settled(tags.load(one))));
    const lists = listed.map((list) => (list instanceof UpstreamError ? null : list));
    const share = Math.floor(mostTags / Math.max(1, located.length));
    const total = lists.reduce((sum, list) => sum + (list?.rows.length ?? 0), 0);
    const looked = await Promise.all(
      lists.flatMap((list, index) => {
        const one = located[index];
        const rows = list?.rows ?? [];
        const names = total > mostTags ? likeliest(rows, share) : rows;
        return one ? names.filter(({ name }) => isTag(name)).map((tag) => lookInto(one, tag)) : [];
      }),
    );
    const records = looked.flatMap((answer) => (answer.kind === "FOUND" ? [answer.value] : []));
    const hits = records.filter((one) => one.digest === digest);
    // A tag whose details could not be had may be the one; one that is gone meanwhile is not.
    const failure = listed.find((list) => list instanceof UpstreamError);
    const gap = failure ? failed(failure) : firstGap(looked);
    if (hits.length > 0) return found(hits, gap);
    if (failure) throw failure;
    if (total > looked.length) throw tooFar(backend, getTag.name, `more than ${mostTags} tags to look into`);
    if (gap) return gap;
    for (const list of lists) {
      if (list === null) continue;
      const silence = silenceOfWhole(list, absent(listTags, "WHOLE_LIST"), listTags);
      if (silence.kind === "UNKNOWN") return silence;
    }
    return absent(listTags, "WHOLE_LIST");
  }

  async function lookInto(located: Located, tag: TagRow): Promise<Answer<ImageRecord>> {
    const told = await settled(details.load({ ...located, tag: tag.name }));
    if (!(told instanceof UpstreamError)) return found(toImageRecord(located.row, told.value, told.value, told.origin));
    return isNotFound(told) ? unknown("DETAIL_MISSING") : failed(told);
  }

  async function copies(name: string, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    if (searched.length === 0) return unknown("NOT_CONFIGURED");
    const { rows, gap, silence } = await everywhere(searched);
    const candidates = rows.filter(({ row }) => splitName(row.path).last === name);
    const hits = candidates.length > 0 ? await withDigest(candidates, digest) : null;
    if (hits?.kind === "FOUND") return found(hits.value, hits.gap ?? gap);
    const whole = silence();
    return whole.kind === "UNKNOWN" ? whole : (hits ?? whole);
  }

  /** Every repository of the scopes, each once, and what it proves that one is not among them. */
  async function everywhere(scopes: readonly Scope[]): Promise<{
    readonly rows: readonly Located[];
    readonly lists: readonly WholeList<RepositoryRow>[];
    /** Why there may be more. */
    readonly gap: Unknown | null;
    readonly silence: () => Absent | Unknown;
  }> {
    const told = await Promise.all(scopes.map((scope) => settled(repositoriesIn(scope))));
    const failure = told.find((list) => list instanceof UpstreamError) ?? null;
    const lists = told.map((list) => (list instanceof UpstreamError ? null : list));
    const byId = new Map<number, Located>();
    lists.forEach((list, index) => {
      const scope = scopes[index];
      if (list)
        for (const row of list.rows) if (!byId.has(row.id)) byId.set(row.id, locatedIn(row, scope, list.origin));
    });
    const silence = () => {
      if (failure) throw failure;
      const operations = scopes.map(({ kind }) => (kind === "group" ? listGroupRepositories : listProjectRepositories));
      const silences = lists.flatMap((list, index) => {
        const operation = operations[index] ?? listGroupRepositories;
        return list ? [silenceOfWhole(list, absent(operation, "WHOLE_LIST"), operation)] : [];
      });
      return silences.find(({ kind }) => kind === "UNKNOWN") ?? silences[0] ?? unknown("NOT_CONFIGURED");
    };
    const here = lists.flatMap((list) => list ?? []);
    const gap = failure ? failed(failure) : (here.find((list) => list.gap)?.gap ?? null);
    return { rows: [...byId.values()], lists: here, gap, silence };
  }

  return {
    images: {
      image: (ref) => image.load(ref),
      copies,
      expectCopies: () => {
        everywhere(searched).catch(() => null);
      },
      byDigest: async (digest, scope) => {
        // By digest alone GitLab finds nothing; within a project its tags can be looked through.
        if (scope === null) return unknown("NOT_SEARCHABLE");
        if (!isProjectPath(scope)) return impossible;
        const list = await repositories.load(scope);
        const located = list.rows.map((row) => ({ row, project: scope, origin: list.origin }));
        const hits = located.length > 0 ? await withDigest(located, digest) : null;
        if (hits?.kind === "FOUND") return hits;
        const whole = silenceOfWhole(list, absent(listProjectRepositories, "WHOLE_LIST"), listProjectRepositories);
        return whole.kind === "UNKNOWN" ? whole : (hits ?? whole);
      },
    },
    package: async (ref) => mapAnswer(await locate(ref), ({ row, origin }) => toImagePackage(row, origin)),
    page: async (scope, filter, request) => {
      const keep = filter.name === null ? null : (row: RepositoryRow) => matchesImage(row, filter);
      const page = await readFiltered(request, { fetch: pageOf(scope), identity: ({ id }) => String(id), keep });
      return mapAnswer(page, (one) => mapPage(one, (row) => toImagePackage(row, one.origin)));
    },
    search: async (scopes, filter, request) => {
      const { rows, lists, gap, silence } = await everywhere(scopes);
      const origin = lists[0]?.origin ?? originNow(backend);
      const hits = rows.filter(({ row }) => matchesImage(row, filter));
      const dropped = lists.flatMap((list) => list.dropped);
      if (hits.length === 0 && dropped.length === 0) return silence();
      const window = sliceWindow(request, hits, ({ row }) => String(row.id), { origin, dropped });
      return found(
        mapPage(window, ({ row }) => toImagePackage(row, origin)),
        gap,
      );
    },
    version: async (ref) => {
      const located = await locate(ref.package);
      if (located.kind !== "FOUND") return located;
      const one = await tagged(located.value, ref.version);
      return mapAnswer(one, ({ tag, detail, origin }) => toImageVersion(located.value.row, tag, detail, origin));
    },
    versions: async (ref, filter, request) => {
      const located = await locate(ref);
      if (located.kind !== "FOUND") return located;
      const { prefix } = filter;
      const page = await readFiltered<TagRow>(request, {
        fetch: (number) => tagPage(located.value, number),
        identity: ({ name }) => name,
        keep: prefix === null ? null : ({ name }) => name.startsWith(prefix),
      });
      return mapAnswer(page, (one) => mapPage(one, (tag) => toImageVersion(located.value.row, tag, null, one.origin)));
    },
    latest: async (ref) => {
      const located = await locate(ref);
      if (located.kind !== "FOUND") return located;
      const list = await tags.load(located.value);
      const candidates = list.rows.filter(({ name }) => !isCompanionTag(name));
      // What could not be read, or did not come, may be newer.
      const silence = silenceOfWhole(list, absent(listTags, "WHOLE_LIST"), listTags);
      if (candidates.length === 0 || silence.kind === "UNKNOWN") return silence;
      if (candidates.length > mostTags) throw tooFar(backend, getTag.name, `more than ${mostTags} tags to compare`);
      const told = await Promise.all(candidates.map((tag) => details.load({ ...located.value, tag: tag.name })));
      const { row } = located.value;
      const versions = told.map((one, index) => {
        const tag = candidates[index];
        if (one instanceof UpstreamError) return tag ? toImageVersion(row, tag, null, list.origin) : null;
        return toImageVersion(row, one.value, one.value, one.origin);
      });
      const failure = told.find((one) => one instanceof UpstreamError);
      const gap = failure === undefined ? null : isNotFound(failure) ? unknown("DETAIL_MISSING") : failed(failure);
      const [only] = versions;
      if (only && versions.length === 1) return found(only, gap);
      if (failure !== undefined && !isNotFound(failure)) throw failure;
      // A tag without a date is no old tag.
      if (versions.some((one) => !one?.createdAt)) return unknown("UNCHECKED_ORDER");
      const newest = versions.reduce((best, one) => ((one?.createdAt ?? "") > (best?.createdAt ?? "") ? one : best));
      return newest ? found(newest) : silence;
    },
  };
}

/** Lists are sorted by name, and most names grow: the newest tags tend to be the last. Signatures come after all others. */
function likeliest(rows: readonly TagRow[], most: number): readonly TagRow[] {
  const named = rows.filter(({ name }) => !isCompanionTag(name));
  const few = named.length > 0 ? named : rows;
  return few.slice(few.length - Math.min(most, few.length));
}

/** A failure of one object's own: the server is well, and answers 500 for this one for ever. */
function isOwnFailure(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.status === 500;
}

function withoutValue<T>(answer: Answer<T>): Absent | Unknown {
  return answer.kind === "FOUND" ? unknown("LEFT_OUT") : answer;
}

function locatedIn(row: RepositoryRow, scope: Scope | undefined, origin: Origin): Located {
  return { row, project: scope?.kind === "project" ? scope.id : projectOfRepository(row), origin };
}

// An image is known by its whole path here and by the last part of it elsewhere.
function matchesImage({ path }: RepositoryRow, { name, match }: PackageQuery): boolean {
  return (
    name === null ||
    matchesName({ type: imageType, name: path.toLowerCase() }, match === "EXACT" ? name.toLowerCase() : name, match)
  );
}
