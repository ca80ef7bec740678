import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";
import { weigher } from "../http/negotiation.ts";

/** A page, compressed when it is first asked for in a form. */
export interface Page {
  readonly html: Buffer;
  readonly compressed: (coding: PageCoding) => Promise<Buffer>;
  /** Quoted entity tag of the plain form; a compressed one has `-` and its coding before the closing quote. */
  readonly etag: string;
  /** Content-Security-Policy of the page. */
  readonly csp: string;
}

/** What a page can be compressed with, best first: what a client likes equally well is sent in the first of them. */
const pageCodings = ["br", "zstd", "gzip"] as const;
type PageCoding = (typeof pageCodings)[number];

// A page is compressed once, so that more work is worth it than for an answer; the best settings take minutes for one of
// 9 MB and save another twentieth.
const compress: Readonly<Record<PageCoding, (plain: Buffer) => Promise<Buffer>>> = {
  br: (plain) =>
    promisify(brotliCompress)(plain, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 6, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
    }),
  zstd: (plain) => promisify(zstdCompress)(plain, { params: { [constants.ZSTD_c_compressionLevel]: 9 } }),
  gzip: (plain) => promisify(gzip)(plain),
};

/** Stamps a page. */
export function toPage(text: string, csp: string): Page {
  const html = Buffer.from(text);
  const hash = createHash("sha256").update(html).digest("base64url").slice(0, 27);
  const done = new Map<PageCoding, Promise<Buffer>>();
  return {
    html,
    compressed: (coding) => {
      const bytes = done.get(coding) ?? compress[coding](html);
      done.set(coding, bytes);
      return bytes;
    },
    etag: `"${hash}"`,
    csp,
  };
}

/** Answers GET and HEAD with a page, compressed where the client takes that; 304 when it has this very page. */
export async function sendPage(page: Page, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const coding = pageCodingFor(String(request.headers["accept-encoding"] ?? ""));
  const etag = coding === null ? page.etag : page.etag.replace(/"$/, `-${coding}"`);
  response.setHeader("content-security-policy", page.csp);
  response.setHeader("etag", etag);
  varyBy(response, "accept, accept-encoding");
  response.setHeader("cache-control", "no-cache");
  if (hasCopy(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  const body = coding === null ? page.html : await page.compressed(coding);
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "content-length": body.length,
    ...(coding === null ? {} : { "content-encoding": coding }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Names what an answer depends on beside the address; `origin` stands there already where pages of others may ask. */
export function varyBy(response: ServerResponse, headers: string): void {
  const before = response.getHeader("vary");
  response.setHeader("vary", typeof before === "string" && before !== "" ? `${before}, ${headers}` : headers);
}

/** The coding that a client likes best, the first of those it likes alike; null for a page as it is. */
function pageCodingFor(accepted: string): PageCoding | null {
  const weigh = weigher(accepted);
  const [best] = pageCodings.toSorted((one, other) => weigh(other) - weigh(one));
  return best === undefined || weigh(best) === 0 ? null : best;
}

/** Whether an `If-None-Match` header names this entity tag. */
export function hasCopy(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}
