import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createLine } from "../../upstream/line.ts";
import type { Log } from "../observability/log.ts";

/** What clients may hold of this process by their connections. */
export interface ConnectionLimits {
  /** Milliseconds that a byte of an answer may wait for its client to take it. */
  readonly sendMs: number;
  /** Bytes of answers that may wait for clients, in all connections together. */
  readonly maxWaitingBytes: number;
  /** Open connections. */
  readonly maxConnections: number;
}

/** Node looks every second whose headers or request are late; by default it looks every 30. */
export const promptTimeouts = { connectionsCheckingInterval: 1000 } as const satisfies ServerOptions;

/** How connections stand right now. */
export interface ConnectionFigures {
  readonly open: number;
  /** Bytes of answers that clients have not taken yet. */
  readonly waitingBytes: number;
}

/** Milliseconds between two looks, while an answer waits for its client and while none does. */
const lookAgainMs = { waiting: 100, idle: 1000 } as const;
/** What stays below this in a connection's buffer is not looked at before its time. */
const largeBytes = 65_536;

/** One connection. */
interface Peer {
  readonly socket: Socket;
  /** Answers that are not out yet; several where a client sends the next request before it has the answer. */
  readonly answers: { readonly request: IncomingMessage; readonly response: ServerResponse }[];
  /** Steps out of the line of all connections. */
  leave: () => void;
  /** What has to be sent by `due`, counted from the first byte of the connection; null when nothing waits. */
  mark: { readonly bytes: number; readonly due: number } | null;
}

/**
 * Closes the connections of those who take too much: whoever does not read an answer in its time; where more bytes wait
 * than may wait, whoever has not read for longest; and where there are more connections than there may be, the one that
 * has been idle for longest, or else has been sending its request for longest. Whoever reads and asks is left alone, so
 * that a new client finds room as long as any other only keeps it.
 */
export function guardConnections(server: Server, limits: ConnectionLimits, log: Log): () => ConnectionFigures {
  // In the order in which they were opened, or came to rest.
  const peers = createLine<Peer>();
  const known = new WeakMap<Socket, Peer>();
  let timer: NodeJS.Timeout | null = null;

  function open(socket: Socket): void {
    const peer: Peer = { socket, answers: [], leave: () => {}, mark: null };
    peer.leave = peers.join(peer);
    known.set(socket, peer);
    socket.once("close", () => peer.leave());
    if (peers.size() > limits.maxConnections) makeRoom(peer);
    timer ??= setTimeout(look, lookAgainMs.idle).unref();
  }

  function makeRoom(newest: Peer): void {
    const all = peers.values();
    const isReceiving = ({ answers }: Peer) => answers.every(({ request }) => !request.complete);
    const victim =
      all.find((peer) => peer !== newest && peer.answers.length === 0) ??
      all.find((peer) => peer !== newest && isReceiving(peer)) ??
      newest;
    close(victim, "there are too many connections");
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const peer = known.get(request.socket);
    if (!peer) return;
    const one = { request, response };
    peer.answers.push(one);
    // All that is to be sent is in the connection's buffer by then.
    response.once("prefinish", () => {
      if (peer.socket.writableLength >= largeBytes) look();
    });
    response.once("close", () => {
      peer.answers.splice(peer.answers.indexOf(one), 1);
      if (peer.answers.length > 0 || peer.socket.destroyed) return;
      peer.leave();
      peer.leave = peers.join(peer);
    });
  }

  function close(peer: Peer, reason: string): void {
    log.warn({ reason, waitingBytes: waitingIn(peer) }, "a client's connection was closed");
    peer.leave();
    peer.socket.destroy();
  }

  /** Closes who has not read in time, and then, longest first, as many as it takes. */
  function look(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    const now = performance.now();
    let waiting: Peer[] = [];
    for (const peer of peers.values()) {
      const bytes = waitingIn(peer);
      if (bytes === 0) {
        peer.mark = null;
        continue;
      }
      const sent = peer.socket.bytesWritten - peer.socket.writableLength;
      if (peer.mark === null || sent >= peer.mark.bytes) {
        peer.mark = { bytes: sent + bytes, due: now + limits.sendMs };
      }
      if (now >= peer.mark.due) close(peer, "the answer was not read in time");
      else waiting.push(peer);
    }
    let total = waiting.reduce((sum, peer) => sum + waitingIn(peer), 0);
    if (total > limits.maxWaitingBytes) {
      waiting = waiting.toSorted((a, b) => (a.mark?.due ?? 0) - (b.mark?.due ?? 0) || waitingIn(b) - waitingIn(a));
      for (const peer of waiting) {
        if (total <= limits.maxWaitingBytes) break;
        total -= waitingIn(peer);
        close(peer, "too many bytes wait for clients to read them");
      }
    }
    if (peers.size() > 0) timer = setTimeout(look, waiting.length > 0 ? lookAgainMs.waiting : lookAgainMs.idle).unref();
  }

  server.on("connection", open);
  server.on("request", answer);
  return () => ({
    open: peers.size(),
    waitingBytes: peers.values().reduce((sum, peer) => sum + waitingIn(peer), 0),
  });
}

/** Bytes that wait for this client: in its connection, and of answers that have to wait for an earlier one. */
function waitingIn({ socket, answers }: Peer): number {
  let bytes = socket.writableLength;
  for (const { response } of answers) if (response.socket === null) bytes += response.writableLength;
  return bytes;
}
