import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { takesGzip } from "./http/negotiation.ts";

/** A page in both forms it is sent in, made once. */
export interface Page {
  readonly html: Buffer;
  readonly gzip: Buffer;
  /** Quoted entity tag of the plain form; the compressed one has `-gz` before the closing quote. */
  readonly etag: string;
  /** Content-Security-Policy of the page. */
  readonly csp: string;
}

/** Compresses and stamps a page. */
export async function toPage(text: string, csp: string): Promise<Page> {
  const html = Buffer.from(text);
  const hash = createHash("sha256").update(html).digest("base64url").slice(0, 27);
  return { html, gzip: await promisify(gzip)(html), etag: `"${hash}"`, csp };
}

/** Answers GET and HEAD with a page, compressed where the client takes that; 304 when it has this very page. */
export function sendPage(page: Page, request: IncomingMessage, response: ServerResponse): void {
  const zipped = takesGzip(String(request.headers["accept-encoding"] ?? ""));
  const etag = zipped ? page.etag.replace(/"$/, '-gz"') : page.etag;
  response.setHeader("content-security-policy", page.csp);
  response.setHeader("etag", etag);
  response.setHeader("vary", "accept, accept-encoding");
  response.setHeader("cache-control", "no-cache");
  if (hasCopy(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  const body = zipped ? page.gzip : page.html;
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "content-length": body.length,
    ...(zipped ? { "content-encoding": "gzip" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Whether an `If-None-Match` header names this entity tag. */
export function hasCopy(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}
