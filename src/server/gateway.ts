import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/index.ts";
import type { Operations } from "../config/manifest.ts";
import { createGraphQL } from "./graphql/endpoint.ts";
import { createHttpServer } from "./http/server.ts";
import { createRequestLog, type Log } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import { createTelemetry, type Observer } from "./observability/telemetry.ts";
import { type Example, examplesFor } from "./pages/front-page.ts";

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  /** Further observers of every operation, such as the tracing of the process. */
  readonly observers?: readonly Observer[];
  /** Operations of the manifest, where the configuration names one. */
  readonly operations?: Operations;
  readonly examples?: readonly Example[];
  /** Whether the backends are the demo's; default false. */
  readonly demo?: boolean;
  /** Default true. False switches off all of src/server/fast-path: everything runs by the reference executor. */
  readonly fastPath?: boolean;
}

/** A running gateway. */
export type Gateway = Awaited<ReturnType<typeof startGateway>>;

/** Connects the backends and listens. Rejects with the system's error when the address is not available. */
export async function startGateway(options: GatewayOptions) {
  const { config, log, version, operations, observers, examples, demo = false, fastPath = true } = options;
  const backends = config.backends.map((backend) => backend.connect({ mutations: config.mutations }, config.proxies));
  const metrics = config.server.metrics ? createMetrics(backends, { version, demo }) : null;
  const telemetry = createTelemetry([createRequestLog(log), ...(metrics ? [metrics] : []), ...(observers ?? [])]);
  const graphql = createGraphQL({ config, operations: operations ?? new Map(), backends, log, telemetry, fastPath });
  const close = async () => {
    telemetry.close();
    await Promise.all(backends.map((backend) => backend.close()));
  };
  const shown = { examples: examples ?? examplesFor(backends), demo, version };
  const server = createHttpServer({ config, backends, graphql, ...shown, log, metrics });
  try {
    return {
      /** `http://host:port`, and the base path where there is one. */
      url: await server.listen(),
      /**
       * Reports for `drainMs` that it is not ready and works on; then refuses new work, waits `graceMs` at most for
       * what is in flight, and closes everything.
       */
      stop: async (graceMs: number, drainMs = 0): Promise<void> => {
        server.announceShutdown();
        if (drainMs > 0) await sleep(drainMs);
        await server.drain(graceMs);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
