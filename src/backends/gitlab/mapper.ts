import { type Digest, digestOf } from "../../model/artifact.ts";
import type { Instant, Origin } from "../../model/backend.ts";
import { keep } from "../../model/once.ts";
import type {
  HostedCommit,
  MetadataEntry,
  Package,
  PackageFile,
  PackageRef,
  PipelineRun,
  Version,
} from "../../model/package.ts";
import { parseInstant, trimEndSlashes } from "../../model/values.ts";
import { formatOf, isProjectPath, type PackageName, packagePurl, parseRecipe, printKey } from "./identity.ts";
import type { CommitRow, FileRow, PackageRow, PipelineRow } from "./payload.ts";

/** The address under which people know this GitLab; what links are made with. */
export interface Web {
  /** Origin and relative root, without a trailing slash. */
  readonly base: string;
  readonly origin: string;
  /** The relative root, such as `/gitlab`; empty where there is none. */
  readonly root: string;
}

/** Takes an address apart for the links made with it. */
export function toWeb(address: string): Web {
  const url = new URL(address);
  const root = trimEndSlashes(url.pathname);
  return { base: url.origin + root, origin: url.origin, root };
}

/** What a row of a package list cannot say itself. */
export interface RowContext {
  /** The project's path, or its number as text where no path was told. */
  readonly repository: string;
  readonly web: Web;
  readonly origin: Origin;
}

/** What is known of a package beyond one of its rows: all of its versions, where a list held them all. */
export interface AllRows {
  readonly count: number;
  readonly first: Instant | null;
  readonly last: Instant | null;
}

/** The name GitLab searches and sorts by. Conan rows show a whole recipe as their name, and the bare one beside it. */
export function nameOf(row: PackageRow): PackageName {
  const { package_type: type, name } = row;
  if (type !== "conan") return { type, name };
  return { type, name: row.conan_package_name ?? parseRecipe(name)?.name ?? name };
}

/**
 * The project of a row of a group's list: its path, else the path that its page stands under, else its number; null
 * where the row tells none of them.
 */
export function projectOf(row: PackageRow, web: Web): string | null {
  return row.project_path || (projectOfPage(row, web) ?? (row.project_id ? String(row.project_id) : null));
}

/** The project that a row's page stands under; null where the row tells no page. */
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

/** The reference under which a row's package is found again. */
export function toPackageRef(row: PackageRow, { repository, origin }: RowContext): PackageRef {
  return { backend: origin.backend, repository, key: printKey(nameOf(row)) };
}

/** The package that a row is a version of; counts and times only where all of its rows were seen. */
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

const none: readonly never[] = [];

/** One package row as a version. Size and file count are null: only the file list could tell. */
export function toVersion(row: PackageRow, context: RowContext): Version {
  const named = nameOf(row);
  const tags = row.tags?.length ? row.tags.map((tag) => tag.name) : none;
  const version = versionName(row);
  return {
    ref: { package: toPackageRef(row, context), version, nativeId: String(row.id) },
    origin: context.origin,
    name: version,
    format: formatOf(named.type),
    // Hardly anybody asks for it, and it is the dearest part.
    get purl() {
      return keep(this, "purl", row.version == null ? null : packagePurl(named, row.version, row.name));
    },
    status: row.status ?? null,
    stages: none,
    // NuGet keeps search words in the same field: they point at nothing.
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
    pipeline: pipelineOf(row, context.origin.backend, context.web),
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

/** Every pipeline a row tells of, newest first: servers have kept them under three names. */
export function pipelinesOf(row: PackageRow): PipelineRow[] {
  const told = [row.pipeline, row.build_info?.pipeline, ...(row.pipelines ?? [])];
  const byId = new Map(told.flatMap((pipeline) => (pipeline ? [[pipeline.id, pipeline]] : [])));
  return [...byId.values()].sort((left, right) => right.id - left.id);
}

function newestOf({ build_info: build, pipelines }: PackageRow): PipelineRow | null {
  let newest = build?.pipeline ?? null;
  for (const one of pipelines ?? []) if (newest === null || one.id >= newest.id) newest = one;
  return newest;
}

/** The newest pipeline that published a row; null when there is none or it was deleted. */
function pipelineOf(row: PackageRow, backend: string, web: Web): PipelineRun | null {
  const newest = row.pipeline ?? newestOf(row);
  return newest ? toPipeline(newest, backend, web) : null;
}

/** A pipeline. Its project may be another one than the package's; older servers tell it by the page's path only. */
export function toPipeline(row: PipelineRow, backend: string, web: Web): PipelineRun {
  return {
    id: String(row.id),
    backend,
    projectId: row.project_id ? String(row.project_id) : null,
    projectPath: projectBehind(row.web_url, web, "pipelines"),
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
  const sha256 = digestOf("sha256", row.file_sha256);
  const sha1 = digestOf("sha1", row.file_sha1);
  const md5 = digestOf("md5", row.file_md5);
  const digests: Digest[] = [];
  if (sha256 !== null) digests.push(sha256);
  if (sha1 !== null) digests.push(sha1);
  if (md5 !== null) digests.push(md5);
  return {
    name: path === null ? row.file_name : path.slice(path.lastIndexOf("/") + 1),
    path,
    size: row.size ?? null,
    digests,
    createdAt: parseInstant(row.created_at),
    // The download page is known by the project's path only: a number there is some other page.
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

/** A commit as its host tells it. Branch, tag and merge requests are not part of that. */
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

/** The project's path in a commit's page; null where the page's address does not tell it. */
export function projectOfCommit(row: CommitRow, web: Web): string | null {
  return projectBehind(row.web_url, web, "commit");
}

/** The project in `/path/-/commit/0123…` or `/path/-/pipelines/123`; servers before 12.x write both without the `/-`. */
function projectBehind(address: string | null | undefined, web: Web, page: "commit" | "pipelines"): string | null {
  const url = httpUrl(address);
  if (url === null) return null;
  // Only the path counts: the host is whatever the server believes it is.
  const pathname = pathOf(url);
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
 * An address that is printed as it is read: nothing in it to encode, to fold or to leave out. No letter can be matched in
 * two ways, so that it takes one pass over any text.
 */
const plainUrl = /^https?:\/\/[a-z0-9]+(?:[.-][a-z0-9]+)*(?:\/[\w-][\w.~-]*)+$/;

function pathOf(url: string): string {
  return plainUrl.test(url) ? url.slice(url.indexOf("/", "https://".length)) : new URL(url).pathname;
}

/** An address as told, if it is http(s) and holds no user-info. */
function httpUrl(text: string | null | undefined): string | null {
  if (text && plainUrl.test(text)) return text;
  if (!text || !URL.canParse(text)) return null;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url.href : null;
}
