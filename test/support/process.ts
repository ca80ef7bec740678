import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** How a process of ours ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A gateway in a process of its own, as `npm start` runs it. */
export interface GatewayProcess {
  /** `http://host:port`, as the ready line says. */
  readonly url: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<Ended>;
  /** Kills it if it still runs. */
  readonly close: () => Promise<void>;
}

/** Settings of the environment that a test hands over; undefined takes a variable away. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Runs `src/main.ts` to its end, in the project's folder or another one. */
export function runMain(args: readonly string[], variables: Variables = {}, folder = root): Promise<Ended> {
  return launch(args, variables, folder).ended;
}

/** Starts `src/main.ts` and waits for its ready line; rejects with what it said when it ends before. */
export async function startMain(
  args: readonly string[],
  variables: Variables = {},
  folder = root,
): Promise<GatewayProcess> {
  const { child, output, ended } = launch(args, { PORT: "0", ...variables }, folder);
  const url = await new Promise<string>((resolve, reject) => {
    const look = () => {
      const ready = /^delivery-graph is ready on (http:\/\/\S+)\/graphql\n/m.exec(output.stdout);
      if (ready?.[1]) resolve(ready[1]);
    };
    child.stdout?.on("data", look);
    void ended.then(({ code, stderr }) => reject(new Error(`ended with ${code} before it was ready: ${stderr}`)));
  });
  return {
    url,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    signal: (signal) => child.kill(signal),
    ended,
    close: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

interface Launched {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<Ended>;
}

/** What the machine of a developer may say, and no test means. */
const unset: Variables = Object.fromEntries(
  ["HOST", "PORT", "NODE_ENV", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"].map((name) => [
    name,
    undefined,
  ]),
);

function launch(args: readonly string[], variables: Variables, folder: string): Launched {
  const child = spawn(process.execPath, [`${root}src/main.ts`, ...args], {
    cwd: folder,
    env: { ...process.env, ...unset, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...output }));
  return { child, output, ended };
}
