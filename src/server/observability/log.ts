import process from "node:process";
import { pino } from "pino";
import type { LogSettings } from "../../config/index.ts";
import { prettyLine } from "./pretty-line.ts";

/** Where the process says what happened, on stderr. */
export interface Log {
  readonly info: (facts: object, message: string) => void;
  readonly warn: (facts: object, message: string) => void;
  readonly error: (facts: object, message: string) => void;
}

/** The log of the process. */
export interface ProcessLog extends Log {
  /** Writes from now on what the settings say, in their format; before that, every line as JSON. */
  readonly configure: (settings: LogSettings) => void;
}

/** Who reads what is written. */
export interface Onlooker {
  /** Whether stderr is a terminal. */
  readonly isTerminal: boolean;
  /** Whether it shows colours; NO_COLOR says that it is not to. */
  readonly hasColours: boolean;
}

/** Bytes that are written together. */
const fullEnough = 8192;
/** How long a line may wait for others. */
const patienceMs = 50;

/**
 * Opens the log. Lines of everyday go out together, a little later, because each write waits for the kernel; warnings
 * and errors take everything with them at once, and so does the end of the process.
 */
export function createLog({ isTerminal, hasColours }: Onlooker): ProcessLog {
  const out = pino.destination({ dest: 2, sync: true, minLength: fullEnough });
  let print = (line: string) => line;
  const lines = { write: (line: string) => void out.write(print(line)) };
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, lines);
  let isWaiting = false;
  const flush = () => {
    isWaiting = false;
    out.flushSync();
  };
  process.on("exit", flush);
  return {
    configure: ({ level, format }) => {
      logger.level = level;
      const isPretty = (format ?? (isTerminal ? "pretty" : "json")) === "pretty";
      print = isPretty ? (line) => prettyLine(line, { colours: hasColours }) : (line) => line;
    },
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
