import { digestOf, type ImageRef, imageRef, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Instant, Origin } from "../../model/backend.ts";
import type {
  HostedCommit,
  ImageRecord,
  MetadataEntry,
  Package,
  PackageFile,
  PackageRef,
  PipelineRun,
  Version,
  VersionRef,
} from "../../model/package.ts";
import { keep, parseInstant, trimEndSlashes } from "../../model/values.ts";
import {
  formatOf,
  imagePurl,
  imageType,
  isProjectPath,
  type PackageName,
  packagePurl,
  parseRecipe,
  printKey,
} from "./keys.ts";
import type { CommitRow, FileRow, PackageRow, PipelineRow, RepositoryRow, TagDetail, TagRow } from "./payload.ts";

/** The address of this GitLab in links. */
export interface Web {
  /** Origin and relative root, without a trailing slash. */
  readonly base: string;
  readonly origin: string;
  /** The relative root, such as `/gitlab`; empty where there is none. */
  readonly root: string;
}

/** Parses an address for the links made with it. */
export function toWeb(address: string): Web {
  const url = new URL(address);
  const root = trimEndSlashes(url.pathname);
  return { base: url.origin + root, origin: url.origin, root };
}

/** What a row of a package list does not hold itself. */
export interface RowContext {
  /** The project's path, or its number as text where no path is known. */
  readonly repository: string;
  readonly web: Web;
  readonly origin: Origin;
}

/** Count and dates of a package, known where all of its rows were read. */
export interface AllRows {
  readonly count: number;
  readonly first: Instant | null;
  readonly last: Instant | null;
}

const none: readonly never[] = [];

/** The name GitLab searches and sorts by. Conan rows have a whole recipe as their name, and the bare one beside it. */
export function nameOf(row: PackageRow): PackageName {
  const { package_type: type, name } = row;
  if (type !== "conan") return { type, name };
  return { type, name: row.conan_package_name ?? parseRecipe(name)?.name ?? name };
}

/** Whether a row is a version of exactly this package: GitLab's own filter is `%name%` in any case. */
export function isOf(row: PackageRow, { type, name }: PackageName): boolean {
  const named = nameOf(row);
  return named.type === type && named.name === name;
}

/** The project of a row of a group's list: its path, else the path in its page's address, else its number, or null. */
export function projectOf(row: PackageRow, web: Web): string | null {
  return row.project_path || (projectOfPage(row, web) ?? (row.project_id ? String(row.project_id) : null));
}

/** The project in the address of a row's page; null for a row without a page. */
export function projectOfPage({ _links: links }: PackageRow, web: Web): string | null {
  const page = links?.web_path;
  const cut = page?.indexOf("/-/") ?? -1;
  // The page's path begins with the relative root, which is no part of the project's path.
  if (!page || cut <= 0 || !page.startsWith(`${web.root}/`)) return null;
  const path = page.slice(web.root.length + 1, cut);
  return isProjectPath(path) ? path : null;
}

/** The version's name; a row without one (a holder of metadata) is named by its number, `#4711`. */
export function versionName(row: PackageRow): string {
  return row.version ?? `#${row.id}`;
}

/** The reference of the package that a row is a version of. */
export function toPackageRef(row: PackageRow, { repository, origin }: RowContext): PackageRef {
  return { backend: origin.backend, repository, key: printKey(nameOf(row)) };
}

/** The package that a row is a version of; count and times are null unless all of its rows are known. */
export function toPackage(row: PackageRow, context: RowContext, all: AllRows | null): Package {
  const named = nameOf(row);
  return {
    ref: toPackageRef(row, context),
    origin: context.origin,
    name: named.name,
    format: formatOf(named.type),
    formatName: named.type,
    get purl() {
      return keep(this, "purl", packagePurl(named, null));
    },
    description: null,
    visibility: null,
    downloads: null,
    versionCount: all?.count ?? null,
    createdBy: null,
    createdAt: all?.first ?? null,
    updatedAt: all?.last ?? null,
    webUrl: webPage(row._links?.web_path, context.web),
  };
}

/** One package row as a version. Size and file count are null: only the list of its files has them. */
export function toVersion(row: PackageRow, context: RowContext): Version {
  const named = nameOf(row);
  const tags = row.tags?.length ? row.tags.map((tag) => tag.name) : none;
  const version = versionName(row);
  return {
    ref: { package: toPackageRef(row, context), version, nativeId: String(row.id) },
    origin: context.origin,
    name: version,
    format: formatOf(named.type),
    // Computed on demand: it is the most expensive part and rarely read.
    get purl() {
      return keep(this, "purl", row.version == null ? null : packagePurl(named, row.version, row.name));
    },
    status: row.status ?? null,
    stages: none,
    // NuGet has search words in the same field, which are no tags.
    tags: named.type === "nuget" ? none : tags,
    size: null,
    fileCount: null,
    downloads: null,
    createdBy: null,
    createdAt: parseInstant(row.created_at),
    updatedAt: null,
    metadata: metadataOf(row, named, tags),
    downloadUrl: null,
    digest: null,
    image: null,
    paths: none,
    pipeline: newestPipeline(row, context.origin.backend, context.web),
  };
}

