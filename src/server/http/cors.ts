import type { IncomingMessage, ServerResponse } from "node:http";
import { isLoopback } from "../../config/index.ts";
import { requestTypeProblem } from "./negotiation.ts";
import { credentialHeader } from "./request.ts";
import { demoHeader, type Refusal, refuse } from "./response.ts";

/** The pages of other origins that may read answers, and the headers that they may send. */
export interface CorsOptions {
  /** Exact origins, or `*` for all. */
  readonly origins: readonly string[];
  /** Whether pages of this machine may as well, whatever their port. */
  readonly loopback: boolean;
  /** Request headers that are allowed beside the usual ones. */
  readonly headers: readonly string[];
  /** Names of the backends for which a caller may send a credential. */
  readonly backends: readonly string[];
}

/** Headers that the gateway reads, and those that clients and tracing add to each request by themselves. */
const usualHeaders = [
  "accept accept-language authorization cache-control content-encoding content-language content-type if-none-match",
  "pragma x-explain x-request-id",
  // Clients of GraphQL.
  "apollo-require-preflight apollographql-client-name apollographql-client-version graphql-client-name",
  "graphql-client-version graphql-require-preflight x-apollo-operation-id x-apollo-operation-name",
  "x-apollo-operation-type x-graphql-client-name x-graphql-client-version x-requested-with",
  // Tracing: W3C, Sentry, Zipkin, Datadog, Elastic, New Relic, AWS.
  "b3 baggage elastic-apm-traceparent newrelic sentry-trace traceparent tracestate x-amzn-trace-id x-b3-flags",
  "x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-correlation-id x-datadog-origin x-datadog-parent-id",
  "x-datadog-sampling-priority x-datadog-trace-id",
].flatMap((names) => names.split(" "));

/** Headers of an answer that a page may read beside the CORS-safelisted ones. */
const exposedHeaders = [
  "accept-encoding",
  "allow",
  "etag",
  "retry-after",
  "www-authenticate",
  demoHeader.name,
  "x-request-id",
];

/**
 * Makes an answer readable for the page that asked, if its origin is allowed. True for the preflight of such a page,
 * whose answer has to be a success. Must run before anything is refused: a page cannot read a refusal without these
 * headers. Cookies are never allowed: the gateway knows none.
 */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, options: CorsOptions): boolean {
  const { origin } = request.headers;
  const isPreflight = request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  const all = options.origins.includes("*");
  if ((options.origins.length > 0 || options.loopback) && !all) response.setHeader("vary", "origin");
  if (origin === undefined || !isAllowedOrigin(origin, options)) return false;
  response.setHeader("access-control-allow-origin", all ? "*" : origin);
  response.setHeader("access-control-expose-headers", exposedHeaders.join(", "));
  if (!isPreflight) return false;
  const headers = new Set([...usualHeaders, ...options.backends.map(credentialHeader), ...options.headers]);
  response.setHeader("access-control-allow-methods", "GET, POST");
  response.setHeader("access-control-allow-headers", [...headers].join(", "));
  response.setHeader("access-control-max-age", "600");
  return true;
}

function isAllowedOrigin(
  origin: string | undefined,
  { origins, loopback }: Pick<CorsOptions, "origins" | "loopback">,
): boolean {
  if (origins.includes("*")) return true;
  if (origin === undefined) return false;
  return origins.includes(origin) || (loopback && URL.canParse(origin) && isLoopback(new URL(origin).hostname));
}

/**
 * Refuses what the page of another site can make a browser send without a preflight: a form, plain text, a picture's
 * address. Such a page cannot read the answer, but it could spend the gateway's calls. It cannot send JSON unless its
 * origin is allowed; a GET is refused when the browser names another site as its sender. `hosts` are the gateway's own,
 * as the caller may have written them.
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
  return isSameSite(request, hosts) || isAllowedOrigin(headers.origin, cors)
    ? null
    : refuse("Pages of other sites may not ask with GET.", { status: 403 });
}

/**
 * Browsers send `sec-fetch-site` only to addresses that they trust (https, and loopback); to others they send at most
 * the page's origin or address, which is the gateway's when it has the host that was asked.
 */
function isSameSite({ headers }: IncomingMessage, hosts: readonly string[]): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin" || site === "none";
  const page = headers.origin ?? headers.referer;
  if (page === undefined) return true;
  return URL.canParse(page) && hosts.includes(new URL(page).host);
}
