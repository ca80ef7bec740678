import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Knows which answer is the last one of each connection, so that a server that ends can close behind it. */
export interface LastAnswers {
  /**
   * Notes a request. False when the answer before it on the connection already said that it is the last: this one can
   * not be answered any more, so it must not be run.
   */
  readonly note: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** From now on the last answer of each connection says `Connection: close`; those under way included. */
  readonly closeBehind: () => void;
}

/**
 * Starts with no connection. Requests that a client sends one after the other without waiting for answers (pipelining) run
 * at the same time; were the first answer the one that closes, the others would be done and never told.
 */
export function createLastAnswers(underWay: () => readonly ServerResponse[]): LastAnswers {
  const last = new WeakMap<Socket, ServerResponse>();
  let isClosing = false;
  return {
    note: (request, response) => {
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
    closeBehind: () => {
      isClosing = true;
      for (const response of underWay()) {
        if (!response.headersSent && last.get(response.req.socket) === response) {
          response.setHeader("connection", "close");
        }
      }
    },
  };
}
