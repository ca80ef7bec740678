import { type Estate, startEstate } from "../../demo/estate.ts";
import type { Seen } from "../../demo/server.ts";
import { configOf } from "../../src/config/index.ts";
import { startGateway } from "../../src/server/gateway.ts";
import type { Log } from "../../src/server/observability/log.ts";
import { usesFastPath } from "./started.ts";

/** A GraphQL answer as a client reads it. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Tests read answers of many shapes; each expectation checks what it reads.
  readonly body: {
    readonly data?: Record<string, unknown> | null;
    readonly errors?: readonly {
      readonly message: string;
      readonly path?: readonly (string | number)[];
      readonly extensions?: Readonly<Record<string, unknown>>;
    }[];
    readonly extensions?: Readonly<Record<string, unknown>>;
  };
}

/** The demo estate with a gateway over it, asked through its public face. */
export interface DemoGateway {
  readonly url: string;
  readonly estate: Estate;
  readonly ask: (query: string, options?: AskOptions) => Promise<Answer>;
  /** Upstream calls since the last `forget`, by configured name; backends that saw none are left out. */
  readonly calls: () => Readonly<Record<string, number>>;
  /** The longest chain of upstream calls that had to wait for each other. */
  readonly waves: () => number;
  readonly forget: () => void;
  readonly log: readonly { readonly level: string; readonly facts: object; readonly message: string }[];
  /** Stops the gateway alone, as a SIGTERM does; `stop` need not be told. */
  readonly drain: (graceMs: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface AskOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Merged over the demo's settings; `backends` by name. */
export interface Overrides {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly backends?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly estate?: Estate;
  /** False: everything runs by the reference executor. Default: as the tests are run. */
  readonly fastPath?: boolean;
  /** Operations of a manifest. */
  readonly operations?: ReadonlyMap<string, string>;
}

/** Starts both on free ports; `stop` closes what was started. */
export async function startDemoGateway(overrides: Overrides = {}): Promise<DemoGateway> {
  const estate = overrides.estate ?? (await startEstate());
  const base = estate.settings;
  const listed = base["backends"];
  const backends = (Array.isArray(listed) ? listed : []).map((entry: { name: string }) => ({
    ...entry,
    ...overrides.backends?.[entry.name],
  }));
  const reading = configOf({ ...base, ...overrides.settings, backends }, { PORT: "0", HOST: "127.0.0.1" });
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const log: { level: string; facts: object; message: string }[] = [];
  const to = (level: string) => (facts: object, message: string) => void log.push({ level, facts, message });
  const logger: Log = { info: to("info"), warn: to("warn"), error: to("error") };
  const gateway = await startGateway({
    config: reading.config,
    log: logger,
    version: "0.0.0-test",
    demo: true,
    fastPath: overrides.fastPath ?? usesFastPath,
    operations: overrides.operations ?? new Map(),
  });
  const names = new Map(estate.backends.map(({ name, url }) => [url, name]));
  const servers = Object.values(estate.servers);
  const seen = (): readonly Seen[] => servers.flatMap((server) => server.seen);
  let stopped: Promise<void> | null = null;
  const drain = (graceMs: number) => (stopped ??= gateway.stop(graceMs));
  return {
    url: gateway.url,
    estate,
    log,
    ask: async (query, { variables, headers, signal } = {}) => {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ query, variables }),
        signal: signal ?? null,
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
    },
    calls: () =>
      Object.fromEntries(
        servers
          .filter((server) => server.seen.length > 0)
          .map((server) => [names.get(server.url) ?? server.name, server.seen.length]),
      ),
    waves: () => longestChain(seen()),
    forget: () => {
      for (const server of servers) server.forget();
    },
    drain,
    stop: async () => {
      await drain(0);
      if (!overrides.estate) await estate.close();
    },
  };
}

/** Waves: one call waited for another when it came in after the other had gone out. */
function longestChain(seen: readonly Pick<Seen, "startedAt" | "endedAt">[]): number {
  const byStart = seen.toSorted((a, b) => a.startedAt - b.startedAt);
  const depths: number[] = [];
  byStart.forEach((call, index) => {
    const before = byStart
      .slice(0, index)
      .map((other, place) => (other.endedAt !== null && other.endedAt <= call.startedAt ? (depths[place] ?? 0) : 0));
    depths.push(1 + Math.max(0, ...before));
  });
  return Math.max(0, ...depths);
}
