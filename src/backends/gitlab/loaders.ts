import type { PackageFile, PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { Call } from "../../upstream/call.ts";
import type { PackageQuery, PackageReader, Readers, VersionQuery } from "../backend.ts";
import { keyText, single } from "../batch.ts";
import { mapPage, readWindow, type UpstreamPage } from "../paging.ts";
import { originNow, orNothing, unreadable } from "./absence.ts";
import { type GitlabClient, pageSize, type Scope } from "./client.ts";
import { createCommitReader } from "./commits.ts";
import { formatOf, imageType, isNumber, isProjectPath, parseKey, printKey, storedName, typeOf } from "./identity.ts";
import { toFile, toVersion, toWeb, versionName } from "./mapper.ts";
import { createNamed } from "./named.ts";
import { listPackageFiles, listProjectPackages } from "./operations.ts";
import { legsOf, readPackages } from "./package-list.ts";
import { createPackageRows, type PackageRows } from "./package-rows.ts";
import type { FileRow } from "./payload.ts";
import { createRegistry, type Registry } from "./registry.ts";
import { isOf, nameIn } from "./row-keys.ts";
import type { GitlabSettings } from "./settings.ts";
import { readFiltered } from "./walk.ts";

/** One request's view of a GitLab. */
export function createReaders(client: GitlabClient, settings: GitlabSettings, call: Call): Readers {
  const { name: backend, hosts, projects, groups, capabilities } = settings;
  const web = toWeb(settings.webUrl ?? settings.url);
  const rows = createPackageRows(client, backend, web, call);
  const scopes = scopesOf(groups, projects);
  const registry = capabilities.includes("IMAGES")
    ? createRegistry(client, { backend, hosts, projects, scopes }, call)
    : null;
  return {
    ping: () => client.ping(call),
    commits: createCommitReader(client, backend, settings.url, web, rows, call),
    ...(registry === null ? {} : { images: registry.images }),
    ...(capabilities.includes("PACKAGES")
      ? { packages: createPackageReader(client, { backend, web, scopes }, rows, registry, call) }
      : {}),
  };
}

/** Where searches look: the outermost of the groups, and the projects outside of all of them. */
function scopesOf(groups: readonly string[], projects: readonly string[]): Scope[] {
  const isInside = (path: string) => groups.some((group) => path.startsWith(`${group}/`));
  return [
    ...groups.filter((path) => !isInside(path)).map((id): Scope => ({ kind: "group", id })),
    ...projects.filter((path) => !isInside(path)).map((id): Scope => ({ kind: "project", id })),
  ];
}

interface Place {
  readonly backend: string;
  readonly web: ReturnType<typeof toWeb>;
  readonly scopes: readonly Scope[];
}

function createPackageReader(
  client: GitlabClient,
  { backend, web, scopes }: Place,
  rows: PackageRows,
  registry: Registry | null,
  call: Call,
): PackageReader {
  const isImage = (ref: PackageRef) => parseKey(ref.key)?.type === imageType;
  const wantsImages = (filter: Pick<PackageQuery, "format">) => filter.format === "DOCKER" || filter.format === "OCI";
  const empty = <T>(): Page<T> => ({
    rows: [],
    hasNext: false,
    total: 0,
    origin: originNow(backend),
    dropped: [],
  });

  async function versions(ref: PackageRef, filter: VersionQuery, request: PageRequest): Promise<Page<Version>> {
    if (isImage(ref)) return registry ? registry.versions(ref, filter, request) : empty();
    const name = nameIn(ref);
    // GitLab knows no stages, so no version is in one.
    if (name === null || filter.stage !== null) return empty();
    const list = {
      ...rows.listOf(ref, name),
      sort: filter.direction === "DESC" ? ("desc" as const) : ("asc" as const),
    };
    const { prefix } = filter;
    const page = await readFiltered(request, {
      fetch: (number) => rows.page(list, number),
      identity: (row) => String(row.id),
      keep: (row) => isOf(row, name) && (prefix === null || versionName(row).startsWith(prefix)),
    });
    const context = { repository: ref.repository, web, origin: page.origin };
    return mapPage(page, (row) => rows.versionOf(row, context));
  }

  async function latest(ref: PackageRef): Promise<Version | null> {
    if (isImage(ref)) return registry ? registry.latest(ref) : null;
    const head = await rows.heads.load(ref);
    if (head === null) return null;
    if (!head.certain) throw unreadable(backend, listProjectPackages.name);
    return head.newest && toVersion(head.newest.row, { repository: ref.repository, web, origin: head.newest.origin });
  }

  const named = createNamed(rows, scopes, web);

  const filePages = single<{ project: string; id: string; page: number; size: number }, UpstreamPage<FileRow>>(
    ({ project, id, page, size }) => keyText(project, id, page, size),
    ({ project, id, page, size }) => orNothing(client.listFiles(project, id, page, size, call), backend),
    { call, backend, operation: listPackageFiles.name },
  );

  async function idOf(version: VersionRef): Promise<string | null> {
    return (await rows.versions.load(version))?.ref.nativeId ?? null;
  }

  function files(version: VersionRef, request: PageRequest): Promise<Page<PackageFile>> {
    const { package: owner, nativeId } = version;
    // The files of an image are layers, and GitLab lists none.
    if (nameIn(owner) === null) return Promise.resolve(empty());
    const { repository } = owner;
    return nativeId === null
      ? idOf(version).then((id) => filesOf(repository, id, request))
      : filesOf(repository, nativeId, request);
  }

  function filesOf(repository: string, id: string | null, request: PageRequest): Promise<Page<PackageFile>> {
    if (id === null || !isNumber(id)) return Promise.resolve(empty());
    const window = readWindow(request, {
      fetch: (page, size) => filePages.load({ project: repository, id, page: page + 1, size }),
      identity: (row) => String(row.id),
      maxSize: pageSize,
    });
    return window.then((page) => mapPage(page, (row) => toFile(row, { repository, web })));
  }

  return {
    keyOf: (name, format) => {
      const type = typeOf(format);
      if (type === null || (type === imageType && registry === null)) return null;
      const stored = storedName(type, name);
      return stored === null ? null : printKey({ type, name: stored });
    },
    parseKey: (key) => {
      const parsed = parseKey(key);
      return parsed && { name: parsed.name, format: formatOf(parsed.type) };
    },
    package: (ref) => (isImage(ref) ? (registry?.package(ref) ?? Promise.resolve(null)) : rows.packages.load(ref)),
    page: async ({ repository, group }, filter, request) => {
      const scope = toScope(repository, group);
      if (scope === null) return empty();
      if (wantsImages(filter)) return registry ? registry.page(scope, filter, request) : empty();
      return readPackages(request, legsOf([scope], filter), filter, rows, originNow(backend));
    },
    version: (ref) =>
      isImage(ref.package) ? (registry?.version(ref) ?? Promise.resolve(null)) : rows.versions.load(ref),
    versions,
    latest,
    files,
    // GitLab's own search looks into names only.
    byChecksum: () => Promise.resolve(null),
    named: async (name, format) => {
      if (scopes.length === 0) return null;
      if (!wantsImages({ format })) return named.load({ name, format });
      if (registry === null) return null;
      const filter = { name, match: "EXACT" as const, format };
      return (await registry.search(scopes, filter, { first: 1000, after: null })).rows.map(({ value }) => value);
    },
    search: async (filter, request) => {
      if (scopes.length === 0) return null;
      if (wantsImages(filter)) return registry ? registry.search(scopes, filter, request) : null;
      return readPackages(request, legsOf(scopes, filter), filter, rows, originNow(backend));
    },
  };
}

function toScope(repository: string | null, group: string | null): Scope | null {
  const scope: Scope | null =
    repository !== null ? { kind: "project", id: repository } : group !== null ? { kind: "group", id: group } : null;
  return scope !== null && isProjectPath(scope.id) ? scope : null;
}
