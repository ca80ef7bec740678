import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, constants, gunzip, inflate, inflateRaw, zstdDecompress } from "node:zlib";
import { type Refusal, refuse } from "./refusal.ts";

/** Bytes of a refused body that are read and dropped, so that its sender gets to see the refusal. */
const mostDiscardedBytes = 16_777_216;

/**
 * Reads a request's body and takes off its content codings. The limit holds for what is sent and for what it decodes to,
 * whatever the headers promised; what is not read of a refused body is left to {@link discard}. Rejects when the
 * connection is closed in the middle.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | Refusal> {
  const codings = codingsOf(request.headers["content-encoding"]);
  if (codings === null) return unknownCoding();
  const sent = await readSent(request, limit);
  if (sent === null) return tooLarge(limit);
  let body = sent;
  // The last coding in the header was applied last.
  for (const decode of codings.toReversed()) {
    try {
      body = await decode(body, limit);
    } catch (error) {
      return isTooLarge(error) ? tooLarge(limit) : refuse("The request body is not what its content-encoding says.");
    }
  }
  return body;
}

type Decode = (bytes: Buffer, limit: number) => Promise<Buffer>;

/** A window of 8 MiB is the largest that a sender may use over HTTP (RFC 9659). */
const zstdWindowBits = 23;

const unzip: Decode = (bytes, limit) => promisify(gunzip)(bytes, { maxOutputLength: limit });

const decoders: Readonly<Record<string, Decode>> = {
  gzip: unzip,
  "x-gzip": unzip,
  // Some senders leave out the zlib wrapper that the standard asks for.
  deflate: (bytes, limit) =>
    promisify(((bytes[0] ?? 0) & 0x0f) === 8 ? inflate : inflateRaw)(bytes, { maxOutputLength: limit }),
  br: (bytes, limit) => promisify(brotliDecompress)(bytes, { maxOutputLength: limit }),
  zstd: (bytes, limit) =>
    promisify(zstdDecompress)(bytes, {
      maxOutputLength: limit,
      params: { [constants.ZSTD_d_windowLogMax]: zstdWindowBits },
    }),
};

/** Codings taken off one body: nobody has a reason to apply more. */
const mostCodings = 2;

/** Null when one of them is unknown. */
function codingsOf(header: string | undefined): readonly Decode[] | null {
  const names = (header ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity");
  const found = names.flatMap((name) => (Object.hasOwn(decoders, name) ? (decoders[name] ?? []) : []));
  return found.length === names.length && names.length <= mostCodings ? found : null;
}

function unknownCoding(): Refusal {
  const taken = "gzip, deflate, br, zstd";
  return refuse(`Send the body plain, or with one of these content codings: ${taken}.`, {
    status: 415,
    headers: { "accept-encoding": taken },
  });
}

function tooLarge(limit: number): Refusal {
  return refuse(`The request body is larger than ${limit} bytes.`, { status: 413 });
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}

/** The body as it was sent; null when it is larger than the limit. */
async function readSent(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  if (Number(request.headers["content-length"] ?? 0) > limit) return null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const stop = () => {
      request.off("data", take);
      request.off("end", end);
      request.off("error", reject);
      request.off("close", left);
    };
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) {
        chunks.push(chunk);
        return;
      }
      stop();
      resolve(null);
    };
    // Nothing is told any more but that it has closed, so only that listener has to step aside.
    const end = () => {
      request.off("close", left);
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    };
    // Whoever leaves in the middle of a body tells nothing but that.
    const left = () => {
      stop();
      reject(new Error("the request was cut short"));
    };
    request.on("data", take);
    request.on("end", end);
    request.on("error", reject);
    request.on("close", left);
  });
}

/**
 * Reads what is left of a refused request and drops it: a socket that is closed on unread bytes is reset, and the answer
 * on its way is lost with it.
 */
export function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > mostDiscardedBytes) request.destroy();
  });
  request.on("error", () => request.destroy());
  request.resume();
}
