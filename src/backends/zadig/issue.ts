import type { Issue } from "../../model/release.ts";
import { trimEndSlashes } from "../../model/values.ts";
import { safeUrl } from "./address.ts";
import type { IssuePayload } from "./payload.ts";

/**
 * Issues as builds (objects) and activities (addresses, or whatever a client posted) name them, each once. What has no
 * key of its own is called by the last part of its address; what leaves nothing to call it by is left out.
 */
export function toIssues(rows: readonly IssuePayload[]): readonly Issue[] {
  const issues = new Map<string, Issue>();
  for (const row of rows) {
    const issue = typeof row === "string" ? fromText(row) : fromObject(row);
    if (issue === null) continue;
    const name = JSON.stringify([issue.key, issue.url]);
    if (!issues.has(name)) issues.set(name, issue);
  }
  return [...issues.values()];
}

function fromObject({ id, key, summary, url }: Exclude<IssuePayload, string>): Issue | null {
  const name = key || (id ? String(id) : "") || (url ? keyIn(url) : "");
  return name ? { key: name, summary: summary || null, url: safeUrl(url) } : null;
}

function fromText(text: string): Issue | null {
  const key = keyIn(text);
  return key ? { key, summary: null, url: safeUrl(text) } : null;
}

/** The last part of an address's path, else of its fragment, else its host; of other text what is behind the last slash. */
function keyIn(text: string): string {
  const trimmed = text.trim();
  if (!/^[a-z][a-z0-9+.-]*:/i.test(trimmed) || !URL.canParse(trimmed)) {
    // A login may stand in front of a host, and is nobody's key.
    return lastPart(trimmed.replace(/[?#].*$/s, "")).replace(/^.*@/s, "");
  }
  const { pathname, hash, hostname } = new URL(trimmed);
  return lastPart(decoded(pathname)) || lastPart(decoded(hash.slice(1))) || hostname;
}

function lastPart(path: string): string {
  const inside = trimEndSlashes(path);
  return inside.slice(inside.lastIndexOf("/") + 1);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
