import { Lru } from "../model/lru.ts";
import { type Headers, keepingOf } from "./freshness.ts";

/** How one backend's answers are kept. Without these settings none is. */
export interface CacheSettings {
  /** Bytes of bodies; what was not used for longest goes first. */
  readonly maxBytes: number;
  /** How long an answer is fresh that says nothing of it itself. */
  readonly freshMs: number;
  /** How long an answer that is no longer fresh may stand in for a backend that does not answer. */
  readonly staleIfErrorMs: number;
}

/** An answer as it came, with what is to be told of its coming. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** When the backend last said so, RFC 3339. */
  readonly fetchedAt: string;
  readonly traceId: string | null;
}

/** A kept answer. */
export interface Kept extends Answer {
  /** Headers that ask whether it still holds; null when the backend gave nothing to ask with. */
  readonly validators: Readonly<Record<string, string>> | null;
  readonly freshUntil: number;
  /** Bytes it is counted as. */
  readonly cost: number;
}

/** Successful answers of one backend, by key; bounded by bytes. */
export interface Cache {
  /** An answer that may be used without asking. */
  readonly fresh: (key: string) => Kept | null;
  /** An answer that may be used because the backend failed. */
  readonly standIn: (key: string) => Kept | null;
  /** Any answer, to be asked about. */
  readonly find: (key: string) => Kept | null;
  /** Keeps an answer that has been judged and decoded; not one that asks not to be kept. */
  readonly keep: (key: string, answer: Answer) => void;
  /** The backend says (304) that it still holds: as good as new from now on. */
  readonly renew: (key: string, kept: Kept, by: Omit<Answer, "body">) => Kept;
  readonly drop: (key: string) => void;
  /** Forgets everything: something was changed, and nobody can tell which answers told of it. */
  readonly clear: () => void;
  /** Bytes held. */
  readonly size: () => number;
}

/** What an entry costs beside its body and headers. Rounded up. */
const overhead = 512;

/** Headers of a 304 that are about the 304. */
const ofItself = new Set(["content-length", "content-type", "content-encoding", "transfer-encoding", "connection"]);

/** An empty cache; `now` is the clock in milliseconds. */
export function createCache(settings: CacheSettings, now: () => number = Date.now): Cache {
  const entries = new Lru<Kept>({
    maxWeight: settings.maxBytes,
    // One answer may not evict all others.
    maxEntryWeight: settings.maxBytes / 4,
    weigh: ({ cost }) => cost,
  });

  function put(key: string, answer: Answer): Kept {
    const { headers, body } = answer;
    const entry: Kept = {
      ...answer,
      validators: validatorsOf(headers),
      freshUntil: now() + (keepingOf(headers).freshMs ?? settings.freshMs),
      cost: body.length + JSON.stringify(headers).length + overhead,
    };
    entries.set(key, entry);
    return entry;
  }

  const find = (key: string) => entries.get(key) ?? null;
  const drop = (key: string) => entries.delete(key);

  return {
    find,
    drop,
    clear: () => entries.clear(),
    size: () => entries.weight,
    fresh: (key) => {
      const known = find(key);
      return known && now() < known.freshUntil ? known : null;
    },
    standIn: (key) => {
      const known = find(key);
      return known && now() <= known.freshUntil + settings.staleIfErrorMs ? known : null;
    },
    keep: (key, answer) => {
      if (answer.status === 200 && keepingOf(answer.headers).isKept) put(key, answer);
      else drop(key);
    },
    renew: (key, known, { headers, fetchedAt, traceId }) => {
      // What it says anew counts; what it does not repeat stays as it was.
      const said = Object.entries(headers).filter(([name]) => !ofItself.has(name));
      const renewed = { ...known, headers: { ...known.headers, ...Object.fromEntries(said) }, fetchedAt, traceId };
      if (keepingOf(renewed.headers).isKept) return put(key, renewed);
      drop(key);
      return known;
    },
  };
}

function validatorsOf(headers: Headers): Kept["validators"] {
  const { etag, "last-modified": modified } = headers;
  if (etag !== undefined) return { "if-none-match": etag };
  return modified === undefined ? null : { "if-modified-since": modified };
}
