import { type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Log } from "../observability/log.ts";
import { demoHeader } from "../pages/demo-header.ts";
import { refusalText, refuse } from "./refusal.ts";

/** What {@link answerUnreadable} has to know. */
export interface UnreadableOptions {
  /** Bytes that request line and headers may have. */
  readonly mostHeaderBytes: number;
  /** Whether the backends are the demo's. */
  readonly demo: boolean;
  /** Whether pages of any other origin may read answers. */
  readonly isForPages: boolean;
  /** Answers that are not out yet, in the order in which they were asked for. */
  readonly underWay: () => readonly ServerResponse[];
  /** Told the status of each answer. */
  readonly answered: (status: number) => void;
  readonly log: Log;
}

interface Problem {
  readonly status: number;
  readonly rule: string;
  readonly message: string;
}

/**
 * Answers what Node cannot read as a request, and closes the connection. It waits for answers to earlier requests of the
 * same connection, which would be lost. Each such answer is a refusal with a code, one line in the log, and counted.
 * Which page sent it is not known then: pages may read it where pages may read answers at all, for it holds nothing of
 * the request.
 */
export function answerUnreadable(server: Server, options: UnreadableOptions): void {
  const { mostHeaderBytes, demo, isForPages, underWay, answered, log } = options;
  const problems: Readonly<Record<string, Problem>> = {
    HPE_HEADER_OVERFLOW: {
      status: 431,
      rule: "header size",
      message: `Request line and headers are larger than ${mostHeaderBytes} bytes.`,
    },
    HPE_CHUNK_EXTENSIONS_OVERFLOW: {
      status: 413,
      rule: "chunk extensions",
      message: "The extensions of a chunk are too large: leave them out.",
    },
    ERR_HTTP_REQUEST_TIMEOUT: { status: 408, rule: "time", message: "The request did not arrive in time." },
  };
  const unknown: Problem = { status: 400, rule: "syntax", message: "What was sent is no request of HTTP/1.1." };
  const closing = new WeakSet<Socket>();

  function close(error: Error, socket: Socket): void {
    const { status, rule, message } = problems[codeOf(error)] ?? unknown;
    const text = refusalText(refuse(message, { status }));
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      ...(demo ? [`${demoHeader.name}: ${demoHeader.value}`] : []),
      "Cache-Control: no-store",
      "Content-Type: application/json; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(text)}`,
      ...(isForPages ? ["Access-Control-Allow-Origin: *"] : []),
    ];
    // Whoever sends no more in the middle of a request has most likely left.
    if (codeOf(error) !== "HPE_INVALID_EOF_STATE") {
      log.info({ rule, ...(status === 431 ? { limit: mostHeaderBytes } : {}) }, "a request was refused");
      answered(status);
    }
    socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy(error));
  }

  server.on("clientError", (error: Error, socket: Socket) => {
    // Whatever comes behind what could not be read is told again.
    if (closing.has(socket)) return;
    closing.add(socket);
    if (codeOf(error) === "ECONNRESET" || !socket.writable) {
      socket.destroy(error);
      return;
    }
    const answers = underWay().filter(({ req }) => req.socket === socket);
    const owed = answers.findLast(({ req }) => req.complete);
    // Nothing can be said in the middle of an answer whose request does not end.
    const isCut = answers.some(({ req, headersSent }) => headersSent && !req.complete);
    const end = () => (isCut ? socket.destroy(error) : close(error, socket));
    if (owed === undefined) end();
    // An answer that was the last one anyway has closed the connection.
    else owed.once("close", () => void (socket.writable && end()));
  });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
