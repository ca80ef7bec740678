import { type Config, configOf } from "../../src/config/index.ts";
import { type Gateway, startGateway } from "../../src/server/gateway.ts";
import type { Log } from "../../src/server/observability/log.ts";

/** False where the tests run with `FAST_PATH=off`, which shows that no answer depends on the fast path. */
export const usesFastPath = process.env["FAST_PATH"] !== "off";

export interface StartOptions {
  /** Variables of the environment, over a free port of 127.0.0.1. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Takes the lines of these levels; the others are dropped. */
  readonly log?: Partial<Log>;
  readonly demo?: boolean;
}

/** A gateway with these settings on a free port. Throws what the configuration says is wrong with them. */
export async function startWith(settings: object, options: StartOptions = {}): Promise<Gateway> {
  const reading = configOf(settings, { PORT: "0", HOST: "127.0.0.1", ...options.environment });
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  return startConfigured(reading.config, options);
}

/** A gateway with this configuration, which says where it listens. */
export function startConfigured(config: Config, options: Omit<StartOptions, "environment"> = {}): Promise<Gateway> {
  const silent = () => {};
  return startGateway({
    config,
    log: { info: silent, warn: silent, error: silent, ...options.log },
    version: "0.0.0-test",
    demo: options.demo ?? false,
    fastPath: usesFastPath,
  });
}
