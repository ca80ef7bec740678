import { z } from "zod";
import { backendTypes } from "../backends/index.ts";
import { type AccessRule, type Scope, scopes } from "../model/access.ts";
import type { AccessTraits } from "../model/backend.ts";

/** Signature algorithms a token may use: only ones whose verifying key can be public. */
export const tokenAlgorithms = ["RS256", "PS256", "ES256", "EdDSA"] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

const scopeList = z.array(z.enum(scopes));

const key = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "must be 1 to 64 letters, digits, dots, - or _")
    .meta({ description: "Name of the key, for the log and for access rules." }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, "must be the SHA-256 of the key: 64 hex digits")
    .transform((hex) => hex.toLowerCase())
    .meta({ description: "SHA-256 of the key in hex; the key itself belongs to its holder alone." }),
  scopes: scopeList.default(["read"]).meta({ description: "What the key may do." }),
});

const keysUrl = z
  .url({ protocol: /^https?$/, hostname: /.+/ })
  .refine(
    (text) => !URL.canParse(text) || isFit(new URL(text)),
    "must be https (http on loopback only) and hold no user-info or fragment",
  );

const jwt = z.strictObject({
  issuer: z.string().min(1).meta({ description: "The token's iss, exactly." }),
  audience: z.string().min(1).meta({ description: "What the token's aud must be or hold." }),
  jwksUrl: keysUrl.meta({ description: "Where the issuer publishes its signing keys." }),
  scopesClaim: z
    .string()
    .min(1)
    .default("scope")
    .meta({ description: "Claim with the scopes: a text with spaces between them, or a list." }),
  algorithms: z
    .array(z.enum(tokenAlgorithms))
    .min(1)
    .default(["RS256"])
    .meta({ description: "Signature algorithms to accept; name those that the issuer uses and no others." }),
});

/** The `auth:` section of gateway.yaml. */
export const authSettings = z
  .strictObject({
    mode: z.enum(["none", "keys", "jwt"]).default("none").meta({ description: "How callers prove who they are." }),
    allowAnonymous: z
      .boolean()
      .default(false)
      .meta({ description: "With mode none: also serve callers from outside this machine." }),
    anonymousScopes: scopeList.optional().meta({
      description:
        "With mode none: what everybody may do; default read and explain, and on loopback release:manifests. " +
        "package:delete is never a default.",
    }),
    tokenBytes: z.int().min(256).max(131_072).default(16_384).meta({
      description: "Longest key or token that is looked at; longer ones are refused.",
    }),
    keys: z.array(key).optional().meta({ description: "With mode keys: who may come in." }),
    jwt: jwt.optional().meta({ description: "With mode jwt: whose tokens are accepted." }),
  })
  .superRefine((auth, context) => {
    const say = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    if (auth.mode === "keys" && !auth.keys?.length) say(["keys"], "is missing: mode keys needs at least one");
    if (auth.mode === "jwt" && !auth.jwt) say(["jwt"], "is missing: mode jwt needs issuer, audience and jwksUrl");
    // A door that looks locked and is not would be worse than an open one.
    if (auth.mode !== "keys" && auth.keys?.length) say(["keys"], "is only looked at with mode: keys");
    if (auth.mode !== "jwt" && auth.jwt) say(["jwt"], "is only looked at with mode: jwt");
    if (auth.mode !== "none" && auth.anonymousScopes) say(["anonymousScopes"], "is only looked at with mode: none");
    if (auth.mode !== "none" && auth.allowAnonymous) say(["allowAnonymous"], "is only looked at with mode: none");
    auth.keys?.forEach(({ name, sha256 }, index, all) => {
      const first = all.findIndex((other) => other.name === name);
      if (first < index) say(["keys", index, "name"], `is also the name of auth.keys[${first}]`);
      const same = all.findIndex((other) => other.sha256 === sha256);
      if (same < index) say(["keys", index, "sha256"], `is the same key as auth.keys[${same}]`);
    });
  });

/** Who may come in, as it was configured. */
export interface AuthConfig {
  readonly mode: "none" | "keys" | "jwt";
  readonly allowAnonymous: boolean;
  /** What everybody may do with mode none; empty otherwise. */
  readonly anonymousScopes: readonly Scope[];
  /** Most characters of a key or token. */
  readonly tokenBytes: number;
  readonly keys: readonly KeyConfig[];
  /** Null unless the mode is jwt. */
  readonly jwt: JwtConfig | null;
}

/** A key that opens the door, known by its hash alone. */
export interface KeyConfig {
  readonly name: string;
  /** 64 hex digits, lower case. */
  readonly sha256: string;
  readonly scopes: readonly Scope[];
}

/** Whose tokens open the door. */
export interface JwtConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly scopesClaim: string;
  readonly algorithms: readonly TokenAlgorithm[];
}

/** The section with its defaults. `onLoopback` says whether only this machine can ask. */
export function toAuthConfig(auth: z.output<typeof authSettings>, onLoopback: boolean): AuthConfig {
  const usual: readonly Scope[] = onLoopback ? ["read", "explain", "release:manifests"] : ["read", "explain"];
  return {
    mode: auth.mode,
    allowAnonymous: auth.allowAnonymous,
    anonymousScopes: auth.mode === "none" ? (auth.anonymousScopes ?? usual) : [],
    tokenBytes: auth.tokenBytes,
    keys: auth.keys ?? [],
    jwt: auth.jwt ?? null,
  };
}

function isFit(url: URL): boolean {
  const local = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(url.hostname);
  return url.username === "" && url.password === "" && url.hash === "" && (url.protocol === "https:" || local);
}

const glob = z.string().regex(/^[^\s/](?:[^\s]*[^\s/])?$/, "must be a name or path in which * and ** may stand");
const globs = z.array(glob).default([]);
const texts = z.array(z.string().min(1)).min(1);

const who = z.union(
  [
    z.literal("anyone"),
    z.strictObject({ keys: texts.meta({ description: "Names of keys under auth.keys." }) }),
    z.strictObject({
      claim: z.string().min(1).meta({ description: "Name of a claim of the token." }),
      values: texts.meta({ description: "What the claim must be, or hold." }),
    }),
  ],
  { error: "must be anyone, { keys } or { claim, values }" },
);

const allow = z.strictObject({
  backends: z.array(glob).optional().meta({ description: "Configured names the rule is about; default all." }),
  projects: globs.meta({ description: placesIn("projects") }),
  repositories: globs.meta({ description: placesIn("repositories") }),
  namespaces: globs.meta({ description: placesIn("namespaces") }),
  groups: globs.meta({ description: sentence(backendTypes.flatMap(({ access }) => access.groups ?? [])) }),
});

function placesIn(list: AccessTraits["list"]): string {
  return sentence(backendTypes.flatMap(({ access }) => (access.list === list ? access.places : [])));
}

function sentence(parts: readonly string[]): string {
  return `${parts.join(", ")}.`;
}

/** The `access:` section of gateway.yaml. */
export const accessSettings = z
  .array(
    z.strictObject({
      who: who.meta({ description: "Whom the rule is about." }),
      allow: allow.meta({ description: "What they may see; what no list names stays hidden." }),
    }),
  )
  .default([]);

/** The rules as the gateway goes by them. */
export function toAccessRules(rules: z.output<typeof accessSettings>): readonly AccessRule[] {
  return rules.map(({ who, allow: { backends, ...lists } }) => ({
    who,
    allow: { backends: backends ?? null, ...lists },
  }));
}
