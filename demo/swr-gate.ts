import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { DemoReply, DemoRequest } from "./server.ts";
import { credentials } from "./story.ts";

/** The IAM user that the demo's identity service knows. */
export const iamUser = {
  domain: "acme-pay",
  user: "delivery-graph-reader",
  password: "demo-iam-password",
  project: "cn-north-4",
} as const;

/** Temporary keys: good only together with their security token. */
export const temporaryKeys = {
  accessKey: "DEMOTEMPORARYKEY",
  secretKey: "demo-temporary-secret",
  securityToken: "demo-security-token",
} as const;

/** The API gateway in front of the demo SWR, with its identity service. */
export interface Gate {
  /** The refusal, or null for a request that may go on. */
  readonly check: (request: DemoRequest, host: string) => DemoReply | null;
  /** `POST /v3/auth/tokens`. */
  readonly issue: (request: DemoRequest) => DemoReply;
  /** Makes every token that was issued so far worthless, as a change of password does. */
  readonly revokeTokens: () => void;
}

export interface GateOptions {
  /** The gateway's clock in milliseconds. */
  readonly now: () => number;
  readonly tokenLifetimeMs: number;
}

const clockTolerance = 15 * 60_000;
const mostFailures = 5;
const lockMs = 5 * 60_000;

export function createGate({ now, tokenLifetimeMs }: GateOptions): Gate {
  const expiries = new Map<string, number>();
  const failures = new Map<string, { count: number; lockedUntil: number }>();
  let issuedTokens = 0;
  let refusals = 0;

  function refuse(code: string, text: string): DemoReply {
    refusals += 1;
    const id = createHash("md5").update(`refusal ${refusals}`).digest("hex");
    return {
      status: code.endsWith("0308") ? 429 : 401,
      headers: { "x-request-id": id },
      body: { error_code: code, error_msg: text, request_id: id },
    };
  }

  function checkToken(token: string): DemoReply | null {
    if (token === credentials.swr.token) return null;
    const expiry = expiries.get(token);
    if (expiry !== undefined && now() < expiry) return null;
    return token.startsWith("demo-iam-token-")
      ? refuse("APIGW.0307", `The token must be updated: ${token}`)
      : refuse("APIGW.0301", "Incorrect IAM authentication information: decrypt token fail");
  }

  function checkSignature(header: string, request: DemoRequest, host: string): DemoReply | null {
    const match = /^SDK-HMAC-SHA256 Access=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(header);
    const [, accessKey = "", names = "", signature = ""] = match ?? [];
    if (!match) return refuse("APIGW.0301", "Incorrect IAM authentication information: authorization format error");
    const key = { ...{ count: 0, lockedUntil: 0 }, ...failures.get(accessKey) };
    if (now() < key.lockedUntil) {
      return refuse(
        "APIGW.0301",
        `Incorrect IAM authentication information: ${accessKey} AK access failed to reach the limit, forbidden`,
      );
    }
    const fail = (text: string) => {
      key.count += 1;
      if (key.count > mostFailures) Object.assign(key, { count: 0, lockedUntil: now() + lockMs });
      failures.set(accessKey, key);
      return refuse("APIGW.0301", `Incorrect IAM authentication information: ${text}`);
    };
    const temporary = accessKey === temporaryKeys.accessKey;
    if (!temporary && accessKey !== credentials.swr.accessKey) return fail(`ak ${accessKey} not exist`);
    if (temporary && request.header("x-security-token") !== temporaryKeys.securityToken) {
      return fail(`the security token of ${accessKey} is missing or wrong`);
    }
    const signed = names.split(";");
    if (!signed.includes("x-sdk-date") || !signed.includes("host")) return fail("mandatory headers are not signed");
    const date = request.header("x-sdk-date") ?? "";
    const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)?.slice(1).map(Number) ?? [];
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
    const skew = Math.abs(Date.UTC(year, month - 1, day, hour, minute, second) - now());
    if (skew > clockTolerance) return fail(`signature expired, x-sdk-date ${date}`);
    const canonical = [
      request.method,
      canonicalPath(request.rawPath),
      canonicalQuery(request.query),
      ...signed.map((name) => `${name}:${(name === "host" ? host : (request.header(name) ?? "")).trim()}`),
      "",
      names,
      sha256(request.body),
    ].join("\n");
    const secret = temporary ? temporaryKeys.secretKey : credentials.swr.secretKey;
    const text = `SDK-HMAC-SHA256\n${date}\n${sha256(canonical)}`;
    const expected = createHmac("sha256", secret).update(text).digest();
    // The real gateway prints what it signed, security token included: nobody may pass this text on.
    if (!timingSafeEqual(expected, Buffer.from(signature, "hex"))) {
      return fail(`verify aksk signature fail, canonical request: ${canonical.replaceAll("\n", "|")}`);
    }
    failures.delete(accessKey);
    return null;
  }

  return {
    check: (request, host) => {
      const token = request.header("x-auth-token");
      if (token !== null) return checkToken(token);
      const header = request.header("authorization");
      if (header !== null) return checkSignature(header, request, host);
      return refuse("APIGW.0301", "Incorrect IAM authentication information: x-auth-token not found");
    },
    issue: (request) => {
      if (!isKnownUser(request.body)) {
        return {
          status: 401,
          body: { error: { code: 401, message: "The username or password is wrong.", title: "Unauthorized" } },
        };
      }
      issuedTokens += 1;
      const token = `demo-iam-token-${issuedTokens}`;
      expiries.set(token, now() + tokenLifetimeMs);
      const micros = (at: number) => new Date(at).toISOString().replace("Z", "000Z");
      return {
        status: 201,
        headers: { "x-subject-token": token },
        body: {
          token: {
            expires_at: micros(now() + tokenLifetimeMs),
            issued_at: micros(now()),
            methods: ["password"],
            project: { domain: { name: iamUser.domain }, name: iamUser.project },
            user: { domain: { name: iamUser.domain }, name: iamUser.user },
          },
        },
      };
    },
    revokeTokens: () => expiries.clear(),
  };
}

function isKnownUser(body: string): boolean {
  const wanted = {
    auth: {
      identity: {
        methods: ["password"],
        password: { user: { name: iamUser.user, password: iamUser.password, domain: { name: iamUser.domain } } },
      },
      scope: { project: { name: iamUser.project } },
    },
  };
  try {
    return JSON.stringify(JSON.parse(body)) === JSON.stringify(wanted);
  } catch {
    return false;
  }
}

function canonicalPath(rawPath: string): string {
  const path = rawPath
    .split("/")
    .map((segment) => strict(decodeURIComponent(segment)))
    .join("/");
  return path.endsWith("/") ? path : `${path}/`;
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .map(([name, value]) => `${strict(name)}=${strict(value)}`)
    .sort()
    .join("&");
}

function strict(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
