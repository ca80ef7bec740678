import { createHash, createHmac } from "node:crypto";
import { z } from "zod";
import { parseInstant } from "../../model/values.ts";
import { Upstream } from "../../upstream/client.ts";
import { Coalescer, SharedCall } from "../../upstream/coalesce.ts";
import { MisshapenAnswer, UpstreamError } from "../../upstream/errors.ts";
import { type Call, type Judgement, judgeByStatus, type RawReply } from "../../upstream/operation.ts";
import { readOne } from "../loading/decode.ts";
import { decodeOnce } from "./keys.ts";
import { issueToken } from "./operations.ts";
import type { IamCredentials, SwrSettings } from "./settings.ts";

const algorithm = "SDK-HMAC-SHA256";

/** What a signature covers. */
interface Signable {
  readonly method: string;
  /** Path and query exactly as they are sent. */
  readonly path: string;
  /** Headers to sign by lower-case name; `host` and `x-sdk-date` must be among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null for none. */
  readonly body: string | null;
}

/**
 * The text whose hash is signed (Huawei Cloud API signature guide, "construct a canonical request"): each path segment
 * decoded once and encoded again, a closing slash that the request itself does not have, sorted query and headers.
 */
export function canonicalRequest({ method, path, headers, body }: Signable): string {
  const cut = path.indexOf("?");
  const names = Object.keys(headers).sort();
  return [
    method,
    canonicalPath(cut < 0 ? path : path.slice(0, cut)),
    cut < 0 ? "" : canonicalQuery(path.slice(cut + 1)),
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    "",
    names.join(";"),
    sha256(body ?? ""),
  ].join("\n");
}

/** The `Authorization` header for a request that also carries the signed headers. */
export function authorization(signable: Signable, accessKey: string, secretKey: string): string {
  const text = [algorithm, signable.headers["x-sdk-date"], sha256(canonicalRequest(signable))].join("\n");
  const signature = createHmac("sha256", secretKey).update(text).digest("hex");
  const signed = Object.keys(signable.headers).sort().join(";");
  return `${algorithm} Access=${accessKey}, SignedHeaders=${signed}, Signature=${signature}`;
}

/** A moment as `X-Sdk-Date` spells it, `YYYYMMDDTHHMMSSZ`; the gateway allows 15 minutes of difference. */
export function sdkDate(millis: number): string {
  return new Date(millis).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function canonicalPath(path: string): string {
  const encoded = path
    .split("/")
    .map((segment) => encode(decodeOnce(segment)))
    .join("/");
  return encoded.endsWith("/") ? encoded : `${encoded}/`;
}

function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return [decodeOnce(name), decodeOnce(value.join("="))] as const;
    })
    .sort(([name, value], [otherName, otherValue]) => byBytes(name, otherName) || byBytes(value, otherValue))
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join("&");
}

// encodeURIComponent leaves five characters more than the guide's unreserved set.
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

interface Token {
  readonly text: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const issued = z.object({ token: z.object({ expires_at: z.string().nullish() }) });

const hour = 3_600_000;
const documentedLifetime = 24 * hour;
/** After a failed renewal of a token that is still valid, IAM is not asked again for so long. */
const renewalPauseMs = 60_000;
/** Pause after a rejected password (IAM locks users that keep trying), and after a rejected replacement of a token. */
const rejectionPauseMs = 60_000;

/**
 * Fetches tokens from IAM with a user's password and renews them early. Lives as long as the process, and has at most
 * one token call in flight; `now` is the process's clock in milliseconds.
 */
export function createTokenSource(settings: SwrSettings, iam: IamCredentials, now: () => number) {
  // The same network and the same operator, but another host.
  const tls = settings.tls && { ...settings.tls, serverName: undefined };
  // The call that needs the token is retried as a whole, so the token's own call is not.
  const upstream = new Upstream(
    { ...settings, url: iam.url, tls, retries: 0, forward: undefined, cache: undefined },
    { authorize: () => ({}), judge: judgeIam, traceHeader: "x-request-id" },
  );
  const coalescer = new Coalescer<Token, Call>();
  let current: Token | null = null;
  let noRenewalUntil = 0;
  /** Until when a token that replaced a rejected one, and has not been accepted yet, is not replaced. */
  let noReplacementUntil = 0;
  let rejection: { readonly error: UpstreamError; readonly until: number } | null = null;

  async function fetchToken(call: Call): Promise<Token> {
    if (rejection !== null && now() < rejection.until) throw rejection.error;
    try {
      // Any value of `nocatalog` leaves the service catalogue, many kilobytes, out of the answer.
      const query = { nocatalog: "true" };
      const decode = (reply: RawReply) => toToken(reply, now());
      const { value } = await upstream.call(issueToken, { query, body: toBody(iam), decode }, call);
      rejection = null;
      current = value;
      return value;
    } catch (error) {
      if (error instanceof UpstreamError && error.failure === "DENIED") {
        rejection = { error, until: now() + rejectionPauseMs };
      }
      throw error;
    }
  }

  /** Joins the token call in flight, or starts one. */
  function freshToken(call: Call): Promise<Token> {
    return coalescer.join("token", call, (run) => fetchToken(new SharedCall(run))).result;
  }

  return {
    /** A token that is valid now; rejects with an UpstreamError. */
    token: async (call: Call): Promise<string> => {
      const known = current;
      if (known === null || now() >= known.expiresAt) return (await freshToken(call)).text;
      // Renewed an hour before it expires, or after half of a shorter life, while the old token is still valid.
      const early = Math.min(hour, (known.expiresAt - known.issuedAt) / 2);
      if (now() < Math.max(known.expiresAt - early, noRenewalUntil)) return known.text;
      const fresh = freshToken(call).catch(() => {
        noRenewalUntil = now() + renewalPauseMs;
        return known;
      });
      return (await fresh).text;
    },
    /**
     * Replaces a rejected token; true once the current one is another. False where IAM's last token was itself rejected
     * before it was ever accepted: the next one would be no better. Rejects with an UpstreamError.
     */
    renew: async (rejected: string, call: Call): Promise<boolean> => {
      // Calls that were in flight together all have the same rejected token; only the first of them replaces it.
      if (coalescer.size === 0) {
        if (current !== null && current.text !== rejected) return true;
        if (now() < noReplacementUntil) return false;
        noReplacementUntil = now() + rejectionPauseMs;
      }
      try {
        return (await freshToken(call)).text !== rejected;
      } catch (error) {
        // IAM issued none, which says nothing about the next one.
        noReplacementUntil = 0;
        throw error;
      }
    },
    /** Called when SWR has accepted a token. */
    accepted: (): void => {
      noReplacementUntil = 0;
    },
    close: upstream.close,
  };
}

// By status, except that a wrong address of IAM must not look like a missing package.
function judgeIam(reply: RawReply): Judgement | null {
  const judged = judgeByStatus(reply);
  return judged !== "FINE" && judged.failure === "NOT_FOUND" ? { failure: "REJECTED" } : null;
}

function toToken({ header, body }: RawReply, issuedAt: number): Token {
  const text = header("x-subject-token");
  if (!text) throw new MisshapenAnswer("no token in the answer's header");
  const expiry = parseInstant(readOne(issued, body).token.expires_at);
  return { text, issuedAt, expiresAt: expiry === null ? issuedAt + documentedLifetime : Date.parse(expiry) };
}

function toBody({ user: name, password, domain, project }: IamCredentials) {
  const user = { name, password, domain: { name: domain } };
  const identity = { methods: ["password"], password: { user } };
  return { auth: { identity, scope: { project: { name: project } } } };
}
