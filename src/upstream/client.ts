import { Pool } from "undici";
import type { Origin } from "../model/backend.ts";
import { parseBody, readBody } from "./answer.ts";
import type { Call } from "./call.ts";
import { type Failure, MisshapenAnswer, UpstreamError } from "./errors.ts";
import { type Settle, startExchange } from "./exchange.ts";
import { type Operation, type PathParts, type Query, target } from "./operation.ts";
import { createPolicies, type PolicySettings, type Pressure } from "./policies.ts";

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
  readonly pressure: () => Pressure;
  readonly close: () => Promise<void>;
}

/** An answer, and how to tell what was made of it. */
interface Sent {
  readonly raw: RawReply;
  readonly settle: Settle;
}

/** How often one call has been tried; written by each attempt. */
interface Tries {
  attempt: number;
  /** Requests that took from the budget. */
  sent: number;
}

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
    tries: Tries,
  ): Promise<Reply<T>> {
    const path = prefix + target(operation, request.parts, request.query);
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const outgoing: Outgoing = { operation: operation.name, method: operation.method, origin: base.origin, path, body };
    let { raw, settle } = await send(outgoing, request, call, signal, tries);
    let failure = judge(raw, operation);
    if (failure && dialect.renew) {
      // What was refused has been an exchange of its own, whatever comes of asking once more.
      settle(failure);
      if (await dialect.renew(raw, call)) {
        ({ raw, settle } = await send(outgoing, request, call, signal, tries));
        failure = judge(raw, operation);
      }
    }
    if (failure) throw settle(failure);
    const traceId = traceIdOf(raw);
    const origin: Origin = { backend, fetchedAt: new Date().toISOString(), stale: false, traceId };
    try {
      return { value: request.decode(raw, operation), header: raw.header, origin };
    } catch (error) {
      if (!(error instanceof MisshapenAnswer)) throw error;
      const { status } = raw;
      const facts = { backend, operation: operation.name, status, traceId, reason: error.message };
      throw settle(new UpstreamError("MALFORMED", facts));
    } finally {
      settle(null);
    }
  }

  function judge(raw: RawReply, operation: Operation): UpstreamError | null {
    const judgement = dialect.judge(raw, operation) ?? judgeByStatus(raw);
    if (judgement === "FINE") return null;
    const { failure, ...facts } = judgement;
    const { status } = raw;
    return new UpstreamError(failure, {
      ...facts,
      backend,
      operation: operation.name,
      status,
      traceId: traceIdOf(raw),
    });
  }

  function traceIdOf(raw: RawReply): string | null {
    return dialect.traceHeader === null ? null : printable(raw.header(dialect.traceHeader));
  }

  async function send<T>(
    outgoing: Outgoing,
    request: Request<T>,
    call: Call,
    signal: AbortSignal,
    tries: Tries,
  ): Promise<Sent> {
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
      const sent = await timed(hop, headers, request.media ?? "json", call, signal, tries);
      const next = redirectOf(sent.raw, base.origin);
      if (next === null) return sent;
      if (
        !dialect.followsRedirects ||
        outgoing.method !== "GET" ||
        redirects >= mostRedirects ||
        next === "elsewhere"
      ) {
        const facts = { status: sent.raw.status, reason: "a redirect where an answer was due" };
        throw sent.settle(failed("MALFORMED", outgoing, facts));
      }
      sent.settle(null);
      path = next.path;
    }
  }

  async function timed(
    hop: Outgoing,
    headers: Record<string, string>,
    media: "json" | "text",
    call: Call,
    signal: AbortSignal,
    tries: Tries,
  ): Promise<Sent> {
    tries.sent += 1;
    const settle = startExchange({ call, backend, operation: hop.operation, attempt: tries.attempt });
    let status: number | null = null;
    let bytes = 0;
    try {
      const response = await pool.request({ path: hop.path, method: hop.method, headers, body: hop.body, signal });
      status = response.statusCode;
      const header = (name: string) => {
        const value = response.headers[name];
        return (Array.isArray(value) ? value[0] : value) ?? null;
      };
      const read = await readBody(response.body, settings.maxResponseBytes);
      bytes = read.length;
      const body = parseBody(read.toString("utf8"), media, header("content-type"), status);
      return { raw: { status, header, body }, settle: settle({ status, bytes }) };
    } catch (error) {
      const known =
        error instanceof MisshapenAnswer
          ? failed("MALFORMED", hop, { reason: error.message })
          : connectionFailure(error, hop, signal);
      throw settle({ status, bytes })(known);
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
    call: async (operation, request, call) => {
      const tries: Tries = { attempt: 0, sent: 0 };
      const unsent = startExchange({ call, backend, operation: operation.name, attempt: 0 });
      try {
        return await policies.run(operation.name, call, (signal) => {
          tries.attempt += 1;
          return exchange(operation, request, call, signal, tries);
        });
      } catch (error) {
        if (tries.sent === 0 && error instanceof UpstreamError) unsent({ status: null, bytes: 0 })(error);
        throw error;
      }
    },
    circuitOpen: policies.circuitOpen,
    pressure: policies.pressure,
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
