/** Quotes text for the regular expressions that Zadig makes of its `image` and `name` filters. */
function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Matches exactly this text. Rows are compared again all the same: `$` also matches before a line break at the end. */
export function only(text: string): string {
  return `^${quote(text)}$`;
}

/**
 * Whether a text can stand in a filter: Mongo refuses a pattern with a zero byte, and proxies refuse long request lines.
 * Zadig would answer that with an error of its own, which must not be taken for trouble of the server.
 */
export function isAskable(text: string): boolean {
  return !text.includes("\0") && encodeURIComponent(quote(text).toWellFormed()).length <= longestFilter;
}

const longestFilter = 6000;

/**
 * Matches exactly these texts: the one way to ask Zadig for many images at once. A scheme may stand before them, because
 * Zadig stores a reference as the registry's address was configured.
 */
export function exactly(texts: readonly string[]): string {
  return `^(?:https?://)?(?:${texts.map(quote).join("|")})$`;
}

/** Matches references that end in one of these `name:tag`. */
export function endingIn(texts: readonly string[]): string {
  return `/(?:${texts.map(quote).join("|")})$`;
}

/**
 * Splits items so that the pattern of each chunk's texts stays below `limit` bytes in a URL: proxies commonly refuse
 * request lines of 8 KB. A single text above the limit is a chunk of its own.
 */
export function chunksWithin<T>(
  items: readonly T[],
  textOf: (item: T) => string,
  limit: number,
): readonly (readonly T[])[] {
  const chunks: T[][] = [];
  let room = 0;
  for (const item of items) {
    const cost = encodeURIComponent(`${quote(textOf(item))}|`).length;
    const current = chunks[chunks.length - 1];
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
