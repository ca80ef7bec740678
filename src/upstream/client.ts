import { trimEndSlashes } from "../model/values.ts";
import { type CachedResponse, type CacheEntry, type CacheSettings, fingerprint, ResponseCache } from "./cache.ts";
import { type CancelToken, orCancelled } from "./cancel.ts";
import { Coalescer, type Handle, SharedCall } from "./coalesce.ts";
import { isOutOfTime, MisshapenAnswer, outOfTime, UpstreamError } from "./errors.ts";
import { type Exchange, ExchangeReport } from "./events.ts";
import {
  type Call,
  type Dialect,
  isRead,
  judgeByStatus,
  type Operation,
  type Outgoing,
  type RawReply,
  type Reply,
  type Request,
  type ServerCheck,
  target,
} from "./operation.ts";
import { type Pressure, Resilience, type ResilienceSettings } from "./resilience.ts";
import { parseBody } from "./response.ts";
import {
  type Attempt,
  type AttemptCounters,
  firstOfEach,
  type Received,
  Transport,
  type TransportSettings,
} from "./transport.ts";

/** Everything that the client needs to know about one configured backend. */
export interface UpstreamSettings extends ResilienceSettings, TransportSettings {
  /** Set when requests carry each caller's own credential: then only equal credentials share responses. */
  readonly forward?: "caller" | undefined;
  readonly cache?: CacheSettings | undefined;
}

/** A response that was judged fine, for all calls that wait for it. */
interface JudgedResponse extends CachedResponse {
  readonly raw: RawReply;
  /** To be settled by the first call that decodes it. */
  readonly exchange: ExchangeReport;
  /** Bytes of the body as it was received; `body` itself is empty where there is no cache. */
  readonly bytes: number;
  /** False for a cache entry after a 304. */
  readonly isNew: boolean;
}

/** A call while it is answered. */
interface PendingCall<T> extends AttemptCounters {
  readonly operation: Operation;
  readonly request: Request<T>;
  readonly call: Call;
  readonly outgoing: Outgoing;
  /** Null where the response is not cached. */
  readonly cacheKey: string | null;
  readonly startedAt: number;
  readonly generation: number;
}

const none = {} as const;
/** What is left of a response where there is no cache. */
const uncached = { headers: none, body: Buffer.alloc(0) } as const;

/** The client of one backend; sends nothing before the first call. Its public functions may be passed on. */
export class Upstream {
  readonly name: string;
  /** Base address with its path, without a trailing slash. */
  readonly base: string;
  readonly #settings: UpstreamSettings;
  readonly #dialect: Dialect;
  readonly #origin: string;
  readonly #basePath: string;
  readonly #transport: Transport;
  readonly #resilience: Resilience;
  readonly #cache: ResponseCache | null;
  readonly #reads = new Coalescer<JudgedResponse, Call>();
  /** Number of changes that this client has made. */
  #generation = 0;

  constructor(settings: UpstreamSettings, dialect: Dialect) {
    const { origin, pathname } = new URL(settings.url);
    const { check } = dialect;
    this.name = settings.name;
    this.#settings = settings;
    this.#dialect = dialect;
    this.#origin = origin;
    this.#basePath = trimEndSlashes(pathname);
    this.base = origin + this.#basePath;
    this.#transport = new Transport(settings, dialect);
    this.#resilience = new Resilience(
      settings.name,
      settings,
      check ? { name: check.operation.name, send: (call, token) => this.#sendCheck(check, call, token) } : null,
    );
    this.#cache = settings.cache ? new ResponseCache(settings.cache) : null;
  }

