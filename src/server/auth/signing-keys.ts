import { createLocalJWKSet, errors, type JWTVerifyGetKey } from "jose";
import { cancelTokenOf, neverCancelled } from "../../upstream/cancel.ts";
import { createUpstream, type RawReply } from "../../upstream/client.ts";
import { createCoalescer, type Waiter } from "../../upstream/coalesce.ts";
import type { EnvironmentProxies } from "../../upstream/connections.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import type { Log } from "../observability/log.ts";

/** The issuer's keys could not be read, and there are no earlier ones. */
export class NoSigningKeys extends Error {
  override readonly name = "NoSigningKeys";
}

/** The issuer's public keys, read when they are first needed and cached. */
export interface SigningKeys {
  /** Finds the key of a token; rejects with JWKSNoMatchingKey, or with {@link NoSigningKeys}. */
  readonly find: JWTVerifyGetKey;
  /** Number of successful reads. */
  readonly generation: () => number;
  /** Reads the keys again unless that was tried in the cool-down time. */
  readonly refresh: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** How often the keys are read. */
export interface SigningKeyTimes {
  /** Older keys are read again, while they remain in use. */
  readonly maxAgeMs: number;
  /** Minimum time between two attempts: tokens with made-up key ids must not become requests. */
  readonly coolDownMs: number;
}

const usualTimes: SigningKeyTimes = { maxAgeMs: 600_000, coolDownMs: 30_000 };
const timeoutMs = 5000;
const maxKeys = 100;

/** Types of asymmetric keys; a shared secret in a published set would let everybody sign. */
const keyTypes = new Set<unknown>(["RSA", "EC", "OKP"]);

/**
 * Connects to a JWKS address; sends nothing yet. An unknown key id causes a new read (the issuer may have changed its
 * keys), at most once in the cool-down time. While the address does not answer, the cached keys remain in use.
 */
export function createSigningKeys(
  address: string,
  log: Log,
  times: SigningKeyTimes = usualTimes,
  proxies?: EnvironmentProxies,
): SigningKeys {
  const url = new URL(address);
  const operation: Operation = {
    name: "auth.readSigningKeys",
    method: "GET",
    path: url.pathname + url.search,
    answers: "the public keys of the configured issuer",
    versions: "RFC 7517",
    proves: [],
  };
  const upstream = createUpstream(
    {
      name: "auth",
      url: url.origin,
      timeoutMs,
      concurrency: 1,
      retries: 0,
      breaker: { failures: 1000, coolDownMs: 1 },
      maxResponseBytes: 1_048_576,
      proxy: proxies,
    },
    { authorize: () => Promise.resolve({}), judge: () => null, traceHeader: null },
  );
  let keys: ReturnType<typeof createLocalJWKSet> | null = null;
  let generation = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  const reads = createCoalescer<void, Waiter>();

  async function read(): Promise<void> {
    triedAt = performance.now();
    const call = {
      cancelToken: cancelTokenOf(AbortSignal.timeout(timeoutMs)),
      remainingMs: () => timeoutMs,
      requestId: "auth",
      budget: { take: () => true },
      caller: { key: "auth", credentialFor: () => null },
    };
    try {
      const { value } = await upstream.call(operation, { decode: ({ body }: RawReply) => publicKeysIn(body) }, call);
      keys = createLocalJWKSet({ keys: value });
      readAt = performance.now();
      generation += 1;
    } catch (error) {
      const reason = error instanceof UpstreamError ? error.failure : "MALFORMED";
      const detail = error instanceof UpstreamError && error.reason !== null ? { detail: error.reason } : {};
      log.warn({ reason, ...detail, keysAtHand: keys !== null }, "the token issuer's signing keys could not be read");
    }
  }

  async function refresh(): Promise<void> {
    if (reads.size() === 0 && performance.now() - triedAt < times.coolDownMs) return;
    await reads.join("keys", { cancelToken: neverCancelled }, read).result;
  }

  return {
    find: async (header, token) => {
      if (keys === null) await refresh();
      else if (performance.now() - readAt > times.maxAgeMs) void refresh();
      if (keys === null) throw new NoSigningKeys();
      const before = generation;
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await refresh();
        if (generation === before) throw error;
        return keys(header, token);
      }
    },
    generation: () => generation,
    refresh,
    close: upstream.close,
  };
}

type PublicKey = Parameters<typeof createLocalJWKSet>[0]["keys"][number];

function publicKeysIn(body: unknown): PublicKey[] {
  const listed = typeof body === "object" && body !== null && "keys" in body ? body.keys : null;
  if (!Array.isArray(listed) || listed.length > maxKeys) throw new TypeError("no key set");
  return listed.filter(isPublicKey);
}

function isPublicKey(key: unknown): key is PublicKey {
  return typeof key === "object" && key !== null && "kty" in key && keyTypes.has(key.kty);
}
