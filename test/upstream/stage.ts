import { type DemoHandler, type DemoServer, serveDemo } from "../../demo/server.ts";
import { Upstream, type UpstreamSettings } from "../../src/upstream/client.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { Dialect, Operation } from "../../src/upstream/operation.ts";

/** A client over a server of its own, as plain as both can be. */
export interface Stage {
  readonly server: DemoServer;
  readonly upstream: Upstream;
  readonly close: () => Promise<void>;
}

const usual: Omit<UpstreamSettings, "url"> = {
  name: "plain",
  timeoutMs: 2000,
  concurrency: 4,
  retries: 0,
  breaker: { failures: 1000, coolDownMs: 1 },
  maxResponseBytes: 1_048_576,
};

/** Starts a server with this handler, and a client with these settings and this dialect over it. */
export async function stage(
  handler: DemoHandler,
  settings: Partial<UpstreamSettings> = {},
  dialect: Partial<Dialect> = {},
): Promise<Stage> {
  const server = await serveDemo("plain", handler);
  const upstream = new Upstream(
    { ...usual, url: server.url, ...settings },
    { authorize: async () => ({}), judge: () => null, traceHeader: null, ...dialect },
  );
  return {
    server,
    upstream,
    close: async () => {
      await Promise.all([upstream.close(), server.close()]);
    },
  };
}

const declared = { answers: "what a test wants to know", versions: "all", proves: [] };

export const read: Operation = { name: "plain.read", method: "GET", path: "/things/{key}", ...declared };
export const search: Operation = { name: "plain.search", method: "POST", isQuery: true, path: "/search", ...declared };
export const change: Operation = { name: "plain.change", method: "POST", path: "/things", ...declared };

/** The request of {@link read}: hands the body over as it is. */
export const thing = (key: string) => ({ parts: { key }, decode: ({ body }: { readonly body: unknown }) => body });

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<UpstreamError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof UpstreamError) return error;
  throw new Error("expected an UpstreamError", { cause: error });
}

/** Waits until it holds; fails when it does not within two seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 2000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`still not so: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
