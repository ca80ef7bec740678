import process from "node:process";
import type { Log } from "../server/observability/log.ts";

/** Milliseconds for what is in flight, and then for closing everything. */
const grace = { finishMs: 3000, closeMs: 1000 } as const;

/**
 * Ends the process after an error that nobody caught: nobody knows what such an error has left half done. Nothing new is
 * begun, what is in flight may finish within three seconds, and the exit code is 1. `stop` refuses new work and waits
 * for what is in flight, as long as it is told. The log gets one line.
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
  process.on("uncaughtException", (error) => end(error, "an error that nobody caught"));
  process.on("unhandledRejection", (error) => end(error, "a rejection that nobody handled"));
}

/** Where an error comes from. What it says is left out: nobody knows what that was put together from. */
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
