import { PackageURL } from "packageurl-js";
import type { PackageFormat } from "./package.ts";

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

/** Types whose namespace is the distribution that built the package, which no repository tells. */
const distributed: readonly string[] = ["rpm", "deb", "alpm", "apk"];

/**
 * Whether two package URLs name the same package, versions aside: equal canonical type, namespace and name. A namespace
 * that only one of them states counts where the type's namespace is part of the name, and not where it is a
 * distribution.
 */
export function namesSamePackage(one: PurlParts, other: PurlParts): boolean {
  if (one.type !== other.type || nameKey(one) !== nameKey(other)) return false;
  const isOpen = distributed.includes(one.type) && (one.namespace === null || other.namespace === null);
  return isOpen || namespaceKey(one) === namespaceKey(other);
}

/**
 * Whether two package URLs name the same version: the same package, an equal version, and no qualifier of identity
 * (such as `arch`, `channel`, `user`) that both state and differ in. A URL that states less means every version that it
 * fits.
 */
export function namesSameVersion(one: PurlParts, other: PurlParts): boolean {
  if (!namesSamePackage(one, other) || one.version !== other.version) return false;
  return identifying.every((key) => {
    const [mine, theirs] = [one.qualifiers[key], other.qualifiers[key]];
    return mine === undefined || theirs === undefined || mine === theirs;
  });
}

/** Qualifiers that tell versions of one name apart; the others say where it lies or which of its files is meant. */
const identifying = ["arch", "epoch", "distro", "channel", "user", "rrev", "prev", "platform"] as const;

// Python treats runs of `-`, `_` and `.` as one (PEP 503); npm, composer and NuGet servers compare without case.
function nameKey({ type, name }: PurlParts): string {
  if (type === "pypi") return name.toLowerCase().replace(/[-_.]+/g, "-");
  return caselessNames.includes(type) ? name.toLowerCase() : name;
}

function namespaceKey({ type, namespace }: PurlParts): string | null {
  const isCaseless = caselessNames.includes(type) || caselessNamespaces.includes(type);
  return namespace !== null && isCaseless ? namespace.toLowerCase() : namespace;
}

const caselessNames: readonly string[] = ["npm", "composer", "nuget", "huggingface", "deb"];
const caselessNamespaces: readonly string[] = ["rpm"];

const formats: Readonly<Record<string, { readonly format: PackageFormat; readonly separator: string }>> = {
  maven: { format: "MAVEN", separator: ":" },
  npm: { format: "NPM", separator: "/" },
  pypi: { format: "PYPI", separator: "/" },
  helm: { format: "HELM", separator: "/" },
  composer: { format: "COMPOSER", separator: "/" },
  rpm: { format: "RPM", separator: "/" },
  nuget: { format: "NUGET", separator: "/" },
  conan: { format: "CONAN", separator: "/" },
  cargo: { format: "CARGO", separator: "/" },
  golang: { format: "GOLANG", separator: "/" },
  deb: { format: "DEBIAN", separator: "/" },
  gem: { format: "RUBYGEMS", separator: "/" },
  huggingface: { format: "ML_MODEL", separator: "/" },
  generic: { format: "GENERIC", separator: "/" },
};

/**
 * The format and full name that a package URL stands for: `com.acme:app` for Maven, `@acme/app` for npm, the rest with
 * slashes. Null for types that no backend stores. Adapters turn the name into their own key with `keyOf`.
 */
export function nameOfPurl(purl: PurlParts): { readonly name: string; readonly format: PackageFormat } | null {
  const known = Object.hasOwn(formats, purl.type) ? formats[purl.type] : undefined;
  if (!known) return null;
  const name = purl.namespace === null ? purl.name : `${purl.namespace}${known.separator}${purl.name}`;
  return { name, format: known.format };
}
