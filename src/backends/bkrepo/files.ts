import type { Digest } from "../../model/artifact.ts";
import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { PackageFile, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import {
  type Answer,
  absent,
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
import { batched, keyText, single } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { sliceWindow } from "../paging.ts";
import {
  type AnswerSource,
  type Collected,
  type Context,
  collect,
  emptyPage,
  largestBatch,
  largestPage,
  lostRows,
  uncalled,
} from "./client.ts";
import {
  type FileLayout,
  fileLayoutOf,
  imageNameOf,
  isImageKey,
  ownersOf,
  parseRepository,
  printRepository,
  type Repository,
  serviceOf,
} from "./keys.ts";
import { toFile } from "./mapper.ts";
import { getVersionDetail, queryNodes } from "./operations.ts";
import { emptySearchMeans, isForbidden, type Repositories } from "./packages.ts";
import { allOf, anyOf, beginsWith, is, type NodeRow, nodeFields, oneOf, type Rule } from "./payload.ts";
import { type Versions, versionText } from "./versions.ts";

/** Where an image's manifest is stored. */
export interface StoredManifest {
  /** Path of the image below its repository. */
  readonly name: string;
  /** Tag, or the digest of a child of a multi-arch image. */
  readonly tag: string;
  /** Moved to cold storage. */
  readonly archived: boolean;
}

/** One path of one repository; the key determines how its address is built. */
export interface FilePath {
  readonly repository: Repository;
  readonly key: string;
  readonly path: string;
}

/** A file with what else its node contains. */
export interface StoredFile {
  readonly file: PackageFile;
  readonly origin: Origin;
  /** Moved to cold storage. */
  readonly archived: boolean;
}

/** The files of one version in one query. */
interface VersionFiles {
  readonly files: readonly StoredFile[];
  readonly dropped: readonly DroppedRow[];
  /** Why there may be more; null when the query was read to its end. */
  readonly gap: Unknown | null;
}

interface FoundNode {
  readonly row: NodeRow;
  readonly source: AnswerSource;
}

/** A checksum to look for in one repository. */
interface Checksum {
  readonly repository: Repository;
  readonly algorithm: "sha256" | "md5";
  readonly hex: string;
}

/** The page size of queries for files of versions, whose number is unknown. */
const filePage = 5 * largestPage;

/** The most paths that are read one by one where a query saw none of them. */
const mostSingleReads = 20;

/** `/name/manifest/tag/manifest.json`, or `list.manifest.json` of a multi-arch image; before 2022 without the second part. */
const manifestPath = /^\/(.+?)(?:\/manifest)?\/([^/]+)\/(?:list\.)?manifest\.json$/;

/** How one request reads files. */
export type Files = ReturnType<typeof createFiles>;

/** Readers of files, which share one request's answers. */
export function createFiles(context: Context, repositories: Repositories, versions: Versions) {
  const { client, settings, call } = context;
  const by = { call, backend: settings.name, operation: queryNodes.name };

  /** All files of one project that match the rules, which name its repositories. */
  function queryAll(project: string, rules: readonly Rule[], pageSize: number): Promise<Collected<FoundNode>> {
    const rule = allOf(is("projectId", project), ...rules, is("folder", false));
    const sort = { properties: ["fullPath", "repoName"], direction: "ASC" } as const;
    return collect(
      async (pageNumber) => {
        const answer = await client.queryNodes(
          { select: nodeFields, page: { pageNumber, pageSize }, sort, rule },
          call,
        );
        return { ...answer, rows: answer.rows.map((row) => ({ row, source: answer })) };
      },
      ({ row }) => keyText(row.repoName, row.fullPath),
      pageSize,
      false,
    );
  }

  /** A superset (what is wanted × repositories), from which the wanted files are picked. */
  function queryIn(group: readonly { readonly repository: Repository }[], what: Rule) {
    const names = [...new Set(group.map(({ repository }) => repository.name))];
    return queryAll(group[0]?.repository.project ?? "", [oneOf("repoName", names), what], filePage);
  }

  function storedFile({ row, source }: FoundNode, repository: Repository, key: string): StoredFile {
    const file = toFile(row, { base: client.upstream.base, repository, key, zone: source.zone });
    return { file, origin: source.origin, archived: row.archived === true };
  }

  /** The file at a path; unknown where a query does not see one. */
  const byPath = batched<FilePath, StoredFile>(
    pathText,
    async (wanted, answers) => {
      const groups = groupBy(wanted, ({ repository }) => repository.project);
      await Promise.all(
        groups
          .flatMap((group) => chunks(group, largestBatch))
          .map(async (group) => {
            const paths = [...new Set(group.map(({ path }) => path))];
            const nodes = await queryIn(group, oneOf("fullPath", paths)).catch(asError);
            for (const place of group) {
              const { repository, key, path } = place;
              if (nodes instanceof Error) {
                answers.set(pathText(place), nodes);
                continue;
              }
              const hit = nodes.rows.find(({ row }) => row.repoName === repository.name && row.fullPath === path);
              // Files that a query does not see may exist.
              const silence = unknown(nodes.isWhole ? "NARROW_SEARCH" : "LOST_ROWS");
              answers.set(pathText(place), hit ? found(storedFile(hit, repository, key)) : silence);
            }
          }),
      );
      return answers;
    },
    { by },
  );

  /** The files of many versions, packages and repositories of one project are one query. */
  const ofVersion = batched<Version, VersionFiles>(
    ({ ref }) => versionText(ref),
    async (wanted, answers) => {
      const targets = wanted.flatMap((version) => {
        const repository = parseRepository(version.ref.package.repository);
        return repository === null ? [] : [{ version, repository, layout: fileLayoutOf(version) }];
      });
      const groups = groupBy(targets, ({ repository }) => repository.project).flatMap((group) =>
        batchesOf(group, ({ layout }) => layout.paths.length + (layout.folder === null ? 0 : 1)),
      );
      await Promise.all(
        groups.map(async (group) => {
          const paths = [...new Set(group.flatMap(({ layout }) => layout.paths))];
          const folders = [...new Set(group.flatMap(({ layout }) => layout.folder ?? []))];
          const rules: Rule[] = folders.map((folder) => beginsWith("fullPath", folder));
          if (paths.length > 0) rules.push(oneOf("fullPath", paths));
          const [only] = rules;
          const nodes = await queryIn(group, rules.length === 1 && only ? only : anyOf(...rules)).catch(asError);
          for (const { version, repository, layout } of group) {
            const answer = nodes instanceof Error ? nodes : found(filesAmong(nodes, version, repository, layout));
            answers.set(versionText(version.ref), answer);
          }
        }),
      );
      return answers;
    },
    { by },
  );

  function filesAmong(
    nodes: Collected<FoundNode>,
    version: Version,
    repository: Repository,
    { paths, folder, owns }: FileLayout,
  ): VersionFiles {
    const order = new Map(paths.map((path, index) => [path, index]));
    const place = ({ row }: FoundNode) => order.get(row.fullPath) ?? order.size;
    const files = nodes.rows
      .filter(({ row }) => row.repoName === repository.name && owns(row.fullPath))
      .sort((one, other) => place(one) - place(other) || (one.row.fullPath < other.row.fullPath ? -1 : 1))
      .map((node) => storedFile(node, repository, version.ref.package.key));
    // Where every possible file is there, a lost row is another version's.
    if (folder === null && files.length === paths.length) return { files, dropped: [], gap: null };
    const isCut = !nodes.isWhole && nodes.dropped.length === 0;
    return { files, dropped: nodes.dropped, gap: isCut ? unknown("UNREAD") : null };
  }

  async function page(ref: VersionRef, request: PageRequest): Promise<Answer<Page<PackageFile>>> {
    const repository = parseRepository(ref.package.repository);
    if (repository === null) return impossible;
    // The files of an image are its manifests, which its digest represents.
    if (isImageKey(ref.package.key)) return found(emptyPage(uncalled(context)));
    const answer = await versions.byRef.load(ref);
    if (answer.kind !== "FOUND") return answer;
    const version = answer.value;
    const layout = fileLayoutOf(version);
    if (layout.folder === null && layout.paths.length === 0) return mainFile(repository, version, request);
    const queried = await ofVersion.load(version);
    if (queried.kind !== "FOUND") return queried;
    const { files, dropped, gap } = queried.value;
    if (files.length > 0 || dropped.length > 0) return pageOf(files, version, request, dropped, gap);
    return readEach(repository, version, layout, request);
  }

  function pageOf(
    files: readonly StoredFile[],
    version: Version,
    request: PageRequest,
    dropped: readonly DroppedRow[],
    gap: Unknown | null,
  ): Answer<Page<PackageFile>> {
    const rest = { origin: files[0]?.origin ?? version.origin, dropped };
    const all = files.map(({ file }) => file);
    const window = sliceWindow(request, all, ({ path }) => path ?? "", rest);
    return found(dropped.length === 0 && gap === null ? window : { ...window, total: null }, gap);
  }

  /** After a query that saw no file: the paths that the record names are read one by one. */
  async function readEach(
    repository: Repository,
    version: Version,
    { paths, folder, owns }: FileLayout,
    request: PageRequest,
  ): Promise<Answer<Page<PackageFile>>> {
    const named = [...new Set([...paths, ...version.paths.filter(owns)])];
    const read = await Promise.all(
      named.slice(0, mostSingleReads).map((path) => readNode(repository, version, path).catch(failed)),
    );
    const files = read.flatMap((answer) => (answer.kind === "FOUND" ? [answer.value] : []));
    const narrow = unknown("NARROW_SEARCH");
    const isCut = named.length > mostSingleReads;
    if (files.length > 0) {
      return pageOf(files, version, request, [], firstGap(read) ?? (folder !== null || isCut ? narrow : null));
    }
    const gap = firstGap(read) ?? (isCut ? narrow : null);
    if (gap !== null) return gap;
    if (folder === null) return found(emptyPage(version.origin));
    const visibility = await repositories.visibility.load(repository);
    if (visibility.kind !== "FOUND") return visibility;
    return visibility.value === "FULL" ? found(emptyPage(version.origin)) : narrow;
  }

  async function readNode(repository: Repository, version: Version, path: string): Promise<Answer<StoredFile>> {
    // A path with dot segments is no address, whatever record names it.
    if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) return unknown("NARROW_SEARCH");
    const answer = await client.getNode(repository, path, call);
    return mapAnswer(answer, (node) =>
      storedFile({ row: node.value, source: node }, repository, version.ref.package.key),
    );
  }

  /** The main file of a version whose record names no path, by the detail of its registry service. */
  async function mainFile(
    repository: Repository,
    version: Version,
    request: PageRequest,
  ): Promise<Answer<Page<PackageFile>>> {
    const detail = await details.load(version.ref);
    return mapAnswer(detail, ({ value: { basic }, origin, zone }) => {
      const place = { base: client.upstream.base, repository, key: version.ref.package.key, zone };
      return sliceWindow(request, [toFile({ ...basic, name: null }, place)], ({ path }) => path ?? "", {
        origin,
        dropped: [],
      });
    });
  }

  const details = single(
    versionText,
    async ({ package: { repository: place, key }, version }: VersionRef) => {
      const repository = parseRepository(place);
      const service = serviceOf(key);
      // Maven's service fails (500) for the versions that have no path.
      if (repository === null || service === null || service === "maven") return unknown("NOT_SEARCHABLE");
      return client.getVersionDetail(service, repository, key, version, call);
    },
    { call, backend: settings.name, operation: getVersionDetail.name },
  );

  /** Files by checksum; the checksums of one tick are one query a repository. */
  const byHash = batched<Checksum, readonly FoundNode[]>(
    checksumText,
    async (wanted, answers) => {
      const groups = groupBy(wanted, ({ repository, algorithm }) => keyText(printRepository(repository), algorithm));
      await Promise.all(
        groups
          .flatMap((group) => chunks(group, largestBatch))
          .map(async (group) => {
            const nodes = await queryChecksums(group).catch(asError);
            await Promise.all(
              group.map(async (one) => {
                const answer = nodes instanceof Error ? nodes : await withChecksum(one, nodes).catch(asError);
                answers.set(checksumText(one), answer);
              }),
            );
          }),
      );
      return answers;
    },
    { by },
  );

  // One repository a query, so that a refusal is known to be this repository's. Null where it was refused.
  async function queryChecksums(group: readonly Checksum[]): Promise<readonly FoundNode[] | null> {
    const [first] = group;
    if (first === undefined) return [];
    const { repository, algorithm } = first;
    const hexes = group.map(({ hex }) => hex);
    const what = hexes.length === 1 ? is(algorithm, first.hex) : oneOf(algorithm, hexes);
    try {
      const { rows, isWhole } = await queryAll(
        repository.project,
        [is("repoName", repository.name), what],
        largestPage,
      );
      if (!isWhole) throw lostRows(context, queryNodes);
      return rows;
    } catch (error) {
      if (isForbidden(error)) return null;
      throw error;
    }
  }

  async function withChecksum(
    { repository, algorithm, hex }: Checksum,
    nodes: readonly FoundNode[] | null,
  ): Promise<Answer<readonly FoundNode[]>> {
    const own = nodes?.filter(({ row }) => row[algorithm]?.toLowerCase() === hex) ?? [];
    if (own.length > 0) return found(own);
    // A repository without packages has no version whose file it could be.
    const visibility = await repositories.visibility.load(repository);
    const isFull = visibility.kind === "FOUND" && visibility.value === "FULL";
    return isFull ? absent(queryNodes, "COMPLETE_FILTER") : emptySearchMeans(visibility);
  }

  async function byDigest(repository: Repository, digest: Digest): Promise<Answer<readonly FoundNode[]>> {
    const [algorithm, hex = ""] = digest.split(":");
    // bkrepo stores no other checksums.
    return algorithm === "sha256" || algorithm === "md5"
      ? byHash.load({ repository, algorithm, hex })
      : unknown("NOT_SEARCHABLE");
  }

  /** Files with this checksum in one repository and the versions that own them. */
  async function byChecksum(digest: Digest, scope: string | null): Promise<Answer<readonly FoundFile[]>> {
    // Without a repository every file of every project would have to be searched.
    if (scope === null) return unknown("NOT_SEARCHABLE");
    const repository = parseRepository(scope);
    if (repository === null) return impossible;
    const answer = await byDigest(repository, digest);
    if (answer.kind !== "FOUND") return answer;
    const nodes = answer.value.filter(({ row }) => !manifestPath.test(row.fullPath));
    // A repository has one type: one with manifests is an image registry, and has no files of packages.
    if (nodes.length === 0) return impossible;
    const owned = await Promise.all(nodes.map((node) => ownersAmong(node, repository, scope)));
    // The file exists, and no version is known to own it.
    return foundAny(owned.flat(), unknown("LOSSY_NAME"), answer.gap);
  }

  /** The path only suggests the version; its own record proves it. */
  async function ownersAmong(node: FoundNode, repository: Repository, scope: string): Promise<readonly FoundFile[]> {
    const owners = await Promise.all(
      ownersOf(node.row.fullPath).map(async ({ key, version }) => {
        const ref = { package: { backend: settings.name, repository: scope, key }, version, nativeId: null };
        const record = await versions.byRef.load(ref);
        if (record.kind !== "FOUND" || !fileLayoutOf(record.value).owns(node.row.fullPath)) return null;
        const { file, origin } = storedFile(node, repository, key);
        return { version: ref, file, origin };
      }),
    );
    return owners.filter((owner) => owner !== null);
  }

  /** The manifest of an image's version, by the path of its record or of its registry; unknown where a query sees none. */
  async function manifestOf(version: Version, repository: Repository): Promise<Answer<StoredFile>> {
    const { key } = version.ref.package;
    const paths = version.paths.length > 0 ? version.paths.slice(0, 1) : manifestPathsOf(version);
    const seen = await Promise.all(paths.map((path) => byPath.load({ repository, key, path })));
    return seen.find(({ kind }) => kind === "FOUND") ?? seen[0] ?? unknown("NARROW_SEARCH");
  }

  /** The same; where a query sees none, the path of the record is read. */
  async function readManifest(version: Version, repository: Repository): Promise<Answer<StoredFile>> {
    const seen = await manifestOf(version, repository);
    const [path] = version.paths;
    return seen.kind === "UNKNOWN" && path !== undefined ? readNode(repository, version, path) : seen;
  }

  /** Image manifests with this SHA-256 digest in one repository: a manifest's checksum is the image's digest. */
  async function manifestsOf(repository: Repository, digest: Digest): Promise<Answer<readonly StoredManifest[]>> {
    const nodes = await byDigest(repository, digest);
    if (nodes.kind !== "FOUND") return nodes;
    const manifests = nodes.value.flatMap(({ row }) => {
      const [, name, tag] = manifestPath.exec(row.fullPath) ?? [];
      return name === undefined || tag === undefined ? [] : [{ name, tag, archived: row.archived === true }];
    });
    // The bytes exist, under a name that no manifest has.
    return foundAny(manifests, unknown("LOSSY_NAME"), nodes.gap);
  }

  return { page, byPath, byChecksum, manifestOf, readManifest, manifestsOf };
}

/** Where the docker service stores a manifest (OciLocationUtils): of several platforms, of one, and before 2022. */
function manifestPathsOf({ name, ref }: Version): readonly string[] {
  const image = imageNameOf(ref.package.key) ?? "";
  const folder = `/${image}/manifest/${name}`;
  return [`${folder}/list.manifest.json`, `${folder}/manifest.json`, `/${image}/${name}/manifest.json`];
}

/** Batches whose sizes add up to at most {@link largestBatch}; a larger value is a batch of its own. */
function batchesOf<T>(values: readonly T[], size: (value: T) => number): T[][] {
  const batches: T[][] = [];
  let room = 0;
  for (const value of values) {
    const needed = size(value);
    const last = batches.at(-1);
    if (last && needed <= room) last.push(value);
    else {
      batches.push([value]);
      room = largestBatch;
    }
    room -= needed;
  }
  return batches;
}

function pathText({ repository, path }: FilePath): string {
  return keyText(repository.project, repository.name, path);
}

function checksumText({ repository, algorithm, hex }: Checksum): string {
  return keyText(printRepository(repository), algorithm, hex);
}
