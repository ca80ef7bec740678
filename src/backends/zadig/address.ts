import { toInt, trimEndSlashes } from "../../model/values.ts";

/** An http(s) address without user-info and fragment; null for anything else. */
export function safeUrl(text: string | null | undefined): string | null {
  const url = parse(text);
  if (url === null) return null;
  url.username = "";
  url.password = "";
  url.hash = "";
  return url.href;
}

/** The base address of a code host, without user-info, query and trailing slash: `address` may hold a working login. */
export function hostUrl(text: string | null | undefined): string | null {
  const url = parse(text);
  return url === null ? null : url.origin + trimEndSlashes(url.pathname);
}

/** A run as the address of an activity tells it: artifacts have no project, workflow or task of their own. */
export interface Run {
  /** Absolute address in Zadig's UI, or on the foreign system that posted the activity; null when unusable. */
  readonly url: string | null;
  readonly project: string | null;
  readonly workflow: string | null;
  readonly taskId: number | null;
}

const runPath = /^\/v1\/projects\/detail\/([^/?#]+)\/pipelines\/[^/?#]+\/([^/?#]+)\/(\d{1,15})(?=[/?#]|$)/;

/**
 * Reads `/v1/projects/detail/<project>/pipelines/<multi|custom>/<workflow>/<task>`, which Zadig writes without a host.
 * Whole addresses were posted by clients: their query is left out, it may hold a token.
 */
export function parseRun(text: string | null | undefined, base: string): Run {
  const own = text?.startsWith("/") ? text : null;
  const match = own === null ? null : runPath.exec(own);
  const taskId = Number(match?.[3] ?? 0);
  return {
    url: own === null ? hostUrl(text) : safeUrl(base + own),
    project: decoded(match?.[1]),
    workflow: decoded(match?.[2]),
    taskId: toInt(taskId) || null,
  };
}

function parse(text: string | null | undefined): URL | null {
  const trimmed = text?.trim() ?? "";
  return /^https?:\/\//i.test(trimmed) && URL.canParse(trimmed) ? new URL(trimmed) : null;
}

function decoded(part: string | undefined): string | null {
  if (part === undefined) return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
