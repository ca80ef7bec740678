import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/** How long a request may take to arrive, in milliseconds. */
export interface SenderLimits {
  /** From the first byte of a head to its last. */
  readonly headMs: number;
  /** From the end of the head to the end of the body. */
  readonly bodyMs: number;
}

/** What a connection has sent. */
interface Sender {
  /** The last request whose head has arrived. */
  request: IncomingMessage | null;
  since: number;
  /** Bytes that belong to requests which have arrived whole. */
  bytes: number;
  /** When the head of the next request was first seen to have begun. */
  headSince: number | null;
}

/** A client may send an empty line behind a body, which begins nothing. */
const emptyLineBytes = 2;

/**
 * Hands over the connections whose request does not arrive in time. Node's own limits count from the moment a connection is
 * opened, so they cannot tell who sends slowly from a balancer that keeps a connection ready.
 */
export function limitSenders(server: Server, { headMs, bodyMs }: SenderLimits, cut: (socket: Socket) => void): void {
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

  function look(): void {
    const now = performance.now();
    for (const [socket, sender] of senders) {
      if (!isLate(socket, sender, now)) continue;
      senders.delete(socket);
      cut(socket);
    }
    if (senders.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  }

  server.on("connection", (socket: Socket) => {
    senders.set(socket, { request: null, since: 0, bytes: 0, headSince: null });
    socket.once("close", () => senders.delete(socket));
    timer ??= setInterval(look, headMs / 4).unref();
  });
  server.on("request", (request: IncomingMessage) => {
    const sender = senders.get(request.socket);
    if (!sender) return;
    sender.request = request;
    sender.since = performance.now();
  });
}
