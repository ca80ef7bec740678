import type { Headers } from "./cache.ts";
import { type CancelToken, orCancelled } from "./cancel.ts";
import { type Connections, type NetworkSettings, openConnections } from "./connections.ts";
import {
  AnswerTooLarge,
  codeOf,
  connectionFaultOf,
  type Failure,
  type FailureFacts,
  MisshapenAnswer,
  ProxyFailure,
  UpstreamError,
} from "./errors.ts";
import { ExchangeReport } from "./events.ts";
import {
  type Call,
  type Credentials,
  type Dialect,
  type Outgoing,
  type RawReply,
  type Request,
  redirectedTo,
} from "./operation.ts";
import { parseBody, type RawHeaders, ResponseHandler, type ResponseReceiver } from "./response.ts";

/** What the transport needs to know about one configured backend. */
export interface TransportSettings extends NetworkSettings {
  readonly name: string;
  /** Base address; its path is put in front of every operation's path. */
  readonly url: string;
  readonly concurrency: number;
  /** Larger responses are MALFORMED and are not read to their end. */
  readonly maxResponseBytes: number;
}

/** A response that can be judged. */
export interface Received {
  readonly raw: RawReply;
  readonly headers: RawHeaders;
  readonly body: Buffer;
  readonly credentials: Credentials;
  readonly exchange: ExchangeReport;
}

/** Counters of one call, written by each attempt. */
export interface AttemptCounters {
  attempts: number;
  requests: number;
}

/** One attempt: for which call, until when, and headers that are sent beside the request's own. */
export interface Attempt {
  readonly call: Call;
  readonly cancelToken: CancelToken;
  readonly counters: AttemptCounters;
  readonly validators: Headers;
}

type RequestOptions = Pick<Request<unknown>, "media" | "headers">;

/** The connections that a request uses, and how many redirects have led to it. */
interface Route {
  readonly connections: Connections;
  readonly redirects: number;
}

/** Codes of undici for a request or a pool that is not usable: the server was not asked. */
const ownFaults: ReadonlySet<string> = new Set([
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_CLOSED",
  "UND_ERR_DESTROYED",
  "unknown",
]);

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const maxRedirects = 2;
const jsonBody = { "content-type": "application/json" } as const;
const none = {} as const;

/** Sends requests to one backend, over a pool of connections. Nothing is sent before the first call. */
export class Transport {
  readonly #settings: TransportSettings;
  readonly #dialect: Pick<Dialect, "authorize" | "followsRedirects">;
  readonly #origin: string;
  readonly #pool: Route;

  constructor(settings: TransportSettings, dialect: Pick<Dialect, "authorize" | "followsRedirects">) {
    this.#settings = settings;
    this.#dialect = dialect;
    this.#origin = new URL(settings.url).origin;
    this.#pool = { connections: openConnections(this.#origin, settings.concurrency, settings), redirects: 0 };
  }

  /** Sends once, redirects included; rejects with an UpstreamError when there is no response that can be judged. */
  send(outgoing: Outgoing, options: RequestOptions, attempt: Attempt): Promise<Received> {
    return this.#send(outgoing, options, attempt, this.#pool);
  }

