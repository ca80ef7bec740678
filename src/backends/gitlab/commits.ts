import type { HostedCommit, PipelineRun, Version, VersionRef } from "../../model/package.ts";
import { parseInstant, trimSlashes } from "../../model/values.ts";
import { isNotFound } from "../../upstream/errors.ts";
import type { Call, Operation } from "../../upstream/operation.ts";
import { type Answer, absent, absentIfNotFound, found, foundAny, impossible, mapAnswer, unknown } from "../answers.ts";
import type { CommitReader } from "../backend.ts";
import { keyText, type Loader, single } from "../loading/loader.ts";
import type { GitlabClient, PackageList } from "./client.ts";
import { isNumber, isProjectPath, isSameProject, nameIn, terraformType } from "./keys.ts";
import { mergedAnswers, orNoPage, readWhole, sharedList, silenceOf, tooFar } from "./lists.ts";
import { pipelinesOf, projectOfCommit, toCommit, toPipeline, toWeb, type Web } from "./mapper.ts";
import * as operations from "./operations.ts";
import type { MergeRequestRow, PipelineSummaryRow } from "./payload.ts";
import { type ListedRow, newestFirst, type PackageRows } from "./rows.ts";
import { byDate, type PackageLookups } from "./versions.ts";

/** The most pages of package rows that are read behind the first for the packages of one commit. */
const maxPages = 20;

/** The most pages (20 pipelines each) that are read for one version. */
const maxPipelinePages = 25;

/** A commit of a project; `sha` is lower case, and may be the beginning of a hash. */
interface CommitKey {
  readonly project: string;
  readonly sha: string;
}

/** Creates the reader of commits, merge requests and what was published from them, for one request. */
export function createCommitReader(
  client: GitlabClient,
  url: string,
  lookups: PackageLookups,
  call: Call,
): CommitReader {
  let opened: CommitLookups | null = null;
  // Few requests ask for commits, so their loaders are created when one does.
  const open = (): CommitLookups => {
    opened ??= new CommitLookups(client, lookups, call);
    return opened;
  };
  const addresses = [toWeb(url), lookups.rows.web];
  const load = async <T>(loader: Loader<CommitKey, Answer<T>>, project: string, sha: string): Promise<Answer<T>> => {
    // GitLab takes hashes of 7 letters and more, and no other text is a hash.
    const isHash = /^[0-9a-f]{7,64}$/i.test(sha);
    return isHash && isProjectPath(project) ? loader.load({ project, sha: sha.toLowerCase() }) : impossible;
  };
  return {
    projectOf: (hostUrl, repository) => {
      // Remotes are written with slashes around the path and `.git` behind it.
      const path = trimSlashes(repository).replace(/\.git$/, "");
      return isProjectPath(path) && addresses.some((address) => isHost(hostUrl, address)) ? path : null;
    },
    commit: (project, sha) => load(open().commits, project, sha),
    mergeRequests: (project, sha) => load(open().mergeRequests, project, sha),
    publishedFrom: (project, sha) => load(open().published, project, sha),
    pipelines: async (version) => {
      if (nameIn(version.package) === null) return impossible;
      if (version.nativeId !== null) return isNumber(version.nativeId) ? open().pipelines.load(version) : impossible;
      const loaded = await lookups.version(version);
      return loaded.kind === "FOUND" ? open().pipelines.load(loaded.value.ref) : loaded;
    },
  };
}

class CommitLookups {
  readonly #client: GitlabClient;
  readonly #rows: PackageRows;
  readonly #lookups: PackageLookups;
  readonly #call: Call;
  readonly commits;
  readonly mergeRequests;
  readonly published;
  readonly pipelines;
  readonly #earliestPipelines;