function metadataOf(row: PackageRow, { type, name }: PackageName, tags: readonly string[]): MetadataEntry[] {
  const entries: MetadataEntry[] = [];
  const downloaded = parseInstant(row.last_downloaded_at);
  if (downloaded !== null) entries.push({ key: "lastDownloadedAt", value: downloaded, isSystem: true });
  if (type === "conan" && row.name !== name) entries.push({ key: "recipe", value: row.name, isSystem: true });
  if (type === "nuget" && tags.length > 0) entries.push({ key: "keywords", value: tags, isSystem: false });
  return entries;
}

/** Every pipeline in a row, newest first: servers have sent them in three fields. */
export function pipelinesOf(row: PackageRow): PipelineRow[] {
  const all = [row.pipeline, row.build_info?.pipeline, ...(row.pipelines ?? [])];
  const byId = new Map(all.flatMap((pipeline) => (pipeline ? [[pipeline.id, pipeline]] : [])));
  return [...byId.values()].sort((left, right) => right.id - left.id);
}

/** The newest pipeline that published a row; null when there is none or it was deleted. */
function newestPipeline(row: PackageRow, backend: string, web: Web): PipelineRun | null {
  let newest = row.pipeline ?? row.build_info?.pipeline ?? null;
  if (!row.pipeline) for (const one of row.pipelines ?? []) if (newest === null || one.id >= newest.id) newest = one;
  return newest ? toPipeline(newest, backend, web) : null;
}

/** A pipeline. Its project may be another than the package's; older servers send it in the page's address only. */
export function toPipeline(row: PipelineRow, backend: string, web: Web): PipelineRun {
  return {
    id: String(row.id),
    backend,
    projectId: row.project_id ? String(row.project_id) : null,
    projectPath: projectInAddress(row.web_url, web, "pipelines"),
    hostUrl: web.base,
    status: row.status ?? null,
    ref: row.ref ?? null,
    sha: row.sha ?? null,
    webUrl: httpUrl(row.web_url),
    user: row.user?.username ?? row.user?.name ?? null,
    createdAt: parseInstant(row.created_at),
  };
}

/** A file of a version. Uploads of paths arrive with `%2F` in their names; those are decoded once. */
export function toFile(row: FileRow, { repository, web }: Omit<RowContext, "origin">): PackageFile {
  const path = decodedPath(row.file_name);
  const digests = [
    digestOf("sha256", row.file_sha256),
    digestOf("sha1", row.file_sha1),
    digestOf("md5", row.file_md5),
  ].filter((digest) => digest !== null);
  return {
    name: path === null ? row.file_name : path.slice(path.lastIndexOf("/") + 1),
    path,
    size: row.size ?? null,
    digests,
    createdAt: parseInstant(row.created_at),
    // The download page needs the project's path: with a number it is some other page.
    downloadUrl: /^\d+$/.test(repository) ? null : `${web.base}/${repository}/-/package_files/${row.id}/download`,
  };
}

function decodedPath(name: string): string | null {
  if (!/%2f/i.test(name)) return null;
  try {
    const path = decodeURIComponent(name);
    return path.endsWith("/") ? null : path;
  } catch {
    return null;
  }
}

/** A commit as its host has it, without branch, tag and merge requests. */
export function toCommit(row: CommitRow, repository: string, web: Web, origin: Origin): HostedCommit {
  return {
    origin,
    sha: row.id.toLowerCase(),
    branch: null,
    tag: null,
    repository,
    hostUrl: web.base,
    webUrl: httpUrl(row.web_url),
    pullRequests: [],
    message: row.message ?? row.title ?? null,
    authorName: row.author_name ?? null,
    isPrimary: false,
  };
}

/** The project in the address of a commit's page; null where the address does not hold it. */
export function projectOfCommit(row: CommitRow, web: Web): string | null {
  return projectInAddress(row.web_url, web, "commit");
}

/**
 * The project in `/path/-/commit/0123…` or `/path/-/pipelines/123`; servers before 12.x write both without the `/-`.
 */
function projectInAddress(address: string | null | undefined, web: Web, page: "commit" | "pipelines"): string | null {
  const url = httpUrl(address);
  if (url === null) return null;
  // Only the path counts: the host is the server's configured one.
  const pathname = canonicalUrl.test(url) ? url.slice(url.indexOf("/", "https://".length)) : new URL(url).pathname;
  const cut = pathname.lastIndexOf("/");
  const owner = pathname.slice(0, Math.max(0, cut));
  const isPage = (page === "commit" ? /^[0-9a-f]+$/i : /^\d+$/).test(pathname.slice(cut + 1));
  if (!isPage || !owner.startsWith(`${web.root}/`) || !owner.endsWith(`/${page}`)) return null;
  const named = owner.slice(web.root.length + 1, -page.length - 1);
  const path = named.endsWith("/-") ? named.slice(0, -2) : named;
  return isProjectPath(path) ? path : null;
}

