import type { Package, PackageFile, PackageFormat, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { mapPage, type Page, type PageRequest } from "../../model/page.ts";
import type { PurlParts } from "../../model/purl.ts";
import { isNotFound } from "../../upstream/errors.ts";
import type { Call } from "../../upstream/operation.ts";
import { type Answer, found, impossible, mapAnswer, unknown } from "../answers.ts";
import type { PackageQuery, PackageReader, Readers, VersionQuery } from "../backend.ts";
import { keyText, single } from "../loading/loader.ts";
import type { UpstreamPage } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import { type GitlabClient, pageSize } from "./client.ts";
import { createCommitReader } from "./commits.ts";
import { ImageRegistry } from "./images.ts";
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
import { readListWindow, sourceOf } from "./lists.ts";
import { isOf, toFile, toWeb, versionName } from "./mapper.ts";
import { NameLookups } from "./named.ts";
import { listPackageFiles } from "./operations.ts";
import { readPackages } from "./package-list.ts";
import type { FileRow } from "./payload.ts";
import { type ListedRow, newestFirst, PackageRows, silenceIn } from "./rows.ts";
import { type GitlabSettings, type Scope, searchScopes } from "./settings.ts";
import { VersionLookups } from "./versions.ts";

/** One request's view of a GitLab. */
export function createReaders(client: GitlabClient, settings: GitlabSettings, call: Call): Readers {
  const { capabilities } = settings;
  const packages = new PackageRegistry(client, settings, call);
  const images = capabilities.includes("IMAGES") ? new ImageRegistry(client, settings, call) : null;
  return {
    ping: () => client.ping(call),
    commits: createCommitReader(client, settings.url, packages.rows, packages.lookups, call),
    ...(images === null ? {} : { images: images.reader() }),
    ...(capabilities.includes("PACKAGES") ? { packages: createPackageReader(packages, images, settings) } : {}),
  };
}

type Registry = Pick<ImageRegistry & PackageRegistry, keyof ImageRegistry & keyof PackageRegistry>;

/** Asks the package registry about packages, and the container registry about images. */
function createPackageReader(
  packages: PackageRegistry,
  images: ImageRegistry | null,
  settings: GitlabSettings,
): PackageReader {
  const isImageFormat = (format: PackageFormat | null) => format === "DOCKER" || format === "OCI";
  // Without `images`, the configuration says that this server has no container registry, and nothing is sent.
  const ask = async <T>(isImage: boolean, question: (registry: Registry) => Promise<Answer<T>>): Promise<Answer<T>> => {
    const registry = isImage ? images : packages;
    return registry === null ? unknown("NOT_CONFIGURED") : question(registry);
  };
  const askAbout = <T>({ key }: PackageRef, question: (registry: Registry) => Promise<Answer<T>>) =>
    ask(parseKey(key)?.type === imageType, question);
  const scopesIn = (project: string | null): readonly Scope[] =>
    project === null ? searchScopes(settings) : [{ kind: "project", id: project }];
  return {
    keyOf: (name, format) => {
      const type = typeOf(format);
      if (type === null || (type === imageType && images === null)) return null;
      const stored = storedName(type, name);
      return stored === null || isLossy(type, stored) ? null : printKey({ type, name: stored });
    },
    parseKey: (key) => {
      const parsed = parseKey(key);
      return parsed && { name: parsed.name, format: formatOf(parsed.type) };
    },
    package: (ref) => askAbout(ref, (registry) => registry.package(ref)),
    page: async ({ repository, group }, filter, request) => {
      const id = repository ?? group;
      if (id === null || !isProjectPath(id)) return impossible;
      const scope: Scope = { kind: repository === null ? "group" : "project", id };
      return ask(isImageFormat(filter.format), (registry) => registry.page(scope, filter, request));
    },
    version: (ref) => askAbout(ref.package, (registry) => registry.version(ref)),
    versions: async (ref, filter, request) => {
      // GitLab knows no stages, so no version is in one.
      if (filter.stage !== null) return impossible;
      return askAbout(ref, (registry) => registry.versions(ref, filter, request));
    },
    latest: (ref) => askAbout(ref, (registry) => registry.latest(ref)),
    files: (version, request) => packages.files(version, request),
    // GitLab's own search looks into names only.
    byChecksum: () => Promise.resolve(unknown("NOT_SEARCHABLE")),
    named: async (name, format, project) => {
      if (project !== null && !isProjectPath(project)) return impossible;
      return ask(isImageFormat(format), (registry) => registry.named(name, format, scopesIn(project)));
    },
    byPurl: async (purl, project) =>
      project !== null && !isProjectPath(project) ? impossible : packages.byPurl(purl, scopesIn(project)),
    search: async (filter, request) => {
      const scopes = searchScopes(settings);
      if (scopes.length === 0) return unknown("NOT_CONFIGURED");
      return ask(isImageFormat(filter.format), (registry) => registry.search(filter, request, scopes));
    },
  };
}

/** The package registry within one request. */
export class PackageRegistry {
  readonly rows: PackageRows;
  readonly lookups: VersionLookups;
  readonly #names: NameLookups;
  readonly #filePages;

  constructor(client: GitlabClient, { name: backend, url, webUrl }: GitlabSettings, call: Call) {
    this.rows = new PackageRows(client, backend, toWeb(webUrl ?? url), call);
    this.lookups = new VersionLookups(this.rows);
    this.#names = new NameLookups(this.rows, this.lookups);
    this.#filePages = single<{ project: string; id: string; page: number; size: number }, UpstreamPage<FileRow>>(
      ({ project, id, page, size }) => keyText(project, id, page, size),
      ({ project, id, page, size }) => client.listFiles(project, id, page, size, call),
      { call, backend, operation: listPackageFiles.name },
    );
  }

  package(ref: PackageRef): Promise<Answer<Package>> {
    return this.lookups.package(ref);
  }

  page(scope: Scope, filter: PackageQuery, request: PageRequest): Promise<Answer<Page<Package>>> {
    return readPackages(request, [scope], filter, "list", this);
  }

  search(filter: PackageQuery, request: PageRequest, scopes: readonly Scope[]): Promise<Answer<Page<Package>>> {
    return readPackages(request, scopes, filter, "search", this);
  }

  version(ref: VersionRef): Promise<Answer<Version>> {
    return this.lookups.version(ref);
  }

  async versions(ref: PackageRef, filter: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    const name = nameIn(ref);
    if (name === null) return impossible;
    const { prefix, direction } = filter;
    const list = { ...newestFirst(ref.repository, name), sort: direction === "DESC" ? "desc" : "asc" } as const;
    const reading = sourceOf(
      (number) => this.rows.page(list, number),
      ({ row }: ListedRow) => String(row.id),
    );
    const isWanted = (one: ListedRow) => isOf(one.row, name) && (!prefix || versionName(one.row).startsWith(prefix));
    const answer = await readListWindow(request, reading, isWanted);
    if (answer.kind !== "FOUND") return answer;
    const { isWhole, dropped } = answer.value;
    const hasRow = reading.pages.some((page) => page.rows.some(({ row }) => isOf(row, name)));
    // An unreadable row is reported as such, and may be the package's.
    if (isWhole && dropped.length === 0 && !hasRow) return silenceIn(list, reading.pages);
    return mapAnswer(answer, (page) => mapPage(page, ({ version }) => version));
  }

  async latest(ref: PackageRef): Promise<Answer<Version>> {
    const head = await this.lookups.head(ref);
    if (head.kind !== "FOUND") return head;
    const { some, newest, doubt } = head.value;
    if (doubt?.failure) throw doubt.failure;
    // Without a newest, each of its rows is in status `error`.
    return doubt ?? (newest ? found(newest.version) : (some.context.absence ?? unknown("LEFT_OUT")));
  }

  named(name: string, format: PackageFormat, scopes: readonly Scope[]): Promise<Answer<readonly Package[]>> {
    return this.#names.named(name, format, scopes);
  }

  byPurl(purl: PurlParts, scopes: readonly Scope[]): Promise<Answer<readonly Version[]>> {
    return this.#names.byPurl(purl, scopes);
  }

  async files(version: VersionRef, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    // The files of an image are layers, and GitLab lists none.
    if (nameIn(version.package) === null) return impossible;
    if (version.nativeId !== null) return this.#filesOf(version, version.nativeId, request);
    const loaded = await this.lookups.version(version);
    if (loaded.kind !== "FOUND") return loaded;
    const { ref } = loaded.value;
    return ref.nativeId === null ? impossible : this.#filesOf(ref, ref.nativeId, request);
  }

  async #filesOf(version: VersionRef, id: string, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    const { repository } = version.package;
    const { web } = this.rows;
    if (!isNumber(id)) return impossible;
    try {
      const window = await readWindow(request, {
        fetch: (page, size) => this.#filePages.load({ project: repository, id, page: page + 1, size }),
        identity: (row) => String(row.id),
        maxSize: pageSize,
      });
      return found(mapPage(window, (row) => toFile(row, { repository, web })));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    // Whether there is such a version is for its list to say.
    const owner = await this.lookups.version(version);
    return owner.kind === "FOUND" ? unknown("DETAIL_MISSING") : owner;
  }
}
