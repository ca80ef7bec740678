import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bkrepoHost, namespace, swrHost } from "./estate.ts";
import { install, launch, type Running, root } from "./launch.ts";

/** The core that the server under test has to itself. */
export const serverCore = 0;
/** The core that load and backends share. */
export const loadCore = 1;

/** The simulated backends. */
export interface Simulator extends Running {
  readonly addresses: Readonly<Record<string, string>>;
  /** Calls since the last time, all backends together. */
  readonly calls: () => Promise<number>;
}

/** Starts the backends with so many milliseconds before each answer. */
export async function startSimulator(latencyMs: number): Promise<Simulator> {
  const running = await launch(loadCore, ["bench/simulator.ts", String(latencyMs)], /^(\{.*\})\n/m);
  const ports: Record<string, number> = JSON.parse(running.ready);
  const { control, ...vendors } = ports;
  return {
    ...running,
    addresses: Object.fromEntries(Object.entries(vendors).map(([name, port]) => [name, `http://127.0.0.1:${port}`])),
    calls: async () => {
      const response = await fetch(`http://127.0.0.1:${control}`);
      const { counts }: { counts: Record<string, number> } = JSON.parse(await response.text());
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
  };
}

/** A program that answers the questions. */
export interface Contender {
  readonly name: string;
  readonly title: string;
  readonly start: (simulator: Simulator) => Promise<Running>;
}

const peerSign = /ready on (http:\S+)/;

function program(name: string, title: string, file: string, folder: string | null, ...more: string[]): Contender {
  return {
    name,
    title,
    start: ({ addresses }) => {
      if (folder !== null) install(folder);
      return launch(serverCore, [file, JSON.stringify(addresses), ...more], peerSign);
    },
  };
}

/** The gateway as `npm start -- --config` runs it, with everything that is on by default. */
export const gateway: Contender = {
  name: "gateway",
  title: "**delivery-graph**, as shipped",
  start: (simulator) => startGateway(simulator, ""),
};

/** The gateway with more settings than the addresses of its backends. */
export function startGateway(
  { addresses }: Simulator,
  settings: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const file = join(mkdtempSync(join(tmpdir(), "bench-")), "gateway.yaml");
  writeFileSync(file, configuration(addresses, settings));
  return launch(serverCore, [...shipped(), "--config", file], /ready on (http:\S+)/, environment);
}

/** What the script `start` gives to Node. */
function shipped(): readonly string[] {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  const words = /^node (.+)$/.exec(scripts["start"] ?? "")?.[1]?.split(" ");
  if (words === undefined) throw new Error("the script `start` does not say how the gateway is started");
  return words;
}

/** The limit: the same calls by hand. */
export const byHand = program("by-hand", "by hand: node:http + undici, no GraphQL", "bench/by-hand.mjs", null);

/** Everything that is measured, in the order of the table. */
export const contenders: readonly Contender[] = [
  byHand,
  program("fitted", "by hand, asking for no more rows than wanted", "bench/by-hand.mjs", null, "--fitted"),
  gateway,
  program("mercurius", "mercurius with JIT", "bench/peers/mercurius/server.mjs", "bench/peers/mercurius"),
  program("yoga", "graphql-yoga + DataLoader, plain", "bench/peers/yoga/server.mjs", "bench/peers/yoga"),
  program(
    "apollo",
    "Apollo Server + REST DataSource + DataLoader",
    "bench/peers/apollo/server.mjs",
    "bench/peers/apollo",
  ),
];

/** The configuration file of the gateway over these backends. */
export function configuration(addresses: Readonly<Record<string, string>>, settings: string): string {
  const backend = (name: string, more: string) =>
    `  - { name: ${name}, kind: ${name}, url: "${addresses[name]}", credentials: { token: t }, concurrency: 64, ${more} }`;
  return [
    "server: { port: 0, graphiql: false, drainMs: 0 }",
    settings,
    "backends:",
    backend("zadig", "generation: r1"),
    backend("bkrepo", `repositories: [pay/docker-local], hosts: [${bkrepoHost}], timeZone: "+08:00"`),
    backend("swr", `namespaces: [${namespace}], hosts: [${swrHost}], capabilities: [IMAGES]`),
    backend("gitlab", "capabilities: [PACKAGES]"),
    "",
  ].join("\n");
}
