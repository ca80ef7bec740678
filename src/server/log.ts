import process from "node:process";
import { pino } from "pino";

/** Where the process says what happened: one JSON line each, on stderr. */
export interface Log {
  readonly info: (facts: object, message: string) => void;
  readonly warn: (facts: object, message: string) => void;
  readonly error: (facts: object, message: string) => void;
}

/** Bytes that are written together. */
const fullEnough = 8192;
/** How long a line may wait for others. */
const patienceMs = 50;

/**
 * Opens the log. Lines of everyday go out together, a little later, because each write waits for the kernel; warnings
 * and errors take everything with them at once, and so does the end of the process.
 */
export function createLog(): Log {
  const out = pino.destination({ dest: 2, sync: true, minLength: fullEnough });
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, out);
  let isWaiting = false;
  const flush = () => {
    isWaiting = false;
    out.flushSync();
  };
  process.on("exit", flush);
  return {
    info: (facts, message) => {
      logger.info(facts, message);
      if (isWaiting) return;
      isWaiting = true;
      setTimeout(flush, patienceMs).unref();
    },
    warn: (facts, message) => {
      logger.warn(facts, message);
      flush();
    },
    error: (facts, message) => {
      logger.error(facts, message);
      flush();
    },
  };
}
