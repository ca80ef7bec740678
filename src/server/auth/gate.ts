import type { IncomingHttpHeaders } from "node:http";
import type { Config, JwtConfig } from "../../config.ts";
import type { CallerFacts } from "../../graph/caller.ts";
import { allowedTo, type Subject } from "../../model/access.ts";
import type { Scope } from "../../model/scope.ts";
import type { Log } from "../log.ts";
import { createKeyring } from "./keyring.ts";
import { NoSigningKeys } from "./no-signing-keys.ts";
import type { SigningKeyTimes } from "./signing-keys.ts";
import type { Tokens } from "./tokens.ts";

/** Tells who asks, or why nobody is let in. */
export interface Gate {
  readonly admit: (headers: IncomingHttpHeaders) => Promise<Admission>;
  readonly close: () => Promise<void>;
}

/** A caller, or a refusal to be answered as it is. */
export type Admission = { readonly caller: CallerFacts } | { readonly refusal: Refusal };

/** Why a caller is not let in. */
export interface Refusal {
  readonly status: 401 | 503;
  /** Value for WWW-Authenticate; null with 503. */
  readonly challenge: string | null;
  readonly message: string;
}

const realm = 'Bearer realm="delivery-graph"';
const missing: Refusal = {
  status: 401,
  challenge: realm,
  message: "Say who you are: Authorization: Bearer …",
};
// One answer for everything that can be wrong with a credential: what exactly it was helps only those who guess.
const bad: Refusal = {
  status: 401,
  challenge: `${realm}, error="invalid_token"`,
  message: "This credential is not accepted.",
};
const cannotSay: Refusal = {
  status: 503,
  challenge: null,
  message: "Nobody can be let in: the token issuer does not publish its keys at the moment.",
};

/** The gate as configured. `times` is for tests of key rotation. */
export function createGate({ auth, access }: Pick<Config, "auth" | "access">, log: Log, times?: SigningKeyTimes): Gate {
  const keyring = createKeyring(auth.keys);
  const tokens = auth.jwt === null ? null : openTokens(auth.jwt, log, times);
  const letIn = (name: string, scopes: readonly Scope[], subject: Subject): Admission => ({
    caller: { name, scopes: new Set(scopes), access: allowedTo(subject, access) },
  });
  const anonymous = letIn("anonymous", auth.anonymousScopes, { key: null, claims: {} });

  return {
    admit: async ({ authorization }) => {
      if (auth.mode === "none") return anonymous;
      if (authorization === undefined) return { refusal: missing };
      const shown = /^Bearer +([\x21-\x7e]{1,8192})$/i.exec(authorization)?.[1];
      if (shown === undefined) return { refusal: bad };
      if (auth.mode === "keys") {
        const key = keyring.find(shown);
        return key ? letIn(key.name, key.scopes, { key: key.name, claims: {} }) : { refusal: bad };
      }
      try {
        const bearer = (await (await tokens)?.read(shown)) ?? null;
        return bearer ? letIn(bearer.name, bearer.scopes, { key: null, claims: bearer.claims }) : { refusal: bad };
      } catch (error) {
        if (error instanceof NoSigningKeys) return { refusal: cannotSay };
        throw error;
      }
    },
    close: async () => {
      await (await tokens)?.close();
    },
  };
}

/** What verifies tokens is loaded at the start where tokens are configured, and never where they are not. */
async function openTokens(config: JwtConfig, log: Log, times: SigningKeyTimes | undefined): Promise<Tokens> {
  const { createTokens } = await import("./tokens.ts");
  return createTokens(config, log, times);
}
