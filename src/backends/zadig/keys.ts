import { trimEndSlashes } from "../../model/values.ts";

/** A usable object id in lower case; null for the 24 zeros and the empty text that Zadig prints for "no id". */
export function objectId(text: string | null | undefined): string | null {
  const id = text?.toLowerCase() ?? "";
  return /^[0-9a-f]{24}$/.test(id) && !/^0+$/.test(id) ? id : null;
}

/** The text behind the last slash. */
export function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The text without percent encoding; unchanged where it is not valid percent encoding. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Quotes text for the regular expressions that Zadig makes of its `image` and `name` filters. */
function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Bytes of one encoded filter: proxies commonly refuse request lines of 8 KB. */
const maxFilterBytes = 6000;

/**
 * Whether a text can be sent in a filter: Mongo refuses a pattern with a zero byte, and proxies refuse long request
 * lines. Zadig would answer with an error of its own, which must not count as a failure of the server.
 */
export function isSearchable(text: string): boolean {
  return !text.includes("\0") && encodeURIComponent(quote(text).toWellFormed()).length <= maxFilterBytes;
}

/** Matches exactly this text. Rows are compared again: `$` also matches before a line break at the end. */
export function patternOfText(text: string): string {
  return `^${quote(text)}$`;
}

/**
 * Matches exactly these images: the one way to ask Zadig for many at once. A scheme may precede them, because Zadig
 * stores a reference as the registry's address was configured.
 */
export function patternOfImages(texts: readonly string[]): string {
  return `^(?:https?://)?(?:${texts.map(quote).join("|")})$`;
}

/** Matches references that end in one of these `name:tag`. */
export function patternOfSuffixes(texts: readonly string[]): string {
  return `/(?:${texts.map(quote).join("|")})$`;
}

/**
 * Splits items so that the encoded pattern of each chunk's texts has at most `limit` bytes. A single text above the
 * limit is a chunk of its own.
 */
export function chunksByBytes<T>(items: readonly T[], textOf: (item: T) => string, limit = maxFilterBytes): T[][] {
  const chunks: T[][] = [];
  let room = 0;
  for (const item of items) {
    const cost = encodeURIComponent(`${quote(textOf(item))}|`).length;
    const current = chunks.at(-1);
    if (current && cost <= room) {
      current.push(item);
      room -= cost;
    } else {
      chunks.push([item]);
      room = limit - cost;
    }
  }
  return chunks;
}

/** An http(s) address without user-info and fragment; null for anything else. */
export function safeUrl(text: string | null | undefined): string | null {
  const url = httpUrl(text);
  if (url === null) return null;
  url.username = "";
  url.password = "";
  url.hash = "";
  return url.href;
}

/** The base address of a code host, without user-info, query and trailing slash: `address` may hold a working login. */
export function hostUrl(text: string | null | undefined): string | null {
  const url = httpUrl(text);
  return url === null ? null : url.origin + trimEndSlashes(url.pathname);
}

function httpUrl(text: string | null | undefined): URL | null {
  const trimmed = text?.trim() ?? "";
  return /^https?:\/\//i.test(trimmed) && URL.canParse(trimmed) ? new URL(trimmed) : null;
}
