import { MisshapenAnswer } from "./errors.ts";

/** Reads a body to its end; throws MisshapenAnswer when it is larger than the limit. */
export async function readBody(body: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop destroys the body, and with it the socket: the rest is never read.
    if (bytes > limit) throw new MisshapenAnswer(`more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

/**
 * JSON whatever the content type says (Zadig's facade labels it text/plain), but never a page: an HTML answer with
 * status 200 is somebody's login form. Error answers that are no JSON have no body for the dialect.
 */
export function parseBody(text: string, media: "json" | "text", contentType: string | null, status: number): unknown {
  const refused = status >= 300;
  const isPage = /html/i.test(contentType ?? "") || text.trimStart().startsWith("<");
  if (isPage && !refused) throw new MisshapenAnswer("a web page instead of data");
  if (text.trim() === "") return undefined;
  if (media === "text" && !refused) return text;
  try {
    return JSON.parse(text);
  } catch {
    if (refused) return undefined;
    throw new MisshapenAnswer("not JSON");
  }
}
