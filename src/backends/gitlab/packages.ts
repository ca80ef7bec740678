import type { Package, PackageFile, PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound } from "../../upstream/errors.ts";
import { type Answer, found, impossible, mapAnswer, unknown } from "../answers.ts";
import type { PackageQuery, PackageReader, Readers, VersionQuery } from "../backend.ts";
import { keyText, single } from "../batch.ts";
import { mapPage, readWindow, type UpstreamPage } from "../paging.ts";
import { originNow } from "./absence.ts";
import { type GitlabClient, pageSize } from "./client.ts";
import { createCommitReader } from "./commits.ts";
import { createRegistry, type Registry } from "./images.ts";
import {
  formatOf,
  imageType,
  isLossy,
  isNumber,
  isProjectPath,
  nameIn,
  parseKey,
  printKey,
  storedName,
  typeOf,
} from "./keys.ts";
import { isOf, toFile, toWeb, versionName, type Web } from "./mapper.ts";
import { createNameLookups } from "./named.ts";
import { listPackageFiles } from "./operations.ts";
import { legsOf, readPackages } from "./package-list.ts";
import type { FileRow } from "./payload.ts";
import {
  createPackageRows,
  type ListedRow,
  newestFirst,
  type PackagePage,
  type PackageRows,
  silenceIn,
} from "./rows.ts";
import { type GitlabSettings, type Scope, searchScopes } from "./settings.ts";
import { createVersionLookups, type VersionLookups } from "./versions.ts";
import { readFiltered } from "./walk.ts";

/** One request's view of a GitLab. */
export function createReaders(client: GitlabClient, settings: GitlabSettings, call: Call): Readers {
  const { name: backend, capabilities } = settings;
  const web = toWeb(settings.webUrl ?? settings.url);
  const rows = createPackageRows(client, backend, web, call);
  const lookups = createVersionLookups(rows);
  const registry = capabilities.includes("IMAGES") ? createRegistry(client, settings, call) : null;
  return {
    ping: () => client.ping(call),
    commits: createCommitReader(client, settings, web, rows, lookups, call),
    ...(registry === null ? {} : { images: registry.images }),
    ...(capabilities.includes("PACKAGES")
      ? { packages: createPackageReader(client, settings, web, { rows, lookups, registry }, call) }
      : {}),
  };
}

