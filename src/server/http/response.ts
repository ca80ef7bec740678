import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate as nextTick } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";
import { GraphQLError } from "graphql";
import type { InputCode } from "../../graph/errors.ts";
import { type Coding, codingFor, deferSpec, type JsonType, type PartsType } from "./negotiation.ts";

/** Codes of refusals: those of bad input, and what HTTP, credentials and persisted operations add. */
export type RefusalCode =
  | InputCode
  | "FORBIDDEN"
  | "INTERNAL_SERVER_ERROR"
  | "PERSISTED_QUERY_NOT_FOUND"
  | "PERSISTED_QUERY_NOT_IN_LIST"
  | "PERSISTED_QUERY_NOT_SUPPORTED"
  | "PERSISTED_QUERY_ONLY"
  | "SERVICE_UNAVAILABLE"
  | "UNAUTHENTICATED";

type Headers = Readonly<Record<string, string>>;

/** The answer to a request, or to one operation of a batch, that is not run: errors without data. */
export class Refusal {
  readonly status: number;
  readonly errors: readonly GraphQLError[];
  /** Headers that belong to the status, such as `allow`. */
  readonly headers: Headers;

  constructor(status: number, errors: readonly GraphQLError[], headers: Headers = {}) {
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}

/** A refusal with one error: by default 400, BAD_USER_INPUT and not retryable. */
export function refuse(
  message: string,
  details: {
    readonly status?: number;
    readonly code?: RefusalCode;
    readonly retryable?: boolean;
    readonly headers?: Headers;
  } = {},
): Refusal {
  const { status = 400, code = "BAD_USER_INPUT", retryable = false, headers = {} } = details;
  return new Refusal(status, [new GraphQLError(message, { extensions: { code, retryable } })], headers);
}

/** When to retry a request that cannot be answered now: another replica, or the next process, is there by then. */
export const retryAfterSeconds = 5;

/** The JSON text of a refusal. */
export function refusalText({ errors }: Refusal): string {
  return JSON.stringify({ errors });
}

/** Sends a refusal as a GraphQL answer. */
export function sendRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
  type: JsonType,
): void {
  for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
  response.setHeader("cache-control", "no-store");
  sendText(request, response, refusal.status, `${type}; charset=utf-8`, refusalText(refusal));
}

/** Sends a text; to HEAD its headers alone. */
export function sendText(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(method === "HEAD" ? undefined : text);
}

/** Sends a JSON value that must not be cached. */
export function sendJson(request: IncomingMessage, response: ServerResponse, status: number, value: unknown): void {
  response.setHeader("cache-control", "no-store");
  sendText(request, response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

/** A text to be sent, measured, hashed and compressed once, however many callers get it. */
export class Encoded<T extends string | Buffer> {
  readonly text: T;
  readonly length: number;
  readonly #brotliQuality: number;
  readonly #compressed: { [C in Coding]?: Promise<Buffer> } = {};
  #hash: string | null = null;

  // Most texts are compressed once for one caller: quality 4 is where brotli is as fast as gzip and still smaller.
  constructor(text: T, brotliQuality = 4) {
    this.text = text;
    this.length = Buffer.byteLength(text);
    this.#brotliQuality = brotliQuality;
  }

  get hash(): string {
    this.#hash ??= createHash("sha256").update(this.text).digest("base64url").slice(0, 27);
    return this.#hash;
  }

  compressed(coding: Coding): Promise<Buffer> {
    this.#compressed[coding] ??= this.#compress(coding);
    return this.#compressed[coding];
  }

  #compress(coding: Coding): Promise<Buffer> {
    if (coding === "gzip") return promisify(gzip)(this.text);
    if (coding === "zstd") {
      return promisify(zstdCompress)(this.text, { params: { [constants.ZSTD_c_compressionLevel]: 9 } });
    }
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: this.#brotliQuality,
      [constants.BROTLI_PARAM_SIZE_HINT]: this.length,
    };
    return promisify(brotliCompress)(this.text, { params });
  }
}

/** Bytes of a text below which compression costs more than it saves. */
const minCompressedBytes = 1024;

/**
 * Sends a text, compressed where the client accepts it. Unless `cacheControl` is `no-store` the browser may cache it
 * and has to revalidate it each time: 304 when it has this very text.
 */
export async function sendEncoded(
  { headers, method }: IncomingMessage,
  response: ServerResponse,
  encoded: Encoded<string | Buffer>,
  how: {
    readonly status: number;
    readonly type: string;
    readonly cacheControl: string;
    readonly codings: readonly Coding[];
  },
): Promise<void> {
  response.setHeader("cache-control", how.cacheControl);
  const accepted = String(headers["accept-encoding"] ?? "");
  const coding = encoded.length < minCompressedBytes ? null : codingFor(accepted, how.codings);
  if (how.cacheControl !== "no-store") {
    const etag = `"${encoded.hash}${coding === null ? "" : `-${coding}`}"`;
    response.setHeader("etag", etag);
    if (hasCopy(headers["if-none-match"], etag)) {
      response.writeHead(304).end();
      return;
    }
  }
  const body = coding === null ? encoded.text : await encoded.compressed(coding);
  response.setHeader("content-type", `${how.type}; charset=utf-8`);
  if (coding !== null) response.setHeader("content-encoding", coding);
  response.writeHead(how.status, { "content-length": coding === null ? encoded.length : body.length });
  response.end(method === "HEAD" ? undefined : body);
}

