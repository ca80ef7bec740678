import { z } from "zod";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Dialect, Judgement, Operation, RawReply } from "../../upstream/operation.ts";
import {
  findArtifact,
  getArtifact,
  getArtifactDirectory,
  getRelease,
  getReleaseOpen,
  getReleaseOpenByName,
  listArtifacts,
  listReleasesDirectory,
} from "./operations.ts";
import { isOldKey, type ZadigSettings } from "./settings.ts";

/** How Zadig is addressed: a token or key in one header, and answers judged by status and numeric code. */
export function createDialect(settings: ZadigSettings): Dialect {
  const { name: backend, credentials, forward } = settings;
  return {
    authorize: ({ operation }, call) => {
      const own = forward === undefined ? credentials : { token: call.caller.credentialFor(backend) };
      if (own && "apiKey" in own) return { authorization: `X-API-KEY ${own.apiKey}` };
      if (!own?.token) throw new UpstreamError("DENIED", { backend, operation });
      return { authorization: `Bearer ${own.token}` };
    },
    judge: (reply, operation) => judge(reply, operation, forward === undefined && isOldKey(settings)),
    traceHeader: null,
    check: { operation: listArtifacts, query: { per_page: 1, page: 1 } },
  };
}

const code = z.int().min(1).max(99_999).optional().catch(undefined);
const errorBody = z.object({ code, resultCode: code, message: z.unknown().optional() });
type ErrorBody = z.output<typeof errorBody>;

const licenceMissing = 7050;
const releaseUnreadable = 6563;
const artifactUnreadable = 6662;
/** "Listing … failed": a failure of the server, whatever the reason. */
const listingFailed: readonly number[] = [6561, 6571, 6581, 6591, 6601, 6614, 6663, 6665];
/** Codes of keyed reads, where "cannot be read" most likely means "is not there". */
const keyedReads: ReadonlyMap<number, readonly Operation[]> = new Map([
  [releaseUnreadable, [getRelease]],
  [artifactUnreadable, [getArtifact, findArtifact]],
]);
/** They answer 500 for what is missing as well as for what is broken: a retry is no help. */
const ambiguousOperations: readonly Operation[] = [
  listReleasesDirectory,
  getArtifactDirectory,
  getReleaseOpen,
  getReleaseOpenByName,
];

/**
 * Judges an answer of Zadig. Every 6xxx and 7xxx code comes with status 400, nothing that is missing comes with 404,
 * and a code in a 200 means that the answer was replaced. Only statuses and numeric codes count: messages are Chinese,
 * overwritten by other requests under load, and hold internal addresses.
 */
function judge({ status, body }: RawReply, operation: Operation, oldKey: boolean): Judgement | null {
  // A list is no error, and finding that out by its schema costs more than reading the list.
  const error: ErrorBody = Array.isArray(body) ? {} : (errorBody.safeParse(body).data ?? {});
  const { code: number, resultCode } = error;
  if (status >= 200 && status < 300) {
    if (resultCode !== undefined) return judgeResultCode(resultCode);
    // 1.10 and later: collaboration resources that the user has not synchronised replace the answer.
    if (number === 10_000) return { failure: "MALFORMED", code: "10000", reason: "another answer than was asked for" };
    return null;
  }
  const byCode = number === undefined ? null : judgeCode(number, operation);
  if (byCode !== null) return byCode;
  if (resultCode !== undefined) return judgeResultCode(resultCode);
  const known = number === undefined ? {} : { code: String(number) };
  // A missing route is not a missing thing: this server is older, newer or elsewhere.
  if (status === 404 || status === 405 || status === 410) return { failure: "REJECTED", ...known };
  // The edge of 1.6 answers a wrong key with 500 and nothing but a message.
  if (status === 500 && oldKey && number === undefined && error.message !== undefined) return { failure: "DENIED" };
  if (status >= 500 && ambiguousOperations.includes(operation)) {
    return { failure: "UNAVAILABLE", retryable: false, ...known };
  }
  return status === 400 ? { failure: "REJECTED", ...known } : null;
}

function judgeCode(number: number, operation: Operation): Judgement | null {
  const known = { code: String(number) };
  if (number === licenceMissing) return { failure: "DENIED", ...known };
  if (keyedReads.get(number)?.includes(operation)) return { failure: "NOT_FOUND", ...known };
  if (listingFailed.includes(number)) return { failure: "UNAVAILABLE", ...known };
  // One dangling activity fails a whole page of artifacts, and will fail it again.
  return keyedReads.has(number) ? { failure: "UNAVAILABLE", retryable: false, ...known } : null;
}

/** The 1.6 facade has HTTP statuses in its body. */
function judgeResultCode(resultCode: number): Judgement {
  const known = { code: String(resultCode) };
  if (resultCode === 401 || resultCode === 403) return { failure: "DENIED", ...known };
  if (resultCode >= 500 && resultCode < 600) return { failure: "UNAVAILABLE", ...known };
  return { failure: "REJECTED", ...known };
}
