import process from "node:process";
import { styleText } from "node:util";
import { pino } from "pino";
import type { LogSettings } from "../../config/index.ts";
import { isRecord } from "../../model/values.ts";
import type { Observer } from "./telemetry.ts";

/** The log of the process, on stderr. */
export interface Log {
  readonly info: (facts: object, message: string) => void;
  readonly warn: (facts: object, message: string) => void;
  readonly error: (facts: object, message: string) => void;
}

/** The log before and after it is configured. */
export interface ProcessLog extends Log {
  /** Applies level and format; every entry before that is JSON. */
  readonly configure: (settings: LogSettings) => void;
}

const bufferBytes = 8192;
const maxDelayMs = 50;

/**
 * Opens the log. Entries of level info are written together, a little later, because each write waits for the kernel;
 * warnings, errors and the end of the process flush the buffer at once. `hasColours` is false with NO_COLOR.
 */
export function createLog(stderr: { readonly isTerminal: boolean; readonly hasColours: boolean }): ProcessLog {
  const out = pino.destination({ dest: 2, sync: true, minLength: bufferBytes });
  let format = (json: string) => json;
  const stream = { write: (json: string) => void out.write(format(json)) };
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  let isScheduled = false;
  const flush = () => {
    isScheduled = false;
    out.flushSync();
  };
  process.on("exit", flush);
  return {
    configure: (settings) => {
      logger.level = settings.level;
      const isPretty = (settings.format ?? (stderr.isTerminal ? "pretty" : "json")) === "pretty";
      format = isPretty ? (json) => prettyPrint(json, stderr.hasColours) : (json) => json;
    },
    info: (facts, message) => {
      logger.info(facts, message);
      if (isScheduled) return;
      isScheduled = true;
      setTimeout(flush, maxDelayMs).unref();
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

/** Longer operation names are cut: they come from callers. */
const maxNameLength = 100;

/** Logs operations and failed upstream requests, without documents, variables, addresses or headers. */
export function createRequestLog(log: Log): Observer {
  return {
    exchanged: ({ requestId }, { backend, operation, outcome, via, status, ms, attempt, error }) => {
      // NOT_FOUND is an answer. Unsent calls are counted: while a breaker is open they would flood the log.
      if (error === null || outcome === "NOT_FOUND" || via !== "SENT") return;
      const facts = {
        requestId,
        backend,
        call: operation,
        outcome,
        status,
        ms: Math.round(ms),
        attempt,
        ...(error.code === null ? {} : { upstreamCode: error.code }),
        ...(error.reason === null ? {} : { reason: error.reason }),
        ...(error.traceId === null ? {} : { upstreamTraceId: error.traceId }),
      };
      log.warn(facts, "an upstream request failed");
    },
    ended: ({ requestId, name, calls }, outcome, ms) => {
      const operation = name === null ? null : name.slice(0, maxNameLength);
      const facts = { requestId, operation, outcome, ms: Math.round(ms), calls };
      if (outcome === "bug") log.error(facts, "answered");
      else log.info(facts, "answered");
    },
  };
}

const levels: Readonly<Record<number, readonly [name: string, colour: "cyan" | "yellow" | "red"]>> = {
  30: ["INFO ", "cyan"],
  40: ["WARN ", "yellow"],
  50: ["ERROR", "red"],
};

/** An entry of pino as text for people: time of day, level, message, facts, stack. Anything else stays as it is. */
function prettyPrint(json: string, hasColours: boolean): string {
  const entry = parseEntry(json);
  if (entry === null) return json;
  const { time, level, msg, err, ...facts } = entry;
  const paint = (colour: "cyan" | "yellow" | "red" | "gray", text: string) =>
    hasColours ? styleText(colour, text, { validateStream: false }) : text;
  const [name, colour] = levels[Number(level)] ?? [String(level), "cyan"];
  const pairs = Object.entries(facts).map(([key, value]) => paint("gray", `${key}=${printValue(value)}`));
  const [date, clock = date] = String(time).replace(/Z$/, "").split("T");
  return `${[paint("gray", String(clock)), paint(colour, name), String(msg), ...pairs].join(" ")}\n${printStack(err)}`;
}

function printStack(err: unknown): string {
  const { message, stack } = isRecord(err) ? err : {};
  const frames = Array.isArray(stack) ? stack.map(String) : String(stack ?? message ?? "").split("\n");
  return frames.map((text) => (text === "" ? "" : `    ${escapeControls(text.trim())}\n`)).join("");
}

function printValue(value: unknown): string {
  return typeof value === "string" && /^[\w.:/@()-]+$/.test(value) ? value : escapeControls(JSON.stringify(value));
}

/** A terminal obeys characters that JSON leaves as they are. */
function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function parseEntry(json: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
