import { UpstreamError } from "../../upstream/errors.ts";
import { type Call, type Dialect, judgeByStatus, type Reply, redirectedTo } from "../../upstream/operation.ts";
import { getTag, getVersion } from "./operations.ts";
import type { GitlabSettings } from "./settings.ts";

/** How GitLab authenticates calls and reports failures. */
export function createDialect(settings: GitlabSettings): Dialect {
  return {
    authorize: (request, call) => authHeaders(settings, request.operation, call),
    judge: (reply, { name }) => {
      // GitLab's API writes every 404 in JSON: anything else is a proxy, or another address than the API's.
      if (reply.status === 404 && typeof reply.body !== "object") {
        return { failure: "MALFORMED", reason: "a 404 that GitLab did not write" };
      }
      // A registry without the metadata database always answers so for an index: a retry changes nothing.
      if (reply.status === 500 && name === getTag.name) return { failure: "UNAVAILABLE", retryable: false };
      const judgement = judgeByStatus(reply);
      const code = oauthCode(reply.body);
      return judgement === "FINE" || code === null ? judgement : { ...judgement, code };
    },
    traceHeader: "x-request-id",
    // A renamed project answers 301 with the project's number in the new address (16.7+).
    followsRedirects: true,
    check: { operation: getVersion },
  };
}

function authHeaders(settings: GitlabSettings, operation: string, call: Call): Record<string, string> {
  const { credentials, forward, name: backend } = settings;
  if (forward === "caller") {
    const credential = call.caller.credentialFor(backend);
    if (credential === null || !/^[\x21-\x7e]+$/.test(credential))
      throw new UpstreamError("DENIED", { backend, operation });
    // Bearer takes access tokens and OAuth tokens; PRIVATE-TOKEN takes only the former.
    return { authorization: `Bearer ${credential}` };
  }
  if (credentials === undefined) return {};
  if ("token" in credentials) return { "private-token": credentials.token };
  if ("bearer" in credentials) return { authorization: `Bearer ${credentials.bearer}` };
  return { "job-token": credentials.jobToken };
}

// Error codes of RFC 6750, which GitLab uses for tokens; every other error text is prose.
const oauthCodes = ["invalid_token", "insufficient_scope", "invalid_request"];

function oauthCode(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("error" in body)) return null;
  return oauthCodes.find((code) => code === body.error) ?? null;
}

/**
 * The project in the address that a reply was redirected to, by number or path; null without a redirect. Only the path
 * of a renamed or transferred project is redirected (16.7+, `project_moved?` in lib/api/helpers.rb): another case of
 * the same path is not.
 */
export function redirectedProject(reply: Reply<unknown>): string | null {
  const path = reply.header(redirectedTo);
  if (path === null) return null;
  const [, behind = ""] = path.split("/api/v4/projects/", 2);
  try {
    return decodeURIComponent(behind.split(/[/?]/, 1)[0] ?? "");
  } catch {
    return "";
  }
}

/** The count in `x-total`; null where it is missing: past 10,000 rows, and on some endpoints always. */
export function totalOf(reply: Reply<unknown>): number | null {
  const total = reply.header("x-total");
  return total !== null && /^\d{1,15}$/.test(total) ? Number(total) : null;
}

/**
 * Whether another page follows. `x-next-page` is present and empty on the last page. Where a proxy dropped it, `Link`
 * may be left, and otherwise a full page is the only sign.
 */
export function hasNextPage(reply: Reply<unknown>, count: number, size: number): boolean {
  if (count === 0) return false;
  const next = reply.header("x-next-page");
  if (next !== null) return /\d/.test(next);
  const link = reply.header("link");
  return link === null ? count >= size : nextTarget(link) !== null;
}

/** The cursor in `Link: <…>; rel="next"`: only the query counts, since the host is the server's configured one. */
export function nextCursor(reply: Reply<unknown>): string | null {
  const link = reply.header("link");
  const target = link === null ? null : nextTarget(link);
  return target === null ? null : new URL(target, "http://link").searchParams.get("cursor");
}

function nextTarget(link: string): string | null {
  // Targets hold neither bracket, so each piece is one link: this takes one pass over the text.
  for (const piece of link.split("<").slice(1)) {
    const end = piece.indexOf(">");
    const target = piece.slice(0, Math.max(0, end));
    const isNext = piece
      .slice(end + 1)
      .split(";")
      .some((parameter) => /^rel="?next"?,?$/i.test(parameter.trim()));
    if (end > 0 && isNext && URL.canParse(target, "http://link")) return target;
  }
  return null;
}
