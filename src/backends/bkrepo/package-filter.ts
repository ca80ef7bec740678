import type { Package, PackageFormat } from "../../model/package.ts";
import { namesSamePackage, type PurlParts, parsePurl } from "../../model/purl.ts";
import type { PackageQuery } from "../backend.ts";
import { keyText } from "../batch.ts";
import { imageNameOf, keyOf, keyOfPurl, namedTypes, purlOfName, typesOf } from "./package-key.ts";
import { isPlainPattern, plainPattern } from "./plain-text.ts";
import { allOf, anyOf, endsIn, is, like, noneOf, oneOf, type Rule } from "./rule.ts";

/** The rules of a filter: they match at least what {@link matches} lets through. Null where bkrepo can have no such package. */
export function rulesOf({ name, match, format }: PackageQuery): Rule[] | null {
  const rules: Rule[] = [];
  if (format === "OTHER") rules.push(noneOf("type", namedTypes));
  else if (format !== null) {
    const types = typesOf(format);
    if (types.length === 0) return null;
    rules.push(oneOf("type", types));
  }
  // No package has an empty name.
  if (name === null || name === "") return name === null || match !== "EXACT" ? rules : null;
  if (match === "EXACT") {
    const key = exactKey(name, format);
    rules.push(key === null ? is("name", name) : anyOf(is("name", name), is("key", key)));
  } else rules.push(like("name", match === "PREFIX" ? `${plainPattern(name)}*` : `*${plainPattern(name)}*`));
  return rules;
}

/** Whether the server counts what {@link matches} lets through: not where its pattern had to be wider than the text. */
export function isCounted({ name, match }: PackageQuery): boolean {
  return name === null || match === "EXACT" || isPlainPattern(name);
}

/** The filter once more: what a server matches more loosely than we promise does not get through. */
export function matches({ name, ref, format }: Package, filter: PackageQuery): boolean {
  if (filter.format !== null && format !== filter.format) return false;
  if (filter.name === null || filter.name === "") return true;
  const [is, wanted] = [name.toLowerCase(), filter.name.toLowerCase()];
  if (filter.match === "EXACT") return name === filter.name || ref.key === exactKey(filter.name, filter.format);
  return filter.match === "PREFIX" ? is.startsWith(wanted) : is.includes(wanted);
}

/** Packages that somebody means by something else than their key. */
export interface Meant {
  /** Tells it from everything else that may be meant. */
  readonly text: string;
  /** Matches at least what is accepted. */
  readonly rule: Rule;
  readonly accepts: (found: Package) => boolean;
}

/** Packages of this name and format, in any spelling that the format takes for the same. Null where there can be none. */
export function meantByName(name: string, format: PackageFormat): Meant | null {
  const types = typesOf(format);
  if (name === "" || types.length === 0) return null;
  const key = keyOf(name, format);
  const purl = purlOfName(name, format);
  const spellings = [
    is("name", name),
    ...(key === null ? [] : [is("key", key)]),
    ...(purl === null ? [] : [like("name", namePattern(purl))]),
  ];
  return {
    text: keyText("name", name, format),
    rule: allOf(oneOf("type", types), anyOf(...spellings)),
    accepts: (found) =>
      found.format === format &&
      (found.name === name || found.ref.key === key || (purl !== null && isNamedBy(found, purl))),
  };
}

/** Packages that a package URL names. Null where bkrepo has no packages of its type. */
export function meantByPurl(purl: PurlParts): Meant | null {
  const types = typesOfPurl[purl.type];
  if (types === undefined) return null;
  return {
    text: keyText("purl", purl.type, purl.namespace, purl.name),
    rule: allOf(oneOf("type", types), like("name", namePattern(purl))),
    accepts: (found) => isNamedBy(found, purl),
  };
}

/** Whether a package URL names a package: by its own URL, or by the one key that the URL stands for. */
function isNamedBy({ ref, purl: printed }: Pick<Package, "ref" | "purl">, purl: PurlParts): boolean {
  const own = printed === null ? null : parsePurl(printed);
  const known = keyOfPurl(purl);
  return (known?.isOnly === true && known.key === ref.key) || (own !== null && namesSamePackage(own, purl));
}

/** Images whose path ends in this name, as a whole part. */
export function meantByImageName(name: string): Meant {
  return {
    text: keyText("image", name),
    rule: allOf(oneOf("type", ["DOCKER", "OCI"]), anyOf(is("name", name), endsIn("name", `/${name}`))),
    accepts: ({ ref }) => {
      const path = imageNameOf(ref.key);
      return path === name || path?.endsWith(`/${name}`) === true;
    },
  };
}

const typesOfPurl: Readonly<Record<string, readonly string[] | undefined>> = Object.assign(Object.create(null), {
  maven: ["MAVEN"],
  npm: ["NPM"],
  pypi: ["PYPI"],
  helm: ["HELM"],
  rpm: ["RPM"],
  composer: ["COMPOSER"],
  nuget: ["NUGET"],
  conan: ["CONAN"],
  cargo: ["CARGO"],
  huggingface: ["HUGGINGFACE"],
});

/**
 * The stored name in the widest spelling that a package URL may stand for: upper and lower case are alike to the search,
 * and what PEP 503 takes for one character is a wildcard. Maven's name is the artifactId, RPM's and Conan's the bare one.
 */
function namePattern({ type, namespace, name }: PurlParts): string {
  if (type === "pypi") return plainPattern(name.replace(/[-_.]+/g, "*"));
  const isSpelledWhole = type === "npm" || type === "composer" || type === "huggingface";
  return plainPattern(isSpelledWhole && namespace !== null ? `${namespace}/${name}` : name);
}

// The name of a Maven package is its artifactId, and a NuGet key is in lower case: whoever asks by the full name means the key.
function exactKey(name: string, format: PackageFormat | null): string | null {
  return keyOf(name, format ?? "MAVEN");
}
