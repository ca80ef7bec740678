import type { IncomingMessage } from "node:http";

/** How much of a refused body is read and thrown away, so that its sender gets to see the refusal. */
const patienceBytes = 16_777_216;

/** Reads a request's body; null when it is larger than the limit, whatever its headers promised. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  if (Number(request.headers["content-length"] ?? 0) > limit) {
    discard(request);
    return null;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > limit) {
      discard(request);
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Reads what is left of a refused request and throws it away: a socket that is closed on unread bytes is reset, and the
 * answer on its way is lost with it.
 */
export function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > patienceBytes) request.destroy();
  });
  request.on("error", () => request.destroy());
  request.resume();
}
