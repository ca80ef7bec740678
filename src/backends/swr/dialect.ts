import { type Failure, UpstreamError } from "../../upstream/errors.ts";
import {
  type Call,
  type Credentials,
  type Dialect,
  type Judgement,
  judgeByStatus,
  type RawReply,
  retryAfterMs,
} from "../../upstream/operation.ts";
import { Learnt } from "../learnt.ts";
import { listNamespaces } from "./operations.ts";
import type { KeyCredentials, SwrSettings } from "./settings.ts";
import { authorization, createTokenSource, sdkDate } from "./signer.ts";

/** How the gateway identifies itself to one SWR. */
interface Authority extends Pick<Dialect, "authorize" | "renew"> {
  /** Called with every answer: a rejected access key has to rest, an accepted token may be renewed again. */
  readonly observe?: (reply: RawReply) => void;
  readonly close?: () => Promise<void>;
}

const tokenHeader = "x-auth-token";

/** The vendor's pages call this header mandatory, on reads too. */
const contentType = { "content-type": "application/json" } as const;

/** More than five rejected signatures in a row lock the key for five minutes, for all its users. */
const mostRejections = 3;
const lockMs = 5 * 60_000;

/** Authenticates as the settings say and judges answers by SWR's codes; `now` is the process's clock in ms. */
export function createDialect(
  settings: SwrSettings,
  now: () => number,
): Dialect & { readonly close?: () => Promise<void> } {
  const { observe, ...authority } = createAuthority(settings, now);
  return {
    ...authority,
    traceHeader: "x-request-id",
    check: { operation: listNamespaces },
    judge: (reply) => {
      observe?.(reply);
      return judgeReply(reply);
    },
  };
}

function createAuthority(settings: SwrSettings, now: () => number): Authority {
  const { name, credentials } = settings;
  if (settings.forward === "caller") return { authorize: ({ operation }, call) => callerToken(name, operation, call) };
  if (credentials === undefined) throw new RangeError("credentials are required unless the caller's are forwarded");
  if ("accessKey" in credentials) return createKeyAuthority(name, credentials, now);
  if ("token" in credentials) return { authorize: () => withToken(credentials.token) };
  const tokens = createTokenSource(settings, credentials.iam, now);
  return {
    authorize: async (_request, call) => withToken(await tokens.token(call)),
    renew: async (reply, sent, call) => {
      const token = sent[tokenHeader];
      return isStaleToken(reply) && token !== undefined && tokens.renew(token, call);
    },
    observe: ({ status }) => {
      if (status >= 200 && status < 300) tokens.accepted();
    },
    close: tokens.close,
  };
}

function callerToken(backend: string, operation: string, call: Call): Credentials {
  const token = call.caller.credentialFor(backend);
  if (token === null) throw new UpstreamError("DENIED", { backend, operation, reason: "the caller sent no token" });
  return withToken(token);
}

function withToken(token: string): Credentials {
  return { ...contentType, [tokenHeader]: token };
}

/** Signs every request; stops for five minutes after three rejected signatures in a row. */
function createKeyAuthority(backend: string, keys: KeyCredentials, now: () => number): Authority {
  let rejections = 0;
  let restsUntil = 0;
  return {
    authorize: ({ operation, method, origin, path, body }) => {
      if (now() < restsUntil) {
        throw new UpstreamError("DENIED", { backend, operation, reason: "the access key was refused and rests" });
      }
      const sent = {
        ...contentType,
        "x-sdk-date": sdkDate(now()),
        ...(keys.projectId === undefined ? {} : { "x-project-id": keys.projectId }),
        ...(keys.securityToken === undefined ? {} : { "x-security-token": keys.securityToken }),
      };
      const headers = { ...sent, host: new URL(origin).host };
      return {
        ...sent,
        authorization: authorization({ method, path, headers, body }, keys.accessKey, keys.secretKey),
      };
    },
    observe: ({ status, body }) => {
      // A 401 with a code of SWR itself got past the gateway: the signature was good, and a right was missing.
      const isRejected = status === 401 && !codeOf(body)?.startsWith("SVCSTG.");
      rejections = isRejected ? rejections + 1 : 0;
      if (rejections < mostRejections) return;
      restsUntil = now() + lockMs;
      rejections = 0;
    },
  };
}

// Codes of the vendor's known forms; any other text in the field of a code may be anything.
const codeForm = /^(?:SVCSTG\.SWR\.\d{3,10}|(?:SWR|APIGW|APIG|IAM)\.\d{1,8})$/;
const registryCodes = new Set(["DENIED", "UNAUTHORIZED", "NAME_UNKNOWN", "MANIFEST_UNKNOWN", "TOOMANYREQUESTS"]);

/** Codes that mean something else than their status. */
const failures: Readonly<Record<string, Failure>> = {
  // Too many requests, or busy.
  "SVCSTG.SWR.4031032": "THROTTLED",
  "SVCSTG.SWR.4031042": "THROTTLED",
  "SVCSTG.SWR.4090023": "THROTTLED",
  TOOMANYREQUESTS: "THROTTLED",
  // Not found, with status 400.
  "SVCSTG.SWR.4001090": "NOT_FOUND",
  "SVCSTG.SWR.4001158": "NOT_FOUND",
  "SVCSTG.SWR.4000306": "NOT_FOUND",
  "SWR.400003": "NOT_FOUND",
  NAME_UNKNOWN: "NOT_FOUND",
  MANIFEST_UNKNOWN: "NOT_FOUND",
  // The region has no such route: nothing was looked up, so nothing is absent.
  "APIGW.0101": "REJECTED",
  "APIG.0101": "REJECTED",
  "SVCSTG.SWR.4040083": "REJECTED",
  // No token in the context, with status 400.
  "SVCSTG.SWR.4001048": "DENIED",
};

