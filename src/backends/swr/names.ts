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
 * Key of a software package whose row spells its name `raw`. The server sends names percent-encoded (`hello%20hello`),
 * and paths want that form; of all spellings that mean one name (`%e6`, `%E6`) the key is always the same one.
 */
export function packageKey(raw: string): string {
  const name = decodeOnce(raw);
  return name.isWellFormed() ? encodeURIComponent(name) : raw;
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

/**
 * Whether a repository can be called so: letters, digits, `.`, `_`, `-` and slashes (the vendor's rules). A `$` cannot be
 * part of it: paths write `/` as `$`.
 */
export function isRepositoryPath(text: string): boolean {
  return text.length <= 255 && text.split("/").every((segment) => /^[\w.-]+$/.test(segment) && !/^\.+$/.test(segment));
}

/**
 * Whether a tag only holds what belongs to another image: signatures, attestations and SBOMs by cosign
 * (`sha256-<hex>.sig`), and the referrers tag of the OCI distribution specification (`sha256-<hex>`).
 */
export function isAttachmentTag(tag: string): boolean {
  return /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.[a-z]+)?$/i.test(tag);
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
