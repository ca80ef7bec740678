import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Digest } from "../../model/digest.ts";
import type { PackageFile, PackageFormat, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import type { FoundFile } from "../backend.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { sliceWindow } from "../paging.ts";
import { checksumSearch, nodeFields } from "./checksums.ts";
import type { DetailService } from "./client.ts";
import { toFile, toMainFile } from "./mapper.ts";
import { isImageKey, parseKey } from "./package-key.ts";
import type { RepositoryProbe } from "./probe.ts";
import { parseRepository, type Repository } from "./repository.ts";
import { allOf, is, oneOf } from "./rule.ts";
import type { VersionLoaders } from "./versions.ts";
import { versionText } from "./versions.ts";
import {
  asError,
  chunks,
  collect,
  emptyPage,
  groupBy,
  largestBatch,
  largestPage,
  unasked,
  unreadable,
  type View,
} from "./view.ts";

/** How this request reads files. */
export interface FileLoaders {
  readonly page: (version: VersionRef, request: PageRequest) => Promise<Page<PackageFile>>;
  /** Files with this checksum in one repository and the versions that list them; null where that cannot be told. */
  readonly byChecksum: (digest: Digest, scope: string | null) => Promise<readonly FoundFile[] | null>;
  /** The file at one path of one repository; null when nothing is there. */
  readonly byPath: Loader<FilePath, StoredFile | null>;
  /** Image manifests with this digest (SHA-256) in one repository: a manifest's checksum is the image's digest. */
  readonly manifestsOf: (repository: Repository, digest: Digest) => Promise<readonly StoredManifest[]>;
}

/** Where an image's manifest is stored. */
export interface StoredManifest {
  /** Path of the image below its repository. */
  readonly name: string;
  /** Tag, or the digest of a child of a multi-arch image. */
  readonly tag: string;
  /** Moved to cold storage. */
  readonly archived: boolean;
}

/** One path of one repository; the key says how its address is built. */
export interface FilePath {
  readonly repository: Repository;
  readonly key: string;
  readonly path: string;
}

/** A file, and what else its node says. */
export interface StoredFile {
  readonly file: PackageFile;
  readonly origin: Origin;
  /** Moved to cold storage. */
  readonly archived: boolean;
}

const services: Readonly<Partial<Record<PackageFormat, DetailService>>> = {
  NPM: "npm",
  HELM: "helm",
  PYPI: "pypi",
  RPM: "rpm",
  NUGET: "nuget",
  COMPOSER: "composer",
  CONAN: "conan",
  CARGO: "cargo",
  ML_MODEL: "huggingface",
};

/** Loaders that share one request's answers. */
export function fileLoaders(view: View, probe: RepositoryProbe, versions: VersionLoaders): FileLoaders {
  const { client, settings, call } = view;

  const byPath = batched<FilePath, StoredFile>(
    pathText,
    async (wanted) => {
      const answers = new Map<string, StoredFile | Error>();
      const groups = groupBy(wanted, ({ repository }) => repository.project).flatMap((group) =>
        chunks(group, largestBatch),
      );
      await Promise.all(
        groups.map(async (group) => {
          const found = await nodesOf(group).catch(asError);
          for (const place of group) {
            const answer = found instanceof Error ? found : found.get(pathText(place));
            if (answer) answers.set(pathText(place), answer);
          }
        }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation: "bkrepo.queryNodes" } },
  );

  // All paths of a project in one query: a superset (paths × repositories), picked by repository and path.
  async function nodesOf(group: readonly FilePath[]): Promise<Map<string, StoredFile | Error>> {
    const [first] = group;
    if (first === undefined) return new Map();
    const repositories = [...new Set(group.map(({ repository }) => repository.name))];
    const paths = [...new Set(group.map(({ path }) => path))];
    const most = paths.length * repositories.length;
    // This query never counts, so a full page would need another to be told from the last: one row of room spares that.
    const pageSize = Math.min(most + 1, 5 * largestPage);
    const rule = allOf(
      is("projectId", first.repository.project),
      oneOf("repoName", repositories),
      oneOf("fullPath", paths),
      is("folder", false),
    );
    const sort = { properties: ["fullPath", "repoName"], direction: "ASC" } as const;
    const { rows, complete } = await collect(
      (pageNumber) => client.queryNodes({ select: nodeFields, page: { pageNumber, pageSize }, sort, rule }, call),
      pageSize,
      false,
    );
    const found = new Map<string, StoredFile | Error>();
    for (const place of group) {
      const hit = rows.find(({ row }) => row.repoName === place.repository.name && row.fullPath === place.path);
      if (hit) {
        const file = toFile(hit.row, { base: client.upstream.base, ...place, zone: hit.context.zone });
        found.set(pathText(place), { file, origin: hit.context.origin, archived: hit.row.archived === true });
      } else if (!complete) {
        found.set(pathText(place), unreadable(view, "bkrepo.queryNodes", "rows of the answer are missing"));
      }
    }
    return found;
  }

  const details = single(
    versionText,
    async (ref: VersionRef): Promise<{ file: PackageFile; origin: Origin } | null> => {
      const { key } = ref.package;
      const repository = parseRepository(ref.package.repository);
      const service = services[parseKey(key)?.format ?? "OTHER"];
      // Maven's service fails (500) for just the versions that have no path.
      if (repository === null || service === undefined) return null;
      const answer = await orNull(client.getVersionDetail(service, repository, key, ref.version, call));
      if (answer === null || answer.value === null) return null;
      const place = { base: client.upstream.base, repository, key, zone: answer.zone };
      return { file: toMainFile(answer.value, place), origin: answer.origin };
    },
    { call, backend: settings.name, operation: "bkrepo.getVersionDetail" },
  );

  async function page(ref: VersionRef, request: PageRequest): Promise<Page<PackageFile>> {
    const repository = parseRepository(ref.package.repository);
    const { key } = ref.package;
    // An image's files are its manifests: they are told as its digest, not as files.
    if (repository === null || isImageKey(key)) return emptyPage(unasked(view));
    const version = await versions.byRef.load(ref);
    if (version === null) return emptyPage(unasked(view));
    return version.paths.length === 0 ? mainFile(version, request) : filesAt(repository, version, request);
  }

  async function filesAt(repository: Repository, version: Version, request: PageRequest): Promise<Page<PackageFile>> {
    const { key } = version.ref.package;
    const slice = sliceWindow(request, version.paths, (path) => path, { origin: version.origin, dropped: [] });
    const found = await byPath.loadMany(slice.rows.map(({ value: path }) => ({ repository, key, path })));
    const dropped: DroppedRow[] = [];
    let { origin } = slice;
    const rows = slice.rows.flatMap(({ position }, index) => {
      const stored = found[index];
      if (stored instanceof Error) {
        // A row that could not be read is that row's trouble; everything else is the whole query's.
        if (!(stored instanceof UpstreamError) || stored.failure !== "MALFORMED" || stored.status !== null)
          throw stored;
        dropped.push({ operation: "bkrepo.queryNodes", index, reason: stored.reason ?? "unreadable" });
        return [];
      }
      // A path without a file is a ghost: the record outlived what it names.
      if (!stored) return [];
      origin = stored.origin;
      return [{ value: stored.file, position }];
    });
    return { ...slice, rows, origin, dropped };
  }

  async function mainFile(version: Version, request: PageRequest): Promise<Page<PackageFile>> {
    const detail = await details.load(version.ref);
    if (detail === null) return emptyPage(version.origin);
    return sliceWindow(request, [detail.file], ({ path }) => path ?? "", { origin: detail.origin, dropped: [] });
  }

  const nodesByDigest = checksumSearch(view, probe);

  async function manifestsOf(repository: Repository, digest: Digest): Promise<readonly StoredManifest[]> {
    return (await nodesByDigest(repository, digest)).flatMap(({ row }) => {
      const manifest = manifestPath.exec(row.fullPath);
      const [, name, tag] = manifest ?? [];
      return name === undefined || tag === undefined ? [] : [{ name, tag, archived: row.archived === true }];
    });
  }

  async function byChecksum(digest: Digest, scope: string | null): Promise<readonly FoundFile[] | null> {
    const searchable = digest.startsWith("sha256:") || digest.startsWith("md5:");
    if (scope === null || !searchable) return null;
    const repository = parseRepository(scope);
    if (repository === null) return [];
    const nodes = (await nodesByDigest(repository, digest)).filter(({ row }) => !manifestPath.test(row.fullPath));
    const found = await Promise.all(
      nodes.map(async ({ row, context }): Promise<FoundFile | null> => {
        const owner = ownerOf(row.fullPath);
        if (owner === null) return null;
        const ref = {
          package: { backend: settings.name, repository: scope, key: owner.key },
          version: owner.version,
          nativeId: null,
        };
        // The path only suggests the version; its own record proves it.
        const version = await versions.byRef.load(ref);
        if (!version?.paths.includes(row.fullPath)) return null;
        const file = toFile(row, { base: client.upstream.base, repository, key: owner.key, zone: context.zone });
        return { version: ref, file, origin: context.origin };
      }),
    );
    const told = found.filter((file) => file !== null);
    // The bytes are there, but nothing says in which version: "none" would be wrong.
    return told.length === 0 && nodes.length > 0 ? null : told;
  }

  return { page, byPath, byChecksum, manifestsOf };
}

// `/name/manifest/tag/manifest.json`, or `list.manifest.json` of a multi-arch image; before 2022 without the second part.
const manifestPath = /^\/(.+?)(?:\/manifest)?\/([^/]+)\/(?:list\.)?manifest\.json$/;

/** `/name/-/tarball.tgz` taken apart at its last `/-/`; null for what is no such path. */
function npmTarball(fullPath: string): { readonly name: string; readonly tarball: string } | null {
  if (!fullPath.startsWith("/") || !fullPath.endsWith(".tgz")) return null;
  const path = fullPath.slice(1, -".tgz".length);
  // Neither part is empty.
  const at = path.lastIndexOf("/-/", path.length - "/-/".length - 1);
  return at > 0 ? { name: path.slice(0, at), tarball: path.slice(at + "/-/".length) } : null;
}

/**
 * The package and version that a path suggests, in the two registries that keep both in it: Maven
 * (`/com/acme/app/1.0/app-1.0.jar`) and npm (`/@acme/app/-/@acme/app-1.0.0.tgz`); null for others.
 */
function ownerOf(fullPath: string): { readonly key: string; readonly version: string } | null {
  const npm = npmTarball(fullPath);
  if (npm !== null) {
    const { name, tarball } = npm;
    const bare = name.slice(name.lastIndexOf("/") + 1);
    const prefix = [`${name}-`, `${bare}-`].find((start) => tarball.startsWith(start));
    return prefix === undefined ? null : { key: `npm://${name}`, version: tarball.slice(prefix.length) };
  }
  const [, group, artifact, version, file] = /^\/(.+)\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(fullPath) ?? [];
  if (group === undefined || artifact === undefined || version === undefined) return null;
  return file?.startsWith(`${artifact}-`) ? { key: `gav://${group.replaceAll("/", ".")}:${artifact}`, version } : null;
}

function pathText({ repository, path }: FilePath): string {
  return keyText(repository.project, repository.name, path);
}
