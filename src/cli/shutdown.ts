import process from "node:process";
import type { Log } from "../server/observability/log.ts";

/** What the signals do that end the process. */
export interface Shutdown {
  /** From now on the first signal runs this, and the process ends with 0 when it is done, whether or not it failed. */
  readonly gracefully: (stop: () => Promise<void>) => void;
}

/** The exit code of a process that a signal ended, as a shell tells it: 128 and the number of the signal. */
const exitCodes = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129, SIGQUIT: 131 } as const;
const signals = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** Signals that come again this soon are the same one, where it may come twice. */
const sameSignalMs = 1000;

/**
 * Ends the process on a signal. Until there is something to finish, and from the second signal on, it ends at once with the
 * exit code of the signal. `comesTwice`: one key press may arrive as two signals, so the second one counts only when it
 * comes later.
 */
export function listenForSignals({ log, comesTwice }: { readonly log: Log; readonly comesTwice: boolean }): Shutdown {
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
    gracefully: (how) => {
      stop = how;
    },
  };
}

/**
 * Leaves the end to the system where it can: `process.exit` waits for what Node's threads do, such as reading a file from
 * a share that does not answer. The system ends no process with the id 1, which is the first one in a container.
 */
function endBySignal(signal: keyof typeof exitCodes, code: number): void {
  process.removeAllListeners(signal);
  if (process.pid !== 1) process.kill(process.pid, signal);
  process.exit(code);
}
