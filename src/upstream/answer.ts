import { MisshapenAnswer } from "./errors.ts";

/**
 * Reads a body to its end; throws MisshapenAnswer when it is larger than the limit, without reading what announces itself
 * as larger.
 */
export async function readBody(body: AsyncIterable<Buffer>, limit: number, announced: string | null): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop destroys the body, and with it the socket: the rest is never read.
    if (bytes > limit || Number(announced) > limit) throw new MisshapenAnswer(`more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

/**
 * JSON whatever the content type says (Zadig's facade labels it text/plain), but never a page: an HTML answer with
 * status 200 is somebody's login form. Error answers that are no JSON have no body for the dialect.
 */
export function parseBody(read: Buffer, media: "json" | "text", contentType: string | null, status: number): unknown {
  const text = read.toString("utf8");
  const refused = status >= 300;
  const isPage = /html/i.test(contentType ?? "") || text.trimStart().startsWith("<");
  if (isPage && !refused) throw new MisshapenAnswer("a web page instead of data");
  if (text.trim() === "") return undefined;
  if (media === "text" && !refused) return text;
  try {
    checkShape(read);
    return JSON.parse(text);
  } catch (error) {
    if (refused) return undefined;
    throw error instanceof MisshapenAnswer ? error : new MisshapenAnswer("not JSON");
  }
}

/** Our deepest payload has 8 levels; whoever walks a value by recursion must not fall off the stack. */
const deepest = 64;
/** Lists, objects and their members. An empty list is two bytes on the wire and dozens in memory. */
const mostParts = 4_000_000;

const [quote, backslash, comma, openList, closeList, openObject, closeObject] = Buffer.from('"\\,[]{}');

/** Throws MisshapenAnswer for JSON that is nested deeper, or holds more parts, than any honest answer; reads bytes, not values. */
export function checkShape(json: Buffer): void {
  let depth = 0;
  let parts = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) {
      // To the end of the text; a quote behind an odd number of backslashes does not end it.
      do {
        at = json.indexOf('"', at + 1);
        if (at < 0) return;
      } while (isEscaped(json, at));
    } else if (byte === openList || byte === openObject) {
      depth += 1;
      parts += 1;
      if (depth > deepest) throw new MisshapenAnswer(`nested deeper than ${deepest} levels`);
    } else if (byte === closeList || byte === closeObject) {
      depth -= 1;
    } else if (byte === comma) {
      parts += 1;
    }
    if (parts > mostParts) throw new MisshapenAnswer(`more than ${mostParts} parts`);
  }
}

function isEscaped(json: Buffer, quoteAt: number): boolean {
  let at = quoteAt - 1;
  while (at >= 0 && json[at] === backslash) at -= 1;
  return (quoteAt - at) % 2 === 0;
}
