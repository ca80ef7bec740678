import { Pool } from "undici";
import { type Media, parseBody } from "./answer.ts";
import type { Call } from "./call.ts";
import type { Dialect, Outgoing, RawReply, Request } from "./dialect.ts";
import type { Ending } from "./ending.ts";
import { type Failure, MisshapenAnswer, UpstreamError } from "./errors.ts";
import { type Settle, startExchange } from "./exchange.ts";
import type { Headers } from "./freshness.ts";
import { type Said, Taking } from "./take.ts";

/** What the wire needs to know about one configured backend. */
export interface WireSettings {
  /** Configured name. */
  readonly name: string;
  /** Base address; its path is kept in front of every operation's path. */
  readonly url: string;
  /** Connections at once. */
  readonly concurrency: number;
  /** Larger answers are MALFORMED and are not read to their end. */
  readonly maxResponseBytes: number;
}

/** An answer off the wire, and how to tell what was made of it. */
export interface Sent {
  readonly raw: RawReply;
  readonly headers: Said;
  readonly body: Buffer;
  readonly settle: Settle;
}

/** How often one call has been tried; written by each attempt. */
export interface Tries {
  attempt: number;
  /** Requests that took from the budget. */
  sent: number;
}

/** One attempt: on whose behalf, until when, and headers that go out beside the request's own. */
export interface Attempt {
  readonly call: Call;
  readonly stop: Ending;
  readonly tries: Tries;
  readonly validators: Headers;
}

/** The connections to one backend. */
export interface Wire {
  /** Sends once, redirects included; rejects with an UpstreamError when no answer came that can be judged. */
  readonly send: (
    outgoing: Outgoing,
    request: Pick<Request<unknown>, "media" | "headers">,
    attempt: Attempt,
  ) => Promise<Sent>;
  readonly close: () => Promise<void>;
}

const mostRedirects = 2;
const jsonBody = { "content-type": "application/json" } as const;
const none = {} as const;

/** Opens a connection pool to one backend; nothing is sent before the first call. */
export function createWire(settings: WireSettings, dialect: Pick<Dialect, "authorize" | "followsRedirects">): Wire {
  const { origin } = new URL(settings.url);
  const pool = new Pool(origin, { connections: settings.concurrency, pipelining: 1 });
  const { name: backend } = settings;

  const send: Wire["send"] = (outgoing, request, attempt) => follow(outgoing, request, attempt, 0);

  /** One request and the redirects behind it; a promise for credentials only where there is one. */
  async function follow(
    hop: Outgoing,
    request: Pick<Request<unknown>, "media" | "headers">,
    attempt: Attempt,
    redirects: number,
  ): Promise<Sent> {
    const { call } = attempt;
    const signed = dialect.authorize(hop, call);
    const credentials = signed instanceof Promise ? await signed : signed;
    // A token may have taken its time: what nobody waits for any more is not sent.
    if (attempt.stop.isOver) throw failed("TIMED_OUT", hop, {});
    if (!call.budget.take()) throw failed("OVER_BUDGET", hop, {});
    const headers = {
      accept: request.media === "text" ? "*/*" : "application/json",
      // Said in so many words: without it a server may compress as it likes.
      "accept-encoding": "identity",
      ...(hop.body === null ? none : jsonBody),
      ...request.headers,
      ...attempt.validators,
      ...credentials,
    };
    const sent = await exchange(hop, headers, request.media ?? "json", attempt);
    if (sent.raw.status < 300 || sent.raw.status >= 400) return sent;
    const next = redirectOf(sent.raw, origin);
    if (next === null) return sent;
    if (!dialect.followsRedirects || hop.method !== "GET" || redirects >= mostRedirects || next === "elsewhere") {
      const facts = { status: sent.raw.status, reason: "a redirect where an answer was due" };
      throw sent.settle(failed("MALFORMED", hop, facts));
    }
    sent.settle(null);
    return follow({ ...hop, path: next.path }, request, attempt, redirects + 1);
  }

  async function exchange(
    hop: Outgoing,
    headers: Record<string, string>,
    media: Media,
    { call, stop, tries }: Attempt,
  ): Promise<Sent> {
    tries.sent += 1;
    const settle = startExchange({ call, backend, operation: hop.operation, attempt: tries.attempt, via: "WIRE" });
    const { path, method, body } = hop;
    const taking = new Taking(stop, settings.maxResponseBytes);
    try {
      const read = await taking.from(pool, { path, method, headers, body });
      const { status, headers: said } = taking;
      const header = (name: string) => firstOf(said[name]);
      const raw = { status, header, body: parseBody(read, media, header("content-type"), status) };
      return { raw, headers: said, body: read, settle: settle({ status, bytes: read.length }) };
    } catch (error) {
      const status = taking.status === 0 ? null : taking.status;
      const known =
        error instanceof MisshapenAnswer
          ? failed("MALFORMED", hop, { status, reason: error.message })
          : connectionFailure(error, hop, stop);
      throw settle({ status, bytes: taking.length })(known);
    }
  }

  function connectionFailure(error: unknown, hop: Outgoing, stop: Ending): UpstreamError {
    if (stop.isOver) return failed("TIMED_OUT", hop, {});
    // undici's own error codes (ECONNREFUSED, UND_ERR_SOCKET, a TLS failure …) name no address; its messages do.
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
    return failed("UNAVAILABLE", hop, { reason: code });
  }

  function failed(failure: Failure, hop: Outgoing, facts: { status?: number | null; reason?: string }): UpstreamError {
    return new UpstreamError(failure, { backend, operation: hop.operation, ...facts });
  }

  return { send, close: () => pool.close() };
}

function firstOf(value: string | readonly string[] | undefined): string | null {
  return (typeof value === "string" ? value : value?.[0]) ?? null;
}

/** Headers as a record of texts: of those that came several times, the first. */
export function firstOfEach(said: Said): Headers {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(said)) {
    const first = firstOf(value);
    if (first !== null) headers[name] = first;
  }
  return headers;
}

function redirectOf(reply: RawReply, origin: string): { path: string } | "elsewhere" | null {
  if (![301, 302, 303, 307, 308].includes(reply.status)) return null;
  const location = reply.header("location");
  if (location === null || !URL.canParse(location, origin)) return "elsewhere";
  const next = new URL(location, origin);
  // A server behind TLS may name itself with http: what is followed is its path, and only ever on our own origin.
  const isOurs =
    next.origin === origin ||
    (next.protocol === "http:" && next.hostname === new URL(origin).hostname && next.port === "");
  return isOurs ? { path: next.pathname + next.search } : "elsewhere";
}
