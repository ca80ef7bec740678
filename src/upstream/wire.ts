import { parseBody } from "./answer.ts";
import type { Call } from "./call.ts";
import { type CancelToken, orCancelled } from "./cancel.ts";
import { codeOf, connectionFaultOf, ProxyFailure } from "./connection-faults.ts";
import { type Credentials, type Dialect, type Outgoing, type RawReply, type Request, redirectedTo } from "./dialect.ts";
import { type Connections, type NetworkSettings, openConnections } from "./dispatcher.ts";
import { AnswerTooLarge, type Failure, type FailureFacts, MisshapenAnswer, UpstreamError } from "./errors.ts";
import { type Settle, startExchange } from "./exchange.ts";
import type { Headers } from "./freshness.ts";
import { type Receiver, type Said, Taking } from "./take.ts";

/** What the wire needs to know about one configured backend. */
export interface WireSettings extends NetworkSettings {
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
  /** Those that it was asked with. */
  readonly credentials: Credentials;
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
  readonly stop: CancelToken;
  readonly tries: Tries;
  readonly validators: Headers;
}

/** What a request says of itself beside where it goes. */
type About = Pick<Request<unknown>, "media" | "headers">;

/** Over which connections a request goes, and how many redirects have led to it. */
interface Way {
  readonly pool: Connections;
  readonly redirects: number;
}

/** The connections to one backend. */
export interface Wire {
  /** Sends once, redirects included; rejects with an UpstreamError when no answer came that can be judged. */
  readonly send: (outgoing: Outgoing, request: About, attempt: Attempt) => Promise<Sent>;
  /** The same over a connection of its own, beside those of the pool; it is closed afterwards. */
  readonly sendAlone: (outgoing: Outgoing, request: About, attempt: Attempt) => Promise<Sent>;
  readonly close: () => Promise<void>;
}

/** Errors by which undici says that a request or the pool is not fit: the server was not asked. */
const ownFaults: ReadonlySet<string> = new Set([
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_CLOSED",
  "UND_ERR_DESTROYED",
  "unknown",
]);

const mostRedirects = 2;
const jsonBody = { "content-type": "application/json" } as const;
const none = {} as const;

