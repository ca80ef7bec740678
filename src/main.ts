import { lstatSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import type { Estate } from "../demo/estate.ts";
import { demoBackends } from "../demo/names.ts";
import { type Command, Refusal, readArguments, usage, usualFile } from "./cli/arguments.ts";
import { endOnUncaughtError, listenForSignals } from "./cli/process.ts";
import { demoBanner, explainSystemError, explainUnreadable, printProblems } from "./cli/report.ts";
import { type Config, configJsonSchema, configOf, type Reading, readConfig, unusualLimits } from "./config/index.ts";
import { type Operations, readManifest } from "./config/manifest.ts";
import { collectorRouteOf, tracingOf } from "./config/tracing.ts";
import { type Gateway, startGateway } from "./server/gateway.ts";
import { createLog } from "./server/observability/log.ts";
import type { Tracing } from "./server/observability/tracing.ts";
import type { Example } from "./server/pages/front-page.ts";

/** How long work in flight may take to finish, once new work is refused. */
const graceMs = 10_000;
/** How long a balancer has to notice that /ready says no, where the configuration does not say. */
const usualDrainMs = 5000;
const { isTTY } = process.stderr;
const log = createLog({ isTerminal: isTTY, hasColours: isTTY && process.stderr.hasColors() });
// Npm hands a signal on to its child, which a terminal has sent it to as well.
const shutdown = listenForSignals({ log, comesTwice: process.env["npm_lifecycle_event"] === "start" });

try {
  const surroundings = { production: process.env["NODE_ENV"] === "production", hasFile: isThere(usualFile) };
  await run(readArguments(process.argv.slice(2), demoBackends, surroundings));
} catch (error) {
  if (error instanceof Refusal) process.stderr.write(`${error.message.trimEnd()}\n`);
  else log.error({ err: error }, "could not start");
  process.exitCode = 1;
}

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case "help":
      process.stdout.write(usage);
      return;
    case "version":
      process.stdout.write(`${await version()}\n`);
      return;
    case "config-schema":
      process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
      return;
    case "check": {
      const config = configured(command.file, await readFrom(command.file));
      await knownOperations(command.file, config);
      return command.connect ? checkConnections(config) : void process.stdout.write("ok\n");
    }
    case "serve": {
      const config = configured(command.file, await readFrom(command.file));
      if (command.found) process.stdout.write(`Serving ${resolve(command.file)}, found in this folder.\n`);
      return serve(config, { file: command.file, operations: await knownOperations(command.file, config) });
    }
    case "demo":
      return demonstrate(command);
  }
}

async function checkConnections(config: Config): Promise<void> {
  const { connect } = await import("./cli/connect.ts");
  const { isFine, text } = await connect(config);
  process.stdout.write(text);
  if (!isFine) process.exitCode = 1;
}

async function demonstrate({ faults }: Extract<Command, { kind: "demo" }>): Promise<void> {
  const [{ startEstate }, { demoExamples }] = await Promise.all([
    import("../demo/estate.ts"),
    import("../demo/examples.ts"),
  ]);
  const estate = await startEstate({ faults });
  try {
    const config = configured("the demo", configOf(estate.settings, process.env));
    await serve(config, { estate, examples: demoExamples });
  } catch (error) {
    await estate.close();
    throw error;
  }
}

async function serve(
  config: Config,
  {
    file,
    estate,
    examples,
    operations,
  }: {
    readonly file?: string;
    readonly estate?: Estate;
    readonly examples?: readonly Example[];
    readonly operations?: Operations;
  },
): Promise<void> {
  log.configure(config.log);
  const tracing = await traced();
  let gateway: Gateway;
  try {
    gateway = await startGateway({
      config,
      log,
      version: await version(),
      observers: tracing ? [tracing.observer] : [],
      demo: estate !== undefined,
      ...(examples ? { examples } : {}),
      ...(operations ? { operations } : {}),
    });
  } catch (error) {
    const sentence = explainSystemError(error, config.server);
    throw sentence === null ? error : new Refusal(sentence);
  }
  // Neither a person at a terminal nor the demo has a balancer in front.
  const drainMs = config.server.drainMs ?? (estate || process.stdout.isTTY ? 0 : usualDrainMs);
  shutdown.gracefully(async () => {
    await gateway.stop(graceMs, drainMs);
    await tracing?.close();
    await estate?.close();
  });
  endOnUncaughtError(log, (finishMs) => gateway.stop(finishMs));
  collectStartupGarbage();
  log.info(summaryOf(config, file), "started");
  if (estate) log.warn({ demo: true }, "this is the demo: whatever it answers is made up");
  if (estate && examples) {
    process.stdout.write(demoBanner({ url: gateway.url, backends: estate.backends, examples }));
  }
  process.stdout.write(`delivery-graph is ready on ${gateway.url}/graphql\n`);
}

/** What runs, for readers of the log; limits only where they differ from the defaults. */
function summaryOf(config: Config, file: string | undefined): object {
  const { server, auth, backends } = config;
  const limits = unusualLimits(config);
  return {
    ...(file === undefined ? {} : { file: resolve(file) }),
    backends: backends.map(({ name, type }) => `${name} (${type.kind.toLowerCase()})`),
    auth: auth.mode,
    graphiql: server.graphiql,
    introspection: server.introspection,
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

/** Traces, where the environment says where to: a gateway without them never loads what makes them. */
async function traced(): Promise<Tracing | null> {
  const config = tracingOf(process.env);
  if (config === null) return null;
  const { startTracing } = await import("./server/observability/tracing.ts");
  return startTracing({ config, version: await version(), log, route: collectorRouteOf(process.env) });
}

function configured(file: string, reading: Reading): Config {
  if ("config" in reading) return reading.config;
  throw new Refusal(printProblems(file, reading.problems));
}

async function readFrom(file: string): Promise<Reading> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new Refusal(explainUnreadable(file, error));
  }
  return readConfig(text, process.env);
}

/** The operations of the manifest that the configuration names; none where it names none. */
async function knownOperations(file: string, { persisted: { manifest } }: Config): Promise<Operations> {
  if (manifest === null) return new Map();
  const path = resolve(dirname(file), manifest);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new Refusal(explainUnreadable(path, error));
  }
  const operations = readManifest(text);
  if (!("problem" in operations)) return operations;
  const problem = { path: "persisted.manifest", message: `(${manifest}) ${operations.problem}`, line: null };
  throw new Refusal(printProblems(file, [problem]));
}

/**
 * Starting fills the heap with objects that are needed once, and an idle process allocates too little for Node to
 * collect them: they would stay for its whole life. `src/start.js` exposes the collector; without it nothing happens.
 */
function collectStartupGarbage(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** Whether there is anything of this name, be it a link that leads nowhere: the file was meant to be served. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function version(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  const parsed: unknown = JSON.parse(text);
  const found = typeof parsed === "object" && parsed !== null && "version" in parsed ? parsed.version : null;
  return typeof found === "string" ? found : "unknown";
}
