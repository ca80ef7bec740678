import type { PackageFormat, PackageRef, VersionRef } from "../../model/package.ts";
import { namesSamePackage, type PurlParts, parsePurl, toPurl } from "../../model/purl.ts";
import type { PackageQuery } from "../backend.ts";
import { keyText } from "../loading/loader.ts";

/** GitLab's `package_type` and our format; a type that is not here is OTHER, because newer servers add some. */
const formats = {
  maven: "MAVEN",
  npm: "NPM",
  conan: "CONAN",
  nuget: "NUGET",
  pypi: "PYPI",
  composer: "COMPOSER",
  generic: "GENERIC",
  golang: "GOLANG",
  debian: "DEBIAN",
  rubygems: "RUBYGEMS",
  helm: "HELM",
  terraform_module: "TERRAFORM_MODULE",
  rpm: "RPM",
  ml_model: "ML_MODEL",
  cargo: "CARGO",
} as const satisfies Record<string, PackageFormat>;

/** The type of container repositories beside package types; GitLab itself has no such type. */
export const imageType = "image";

/** The type that package lists omit unless they are filtered by it. */
export const terraformType = "terraform_module";

/** A package's coordinates within one project. */
export interface PackageName {
  /** GitLab's `package_type`, or `image` for a container repository. */
  readonly type: string;
  readonly name: string;
}

/** Our format for GitLab's `package_type`; OTHER for an unknown one. */
export function formatOf(type: string): PackageFormat {
  if (type === imageType) return "DOCKER";
  const isKnown = (text: string): text is keyof typeof formats => Object.hasOwn(formats, text);
  return isKnown(type) ? formats[type] : "OTHER";
}

/** GitLab's `package_type` for a format, `image` for container images, null where GitLab has no such type. */
export function typeOf(format: PackageFormat): string | null {
  if (format === "DOCKER" || format === "OCI") return imageType;
  return Object.entries(formats).find(([, known]) => known === format)?.[0] ?? null;
}

/** A package's key, such as `maven:com/acme/app` or `image:pay/web`. */
export function printKey({ type, name }: PackageName): string {
  return `${type}:${name}`;
}

/** Reads what {@link printKey} printed; null for anything else, because clients send keys back. */
export function parseKey(key: string): PackageName | null {
  const colon = key.indexOf(":");
  const type = key.slice(0, Math.max(0, colon));
  const name = key.slice(colon + 1);
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(type) || !isName(name)) return null;
  if (type === imageType && !isRepositoryPath(name)) return null;
  return { type, name };
}

/** The name in a reference; null when its project or key cannot be GitLab's, or when it is an image's. */
export function nameIn({ repository, key }: PackageRef): PackageName | null {
  const name = parseKey(key);
  return name !== null && name.type !== imageType && isProjectPath(repository) ? name : null;
}

/** The text that identifies a package within a request. */
export function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

/** The text that identifies a version within a request. */
export function versionText({ package: { repository, key }, version, nativeId }: VersionRef): string {
  return keyText(repository, key, version, nativeId);
}

/**
 * A name as GitLab stores it for the type: Maven's `group:artifact` becomes `group/artifact` with slashes for the dots
 * of the group, and container paths become lower case. Null for what cannot be a name.
 */
export function storedName(type: string, name: string): string | null {
  if (!isName(name)) return null;
  if (type === imageType) return isRepositoryPath(name) ? name.toLowerCase() : null;
  const maven = type === "maven" ? /^([^:/]+):([^:/]+)$/.exec(name) : null;
  return maven ? `${maven[1]?.replaceAll(".", "/")}/${maven[2]}` : name;
}

/**
 * Whether one name of a type can have several keys, or be stored in another spelling: Python packages differ by
 * separators and case, NuGet, npm and Composer packages by case, a Maven artifact by a group that the name lacks.
 */
export function isLossy(type: string, stored: string): boolean {
  return ["pypi", "nuget", "npm", "composer"].includes(type) || (type === "maven" && !stored.includes("/"));
}

/** Parses Conan's `name/version@user/channel`; null for what is no recipe. */
export function parseRecipe(
  text: string,
): { readonly name: string; readonly user: string | null; readonly channel: string | null } | null {
  const match = /^([^/@]+)\/[^/@]+(?:@([^/@]+)\/([^/@]+))?$/.exec(text);
  const name = match?.[1];
  if (name === undefined) return null;
  // Recipes of the instance-wide remote have `_` for "none".
  const real = (part: string | undefined) => (part === undefined || part === "_" ? null : part);
  return { name, user: real(match?.[2]), channel: real(match?.[3]) };
}

/**
 * The package URL of a GitLab package, with its version where one is given. Null for types without an honest one:
 * generic, Debian and RPM (their namespace is a distribution that GitLab does not send), Terraform modules, models and
 * unknown types.
 */
export function packagePurl({ type, name }: PackageName, version: string | null, recipe?: string): string | null {
  const { namespace, last } = splitName(name);
  switch (type) {
    case "maven":
      return toPurl({ type: "maven", namespace: namespace?.replaceAll("/", ".") ?? null, name: last, version });
    case "npm":
    case "composer":
    case "golang":
      return toPurl({ type, namespace, name: last, version });
    case "pypi":
    case "nuget":
    case "helm":
    case "cargo":
      return toPurl({ type, name, version });
    case "rubygems":
      return toPurl({ type: "gem", name, version });
    case "conan": {
      const { user, channel } = (recipe === undefined ? null : parseRecipe(recipe)) ?? { user: null, channel: null };
      return user && channel && version !== null
        ? toPurl({ type, namespace: user, name, version, qualifiers: { channel } })
        : toPurl({ type, name, version });
    }
    default:
      return null;
  }
}

