import { isUtf8 } from "node:buffer";

/** Deepest nesting of lists and objects in JSON that is parsed at all, far beyond what any value of it may have. */
const deepestJson = 1000;

/** Reads bytes as UTF-8, a byte order mark in front left out; null for bytes that are not UTF-8. */
export function readText(bytes: Buffer): string | null {
  if (!isUtf8(bytes)) return null;
  const text = bytes.toString("utf8");
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** A JSON value, or the end of a sentence about what is wrong with the text. */
export type ParsedJson = { readonly value: unknown } | { readonly problem: string };

/** Parses JSON that is not nested deeper than {@link deepestJson}; the depth is counted before anything is parsed. */
export function parseJson(text: string): ParsedJson {
  // A shorter text has no room for so many brackets.
  if (text.length > deepestJson && isDeeper(text, deepestJson))
    return { problem: `is nested deeper than ${deepestJson} levels` };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { problem: "is not JSON" };
  }
}

/** Decodes a part of a form: `+` is a space, `%xx` a byte. Null when the bytes are not UTF-8. */
export function decodeForm(part: string): string | null {
  const bytes = Buffer.from(part.replaceAll("+", " "), "latin1");
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const code =
      byte === percent ? Number.parseInt(hexPair.exec(bytes.toString("latin1", at + 1, at + 3))?.[0] ?? "", 16) : -1;
    // A percent sign without two digits behind it stands for itself.
    if (code >= 0) at += 2;
    bytes[length++] = code >= 0 ? code : byte;
  }
  return readText(bytes.subarray(0, length));
}

const percent = 0x25;
const hexPair = /^[0-9a-f]{2}$/i;

function isDeeper(text: string, most: number): boolean {
  let depth = 0;
  let isInText = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInText) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) isInText = false;
    } else if (code === 0x22) isInText = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > most) return true;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return false;
}
