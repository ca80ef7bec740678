import type { IncomingMessage } from "node:http";

/** Why a request is not answered. */
export interface CrossSiteRefusal {
  readonly status: 403 | 415;
  readonly message: string;
}

const jsonTypes = new Set(["application/json", "application/graphql+json", "application/graphql-response+json"]);

/**
 * Refuses what the page of another site can make a browser send without asking first: a form, plain text, a picture's
 * address. Such a page could not read the answer, but it could spend the gateway's calls. JSON it cannot send unless the
 * gateway allows its origin; a question by GET is refused when the browser itself says that another site sent it. `hosts`
 * are ours, as the caller may have written them.
 */
export function refuseCrossSite(
  request: IncomingMessage,
  origins: readonly string[],
  hosts: readonly string[],
): CrossSiteRefusal | null {
  const { headers, method } = request;
  if (method === "POST") {
    const said = headers["content-type"] ?? "";
    return jsonTypes.has(said) || jsonTypes.has(said.split(";", 1)[0]?.trim().toLowerCase() ?? "")
      ? null
      : { status: 415, message: "Send the question as JSON, with content-type: application/json." };
  }
  return isOurs(request, hosts) || isAllowed(headers.origin, origins)
    ? null
    : { status: 403, message: "Pages of other sites may not ask with GET." };
}

function isAllowed(origin: string | undefined, origins: readonly string[]): boolean {
  return origins.includes("*") || (origin !== undefined && origins.includes(origin));
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
