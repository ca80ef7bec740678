import type { PackageFormat } from "../../model/package.ts";
import { toPurl } from "../../model/purl.ts";

/** GitLab's own words for package types and ours; a word that is not here is OTHER, because newer servers add some. */
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

/** The word under which container repositories stand beside package types; GitLab itself has no such type. */
export const imageType = "image";

/** The type that package lists leave out unless they are asked for it by name. */
export const terraformType = "terraform_module";

/** A package's coordinates within one project. */
export interface PackageName {
  /** GitLab's `package_type`, or `image` for a container repository. */
  readonly type: string;
  readonly name: string;
}

/** Our format for GitLab's `package_type`; OTHER for a word we do not know. */
export function formatOf(type: string): PackageFormat {
  if (type === imageType) return "DOCKER";
  return isKnown(type) ? formats[type] : "OTHER";
}

/** GitLab's `package_type` for a format, `image` for container images, null where GitLab has no such type. */
export function typeOf(format: PackageFormat): string | null {
  if (format === "DOCKER" || format === "OCI") return imageType;
  return Object.entries(formats).find(([, known]) => known === format)?.[0] ?? null;
}

/** `maven:com/acme/app`, `image:pay/web`. */
export function printKey({ type, name }: PackageName): string {
  return `${type}:${name}`;
}

/** Reads what {@link printKey} wrote; null for anything else, because keys come back from clients. */
export function parseKey(key: string): PackageName | null {
  const colon = key.indexOf(":");
  const type = key.slice(0, Math.max(0, colon));
  const name = key.slice(colon + 1);
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(type) || !isName(name)) return null;
  if (type === imageType && !isRepositoryPath(name)) return null;
  return { type, name };
}

/**
 * A name as GitLab stores it for the type: Maven's `group:artifact` becomes `group/artifact` with slashes for the dots
 * of the group, everything else stays. Null for what cannot be a name.
 */
export function storedName(type: string, name: string): string | null {
  if (!isName(name)) return null;
  // Container paths are lower-cased.
  if (type === imageType) return isRepositoryPath(name) ? name.toLowerCase() : null;
  const maven = type === "maven" ? /^([^:/]+):([^:/]+)$/.exec(name) : null;
  return maven ? `${maven[1]?.replaceAll(".", "/")}/${maven[2]}` : name;
}

/**
 * Whether one name of a type may stand for several keys, or be stored in another spelling: Python packages by their
 * separators and case, NuGet, npm and Composer packages by their case, a Maven artifact by a group that is not told.
 */
export function isLossy(type: string, stored: string): boolean {
  return lossyTypes.includes(type) || (type === "maven" && !stored.includes("/"));
}

const lossyTypes: readonly string[] = ["pypi", "nuget", "npm", "composer"];

/** Conan's `name/version@user/channel`, taken apart; null for what is no recipe. */
export function parseRecipe(
  text: string,
): { readonly name: string; readonly user: string | null; readonly channel: string | null } | null {
  const match = /^([^/@]+)\/[^/@]+(?:@([^/@]+)\/([^/@]+))?$/.exec(text);
  const name = match?.[1];
  if (name === undefined) return null;
  // `_` stands for "none" in recipes of the instance-wide remote.
  const real = (part: string | undefined) => (part === undefined || part === "_" ? null : part);
  return { name, user: real(match?.[2]), channel: real(match?.[3]) };
}

/**
 * The package URL of a GitLab package, with its version where one is given. Null for types without an honest one:
 * generic, Debian and RPM (their namespace is a distribution nobody told), Terraform modules, models and unknown types.
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
      const parsed = recipe === undefined ? null : parseRecipe(recipe);
      const owned = parsed?.user && parsed.channel ? { user: parsed.user, channel: parsed.channel } : null;
      return owned && version !== null
        ? toPurl({ type, namespace: owned.user, name, version, qualifiers: { channel: owned.channel } })
        : toPurl({ type, name, version });
    }
    default:
      return null;
  }
}

/** The package URL of an image; `location` is registry host and path, `digest` null for the repository as such. */
export function imagePurl(location: string, digest: string | null, tag: string | null): string | null {
  const { last } = splitName(location);
  return toPurl({
    type: "oci",
    name: last,
    version: digest,
    qualifiers: { repository_url: location, ...(digest === null || tag === null ? {} : { tag }) },
  });
}

/** The last part of a slash-separated name, and what stands before it. */
export function splitName(name: string): { readonly namespace: string | null; readonly last: string } {
  const slash = name.lastIndexOf("/");
  return { namespace: slash > 0 ? name.slice(0, slash) : null, last: name.slice(slash + 1) };
}

/**
 * Whether the text can be a project or group: a full path, or a number as text. Nothing else is put into a URL. GitLab's
 * own rule (`PATH_REGEX_STR` in lib/gitlab/path_regex.rb) lets parts begin with a dot or an underscore, and end in either.
 */
export function isProjectPath(text: string): boolean {
  return (
    text.length <= mostLetters && text.split("/").every((part) => /^[\w.][\w.-]*$/.test(part) && !/^\.\.?$/.test(part))
  );
}

/** Whether two paths name one project or group: GitLab matches them without case. */
export function isSameProject(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase() || /^\d+$/.test(one) || /^\d+$/.test(other);
}

/** Whether the text is a record's number as GitLab gives them out: positive and exact. */
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

/** What GitLab keeps in one column: paths of at most 255 letters, names of any length. */
const mostLetters = 1024;

// A container path is the project's path and the image's name, so it begins with whatever a project may be called.
function isRepositoryPath(text: string): boolean {
  return text.includes("/") && isProjectPath(text);
}

function isName(text: string): boolean {
  return text.length > 0 && text.length <= mostLetters && !/\p{Cc}/u.test(text);
}

function isKnown(type: string): type is keyof typeof formats {
  return Object.hasOwn(formats, type);
}
