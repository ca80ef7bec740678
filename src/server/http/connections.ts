import { type IncomingMessage, type Server, type ServerOptions, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { LinkedQueue } from "../../model/queue.ts";
import { codeOf } from "../../upstream/errors.ts";
import type { Log } from "../observability/log.ts";
import { demoHeader, refusalText, refuse } from "./response.ts";

/** Node checks for late heads and requests every 30 seconds by default. */
export const promptTimeouts = { connectionsCheckingInterval: 1000 } as const satisfies ServerOptions;

const checkIntervalMs = { waiting: 100, idle: 1000 } as const;
const largeBytes = 65_536;

interface Connection {
  readonly socket: Socket;
  /** Unfinished answers; several where a client pipelines its requests. */
  readonly answers: { readonly request: IncomingMessage; readonly response: ServerResponse }[];
  remove: () => void;
  /** Bytes that have to be sent by `at`, counted from the first byte of the connection; null when nothing waits. */
  deadline: { readonly bytes: number; readonly at: number } | null;
}

/**
 * Closes the connections of clients that use too much: those that do not read an answer within `sendMs`; where more
 * than `maxWaitingBytes` wait in all connections, those that have not read for longest; and beyond `maxConnections`,
 * the one that has been idle for longest, or else has been sending its request for longest. Clients that read and ask
 * are never closed, so a new client finds room as long as another one only occupies it.
 */
export function guardConnections(
  server: Server,
  limits: { readonly sendMs: number; readonly maxWaitingBytes: number; readonly maxConnections: number },
  log: Log,
): void {
  // Ordered by when they were opened, or became idle.
  const connections = new LinkedQueue<Connection>();
  const bySocket = new WeakMap<Socket, Connection>();
  let timer: NodeJS.Timeout | null = null;

  function close(connection: Connection, reason: string): void {
    log.warn({ reason, waitingBytes: waitingBytes(connection) }, "a client's connection was closed");
    connection.remove();
    connection.socket.destroy();
  }

  function makeRoom(newest: Connection): void {
    const others = connections.values().filter((connection) => connection !== newest);
    const victim =
      others.find(({ answers }) => answers.length === 0) ??
      others.find(({ answers }) => answers.every(({ request }) => !request.complete)) ??
      newest;
    close(victim, "there are too many connections");
  }

  function check(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    const now = performance.now();
    const waiting = connections.values().filter((connection) => {
      updateDeadline(connection, now + limits.sendMs);
      if (connection.deadline === null || now < connection.deadline.at) return connection.deadline !== null;
      close(connection, "the answer was not read in time");
      return false;
    });
    let total = waiting.reduce((sum, connection) => sum + waitingBytes(connection), 0);
    if (total > limits.maxWaitingBytes) {
      waiting.sort((a, b) => (a.deadline?.at ?? 0) - (b.deadline?.at ?? 0) || waitingBytes(b) - waitingBytes(a));
      for (const connection of waiting) {
        if (total <= limits.maxWaitingBytes) break;
        total -= waitingBytes(connection);
        close(connection, "too many bytes wait for clients to read them");
      }
    }
    const intervalMs = waiting.length > 0 ? checkIntervalMs.waiting : checkIntervalMs.idle;
    if (connections.size > 0) timer = setTimeout(check, intervalMs).unref();
  }

  server.on("connection", (socket: Socket) => {
    const connection: Connection = { socket, answers: [], remove: () => {}, deadline: null };
    connection.remove = connections.add(connection);
    bySocket.set(socket, connection);
    socket.once("close", () => connection.remove());
    if (connections.size > limits.maxConnections) makeRoom(connection);
    timer ??= setTimeout(check, checkIntervalMs.idle).unref();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const connection = bySocket.get(request.socket);
    if (!connection) return;
    const answer = { request, response };
    connection.answers.push(answer);
    // By now the whole answer is in the connection's buffer.
    response.once("prefinish", () => {
      if (connection.socket.writableLength >= largeBytes) check();
    });
    response.once("close", () => {
      connection.answers.splice(connection.answers.indexOf(answer), 1);
      if (connection.answers.length > 0 || connection.socket.destroyed) return;
      connection.remove();
      connection.remove = connections.add(connection);
    });
  });
}

/** Starts a new deadline for the bytes that wait when the client has read those of the one before. */
function updateDeadline(connection: Connection, at: number): void {
  const { socket, deadline } = connection;
  const waiting = waitingBytes(connection);
  const sent = socket.bytesWritten - socket.writableLength;
  if (waiting === 0) connection.deadline = null;
  else if (deadline === null || sent >= deadline.bytes) connection.deadline = { bytes: sent + waiting, at };
}

/** Unsent bytes of a connection: those in its buffer, and those of answers behind an unfinished one. */
function waitingBytes({ socket, answers }: Connection): number {
  let bytes = socket.writableLength;
  for (const { response } of answers) if (response.socket === null) bytes += response.writableLength;
  return bytes;
}

interface Sender {
  request: IncomingMessage | null;
  since: number;
  bytes: number;
  /** When the head of the next request was first seen to have begun. */
  headSince: number | null;
}

/** A client may send an empty line behind a body, which begins no request. */
const emptyLineBytes = 2;

/**
 * Passes the connections whose request does not arrive in time to `onLate`: `headMs` from the first byte of a head to
 * its last, `bodyMs` from there to the end of the body. Node's own limits count from the opening of the connection, so
 * they cannot tell a slow sender from a balancer that opens a connection ahead of its first request.
 */
export function limitSenders(
  server: Server,
  { headMs, bodyMs }: { readonly headMs: number; readonly bodyMs: number },
  onLate: (socket: Socket) => void,
): void {
  const senders = new Map<Socket, Sender>();
  let timer: NodeJS.Timeout | null = null;

  function isLate(socket: Socket, sender: Sender, now: number): boolean {
    const { request } = sender;
    if (request !== null && !request.complete) return now - sender.since > bodyMs;
    if (request !== null) {
      sender.request = null;
      sender.bytes = socket.bytesRead;
      sender.headSince = null;
    }
    if (socket.bytesRead <= sender.bytes + emptyLineBytes) return false;
    sender.headSince ??= now;
    return now - sender.headSince > headMs;
  }

  function check(): void {
    const now = performance.now();
    for (const [socket, sender] of senders) {
      if (!isLate(socket, sender, now)) continue;
      senders.delete(socket);
      onLate(socket);
    }
    if (senders.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  }

  server.on("connection", (socket: Socket) => {
    senders.set(socket, { request: null, since: 0, bytes: 0, headSince: null });
    socket.once("close", () => senders.delete(socket));
    timer ??= setInterval(check, headMs / 4).unref();
  });
  server.on("request", (request: IncomingMessage) => {
    const sender = senders.get(request.socket);
    if (!sender) return;
    sender.request = request;
    sender.since = performance.now();
  });
}

/**
 * Tracks the last answer of each connection, so that a server that shuts down can close behind it. Pipelined requests
 * run at the same time: if the first answer closed the connection, the others would have run without an answer.
 */
export function createLastAnswers(inFlight: () => readonly ServerResponse[]) {
  const last = new WeakMap<Socket, ServerResponse>();
  let isClosing = false;
  return {
    /** False when the answer before this request was sent with `Connection: close`: this one must not run. */
    add: (request: IncomingMessage, response: ServerResponse): boolean => {
      const before = last.get(request.socket);
      last.set(request.socket, response);
      if (!isClosing) return true;
      if (before && !before.writableFinished) {
        if (before.headersSent) {
          if (before.getHeader("connection") === "close") return false;
        } else before.removeHeader("connection");
      }
      response.setHeader("connection", "close");
      return true;
    },
    /** From now on the last answer of each connection has `Connection: close`, unfinished ones included. */
    closeBehind: (): void => {
      isClosing = true;
      for (const response of inFlight()) {
        if (!response.headersSent && last.get(response.req.socket) === response) {
          response.setHeader("connection", "close");
        }
      }
    },
  };
}

const syntaxProblem = { status: 400, rule: "syntax", message: "What was sent is no request of HTTP/1.1." };

/**
 * Answers what Node cannot parse as a request with a refusal, which is logged and counted, and closes the connection.
 * It waits for answers to earlier requests of the connection, which would be lost otherwise. The sender's origin is not
 * known then: `isReadableByPages` lets all pages read the refusal, which contains nothing of the request.
 */
export function answerUnreadable(
  server: Server,
  options: {
    readonly maxHeaderBytes: number;
    readonly demo: boolean;
    readonly isReadableByPages: boolean;
    readonly inFlight: () => readonly ServerResponse[];
    readonly answered: (status: number) => void;
    readonly log: Log;
  },
): void {
  const { maxHeaderBytes, demo, isReadableByPages, inFlight, answered, log } = options;
  const problems: Readonly<Record<string, typeof syntaxProblem>> = {
    HPE_HEADER_OVERFLOW: {
      status: 431,
      rule: "header size",
      message: `Request line and headers are larger than ${maxHeaderBytes} bytes.`,
    },
    HPE_CHUNK_EXTENSIONS_OVERFLOW: {
      status: 413,
      rule: "chunk extensions",
      message: "The extensions of a chunk are too large: leave them out.",
    },
    ERR_HTTP_REQUEST_TIMEOUT: { status: 408, rule: "time", message: "The request did not arrive in time." },
  };
  const closing = new WeakSet<Socket>();

  function refuseAndClose(error: Error, socket: Socket): void {
    const { status, rule, message } = problems[codeOf(error)] ?? syntaxProblem;
    const text = refusalText(refuse(message, { status }));
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      ...(demo ? [`${demoHeader.name}: ${demoHeader.value}`] : []),
      "Cache-Control: no-store",
      "Content-Type: application/json; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(text)}`,
      ...(isReadableByPages ? ["Access-Control-Allow-Origin: *"] : []),
    ];
    // A client that stops sending in the middle of a request has most likely closed the connection.
    if (codeOf(error) !== "HPE_INVALID_EOF_STATE") {
      log.info({ rule, ...(status === 431 ? { limit: maxHeaderBytes } : {}) }, "a request was refused");
      answered(status);
    }
    socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy(error));
  }

  server.on("clientError", (error: Error, socket: Socket) => {
    // Node reports everything behind unreadable bytes again.
    if (closing.has(socket)) return;
    closing.add(socket);
    if (codeOf(error) === "ECONNRESET" || !socket.writable) {
      socket.destroy(error);
      return;
    }
    const answers = inFlight().filter(({ req }) => req.socket === socket);
    const pending = answers.findLast(({ req }) => req.complete);
    // A refusal cannot be sent in the middle of an answer whose request does not end.
    const hasPartialAnswer = answers.some(({ req, headersSent }) => headersSent && !req.complete);
    const close = () => (hasPartialAnswer ? socket.destroy(error) : refuseAndClose(error, socket));
    if (pending === undefined) close();
    // A last answer with `Connection: close` has closed the socket by then.
    else pending.once("close", () => void (socket.writable && close()));
  });
}
