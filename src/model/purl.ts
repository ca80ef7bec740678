import { PackageURL } from "packageurl-js";

/** A package URL taken apart; `namespace` keeps its slashes (`com.acme`, `@acme`, `github.com/acme`). */
export interface PurlParts {
  readonly type: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly version: string | null;
  readonly qualifiers: Readonly<Record<string, string>>;
}

/** What is longer is not taken apart: the library's time grows faster than the text. */
const longestPurl = 8192;

/** Canonical package URL, or null when the parts make no valid one: an honest purl or none. */
export function toPurl(parts: {
  readonly type: string;
  readonly namespace?: string | null;
  readonly name: string;
  readonly version?: string | null;
  readonly qualifiers?: Readonly<Record<string, string>>;
}): string | null {
  try {
    const { type, namespace, name, version, qualifiers } = parts;
    const texts = [type, namespace ?? "", name, version ?? "", ...Object.values(qualifiers ?? {})];
    if (texts.reduce((sum, { length }) => sum + length, 0) > longestPurl) return null;
    const text = new PackageURL(type, namespace, name, version, qualifiers, undefined).toString();
    // Not all that the library prints can be read again (a lone `%` in a qualifier): such text is no identity.
    return PackageURL.fromString(text).toString() === text ? text : null;
  } catch {
    return null;
  }
}

/** Reads a package URL; null for anything that is not one. */
export function parsePurl(text: string): PurlParts | null {
  if (text.length > longestPurl) return null;
  try {
    const purl = PackageURL.fromString(text);
    const qualifiers = Object.fromEntries(
      Object.entries(purl.qualifiers ?? {}).map(([key, value]) => [key, String(value)]),
    );
    return {
      type: purl.type,
      namespace: purl.namespace || null,
      name: purl.name,
      version: purl.version || null,
      qualifiers,
    };
  } catch {
    return null;
  }
}
