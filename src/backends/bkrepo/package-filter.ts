import type { Package, PackageFormat } from "../../model/package.ts";
import type { PackageQuery } from "../backend.ts";
import { keyText } from "../batch.ts";
import { keyOf, namedTypes, typesOf } from "./package-key.ts";
import { allOf, anyOf, is, like, noneOf, oneOf, type Rule } from "./rule.ts";

/** The rules of a filter; null when nothing in bkrepo can match it. */
export function rulesOf({ name, match, format }: PackageQuery): Rule[] | null {
  const rules: Rule[] = [];
  if (format === "OTHER") rules.push(noneOf("type", namedTypes));
  else if (format !== null) {
    const types = typesOf(format);
    if (types.length === 0) return null;
    rules.push(oneOf("type", types));
  }
  if (name === null || name === "") return name === null || match !== "EXACT" ? rules : null;
  // The pattern's only wildcard cannot be escaped, and no registry lets a name hold one.
  if (name.includes("*")) return null;
  if (match === "EXACT") {
    const key = exactKey(name, format);
    rules.push(key === null ? is("name", name) : anyOf(is("name", name), is("key", key)));
  } else rules.push(like("name", match === "PREFIX" ? `${name}*` : `*${name}*`));
  return rules;
}

/** The filter once more: what a server matches more loosely than we promise does not get through. */
export function matches({ name, ref }: Package, filter: PackageQuery): boolean {
  if (filter.name === null) return true;
  const [is, wanted] = [name.toLowerCase(), filter.name.toLowerCase()];
  if (filter.match === "EXACT") return name === filter.name || ref.key === exactKey(filter.name, filter.format);
  return filter.match === "PREFIX" ? is.startsWith(wanted) : is.includes(wanted);
}

/** A package as other backends name it. */
export interface Name {
  readonly name: string;
  readonly format: PackageFormat;
}

/** The text that tells two names apart. */
export function nameText({ name, format }: Name): string {
  return keyText(name, format);
}

/** The rule for exactly this name and format; null when nothing in bkrepo can match it. */
export function rulesOfName({ name, format }: Name): Rule | null {
  // Python treats `-`, `_` and `.` as one; bkrepo keeps the spelling of the upload.
  if (format === "PYPI" && name !== "") {
    const pattern = name.replace(/[-_.]+/g, "*");
    return allOf(is("type", "PYPI"), like("name", pattern));
  }
  const rules = name === "" ? null : rulesOf({ name, format, match: "EXACT" });
  return rules === null ? null : allOf(...rules);
}

/** Whether a found package is the one that was named: rows of many names come in one answer. */
export function isNamed(found: Package, { name, format }: Name): boolean {
  if (found.format !== format) return false;
  if (format === "PYPI") return normalised(found.name) === normalised(name);
  return found.name === name || found.ref.key === keyOf(name, format);
}

// The name of a Maven package is its artifactId, and a NuGet key is in lower case: whoever asks by the full name means the key.
function exactKey(name: string, format: PackageFormat | null): string | null {
  return keyOf(name, format ?? "MAVEN");
}

function normalised(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}