function hasCopy(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

/** Adds request headers to `vary`, which may name `origin` already. By default those that every answer depends on. */
export function varyBy(response: ServerResponse, headers = "accept, accept-encoding, authorization"): void {
  const before = response.getHeader("vary");
  response.setHeader("vary", typeof before === "string" && before !== "" ? `${before}, ${headers}` : headers);
}

type Parts = AsyncIterable<string> | Iterable<string>;

/** Between events something is sent so often, or a proxy may close the connection as idle. */
const pingMs = 12_000;
const comment = ":\n\n";

/** Sends JSON texts as they come, until the last one is sent or the caller has closed the connection. */
export async function sendParts(
  response: ServerResponse,
  type: PartsType,
  namesDeferSpec: boolean,
  parts: Parts,
): Promise<void> {
  const isEventStream = type === "text/event-stream";
  const spec = namesDeferSpec ? `; deferSpec=${deferSpec}` : "";
  response.writeHead(200, {
    "cache-control": "no-store",
    // Without it nginx buffers the first part until the last one has come.
    "x-accel-buffering": "no",
    "content-type": isEventStream ? `${type}; charset=utf-8` : `${type}; boundary="-"${spec}`,
  });
  const encoded = isEventStream ? eventStream(parts) : multipart(parts);
  const ping = isEventStream ? setInterval(() => response.write(comment), pingMs).unref() : null;
  try {
    await pipeline(Readable.from(encoded), response);
  } catch (error) {
    if (!response.destroyed) throw error;
  } finally {
    if (ping !== null) clearInterval(ping);
  }
}

/** RFC 2046, in the `deferSpec=20220824` form: a delimiter follows each part at once. */
async function* multipart(parts: Parts): AsyncGenerator<string> {
  yield "\r\n---";
  for await (const text of parts) {
    const head = `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}`;
    yield `\r\n${head}\r\n\r\n${text}\r\n---`;
  }
  yield "--\r\n";
}

/** GraphQL over server-sent events, "distinct connections" mode. */
async function* eventStream(parts: Parts): AsyncGenerator<string> {
  // Some browsers hold back an answer until its first bytes have come.
  yield comment;
  for await (const text of parts) yield `event: next\ndata: ${text}\n\n`;
  yield "event: complete\ndata:\n\n";
}

/** Characters that are printed in one tick of the event loop. */
export const charactersPerTick = 1_048_576;
/** Nesting levels that are printed piece by piece; what is deeper is one piece. */
const printedLevels = 7;

/** The result of `JSON.stringify` for plain data, printed in as many ticks of the event loop as it needs. */
export async function stringifyInTicks(value: unknown): Promise<string> {
  const pieces: string[] = [];
  let left = charactersPerTick;
  for (const piece of piecesOf(value, printedLevels)) {
    pieces.push(piece);
    left -= piece.length;
    if (left > 0) continue;
    left = charactersPerTick;
    await nextTick();
  }
  return pieces.join("");
}

function* piecesOf(value: unknown, levels: number): Generator<string> {
  if (levels === 0 || typeof value !== "object" || value === null || "toJSON" in value) {
    yield JSON.stringify(value) ?? "null";
    return;
  }
  const isList = Array.isArray(value);
  let delimiter = isList ? "[" : "{";
  for (const [name, one] of isList ? value.entries() : Object.entries(value)) {
    if (!isList && one === undefined) continue;
    yield isList ? delimiter : `${delimiter}${JSON.stringify(name)}:`;
    yield* piecesOf(one, levels - 1);
    delimiter = ",";
  }
  const close = isList ? "]" : "}";
  yield delimiter === "," ? close : `${delimiter}${close}`;
}

/** Sent with every answer of the demo, and with none of a gateway that serves a configuration. */
export const demoHeader = { name: "x-delivery-graph", value: "demo" } as const;

/** Sets the security headers of every answer; pages replace the content policy by a wider one of their own. */
export function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("x-frame-options", "DENY");
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("content-security-policy", closedPolicy);
}

/** A Content-Security-Policy that allows what is named and nothing else. */
export function contentPolicy(allowed: Readonly<Record<string, string>>): string {
  const own = Object.entries(allowed).map(([name, value]) => `${name} ${value}; `);
  return `default-src 'none'; ${own.join("")}base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

/** A source that allows exactly one inline script or style: the text between its tags. */
export function hashSource(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

const closedPolicy = contentPolicy({});
