import { type Judgement, judgeByStatus, type RawReply, retryAfterMs } from "../../upstream/client.ts";
import { UpstreamError } from "../../upstream/errors.ts";

// Forms and words the vendor is known to use; anything else could be text that happens to stand where a code was due.
const codeForm = /^(?:SVCSTG\.SWR\.\d{3,10}|(?:SWR|APIGW|APIG|IAM)\.\d{1,8})$/;
const registryCodes = new Set(["DENIED", "UNAUTHORIZED", "NAME_UNKNOWN", "MANIFEST_UNKNOWN", "TOOMANYREQUESTS"]);

/** SWR says "too many requests" and "busy" with statuses that mean something else. */
const busyCodes = new Set(["SVCSTG.SWR.4031032", "SVCSTG.SWR.4031042", "SVCSTG.SWR.4090023", "TOOMANYREQUESTS"]);

/** "Not found" that comes with status 400. */
const absentCodes = new Set([
  "SVCSTG.SWR.4001090",
  "SVCSTG.SWR.4001158",
  "SVCSTG.SWR.4000306",
  "SWR.400003",
  "NAME_UNKNOWN",
  "MANIFEST_UNKNOWN",
]);

/** No such route in this region: nothing was looked up, so nothing is absent. */
const unpublishedCodes = new Set(["APIGW.0101", "APIG.0101", "SVCSTG.SWR.4040083"]);

/** "No token in the context", with status 400. */
const anonymousCode = "SVCSTG.SWR.4001048";

/** A token that the gateway or SWR no longer takes. */
const staleTokenCodes = new Set(["APIGW.0307", "APIG.0307", "APIGW.0301", "APIG.0301", "SVCSTG.SWR.4010000"]);

/**
 * The vendor's code in any of its error bodies: `errors[]` with `errorCode`, `error_code` or `code`, a bare array, a
 * bare object, the API gateway's `error_code`, the newer form that has several of them. Null when there is none of a
 * known form: the texts beside it echo signed headers, keys and tokens, and are never read.
 */
export function codeOf(body: unknown): string | null {
  const places = Array.isArray(body) ? body : [...listOf(fieldOf(body, "errors")), body];
  for (const place of places) {
    for (const name of ["errorCode", "error_code", "code"]) {
      const code = fieldOf(place, name);
      if (typeof code === "string" && (codeForm.test(code) || registryCodes.has(code))) return code;
    }
  }
  return null;
}

/** Judges an answer by its code first and its status second; null for a success. */
export function judgeReply(reply: RawReply): Judgement | null {
  if (reply.status >= 200 && reply.status < 300) return null;
  const code = codeOf(reply.body);
  const known = code === null ? null : judgeCode(code, reply);
  if (known !== null) return known;
  // A SWR code starts with the status it stands for, whatever the answer's own status is.
  const status = Number(/^SVCSTG\.SWR\.([45]\d\d)/.exec(code ?? "")?.[1] ?? reply.status);
  if (status === 404 && code === null && /^text\//i.test(reply.header("content-type") ?? "")) {
    return { failure: "MALFORMED", reason: "a 404 that SWR did not write" };
  }
  // Object storage is switched off for the account: asking again does not switch it on.
  if (status === 507) return { failure: "UNAVAILABLE", code, retryable: false };
  const judged = judgeByStatus({ ...reply, status });
  return judged === "FINE" ? null : { ...judged, code };
}

/** Whether the token of the request was refused as outdated, so that a new one may be taken. */
export function isStaleToken(reply: RawReply): boolean {
  return reply.status === 401 && staleTokenCodes.has(codeOf(reply.body) ?? "");
}

/** Whether the region refused the order that a list was asked for in. */
export function isOrderRefused(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.code === "SVCSTG.SWR.4001096";
}

/** Whether it is the namespace that there is none of: then nothing can be in it. */
export function isNamespaceMissing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.code === "SVCSTG.SWR.4041061" || error.code === "SVCSTG.SWR.4040058");
}

/** Whether the region does not publish the API at all. */
export function isUnpublished(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.code !== null && unpublishedCodes.has(error.code);
}

function judgeCode(code: string, reply: RawReply): Judgement | null {
  if (busyCodes.has(code)) {
    return { failure: "THROTTLED", code, retryAfterMs: retryAfterMs(reply.header("retry-after")) };
  }
  if (absentCodes.has(code)) return { failure: "NOT_FOUND", code };
  if (unpublishedCodes.has(code)) return { failure: "REJECTED", code, retryable: false };
  if (code === anonymousCode) return { failure: "DENIED", code };
  return null;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
