import { Verbatim } from "../../upstream/operation.ts";

const imageScheme = "image://";
const longestName = 512;

/** The two kinds of packages: software packages, and image repositories. */
export type PackageKind = "packages" | "images";

/** A package in a namespace. */
export interface PackageName {
  readonly namespace: string;
  /** Of a software package as the server spells it, percent-encoded; of an image repository its path, with slashes. */
  readonly name: string;
}

/** Decodes percent-encoding once; text with a malformed `%` stays as it is. */
export function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Key of a software package whose row spells its name `raw`. The server sends names percent-encoded (`hello%20hello`),
 * and paths want that form. All spellings of one name (`%e6`, `%E6`) give the same key.
 */
export function packageKey(raw: string): string {
  const name = decodeOnce(raw);
  return name.isWellFormed() ? encodeURIComponent(name) : raw;
}

/** Key of the image repository `path`. */
export function imageKey(path: string): string {
  return imageScheme + path;
}

/** The key of the software package that a person calls `name`; null for an impossible name. */
export function keyOfName(name: string): string | null {
  if (!name.isWellFormed()) return null;
  const key = encodeURIComponent(name);
  return parseKey(key) === null ? null : key;
}

/** Reads a key; null for one that this backend cannot have written. */
export function parseKey(key: string): { readonly id: PackageKind; readonly name: string } | null {
  if (!key.startsWith(imageScheme)) return isName(key) ? { id: "packages", name: key } : null;
  const path = key.slice(imageScheme.length);
  return isRepositoryPath(path) ? { id: "images", name: path } : null;
}

/** Reads `<namespace>/<path>` as image references spell it; null where either part is impossible. */
export function parseRepository(text: string): PackageName | null {
  const slash = text.indexOf("/");
  const [namespace, name] = [text.slice(0, Math.max(slash, 0)), text.slice(slash + 1)];
  return isNamespace(namespace) && isRepositoryPath(name) ? { namespace, name } : null;
}

/** The last part of a repository's path: what people call the image. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether the percent-encoded name of a package or version is possible, and stays one path segment. */
export function isName(raw: string): boolean {
  const name = decodeOnce(raw);
  if (raw === "" || raw.length > longestName * 3 || name === "." || name === "..") return false;
  return name.isWellFormed() && !/\p{Cc}/u.test(name);
}

/** Whether the text is a possible name of an organization; no other is asked for. */
export function isNamespace(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,127}$/i.test(text);
}

/**
 * Whether the text is a possible path of a repository: letters, digits, `.`, `_`, `-` and slashes (the vendor's rules).
 * A `$` cannot be part of it, because URLs write `/` as `$`.
 */
export function isRepositoryPath(text: string): boolean {
  return text.length <= 255 && text.split("/").every((segment) => /^[\w.-]+$/.test(segment) && !/^\.+$/.test(segment));
}

/** Whether the text is a possible tag of an image. */
export function isTag(text: string): boolean {
  return /^\w[\w.-]{0,127}$/.test(text);
}

/**
 * Whether a tag only holds an attachment of another image: signatures, attestations and SBOMs by cosign
 * (`sha256-<hex>.sig`), and the referrers tag of the OCI distribution specification (`sha256-<hex>`).
 */
export function isAttachmentTag(tag: string): boolean {
  return /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.[a-z]+)?$/i.test(tag);
}

/** A repository's path as URLs and the `name` filter spell it: one segment, `$` for every slash. */
export function withDollars(path: string): string {
  return path.replaceAll("/", "$");
}

/**
 * The name of a package or version as a path part. Names that are percent-encoded already go out unchanged, because
 * encoding them again asks for another package. The rest (a space, a lone `%`) is encoded once.
 */
export function encodedPart(raw: string): Verbatim | string {
  try {
    return new Verbatim(raw);
  } catch {
    return raw;
  }
}
