import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";
import { weigher } from "../http/negotiation.ts";
import { hasCopy, varyBy } from "../http/response.ts";

/** The project's logo: branches that meet and go on as one. */
export const logo =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true">' +
  '<rect width="32" height="32" rx="7" fill="#0f6e6e"/>' +
  '<path d="M8 9 16 16 8 23M16 16h8" stroke="#fff" stroke-width="2" fill="none"/>' +
  '<g fill="#fff"><circle cx="8" cy="9" r="3"/><circle cx="8" cy="23" r="3"/>' +
  '<circle cx="16" cy="16" r="3"/><circle cx="24" cy="16" r="3"/></g></svg>';

/** The logo as a data address, so that the pages' icon needs no request. */
export const favicon = `data:image/svg+xml,${encodeURIComponent(logo)}`;

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes a text for HTML, also inside a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

/** A page, compressed with each coding when it is first asked for in it. */
export interface Page {
  readonly html: Buffer;
  readonly compressed: (coding: PageCoding) => Promise<Buffer>;
  /** Quoted entity tag of the uncompressed page; others have `-` and their coding before the closing quote. */
  readonly etag: string;
  /** Content-Security-Policy of the page. */
  readonly csp: string;
}

/** Codings of a page, best first: the first of those that a client likes equally well is sent. */
const pageCodings = ["br", "zstd", "gzip"] as const;
type PageCoding = (typeof pageCodings)[number];

// A page is compressed once, which is worth more work than an answer; the best settings take minutes for one of 9 MB
// and save another twentieth.
const compress: Readonly<Record<PageCoding, (html: Buffer) => Promise<Buffer>>> = {
  br: (html) =>
    promisify(brotliCompress)(html, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 6, [constants.BROTLI_PARAM_SIZE_HINT]: html.length },
    }),
  zstd: (html) => promisify(zstdCompress)(html, { params: { [constants.ZSTD_c_compressionLevel]: 9 } }),
  gzip: (html) => promisify(gzip)(html),
};

/** Makes a page of its HTML and its policy. */
export function toPage(text: string, csp: string): Page {
  const html = Buffer.from(text);
  const hash = createHash("sha256").update(html).digest("base64url").slice(0, 27);
  const compressed = new Map<PageCoding, Promise<Buffer>>();
  return {
    html,
    compressed: (coding) => {
      const bytes = compressed.get(coding) ?? compress[coding](html);
      compressed.set(coding, bytes);
      return bytes;
    },
    etag: `"${hash}"`,
    csp,
  };
}

/** Answers GET and HEAD with a page, compressed where the client accepts it; 304 when the client has this very page. */
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

/** The coding that a client likes best, the first of equals; null for an uncompressed page. */
function pageCodingFor(accepted: string): PageCoding | null {
  const weigh = weigher(accepted);
  const [best] = pageCodings.toSorted((one, other) => weigh(other) - weigh(one));
  return best === undefined || weigh(best) === 0 ? null : best;
}
