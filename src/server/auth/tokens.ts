import { jwtVerify } from "jose";
import type { JwtConfig } from "../../config.ts";
import { parseScope, type Scope } from "../../model/scope.ts";
import type { Log } from "../log.ts";
import { NoSigningKeys } from "./no-signing-keys.ts";
import { createSigningKeys, type SigningKeyTimes } from "./signing-keys.ts";

/** What an accepted token says of its bearer. */
export interface Bearer {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Reads tokens of one issuer. */
export interface Tokens {
  /** Null for a token that is not accepted; rejects with NoSigningKeys when that cannot be told. */
  readonly read: (token: string) => Promise<Bearer | null>;
  readonly close: () => Promise<void>;
}

/** Clocks of two machines differ a little. */
const toleranceSeconds = 5;

/** Accepts what the configured issuer signed for us with a configured algorithm, and what has not run out. */
export function createTokens(config: JwtConfig, log: Log, times?: SigningKeyTimes): Tokens {
  const keys = createSigningKeys(config.jwksUrl, log, times);
  return {
    read: async (token) => {
      try {
        const { payload } = await jwtVerify(token, keys.find, {
          issuer: config.issuer,
          audience: config.audience,
          algorithms: [...config.algorithms],
          requiredClaims: ["exp"],
          clockTolerance: toleranceSeconds,
        });
        const subject =
          typeof payload.sub === "string" && /^[\x21-\x7e]{1,256}$/.test(payload.sub) ? payload.sub : "unnamed";
        return { name: subject, scopes: scopesIn(payload[config.scopesClaim]), claims: payload };
      } catch (error) {
        if (error instanceof NoSigningKeys) throw error;
        // Whatever else went wrong with a stranger's token, it was not verified.
        return null;
      }
    },
    close: keys.close,
  };
}

function scopesIn(claim: unknown): readonly Scope[] {
  const words: readonly unknown[] = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  return words.flatMap((word) => (typeof word === "string" ? (parseScope(word) ?? []) : []));
}
