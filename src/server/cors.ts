import type { IncomingMessage, ServerResponse } from "node:http";
import { credentialHeader } from "./call.ts";

/** Which pages of other origins may read answers, and what they may send. */
export interface CorsOptions {
  /** Exact origins, or `*` for all. */
  readonly origins: readonly string[];
  /** Names of the backends whose credential a caller may send along. */
  readonly backends: readonly string[];
}

/**
 * Marks an answer as readable for the page that asked, if its origin is allowed; true when the request was only the
 * browser's question whether it may ask. Cookies are never allowed: the gateway knows none.
 */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, options: CorsOptions): boolean {
  const { origin } = request.headers;
  const asksFirst = request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  if (options.origins.length === 0) return asksFirst;
  const all = options.origins.includes("*");
  if (!all) response.setHeader("vary", "origin");
  if (origin === undefined || !(all || options.origins.includes(origin))) return asksFirst;
  response.setHeader("access-control-allow-origin", all ? "*" : origin);
  response.setHeader("access-control-expose-headers", "x-request-id, retry-after");
  if (asksFirst) {
    const credentials = options.backends.map(credentialHeader);
    const headers = ["accept", "authorization", "content-type", "x-explain", "x-request-id", ...credentials];
    response.setHeader("access-control-allow-methods", "GET, POST");
    response.setHeader("access-control-allow-headers", headers.join(", "));
    response.setHeader("access-control-max-age", "600");
  }
  return asksFirst;
}