  constructor(client: GitlabClient, lookups: PackageLookups, call: Call) {
    this.#client = client;
    this.#rows = lookups.rows;
    this.#lookups = lookups;
    this.#call = call;
    const text = ({ project, sha }: CommitKey) => keyText(project, sha);
    const by = ({ name }: Operation) => ({ call, backend: lookups.rows.backend, operation: name });
    this.commits = single<CommitKey, Answer<HostedCommit>>(
      text,
      (key) => absentIfNotFound(this.#readCommit(key), absent(operations.getCommit, "KEYED_READ")),
      by(operations.getCommit),
    );
    this.mergeRequests = single<CommitKey, Answer<readonly number[]>>(
      text,
      (key) => this.#mergeRequestsOf(key),
      by(operations.listCommitMergeRequests),
    );
    this.published = single<CommitKey, Answer<readonly Version[]>>(text, (key) => this.#publishedFrom(key));
    this.pipelines = single<VersionRef, Answer<readonly PipelineRun[]>>(
      ({ package: { repository }, nativeId }) => keyText(repository, nativeId),
      (ref) => this.#pipelinesOf(ref),
      by(operations.listPackagePipelines),
    );
    this.#earliestPipelines = single<CommitKey, string | null>(
      text,
      (key) => this.#earliestPipeline(key),
      by(operations.listPipelines),
    );
  }

  async #readCommit({ project, sha }: CommitKey): Promise<Answer<HostedCommit>> {
    const { web } = this.#rows;
    const { value, origin, movedTo } = await this.#client.getCommit(project, sha, this.#call);
    // The endpoint takes branch and tag names too, and a branch may be called `deadbeef`: it hides a commit whose hash
    // begins so. A whole hash is never taken for a name.
    if (!value.id.toLowerCase().startsWith(sha)) {
      return isWholeSha(sha) ? absent(operations.getCommit, "KEYED_READ") : unknown("LOSSY_NAME");
    }
    const page = projectOfCommit(value, web);
    if (movedTo !== null) {
      const path = (await this.#rows.pathOf(movedTo)) ?? page;
      return path === null ? absent(operations.getCommit, "KEYED_READ") : found(toCommit(value, path, web, origin));
    }
    const named = page !== null && isSameProject(page, project) ? page : null;
    const path = named === null && isNumber(project) ? await this.#rows.pathOf(project) : named;
    return found(toCommit(value, path ?? project, web, origin));
  }

  async #mergeRequestsOf({ project, sha }: CommitKey): Promise<Answer<readonly number[]>> {
    const operation = operations.listCommitMergeRequests;
    const missing = absent(operation, "KEYED_READ");
    const fetch = (page: number) =>
      orNoPage(this.#client.listMergeRequests(project, sha, page, this.#call), this.#rows.backend, missing);
    const list = await readWhole(sharedList(fetch, ({ iid }: MergeRequestRow) => String(iid)));
    if (list.kind !== "FOUND" || list.value.rows.length === 0) return silenceOf(list, operation);
    const gap = list.value.dropped.length > 0 ? unknown("LOST_ROWS") : list.gap;
    return found(
      list.value.rows.map(({ iid }) => iid),
      gap,
    );
  }

  async #publishedFrom(key: CommitKey): Promise<Answer<readonly Version[]>> {
    const lists = [newestFirst(key.project), newestFirst(key.project, { type: terraformType })];
    const all = await mergedAnswers(lists.map((list) => this.#publishedIn(list, key)));
    return mapAnswer(all, (rows) => [...rows].sort(byDate).map(({ version }) => version));
  }

  async #publishedIn(list: PackageList, key: CommitKey): Promise<Answer<readonly ListedRow[]>> {
    const hits = new Map<number, ListedRow>();
    const scan = this.#rows.scan(list);
    let since = "";
    for await (const page of scan) {
      for (const one of page.rows) {
        const isHit = pipelinesOf(one.row).some(({ sha }) => sha?.toLowerCase().startsWith(key.sha));
        if (isHit) hits.set(one.row.id, one);
      }
      if (!page.more) break;
      if (scan.pages.length === 1) {
        // Nothing is published before its pipeline began: that is how far back the list has to be read.
        const earliest = await this.#earliestPipelineOf(key);
        if (earliest === null) return foundAny([...hits.values()], absent(operations.listPipelines, "WHOLE_LIST"));
        since = earliest;
      }
      const oldest = parseInstant(page.rows.at(-1)?.row.created_at);
      if (scan.isNewestFirst && oldest !== null && oldest < since) break;
      if (scan.pages.length > maxPages) {
        const { name } = operations.listProjectPackages;
        throw tooFar(this.#rows.backend, name, "the commit's packages lie too far back");
      }
    }
    const all = [...hits.values()];
    return all.length > 0 ? found(all, scan.hasGap ? unknown("LOST_ROWS") : null) : scan.silence();
  }

  /** When the first pipeline of a revision began; empty text where that is unknown, null without pipelines. */
  async #earliestPipelineOf(key: CommitKey): Promise<string | null> {
    if (isWholeSha(key.sha)) return this.#earliestPipelines.load(key);
    // Pipelines are found by the whole hash only, packages by the beginning of it as well.
    const commit = await this.commits.load(key);
    const sha = commit.kind === "FOUND" ? commit.value.sha : null;
    return sha === null ? "" : this.#earliestPipelines.load({ project: key.project, sha });
  }

  async #earliestPipeline({ project, sha }: CommitKey): Promise<string | null> {
    // Credentials may read packages and no pipelines, so that a 404 proves nothing.
    const missing = unknown("DETAIL_MISSING");
    const fetch = (page: number) =>
      orNoPage(this.#client.listPipelines(project, sha, page, this.#call), this.#rows.backend, missing);
    const list = await readWhole(sharedList(fetch, ({ id }: PipelineSummaryRow) => String(id)));
    if (list.kind !== "FOUND" || list.gap || list.value.dropped.length > 0) return "";
    return list.value.rows.map((row) => parseInstant(row.created_at) ?? "").sort()[0] ?? null;
  }

  async #pipelinesOf(ref: VersionRef): Promise<Answer<readonly PipelineRun[]>> {
    const { backend, web } = this.#rows;
    const known = this.#rows.find(ref);
    // No build was recorded: there is nothing to list. With null in `pipeline`, older pipelines may be left.
    const isUnbuilt = known !== null && known.row.pipeline === undefined && pipelinesOf(known.row).length === 0;
    if (isUnbuilt && known.context.absence) return known.context.absence;
    try {
      return await this.#listedPipelines(ref.package.repository, String(ref.nativeId));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    // Servers before 16.1 have no such list: their rows hold all pipelines. Rows of later ones hold the newest only.
    const version = await this.#lookups.version(ref);
    if (version.kind !== "FOUND") return version;
    const row = this.#rows.find(version.value.ref)?.row;
    const inRow = row ? pipelinesOf(row).map((one) => toPipeline(one, backend, web)) : [];
    const gap = row?.pipelines?.length ? null : unknown("DETAIL_MISSING");
    return foundAny(inRow, unknown("DETAIL_MISSING"), gap);
  }

  async #listedPipelines(project: string, id: string): Promise<Answer<readonly PipelineRun[]>> {
    const operation = operations.listPackagePipelines;
    const { backend, web } = this.#rows;
    const hits = new Map<number, PipelineRun>();
    let cursor: string | null = null;
    let hasGap = false;
    for (let number = 0; number < maxPipelinePages; number++) {
      const page = await this.#client.listPackagePipelines(project, id, cursor, this.#call);
      for (const row of page.rows) hits.set(row.id, toPipeline(row, backend, web));
      hasGap ||= page.dropped.length > 0;
      cursor = page.next;
      if (cursor !== null) continue;
      const gap = hasGap ? unknown("LOST_ROWS") : null;
      return foundAny([...hits.values()], absent(operation, "WHOLE_LIST"), gap);
    }
    throw tooFar(backend, operation.name, "more pipelines than are read for one version");
  }
}

/** Whether a hash is whole and not the beginning of one: SHA-1 has 40 letters, SHA-256 has 64. */
function isWholeSha(sha: string): boolean {
  return sha.length === 40 || sha.length === 64;
}

// http and https are one host: what a build recorded may be older than the certificate.
function isHost(hostUrl: string | null, { origin, root }: Web): boolean {
  if (hostUrl === null || !URL.canParse(hostUrl)) return false;
  return new URL(hostUrl).host === new URL(origin).host && toWeb(hostUrl).root === root;
}
