import { createHash } from "node:crypto";
import { Lru } from "../model/lru.ts";

/** How responses of one backend are cached. */
export interface CacheSettings {
  /** Bytes of bodies and headers; the least recently used responses are evicted. */
  readonly maxBytes: number;
  /** How long a response is fresh that does not name a lifetime. */
  readonly freshMs: number;
  readonly staleIfErrorMs: number;
}

/** Headers of a response by lower-case name. */
export type Headers = Readonly<Record<string, string>>;

/** A response to be cached. */
export interface CachedResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** When the backend last sent it or answered 304 for it, RFC 3339. */
  readonly fetchedAt: string;
  readonly traceId: string | null;
}

/** A response in the cache. */
export interface CacheEntry extends CachedResponse {
  /** Headers of a conditional request; null when the backend sent no validator. */
  readonly validators: Headers | null;
  readonly freshUntil: number;
  readonly weight: number;
}

/** Bytes of an entry beside its body and headers, rounded up. */
const overheadBytes = 512;

/** Headers of a 304 that describe the 304 itself. */
const headersOfNotModified = /^(?:content-(?:length|type|encoding)|transfer-encoding|connection)$/;

/** Successful responses of one backend by key, bounded by bytes. `now` is the clock in milliseconds. */
export class ResponseCache {
  readonly #settings: CacheSettings;
  readonly #now: () => number;
  readonly #entries: Lru<CacheEntry>;

  constructor(settings: CacheSettings, now: () => number = Date.now) {
    this.#settings = settings;
    this.#now = now;
    this.#entries = new Lru({
      maxWeight: settings.maxBytes,
      // One response may not evict all others.
      maxEntryWeight: settings.maxBytes / 4,
      weigh: ({ weight }) => weight,
    });
  }

  get bytes(): number {
    return this.#entries.weight;
  }

  get(key: string): CacheEntry | null {
    return this.#entries.get(key) ?? null;
  }

  /** An entry that may be served without asking the backend. */
  fresh(key: string): CacheEntry | null {
    const entry = this.get(key);
    return entry && this.#now() < entry.freshUntil ? entry : null;
  }

  staleIfError(key: string): CacheEntry | null {
    const entry = this.get(key);
    return entry && this.#now() <= entry.freshUntil + this.#settings.staleIfErrorMs ? entry : null;
  }

  /** Stores a response that was judged and decoded. A response that must not be stored removes the entry of its key. */
  set(key: string, response: CachedResponse): void {
    const { isStorable, freshMs } = cachePolicyOf(response.headers);
    if (response.status === 200 && isStorable) this.#store(key, response, freshMs);
    else this.delete(key);
  }

  /** Makes an entry as good as new after a 304; returns the resulting entry. */
  revalidate(key: string, entry: CacheEntry, notModified: Omit<CachedResponse, "body">): CacheEntry {
    const { fetchedAt, traceId } = notModified;
    // The headers of the 304 replace those of the entry.
    const repeated = Object.entries(notModified.headers).filter(([name]) => !headersOfNotModified.test(name));
    const headers = { ...entry.headers, ...Object.fromEntries(repeated) };
    const { isStorable, freshMs } = cachePolicyOf(headers);
    if (isStorable) return this.#store(key, { ...entry, headers, fetchedAt, traceId }, freshMs);
    this.delete(key);
    return entry;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  #store(key: string, response: CachedResponse, freshMs: number | null): CacheEntry {
    const { headers, body } = response;
    const entry: CacheEntry = {
      ...response,
      validators: validatorsOf(headers),
      freshUntil: this.#now() + (freshMs ?? this.#settings.freshMs),
      weight: body.length + JSON.stringify(headers).length + overheadBytes,
    };
    this.#entries.set(key, entry);
    return entry;
  }
}

function validatorsOf({ etag, "last-modified": modified }: Headers): Headers | null {
  if (etag !== undefined) return { "if-none-match": etag };
  return modified === undefined ? null : { "if-modified-since": modified };
}

/** What a response allows a private cache (RFC 9111); `freshMs` is null where it does not name a lifetime. */
export function cachePolicyOf(headers: Headers): { readonly isStorable: boolean; readonly freshMs: number | null } {
  const directives = directivesOf(headers["cache-control"] ?? "");
  // Our keys contain every header that we set; a response that varies by anything else cannot be found again.
  if (directives.has("no-store") || headers["vary"]?.trim() === "*") return { isStorable: false, freshMs: null };
  if (directives.has("no-cache")) return { isStorable: true, freshMs: 0 };
  const age = Number(headers["age"] ?? 0) * 1000 || 0;
  const seconds = directives.get("max-age");
  if (seconds !== undefined) {
    return { isStorable: true, freshMs: /^\d{1,9}$/.test(seconds) ? Math.max(0, Number(seconds) * 1000 - age) : 0 };
  }
  const { expires, date } = headers;
  if (expires === undefined) return { isStorable: true, freshMs: null };
  const lifetime = Date.parse(expires) - (Date.parse(date ?? "") || Date.now());
  // `Expires: 0`, and whatever else is not a date, means "already expired".
  return { isStorable: true, freshMs: Number.isNaN(lifetime) ? 0 : Math.max(0, lifetime - age) };
}

function directivesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(",").map((part) => {
      const [name = "", value = ""] = part.split("=", 2);
      return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, "$1")];
    }),
  );
}

/** One text for a list of texts, from which none of them can be read. */
export function fingerprint(...parts: readonly (string | null)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}

/** The backends that failed in one operation, and whose stale responses were served. */
export class StaleResponses {
  readonly #times = new Map<string, string>();

  record(backend: string, fetchedAt: string): void {
    const known = this.#times.get(backend);
    if (known === undefined || fetchedAt < known) this.#times.set(backend, fetchedAt);
  }

  /** Time of the oldest stale response of this backend, RFC 3339; null when none was served. */
  oldest(backend: string): string | null {
    return this.#times.get(backend) ?? null;
  }
}
