import process from "node:process";
import type { Log } from "../server/observability/log.ts";

/** The exit code of a process that a signal ended, as a shell tells it: 128 and the number of the signal. */
const exitCodes = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129, SIGQUIT: 131 } as const;
const signals = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** Signals that come again this soon are the same one, where it may come twice. */
const sameSignalMs = 1000;

/**
 * Ends the process on a signal. Until there is something to finish, and from the second signal on, it ends at once with
 * the exit code of the signal. `comesTwice`: one key press may arrive as two signals, so the second one counts only
 * when it comes later.
 */
export function listenForSignals({ log, comesTwice }: { readonly log: Log; readonly comesTwice: boolean }) {
  let stop: (() => Promise<void>) | null = null;
  let stoppingSince: number | null = null;
  const end = (signal: keyof typeof exitCodes) => {
    const code = exitCodes[signal];
    if (stop === null) return endBySignal(signal, code);
    if (stoppingSince !== null) {
      if (comesTwice && performance.now() - stoppingSince < sameSignalMs) return;
      process.exit(code);
    }
    stoppingSince = performance.now();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, "the end was not clean");
        process.exit(0);
      },
    );
  };
  for (const signal of signals) process.on(signal, end);
  return {
    /** From now on the first signal runs this, and the process ends with 0 when it is done, even if it failed. */
    gracefully: (how: () => Promise<void>) => {
      stop = how;
    },
  };
}

/**
 * Leaves the end to the system where it can: `process.exit` waits for what Node's threads do, such as reading a file
 * from a share that does not answer. The system ends no process with the id 1, which is the first one in a container.
 */
function endBySignal(signal: keyof typeof exitCodes, code: number): void {
  process.removeAllListeners(signal);
  if (process.pid !== 1) process.kill(process.pid, signal);
  process.exit(code);
}

/** Milliseconds for what is in flight, and then for closing everything. */
const grace = { finishMs: 3000, closeMs: 1000 } as const;

/**
 * Ends the process after an uncaught error, because such an error may leave work half done. Nothing new is
 * begun, what is in flight may finish within three seconds, and the exit code is 1. `stop` refuses new work and waits
 * for what is in flight, for at most the given time. The log gets one line.
 */
export function endOnUncaughtError(log: Log, stop: (graceMs: number) => Promise<void>): void {
  let isEnding = false;
  const end = (error: unknown, message: string) => {
    if (isEnding) return;
    isEnding = true;
    log.error({ err: traceOf(error) }, `${message}; the process ends`);
    // Whatever else ends the process meanwhile, a signal say, it has not ended well.
    process.on("exit", () => {
      process.exitCode = 1;
    });
    const exit = () => process.exit(1);
    setTimeout(exit, grace.finishMs + grace.closeMs);
    stop(grace.finishMs).then(exit, exit);
  };
  process.on("uncaughtException", (error) => end(error, "uncaught error"));
  process.on("unhandledRejection", (error) => end(error, "unhandled rejection"));
}

/** Where an error comes from. Its message is omitted, because it may contain text of a backend. */
function traceOf(error: unknown): { readonly type: string; readonly code?: string; readonly stack: readonly string[] } {
  if (!(error instanceof Error)) return { type: typeof error, stack: [] };
  const frames = (error.stack ?? "")
    .replace(error.message, () => "")
    .split("\n")
    .filter((line) => line.startsWith("    at ") && /(?:file|node):/.test(line) && /:\d{1,9}:\d{1,9}\)?$/.test(line));
  const code =
    "code" in error && typeof error.code === "string" && /^[A-Z_\d]{1,64}$/.test(error.code) ? error.code : null;
  return {
    type: error.constructor.name,
    ...(code === null ? {} : { code }),
    stack: frames.map((line) => line.trim()),
  };
}
