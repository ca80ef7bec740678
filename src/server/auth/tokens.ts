import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { JwtConfig } from "../../config/index.ts";
import { parseScope, type Scope } from "../../model/access.ts";
import type { EnvironmentProxies } from "../../upstream/connections.ts";
import type { Log } from "../observability/log.ts";
import { createSigningKeys, NoSigningKeys, type SigningKeyTimes } from "./signing-keys.ts";

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
