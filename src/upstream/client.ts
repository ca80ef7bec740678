import { channel } from "node:diagnostics_channel";
import { Pool } from "undici";
import type { Origin } from "../model/backend.ts";
import type { Call } from "./call.ts";
import { type Failure, MisshapenAnswer, UpstreamError } from "./errors.ts";
import { type Operation, type PathParts, type Query, target } from "./operation.ts";
import { createPolicies, type PolicySettings } from "./policies.ts";

/** Everything the client needs to know about one configured backend. */
export interface UpstreamSettings extends PolicySettings {
  /** Configured name. */
  readonly name: string;
  /** Base address; its path is kept in front of every operation's path. */
  readonly url: string;
  /** Larger answers are MALFORMED and are not read to their end. */
  readonly maxResponseBytes: number;
}

/** An answer before anybody has judged it. */
export interface RawReply {
  readonly status: number;
  /** One header's value, by lower-case name; null when absent. */
  readonly header: (name: string) => string | null;
  /** Parsed JSON, or the text where the operation asked for text; undefined for an empty body. */
  readonly body: unknown;
}

/** What a dialect makes of an answer: fine, or one of the closed failures with what may be told of it. */
export type Judgement =
  | "FINE"
  | {
      readonly failure: Failure;
      readonly code?: string | null;
      readonly retryable?: boolean;
      readonly retryAfterMs?: number | null;
      readonly reason?: string;
    };

/** One HTTP request as the dialect signs it. */
export interface Outgoing {
  readonly operation: string;
  readonly method: "GET" | "POST";
  readonly origin: string;
  /** Path and query as they go on the wire, base path included. */
  readonly path: string;
  /** JSON text, null for none. */
  readonly body: string | null;
}

/** How one vendor is spoken to: who we are, and how to read its moods. */
export interface Dialect {
  /** Headers with the credential; may ask an identity service first. Throws an UpstreamError when there is no credential. */
  readonly authorize: (request: Outgoing, call: Call) => Promise<Readonly<Record<string, string>>>;
  /**
   * Judges every answer, success statuses included, where the vendor's rules are not plain HTTP.
   * Null leaves the judgement to the status.
   */
  readonly judge: (reply: RawReply, operation: Operation) => Judgement | null;
  /** The answer header that carries the vendor's request id, lower case. */
  readonly traceHeader: string | null;
  /** Asked after a failure that fresh credentials may mend (an expired token); true asks once more. */
  readonly renew?: (reply: RawReply, call: Call) => Promise<boolean>;
  /** Follow redirects of reads that stay on the same origin; any other redirect is MALFORMED. */
  readonly followsRedirects?: boolean;
}

/** One call's arguments. */
export interface Request<T> {
  readonly parts?: PathParts;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** `text` hands the body over as it is; default `json`. */
  readonly media?: "json" | "text";
  /** Reads what we rely on; throws MisshapenAnswer when it is not there. */
  readonly decode: (reply: RawReply, operation: Operation) => T;
}

/** A judged and decoded answer. */
export interface Reply<T> {
  readonly value: T;
  readonly header: (name: string) => string | null;
  readonly origin: Origin;
}

/** The one way to a backend. Lives as long as the process. */
export interface Upstream {
  readonly name: string;
  /** Base address with its path, without a trailing slash. */
  readonly base: string;
  /** Rejects with an UpstreamError, or with our own bug. */
  readonly call: <T>(operation: Operation, request: Request<T>, call: Call) => Promise<Reply<T>>;
  readonly circuitOpen: () => boolean;
  readonly close: () => Promise<void>;
}

/** What happened to one attempt; published on {@link exchanges}, for telemetry and explain. */
export interface Exchange {
  readonly call: Call;
  readonly backend: string;
  readonly operation: string;
  readonly outcome: "OK" | Failure;
  readonly status: number | null;
  readonly ms: number;
}

