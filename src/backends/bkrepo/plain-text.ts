/**
 * What a filter may be sent. Releases before v3.8.7-rc.4 take `version` of a version list for the rest of a regular
 * expression behind `^`; later ones trim it, escape it, and escape `?` wrongly (EscapeUtils). The same escaping stands
 * behind PREFIX, SUFFIX and MATCH_I of every release. Characters below mean themselves in all of these readings, but for
 * the dot, which stands for any character in the oldest one and so only finds more. A pattern that does not compile is
 * answered with HTTP 500, so what a caller writes is never sent beyond them.
 */
const plain = "[\\p{L}\\p{N}._/@:,~-]";

const plainStart = new RegExp(`^${plain}+`, "u");
const plainEnd = new RegExp(`${plain}+$`, "u");
// Upper and lower case of other letters may be alike here and not there.
const asciiPlain = /^[\w./@:,~-]*$/;
const notAsciiPlain = /[^\w./@:,~-]+/g;

/** Behind so many characters a filter tells hardly anything apart, and a pattern has a greatest length. */
const mostCharacters = 200;

/** The longest beginning of a text that every release reads as it stands; empty where it has none. */
export function plainPrefix(text: string): string {
  return wellFormed((plainStart.exec(text)?.[0] ?? "").slice(0, mostCharacters));
}

/** The longest end of a text that every release reads as it stands; empty where it has none. */
export function plainSuffix(text: string): string {
  return wellFormed((plainEnd.exec(text)?.[0] ?? "").slice(-mostCharacters));
}

/** A wildcard pattern that matches the text at least: `*` stands where releases differ, or where a name may have one. */
export function plainPattern(text: string): string {
  return text.slice(0, mostCharacters).replace(notAsciiPlain, "*") + (text.length > mostCharacters ? "*" : "");
}

/** Whether exactly the rows that begin so are counted, in every release. */
export function countsExactly(prefix: string): boolean {
  return plainPrefix(prefix) === prefix && !prefix.includes(".");
}

/** Whether the pattern made of a text matches nothing but it, upper and lower case alike. */
export function isPlainPattern(text: string): boolean {
  return text.length <= mostCharacters && asciiPlain.test(text);
}

// A cut between the halves of a surrogate pair leaves no character.
function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.replace(/[\uD800-\uDFFF]/gu, "");
}
