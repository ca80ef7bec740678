import type { Origin } from "../model/backend.ts";
import { trimEndSlashes } from "../model/values.ts";
import { parseBody } from "./answer.ts";
import { type Answer, type Cache, type CacheSettings, createCache, type Kept } from "./cache.ts";
import type { Call } from "./call.ts";
import { type CancelToken, orCancelled } from "./cancel.ts";
import { createCoalescer, type Handle, SharedCall } from "./coalesce.ts";
import {
  type Dialect,
  judgeByStatus,
  type Outgoing,
  type RawReply,
  type Reply,
  type Request,
  type ServerCheck,
} from "./dialect.ts";
import { isOutOfTime, MisshapenAnswer, outOfTime, UpstreamError } from "./errors.ts";
import { type Exchange, type Settle, startExchange } from "./exchange.ts";
import { fingerprint } from "./freshness.ts";
import { isRead, type Operation, target } from "./operation.ts";
import { createResilience, type Pressure, type ResilienceSettings } from "./resilience.ts";
import { type Attempt, createWire, firstOfEach, type Sent, type Tries, type WireSettings } from "./wire.ts";

export {
  type Dialect,
  type Judgement,
  judgeByStatus,
  type RawReply,
  type Reply,
  type Request,
  redirectedTo,
  retryAfterMs,
} from "./dialect.ts";

/** Everything the client needs to know about one configured backend. */
export interface UpstreamSettings extends ResilienceSettings, WireSettings {
  /** Set when the backend is asked with each caller's own credential: then only equal credentials share answers. */
  readonly forward?: "caller" | undefined;
  /** Keeps answers; left out: none is kept. */
  readonly cache?: CacheSettings | undefined;
}

/** The one way to a backend. Lives as long as the process. */
export interface Upstream {
  readonly name: string;
  /** Base address with its path, without a trailing slash. */
  readonly base: string;
  /** Rejects with an UpstreamError, or with our own bug. */
  readonly call: <T>(operation: Operation, request: Request<T>, call: Call) => Promise<Reply<T>>;
  /** Whether nothing is sent: to nobody, or on behalf of the caller of this call. */
  readonly circuitOpen: (call?: Call) => boolean;
  readonly pressure: () => Pressure;
  readonly close: () => Promise<void>;
}

/** An answer that was judged fine, for everybody who waits for it. */
interface Judged extends Answer {
  readonly raw: RawReply;
  /** For whoever decodes it first. */
  readonly settle: Settle;
  /** Bytes of the body as it came; `body` itself is empty where there is no cache to keep it for. */
  readonly bytes: number;
  /** False: the backend only said that what the cache holds still holds. */
  readonly isNew: boolean;
}

/** A call as it was asked. */
interface Asked<T> {
  readonly operation: Operation;
  readonly request: Request<T>;
  readonly call: Call;
  /** Its name in the cache; null where nothing is kept. */
  readonly keptAs: string | null;
  readonly startedAt: number;
  /** How often something had been changed by then. */
  readonly changes: number;
}

