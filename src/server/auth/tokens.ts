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
import { parseScope, type Scope, type Subject } from "../../model/access.ts";
import { neverCancelled } from "../../upstream/cancel.ts";
import { Upstream } from "../../upstream/client.ts";
import type { EnvironmentProxies } from "../../upstream/connections.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Operation, RawReply } from "../../upstream/operation.ts";
import type { Log } from "../observability/log.ts";

/** The rules for tokens. */
export type TokenRule =
  | "token form"
  | "algorithm"
  /** The issuer publishes no key that fits its header. */
  | "signing key"
  /** No key that fits its header has signed it. */
  | "signature"
  | "issuer"
  | "audience"
  | "expiry"
  | "not before"
  | "claims"
  /** Not verified: the issuer's keys could not be read. */
  | "signing keys";

type TokenReading =
  | {
      readonly bearer: { readonly name: string; readonly scopes: readonly Scope[]; readonly claims: Subject["claims"] };
    }
  | { readonly rule: TokenRule };

const toleranceSeconds = 5;

/** Accepts unexpired tokens that the configured issuer signed for this audience with a configured algorithm. */
export function createTokens(config: JwtConfig, log: Log, times?: SigningKeyTimes, proxies?: EnvironmentProxies) {
  const keys = new SigningKeys(config.jwksUrl, log, times, proxies);
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
    const before = keys.generation;
    try {
      return await verify(token);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      if (decodeProtectedHeader(token).kid !== undefined) throw error;
      await keys.refresh();
      if (keys.generation === before) throw error;
      return verify(token);
    }
  }

  return {
    read: async (token: string): Promise<TokenReading> => {
      try {
        const payload = await verifyWithFreshKeys(token);
        const subject =
          typeof payload.sub === "string" && /^[\x21-\x7e]{1,256}$/.test(payload.sub) ? payload.sub : "unnamed";
        return { bearer: { name: subject, scopes: scopesIn(payload[config.scopesClaim]), claims: payload } };
      } catch (error) {
        return { rule: ruleOf(error) };
      }
    },
    close: () => keys.close(),
  };
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

class NoSigningKeys extends Error {
  override readonly name = "NoSigningKeys";
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

/** The issuer's public keys. Cached ones remain in use while the address does not answer. */
class SigningKeys {
  generation = 0;
  readonly #operation: Operation;
  readonly #upstream: Upstream;
  readonly #log: Log;
  readonly #times: SigningKeyTimes;
  #keys: ReturnType<typeof createLocalJWKSet> | null = null;
  #readAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(address: string, log: Log, times: SigningKeyTimes = usualTimes, proxies?: EnvironmentProxies) {
    const { origin, pathname, search } = new URL(address);
    this.#log = log;
    this.#times = times;
    this.#operation = {
      name: "auth.readSigningKeys",
      method: "GET",
      path: pathname + search,
      answers: "the public keys of the configured issuer",
      versions: "RFC 7517",
      proves: [],
    };
    this.#upstream = new Upstream(
      {
        name: "auth",
        url: origin,
        timeoutMs,
        concurrency: 1,
        retries: 0,
        breaker: { failures: 1000, coolDownMs: 1 },
        maxResponseBytes: 1_048_576,
        proxy: proxies,
      },
      { authorize: () => ({}), judge: () => null, traceHeader: null },
    );
  }

  /** Finds the key of a token; rejects with JWKSNoMatchingKey, or with {@link NoSigningKeys}. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys === null) await this.refresh();
    else if (performance.now() - this.#readAt > this.#times.maxAgeMs) void this.refresh();
    if (this.#keys === null) throw new NoSigningKeys();
    const before = this.generation;
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.refresh();
      if (this.generation === before) throw error;
      return this.#keys(header, token);
    }
  };

  /** Reads the keys again unless that was tried in the cool-down time. */
  async refresh(): Promise<void> {
    if (this.#reading === null && performance.now() - this.#triedAt < this.#times.coolDownMs) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }

  async #read(): Promise<void> {
    this.#triedAt = performance.now();
    const call = {
      cancelToken: neverCancelled,
      remainingMs: () => timeoutMs,
      requestId: "auth",
      budget: { take: () => true },
      caller: { key: "auth", credentialFor: () => null },
    };
    const request = { decode: ({ body }: RawReply) => publicKeysIn(body) };
    try {
      const { value } = await this.#upstream.call(this.#operation, request, call);
      this.#keys = createLocalJWKSet({ keys: value });
      this.#readAt = performance.now();
      this.generation += 1;
    } catch (error) {
      const reason = error instanceof UpstreamError ? error.failure : "MALFORMED";
      const detail = error instanceof UpstreamError && error.reason !== null ? { detail: error.reason } : {};
      const facts = { reason, ...detail, keysAtHand: this.#keys !== null };
      this.#log.warn(facts, "the token issuer's signing keys could not be read");
    }
  }
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
