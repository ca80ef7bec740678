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
  return new Promise((resolve, reject) => {
    const over = () => {
      request.off("data", take);
      request.off("end", end);
      request.off("error", reject);
      request.off("close", left);
    };
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) {
        chunks.push(chunk);
        return;
      }
      over();
      discard(request);
      resolve(null);
    };
    // Nothing is told any more but that it has closed, so only that listener has to step aside.
    const end = () => {
      request.off("close", left);
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    };
    // Whoever leaves in the middle of a body tells nothing but that.
    const left = () => {
      over();
      reject(new Error("the request was cut short"));
    };
    request.on("data", take);
    request.on("end", end);
    request.on("error", reject);
    request.on("close", left);
  });
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
