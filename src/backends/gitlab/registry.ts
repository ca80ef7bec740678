import type { Origin } from "../../model/backend.ts";
import type { Digest } from "../../model/digest.ts";
import type { ImageRef } from "../../model/image-ref.ts";
import type { ImageRecord, Package, PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { Call } from "../../upstream/call.ts";
import { orNull } from "../../upstream/errors.ts";
import type { ImageReader, PackageQuery, VersionQuery } from "../backend.ts";
import { keyText, single } from "../batch.ts";
import { mapPage, sliceWindow, type UpstreamPage } from "../paging.ts";
import { nothing, originNow, orNothing, tooFar, unreadable } from "./absence.ts";
import type { Answer, GitlabClient, Scope } from "./client.ts";
import { imageType, isProjectPath, isTag, parseKey, splitName } from "./identity.ts";
import { projectOfRepository, toImagePackage, toImageRecord, toImageVersion } from "./image-mapper.ts";
import { getTag, listGroupRepositories, listProjectRepositories, listTags } from "./operations.ts";
import { matchesName } from "./package-list.ts";
import type { RepositoryRow, TagDetail, TagRow } from "./payload.ts";
import { readAll, readFiltered } from "./walk.ts";

/** The most tags that one question looks into: each is a call here and a round trip to the registry there. */
const mostTags = 40;

/** The container registry within one request: images by reference, and repositories as packages. */
export interface Registry {
  readonly images: ImageReader;
  readonly package: (ref: PackageRef) => Promise<Package | null>;
  readonly page: (scope: Scope, filter: PackageQuery, request: PageRequest) => Promise<Page<Package>>;
  readonly search: (scopes: readonly Scope[], filter: PackageQuery, request: PageRequest) => Promise<Page<Package>>;
  readonly version: (ref: VersionRef) => Promise<Version | null>;
  /** In the server's own order: a list of tags tells no dates. */
  readonly versions: (ref: PackageRef, filter: VersionQuery, request: PageRequest) => Promise<Page<Version>>;
  /** The newest by the date in its configuration; OVER_BUDGET for repositories with many tags. */
  readonly latest: (ref: PackageRef) => Promise<Version | null>;
}

/** What a registry needs to know of the configuration. */
export interface RegistrySettings {
  readonly backend: string;
  readonly hosts: readonly string[];
  readonly projects: readonly string[];
  /** Where copies are looked for. */
  readonly scopes: readonly Scope[];
}

interface Located {
  readonly row: RepositoryRow;
  readonly project: string;
}

/** Everything about container repositories within one request. */
export function createRegistry(client: GitlabClient, settings: RegistrySettings, call: Call): Registry {
  const { backend, hosts } = settings;

  const pages = single<{ scope: Scope; number: number }, UpstreamPage<RepositoryRow>>(
    ({ scope, number }) => keyText(scope.kind, scope.id, number),
    ({ scope, number }) => orNothing(client.listRepositories(scope, number, call), backend),
    {
      call,
      backend,
      operation: ([key]) => (key?.scope.kind === "group" ? listGroupRepositories : listProjectRepositories).name,
    },
  );
  const pageOf = (scope: Scope) => (number: number) => pages.load({ scope, number });

  // Null, not empty, where there is no such project: an image's path may then belong to a project further up.
  const repositories = single<string, UpstreamPage<RepositoryRow> | null>(
    (project) => project,
    (project) => orNull(readAll((number) => client.listRepositories({ kind: "project", id: project }, number, call))),
    { call, backend, operation: listProjectRepositories.name },
  );

  const tags = single<Located, UpstreamPage<TagRow>>(
    ({ row }) => String(row.id),
    ({ row, project }) => readAll((number) => orNothing(client.listTags(project, row.id, number, call), backend)),
    { call, backend, operation: listTags.name },
  );

  const details = single<Located & { readonly tag: string }, Answer<TagDetail> | null>(
    ({ row, tag }) => keyText(row.id, tag),
    ({ row, project, tag }) => orNull(client.getTag(project, row.id, tag, call)),
    { call, backend, operation: getTag.name },
  );

  async function locate({ repository, key }: PackageRef): Promise<(Located & { origin: Origin }) | null> {
    const name = parseKey(key);
    if (name?.type !== imageType || !isProjectPath(repository)) return null;
    const list = await repositories.load(repository);
    const row = list?.rows.find(({ path }) => path === name.name);
    if (list && row) return { row, project: repository, origin: list.origin };
    if (list && list.dropped.length > 0) throw unreadable(backend, listProjectRepositories.name);
    return null;
  }

  /** The repository of a pulled path: under a configured project, else under the longest prefix that is a project. */
  async function locatePath(path: string): Promise<Located | null> {
    const parts = path.split("/");
    const prefixes = parts
      .map((_, index) => parts.slice(0, parts.length - index).join("/"))
      .filter((one) => one.includes("/"));
    const configured = prefixes.find((prefix) => settings.projects.includes(prefix));
    for (const project of configured === undefined ? prefixes : [configured]) {
      if (!isProjectPath(project)) return null;
      const list = await repositories.load(project);
      if (list === null) continue;
      const row = list.rows.find((one) => one.path === path);
      if (!row && list.dropped.length > 0) throw unreadable(backend, listProjectRepositories.name);
      return row ? { row, project } : null;
    }
    return null;
  }

  const record = ({ row, project }: Located, { value, origin }: Answer<TagDetail>) =>
    toImageRecord(row, value, project, origin);

  const image = single<ImageRef, ImageRecord | null>(
    ({ repository, tag, digest }) => keyText(repository, tag, digest),
    async ({ registry, repository, tag, digest }) => {
      if (registry !== null && !hosts.includes(registry)) return null;
      if (tag === null && digest === null) return null;
      const located = await locatePath(repository);
      if (located === null) return null;
      const tagged = tag === null || !isTag(tag) ? null : await details.load({ ...located, tag });
      const now = tagged && record(located, tagged);
      if (digest === null || now?.digest === digest) return now;
      // A digest names bytes, wherever the tag beside it points by now.
      const [copy] = await withDigest([located], digest);
      return copy ?? null;
    },
  );

  /** Looks into the tags of the given repositories for one digest. */
  async function withDigest(located: readonly Located[], digest: Digest): Promise<ImageRecord[]> {
    const lists = await Promise.all(located.map((one) => tags.load(one)));
    const share = Math.floor(mostTags / Math.max(1, located.length));
    const total = lists.reduce((sum, list) => sum + list.rows.length, 0);
    const looked = await Promise.all(
      lists.flatMap((list, index) => {
        const one = located[index];
        // Lists are sorted by name, and most names grow: the newest tags tend to be the last.
        const names =
          total > mostTags ? list.rows.slice(list.rows.length - Math.min(share, list.rows.length)) : list.rows;
        return one ? names.filter(({ name }) => isTag(name)).map(({ name }) => lookInto(one, name)) : [];
      }),
    );
    const found = looked.filter((one): one is ImageRecord => one?.digest === digest);
    if (found.length > 0) return found;
    if (total > looked.length) throw tooFar(backend, getTag.name, `more than ${mostTags} tags to look into`);
    if (lists.some((list) => list.dropped.length > 0)) throw unreadable(backend, listTags.name);
    return found;
  }

  async function lookInto(located: Located, tag: string): Promise<ImageRecord | null> {
    const answer = await details.load({ ...located, tag });
    return answer && record(located, answer);
  }

  async function copies(name: string, digest: Digest): Promise<readonly ImageRecord[] | null> {
    if (settings.scopes.length === 0) return null;
    const { rows, dropped } = await everywhere(settings.scopes);
    const candidates = rows.filter(({ row }) => splitName(row.path).last === name);
    const found = await withDigest(candidates, digest);
    if (found.length === 0 && dropped > 0) throw unreadable(backend, listGroupRepositories.name);
    return found;
  }

  /** Every repository of the scopes, each once. */
  async function everywhere(
    scopes: readonly Scope[],
  ): Promise<{ rows: Located[]; lists: UpstreamPage<RepositoryRow>[]; dropped: number }> {
    const lists = await Promise.all(scopes.map((scope) => readAll(pageOf(scope))));
    const byId = new Map<number, Located>();
    lists.forEach((list, index) => {
      const scope = scopes[index];
      for (const row of list.rows) {
        if (!byId.has(row.id)) byId.set(row.id, { row, project: projectIn(row, scope) });
      }
    });
    return { rows: [...byId.values()], lists, dropped: lists.reduce((sum, list) => sum + list.dropped.length, 0) };
  }

  const toPackageOf = ({ row, project }: Located, origin: Origin) => toImagePackage(row, project, origin);

  return {
    images: {
      image: (ref) => image.load(ref),
      copies,
      expectCopies: () => {
        everywhere(settings.scopes).catch(() => null);
      },
      byDigest: async (digest, scope) => {
        // By digest alone GitLab finds nothing; within a project its tags can be looked through.
        if (scope === null) return null;
        const list = isProjectPath(scope) ? await repositories.load(scope) : null;
        return withDigest(list?.rows.map((row) => ({ row, project: scope })) ?? [], digest);
      },
    },
    package: async (ref) => {
      const located = await locate(ref);
      return located && toImagePackage(located.row, located.project, located.origin);
    },
    page: async (scope, filter, request) => {
      const keep = filter.name === null ? null : (row: RepositoryRow) => matchesImage(row, filter);
      const page = await readFiltered(request, { fetch: pageOf(scope), identity: ({ id }) => String(id), keep });
      return mapPage(page, (row) => toPackageOf({ row, project: projectIn(row, scope) }, page.origin));
    },
    search: async (scopes, filter, request) => {
      const { rows, lists } = await everywhere(scopes);
      const origin = lists[0]?.origin ?? originNow(backend);
      const hits = rows.filter(({ row }) => matchesImage(row, filter));
      const rest = { origin, dropped: lists.flatMap((list) => list.dropped) };
      return mapPage(
        sliceWindow(request, hits, ({ row }) => String(row.id), rest),
        (one) => toPackageOf(one, origin),
      );
    },
    version: async (ref) => {
      const located = isTag(ref.version) ? await locate(ref.package) : null;
      const answer = located && (await details.load({ ...located, tag: ref.version }));
      return answer && toImageVersion(located.row, answer.value, answer.value, located.project, answer.origin);
    },
    versions: async (ref, filter, request) => {
      const located = await locate(ref);
      const { prefix } = filter;
      const page = await readFiltered<TagRow>(request, {
        fetch: (number) =>
          located === null
            ? Promise.resolve(nothing(originNow(backend)))
            : orNothing(client.listTags(located.project, located.row.id, number, call), backend),
        identity: ({ name }) => name,
        keep: prefix === null ? null : ({ name }) => name.startsWith(prefix),
      });
      if (located === null) return { ...page, rows: [] };
      return mapPage(page, (tag) => toImageVersion(located.row, tag, null, located.project, page.origin));
    },
    latest: async (ref) => {
      const located = await locate(ref);
      if (located === null) return null;
      const list = await tags.load(located);
      if (list.dropped.length > 0) throw unreadable(backend, listTags.name);
      if (list.rows.length > mostTags) throw tooFar(backend, getTag.name, `more than ${mostTags} tags to compare`);
      const answers = await Promise.all(list.rows.map(({ name }) => details.load({ ...located, tag: name })));
      const versions = answers.flatMap((answer) =>
        answer ? [toImageVersion(located.row, answer.value, answer.value, located.project, answer.origin)] : [],
      );
      return versions.sort((left, right) => (right.createdAt ?? "").localeCompare(left.createdAt ?? ""))[0] ?? null;
    },
  };
}

function projectIn(row: RepositoryRow, scope: Scope | undefined): string {
  return scope?.kind === "project" ? scope.id : projectOfRepository(row);
}

// An image is known by its whole path here and by the last part of it elsewhere.
function matchesImage({ path }: RepositoryRow, { name, match }: PackageQuery): boolean {
  return name === null || matchesName(path, name, match) || matchesName(splitName(path).last, name, match);
}
