import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, constants, gunzip, inflate, inflateRaw, zstdDecompress } from "node:zlib";
import { codeOf } from "../../upstream/errors.ts";
import { type Refusal, refuse } from "./response.ts";

/** Reads and decodes a body within the limit; rejects when the connection is closed in the middle. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | Refusal> {
  const codings = codingsOf(request.headers["content-encoding"]);
  if (codings === null) {
    return refuse(`Send the body plain, or with one of these content codings: ${knownCodings}.`, {
      status: 415,
      headers: { "accept-encoding": knownCodings },
    });
  }
  const tooLarge = () => refuse(`The request body is larger than ${limit} bytes.`, { status: 413 });
  const sent = await readBytes(request, limit);
  if (sent === null) return tooLarge();
  let body = sent;
  // The last coding in the header was applied last.
  for (const decode of codings.toReversed()) {
    try {
      body = await decode(body, limit);
    } catch (error) {
      return codeOf(error) === "ERR_BUFFER_TOO_LARGE"
        ? tooLarge()
        : refuse("The request body is not what its content-encoding says.");
    }
  }
  return body;
}

type Decode = (bytes: Buffer, limit: number) => Promise<Buffer>;

/** A window of 8 MiB is the largest that a sender may use over HTTP (RFC 9659). */
const zstdWindowBits = 23;
const knownCodings = "gzip, deflate, br, zstd";
const maxCodings = 2;

const unzip: Decode = (bytes, limit) => promisify(gunzip)(bytes, { maxOutputLength: limit });

const decoders: Readonly<Record<string, Decode>> = {
  gzip: unzip,
  "x-gzip": unzip,
  // Some senders leave out the zlib wrapper that the standard requires.
  deflate: (bytes, limit) =>
    promisify(((bytes[0] ?? 0) & 0x0f) === 8 ? inflate : inflateRaw)(bytes, { maxOutputLength: limit }),
  br: (bytes, limit) => promisify(brotliDecompress)(bytes, { maxOutputLength: limit }),
  zstd: (bytes, limit) =>
    promisify(zstdDecompress)(bytes, {
      maxOutputLength: limit,
      params: { [constants.ZSTD_d_windowLogMax]: zstdWindowBits },
    }),
};

function codingsOf(header: string | undefined): readonly Decode[] | null {
  const names = (header ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity");
  const found = names.flatMap((name) => (Object.hasOwn(decoders, name) ? (decoders[name] ?? []) : []));
  return found.length === names.length && names.length <= maxCodings ? found : null;
}

async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  if (Number(request.headers["content-length"] ?? 0) > limit) return null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const unsubscribe = () => {
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("error", reject);
      request.off("close", onClose);
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) {
        chunks.push(chunk);
        return;
      }
      unsubscribe();
      resolve(null);
    };
    // After the end only "close" can follow.
    const onEnd = () => {
      request.off("close", onClose);
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    };
    // A connection that is closed in the middle of a body emits nothing else.
    const onClose = () => {
      unsubscribe();
      reject(new Error("the request was cut short"));
    };
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("error", reject);
    request.on("close", onClose);
  });
}

const maxDiscardedBytes = 16_777_216;

/** Discards the rest of a request: a socket that is closed with unread bytes is reset, and the answer lost. */
export function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxDiscardedBytes) request.destroy();
  });
  request.on("error", () => request.destroy());
  request.resume();
}

/** Decodes UTF-8 without its byte order mark; null for other bytes. */
export function decodeUtf8(bytes: Buffer): string | null {
  return isUtf8(bytes) ? bytes.toString("utf8").replace(/^\uFEFF/, "") : null;
}

/** Nesting of lists and objects in JSON that is parsed at all, far beyond what any value may have. */
const maxJsonDepth = 1000;

/** Parses JSON with at most {@link maxJsonDepth} levels; `problem` is the end of a sentence about the text. */
export function parseJson(text: string): { readonly value: unknown } | { readonly problem: string } {
  // A shorter text has no room for so many brackets.
  if (text.length > maxJsonDepth && isDeeper(text, maxJsonDepth))
    return { problem: `is nested deeper than ${maxJsonDepth} levels` };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { problem: "is not JSON" };
  }
}

function isDeeper(text: string, max: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > max) return true;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return false;
}
