import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { hasCopy, varyBy } from "../pages/page.ts";
import { type Coding, codingFor, type JsonType } from "./negotiation.ts";

/** Bytes of an answer below which headers and the work cost more than is saved. */
const leastCompressedBytes = 1024;

/** An answer as text, measured and compressed once, however many get it. */
export interface EncodedAnswer {
  readonly text: string;
  /** In bytes. */
  readonly length: number;
  /** Compresses it, or has it compressed already. */
  readonly compressed: (coding: Coding) => Promise<Buffer>;
}

/** Measures a text; compresses it when somebody takes that. */
export function encode(text: string): EncodedAnswer {
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

const compress: Readonly<Record<Coding, (plain: Buffer) => Promise<Buffer>>> = {
  // Made for each answer anew: quality 4 is where brotli is as fast as gzip and still smaller.
  br: (plain) =>
    promisify(brotliCompress)(plain, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
    }),
  gzip: (plain) => promisify(gzip)(plain),
};

/** How an answer goes out. */
export interface DeliveryOptions {
  readonly status: number;
  readonly type: JsonType;
  /**
   * Whether the browser may keep it for itself. It has to ask again each time whether the answer still holds, which
   * costs the question and saves the bytes. Everything else is for nobody to keep: it is live, and may be meant for one
   * caller alone.
   */
  readonly isKept: boolean;
}

/** Sends an answer as it is, compressed where the client takes that; 304 when the browser has this very answer. */
export async function deliver(
  { headers }: IncomingMessage,
  response: ServerResponse,
  answer: EncodedAnswer,
  { status, type, isKept }: DeliveryOptions,
): Promise<void> {
  varyByRequest(response);
  response.setHeader("cache-control", isKept ? "private, no-cache" : "no-store");
  const coding = answer.length < leastCompressedBytes ? null : codingFor(String(headers["accept-encoding"] ?? ""));
  if (isKept) {
    const etag = etagOf(answer, coding);
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

function etagOf({ text }: EncodedAnswer, coding: Coding | null): string {
  const hash = createHash("sha256").update(text).digest("base64url").slice(0, 27);
  return `"${hash}${coding === null ? "" : `-${coding}`}"`;
}

/** Names what an answer about the graph depends on beside the address. */
export function varyByRequest(response: ServerResponse): void {
  varyBy(response, "accept, accept-encoding, authorization");
}