/** Diagnostics channel with one {@link Exchange} for each attempt that took from the budget. */
export const exchanges = channel("delivery-graph:exchange");

const mostRedirects = 2;

/** Opens a connection pool to one backend; nothing is sent before the first call. */
export function createUpstream(settings: UpstreamSettings, dialect: Dialect): Upstream {
  const base = new URL(settings.url);
  const prefix = base.pathname.replace(/\/+$/, "");
  const pool = new Pool(base.origin, { connections: settings.concurrency, pipelining: 1 });
  const policies = createPolicies(settings.name, settings);
  const { name: backend } = settings;

  async function exchange<T>(
    operation: Operation,
    request: Request<T>,
    call: Call,
    signal: AbortSignal,
  ): Promise<Reply<T>> {
    const path = prefix + target(operation, request.parts, request.query);
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const outgoing: Outgoing = { operation: operation.name, method: operation.method, origin: base.origin, path, body };
    let raw = await send(outgoing, request, call, signal);
    let judgement = judge(raw, operation);
    if (judgement !== "FINE" && dialect.renew && (await dialect.renew(raw, call))) {
      raw = await send(outgoing, request, call, signal);
      judgement = judge(raw, operation);
    }
    const traceId = dialect.traceHeader === null ? null : printable(raw.header(dialect.traceHeader));
    if (judgement !== "FINE") {
      const { failure, ...facts } = judgement;
      throw new UpstreamError(failure, { ...facts, backend, operation: operation.name, status: raw.status, traceId });
    }
    const origin: Origin = { backend, fetchedAt: new Date().toISOString(), stale: false, traceId };
    try {
      return { value: request.decode(raw, operation), header: raw.header, origin };
    } catch (error) {
      if (!(error instanceof MisshapenAnswer)) throw error;
      throw new UpstreamError("MALFORMED", {
        backend,
        operation: operation.name,
        status: raw.status,
        traceId,
        reason: error.message,
      });
    }
  }

  function judge(raw: RawReply, operation: Operation): Judgement {
    return dialect.judge(raw, operation) ?? judgeByStatus(raw);
  }

  async function send<T>(outgoing: Outgoing, request: Request<T>, call: Call, signal: AbortSignal): Promise<RawReply> {
    let { path } = outgoing;
    for (let redirects = 0; ; redirects++) {
      const hop = { ...outgoing, path };
      const headers = {
        accept: request.media === "text" ? "*/*" : "application/json",
        ...(outgoing.body === null ? {} : { "content-type": "application/json" }),
        ...request.headers,
        ...(await dialect.authorize(hop, call)),
      };
      if (!call.budget.take()) throw new UpstreamError("OVER_BUDGET", { backend, operation: outgoing.operation });
      const reply = await timed(hop, headers, request.media ?? "json", call, signal);
      const next = redirectOf(reply, base.origin);
      if (next === null) return reply;
      if (
        !dialect.followsRedirects ||
        outgoing.method !== "GET" ||
        redirects >= mostRedirects ||
        next === "elsewhere"
      ) {
        throw failed("MALFORMED", outgoing, { status: reply.status, reason: "a redirect where an answer was due" });
      }
      path = next.path;
    }
  }

  async function timed(
    hop: Outgoing,
    headers: Record<string, string>,
    media: "json" | "text",
    call: Call,
    signal: AbortSignal,
  ): Promise<RawReply> {
    const started = performance.now();
    const settle = (outcome: Exchange["outcome"], status: number | null) => {
      if (!exchanges.hasSubscribers) return;
      const ms = performance.now() - started;
      exchanges.publish({ call, backend, operation: hop.operation, outcome, status, ms } satisfies Exchange);
    };
    try {
      const response = await pool.request({ path: hop.path, method: hop.method, headers, body: hop.body, signal });
      const header = (name: string) => {
        const value = response.headers[name];
        return (Array.isArray(value) ? value[0] : value) ?? null;
      };
      const text = await readText(response.body, settings.maxResponseBytes);
      const body = parseBody(text, media, header("content-type"), response.statusCode);
      const judged = judgeByStatus({ status: response.statusCode, header, body });
      settle(judged === "FINE" ? "OK" : judged.failure, response.statusCode);
      return { status: response.statusCode, header, body };
    } catch (error) {
      const known =
        error instanceof MisshapenAnswer
          ? failed("MALFORMED", hop, { reason: error.message })
          : connectionFailure(error, hop, signal);
      settle(known.failure, null);
      throw known;
    }
  }

  function connectionFailure(error: unknown, hop: Outgoing, signal: AbortSignal): UpstreamError {
    if (signal.aborted) return failed("TIMED_OUT", hop, {});
    // undici's own error codes (ECONNREFUSED, UND_ERR_SOCKET, a TLS failure …) name no address; its messages do.
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
    return failed("UNAVAILABLE", hop, { reason: code });
  }

  function failed(failure: Failure, hop: Outgoing, facts: { status?: number; reason?: string }): UpstreamError {
    return new UpstreamError(failure, { backend, operation: hop.operation, ...facts });
  }

  return {
    name: backend,
    base: base.origin + prefix,
    call: (operation, request, call) =>
      policies.run(operation.name, call, (signal) => exchange(operation, request, call, signal)),
    circuitOpen: policies.circuitOpen,
    close: () => pool.close(),
  };
}

