import type { HostedCommit, PipelineRun, Version, VersionRef } from "../../model/package.ts";
import { trimSlashes } from "../../model/text.ts";
import { parseInstant } from "../../model/time.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound, orNull } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import type { CommitReader } from "../backend.ts";
import { keyText, single } from "../batch.ts";
import { orNothing, tooFar, unreadable } from "./absence.ts";
import type { GitlabClient, PackageList } from "./client.ts";
import { isNumber, isProjectPath, terraformType } from "./identity.ts";
import { pipelinesOf, projectOfCommit, toCommit, toPipeline, toVersion, toWeb, type Web } from "./mapper.ts";
import {
  getCommit,
  getProject,
  listCommitMergeRequests,
  listPackagePipelines,
  listPipelines,
  listProjectPackages,
} from "./operations.ts";
import { newer } from "./package-list.ts";
import type { PackageRows } from "./package-rows.ts";
import { nameIn, newestFirst } from "./row-keys.ts";
import type { Found } from "./scan.ts";
import { readAll } from "./walk.ts";

/** The most pages of package rows that are read behind the first for the packages of one commit. */
const mostPages = 20;

/** The most pages (20 pipelines each) that are read for one version. */
const mostPipelinePages = 25;

/** Commits, merge requests and what was published from them, within one request. */
export function createCommitReader(
  client: GitlabClient,
  backend: string,
  address: string,
  web: Web,
  rows: PackageRows,
  call: Call,
): CommitReader {
  const own = [toWeb(address), web];
  const by = ({ name }: Operation) => ({ call, backend, operation: name });

  const commits = single<CommitKey, HostedCommit | null>(
    commitText,
    async ({ project, sha }) => {
      const answer = await orNull(client.getCommit(project, sha, call));
      // The endpoint takes branch and tag names too, and a branch may be called `deadbeef`.
      if (answer === null || !answer.value.id.toLowerCase().startsWith(sha)) return null;
      const repository = isNumber(project)
        ? (projectOfCommit(answer.value, web) ?? (await pathOf.load(project)) ?? project)
        : project;
      return toCommit(answer.value, repository, web, answer.origin);
    },
    by(getCommit),
  );

  const pathOf = single<string, string | null>(
    (project) => project,
    async (project) => (await orNull(client.getProject(project, call)))?.value.path_with_namespace ?? null,
    by(getProject),
  );

  const mergeRequests = single<CommitKey, readonly number[]>(
    commitText,
    async ({ project, sha }) => {
      const list = await readAll((page) => orNothing(client.listMergeRequests(project, sha, page, call), backend));
      if (list.rows.length === 0 && list.dropped.length > 0) throw unreadable(backend, listCommitMergeRequests.name);
      return [...new Set(list.rows.map(({ iid }) => iid))];
    },
    by(listCommitMergeRequests),
  );

  const published = single<CommitKey, readonly Version[]>(commitText, async ({ project, sha }) => {
    const lists = [newestFirst(project), newestFirst(project, { type: terraformType })];
    const found = (await Promise.all(lists.map((list) => publishedIn(list, project, sha)))).flat();
    return found
      .sort((left, right) => newer(left.row, right.row))
      .map(({ row, origin }) => toVersion(row, { repository: project, web, origin }));
  });

  async function publishedIn(list: PackageList, project: string, sha: string): Promise<Found[]> {
    const found = new Map<number, Found>();
    let gap = false;
    let since: string | null = null;
    for (let number = 1; ; number++) {
      const page = await rows.page(list, number);
      gap ||= page.dropped.length > 0;
      for (const row of page.rows) {
        if (pipelinesOf(row).some((one) => one.sha?.toLowerCase().startsWith(sha))) {
          found.set(row.id, { row, origin: page.origin });
        }
      }
      if (!page.more) break;
      if (number === 1) {
        // Nothing is published before its pipeline has begun: that is how far back the list has to be read.
        const reach = await earliestPipeline.load({ project, sha });
        if (reach === null) break;
        since = reach;
      }
      const oldest = parseInstant(page.rows.at(-1)?.created_at);
      if (since !== null && oldest !== null && oldest < since) break;
      if (number > mostPages) throw tooFar(backend, listProjectPackages.name, "the commit's packages lie too far back");
    }
    if (found.size === 0 && gap) throw unreadable(backend, listProjectPackages.name);
    return [...found.values()];
  }

  /** When the first pipeline of a revision began; empty text when its date is not readable, null without pipelines. */
  const earliestPipeline = single<CommitKey, string | null>(
    commitText,
    async ({ project, sha }) => {
      const list = await readAll((page) => orNothing(client.listPipelines(project, sha, page, call), backend));
      if (list.count === 0) return null;
      if (list.dropped.length > 0) return "";
      return list.rows.map((row) => parseInstant(row.created_at) ?? "").sort()[0] ?? null;
    },
    by(listPipelines),
  );

  const pipelines = single<VersionRef, readonly PipelineRun[]>(
    ({ package: { repository }, nativeId }) => keyText(repository, nativeId),
    async (ref) => {
      const { repository } = ref.package;
      const known = rows.known(ref)?.row;
      // Nobody recorded a build: there is nothing to list. Null is another matter, older pipelines may be left.
      if (known && known.pipeline === undefined && pipelinesOf(known).length === 0) return [];
      try {
        return await listed(repository, String(ref.nativeId));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      // Servers before 16.1 have no such list: their rows carry all there is.
      await rows.versions.load(ref);
      const row = rows.known(ref)?.row;
      return row ? pipelinesOf(row).map((one) => toPipeline(one, backend, web)) : [];
    },
    by(listPackagePipelines),
  );

  async function listed(project: string, id: string): Promise<PipelineRun[]> {
    const found = new Map<number, PipelineRun>();
    let cursor: string | null = null;
    for (let number = 0; number < mostPipelinePages; number++) {
      const page = await client.listPackagePipelines(project, id, cursor, call);
      for (const row of page.rows) found.set(row.id, toPipeline(row, backend, web));
      cursor = page.next;
      if (cursor === null) return [...found.values()];
    }
    throw tooFar(backend, listPackagePipelines.name, "more pipelines than are read for one version");
  }

  return {
    projectOf: (hostUrl, repository) => {
      const path = trimSlashes(repository.endsWith(".git") ? repository.slice(0, -".git".length) : repository);
      return isProjectPath(path) && own.some((one) => isHost(hostUrl, one)) ? path : null;
    },
    commit: async (project, sha) => onSound(project, sha, (key) => commits.load(key)) ?? null,
    mergeRequests: async (project, sha) => onSound(project, sha, (key) => mergeRequests.load(key)) ?? [],
    publishedFrom: async (project, sha) => onSound(project, sha, (key) => published.load(key)) ?? [],
    pipelines: async (version) => {
      if (nameIn(version.package) === null) return [];
      const ref = version.nativeId === null ? (await rows.versions.load(version))?.ref : version;
      return ref && isNumber(ref.nativeId ?? "") ? pipelines.load(ref) : [];
    },
  };
}

interface CommitKey {
  readonly project: string;
  readonly sha: string;
}

function commitText({ project, sha }: CommitKey): string {
  return keyText(project, sha);
}

/** Asks only for what can be a commit; undefined for anything else, which then is not there. */
function onSound<T>(project: string, sha: string, ask: (key: CommitKey) => Promise<T>): Promise<T> | undefined {
  if (!isProjectPath(project) || !/^[0-9a-f]{7,64}$/i.test(sha)) return undefined;
  return ask({ project, sha: sha.toLowerCase() });
}

// http and https are one host: what a build recorded may be older than the certificate.
function isHost(hostUrl: string | null, web: Web): boolean {
  if (hostUrl === null || !URL.canParse(hostUrl)) return false;
  const { host, root } = { host: new URL(hostUrl).host, root: toWeb(hostUrl).root };
  return host === new URL(web.origin).host && root === web.root;
}
