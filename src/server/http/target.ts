import type { IncomingMessage } from "node:http";

/** What a request asks for. */
export interface Target {
  /** Host and port that are asked; null when the request names none. */
  readonly host: string | null;
  /** Path as sent, without the query. */
  readonly path: string;
  /** What follows the question mark, undecoded; empty when there is none. */
  readonly query: string;
}

/**
 * Reads the request target in the forms of RFC 9112 (3.2). The absolute form, which any client may send, names the host
 * itself: a Host header beside it means nothing.
 */
export function targetOf({ url = "/", headers }: IncomingMessage): Target {
  const [, authority, rest = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  const origin = authority === undefined ? url : rest.startsWith("/") ? rest : `/${rest}`;
  const mark = origin.indexOf("?");
  return {
    host: authority === undefined ? (headers.host ?? null) : authority.replace(/^.*@/, ""),
    path: mark < 0 ? origin : origin.slice(0, mark),
    query: mark < 0 ? "" : origin.slice(mark + 1),
  };
}