/** What plain HTTP says of an answer: the judgement where a dialect has no rule of its own. */
export function judgeByStatus({ status, header }: RawReply): Judgement {
  if (status >= 200 && status < 300) return "FINE";
  if (status === 401 || status === 403) return { failure: "DENIED" };
  if (status === 404 || status === 410) return { failure: "NOT_FOUND" };
  if (status === 429) return { failure: "THROTTLED", retryAfterMs: retryAfterMs(header("retry-after")) };
  if (status === 408) return { failure: "TIMED_OUT" };
  if (status >= 500) return { failure: "UNAVAILABLE", retryAfterMs: retryAfterMs(header("retry-after")) };
  return { failure: "REJECTED" };
}

/** `Retry-After` as seconds or an HTTP date, to milliseconds from now; null when absent or unreadable. */
export function retryAfterMs(value: string | null): number | null {
  if (value === null) return null;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

async function readText(body: AsyncIterable<Buffer>, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop destroys the body, and with it the socket: the rest is never read.
    if (bytes > limit) throw new MisshapenAnswer(`more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return (chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)).toString("utf8");
}

/**
 * JSON whatever the content type says (Zadig's facade labels it text/plain), but never a page: an HTML answer with
 * status 200 is somebody's login form. Error answers that are no JSON have no body for the dialect.
 */
function parseBody(text: string, media: "json" | "text", contentType: string | null, status: number): unknown {
  const refused = status >= 300;
  const isPage = /html/i.test(contentType ?? "") || text.trimStart().startsWith("<");
  if (isPage && !refused) throw new MisshapenAnswer("a web page instead of data");
  if (text.trim() === "") return undefined;
  if (media === "text" && !refused) return text;
  try {
    return JSON.parse(text);
  } catch {
    if (refused) return undefined;
    throw new MisshapenAnswer("not JSON");
  }
}

function redirectOf(reply: RawReply, origin: string): { path: string } | "elsewhere" | null {
  if (![301, 302, 303, 307, 308].includes(reply.status)) return null;
  const location = reply.header("location");
  if (location === null || !URL.canParse(location, origin)) return "elsewhere";
  const next = new URL(location, origin);
  return next.origin === origin ? { path: next.pathname + next.search } : "elsewhere";
}

/** A vendor's request id may be shown, but only if it looks like one. */
function printable(id: string | null): string | null {
  return id !== null && /^[\w.:-]{1,128}$/.test(id) ? id : null;
}
