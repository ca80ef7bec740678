import { Verbatim } from "../../upstream/operation.ts";

const imageScheme = "image://";
const longestName = 512;

/** What a package key names: a software package by its raw name, or an image repository by its path. */
export type Target =
  | { readonly kind: "package" /** As the server spells it, percent-encoded. */; readonly raw: string }
  | { readonly kind: "image" /** With its slashes. */; readonly path: string };

/** Decodes percent-encoding once; text with a malformed `%` is what it is. */
export function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Key of a software package whose row spells its name `raw`. The server sends names percent-encoded
 * (`hello%20hello`), and that form is kept, because it is what paths want.
 */
export function packageKey(raw: string): string {
  return raw.startsWith(imageScheme) ? encodeURIComponent(raw) : raw;
}

/** Key of the image repository `path`. */
export function imageKey(path: string): string {
  return imageScheme + path;
}

/** The key of a package that a person calls `name`; null for what no package can be called. */
export function keyOfName(name: string): string | null {
  if (!name.isWellFormed()) return null;
  const key = encodeURIComponent(name);
  return parseTarget(key) === null ? null : key;
}

/** Reads a key; null for what cannot have come from this backend. */
export function parseTarget(key: string): Target | null {
  if (key.startsWith(imageScheme)) {
    const path = key.slice(imageScheme.length);
    return isRepositoryPath(path) ? { kind: "image", path } : null;
  }
  const name = decodeOnce(key);
  const impossible =
    key === "" || key.length > longestName * 3 || name === "." || name === ".." || !name.isWellFormed();
  return impossible || hasControl(name) ? null : { kind: "package", raw: key };
}

/** Whether an organization can be called so; anything else is not asked for. */
export function isNamespace(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,127}$/i.test(text);
}

/** Whether a repository can be called so. A `$` cannot be part of it: paths write `/` as `$`. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= 255 && text.split("/").every((segment) => /^[a-z0-9_][\w.-]*$/i.test(segment));
}

/** Whether an image can be tagged so. */
export function isTag(text: string): boolean {
  return /^\w[\w.-]{0,127}$/.test(text);
}

/** A repository as paths and the `name` filter spell it: one segment, `$` for every slash. */
export function withDollars(path: string): string {
  return path.replaceAll("/", "$");
}

/**
 * A package or version name as a path part: names already in wire form go out unchanged, because encoding them again
 * asks for another package; the rest (a space, a lone `%`) is encoded once.
 */
export function wirePart(raw: string): Verbatim | string {
  try {
    return new Verbatim(raw);
  } catch {
    return raw;
  }
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