/** A page of GitLab's own, from a path that already holds the relative root; null where it leads off the server. */
function webPage(path: string | null | undefined, web: Web): string | null {
  if (!path?.startsWith("/") || !URL.canParse(path, web.origin)) return null;
  const url = new URL(path, web.origin);
  return url.origin === web.origin ? url.href : null;
}

/**
 * An address that a URL parser would print unchanged. No letter matches in two ways, so the test takes one pass over
 * any text.
 */
const canonicalUrl = /^https?:\/\/[a-z0-9]+(?:[.-][a-z0-9]+)*(?:\/[\w-][\w.~-]*)+$/;

/** The address, if it is http(s) and holds no user-info. */
function httpUrl(text: string | null | undefined): string | null {
  if (text && canonicalUrl.test(text)) return text;
  if (!text || !URL.canParse(text)) return null;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url.href : null;
}

/** The registry host of a container repository, from its location: host and path; null where it has none. */
function registryOf({ path, location }: RepositoryRow): string | null {
  const end = `/${path}`;
  if (!location?.endsWith(end)) return parseImageRef(location)?.registry ?? null;
  // Paths are wider than references: a project may begin with a dot.
  return parseImageRef(`${location.slice(0, -end.length)}/any`)?.registry ?? null;
}

/**
 * Where a container repository's images are pulled from: registry host and path, or the path where no host is known.
 */
function locationOf(row: RepositoryRow): string {
  const registry = registryOf(row);
  return registry === null ? row.path : `${registry}/${row.path}`;
}

/**
 * The project that a container repository belongs to: its path without the image's own name. Container paths are
 * lower-cased (`ContainerRepository#path`), so this is the project's path in lower case; GitLab matches it without
 * case.
 */
export function projectOfRepository(row: RepositoryRow): string {
  const end = `/${row.name.toLowerCase()}`;
  return row.name !== "" && row.path.endsWith(end) ? row.path.slice(0, -end.length) : row.path;
}

function imagePackageRef(row: RepositoryRow, { backend }: Origin): PackageRef {
  return { backend, repository: projectOfRepository(row), key: printKey({ type: imageType, name: row.path }) };
}

function toTagRef(row: RepositoryRow, tag: TagRow, origin: Origin): VersionRef {
  return { package: imagePackageRef(row, origin), version: tag.name, nativeId: null };
}

function toImageRef(row: RepositoryRow, tag: TagRow, digest: ImageRef["digest"]): ImageRef {
  return imageRef({ registry: registryOf(row), repository: row.path, tag: tag.name, digest });
}

/** A container repository as a package whose versions are tags. */
export function toImagePackage(row: RepositoryRow, origin: Origin): Package {
  return {
    ref: imagePackageRef(row, origin),
    origin,
    name: row.path,
    format: "DOCKER",
    formatName: imageType,
    purl: imagePurl(locationOf(row), null, null),
    description: null,
    visibility: null,
    downloads: null,
    versionCount: row.tags_count ?? null,
    createdBy: null,
    createdAt: parseInstant(row.created_at),
    updatedAt: null,
    webUrl: null,
  };
}

/** A tag as a version. A list of tags holds names only; `detail` adds digest, size and date. */
export function toImageVersion(row: RepositoryRow, tag: TagRow, detail: TagDetail | null, origin: Origin): Version {
  const digest = parseDigest(detail?.digest);
  return {
    ref: toTagRef(row, tag, origin),
    origin,
    name: tag.name,
    format: "DOCKER",
    purl: digest === null ? null : imagePurl(locationOf(row), digest, tag.name),
    status: row.status ?? null,
    stages: none,
    tags: none,
    size: detail?.total_size ?? null,
    fileCount: null,
    downloads: null,
    createdBy: null,
    createdAt: parseInstant(detail?.created_at),
    updatedAt: null,
    metadata: none,
    downloadUrl: null,
    digest,
    image: toImageRef(row, tag, null),
    paths: none,
    pipeline: null,
  };
}

/** What the registry holds under a tag; no more than its name where its detail is unknown. */
export function toImageRecord(row: RepositoryRow, tag: TagRow, detail: TagDetail | null, origin: Origin): ImageRecord {
  const digest = parseDigest(detail?.digest);
  return {
    origin,
    image: toImageRef(row, tag, digest),
    digest,
    // A tag with a config digest is one image; without one it may be an index or something GitLab cannot read.
    kind: /^[0-9a-f]{64}$/i.test(detail?.revision ?? "") ? "MANIFEST" : null,
    size: detail?.total_size ?? null,
    architecture: null,
    os: null,
    createdBy: null,
    createdAt: parseInstant(detail?.created_at),
    pushedAt: null,
    webUrl: null,
    archived: false,
    version: toTagRef(row, tag, origin),
  };
}
