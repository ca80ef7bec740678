import { toInt } from "../../model/count.ts";
import type { Commit } from "../../model/release.ts";
import { hostUrl } from "./address.ts";
import type { RepositoryPayload } from "./payload.ts";

/** A source revision of a build, by allow-list; its sha is null where there is no hash (Perforce, or nothing recorded). */
export function toCommit(row: RepositoryPayload): Commit {
  const sha =
    row.source !== "perforce" && /^[0-9a-f]{7,64}$/i.test(row.commit_id ?? "") ? (row.commit_id ?? null) : null;
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
