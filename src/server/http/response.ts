import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate as nextTick } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
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

/** An answer as JSON text, measured and compressed once, however many callers get it. */
export interface EncodedResponse {
  readonly text: string;
  /** In bytes. */
  readonly length: number;
  /** Compresses it at the first call with a coding. */
  readonly compressed: (coding: Coding) => Promise<Buffer>;
}

/** Encodes a JSON text. */
export function encode(text: string): EncodedResponse {
  const compressed: { [C in Coding]?: Promise<Buffer> } = {};
  return {
    text,
    length: Buffer.byteLength(text),
    compressed: (coding) => {
      compressed[coding] ??= compress[coding](Buffer.from(text));
      return compressed[coding];
    },
  };
}

/** Bytes of an answer below which compression costs more than it saves. */
const minCompressedBytes = 1024;

const compress: Readonly<Record<Coding, (text: Buffer) => Promise<Buffer>>> = {
  // Each answer is compressed by itself: quality 4 is where brotli is as fast as gzip and still smaller.
  br: (text) =>
    promisify(brotliCompress)(text, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: text.length },
    }),
  gzip: (text) => promisify(gzip)(text),
};

/**
 * Sends an answer, compressed where the client accepts it; 304 when the browser has this very answer. `isCacheable`:
 * the browser may cache it and has to revalidate it each time, which costs the operation and saves the bytes.
 * Everything else is `no-store`: answers are live, and may be meant for one caller alone.
 */
export async function sendEncoded(
  { headers }: IncomingMessage,
  response: ServerResponse,
  answer: EncodedResponse,
  { status, type, isCacheable }: { readonly status: number; readonly type: JsonType; readonly isCacheable: boolean },
): Promise<void> {
  varyByRequest(response);
  response.setHeader("cache-control", isCacheable ? "private, no-cache" : "no-store");
  const coding = answer.length < minCompressedBytes ? null : codingFor(String(headers["accept-encoding"] ?? ""));
  if (isCacheable) {
    const hash = createHash("sha256").update(answer.text).digest("base64url").slice(0, 27);
    const etag = `"${hash}${coding === null ? "" : `-${coding}`}"`;
    response.setHeader("etag", etag);
    if (hasCopy(headers["if-none-match"], etag)) {
      response.writeHead(304).end();
      return;
    }
  }
  response.setHeader("content-type", `${type}; charset=utf-8`);
  if (coding === null) {
    response.writeHead(status, { "content-length": answer.length }).end(answer.text);
    return;
  }
  const compressed = await answer.compressed(coding);
  const length = compressed.length;
  response.writeHead(status, { "content-encoding": coding, "content-length": length }).end(compressed);
}

/** Whether an `If-None-Match` header names this entity tag. */
export function hasCopy(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

/** Adds request headers to `vary`, which may name `origin` already. */
export function varyBy(response: ServerResponse, headers: string): void {
  const before = response.getHeader("vary");
  response.setHeader("vary", typeof before === "string" && before !== "" ? `${before}, ${headers}` : headers);
}

/** Adds the request headers that every GraphQL answer depends on to `vary`. */
export function varyByRequest(response: ServerResponse): void {
  varyBy(response, "accept, accept-encoding, authorization");
}

type Parts = AsyncIterable<string> | Iterable<string>;

/** Between events something is sent so often, or a proxy may close the connection as idle. */
const pingMs = 12_000;
/** A comment of server-sent events, which clients ignore. */
const comment = ":\n\n";

/**
 * Sends an answer in parts as they come, each a JSON text. Resolves when the last one is sent, or when the caller has
 * closed the connection; the source is closed then.
 */
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
