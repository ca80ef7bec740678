import type { Digest } from "../../model/artifact.ts";
import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { PackageFile, PackageFormat, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import {
  type Answer,
  failed,
  firstGap,
  found,
  foundAny,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { FoundFile } from "../backend.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { sliceWindow } from "../paging.ts";
import { checksumSearch, type FoundNode, nodeFields } from "./checksums.ts";
import { type DetailService, queryNodes } from "./client.ts";
import { type FilePlaces, filePlaces, ownersOf } from "./file-places.ts";
import { toFile, toMainFile } from "./mapper.ts";
import { imageNameOf, isImageKey, parseKey } from "./package-key.ts";
import { parseRepository, type Repository } from "./repository.ts";
import { allOf, anyOf, beginsIn, is, oneOf, type Rule } from "./rule.ts";
import type { SightReader } from "./sight.ts";
import type { VersionLoaders } from "./versions.ts";
import { versionText } from "./versions.ts";
import { collect, emptyPage, largestBatch, largestPage, unasked, type View } from "./view.ts";

/** How this request reads files. */
export interface FileLoaders {
  readonly page: (version: VersionRef, request: PageRequest) => Promise<Answer<Page<PackageFile>>>;
  /** Files with this checksum in one repository and the versions that list them; unknown where that cannot be told. */
  readonly byChecksum: (digest: Digest, scope: string | null) => Promise<Answer<readonly FoundFile[]>>;
  /** The file at one path of one repository; unknown when a query does not see one. */
  readonly byPath: Loader<FilePath, Answer<StoredFile>>;
  /**
   * The manifest of an image's version, by the path that its record names or that its registry keeps it under; loads share
   * calls. Unknown when a query does not see one: `readManifest` then reads the path that the record names by itself.
   */
  readonly manifestOf: (version: Version, repository: Repository) => Promise<Answer<StoredFile>>;
  readonly readManifest: (version: Version, repository: Repository) => Promise<Answer<StoredFile>>;
  /** Image manifests with this digest (SHA-256) in one repository: a manifest's checksum is the image's digest. */
  readonly manifestsOf: (repository: Repository, digest: Digest) => Promise<Answer<readonly StoredManifest[]>>;
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

/** What one query saw of the files of one version. */
interface VersionFiles {
  readonly files: readonly StoredFile[];
  readonly dropped: readonly DroppedRow[];
  /** Why there may be more; null when the query was read to its end. */
  readonly gap: Unknown | null;
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

/** Rows of one page of a file query: a version may have many files, and how many is not told. */
const filePage = 5 * largestPage;

/** Paths that are read one by one where a query saw none of them. */
const mostSingleReads = 20;

/** Loaders that share one request's answers. */
export function fileLoaders(view: View, sights: SightReader, versions: VersionLoaders): FileLoaders {
  const { client, settings, call } = view;

  const byPath = batched<FilePath, StoredFile>(
    pathText,
    async (wanted, answers) => {
      const groups = groupBy(wanted, ({ repository }) => repository.project).flatMap((group) =>
        chunks(group, largestBatch),
      );
      await Promise.all(
        groups.map(async (group) => {
          const paths = [...new Set(group.map(({ path }) => path))];
          const nodes = await nodesIn(
            group.map(({ repository }) => repository),
            oneOf("fullPath", paths),
          ).catch(asError);
          for (const place of group) {
            if (nodes instanceof Error) {
              answers.set(pathText(place), nodes);
              continue;
            }
            const { name } = place.repository;
            const hit = nodes.rows.find(({ row }) => row.repoName === name && row.fullPath === place.path);
            // What a query does not see may be there all the same.
            const silence = nodes.complete ? unknown("NARROW_SEARCH") : unknown("LOST_ROWS");
            answers.set(pathText(place), hit ? found(storedFile(hit, place)) : silence);
          }
        }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation: queryNodes.name } },
  );

  /** Files of many versions, packages and repositories of one project are one query. */
  const ofVersion = batched<Version, VersionFiles>(
    ({ ref }) => versionText(ref),
    async (wanted, answers) => {
      const targets = wanted.flatMap((version) => {
        const repository = parseRepository(version.ref.package.repository);
        return repository === null ? [] : [{ version, repository, places: filePlaces(version) }];
      });
      const groups = groupBy(targets, ({ repository }) => repository.project).flatMap((group) =>
        portions(group, ({ places }) => places.paths.length + (places.folder === null ? 0 : 1)),
      );
      await Promise.all(
        groups.map(async (group) => {
          const paths = [...new Set(group.flatMap(({ places }) => places.paths))];
          const folders = [...new Set(group.flatMap(({ places }) => places.folder ?? []))];
          const rules: Rule[] = folders.map((folder) => beginsIn("fullPath", folder));
          if (paths.length > 0) rules.push(oneOf("fullPath", paths));
          const [only] = rules;
          const nodes = await nodesIn(
            group.map(({ repository }) => repository),
            rules.length === 1 && only ? only : anyOf(...rules),
          ).catch(asError);
          for (const { version, repository, places } of group) {
            const answer = nodes instanceof Error ? nodes : found(filesAmong(nodes, version, repository, places));
            answers.set(versionText(version.ref), answer);
          }
        }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation: queryNodes.name } },
  );

  function filesAmong(
    nodes: Awaited<ReturnType<typeof nodesIn>>,
    version: Version,
    repository: Repository,
    places: FilePlaces,
  ): VersionFiles {
    const { key } = version.ref.package;
    const own = nodes.rows.filter(({ row }) => row.repoName === repository.name && places.holds(row.fullPath));
    const order = new Map(places.paths.map((path, index) => [path, index]));
    const place = ({ row }: FoundNode) => order.get(row.fullPath) ?? order.size;
    own.sort((one, other) => place(one) - place(other) || (one.row.fullPath < other.row.fullPath ? -1 : 1));
    const files = own.map((node) => storedFile(node, { repository, key, path: node.row.fullPath }));
    // Every file that there can be is there: a row that was lost was another version's.
    const isWhole = places.folder === null && files.length === places.paths.length;
    if (isWhole) return { files, dropped: [], gap: null };
    const isCut = !nodes.complete && nodes.dropped.length === 0;
    return { files, dropped: nodes.dropped, gap: isCut ? unknown("UNREAD") : null };
  }

  // A superset (what is asked for × repositories), picked by repository and path.
  function nodesIn(repositories: readonly Repository[], what: Rule) {
    const rule = allOf(
      is("projectId", repositories[0]?.project ?? ""),
      oneOf("repoName", [...new Set(repositories.map(({ name }) => name))]),
      what,
      is("folder", false),
    );
    const sort = { properties: ["fullPath", "repoName"], direction: "ASC" } as const;
    return collect(
      (pageNumber) =>
        client.queryNodes({ select: nodeFields, page: { pageNumber, pageSize: filePage }, sort, rule }, call),
      filePage,
      false,
    );
  }

  function storedFile({ row, context }: FoundNode, place: FilePath): StoredFile {
    const file = toFile(row, { base: client.upstream.base, ...place, zone: context.zone });
    return { file, origin: context.origin, archived: row.archived === true };
  }

  const details = single(
    versionText,
    async (ref: VersionRef): Promise<Answer<{ file: PackageFile; origin: Origin }>> => {
      const { key } = ref.package;
      const repository = parseRepository(ref.package.repository);
      const service = services[parseKey(key)?.format ?? "OTHER"];
      // Maven's service fails (500) for just the versions that have no path.
      if (repository === null || service === undefined) return unknown("NOT_SEARCHABLE");
      const answer = await client.getVersionDetail(service, repository, key, ref.version, call);
      return mapAnswer(answer, ({ value, zone, origin }) => ({
        file: toMainFile(value, { base: client.upstream.base, repository, key, zone }),
        origin,
      }));
    },
    { call, backend: settings.name, operation: "bkrepo.getVersionDetail" },
  );

  async function page(ref: VersionRef, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    const repository = parseRepository(ref.package.repository);
    if (repository === null) return impossible;
    // An image's files are its manifests: they are told as its digest, not as files.
    if (isImageKey(ref.package.key)) return found(emptyPage(unasked(view)));
    const answer = await versions.byRef.load(ref);
    if (answer.kind !== "FOUND") return answer;
    const version = answer.value;
    const places = filePlaces(version);
    if (places.folder === null && places.paths.length === 0) return mainFile(version, request);
    const queried = await ofVersion.load(version);
    if (queried.kind !== "FOUND") return queried;
    const { files, dropped, gap } = queried.value;
    if (files.length > 0 || dropped.length > 0) return pageOf(files, version, request, dropped, gap);
    return behindSilence(repository, version, places, request);
  }

  function pageOf(
    files: readonly StoredFile[],
    version: Version,
    request: PageRequest,
    dropped: readonly DroppedRow[],
    gap: Unknown | null,
  ): Answer<Page<PackageFile>> {
    const rest = { origin: files[0]?.origin ?? version.origin, dropped };
    const window = sliceWindow(
      request,
      files.map(({ file }) => file),
      ({ path }) => path ?? "",
      rest,
    );
    return found(dropped.length === 0 && gap === null ? window : { ...window, total: null }, gap);
  }

  /** A query saw no file at all: those that the record names are read one by one. */
  async function behindSilence(
    repository: Repository,
    version: Version,
    places: FilePlaces,
    request: PageRequest,
  ): Promise<Answer<Page<PackageFile>>> {
    const named = [...new Set([...places.paths, ...version.paths.filter(places.holds)])];
    const read = await Promise.all(
      named.slice(0, mostSingleReads).map((path) => readNode(repository, version, path).catch(failed)),
    );
    const files = read.flatMap((answer) => (answer.kind === "FOUND" ? [answer.value] : []));
    const narrow = unknown("NARROW_SEARCH");
    if (files.length > 0) {
      const isAll = places.folder === null && named.length <= mostSingleReads;
      return pageOf(files, version, request, [], firstGap(read) ?? (isAll ? null : narrow));
    }
    const gap = firstGap(read) ?? (named.length > mostSingleReads ? narrow : null);
    if (gap !== null) return gap;
    if (places.folder === null) return found(emptyPage(version.origin));
    const sight = await sights.sight.load(repository);
    if (sight.kind !== "FOUND") return sight;
    return sight.value === "WHOLE" ? found(emptyPage(version.origin)) : narrow;
  }

  async function readNode(repository: Repository, version: Version, path: string): Promise<Answer<StoredFile>> {
    // A path that climbs is no address, whatever record names it.
    if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) return unknown("NARROW_SEARCH");
    const answer = await client.getNode(repository, path, call);
    return mapAnswer(answer, ({ value, ...context }) =>
      storedFile({ row: value, context }, { repository, key: version.ref.package.key, path }),
    );
  }

  async function mainFile(version: Version, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    const detail = await details.load(version.ref);
    return mapAnswer(detail, ({ file, origin }) =>
      sliceWindow(request, [file], ({ path }) => path ?? "", { origin, dropped: [] }),
    );
  }

  const nodesByDigest = checksumSearch(view, sights);

  async function manifestOf(version: Version, repository: Repository): Promise<Answer<StoredFile>> {
    const { key } = version.ref.package;
    const paths = version.paths.length > 0 ? version.paths.slice(0, 1) : manifestPathsOf(version);
    const seen = await Promise.all(paths.map((path) => byPath.load({ repository, key, path })));
    return seen.find(({ kind }) => kind === "FOUND") ?? seen[0] ?? unknown("NARROW_SEARCH");
  }

  async function readManifest(version: Version, repository: Repository): Promise<Answer<StoredFile>> {
    const seen = await manifestOf(version, repository);
    const [path] = version.paths;
    return seen.kind === "UNKNOWN" && path !== undefined ? readNode(repository, version, path) : seen;
  }

  async function manifestsOf(repository: Repository, digest: Digest): Promise<Answer<readonly StoredManifest[]>> {
    const nodes = await nodesByDigest(repository, digest);
    if (nodes.kind !== "FOUND") return nodes;
    const manifests = nodes.value.flatMap(({ row }) => {
      const [, name, tag] = manifestPath.exec(row.fullPath) ?? [];
      return name === undefined || tag === undefined ? [] : [{ name, tag, archived: row.archived === true }];
    });
    // The bytes are there, under a name that no manifest has.
    return foundAny(manifests, unknown("LOSSY_NAME"), nodes.gap);
  }

  async function byChecksum(digest: Digest, scope: string | null): Promise<Answer<readonly FoundFile[]>> {
    // Without a repository every file of every project would have to be searched.
    if (scope === null) return unknown("NOT_SEARCHABLE");
    const repository = parseRepository(scope);
    if (repository === null) return impossible;
    const answer = await nodesByDigest(repository, digest);
    if (answer.kind !== "FOUND") return answer;
    const nodes = answer.value.filter(({ row }) => !manifestPath.test(row.fullPath));
    // A repository has one type: one that holds manifests is an image registry, and has no files of packages.
    if (nodes.length === 0) return impossible;
    const owned = await Promise.all(nodes.map((node) => ownersAmong(node, repository, scope)));
    // The bytes are there, but nothing says in which version: "none" would be wrong.
    return foundAny(owned.flat(), unknown("LOSSY_NAME"), answer.gap);
  }

  /** The path only suggests the version; its own record proves it. */
  async function ownersAmong(node: FoundNode, repository: Repository, scope: string): Promise<readonly FoundFile[]> {
    const { row, context } = node;
    const owners = await Promise.all(
      ownersOf(row.fullPath).map(async ({ key, version }) => {
        const ref = { package: { backend: settings.name, repository: scope, key }, version, nativeId: null };
        const record = await versions.byRef.load(ref);
        if (record.kind !== "FOUND" || !filePlaces(record.value).holds(row.fullPath)) return null;
        const { file } = storedFile(node, { repository, key, path: row.fullPath });
        return { version: ref, file, origin: context.origin };
      }),
    );
    return owners.filter((owner) => owner !== null);
  }

  return { page, byPath, byChecksum, manifestOf, readManifest, manifestsOf };
}

// `/name/manifest/tag/manifest.json`, or `list.manifest.json` of a multi-arch image; before 2022 without the second part.
const manifestPath = /^\/(.+?)(?:\/manifest)?\/([^/]+)\/(?:list\.)?manifest\.json$/;

/** Where the docker service keeps a manifest (OciLocationUtils): of one platform, of several, and before 2022. */
function manifestPathsOf({ name, ref }: Version): readonly string[] {
  const image = imageNameOf(ref.package.key) ?? "";
  const folder = `/${image}/manifest/${name}`;
  return [`${folder}/list.manifest.json`, `${folder}/manifest.json`, `/${image}/${name}/manifest.json`];
}

/** Cut where the sizes of a portion would add up to more than one batch may hold. */
function portions<T>(values: readonly T[], size: (value: T) => number): T[][] {
  const all: T[][] = [];
  let room = 0;
  for (const value of values) {
    const needed = size(value);
    const last = all.at(-1);
    if (last && needed <= room) last.push(value);
    else {
      all.push([value]);
      room = largestBatch;
    }
    room -= needed;
  }
  return all;
}

function pathText({ repository, path }: FilePath): string {
  return keyText(repository.project, repository.name, path);
}
