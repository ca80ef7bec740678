import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Config, KeyConfig } from "../../config/index.ts";
import type { CallerFacts } from "../../graph/context.ts";
import { allowedTo, type Scope, type Subject } from "../../model/access.ts";
import { type Refusal, refuse, retryAfterSeconds } from "../http/response.ts";
import type { Log } from "../observability/log.ts";
import type { SigningKeyTimes, TokenRule } from "./tokens.ts";

/** Authenticates callers. */
export type Gate = ReturnType<typeof createGate>;

/** A caller, or a refusal with the broken rule, which is for the log alone. */
export type Admission = { readonly caller: CallerFacts } | { readonly refusal: Refusal; readonly rule: CredentialRule };

/** The rules for credentials. */
export type CredentialRule = "missing" | "form" | "size" | "key" | TokenRule;

const realm = 'Bearer realm="delivery-graph"';

/** The gate as configured. `times` is for tests of key rotation. */
export function createGate(
  { auth, access, proxies }: Pick<Config, "auth" | "access"> & Partial<Pick<Config, "proxies">>,
  log: Log,
  times?: SigningKeyTimes,
) {
  const findKey = createKeyring(auth.keys);
  // The library that verifies tokens is loaded at the start where tokens are configured, and never where they are not.
  const { jwt } = auth;
  const tokens = jwt === null ? null : import("./tokens.ts").then((one) => one.createTokens(jwt, log, times, proxies));
  const admitAs = (name: string, scopes: readonly Scope[], subject: Subject): Admission => ({
    caller: { name, scopes: new Set(scopes), access: allowedTo(subject, access) },
  });
  const anonymous = admitAs("anonymous", auth.anonymousScopes, { key: null, claims: {} });

  async function admitToken(token: string): Promise<Admission> {
    const reading = await (await tokens)?.read(token);
    if (reading === undefined) return invalid("key");
    if ("bearer" in reading) {
      const { name, scopes, claims } = reading.bearer;
      return admitAs(name, scopes, { key: null, claims });
    }
    return reading.rule === "signing keys" ? unavailable() : invalid(reading.rule);
  }

  return {
    admit: async ({ authorization }: IncomingHttpHeaders): Promise<Admission> => {
      if (auth.mode === "none") return anonymous;
      if (authorization === undefined) {
        return { refusal: unauthenticated(realm, "Say who you are: Authorization: Bearer …"), rule: "missing" };
      }
      const credential = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
      if (credential === undefined) return invalid("form");
      if (credential.length > auth.tokenBytes) {
        const limit = `${auth.tokenBytes} characters that auth.tokenBytes allows`;
        return invalid("size", `This credential is longer than the ${limit}.`);
      }
      if (auth.mode !== "keys") return admitToken(credential);
      const key = findKey(credential);
      return key ? admitAs(key.name, key.scopes, { key: key.name, claims: {} }) : invalid("key");
    },
    close: async () => {
      await (await tokens)?.close();
    },
  };
}

/**
 * Finds the key that a caller sends; null for an unknown one. Keys are compared as hashes, each in constant time and
 * always all of them: the time of a refusal shows neither how much of a key was right nor its place in the list.
 */
function createKeyring(keys: readonly KeyConfig[]): (credential: string) => KeyConfig | null {
  const hashed = keys.map((key) => ({ key, hash: Buffer.from(key.sha256, "hex") }));
  return (credential) => {
    const hash = createHash("sha256").update(credential).digest();
    return hashed.reduce<KeyConfig | null>((found, one) => (timingSafeEqual(one.hash, hash) ? one.key : found), null);
  };
}

/** One answer for everything that can be wrong with a credential: the exact rule helps those who guess. */
function invalid(rule: CredentialRule, message = "This credential is not accepted."): Admission {
  return { refusal: unauthenticated(`${realm}, error="invalid_token"`, message), rule };
}

function unavailable(): Admission {
  const refusal = refuse("No caller can be let in: the token issuer does not publish its keys at the moment.", {
    status: 503,
    code: "UNAUTHENTICATED",
    retryable: true,
    headers: { "retry-after": String(retryAfterSeconds) },
  });
  return { refusal, rule: "signing keys" };
}

function unauthenticated(challenge: string, message: string): Refusal {
  return refuse(message, { status: 401, code: "UNAUTHENTICATED", headers: { "www-authenticate": challenge } });
}
