import type { PackageFormat } from "./package.ts";
import type { PurlParts } from "./purl.ts";

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