  /** Rejects with an UpstreamError, or with our own bug. */
  readonly call = <T>(operation: Operation, request: Request<T>, call: Call): Promise<Reply<T>> => {
    try {
      return this.#start(operation, request, call);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  /** Whether nothing is sent: for any caller, or for the caller of this call. */
  readonly circuitOpen = (call?: Call): boolean => this.#resilience.isOpen(call ? this.#credentialOf(call) : null);
  readonly pressure = (): Pressure => this.#resilience.pressure();
  readonly close = (): Promise<void> => this.#transport.close();

  #start<T>(operation: Operation, request: Request<T>, call: Call): Promise<Reply<T>> {
    const path = this.#basePath + this.#targetOf(operation, request);
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const outgoing = { operation: operation.name, method: operation.method, origin: this.#origin, path, body };
    const key = isRead(operation) ? this.#keyOf(outgoing, request, call) : null;
    const cacheKey = this.#cache && key !== null && !call.bypassCache ? fingerprint(key) : null;
    const pending: PendingCall<T> = {
      operation,
      request,
      call,
      outgoing,
      cacheKey,
      startedAt: performance.now(),
      generation: this.#generation,
      attempts: 0,
      requests: 0,
    };
    const fresh = cacheKey === null ? null : this.#cache?.fresh(cacheKey);
    if (fresh) return Promise.resolve(this.#fromCache(fresh, "CACHE", pending));
    // The backend has not been too slow: the time was spent before.
    if (call.cancelToken.cancelled) {
      return Promise.resolve(this.#failed(outOfTime(this.name, operation.name), null, pending));
    }
    if (key === null) {
      return this.#uncoalesced(pending).then(
        (response) => this.#succeeded(response, true, pending),
        (error) => this.#failed(error, null, pending),
      );
    }
    const handle = this.#reads.join(key, call, (run) => this.#send(pending, new SharedCall(run)));
    return handle.result.then(
      (response) => this.#succeeded(response, handle.isLeader, pending),
      (error) => this.#failed(error, handle, pending),
    );
  }

  /** Changes, and reads of a caller without a credential by which they could be shared. */
  async #uncoalesced(pending: PendingCall<unknown>): Promise<JudgedResponse> {
    if (isRead(pending.operation)) return this.#send(pending, pending.call);
    // Reads from now on must see the change, and those from its end on as well, whatever its outcome.
    this.#reads.invalidate();
    try {
      return await this.#send(pending, pending.call);
    } finally {
      this.#reads.invalidate();
      this.#generation += 1;
      this.#cache?.clear();
    }
  }

  /** Sends with retries, for `call`: the pending call's own or the one it shares. */
  #send(pending: PendingCall<unknown>, call: Call): Promise<JudgedResponse> {
    const { operation, outgoing } = pending;
    const credential = this.#credentialOf(call);
    return this.#resilience.run({ operation, path: outgoing.path, credential }, call, (cancelToken) =>
      this.#attempt(pending, call, cancelToken),
    );
  }

