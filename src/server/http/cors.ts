import type { IncomingMessage, ServerResponse } from "node:http";
import { isLoopback } from "../../config/index.ts";
import { credentialHeader } from "../graphql/call.ts";
import { demoHeader } from "../pages/demo-header.ts";

/** Which pages of other origins may read answers, and what they may send. */
export interface CorsOptions {
  /** Exact origins, or `*` for all. */
  readonly origins: readonly string[];
  /** Whether any page of this machine may as well, whatever its port. */
  readonly loopback: boolean;
  /** Request headers that are allowed beside the usual ones. */
  readonly headers: readonly string[];
  /** Names of the backends whose credential a caller may send along. */
  readonly backends: readonly string[];
}

/**
 * Headers that a page may send: those that the gateway reads, and those that clients and the tracing of browsers add to
 * each request by themselves. None of the latter changes an answer, and a page that may not send them can ask nothing.
 */
const usualHeaders = [
  "accept",
  "accept-language",
  "authorization",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-type",
  "if-none-match",
  "pragma",
  "x-explain",
  "x-request-id",
  // Clients of GraphQL.
  "apollo-require-preflight",
  "apollographql-client-name",
  "apollographql-client-version",
  "graphql-client-name",
  "graphql-client-version",
  "graphql-require-preflight",
  "x-apollo-operation-id",
  "x-apollo-operation-name",
  "x-apollo-operation-type",
  "x-graphql-client-name",
  "x-graphql-client-version",
  "x-requested-with",
  // Tracing: W3C, Sentry, Zipkin, Datadog, Elastic, New Relic, AWS.
  "b3",
  "baggage",
  "elastic-apm-traceparent",
  "newrelic",
  "sentry-trace",
  "traceparent",
  "tracestate",
  "x-amzn-trace-id",
  "x-b3-flags",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-spanid",
  "x-b3-traceid",
  "x-correlation-id",
  "x-datadog-origin",
  "x-datadog-parent-id",
  "x-datadog-sampling-priority",
  "x-datadog-trace-id",
] as const;

/** Headers of an answer that a page may read beside those that every page may. */
const exposedHeaders = [
  "accept-encoding",
  "allow",
  "etag",
  "retry-after",
  "www-authenticate",
  demoHeader.name,
  "x-request-id",
];

/** What the browser of a page asks before it sends a request. */
export type Preflight =
  /** No preflight: an ordinary request. */
  | "none"
  /** A page whose origin is allowed; the answer has to be a success, whatever the request itself will get. */
  | "allowed"
  /** A page that may not read answers. */
  | "other";

/**
 * Marks an answer as readable for the page that asked, if its origin is allowed. Has to come before anything can be
 * refused: a page cannot read a refusal that does not carry these headers. Cookies are never allowed: the gateway knows
 * none.
 */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, options: CorsOptions): Preflight {
  const { origin } = request.headers;
  const asksFirst = request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  const all = options.origins.includes("*");
  if ((options.origins.length > 0 || options.loopback) && !all) response.setHeader("vary", "origin");
  if (origin === undefined || !isAllowedOrigin(origin, options)) return asksFirst ? "other" : "none";
  response.setHeader("access-control-allow-origin", all ? "*" : origin);
  response.setHeader("access-control-expose-headers", exposedHeaders.join(", "));
  if (!asksFirst) return "none";
  const headers = new Set([...usualHeaders, ...options.backends.map(credentialHeader), ...options.headers]);
  response.setHeader("access-control-allow-methods", "GET, POST");
  response.setHeader("access-control-allow-headers", [...headers].join(", "));
  response.setHeader("access-control-max-age", "600");
  return "allowed";
}

/** Whether pages of this origin may read answers. */
export function isAllowedOrigin(
  origin: string | undefined,
  { origins, loopback }: Pick<CorsOptions, "origins" | "loopback">,
): boolean {
  if (origins.includes("*")) return true;
  if (origin === undefined) return false;
  return origins.includes(origin) || (loopback && URL.canParse(origin) && isLoopback(new URL(origin).hostname));
}
