import type { HostedCommit, PipelineRun, Version, VersionRef } from "../../model/package.ts";
import { parseInstant, trimSlashes } from "../../model/values.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Answer, absent, absentIfNotFound, found, foundAny, impossible, mapAnswer, unknown } from "../answers.ts";
import type { CommitReader } from "../backend.ts";
import { keyText, single } from "../batch.ts";
import { orNoPage, tooFar } from "./absence.ts";
import type { GitlabClient, PackageList } from "./client.ts";
import { isNumber, isProjectPath, isSameProject, nameIn, terraformType } from "./keys.ts";
import { pipelinesOf, projectOfCommit, toCommit, toPipeline, toWeb, type Web } from "./mapper.ts";
import {
  getCommit,
  listCommitMergeRequests,
  listPackagePipelines,
  listPipelines,
  listProjectPackages,
} from "./operations.ts";
import { type ListedRow, newestFirst, type PackageRows } from "./rows.ts";
import type { GitlabSettings } from "./settings.ts";
import { mergedAnswers } from "./several.ts";
import { byDate, type VersionLookups } from "./versions.ts";
import { readAll, silenceOfWhole } from "./walk.ts";

/** The most pages of package rows that are read behind the first for the packages of one commit. */
const maxPages = 20;

/** The most pages (20 pipelines each) that are read for one version. */
const maxPipelinePages = 25;

