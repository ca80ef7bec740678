import { UpstreamError } from "../../upstream/errors.ts";
import {
  type Call,
  type Dialect,
  type Judgement,
  judgeByStatus,
  type Operation,
  type RawReply,
} from "../../upstream/operation.ts";
import type { BkrepoSettings } from "./settings.ts";

/** Header with the zone of zone-less times: obeyed in requests since 3.0.3, sent in answers since 3.4. */
export const zoneHeader = "x-bkrepo-time-zone";

/**
 * Codes that mean "no such thing". Code numbers follow the order of an enum and move between releases; these (resource,
 * project, repository, node, package, version) are the same in every release, so nothing else is read from a code.
 */
const notFound: ReadonlySet<number> = new Set([250108, 251004, 251006, 251010, 251017, 251019]);

/** Not-found of the docker service's version detail, which is an HTTP 400. */
const imageNotFound = 251906;

/** "System error", which some releases wrap into an answer with status 200. */
const systemError = 250102;

/** Authorizes requests and judges answers. */
export function bkrepoDialect(settings: BkrepoSettings): Dialect {
  return {
    authorize: ({ operation }, call) => ({
      [zoneHeader]: settings.timeZone,
      ...credentialHeaders(settings, operation, call),
    }),
    judge,
    traceHeader: "x-bkrepo-rid",
  };
}

function credentialHeaders(settings: BkrepoSettings, operation: string, call: Call): Record<string, string> {
  if (settings.forward === "caller") {
    const credential = call.caller.credentialFor(settings.name);
    if (credential === null || !/^[\x21-\x7e]+$/.test(credential)) {
      throw new UpstreamError("DENIED", { backend: settings.name, operation });
    }
    // Always a bearer token: the scheme is not the caller's choice, because Platform keys act as any user.
    return { authorization: `Bearer ${credential}` };
  }
  const { credentials } = settings;
  if (credentials === undefined) throw new UpstreamError("DENIED", { backend: settings.name, operation });
  if ("token" in credentials) return { authorization: `Bearer ${credentials.token}` };
  if ("username" in credentials) {
    return { authorization: `Basic ${base64(`${credentials.username}:${credentials.password}`)}` };
  }
  return {
    authorization: `Platform ${base64(`${credentials.accessKey}:${credentials.secretKey}`)}`,
    "x-bkrepo-uid": credentials.userId,
  };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function judge(reply: RawReply, operation: Operation): Judgement | null {
  const number = codeOf(reply.body);
  const isOwn = number !== null && number >= 250_000 && number < 260_000;
  const code = isOwn ? String(number) : null;
  if (reply.status >= 200 && reply.status < 300) {
    if (number === null || number === 0) return null;
    return { code, ...byCode(number, reply) };
  }
  const isMissing = number !== null && (notFound.has(number) || isImageNotFound(number, operation));
  if (isMissing && [400, 404].includes(reply.status)) return { failure: "NOT_FOUND", code };
  // A 404 with another code is about the address: nginx has no such service, or this release no such call. So is a 404
  // as text or as a page, which only a proxy writes. Neither proves an absence.
  const isForeign = number !== null || /^text\//i.test(reply.header("content-type") ?? "");
  if (reply.status === 404 && isForeign) return { failure: "UNAVAILABLE", retryable: false, code };
  const byStatus = judgeByStatus(reply);
  return byStatus === "FINE" ? byStatus : { ...byStatus, code };
}

// A failure inside a success: by the stable codes, by an HTTP number that nginx wrote there, else a refusal.
function byCode(code: number, reply: RawReply): Exclude<Judgement, "FINE"> {
  if (notFound.has(code)) return { failure: "NOT_FOUND" };
  if (code === systemError) return { failure: "UNAVAILABLE" };
  if (code === 404) return { failure: "UNAVAILABLE", retryable: false };
  if (code >= 400 && code < 600) {
    const byStatus = judgeByStatus({ ...reply, status: code });
    if (byStatus !== "FINE") return byStatus;
  }
  return { failure: "REJECTED" };
}

function isImageNotFound(code: number, operation: Operation): boolean {
  return code === imageNotFound && operation.path.includes("/ext/version/detail/");
}

function codeOf(body: unknown): number | null {
  if (typeof body !== "object" || body === null || !("code" in body)) return null;
  return typeof body.code === "number" && Number.isInteger(body.code) ? body.code : null;
}
