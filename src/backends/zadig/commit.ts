import type { Commit } from "../../model/release.ts";
import { toInt } from "../../model/values.ts";
import { hostUrl } from "./address.ts";
import type { RepositoryPayload } from "./payload.ts";

/** A source revision of a build, by allow-list; its sha is null where nothing was recorded. */
export function toCommit(row: RepositoryPayload): Commit {
  const sha = row.source === "perforce" ? changeNumber(row) : hash(row.commit_id);
  // From 2.x on `repo_namespace` is the full group path where `repo_owner` may be its first part.
  const owner = row.repo_namespace || row.repo_owner;
  const repository = [owner, row.repo_name].filter(Boolean).join("/");
  const host = hostUrl(row.address);
  return {
    sha,
    branch: row.branch || null,
    tag: row.tag || null,
    repository,
    hostUrl: host,
    webUrl: webUrl(row.source, host, repository, sha),
    pullRequests: [...new Set([...row.prs, row.pr ?? 0])].filter((number) => toInt(number)),
    message: row.commit_message || null,
    authorName: row.author_name || null,
    isPrimary: row.is_primary ?? false,
  };
}

function hash(text: string | null | undefined): string | null {
  return text && /^[0-9a-f]{7,64}$/i.test(text) ? text : null;
}

/** Perforce has no hashes: what is built is told by the number of its change list. */
function changeNumber({ commit_id, changelist_id }: RepositoryPayload): string | null {
  const told = /^@?(\d{1,20})$/.exec(commit_id?.trim() ?? "")?.[1];
  return told ?? (toInt(changelist_id) ? String(changelist_id) : null);
}

// Only the hosts whose commit pages are at a fixed place.
const commitPaths: ReadonlyMap<string, string> = new Map([
  ["gitlab", "/-/commit/"],
  ["github", "/commit/"],
  ["gitee", "/commit/"],
]);

function webUrl(
  source: string | null | undefined,
  host: string | null,
  repository: string,
  sha: string | null,
): string | null {
  const path = commitPaths.get(source ?? "");
  if (host === null || path === undefined || sha === null || !repository.includes("/")) return null;
  return `${host}/${repository.split("/").map(encodeURIComponent).join("/")}${path}${sha}`;
}