/** Commits, merge requests and what was published from them, within one request. */
export function createCommitReader(
  client: GitlabClient,
  { name: backend, url }: GitlabSettings,
  web: Web,
  rows: PackageRows,
  lookups: VersionLookups,
  call: Call,
): CommitReader {
  const addresses = [toWeb(url), web];
  const by = ({ name }: Operation) => ({ call, backend, operation: name });

  const commits = single<CommitKey, Answer<HostedCommit>>(
    commitText,
    ({ project, sha }) => absentIfNotFound(readCommit(project, sha), absent(getCommit, "KEYED_READ")),
    by(getCommit),
  );

  async function readCommit(project: string, sha: string): Promise<Answer<HostedCommit>> {
    const { value, origin, movedTo } = await client.getCommit(project, sha, call);
    // The endpoint takes branch and tag names too, and a branch may be called `deadbeef`: a commit of that beginning may
    // stand behind it. A whole hash is never taken for a name.
    if (!value.id.toLowerCase().startsWith(sha)) {
      return isWholeSha(sha) ? absent(getCommit, "KEYED_READ") : unknown("LOSSY_NAME");
    }
    const page = projectOfCommit(value, web);
    const named = page !== null && isSameProject(page, project) ? page : null;
    if (movedTo !== null) {
      const path = (await rows.pathOf(movedTo)) ?? page;
      return path === null ? absent(getCommit, "KEYED_READ") : found(toCommit(value, path, web, origin));
    }
    const path = named === null && isNumber(project) ? await rows.pathOf(project) : named;
    return found(toCommit(value, path ?? project, web, origin));
  }

  const mergeRequests = single<CommitKey, Answer<readonly number[]>>(
    commitText,
    async ({ project, sha }) => {
      const missing = absent(listCommitMergeRequests, "KEYED_READ");
      const fetch = (page: number) => orNoPage(client.listMergeRequests(project, sha, page, call), backend, missing);
      const list = await readAll(fetch, ({ iid }) => iid);
      const gap = list.dropped.length > 0 ? unknown("LOST_ROWS") : list.gap;
      if (list.rows.length > 0)
        return found(
          list.rows.map(({ iid }) => iid),
          gap,
        );
      return silenceOfWhole(list, absent(listCommitMergeRequests, "WHOLE_LIST"), listCommitMergeRequests);
    },
    by(listCommitMergeRequests),
  );

  const published = single<CommitKey, Answer<readonly Version[]>>(commitText, async ({ project, sha }) => {
    const lists = [newestFirst(project), newestFirst(project, { type: terraformType })];
    const all = await mergedAnswers(lists.map((list) => publishedIn(list, project, sha)));
    return mapAnswer(all, (found) => [...found].sort(byDate).map(({ version }) => version));
  });

  async function publishedIn(list: PackageList, project: string, sha: string): Promise<Answer<readonly ListedRow[]>> {
    const hits = new Map<number, ListedRow>();
    const scan = rows.scan(list);
    let since = "";
    for await (const page of scan) {
      for (const one of page.rows) {
        const isHit = pipelinesOf(one.row).some((pipeline) => pipeline.sha?.toLowerCase().startsWith(sha));
        if (isHit) hits.set(one.row.id, one);
      }
      if (!page.more) break;
      if (scan.pages.length === 1) {
        // Nothing is published before its pipeline began: that is how far back the list has to be read.
        const reach = await reachOf(project, sha);
        if (reach === null) return foundAny([...hits.values()], absent(listPipelines, "WHOLE_LIST"));
        since = reach;
      }
      const oldest = parseInstant(page.rows.at(-1)?.row.created_at);
      if (scan.isNewestFirst && oldest !== null && oldest < since) break;
      if (scan.pages.length > maxPages)
        throw tooFar(backend, listProjectPackages.name, "the commit's packages lie too far back");
    }
    const all = [...hits.values()];
    return all.length > 0 ? found(all, scan.hasGap ? unknown("LOST_ROWS") : null) : scan.silence();
  }

  /** When the first pipeline of a revision began; empty text where that cannot be told, null without pipelines. */
  async function reachOf(project: string, sha: string): Promise<string | null> {
    if (isWholeSha(sha)) return earliestPipeline.load({ project, sha });
    // Pipelines are found by the whole hash only, packages by the beginning of it as well.
    const commit = await commits.load({ project, sha });
    const whole = commit.kind === "FOUND" ? commit.value.sha : null;
    return whole === null ? "" : earliestPipeline.load({ project, sha: whole });
  }

  const earliestPipeline = single<CommitKey, string | null>(
    commitText,
    async ({ project, sha }) => {
      const list = await readAll(
        (page) => orNoPage(client.listPipelines(project, sha, page, call), backend, unknown("DETAIL_MISSING")),
        ({ id }) => id,
      );
      // A project whose packages are told, and whose pipelines are not, may have had some.
      if (list.absence || list.dropped.length > 0 || list.gap) return "";
      if (list.count === 0) return null;
      return list.rows.map((row) => parseInstant(row.created_at) ?? "").sort()[0] ?? null;
    },
    by(listPipelines),
  );

  const pipelines = single<VersionRef, Answer<readonly PipelineRun[]>>(
    ({ package: { repository }, nativeId }) => keyText(repository, nativeId),
    async (ref) => {
      const known = rows.find(ref);
      // No build was recorded: there is nothing to list. With null in `pipeline`, older pipelines may be left.
      const isUnbuilt = known !== null && known.row.pipeline === undefined && pipelinesOf(known.row).length === 0;
      if (isUnbuilt && known.context.absence) return known.context.absence;
      try {
        return await listPipelinesOf(ref.package.repository, String(ref.nativeId));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      // Servers before 16.1 have no such list: their rows hold all pipelines. Rows of later ones hold the newest only.
      const version = await lookups.version(ref);
      if (version.kind !== "FOUND") return version;
      const row = rows.find(version.value.ref)?.row;
      const inRow = row ? pipelinesOf(row).map((one) => toPipeline(one, backend, web)) : [];
      const gap = row?.pipelines?.length ? null : unknown("DETAIL_MISSING");
      return foundAny(inRow, unknown("DETAIL_MISSING"), gap);
    },
    by(listPackagePipelines),
  );

  async function listPipelinesOf(project: string, id: string): Promise<Answer<readonly PipelineRun[]>> {
    const hits = new Map<number, PipelineRun>();
    let cursor: string | null = null;
    let hasGap = false;
    for (let number = 0; number < maxPipelinePages; number++) {
      const page = await client.listPackagePipelines(project, id, cursor, call);
      for (const row of page.rows) hits.set(row.id, toPipeline(row, backend, web));
      hasGap ||= page.dropped.length > 0;
      cursor = page.next;
      if (cursor !== null) continue;
      const gap = hasGap ? unknown("LOST_ROWS") : null;
      return foundAny([...hits.values()], absent(listPackagePipelines, "WHOLE_LIST"), gap);
    }
    throw tooFar(backend, listPackagePipelines.name, "more pipelines than are read for one version");
  }

  return {
    projectOf: (hostUrl, repository) => {
      const path = projectNamed(repository);
      return isProjectPath(path) && addresses.some((one) => isHost(hostUrl, one)) ? path : null;
    },
    commit: (project, sha) => onSound(project, sha, (key) => commits.load(key)),
    mergeRequests: (project, sha) => onSound(project, sha, (key) => mergeRequests.load(key)),
    publishedFrom: (project, sha) => onSound(project, sha, (key) => published.load(key)),
    pipelines: async (version) => {
      if (nameIn(version.package) === null) return impossible;
      if (version.nativeId !== null) return isNumber(version.nativeId) ? pipelines.load(version) : impossible;
      const loaded = await lookups.version(version);
      return loaded.kind === "FOUND" ? pipelines.load(loaded.value.ref) : loaded;
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

/** Asks only for what can be a commit: GitLab takes hashes of 7 letters and more, and no other text is a hash. */
function onSound<T>(project: string, sha: string, ask: (key: CommitKey) => Promise<Answer<T>>): Promise<Answer<T>> {
  if (!isProjectPath(project) || !/^[0-9a-f]{7,64}$/i.test(sha)) return Promise.resolve(impossible);
  return ask({ project, sha: sha.toLowerCase() });
}

/** Whether a hash is no beginning of one: SHA-1 has 40 letters, SHA-256 has 64. */
function isWholeSha(sha: string): boolean {
  return sha.length === 40 || sha.length === 64;
}

/** A project's path as remotes are written: slashes around it, `.git` behind it. */
function projectNamed(repository: string): string {
  const path = trimSlashes(repository);
  return path.endsWith(".git") ? path.slice(0, -".git".length) : path;
}

// http and https are one host: what a build recorded may be older than the certificate.
function isHost(hostUrl: string | null, web: Web): boolean {
  if (hostUrl === null || !URL.canParse(hostUrl)) return false;
  const { host, root } = { host: new URL(hostUrl).host, root: toWeb(hostUrl).root };
  return host === new URL(web.origin).host && root === web.root;
}
