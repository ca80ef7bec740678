import type { Call } from "../../upstream/call.ts";
import { type Dialect, type Judgement, judgeByStatus, type RawReply } from "../../upstream/client.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import type { BkrepoSettings } from "./settings.ts";

/** Request and answer header with the zone of zone-less times; obeyed since 3.0.3, answered since 3.4. */
export const zoneHeader = "x-bkrepo-time-zone";

/**
 * Codes that mean "no such thing". Code numbers follow the order of an enum and move between releases; these (resource,
 * project, repository, node, package, version) are the same in every release, so nothing else is read from a code.
 */
const notFound: ReadonlySet<number> = new Set([250108, 251004, 251006, 251010, 251017, 251019]);

/** Not-found of the docker service's version detail, which arrives as HTTP 400: the status is lost on its way out. */
const imageNotFound = 251906;

/** "System error", which some releases wrap into an answer with status 200. */
const systemError = 250102;

/** Who we are to bkrepo, and how its answers are judged. */
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
    // Only as a bearer token: no caller may choose a scheme, since Platform keys act as any user.
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
  const told = codeOf(reply.body);
  const isOwn = told !== null && told >= 250_000 && told < 260_000;
  const code = isOwn ? String(told) : null;
  if (reply.status >= 200 && reply.status < 300) {
    if (told === null || told === 0) return null;
    return { code, ...byCode(told, reply) };
  }
  if (told !== null && (notFound.has(told) || isImageNotFound(told, operation)) && [400, 404].includes(reply.status)) {
    return { failure: "NOT_FOUND", code };
  }
  // A 404 that names another code speaks of the address, not of the thing: nginx knows no such service, or this
  // release has no such call. "There is none" would be a lie.
  // So does one in plain words or as a page, which only a proxy in front writes.
  const isForeign = told !== null || /^text\//i.test(reply.header("content-type") ?? "");
  if (reply.status === 404 && isForeign) return { failure: "UNAVAILABLE", retryable: false, code };
  const plain = judgeByStatus(reply);
  return plain === "FINE" ? plain : { ...plain, code };
}

// A failure inside a success: by the stable codes, by an HTTP number that nginx wrote there, else a refusal.
function byCode(code: number, reply: RawReply): Exclude<Judgement, "FINE"> {
  if (notFound.has(code)) return { failure: "NOT_FOUND" };
  if (code === systemError) return { failure: "UNAVAILABLE" };
  if (code === 404) return { failure: "UNAVAILABLE", retryable: false };
  if (code >= 400 && code < 600) {
    const plain = judgeByStatus({ ...reply, status: code });
    if (plain !== "FINE") return plain;
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
