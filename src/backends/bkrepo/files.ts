import type { Digest } from "../../model/artifact.ts";
import type { DroppedRow, Origin, Page, PageRequest } from "../../model/backend.ts";
import type { PackageFile, Version, VersionRef } from "../../model/package.ts";
import {
  type Answer,
  absent,
  emptyPage,
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
import { type Answers, batched, groupBy, keyText, type Loader, single, toError } from "../loading/loader.ts";
import { type Collected, collect } from "../paging/collect.ts";
import { sliceWindow } from "../paging/window.ts";
import { type AnswerSource, type BkrepoClient, type Decoded, largestBatch, largestPage } from "./client.ts";
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
import { emptySearchMeans, ifSearchable, type Repositories } from "./packages.ts";
import { anyOf, leaf, literalPrefix, type NodeRow, type VersionDetail } from "./payload.ts";
import { type Versions, versionText } from "./versions.ts";

/** A file with what else its node contains. */
export interface StoredFile {
  readonly file: PackageFile;
  readonly origin: Origin;
  /** Moved to cold storage. */
  readonly archived: boolean;
}

/** What is looked for in one repository: paths and a folder, or a checksum. */
interface FileQuery {
  readonly repository: Repository;
  readonly paths: readonly string[];
  /** Ends in a slash. */
  readonly folder: string | null;
  readonly checksum: { readonly algorithm: "sha256" | "md5"; readonly hex: string } | null;
}

interface FoundNode {
  readonly row: NodeRow;
  readonly source: AnswerSource;
}

type FilePage = Answer<Page<PackageFile>>;

/** The page size of queries for files of versions, whose number is unknown. */
const filePage = 5 * largestPage;

/** The most pages of one query; files behind them are unread. */
const mostQueryPages = 50;

/** The most paths that are read one by one where a query saw none of them. */
const mostSingleReads = 20;

/** `/name/manifest/tag/manifest.json`, or `list.manifest.json` of multi-arch images; until 2022 without `/manifest`. */
const manifestPath = /^\/(.+?)(?:\/manifest)?\/([^/]+)\/(?:list\.)?manifest\.json$/;

/** The files of one request. */
export class Files {
  readonly #client: BkrepoClient;
  readonly #repositories: Repositories;
  readonly #versions: Versions;
  /** What is asked in one tick, for many versions, packages and repositories of one project, is one query. */
  readonly #queries: Loader<FileQuery, Answer<Collected<FoundNode>>>;
  /** The main files of versions whose records name no path. */
  readonly #details: Loader<VersionRef, Answer<Decoded<VersionDetail>>>;

  constructor(client: BkrepoClient, repositories: Repositories, versions: Versions) {
    this.#client = client;
    this.#repositories = repositories;
    this.#versions = versions;
    const by = client.loadedBy<FileQuery>(queryNodes);
    this.#queries = batched(queryText, (wanted, answers) => this.#query(wanted, answers), by);
    this.#details = single(versionText, (ref) => this.#detailOf(ref), client.loadedBy(getVersionDetail));
  }

  async page(ref: VersionRef, request: PageRequest): Promise<FilePage> {
    const repository = parseRepository(ref.package.repository);
    if (repository === null) return impossible;
    // The files of an image are its manifests, which its digest represents.
    if (isImageKey(ref.package.key)) return found(emptyPage(this.#client.name));
    const answer = await this.#versions.byRef.load(ref);
    if (answer.kind !== "FOUND") return answer;
    const version = answer.value;
    const layout = fileLayoutOf(version);
    const { paths, folder, owns } = layout;
    if (folder === null && paths.length === 0) return this.#mainFile(repository, version, request);
    const nodes = await this.#queries.load({ repository, paths, folder, checksum: null });
    if (nodes.kind !== "FOUND") return nodes;
    const { rows, dropped, isWhole } = nodes.value;
    const order = new Map(paths.map((path, index) => [path, index]));
    const place = ({ row }: FoundNode) => order.get(row.fullPath) ?? order.size;
    const files = rows
      .filter(({ row }) => row.repoName === repository.name && owns(row.fullPath))
      .sort((one, other) => place(one) - place(other) || (one.row.fullPath < other.row.fullPath ? -1 : 1))
      .map((node) => this.#storedFile(node, repository, ref.package.key));
    // Where every possible file is there, a lost row is another version's.
    if (folder === null && files.length === paths.length) return pageOf(files, version, request, [], null);
    const gap = isWhole || dropped.length > 0 ? null : unknown("UNREAD");
    if (files.length > 0 || dropped.length > 0) return pageOf(files, version, request, dropped, gap);
    return this.#readEach(repository, version, layout, request);
  }

  /** Files with this checksum in one repository and the versions that own them. */
  async byChecksum(digest: Digest, scope: string | null): Promise<Answer<readonly FoundFile[]>> {
    // Without a repository every file of every project would have to be searched.
    if (scope === null) return unknown("NOT_SEARCHABLE");
    const repository = parseRepository(scope);
    if (repository === null) return impossible;
    const answer = await this.#byDigest(repository, digest);
    if (answer.kind !== "FOUND") return answer;
    const nodes = answer.value.filter(({ row }) => !manifestPath.test(row.fullPath));
    // A repository has one type: one with manifests is an image registry, and has no files of packages.
    if (nodes.length === 0) return impossible;
    const owned = await Promise.all(nodes.map((node) => this.#ownersAmong(node, repository, scope)));
    // The file exists, and no version is known to own it.
    return foundAny(owned.flat(), unknown("LOSSY_NAME"), answer.gap);
  }

  /** The file at a path; unknown where a query does not see one. */
  async fileAt(repository: Repository, key: string, path: string): Promise<Answer<StoredFile>> {
    const nodes = await this.#queries.load({ repository, paths: [path], folder: null, checksum: null });
    if (nodes.kind !== "FOUND") return nodes;
    const hit = nodes.value.rows.find(({ row }) => row.repoName === repository.name && row.fullPath === path);
    if (hit) return found(this.#storedFile(hit, repository, key));
    // Files that a query does not see may exist.
    return unknown(nodes.value.isWhole ? "NARROW_SEARCH" : "LOST_ROWS");
  }

  /** The manifest of an image's version by the path of its record or its registry; unknown where a query sees none. */
  async manifestOf(version: Version, repository: Repository): Promise<Answer<StoredFile>> {
    const { key } = version.ref.package;
    const paths = version.paths.length > 0 ? version.paths.slice(0, 1) : manifestPathsOf(version);
    const seen = await Promise.all(paths.map((path) => this.fileAt(repository, key, path)));
    return seen.find(({ kind }) => kind === "FOUND") ?? seen[0] ?? unknown("NARROW_SEARCH");
  }

  /** The same; where a query sees none, the path of the record is read. */
  async readManifest(version: Version, repository: Repository): Promise<Answer<StoredFile>> {
    const seen = await this.manifestOf(version, repository);
    const [path] = version.paths;
    return seen.kind === "UNKNOWN" && path !== undefined ? this.#readNode(repository, version, path) : seen;
  }

  /** Names and tags of the image manifests whose checksum is this digest, and whether they are in cold storage. */
  async manifestsOf(repository: Repository, digest: Digest) {
    const nodes = await this.#byDigest(repository, digest);
    if (nodes.kind !== "FOUND") return nodes;
    const manifests = nodes.value.flatMap(({ row }) => {
      const [, name, tag] = manifestPath.exec(row.fullPath) ?? [];
      return name === undefined || tag === undefined ? [] : [{ name, tag, archived: row.archived === true }];
    });
    // The bytes exist, under a name that no manifest has.
    return foundAny(manifests, unknown("LOSSY_NAME"), nodes.gap);
  }

  async #query(wanted: readonly FileQuery[], answers: Answers<Collected<FoundNode>>) {
    await Promise.all(
      groupBy(wanted, ({ repository, checksum }) => keyText(repository.project, checksum?.algorithm ?? null))
        .flatMap(batchesOf)
        .map(async (batch) => {
          const nodes = await this.#collect(batch).then(found).catch(toError);
          for (const query of batch) answers.set(queryText(query), nodes);
        }),
    );
    return answers;
  }

  /** A superset (what is wanted × repositories), from which the wanted files are picked. */
  #collect(batch: readonly FileQuery[]): Promise<Collected<FoundNode>> {
    const project = batch[0]?.repository.project ?? "";
    const names = unique(batch.map(({ repository }) => repository.name));
    const paths = unique(batch.flatMap((query) => query.paths));
    const rules = unique(batch.flatMap(({ folder }) => folder ?? [])).map((folder) =>
      leaf("fullPath", "PREFIX", literalPrefix(folder)),
    );
    if (paths.length > 0) rules.push(leaf("fullPath", "IN", paths));
    const checksums = batch.flatMap(({ checksum }) => checksum ?? []);
    const [first] = checksums;
    if (first) rules.push(leaf(first.algorithm, "IN", unique(checksums.map(({ hex }) => hex))));
    const [rule = anyOf(), ...others] = rules;
    const what = others.length === 0 ? rule : anyOf(...rules);
    return collect(
      {
        fetch: async (index, pageSize) => {
          const answer = await this.#client.queryNodes(project, names, what, { pageNumber: index + 1, pageSize });
          return { ...answer, rows: answer.rows.map((row) => ({ row, source: answer })) };
        },
        identity: ({ row }) => keyText(row.repoName, row.fullPath),
        maxSize: filePage,
      },
      { mostPages: mostQueryPages },
    );
  }

  #storedFile({ row, source }: FoundNode, repository: Repository, key: string): StoredFile {
    const file = toFile(row, { base: this.#client.base, repository, key, zone: source.zone });
    return { file, origin: source.origin, archived: row.archived === true };
  }

  /** After a query that saw no file: the paths that the record names are read one by one. */
  async #readEach(
    repository: Repository,
    version: Version,
    { paths, folder, owns }: FileLayout,
    request: PageRequest,
  ): Promise<FilePage> {
    const named = unique([...paths, ...version.paths.filter(owns)]);
    const read = await Promise.all(
      named.slice(0, mostSingleReads).map((path) => this.#readNode(repository, version, path).catch(failed)),
    );
    const files = read.flatMap((answer) => (answer.kind === "FOUND" ? [answer.value] : []));
    const narrow = unknown("NARROW_SEARCH");
    const isCut = named.length > mostSingleReads;
    if (files.length > 0) {
      return pageOf(files, version, request, [], firstGap(read) ?? (folder !== null || isCut ? narrow : null));
    }
    const gap = firstGap(read) ?? (isCut ? narrow : null);
    if (gap !== null) return gap;
    if (folder === null) return pageOf([], version, request, [], null);
    const visibility = await this.#repositories.visibility.load(repository);
    if (visibility.kind !== "FOUND") return visibility;
    return visibility.value === "FULL" ? pageOf([], version, request, [], null) : narrow;
  }

  async #readNode(repository: Repository, version: Version, path: string): Promise<Answer<StoredFile>> {
    // A path with dot segments is no address, whatever record names it.
    if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) return unknown("NARROW_SEARCH");
    const answer = await this.#client.getNode(repository, path);
    const { key } = version.ref.package;
    return mapAnswer(answer, (node) => this.#storedFile({ row: node.value, source: node }, repository, key));
  }

  async #mainFile(repository: Repository, version: Version, request: PageRequest): Promise<FilePage> {
    const { key } = version.ref.package;
    return mapAnswer(await this.#details.load(version.ref), ({ value: { basic }, origin, zone }) => {
      const file = toFile({ ...basic, name: null }, { base: this.#client.base, repository, key, zone });
      return windowOf([file], request, { origin, dropped: [] });
    });
  }

  async #detailOf({ package: { repository: place, key }, version }: VersionRef) {
    const repository = parseRepository(place);
    const service = serviceOf(key);
    // Maven's service fails (500) for the versions that have no path.
    if (repository === null || service === null || service === "maven") return unknown("NOT_SEARCHABLE");
    return this.#client.getVersionDetail(service, repository, key, version);
  }

  async #byDigest(repository: Repository, digest: Digest): Promise<Answer<readonly FoundNode[]>> {
    const [algorithm, hex = ""] = digest.split(":");
    // bkrepo stores no other checksums.
    if (algorithm !== "sha256" && algorithm !== "md5") return unknown("NOT_SEARCHABLE");
    const query = { repository, paths: [], folder: null, checksum: { algorithm, hex } } as const;
    const nodes = await ifSearchable(this.#queries.load(query));
    if (nodes !== null && nodes.kind !== "FOUND") return nodes;
    if (nodes?.value.isWhole === false) throw this.#client.malformed(queryNodes);
    const own = nodes?.value.rows.filter(
      ({ row }) => row.repoName === repository.name && row[algorithm]?.toLowerCase() === hex,
    );
    if (own && own.length > 0) return found(own);
    // A repository without packages has no version whose file it could be.
    const visibility = await this.#repositories.visibility.load(repository);
    const isFull = visibility.kind === "FOUND" && visibility.value === "FULL";
    return isFull ? absent(queryNodes, "COMPLETE_FILTER") : emptySearchMeans(visibility);
  }

  /** The path only suggests the version; its own record proves it. */
  async #ownersAmong(node: FoundNode, repository: Repository, scope: string): Promise<readonly FoundFile[]> {
    const owners = await Promise.all(
      ownersOf(node.row.fullPath).map(async ({ key, version }) => {
        const ref = { package: { backend: this.#client.name, repository: scope, key }, version, nativeId: null };
        const record = await this.#versions.byRef.load(ref);
        if (record.kind !== "FOUND" || !fileLayoutOf(record.value).owns(node.row.fullPath)) return null;
        const { file, origin } = this.#storedFile(node, repository, key);
        return { version: ref, file, origin };
      }),
    );
    return owners.filter((owner) => owner !== null);
  }
}

function pageOf(
  files: readonly StoredFile[],
  version: Version,
  request: PageRequest,
  dropped: readonly DroppedRow[],
  gap: Unknown | null,
): Answer<Page<PackageFile>> {
  const all = files.map(({ file }) => file);
  const page = windowOf(all, request, { origin: files[0]?.origin ?? version.origin, dropped });
  return found(dropped.length === 0 && gap === null ? page : { ...page, total: null }, gap);
}

function windowOf(
  files: readonly PackageFile[],
  request: PageRequest,
  rest: Pick<Page<unknown>, "origin" | "dropped">,
) {
  return sliceWindow(request, files, ({ path }) => path ?? "", rest);
}

/** Where the docker service stores a manifest (OciLocationUtils): of several platforms, of one, and before 2022. */
function manifestPathsOf({ name, ref }: Version): readonly string[] {
  const image = imageNameOf(ref.package.key) ?? "";
  const folder = `/${image}/manifest/${name}`;
  return [`${folder}/list.manifest.json`, `${folder}/manifest.json`, `/${image}/${name}/manifest.json`];
}

/** Batches of at most {@link largestBatch} values; a larger query is a batch of its own. */
function batchesOf(queries: readonly FileQuery[]): FileQuery[][] {
  const batches: FileQuery[][] = [];
  let room = 0;
  for (const query of queries) {
    const size = query.paths.length + (query.folder === null ? 0 : 1) + (query.checksum === null ? 0 : 1);
    const last = batches.at(-1);
    if (last && size <= room) last.push(query);
    else {
      batches.push([query]);
      room = largestBatch;
    }
    room -= size;
  }
  return batches;
}

function queryText({ repository, paths, folder, checksum }: FileQuery): string {
  return keyText(printRepository(repository), folder, checksum?.algorithm ?? null, checksum?.hex ?? null, ...paths);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
