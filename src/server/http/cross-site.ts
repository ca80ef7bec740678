import type { IncomingMessage } from "node:http";
import { type CorsOptions, isAllowedOrigin } from "./cors.ts";
import { requestTypeProblem } from "./negotiation.ts";
import { type Refusal, refuse } from "./refusal.ts";

/**
 * Refuses what the page of another site can make a browser send without asking first: a form, plain text, a picture's
 * address. Such a page could not read the answer, but it could spend the gateway's calls. JSON it cannot send unless the
 * gateway allows its origin; a question by GET is refused when the browser itself says that another site sent it. `hosts`
 * are ours, as the caller may have written them.
 */
export function refuseCrossSite(
  request: IncomingMessage,
  cors: Pick<CorsOptions, "origins" | "loopback">,
  hosts: readonly string[],
): Refusal | null {
  const { headers, method } = request;
  if (method === "POST") {
    const problem = requestTypeProblem(headers["content-type"]);
    return problem === null ? null : refuse(problem, { status: 415 });
  }
  return isOurs(request, hosts) || isAllowedOrigin(headers.origin, cors)
    ? null
    : refuse("Pages of other sites may not ask with GET.", { status: 403 });
}

/**
 * Browsers say where a question comes from only to addresses that they trust (https, and loopback); to others they send
 * at most the page's origin or address, which is ours when it has the host that was asked.
 */
function isOurs({ headers }: IncomingMessage, hosts: readonly string[]): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin" || site === "none";
  const page = headers.origin ?? headers.referer;
  if (page === undefined) return true;
  return URL.canParse(page) && hosts.includes(new URL(page).host);
}
