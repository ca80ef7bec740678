import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { deferSpec, type PartsType } from "./negotiation.ts";

type Parts = AsyncIterable<string> | Iterable<string>;

/**
 * Sends an answer in parts as they come, each a JSON text. Resolves when the last one is out, or when whoever asked has
 * left; the source is closed then.
 */
export async function sendParts(
  response: ServerResponse,
  type: PartsType,
  namesDeferSpec: boolean,
  parts: Parts,
): Promise<void> {
  const isEvents = type === "text/event-stream";
  const spec = namesDeferSpec ? `; deferSpec=${deferSpec}` : "";
  response.writeHead(200, {
    "cache-control": "no-store",
    // What nginx asks for that it may not hold back: it would hand over the first part together with the last.
    "x-accel-buffering": "no",
    "content-type": isEvents ? `${type}; charset=utf-8` : `${type}; boundary="-"${spec}`,
  });
  const written = isEvents ? events(parts) : multipart(parts);
  const ping = isEvents ? setInterval(() => response.write(comment), pingMs).unref() : null;
  try {
    await pipeline(Readable.from(written), response);
  } catch (error) {
    if (!response.destroyed) throw error;
  } finally {
    if (ping !== null) clearInterval(ping);
  }
}

/** Between events something is sent so often, or a proxy may take the connection for idle. */
const pingMs = 12_000;
/** An event that is none. */
const comment = ":\n\n";

/** RFC 2046, in the way of the `deferSpec=20220824` form: a delimiter follows each part at once. */
async function* multipart(parts: Parts): AsyncGenerator<string> {
  yield "\r\n---";
  for await (const text of parts) {
    const head = `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}`;
    yield `\r\n${head}\r\n\r\n${text}\r\n---`;
  }
  yield "--\r\n";
}

/** GraphQL over server-sent events, "distinct connections" mode. */
async function* events(parts: Parts): AsyncGenerator<string> {
  // Some browsers hold back an answer until something of it has come.
  yield comment;
  for await (const text of parts) yield `event: next\ndata: ${text}\n\n`;
  yield "event: complete\ndata:\n\n";
}
