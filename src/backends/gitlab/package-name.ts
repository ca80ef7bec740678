import { namesSamePackage, type PurlParts, parsePurl } from "../../model/purl.ts";
import type { PackageQuery } from "../backend.ts";
import { type PackageName, packagePurl, splitName } from "./identity.ts";

/** The PURL types of packages whose own PURL would need more than GitLab tells: they are looked up by it all the same. */
const bareTypes: Readonly<Record<string, string>> = { debian: "deb", rpm: "rpm", generic: "generic" };

/** The package URL that a package or version is compared by; null for types that no package URL names. */
export function comparablePurl({ type, name }: PackageName, version: string | null, recipe?: string): PurlParts | null {
  const printed = packagePurl({ type, name }, version, recipe);
  if (printed !== null) return parsePurl(printed);
  const bare = Object.hasOwn(bareTypes, type) ? bareTypes[type] : undefined;
  if (bare === undefined) return null;
  return { type: bare, namespace: null, name, version, qualifiers: {} };
}

/** Whether the namespace of a type's package URL is part of the name. */
export function isNamespaced(type: string): boolean {
  return namespacedTypes.includes(type);
}

const namespacedTypes: readonly string[] = ["maven", "npm", "composer", "golang"];

/** Whether two names of one type are one package: by equal text, or by equal package URL where the type has one. */
export function isSameName(type: string, one: string, other: string): boolean {
  if (one === other) return true;
  // Package URLs differ from names in case and separators only: most rows need no more than this.
  if (lettersOf(one) !== lettersOf(other)) return false;
  const [first, second] = [comparablePurl({ type, name: one }, null), comparablePurl({ type, name: other }, null)];
  return first !== null && second !== null && namesSamePackage(first, second);
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[-_./:]/g, "");
}

/**
 * What to filter by on the server for a name of one type, or of any with null: the longest text that every spelling of
 * the name holds. GitLab's filter is `%text%` in any case, so it answers at least all of them.
 */
export function filterOf(type: string | null, name: string): string {
  // Python treats runs of `-`, `_` and `.` as one; GitLab stores what was uploaded.
  if (type === "pypi") return longest(name.split(/[-_.]/));
  const colon = name.lastIndexOf(":");
  if (type !== "maven" && colon < 0) return name;
  // `com.acme:app`, `com/acme/app` and `com.acme/app` are one: common to them is the end of the group, and the artifact.
  const cut = colon >= 0 ? colon : name.lastIndexOf("/");
  const label = name.slice(0, Math.max(0, cut)).split(/[./]/).at(-1) ?? "";
  const artifact = name.slice(cut + 1);
  if (label === "" || artifact === "") return artifact || label || name;
  return `${label}/${artifact}`;
}

function longest(parts: readonly string[]): string {
  return parts.reduce((best, part) => (part.length > best.length ? part : best), "");
}

/**
 * Whether a package answers to a name that was searched for: its whole name, the part behind its last slash, or Maven's
 * `group:artifact`. Exact names are compared as their type compares them; parts of names in any case, as GitLab's own
 * search does.
 */
export function answersTo({ type, name }: PackageName, wanted: string, match: PackageQuery["match"]): boolean {
  const { namespace, last } = splitName(name);
  const names = [name];
  if (namespace !== null) names.push(last);
  if (namespace !== null && type === "maven") names.push(`${namespace.replaceAll("/", ".")}:${last}`);
  if (match === "EXACT") return names.some((one) => isSameName(type, one, wanted));
  const part = wanted.toLowerCase();
  return names.some((one) => {
    const has = one.toLowerCase();
    return match === "PREFIX" ? has.startsWith(part) : has.includes(part);
  });
}
