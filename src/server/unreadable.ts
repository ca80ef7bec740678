import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { demoHeader } from "./demo-header.ts";
import type { Log } from "./log.ts";

/** What Node's parser calls what it could not read, and the status that says so. */
const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** What {@link answerUnreadable} has to know. */
export interface Unreadable {
  /** Bytes that request line and headers may have. */
  readonly mostHeaderBytes: number;
  /** Whether part of an answer has been sent on the connection: nothing can be said in the middle of it. */
  readonly isMidAnswer: boolean;
  /** Whether the backends are the demo's. */
  readonly demo: boolean;
  readonly log: Log;
}

/**
 * Answers what Node could not read as a request, and closes the connection, as Node does where nobody listens; headers that
 * are too large are refused in words as well, here and in the log, since a large token is a common cause.
 */
export function answerUnreadable(
  error: Error,
  socket: Duplex,
  { mostHeaderBytes, isMidAnswer, demo, log }: Unreadable,
): void {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "ECONNRESET" || !socket.writable || isMidAnswer) {
    socket.destroy(error);
    return;
  }
  const status = statuses[code] ?? 400;
  let text = "";
  if (status === 431) {
    text = `Request line and headers are larger than ${mostHeaderBytes} bytes.\n`;
    log.info({ rule: "header size", limit: mostHeaderBytes }, "a request was refused");
  }
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    ...(demo ? [`${demoHeader.name}: ${demoHeader.value}`] : []),
    ...(text === "" ? [] : ["Content-Type: text/plain; charset=utf-8"]),
    `Content-Length: ${text.length}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy(error));
}
