import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { JwtConfig } from "../../config/index.ts";
import { parseScope, type Scope } from "../../model/access.ts";
import type { EnvironmentProxies } from "../../upstream/proxies.ts";
import type { Log } from "../observability/log.ts";
import { NoSigningKeys } from "./no-signing-keys.ts";
import { createSigningKeys, type SigningKeyTimes } from "./signing-keys.ts";

/** What an accepted token says of its bearer. */
export interface Bearer {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The rules for tokens that one may break. */
export type TokenRule =
  /** It is no JWT that is signed and not encrypted. */
  | "token form"
  /** Its algorithm is not among `auth.jwt.algorithms`. */
  | "algorithm"
  /** The issuer publishes no key that it could have been signed with. */
  | "signing key"
  /** None of the keys that it could have been signed with has signed it. */
  | "signature"
  | "issuer"
  | "audience"
  /** `exp` has passed or is missing. */
  | "expiry"
  /** `nbf` has not come. */
  | "not before"
  /** Another claim has the wrong type. */
  | "claims"
  /** That cannot be told: the issuer's keys could not be read. */
  | "signing keys";

/** What a token says of its bearer, or the first rule that it breaks. */
export type TokenReading = { readonly bearer: Bearer } | { readonly broken: TokenRule };

/** Reads tokens of one issuer. */
export interface Tokens {
  readonly read: (token: string) => Promise<TokenReading>;
  readonly close: () => Promise<void>;
}

/** Clocks of two machines differ a little. */
const toleranceSeconds = 5;

/** Accepts what the configured issuer signed for us with a configured algorithm, and what has not run out. */
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

  /** Looks once whether the issuer has changed its keys, where the token does not say that its key is a new one. */
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
        return { broken: ruleOf(error) };
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
  // Whatever else went wrong, such as a key that is too weak for its algorithm, the token was not verified.
  return error instanceof errors.JOSENotSupported ? "algorithm" : "signing key";
}

function scopesIn(claim: unknown): readonly Scope[] {
  const words: readonly unknown[] = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  return words.flatMap((word) => (typeof word === "string" ? (parseScope(word) ?? []) : []));
}