  /** The same over a new connection beside those of the pool, which is closed afterwards. */
  async sendAlone(outgoing: Outgoing, options: RequestOptions, attempt: Attempt): Promise<Received> {
    const connections = openConnections(this.#origin, 1, this.#settings);
    try {
      return await this.#send(outgoing, options, attempt, { connections, redirects: 0 });
    } finally {
      await connections.dispatcher.destroy();
    }
  }

  close(): Promise<void> {
    return this.#pool.connections.dispatcher.close();
  }

  /** One request and the redirects behind it. Credentials cost a promise only where the dialect returns one. */
  #send(outgoing: Outgoing, options: RequestOptions, attempt: Attempt, route: Route): Promise<Received> {
    try {
      const signed = this.#dialect.authorize(outgoing, attempt.call);
      const received =
        signed instanceof Promise
          ? orCancelled(signed, attempt.cancelToken, () => this.#error("TIMED_OUT", outgoing, {})).then((credentials) =>
              this.#exchange(outgoing, options, attempt, credentials, route),
            )
          : this.#exchange(outgoing, options, attempt, signed, route);
      return received.then((one) =>
        redirectStatuses.has(one.raw.status) ? this.#redirect(one, outgoing, options, attempt, route) : one,
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #redirect(
    { raw, exchange }: Received,
    outgoing: Outgoing,
    options: RequestOptions,
    attempt: Attempt,
    { connections, redirects }: Route,
  ): Promise<Received> {
    const path = redirectPath(raw, this.#origin);
    const isAllowed = this.#dialect.followsRedirects && outgoing.method === "GET" && redirects < maxRedirects;
    if (!isAllowed || path === null) {
      const facts = { status: raw.status, reason: "a redirect where an answer was due" };
      throw exchange.settle(this.#error("MALFORMED", outgoing, facts));
    }
    exchange.settle(null);
    const route = { connections, redirects: redirects + 1 };
    return withRedirect(await this.#send({ ...outgoing, path }, options, attempt, route), path);
  }

  #exchange(
    outgoing: Outgoing,
    { media = "json", headers: own }: RequestOptions,
    { call, cancelToken, counters, validators }: Attempt,
    credentials: Credentials,
    { connections }: Route,
  ): Promise<Received> {
    // Credentials may have taken their time: a request that no caller waits for any more is not sent.
    if (cancelToken.cancelled) throw this.#error("TIMED_OUT", outgoing, {});
    if (!call.budget.take()) throw this.#error("OVER_BUDGET", outgoing, {});
    counters.requests += 1;
    const { name: backend, maxResponseBytes } = this.#settings;
    const { operation, path, method, body } = outgoing;
    const headers = {
      accept: media === "text" ? "*/*" : "application/json",
      // Explicitly: without it a server may compress as it likes.
      "accept-encoding": "identity",
      ...(body === null ? none : jsonBody),
      ...own,
      ...validators,
      ...credentials,
    };
    const facts = { backend, operation, attempt: counters.attempts, via: "SENT" } as const;
    const exchange = new ExchangeReport(call, facts, performance.now());
    const receiver: ResponseReceiver<Received> = {
      onComplete: (bytes, handler) => {
        const { status, headers: rawHeaders, length } = handler;
        exchange.end(status, length);
        try {
          if (status === 407 && connections.by === "forward") throw new ProxyFailure(status);
          const header = (name: string) => firstOf(rawHeaders[name]);
          const raw = { status, header, body: parseBody(bytes, media, header("content-type"), status) };
          return { raw, headers: rawHeaders, body: bytes, credentials, exchange };
        } catch (error) {
          throw exchange.settle(this.#failure(error, outgoing, cancelToken, handler));
        }
      },
      onError: (error, handler) => {
        const { status, length } = handler;
        exchange.end(status === 0 ? null : status, length);
        return exchange.settle(this.#failure(error, outgoing, cancelToken, handler));
      },
    };
    const request = { origin: this.#origin, path, method, headers, body };
    return new ResponseHandler(cancelToken, maxResponseBytes, receiver).dispatch(connections.dispatcher, request);
  }

  #failure(
    error: unknown,
    outgoing: Outgoing,
    { cancelled }: CancelToken,
    { status, isSent }: ResponseHandler<Received>,
  ): UpstreamError {
    if (error instanceof MisshapenAnswer) {
      const tooLarge = error instanceof AnswerTooLarge;
      const facts = { status: status === 0 ? null : status, reason: error.message, tooLarge };
      return this.#error("MALFORMED", outgoing, facts);
    }
    const silence = isSent ? "SILENT" : "UNREACHABLE";
    if (cancelled) {
      const isProxyStuck = !isSent && this.#pool.connections.by !== "none";
      const reason = isProxyStuck ? { reason: "no connection through the proxy in time" } : none;
      return this.#error("TIMED_OUT", outgoing, { silence, ...reason });
    }
    // With such a certificate, or by such a proxy, the server answers no request: what was asked is not the reason.
    const fault = connectionFaultOf(error);
    if (fault) return this.#error("UNAVAILABLE", outgoing, { ...fault, silence: "UNREACHABLE" });
    // undici's own error codes (ECONNREFUSED, UND_ERR_SOCKET …) contain no address; its messages do.
    const code = codeOf(error);
    return this.#error("UNAVAILABLE", outgoing, { reason: code, ...(ownFaults.has(code) ? none : { silence }) });
  }

  #error(failure: Failure, { operation }: Outgoing, facts: Partial<FailureFacts>): UpstreamError {
    return new UpstreamError(failure, { backend: this.#settings.name, operation, ...facts });
  }
}

/** The first of a header's values; null where it is absent. */
export function firstOf(value: string | readonly string[] | undefined): string | null {
  return (typeof value === "string" ? value : value?.[0]) ?? null;
}

/** Headers as a record of texts: of those that came several times, the first. */
export function firstOfEach(rawHeaders: RawHeaders): Headers {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(rawHeaders)) {
    const first = firstOf(value);
    if (first !== null) headers[name] = first;
  }
  return headers;
}

/** The response with the path it came from among its headers; the last redirect counts. */
function withRedirect(received: Received, path: string): Received {
  const last = firstOf(received.headers[redirectedTo]) ?? path;
  const header = (name: string) => (name === redirectedTo ? last : received.raw.header(name));
  const headers = { ...received.headers, [redirectedTo]: last };
  return { ...received, headers, raw: { ...received.raw, header } };
}

function redirectPath(reply: RawReply, origin: string): string | null {
  const location = reply.header("location");
  if (location === null || !URL.canParse(location, origin)) return null;
  const next = new URL(location, origin);
  // A server behind TLS may name itself with http; only the path is used, on our own origin.
  const isOurs =
    next.origin === origin ||
    (next.protocol === "http:" && next.hostname === new URL(origin).hostname && next.port === "");
  return isOurs ? next.pathname + next.search : null;
}