/** An expired or revoked token. */
const staleTokenCodes = new Set(["APIGW.0307", "APIG.0307", "APIGW.0301", "APIG.0301", "SVCSTG.SWR.4010000"]);

/**
 * The vendor's code in any of its error bodies: `errors[]` with `errorCode`, `error_code` or `code`, a bare array, a
 * bare object, the API gateway's `error_code`, the newer form with several of them. Null without a code of a known
 * form: the texts beside it echo signed headers, keys and tokens, and are never read.
 */
export function codeOf(body: unknown): string | null {
  const errors = fieldOf(body, "errors");
  const entries = Array.isArray(body) ? body : [...(Array.isArray(errors) ? errors : []), body];
  for (const entry of entries) {
    for (const name of ["errorCode", "error_code", "code"]) {
      const code = fieldOf(entry, name);
      if (typeof code === "string" && (codeForm.test(code) || registryCodes.has(code))) return code;
    }
  }
  return null;
}

/** Judges an answer by its code first and its status second; null for a success. */
function judgeReply(reply: RawReply): Judgement | null {
  if (reply.status >= 200 && reply.status < 300) return null;
  const code = codeOf(reply.body);
  const failure = code === null ? undefined : failures[code];
  if (failure === "THROTTLED") return { failure, code, retryAfterMs: retryAfterMs(reply.header("retry-after")) };
  if (failure !== undefined) return { failure, code, retryable: false };
  // A SWR code starts with its own HTTP status, which may differ from the answer's.
  const status = Number(/^SVCSTG\.SWR\.([45]\d\d)/.exec(code ?? "")?.[1] ?? reply.status);
  if (status === 404 && code === null && /^text\//i.test(reply.header("content-type") ?? "")) {
    return { failure: "MALFORMED", reason: "a 404 that SWR did not write" };
  }
  // Object storage is switched off for the account: a retry does not help.
  if (status === 507) return { failure: "UNAVAILABLE", code, retryable: false };
  const judged = judgeByStatus({ ...reply, status });
  return judged === "FINE" ? null : { ...judged, code };
}

/** Whether the request was rejected for its expired token. */
function isStaleToken(reply: RawReply): boolean {
  return reply.status === 401 && staleTokenCodes.has(codeOf(reply.body) ?? "");
}

/** Whether the region does not support the order that a list was asked for in. */
function isOrderRejected(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === "SVCSTG.SWR.4001096";
}

/** Whether the namespace itself does not exist, and so nothing in it. */
export function isNamespaceMissing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.code === "SVCSTG.SWR.4041061" || error.code === "SVCSTG.SWR.4040058");
}

/** Whether the region does not publish the API. */
export function isUnpublished(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && failures[error.code ?? ""] === "REJECTED";
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The lists that are asked for in an order. */
type OrderedList = "repositories" | "tags" | "pushes";

/** Thrown where a list did not come in the order that it was asked for. */
export class UnsortedAnswer extends Error {
  override readonly name = "UnsortedAnswer";
}

/** What a region's answers have shown; lives as long as the process, and forgets after some minutes. */
export class Region {
  /** Configured name of the backend. */
  readonly backend: string;
  /** The code of the API gateway's answer that it publishes no software package API. */
  readonly lacksPackages: Learnt<string>;
  readonly #imageApi: SwrSettings["imageApi"];
  readonly #lacksV3: Learnt<true>;
  readonly #unordered: Readonly<Record<OrderedList, Learnt<true>>>;
  /** Namespaces with rows; null where each caller has other rights. */
  readonly #nonEmpty: Learnt<Set<string>> | null;

  /** `now` is the process's clock in milliseconds. */
  constructor({ name, imageApi, forward }: Pick<SwrSettings, "name" | "imageApi" | "forward">, now: () => number) {
    this.backend = name;
    this.lacksPackages = new Learnt(now);
    this.#imageApi = imageApi;
    this.#lacksV3 = new Learnt(now);
    this.#unordered = { repositories: new Learnt(now), tags: new Learnt(now), pushes: new Learnt(now) };
    this.#nonEmpty = forward === "caller" ? null : new Learnt(now);
  }

  /** Reads tags by v3 where the settings want it and the region has it, else by v2. */
  async tags<T>(read: (isV3: boolean) => Promise<T>): Promise<T> {
    if (this.#imageApi === "v2" || this.#lacksV3.get()) return read(false);
    try {
      return await read(true);
    } catch (error) {
      if (this.#imageApi !== "auto" || !isUnpublished(error)) throw error;
      this.#lacksV3.set(true);
      return read(false);
    }
  }

  /**
   * Reads a list in an order, and without one where the region rejects the order (400 `SVCSTG.SWR.4001096`: outside of
   * China the reference allows `updated_at` only) or was seen to ignore it.
   */
  async ordered<T>(list: OrderedList, read: (inOrder: boolean) => Promise<T>): Promise<T> {
    const ignored = this.#unordered[list];
    if (ignored.get()) return read(false);
    try {
      return await read(true);
    } catch (error) {
      if (!(error instanceof UnsortedAnswer) && !isOrderRejected(error)) throw error;
      ignored.set(true);
      return read(false);
    }
  }

  /** Whether a list of this namespace had rows of late that these credentials may see. */
  isNonEmpty(namespace: string): boolean {
    return this.#nonEmpty?.get()?.has(namespace) ?? false;
  }

  /** Remembers that a list of this namespace had rows. */
  setNonEmpty(namespace: string): void {
    const known = this.#nonEmpty?.get();
    if (known) known.add(namespace);
    else this.#nonEmpty?.set(new Set([namespace]));
  }
}