/** The package URL of an image; `location` is registry host and path, `digest` is null for the repository as such. */
export function imagePurl(location: string, digest: string | null, tag: string | null): string | null {
  return toPurl({
    type: "oci",
    name: splitName(location).last,
    version: digest,
    qualifiers: { repository_url: location, ...(digest === null || tag === null ? {} : { tag }) },
  });
}

/** PURL types of packages whose own PURL would need more than GitLab sends: they can be searched by it all the same. */
const bareTypes: ReadonlyMap<string, string> = new Map([
  ["debian", "deb"],
  ["rpm", "rpm"],
  ["generic", "generic"],
]);

/** The package URL by which packages and versions are compared; null for types without one. */
export function comparablePurl(named: PackageName, version: string | null, recipe?: string): PurlParts | null {
  const printed = packagePurl(named, version, recipe);
  if (printed !== null) return parsePurl(printed);
  const type = bareTypes.get(named.type);
  return type === undefined ? null : { type, namespace: null, name: named.name, version, qualifiers: {} };
}

/** Whether the namespace of a type's package URL is part of the name. */
export function isNamespaced(type: string): boolean {
  return ["maven", "npm", "composer", "golang"].includes(type);
}

/** Whether two names of one type are one package: by equal text, or by equal package URL where the type has one. */
export function isSameName(type: string, one: string, other: string): boolean {
  if (one === other) return true;
  // Package URLs differ from names in case and separators only: this decides for most rows.
  const letters = (name: string) => name.toLowerCase().replace(/[-_./:]/g, "");
  if (letters(one) !== letters(other)) return false;
  const [first, second] = [comparablePurl({ type, name: one }, null), comparablePurl({ type, name: other }, null)];
  return first !== null && second !== null && namesSamePackage(first, second);
}

/**
 * The `package_name` filter for a name of one type, or of any type with null: the longest text that every spelling of
 * the name holds. GitLab's filter is `%text%` in any case, so it answers at least all of them.
 */
export function filterOf(type: string | null, name: string): string {
  // Python treats runs of `-`, `_` and `.` as one; GitLab stores what was uploaded.
  if (type === "pypi") return name.split(/[-_.]/).reduce((best, part) => (part.length > best.length ? part : best), "");
  const colon = name.lastIndexOf(":");
  if (type !== "maven" && colon < 0) return name;
  // `com.acme:app`, `com/acme/app` and `com.acme/app` are one: they share the end of the group, and the artifact.
  const cut = colon >= 0 ? colon : name.lastIndexOf("/");
  const label = name.slice(0, Math.max(0, cut)).split(/[./]/).at(-1) ?? "";
  const artifact = name.slice(cut + 1);
  if (label === "" || artifact === "") return artifact || label || name;
  return `${label}/${artifact}`;
}

/**
 * Whether a package matches a name that was searched for: by its whole name, the part behind its last slash, or Maven's
 * `group:artifact`. Exact names are compared as their type compares them; parts of names in any case, as GitLab's own
 * search does.
 */
export function matchesName({ type, name }: PackageName, wanted: string, match: PackageQuery["match"]): boolean {
  const { namespace, last } = splitName(name);
  const names = [name];
  if (namespace !== null) names.push(last);
  if (namespace !== null && type === "maven") names.push(`${namespace.replaceAll("/", ".")}:${last}`);
  if (match === "EXACT") return names.some((one) => isSameName(type, one, wanted));
  const part = wanted.toLowerCase();
  return names.some((one) => {
    const text = one.toLowerCase();
    return match === "PREFIX" ? text.startsWith(part) : text.includes(part);
  });
}

/** The last part of a slash-separated name, and the namespace before it. */
export function splitName(name: string): { readonly namespace: string | null; readonly last: string } {
  const slash = name.lastIndexOf("/");
  return { namespace: slash > 0 ? name.slice(0, slash) : null, last: name.slice(slash + 1) };
}

/**
 * Whether the text can be a project or group: a full path, or a number as text. Only such texts get into a URL.
 * GitLab's own rule (`PATH_REGEX_STR` in lib/gitlab/path_regex.rb) lets parts begin with a dot or an underscore, and
 * end in either.
 */
export function isProjectPath(text: string): boolean {
  return (
    text.length <= maxLength && text.split("/").every((part) => /^[\w.][\w.-]*$/.test(part) && !/^\.\.?$/.test(part))
  );
}

/** Whether two paths name one project or group: GitLab matches them without case. True where either is a number. */
export function isSameProject(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase() || /^\d+$/.test(one) || /^\d+$/.test(other);
}

/** Whether the text is a record's number as GitLab assigns them: positive and exact. */
export function isNumber(text: string): boolean {
  return /^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text));
}

/** Whether the text can be the tag of an image. */
export function isTag(text: string): boolean {
  return /^\w[\w.-]{0,127}$/.test(text);
}

/**
 * Whether a tag is the signature, attestation or SBOM of another image: cosign and ORAS name them after its digest,
 * with or without a suffix.
 */
export function isCompanionTag(text: string): boolean {
  return /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.[\w.-]*)?$/i.test(text);
}

/** GitLab's columns hold paths of at most 255 characters and names of any length; longer texts are refused here. */
const maxLength = 1024;

// A container path is the project's path and the image's name, so it begins with whatever a project may be called.
function isRepositoryPath(text: string): boolean {
  return text.includes("/") && isProjectPath(text);
}

function isName(text: string): boolean {
  return text.length > 0 && text.length <= maxLength && !/\p{Cc}/u.test(text);
}
