import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder of the whole project. */
export const root = fileURLToPath(new URL("../", import.meta.url));

/** A process of the bench that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** What its ready line says. */
  readonly ready: string;
  /** Milliseconds from its start to its ready line. */
  readonly readyMs: number;
  readonly stop: () => Promise<void>;
}

const canPin = commandExists("taskset");

/** The command line with the process bound to one core, where the system can do that. */
function pinned(core: number, args: readonly string[]): { command: string; args: readonly string[] } {
  return canPin
    ? { command: "taskset", args: ["-c", String(core), process.execPath, ...args] }
    : { command: process.execPath, args };
}

/** Starts a Node program on one core and waits for the line that says where it is. */
export async function launch(
  core: number,
  args: readonly string[],
  sign: RegExp,
  environment: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const { command, args: all } = pinned(core, args);
  const startedAt = performance.now();
  // Logs go where a container's runtime would take them from: through a pipe that somebody reads.
  const env = { ...process.env, ...environment };
  const child = spawn(command, all, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const ready = await new Promise<string>((resolve, reject) => {
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
      const found = sign.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`${args.join(" ")} ended before it was ready: ${errors}`)));
  });
  return {
    child,
    ready,
    readyMs: performance.now() - startedAt,
    stop: async () => {
      child.kill("SIGTERM");
      const patience = setTimeout(() => child.kill("SIGKILL"), 2000);
      await ended;
      clearTimeout(patience);
    },
  };
}

/** Runs a Node program on one core to its end; what it said on stdout. */
export function run(core: number, args: readonly string[]): Promise<string> {
  const { command, args: all } = pinned(core, args);
  return new Promise((resolve, reject) => {
    const child = spawn(command, all, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("close", (code) => (code === 0 ? resolve(said) : reject(new Error(`${args[0]} ended with ${code}`))));
  });
}

/** Installs what the lockfile of one folder names: again only when the lockfile has changed. */
export function install(folder: string): void {
  const lockfile = readFileSync(`${root}${folder}/package-lock.json`);
  const hash = createHash("sha256").update(lockfile).digest("hex");
  const mark = `${root}${folder}/node_modules/.lockfile-hash`;
  if (existsSync(mark) && readFileSync(mark, "utf8") === hash) return;
  execFileSync("npm", ["ci", "--ignore-scripts", "--prefix", `${root}${folder}`], { stdio: "inherit" });
  writeFileSync(mark, hash);
}

function commandExists(name: string): boolean {
  try {
    execFileSync(name, ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
