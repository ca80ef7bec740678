import type { IncomingHttpHeaders } from "node:http";
import type { Config, JwtConfig } from "../../config/index.ts";
import type { CallerFacts } from "../../graph/context.ts";
import { allowedTo, type Scope, type Subject } from "../../model/access.ts";
import type { EnvironmentProxies } from "../../upstream/proxies.ts";
import type { Log } from "../observability/log.ts";
import { createKeyring } from "./keyring.ts";
import type { SigningKeyTimes } from "./signing-keys.ts";
import type { TokenRule, Tokens } from "./tokens.ts";

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
  /** What was broken, for the log alone. */
  readonly rule: Rule;
}

/** The rules for credentials that one may break. */
export type Rule =
  /** There is no `Authorization` header. */
  | "missing"
  /** The header has another form than `Bearer <credential>`. */
  | "form"
  /** The credential is longer than `auth.tokenBytes`. */
  | "size"
  /** No configured key is this one. */
  | "key"
  | TokenRule;

const realm = 'Bearer realm="delivery-graph"';
const invalid = `${realm}, error="invalid_token"`;

// Callers get one answer for everything that can be wrong with a credential: what exactly it was helps those who guess. How
// long one may be is no secret, and a refused length is hard to tell from a refused token.
const refusals = {
  missing: { status: 401, challenge: realm, message: "Say who you are: Authorization: Bearer …" },
  bad: { status: 401, challenge: invalid, message: "This credential is not accepted." },
  cannotSay: {
    status: 503,
    challenge: null,
    message: "Nobody can be let in: the token issuer does not publish its keys at the moment.",
  },
} as const;

/** The gate as configured. `times` is for tests of key rotation. */
export function createGate(
  { auth, access, proxies }: Pick<Config, "auth" | "access"> & Partial<Pick<Config, "proxies">>,
  log: Log,
  times?: SigningKeyTimes,
): Gate {
  const keyring = createKeyring(auth.keys);
  const tokens = auth.jwt === null ? null : openTokens(auth.jwt, log, times, proxies);
  const letIn = (name: string, scopes: readonly Scope[], subject: Subject): Admission => ({
    caller: { name, scopes: new Set(scopes), access: allowedTo(subject, access) },
  });
  const anonymous = letIn("anonymous", auth.anonymousScopes, { key: null, claims: {} });

  const refuse = (why: keyof typeof refusals, rule: Rule): Admission => ({ refusal: { ...refusals[why], rule } });
  const tooLong: Admission = {
    refusal: {
      ...refusals.bad,
      message: `This credential is longer than the ${auth.tokenBytes} characters that auth.tokenBytes allows.`,
      rule: "size",
    },
  };

  return {
    admit: async ({ authorization }) => {
      if (auth.mode === "none") return anonymous;
      if (authorization === undefined) return refuse("missing", "missing");
      const shown = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
      if (shown === undefined) return refuse("bad", "form");
      if (shown.length > auth.tokenBytes) return tooLong;
      if (auth.mode === "keys") {
        const key = keyring.find(shown);
        return key ? letIn(key.name, key.scopes, { key: key.name, claims: {} }) : refuse("bad", "key");
      }
      const read = await (await tokens)?.read(shown);
      if (read === undefined) return refuse("bad", "key");
      if ("bearer" in read) {
        const { name, scopes, claims } = read.bearer;
        return letIn(name, scopes, { key: null, claims });
      }
      return refuse(read.broken === "signing keys" ? "cannotSay" : "bad", read.broken);
    },
    close: async () => {
      await (await tokens)?.close();
    },
  };
}

/** What verifies tokens is loaded at the start where tokens are configured, and never where they are not. */
async function openTokens(config: JwtConfig, ...how: [Log, SigningKeyTimes?, EnvironmentProxies?]): Promise<Tokens> {
  const { createTokens } = await import("./tokens.ts");
  return createTokens(config, ...how);
}