/** Opens a connection pool to one backend; nothing is sent before the first call. */
export function createWire(settings: WireSettings, dialect: Pick<Dialect, "authorize" | "followsRedirects">): Wire {
  const { origin } = new URL(settings.url);
  const pool = openConnections(origin, settings.concurrency, settings);
  const { name: backend } = settings;

  const send: Wire["send"] = (outgoing, request, attempt) =>
    sendHop(outgoing, request, attempt, { pool, redirects: 0 });

  async function sendAlone(outgoing: Outgoing, request: About, attempt: Attempt): Promise<Sent> {
    const own = openConnections(origin, 1, settings);
    try {
      return await sendHop(outgoing, request, attempt, { pool: own, redirects: 0 });
    } finally {
      await own.dispatcher.destroy();
    }
  }

  /** One request and the redirects behind it. A promise for credentials costs one only where there is one. */
  function sendHop(hop: Outgoing, request: About, attempt: Attempt, way: Way): Promise<Sent> {
    try {
      const signed = dialect.authorize(hop, attempt.call);
      const late = () => failed("TIMED_OUT", hop, {});
      const sent =
        signed instanceof Promise
          ? orCancelled(signed, attempt.stop, late).then((credentials) =>
              exchange(hop, request, attempt, credentials, way),
            )
          : exchange(hop, request, attempt, signed, way);
      return sent.then((one) => (isRedirect(one.raw.status) ? follow(one, hop, request, attempt, way) : one));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function follow(
    sent: Sent,
    hop: Outgoing,
    request: About,
    attempt: Attempt,
    { pool, redirects }: Way,
  ): Promise<Sent> {
    const next = redirectOf(sent.raw, origin);
    if (!dialect.followsRedirects || hop.method !== "GET" || redirects >= mostRedirects || next === "elsewhere") {
      const facts = { status: sent.raw.status, reason: "a redirect where an answer was due" };
      throw sent.settle(failed("MALFORMED", hop, facts));
    }
    sent.settle(null);
    return sendHop({ ...hop, path: next.path }, request, attempt, { pool, redirects: redirects + 1 }).then((end) =>
      cameFrom(end, next.path),
    );
  }

  function exchange(
    hop: Outgoing,
    { media = "json", headers: own }: About,
    { call, stop, tries, validators }: Attempt,
    credentials: Credentials,
    { pool: connections }: Way,
  ): Promise<Sent> {
    // A token may have taken its time: what nobody waits for any more is not sent.
    if (stop.cancelled) throw failed("TIMED_OUT", hop, {});
    if (!call.budget.take()) throw failed("OVER_BUDGET", hop, {});
    tries.sent += 1;
    const { path, method, body } = hop;
    const headers = {
      accept: media === "text" ? "*/*" : "application/json",
      // Said in so many words: without it a server may compress as it likes.
      "accept-encoding": "identity",
      ...(body === null ? none : jsonBody),
      ...own,
      ...validators,
      ...credentials,
    };
    const settle = startExchange({ call, backend, operation: hop.operation, attempt: tries.attempt, via: "WIRE" });
    const told = ({ status, length }: Taking<Sent>) => settle({ status: status === 0 ? null : status, bytes: length });
    const receiver: Receiver<Sent> = {
      arrived: (read, taking) => {
        const { status, headers: said } = taking;
        const settled = told(taking);
        try {
          if (status === 407 && connections.by === "forward") throw new ProxyFailure(status);
          const header = (name: string) => firstOf(said[name]);
          const raw = { status, header, body: parseBody(read, media, header("content-type"), status) };
          return { raw, headers: said, body: read, credentials, settle: settled };
        } catch (error) {
          throw settled(failure(error, hop, stop, taking));
        }
      },
      broken: (error, taking) => told(taking)(failure(error, hop, stop, taking)),
    };
    return new Taking(stop, settings.maxResponseBytes, receiver).from(connections.dispatcher, {
      origin,
      path,
      method,
      headers,
      body,
    });
  }

  function failure(error: unknown, hop: Outgoing, stop: CancelToken, { status, isSent }: Taking<Sent>): UpstreamError {
    if (error instanceof MisshapenAnswer) {
      const facts = { reason: error.message, tooLarge: error instanceof AnswerTooLarge };
      return failed("MALFORMED", hop, { status: status === 0 ? null : status, ...facts });
    }
    const silence = isSent ? "SILENT" : "UNREACHABLE";
    if (stop.cancelled) {
      const isStuck = !isSent && pool.by !== "none";
      return failed("TIMED_OUT", hop, {
        silence,
        ...(isStuck ? { reason: "no connection through the proxy in time" } : {}),
      });
    }
    // With such a certificate, or by such a proxy, the server answers nobody: no question can be the reason.
    const fault = connectionFaultOf(error);
    if (fault) return failed("UNAVAILABLE", hop, { ...fault, silence: "UNREACHABLE" });
    // undici's own error codes (ECONNREFUSED, UND_ERR_SOCKET …) name no address; its messages do.
    const code = codeOf(error);
    return failed("UNAVAILABLE", hop, { reason: code, ...(ownFaults.has(code) ? {} : { silence }) });
  }

  function failed(failure: Failure, hop: Outgoing, facts: Partial<FailureFacts>): UpstreamError {
    return new UpstreamError(failure, { backend, operation: hop.operation, ...facts });
  }

  return { send, sendAlone, close: () => pool.dispatcher.close() };
}

/** The first of a header's values; null where it is not there. */
export function firstOf(value: string | readonly string[] | undefined): string | null {
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

/** The answer with the path it came from among its headers; the last redirect counts. */
function cameFrom(sent: Sent, path: string): Sent {
  const end = firstOf(sent.headers[redirectedTo]) ?? path;
  const header = (name: string) => (name === redirectedTo ? end : sent.raw.header(name));
  return { ...sent, headers: { ...sent.headers, [redirectedTo]: end }, raw: { ...sent.raw, header } };
}

function isRedirect(status: number): boolean {
  return status >= 301 && status <= 308 && status !== 304 && status !== 305 && status !== 306;
}

function redirectOf(reply: RawReply, origin: string): { path: string } | "elsewhere" {
  const location = reply.header("location");
  if (location === null || !URL.canParse(location, origin)) return "elsewhere";
  const next = new URL(location, origin);
  // A server behind TLS may name itself with http: what is followed is its path, and only ever on our own origin.
  const isOurs =
    next.origin === origin ||
    (next.protocol === "http:" && next.hostname === new URL(origin).hostname && next.port === "");
  return isOurs ? { path: next.pathname + next.search } : "elsewhere";
}