  #attempt(pending: PendingCall<unknown>, call: Call, cancelToken: CancelToken): Promise<JudgedResponse> {
    pending.attempts += 1;
    const { operation, outgoing, request, cacheKey } = pending;
    const entry = cacheKey === null ? null : (this.#cache?.get(cacheKey) ?? null);
    const attempt = { call, cancelToken, counters: pending, validators: entry?.validators ?? none };
    const generation = this.#generation;
    return this.#transport.send(outgoing, request, attempt).then((received) => {
      if (this.#cache && cacheKey !== null && entry && received.raw.status === 304) {
        const response = this.#notModified(this.#cache, cacheKey, entry, received, request);
        // The 304 is about the state before the change.
        if (this.#generation !== generation) this.#cache.delete(cacheKey);
        return response;
      }
      const failure = this.#judge(received.raw, operation);
      return failure === null
        ? this.#accept(received)
        : this.#retryWithFreshCredentials(failure, received, pending, attempt);
    });
  }

  #accept({ raw, headers, body, exchange }: Received): JudgedResponse {
    const stored = this.#cache ? { headers: firstOfEach(headers), body } : uncached;
    const { status } = raw;
    const fetchedAt = new Date().toISOString();
    const bytes = body.length;
    return { ...stored, status, bytes, fetchedAt, traceId: this.#traceIdOf(raw), raw, exchange, isNew: true };
  }

  #notModified(
    cache: ResponseCache,
    key: string,
    entry: CacheEntry,
    { raw, headers, exchange }: Received,
    request: Request<unknown>,
  ): JudgedResponse {
    const fetchedAt = new Date().toISOString();
    const notModified = { status: 304, headers: firstOfEach(headers), fetchedAt, traceId: this.#traceIdOf(raw) };
    const renewed = cache.revalidate(key, entry, notModified);
    return { ...renewed, bytes: renewed.body.length, raw: rawOf(entry, request), exchange, isNew: false };
  }

  /** Sends once more where fresh credentials may help; throws the failure where they do not. */
  async #retryWithFreshCredentials(
    failure: UpstreamError,
    received: Received,
    { operation, outgoing, request }: PendingCall<unknown>,
    attempt: Attempt,
  ): Promise<JudgedResponse> {
    // The refused request was an exchange of its own, whatever the outcome of the next one.
    received.exchange.settle(failure);
    const renewed = this.#dialect.renew?.(received.raw, received.credentials, attempt.call);
    if (!renewed || !(await orCancelled(renewed, attempt.cancelToken, () => failure))) throw failure;
    const second = await this.#transport.send(outgoing, request, { ...attempt, validators: none });
    const secondFailure = this.#judge(second.raw, operation);
    if (secondFailure) throw second.exchange.settle(secondFailure);
    return this.#accept(second);
  }

  #judge(raw: RawReply, operation: Operation): UpstreamError | null {
    const judgement = this.#dialect.judge(raw, operation) ?? judgeByStatus(raw);
    if (judgement === "FINE") return null;
    const { failure, ...facts } = judgement;
    const { status } = raw;
    const traceId = this.#traceIdOf(raw);
    return new UpstreamError(failure, { ...facts, backend: this.name, operation: operation.name, status, traceId });
  }

  #succeeded<T>(response: JudgedResponse, isLeader: boolean, pending: PendingCall<T>): Reply<T> {
    const exchange = isLeader ? response.exchange : this.#report(pending, "COALESCED", response.status, response.bytes);
    const reply = this.#decode(pending, response, false, exchange);
    // A response to a request that was sent before a change may show the state before it.
    const isCurrent = pending.generation === this.#generation;
    if (pending.cacheKey !== null && isLeader && response.isNew && isCurrent) {
      this.#cache?.set(pending.cacheKey, response);
    }
    return reply;
  }

  /** A stale response, where one may be served; throws the failure where it may not. */
  #failed<T>(failure: unknown, handle: Handle<JudgedResponse, Call> | null, pending: PendingCall<T>): Reply<T> {
    const { call, operation, cacheKey } = pending;
    // A leader that has given up does not decode the response: the exchange is reported all the same.
    if (handle?.isLeader) handle.run.work.then(({ exchange }) => exchange.settle(null)).catch(() => {});
    const isLate = call.cancelToken.cancelled && !isOutOfTime(failure);
    const facts = { backend: this.name, operation: operation.name, retryable: false };
    const error = isLate ? new UpstreamError("TIMED_OUT", facts) : failure;
    if (!(error instanceof UpstreamError)) throw error;
    const entry = cacheKey === null ? null : this.#staleEntry(error, cacheKey);
    if (entry) return this.#fromCache(entry, "STALE", pending);
    if (handle && !handle.isLeader) throw this.#report(pending, "COALESCED", error.status, 0).settle(error);
    throw pending.requests === 0 ? this.#report(pending, "UNSENT", null, 0).settle(error) : error;
  }

  /** A stale entry for a backend that does not answer. An entry that is denied or gone now is deleted. */
  #staleEntry({ failure }: UpstreamError, key: string): CacheEntry | null {
    if (failure === "DENIED" || failure === "NOT_FOUND") this.#cache?.delete(key);
    const isUnanswered = failure === "UNAVAILABLE" || failure === "TIMED_OUT" || failure === "THROTTLED";
    return isUnanswered ? (this.#cache?.staleIfError(key) ?? null) : null;
  }

  #fromCache<T>(entry: CacheEntry, via: "CACHE" | "STALE", pending: PendingCall<T>): Reply<T> {
    const isStale = via === "STALE";
    if (isStale) pending.call.staleResponses?.record(this.name, entry.fetchedAt);
    const exchange = this.#report(pending, via, entry.status, entry.body.length);
    return this.#decode(pending, { ...entry, raw: rawOf(entry, pending.request) }, isStale, exchange);
  }

  /** Decodes, and settles the exchange afterwards, so that its subscribers know what the decoder has reported. */
  #decode<T>(
    { operation, request }: PendingCall<T>,
    { raw, traceId, fetchedAt }: Pick<JudgedResponse, "raw" | "traceId" | "fetchedAt">,
    stale: boolean,
    exchange: ExchangeReport,
  ): Reply<T> {
    const backend = this.name;
    try {
      const value = request.decode(raw, operation);
      return { value, header: raw.header, origin: { backend, fetchedAt, stale, traceId } };
    } catch (error) {
      if (!(error instanceof MisshapenAnswer)) throw error;
      const facts = { backend, operation: operation.name, status: raw.status, traceId, reason: error.message };
      throw exchange.settle(new UpstreamError("MALFORMED", facts));
    } finally {
      exchange.settle(null);
    }
  }

  /** The report of a call for which no request was sent. */
  #report(pending: PendingCall<unknown>, via: Exchange["via"], status: number | null, bytes: number) {
    const facts = { backend: this.name, operation: pending.operation.name, attempt: 0, via };
    return new ExchangeReport(pending.call, facts, pending.startedAt).end(status, bytes);
  }

  /** Sends the health check, as a call of its own: no budget pays for it and no request reports it. */
  async #sendCheck({ operation, parts, query }: ServerCheck, { caller }: Call, cancelToken: CancelToken) {
    const { name, method } = operation;
    const path = this.#basePath + target(operation, parts, query);
    const outgoing = { operation: name, method, origin: this.#origin, path, body: null };
    const call: Call = {
      cancelToken,
      remainingMs: () => this.#settings.timeoutMs,
      requestId: "check",
      budget: { take: () => true },
      caller,
    };
    const attempt = { call, cancelToken, counters: { attempts: 1, requests: 0 }, validators: none };
    const { raw, exchange } = await this.#transport.sendAlone(outgoing, none, attempt);
    const failure = exchange.settle(this.#judge(raw, operation));
    if (failure) throw failure;
  }

  /** Fingerprint of the caller's own credential; null where there is none, or none is sent. */
  #credentialOf({ caller }: Call): string | null {
    const own = this.#settings.forward === undefined ? null : caller.credentialFor(this.name);
    return own === null ? null : fingerprint(own);
  }

  /** The key by which equal reads share a response; null where there is no credential by which they could be shared. */
  #keyOf({ method, path, body }: Outgoing, { media = "json", headers }: Request<unknown>, call: Call): string | null {
    // All callers share one credential, unless each one's own is forwarded: then it is part of the key.
    const own = this.#settings.forward === undefined ? "" : call.caller.credentialFor(this.name);
    if (own === null) return null;
    // None of the three contains a space, so that no two lists of parts make the same key.
    const usual = `${method} ${media} ${path}`;
    if (body === null && own === "" && headers === undefined) return usual;
    return `${usual} ${JSON.stringify([body, own === "" ? "" : fingerprint(own), headers ?? {}])}`;
  }

  /** The path and query; a text that cannot be a path part names nothing, so that there is no need to ask. */
  #targetOf<T>(operation: Operation, { parts, query }: Request<T>): string {
    try {
      return target(operation, parts, query);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UpstreamError("NOT_FOUND", { backend: this.name, operation: operation.name });
    }
  }

  /** The vendor's id of the request, if it looks like one and may be shown. */
  #traceIdOf(raw: RawReply): string | null {
    const { traceHeader } = this.#dialect;
    const id = traceHeader === null ? null : raw.header(traceHeader);
    return id !== null && /^[\w.:-]{1,128}$/.test(id) ? id : null;
  }
}

function rawOf({ status, headers, body }: CachedResponse, { media = "json" }: Request<unknown>): RawReply {
  const header = (name: string) => headers[name] ?? null;
  return { status, header, body: parseBody(body, media, header("content-type"), status) };
}
