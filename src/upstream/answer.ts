import { AnswerTooLarge, MisshapenAnswer } from "./errors.ts";

/** How a body is read; `exact-json` hands whole numbers that a JavaScript number cannot hold over as their text. */
export type Media = "json" | "exact-json" | "text";

/**
 * JSON whatever the content type says (Zadig's facade labels it text/plain), but never a page: an HTML answer with
 * status 200 is somebody's login form. Error answers that are no JSON have no body for the dialect.
 */
export function parseBody(read: Buffer, media: Media, contentType: string | null, status: number): unknown {
  const whole = read.toString("utf8");
  const text = whole.startsWith("\uFEFF") ? whole.slice(1) : whole;
  const refused = status >= 300;
  const isPage = /html/i.test(contentType ?? "") || text.trimStart().startsWith("<");
  if (isPage && !refused) throw new MisshapenAnswer("a web page instead of data");
  if (text.trim() === "") return undefined;
  if (media === "text" && !refused) return text;
  try {
    if (read.length >= leastChecked || mayBeDeep(text)) checkShape(read);
    return media === "exact-json" && longNumber.test(text) ? parseExactly(text) : JSON.parse(text);
  } catch (error) {
    if (refused) return undefined;
    throw error instanceof MisshapenAnswer ? error : new MisshapenAnswer("not JSON");
  }
}

// Outside of texts: digests hold runs of digits as well.
const longNumber = /(?:^|[:,[])\s*-?\d{16}/;

function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    const isLossy = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return isLossy && source !== undefined && /^-?\d+$/.test(source) ? source : value;
  });
}

/** Several times what any of the vendors sends; whoever walks a value by recursion must not fall off the stack. */
const deepest = 64;
/** Lists, objects and their members. An empty list is two bytes on the wire and dozens in memory. */
const mostParts = 1_000_000;
/** Members of one object: each takes a microsecond or two to add where there are very many, a hundred times a list's. */
const mostMembers = 10_000;
/** Bytes below which an answer cannot have as many members; what it says between them makes it longer. */
const leastChecked = 4 * mostMembers;

/** Whether there are brackets enough: a page of short lists never has them, and counting them costs next to nothing. */
function mayBeDeep(json: string): boolean {
  let left = deepest;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) if (--left < 0) return true;
  }
  return false;
}

const [quote, backslash, comma, openList, closeList, openObject, closeObject] = Buffer.from('"\\,[]{}');

/**
 * Throws MisshapenAnswer for JSON that is nested deeper, or holds more parts, than any honest answer: before anything is
 * built of it. One pass over the bytes, which takes a fraction of what parsing does.
 */
function checkShape(json: Uint8Array): void {
  let depth = 0;
  let parts = 0;
  /** Commas of the lists and objects around, by depth; a list counts from below zero, so that it never has too many. */
  const members = new Int32Array(deepest + 2);
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) {
      // To the end of the text, where whatever follows a backslash is no end.
      for (at++; at < json.length && json[at] !== quote; at++) if (json[at] === backslash) at++;
    } else if (byte === openList || byte === openObject) {
      parts++;
      depth++;
      if (depth > deepest) throw new MisshapenAnswer(`nested deeper than ${deepest} levels`);
      members[depth] = byte === openObject ? 1 : -mostParts;
    } else if (byte === closeList || byte === closeObject) {
      // Brackets that close nothing are the parser's to refuse.
      if (depth > 0) depth--;
    } else if (byte === comma) {
      parts++;
      members[depth] = (members[depth] ?? 0) + 1;
      if ((members[depth] ?? 0) > mostMembers)
        throw new AnswerTooLarge(`an object of more than ${mostMembers} members`);
      if (parts > mostParts) break;
    }
  }
  if (parts > mostParts) throw new AnswerTooLarge(`more than ${mostParts} parts`);
}