/** Opens the way to one backend; nothing is sent before the first call. */
export function createUpstream(settings: UpstreamSettings, dialect: Dialect): Upstream {
  const base = new URL(settings.url);
  const prefix = trimEndSlashes(base.pathname);
  const wire = createWire(settings, dialect);
  const { check } = dialect;
  const resilience = createResilience(
    settings.name,
    settings,
    check ? { name: check.operation.name, ask: (call, stop) => checkServer(check, call, stop) } : null,
  );
  const reads = createCoalescer<Judged, Call>();
  const cache: Cache | null = settings.cache ? createCache(settings.cache) : null;
  const { name: backend } = settings;
  let changes = 0;

  function ask(
    operation: Operation,
    outgoing: Outgoing,
    request: Request<unknown>,
    call: Call,
    tries: Tries,
    key: string | null,
  ): Promise<Judged> {
    const credential = credentialOf(call);
    return resilience.run({ operation, path: outgoing.path, credential }, call, (stop) => {
      tries.attempt += 1;
      const known = key === null ? null : (cache?.find(key) ?? null);
      const attempt = { call, stop, tries, validators: known?.validators ?? none };
      const before = changes;
      return wire.send(outgoing, request, attempt).then((sent) => {
        if (cache && key !== null && known && sent.raw.status === 304) {
          const answer = confirmed(cache, key, known, sent, request);
          // It held before something was changed.
          if (changes !== before) cache.drop(key);
          return answer;
        }
        const failure = judge(sent.raw, operation);
        return failure === null ? accepted(sent) : mend(failure, sent, operation, outgoing, request, attempt);
      });
    });
  }

  function accepted({ raw, headers, body, settle }: Sent): Judged {
    const fetchedAt = new Date().toISOString();
    const lasting = cache ? { headers: firstOfEach(headers), body } : fleeting;
    const { status } = raw;
    return { ...lasting, status, bytes: body.length, fetchedAt, traceId: traceIdOf(raw), raw, settle, isNew: true };
  }

  /** Asks once more where fresh credentials may help; throws the failure where they do not. */
  async function mend(
    failure: UpstreamError,
    sent: Sent,
    operation: Operation,
    outgoing: Outgoing,
    request: Request<unknown>,
    attempt: Attempt,
  ): Promise<Judged> {
    // What was refused has been an exchange of its own, whatever comes of asking once more.
    sent.settle(failure);
    if (!dialect.renew) throw failure;
    if (!(await orCancelled(dialect.renew(sent.raw, sent.credentials, attempt.call), attempt.stop, () => failure)))
      throw failure;
    const again = await wire.send(outgoing, request, { ...attempt, validators: none });
    const failed = judge(again.raw, operation);
    if (failed) throw again.settle(failed);
    return accepted(again);
  }

  /** The backend says that what was kept still holds. */
  function confirmed(kept: Cache, key: string, known: Kept, { raw, headers, settle }: Sent, request: Request<unknown>) {
    const fetchedAt = new Date().toISOString();
    const told = { status: 304, headers: firstOfEach(headers), fetchedAt, traceId: traceIdOf(raw) };
    const renewed = kept.renew(key, known, told);
    return { ...renewed, bytes: renewed.body.length, raw: rawOf(known, request), settle, isNew: false };
  }

  function overdue({ name: operation }: Operation): UpstreamError {
    return new UpstreamError("TIMED_OUT", { backend, operation, retryable: false });
  }

  function judge(raw: RawReply, operation: Operation): UpstreamError | null {
    const judgement = dialect.judge(raw, operation) ?? judgeByStatus(raw);
    if (judgement === "FINE") return null;
    const { failure, ...facts } = judgement;
    const { status } = raw;
    const traceId = traceIdOf(raw);
    return new UpstreamError(failure, { ...facts, backend, operation: operation.name, status, traceId });
  }

  function traceIdOf(raw: RawReply): string | null {
    return dialect.traceHeader === null ? null : printable(raw.header(dialect.traceHeader));
  }

  /** Decodes without a pause before telling of it: whoever listens knows then what the decoder has told. */
  function decode<T>(
    operation: Operation,
    request: Request<T>,
    { raw, traceId, fetchedAt }: Pick<Judged, "raw" | "traceId" | "fetchedAt">,
    { stale, settle }: { readonly stale: boolean; readonly settle: Settle },
  ): Reply<T> {
    const origin: Origin = { backend, fetchedAt, stale, traceId };
    try {
      return { value: request.decode(raw, operation), header: raw.header, origin };
    } catch (error) {
      if (!(error instanceof MisshapenAnswer)) throw error;
      const facts = { backend, operation: operation.name, status: raw.status, traceId, reason: error.message };
      throw settle(new UpstreamError("MALFORMED", facts));
    } finally {
      settle(null);
    }
  }

  /** Asks a question of our own, at nobody's cost and for nobody to be told of. */
  async function checkServer(
    { operation, parts, query }: ServerCheck,
    { caller }: Call,
    stop: CancelToken,
  ): Promise<void> {
    const path = prefix + target(operation, parts, query);
    const outgoing: Outgoing = {
      operation: operation.name,
      method: operation.method,
      origin: base.origin,
      path,
      body: null,
    };
    const call: Call = {
      cancelToken: stop,
      remainingMs: () => settings.timeoutMs,
      requestId: "check",
      budget: { take: () => true },
      caller,
    };
    const tries = { attempt: 1, sent: 0 };
    const sent = await wire.sendAlone(outgoing, none, { call, stop, tries, validators: none });
    const failure = sent.settle(judge(sent.raw, operation));
    if (failure) throw failure;
  }

  /** The caller's own credential as it is told from others; null where there is none, or none of the caller's is sent. */
  function credentialOf({ caller }: Call): string | null {
    const own = settings.forward === undefined ? null : caller.credentialFor(backend);
    return own === null ? null : fingerprint(own);
  }

  // One credential a backend, but for `forward`: then it is part of the key, and without one there is nothing to share.
  function keyOf({ method, path, body }: Outgoing, request: Request<unknown>, call: Call): string | null {
    const own = settings.forward === undefined ? "" : call.caller.credentialFor(backend);
    if (own === null) return null;
    // Neither of the first three can hold a space, so that no two lists of parts make the same key.
    const usual = `${method} ${request.media ?? "json"} ${path}`;
    if (body === null && own === "" && request.headers === undefined) return usual;
    return `${usual} ${JSON.stringify([body, own === "" ? "" : fingerprint(own), request.headers ?? {}])}`;
  }

  /** What cannot be the name of a thing names nothing: there is no need to ask. */
  function addressed<T>(operation: Operation, { parts, query }: Request<T>): string {
    try {
      return target(operation, parts, query);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UpstreamError("NOT_FOUND", { backend, operation: operation.name });
    }
  }

  const call: Upstream["call"] = (operation, request, call) => {
    try {
      return begin(operation, request, call);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  function begin<T>(operation: Operation, request: Request<T>, call: Call): Promise<Reply<T>> {
    const path = prefix + addressed(operation, request);
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const outgoing: Outgoing = { operation: operation.name, method: operation.method, origin: base.origin, path, body };
    const key = isRead(operation) ? keyOf(outgoing, request, call) : null;
    const keptAs = cache && key !== null && !call.anew ? fingerprint(key) : null;
    const asked: Asked<T> = { operation, request, call, keptAs, startedAt: performance.now(), changes };
    const fresh = keptAs === null ? null : (cache?.fresh(keptAs) ?? null);
    if (fresh) return Promise.resolve(answerFrom(fresh, "CACHE", asked));
    const tries: Tries = { attempt: 0, sent: 0 };
    // A backend that is not asked has not been too slow: the time has gone to something else.
    if (call.cancelToken.cancelled)
      return Promise.resolve(failed(outOfTime(backend, operation.name), null, tries, asked));
    if (key === null) {
      return unshared(operation, outgoing, request, call, tries).then(
        (judged) => answered(judged, true, asked),
        (error) => failed(error, null, tries, asked),
      );
    }
    const handle = reads.join(key, call, (run) =>
      ask(operation, outgoing, request, new SharedCall(run), tries, keptAs),
    );
    return handle.result.then(
      (judged) => answered(judged, handle.isLeader, asked),
      (error) => failed(error, handle, tries, asked),
    );
  }

  function answered<T>(judged: Judged, isLeader: boolean, asked: Asked<T>): Reply<T> {
    const settle = isLeader ? judged.settle : startOf(asked, "FLIGHT")({ status: judged.status, bytes: judged.bytes });
    const reply = decode(asked.operation, asked.request, judged, { stale: false, settle });
    // What was asked before a change may tell of the time before it.
    const isLasting = isLeader && judged.isNew && asked.changes === changes;
    if (asked.keptAs !== null && isLasting) cache?.keep(asked.keptAs, judged);
    return reply;
  }

  /** What is kept of an earlier answer, where it may stand in; throws the failure where it may not. */
  function failed<T>(failure: unknown, handle: Handle<Judged, Call> | null, tries: Tries, asked: Asked<T>): Reply<T> {
    // Who began it and left does not hear the end; what was asked is told all the same.
    if (handle?.isLeader) handle.run.work.then(({ settle }) => settle(null)).catch(() => {});
    const isLate = asked.call.cancelToken.cancelled && !isOutOfTime(failure);
    const error = isLate ? overdue(asked.operation) : failure;
    if (!(error instanceof UpstreamError)) throw error;
    const kept = asked.keptAs === null ? null : standInFor(error, asked.keptAs);
    if (kept) return answerFrom(kept, "STALE", asked);
    throw refused(error, handle, tries, asked);
  }

  /** Tells of a call that was never sent, or of one in somebody else's flight; what was sent has been told. */
  function refused(
    error: UpstreamError,
    handle: Handle<Judged, Call> | null,
    tries: Tries,
    asked: Asked<unknown>,
  ): UpstreamError {
    if (handle && !handle.isLeader) return startOf(asked, "FLIGHT")({ status: error.status, bytes: 0 })(error);
    return tries.sent === 0 ? startOf(asked, "UNSENT")({ status: null, bytes: 0 })(error) : error;
  }

  function startOf({ operation: { name: operation }, call, startedAt }: Asked<unknown>, via: Exchange["via"]) {
    return startExchange({ call, backend, operation, attempt: 0, via }, startedAt);
  }

  function answerFrom<T>(kept: Kept, via: "CACHE" | "STALE", asked: Asked<T>): Reply<T> {
    const { operation, request, call } = asked;
    if (via === "STALE") call.standIns?.note(backend, kept.fetchedAt);
    const settle = startOf(asked, via)({ status: kept.status, bytes: kept.body.length });
    return decode(operation, request, { ...kept, raw: rawOf(kept, request) }, { stale: via === "STALE", settle });
  }

  /** What is nobody else's answer: what changes something, and reads of a caller who has no credential to share by. */
  async function unshared(
    operation: Operation,
    outgoing: Outgoing,
    request: Request<unknown>,
    call: Call,
    tries: Tries,
  ): Promise<Judged> {
    if (isRead(operation)) return ask(operation, outgoing, request, call, tries, null);
    // Who asks from now on must see what is being changed, and who asks when it is done, whatever came back, as well.
    reads.invalidate();
    try {
      return await ask(operation, outgoing, request, call, tries, null);
    } finally {
      reads.invalidate();
      changes += 1;
      cache?.clear();
    }
  }

  /** A kept answer for a backend that does not answer. What it has refused, or says is gone, is forgotten. */
  function standInFor({ failure }: UpstreamError, key: string): Kept | null {
    if (failure === "DENIED" || failure === "NOT_FOUND") cache?.drop(key);
    const isSilent = failure === "UNAVAILABLE" || failure === "TIMED_OUT" || failure === "THROTTLED";
    return isSilent ? (cache?.standIn(key) ?? null) : null;
  }

  return {
    name: backend,
    base: base.origin + prefix,
    call,
    circuitOpen: (call) => resilience.isOpen(call ? credentialOf(call) : null),
    pressure: resilience.pressure,
    close: wire.close,
  };
}

const none = {} as const;
/** What is left of an answer that nobody keeps. */
const fleeting = { headers: none, body: Buffer.alloc(0) } as const;

/** A kept answer as it was before it was judged. */
function rawOf({ status, headers, body }: Kept, { media = "json" }: Request<unknown>): RawReply {
  const header = (name: string) => headers[name] ?? null;
  return { status, header, body: parseBody(body, media, header("content-type"), status) };
}

/** A vendor's request id may be shown, but only if it looks like one. */
function printable(id: string | null): string | null {
  return id !== null && /^[\w.:-]{1,128}$/.test(id) ? id : null;
}