function createPackageReader(
  client: GitlabClient,
  settings: GitlabSettings,
  web: Web,
  { rows, lookups, registry }: { rows: PackageRows; lookups: VersionLookups; registry: Registry | null },
  call: Call,
): PackageReader {
  const backend = settings.name;
  const scopes = searchScopes(settings);
  const isImage = (ref: PackageRef) => parseKey(ref.key)?.type === imageType;
  const wantsImages = (filter: Pick<PackageQuery, "format">) => filter.format === "DOCKER" || filter.format === "OCI";
  // The configuration says that this server offers no images, so nothing is sent.
  const noImages = Promise.resolve(unknown("NOT_CONFIGURED"));

  async function versions(ref: PackageRef, filter: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    // GitLab knows no stages, so no version is in one.
    if (filter.stage !== null) return impossible;
    if (isImage(ref)) return registry ? registry.versions(ref, filter, request) : noImages;
    const name = nameIn(ref);
    if (name === null) return impossible;
    const sort = filter.direction === "DESC" ? "desc" : "asc";
    const list = { ...newestFirst(ref.repository, name), sort } as const;
    const { prefix } = filter;
    const answer = await readFiltered<ListedRow, PackagePage>(request, {
      fetch: (number) => rows.page(list, number),
      identity: ({ row }) => String(row.id),
      keep: ({ row }) => isOf(row, name) && (prefix === null || versionName(row).startsWith(prefix)),
      owner: { owns: ({ row }) => isOf(row, name), whenNone: (pages) => silenceIn(list, pages) },
    });
    return mapAnswer(answer, (page) => mapPage(page, ({ version }) => version));
  }

  async function latest(ref: PackageRef): Promise<Answer<Version>> {
    if (isImage(ref)) return registry ? registry.latest(ref) : noImages;
    const head = await lookups.head(ref);
    if (head.kind !== "FOUND") return head;
    const { some, newest, doubt } = head.value;
    if (doubt?.failure) throw doubt.failure;
    // Without a newest, each of its rows is in status `error`.
    return doubt ?? (newest ? found(newest.version) : (some.context.absence ?? unknown("LEFT_OUT")));
  }

  function packageOf(ref: PackageRef): Promise<Answer<Package>> {
    if (isImage(ref)) return registry ? registry.package(ref) : noImages;
    return lookups.package(ref);
  }

  const { named, byPurl } = createNameLookups(rows, lookups, scopes);

  const filePages = single<{ project: string; id: string; page: number; size: number }, UpstreamPage<FileRow>>(
    ({ project, id, page, size }) => keyText(project, id, page, size),
    ({ project, id, page, size }) => client.listFiles(project, id, page, size, call),
    { call, backend, operation: listPackageFiles.name },
  );

  async function files(version: VersionRef, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    // The files of an image are layers, and GitLab lists none.
    if (nameIn(version.package) === null) return impossible;
    if (version.nativeId !== null) return filesOf(version, version.nativeId, request);
    const loaded = await lookups.version(version);
    if (loaded.kind !== "FOUND") return loaded;
    const { ref } = loaded.value;
    return ref.nativeId === null ? impossible : filesOf(ref, ref.nativeId, request);
  }

  async function filesOf(version: VersionRef, id: string, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    const { repository } = version.package;
    if (!isNumber(id)) return impossible;
    try {
      const window = await readWindow(request, {
        fetch: (page, size) => filePages.load({ project: repository, id, page: page + 1, size }),
        identity: (row) => String(row.id),
        maxSize: pageSize,
      });
      return found(mapPage(window, (row) => toFile(row, { repository, web })));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    // Whether there is such a version is for its list to say.
    const owner = await lookups.version(version);
    return owner.kind === "FOUND" ? unknown("DETAIL_MISSING") : owner;
  }

  return {
    keyOf: (name, format) => {
      const type = typeOf(format);
      if (type === null || (type === imageType && registry === null)) return null;
      const stored = storedName(type, name);
      return stored === null || isLossy(type, stored) ? null : printKey({ type, name: stored });
    },
    parseKey: (key) => {
      const parsed = parseKey(key);
      return parsed && { name: parsed.name, format: formatOf(parsed.type) };
    },
    package: packageOf,
    page: async ({ repository, group }, filter, request) => {
      const scope = toScope(repository, group);
      if (scope === null) return impossible;
      if (wantsImages(filter)) return registry ? registry.page(scope, filter, request) : noImages;
      return readPackages(
        request,
        legsOf([scope], filter),
        filter,
        { rows, lookups },
        { origin: originNow(backend), goal: "list" },
      );
    },
    version: (ref) => {
      if (isImage(ref.package)) return registry ? registry.version(ref) : noImages;
      return lookups.version(ref);
    },
    versions,
    latest,
    files,
    // GitLab's own search looks into names only.
    byChecksum: () => Promise.resolve(unknown("NOT_SEARCHABLE")),
    named: async (name, format, scope) => {
      if (scope !== null && !isProjectPath(scope)) return impossible;
      if (!wantsImages({ format })) return named.load({ name, format, scope });
      if (registry === null) return noImages;
      const places = scope === null ? scopes : [{ kind: "project" as const, id: scope }];
      if (places.length === 0) return unknown("NOT_CONFIGURED");
      const filter = { name, match: "EXACT" as const, format };
      const all = await registry.search(places, filter, { first: 1000, after: null });
      return mapAnswer(all, (page) => page.rows.map(({ value }) => value));
    },
    byPurl: async (purl, scope) => (scope !== null && !isProjectPath(scope) ? impossible : byPurl(purl, scope)),
    search: async (filter, request) => {
      if (scopes.length === 0) return unknown("NOT_CONFIGURED");
      if (wantsImages(filter)) return registry ? registry.search(scopes, filter, request) : noImages;
      const goal = "search" as const;
      return readPackages(
        request,
        legsOf(scopes, filter),
        filter,
        { rows, lookups },
        { origin: originNow(backend), goal },
      );
    },
  };
}

function toScope(repository: string | null, group: string | null): Scope | null {
  const scope: Scope | null =
    repository !== null ? { kind: "project", id: repository } : group !== null ? { kind: "group", id: group } : null;
  return scope !== null && isProjectPath(scope.id) ? scope : null;
}
