import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import type { JwtConfig } from "../../config/index.ts";
import { parseScope, type Scope } from "../../model/access.ts";
import { cancelTokenOf, neverCancelled } from "../../upstream/cancel.ts";
import { createUpstream, type RawReply } from "../../upstream/client.ts";
import { Coalescer, type Waiter } from "../../upstream/coalesce.ts";
import type { EnvironmentProxies } from "../../upstream/connections.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import type { Log } from "../observability/log.ts";

/** The bearer of an accepted token. */
export interface Bearer {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The rules for tokens. */
export type TokenRule =
  /** It is no signed, unencrypted JWT. */
  | "token form"
  /** Its algorithm is not among `auth.jwt.algorithms`. */
  | "algorithm"
  /** The issuer publishes no key that fits its header. */
  | "signing key"
  /** No key that fits its header has signed it. */
  | "signature"
  | "issuer"
  | "audience"
  /** `exp` has passed or is missing. */
  | "expiry"
  /** `nbf` is in the future. */
  | "not before"
  /** Another claim has the wrong type. */
  | "claims"
  /** Not verified: the issuer's keys could not be read. */
  | "signing keys";

/** The bearer of a token, or the first rule that it breaks. */
export type TokenReading = { readonly bearer: Bearer } | { readonly rule: TokenRule };

/** Reads tokens of one issuer. */
export interface Tokens {
  readonly read: (token: string) => Promise<TokenReading>;
  readonly close: () => Promise<void>;
}

/** Clocks of two machines differ a little. */
const toleranceSeconds = 5;

/** Accepts unexpired tokens that the configured issuer signed for this audience with a configured algorithm. */
export function createTokens(
  config: JwtConfig,
  log: Log,
  times?: SigningKeyTimes,
  proxies?: EnvironmentProxies,
): Tokens {
  const keys = createSigningKeys(config.jwksUrl, log, times, proxies);
  const options: JWTVerifyOptions = {
    issuer: config.issuer,
    audience: config.audience,
    algorithms: [...config.algorithms],
    requiredClaims: ["exp"],
    clockTolerance: toleranceSeconds,
  };

  /** A token that names no key is tried with each that fits. Rejects as `jwtVerify` does. */
  async function verify(token: string): Promise<JWTPayload> {
    try {
      return (await jwtVerify(token, keys.find, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        try {
          return (await jwtVerify(token, key, options)).payload;
        } catch (refused) {
          // This key has signed it, and it breaks another rule.
          if (refused instanceof errors.JWTExpired || refused instanceof errors.JWTClaimValidationFailed) throw refused;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  }

  /** A token without a key id does not show that its key is new: the keys are read again once. */
  async function verifyWithFreshKeys(token: string): Promise<JWTPayload> {
    const before = keys.generation();
    try {
      return await verify(token);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed) || namesKey(token)) throw error;
      await keys.refresh();
      if (keys.generation() === before) throw error;
      return verify(token);
    }
  }

  return {
    read: async (token) => {
      try {
        const payload = await verifyWithFreshKeys(token);
        const subject =
          typeof payload.sub === "string" && /^[\x21-\x7e]{1,256}$/.test(payload.sub) ? payload.sub : "unnamed";
        return { bearer: { name: subject, scopes: scopesIn(payload[config.scopesClaim]), claims: payload } };
      } catch (error) {
        return { rule: ruleOf(error) };
      }
    },
    close: keys.close,
  };
}

function namesKey(token: string): boolean {
  return decodeProtectedHeader(token).kid !== undefined;
}

const claimRules: Readonly<Record<string, TokenRule>> = {
  iss: "issuer",
  aud: "audience",
  exp: "expiry",
  nbf: "not before",
};

function ruleOf(error: unknown): TokenRule {
  if (error instanceof NoSigningKeys) return "signing keys";
  if (error instanceof errors.JWTExpired) return "expiry";
  if (error instanceof errors.JWTClaimValidationFailed) return claimRules[error.claim] ?? "claims";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm";
  if (error instanceof errors.JWKSNoMatchingKey) return "signing key";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return "token form";
  // Everything else, such as a key that is too weak for its algorithm, leaves the token unverified.
  return error instanceof errors.JOSENotSupported ? "algorithm" : "signing key";
}

function scopesIn(claim: unknown): readonly Scope[] {
  const words: readonly unknown[] = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  return words.flatMap((word) => (typeof word === "string" ? (parseScope(word) ?? []) : []));
}

/** The issuer's keys could not be read, and there are no earlier ones. */
class NoSigningKeys extends Error {
  override readonly name = "NoSigningKeys";
}

/** The issuer's public keys, read when they are first needed and cached. */
interface SigningKeys {
  /** Finds the key of a token; rejects with JWKSNoMatchingKey, or with {@link NoSigningKeys}. */
  readonly find: JWTVerifyGetKey;
  /** Number of successful reads. */
  readonly generation: () => number;
  /** Reads the keys again unless that was tried in the cool-down time. */
  readonly refresh: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** How often the keys are read. */
export interface SigningKeyTimes {
  /** Older keys are read again, while they remain in use. */
  readonly maxAgeMs: number;
  /** Minimum time between two attempts: tokens with made-up key ids must not become requests. */
  readonly coolDownMs: number;
}

const usualTimes: SigningKeyTimes = { maxAgeMs: 600_000, coolDownMs: 30_000 };
const timeoutMs = 5000;
const maxKeys = 100;

/** Types of asymmetric keys; a shared secret in a published set would let everybody sign. */
const keyTypes = new Set<unknown>(["RSA", "EC", "OKP"]);

/**
 * Connects to a JWKS address; sends nothing yet. An unknown key id causes a new read (the issuer may have changed its
 * keys), at most once in the cool-down time. While the address does not answer, the cached keys remain in use.
 */
function createSigningKeys(
  address: string,
  log: Log,
  times: SigningKeyTimes = usualTimes,
  proxies?: EnvironmentProxies,
): SigningKeys {
  const url = new URL(address);
  const operation: Operation = {
    name: "auth.readSigningKeys",
    method: "GET",
    path: url.pathname + url.search,
    answers: "the public keys of the configured issuer",
    versions: "RFC 7517",
    proves: [],
  };
  const upstream = createUpstream(
    {
      name: "auth",
      url: url.origin,
      timeoutMs,
      concurrency: 1,
      retries: 0,
      breaker: { failures: 1000, coolDownMs: 1 },
      maxResponseBytes: 1_048_576,
      proxy: proxies,
    },
    { authorize: () => Promise.resolve({}), judge: () => null, traceHeader: null },
  );
  let keys: ReturnType<typeof createLocalJWKSet> | null = null;
  let generation = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  const reads = new Coalescer<void, Waiter>();

  async function read(): Promise<void> {
    triedAt = performance.now();
    const call = {
      cancelToken: cancelTokenOf(AbortSignal.timeout(timeoutMs)),
      remainingMs: () => timeoutMs,
      requestId: "auth",
      budget: { take: () => true },
      caller: { key: "auth", credentialFor: () => null },
    };
    try {
      const { value } = await upstream.call(operation, { decode: ({ body }: RawReply) => publicKeysIn(body) }, call);
      keys = createLocalJWKSet({ keys: value });
      readAt = performance.now();
      generation += 1;
    } catch (error) {
      const reason = error instanceof UpstreamError ? error.failure : "MALFORMED";
      const detail = error instanceof UpstreamError && error.reason !== null ? { detail: error.reason } : {};
      log.warn({ reason, ...detail, keysAtHand: keys !== null }, "the token issuer's signing keys could not be read");
    }
  }

  async function refresh(): Promise<void> {
    if (reads.size === 0 && performance.now() - triedAt < times.coolDownMs) return;
    await reads.join("keys", { cancelToken: neverCancelled }, read).result;
  }

  return {
    find: async (header, token) => {
      if (keys === null) await refresh();
      else if (performance.now() - readAt > times.maxAgeMs) void refresh();
      if (keys === null) throw new NoSigningKeys();
      const before = generation;
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await refresh();
        if (generation === before) throw error;
        return keys(header, token);
      }
    },
    generation: () => generation,
    refresh,
    close: upstream.close,
  };
}

type PublicKey = Parameters<typeof createLocalJWKSet>[0]["keys"][number];

function publicKeysIn(body: unknown): PublicKey[] {
  const listed = typeof body === "object" && body !== null && "keys" in body ? body.keys : null;
  if (!Array.isArray(listed) || listed.length > maxKeys) throw new TypeError("no key set");
  return listed.filter(isPublicKey);
}

function isPublicKey(key: unknown): key is PublicKey {
  return typeof key === "object" && key !== null && "kty" in key && keyTypes.has(key.kty);
}
