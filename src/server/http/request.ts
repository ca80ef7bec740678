import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { GraphQLError } from "graphql";
import { readBasePath } from "../../config/settings.ts";
import { checkValues } from "../../graph/cost/document.ts";
import { isRecord } from "../../model/values.ts";
import { firstOf } from "../../upstream/transport.ts";
import type { TraceParent } from "../observability/telemetry.ts";
import { decodeUtf8, parseJson } from "./body.ts";
import { Refusal, refuse } from "./response.ts";

/** Request headers, by lower-case name. */
export interface RequestHeaders {
  readonly get: (name: string) => string | null;
}

/** The headers of a request; of repeated ones, the first. */
export function headersOf({ headers }: IncomingMessage): RequestHeaders {
  return { get: (name) => firstOf(headers[name]) };
}

/** The id of a request: its trace id, else a well-formed `x-request-id`, else a new one. */
export function requestIdOf(headers: RequestHeaders): string {
  const given = headers.get("x-request-id");
  return traceParentOf(headers)?.traceId ?? (given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID());
}

/** The W3C trace context that the caller sent; null when there is none or it is invalid. */
export function traceParentOf(headers: RequestHeaders): TraceParent | null {
  const text = headers.get("traceparent");
  if (text === null) return null;
  const [, version, traceId, spanId, flags] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  // 00 has nothing behind the flags, ff is no version, and ids of zeros mean "none".
  if (version === "ff" || (version === "00" && text.length !== 55)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The header in which a caller sends its own credential for a backend. */
export function credentialHeader(backend: string): string {
  return `x-backend-token-${backend}`;
}

/** The target of a request. */
export interface Target {
  /** Host and port; null when the request names none. */
  readonly host: string | null;
  /** Path as sent, without the query. */
  readonly path: string;
  /** The undecoded part behind the question mark; empty when there is none. */
  readonly query: string;
}

/** Parses the request target (RFC 9112, 3.2). The absolute form names the host itself, whatever Host says. */
export function targetOf({ url = "/", headers }: IncomingMessage): Target {
  const [, authority, rest = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  const origin = authority === undefined ? url : rest.startsWith("/") ? rest : `/${rest}`;
  const at = origin.indexOf("?");
  return {
    host: authority === undefined ? (headers.host ?? null) : authority.replace(/^.*@/, ""),
    path: at < 0 ? origin : origin.slice(0, at),
    query: at < 0 ? "" : origin.slice(at + 1),
  };
}

/**
 * Facts of a request that proxies forward: `X-Forwarded-Proto`, `-Host`, `-Port`, `-Prefix` and `-For` where the sender
 * is among the trusted addresses and CIDR ranges. They are ignored in all other requests.
 */
export function createProxies(trusted: readonly string[]) {
  const list = new BlockList();
  for (const range of trusted) {
    const [address = "", bits] = range.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  const isListed = (address: string) => {
    const family = isIP(address);
    // An IPv4 address in the notation of IPv6 is found among those of IPv4.
    return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
  };
  const isTrusted = ({ socket }: IncomingMessage) =>
    trusted.length > 0 && socket.remoteAddress !== undefined && isListed(socket.remoteAddress);
  /** The first value, which the proxy next to the caller wrote. */
  const forwarded = (request: IncomingMessage, what: string): string | null =>
    isTrusted(request) ? (headersOf(request).get(`x-forwarded-${what}`)?.split(",", 1)[0]?.trim() ?? null) : null;

  /**
   * Hosts, with their ports, that the caller may have asked, as a browser writes them: without the port that the scheme
   * implies. Null where no trusted proxy forwards one.
   */
  function hostsOf(request: IncomingMessage): readonly string[] | null {
    const host = forwarded(request, "host");
    if (host === null || !/^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(host)) return null;
    const scheme = forwarded(request, "proto")?.toLowerCase() === "https" ? "https" : "http";
    // Some proxies forward the port apart, and some of those forward one that the caller did not use.
    const port = forwarded(request, "port");
    const hosts = port !== null && /^\d{1,5}$/.test(port) && !/:\d+$/.test(host) ? [host, `${host}:${port}`] : [host];
    const addresses = hosts.map((one) => `${scheme}://${one}`).filter((one) => URL.canParse(one));
    return addresses.length === 0 ? null : addresses.map((one) => new URL(one).host);
  }

  /** The path that the proxy removed, or `/`. */
  const prefixOf = (request: IncomingMessage) => readBasePath(forwarded(request, "prefix") ?? "/") ?? "/";

  /** IP address of the caller: the last one in the chain that is no trusted proxy. Null when the socket is closed. */
  function clientOf(request: IncomingMessage): string | null {
    const peer = request.socket.remoteAddress ?? null;
    if (peer === null || !isTrusted(request)) return peer;
    const chain = String(request.headers["x-forwarded-for"] ?? "").split(",");
    let client = peer;
    for (const entry of chain.toReversed()) {
      const address = entry.trim().replace(/^\[([^\]]*)\](?::\d+)?$|^([\d.]+):\d+$/, "$1$2");
      if (isIP(address) === 0) break;
      client = address;
      if (!isListed(address)) break;
    }
    return client;
  }

  return { hostsOf, prefixOf, clientOf };
}

/** The parameters of one GraphQL request, the same for GET and POST. */
export interface GraphQLParameters {
  readonly query: string | null;
  readonly operationName: string | null;
  readonly variables: JsonObject;
  readonly extensions: JsonObject;
  /** Id of a persisted operation, under any of {@link idNames}; null for none. */
  readonly documentId: string | null;
}

/** The operations of one request; in a batch each of them may be refused by itself. */
export interface GraphQLRequest {
  readonly isBatch: boolean;
  readonly operations: readonly (GraphQLParameters | Refusal)[];
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Operations in one request. */
export const maxBatchSize = 10;

/** Where clients send the id, beside `extensions.persistedQuery`: the last two are Relay's. */
const idNames = ["documentId", "doc_id", "id"] as const;

/** Parses the body of a POST: JSON in UTF-8, an object or a list of objects. */
export function parseGraphQLBody(body: Buffer): GraphQLRequest | Refusal {
  if (body.length === 0) return refuse("The request body is empty: send the question as a JSON object.");
  const text = decodeUtf8(body);
  if (text === null) return refuse("The request body is not Unicode: send it in UTF-8.");
  const parsed = parseJson(text);
  if ("problem" in parsed) return refuse(`The request body ${parsed.problem}.`);
  const { value } = parsed;
  if (!Array.isArray(value)) return { isBatch: false, operations: [parametersOf(value)] };
  if (value.length === 0) return refuse("The batch is empty: send at least one question.");
  if (value.length > maxBatchSize) {
    return refuse(`The batch has ${value.length} questions; at most ${maxBatchSize} are allowed.`, { status: 413 });
  }
  return { isBatch: true, operations: value.map(parametersOf) };
}

const formNames: ReadonlySet<string> = new Set(["query", "operationName", "variables", "extensions", ...idNames]);

/** Parses the query component of a GET's address, as it was sent. */
export function parseGraphQLQuery(query: string): GraphQLRequest | Refusal {
  const found = new Map<string, string>();
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals));
    if (name === null || !formNames.has(name)) continue;
    if (found.has(name)) return refuse(`The parameter "${name}" is given more than once.`);
    const value = decodeForm(equals < 0 ? "" : pair.slice(equals + 1));
    if (value === null) return refuse(`The parameter "${name}" is not Unicode: send it in UTF-8.`);
    found.set(name, value);
  }
  const members: Record<string, unknown> = {};
  for (const [name, value] of found) {
    // An empty parameter is one that was not sent.
    if (value === "") continue;
    if (name !== "variables" && name !== "extensions") members[name] = value;
    else {
      const parsed = parseJson(value);
      if ("problem" in parsed) return refuse(`The parameter "${name}" ${parsed.problem}.`);
      members[name] = parsed.value;
    }
  }
  return { isBatch: false, operations: [parametersOf(members)] };
}

/** Decodes a part of a form: `+` is a space, `%xx` a byte. Null when the bytes are not UTF-8. */
function decodeForm(part: string): string | null {
  // A percent sign without two digits behind it is itself; a byte beyond ASCII need not be encoded.
  const encoded = part
    .replaceAll("+", " ")
    .replace(/%(?![\da-f]{2})|[\u0080-\u00ff]/gi, (one) => `%${one.charCodeAt(0).toString(16)}`);
  try {
    return decodeURIComponent(encoded).replace(/^\uFEFF/, "");
  } catch {
    return null;
  }
}

/** Unknown properties are ignored; null is the same as absent. */
function parametersOf(sent: unknown): GraphQLParameters | Refusal {
  if (!isRecord(sent)) return refuse("A question is a JSON object with a query.");
  const member = (name: string): unknown => (Object.hasOwn(sent, name) ? (sent[name] ?? null) : null);
  const [query, operationName] = [member("query"), member("operationName")];
  const variables = member("variables") ?? {};
  const extensions = member("extensions") ?? {};
  if (query !== null && typeof query !== "string") return refuse('"query" must be a string.');
  if (operationName !== null && typeof operationName !== "string") return refuse('"operationName" must be a string.');
  if (!isRecord(variables)) return refuse('"variables" must be a JSON object.');
  if (!isRecord(extensions)) return refuse('"extensions" must be a JSON object.');
  if (query !== null && !query.isWellFormed()) {
    return refuse('"query" holds text that is not Unicode: half of a surrogate pair.');
  }
  try {
    checkValues({ operationName, variables, extensions });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return new Refusal(400, [error]);
  }
  const ids = idNames.map(member).filter((id) => typeof id === "string" && id !== "");
  return {
    query: query === "" ? null : query,
    operationName: operationName === "" ? null : operationName,
    variables,
    extensions,
    documentId: typeof ids[0] === "string" ? ids[0] : null,
  };
}
