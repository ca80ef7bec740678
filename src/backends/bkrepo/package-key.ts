import type { PackageFormat } from "../../model/package.ts";
import { type PurlParts, parsePurl, toPurl } from "../../model/purl.ts";

/** A package key taken apart at its first `://`. */
interface KeyParts {
  /** Null for a key without scheme, as the vendor's documents print one. */
  readonly scheme: string | null;
  readonly rest: string;
}

const formatBySchemes: Readonly<Record<string, PackageFormat>> = {
  gav: "MAVEN",
  docker: "DOCKER",
  oci: "OCI",
  npm: "NPM",
  helm: "HELM",
  pypi: "PYPI",
  rpm: "RPM",
  composer: "COMPOSER",
  nuget: "NUGET",
  conan: "CONAN",
  cargo: "CARGO",
  huggingface: "ML_MODEL",
};

const formatByTypes: Readonly<Record<string, PackageFormat>> = {
  MAVEN: "MAVEN",
  DOCKER: "DOCKER",
  OCI: "OCI",
  NPM: "NPM",
  HELM: "HELM",
  PYPI: "PYPI",
  RPM: "RPM",
  COMPOSER: "COMPOSER",
  NUGET: "NUGET",
  CONAN: "CONAN",
  CARGO: "CARGO",
  HUGGINGFACE: "ML_MODEL",
};

const longestKey = 1024;
const gav = /^[^:/\s]+:[^:/\s]+$/;

/** `user@name/channel`, `_` for none (ConanPathUtils.buildReferenceWithoutVersion). */
const conanReference = /^([^@/]+)@([^@/]+)\/([^@/]+)$/;

/** The format behind bkrepo's word for a package type; words nobody knew when this was written are OTHER. */
export function formatOf(type: string): PackageFormat {
  return own(formatByTypes, type.toUpperCase()) ?? "OTHER";
}

/** bkrepo's words for a format; empty for formats that bkrepo has no packages of (GENERIC: such repositories hold files only). */
export function typesOf(format: PackageFormat): readonly string[] {
  return Object.keys(formatByTypes).filter((type) => formatByTypes[type] === format);
}

/** Every type that has a format of its own; what is none of these is OTHER. */
export const namedTypes: readonly string[] = Object.keys(formatByTypes);

/**
 * The key of a package by name and format. Maven names are `group:artifact`; `group/artifact` and GitLab's
 * `com/acme/app` are read as the same. Null when the format has no scheme in bkrepo or the name cannot be of it, and when
 * the name does not tell the one key: a Python package is kept under the spelling of its upload, the key of an RPM begins
 * with its folder, that of a Conan recipe with its user (a name that states those is taken as the key).
 */
export function keyOf(name: string, format: PackageFormat): string | null {
  if (!isPlain(name) || format === "PYPI") return null;
  if (format === "RPM" && !name.includes("/")) return null;
  if (format === "CONAN" && !conanReference.test(name)) return null;
  if (format === "MAVEN") return mavenKey(name);
  if (format === "NUGET") return `nuget://${name.toLowerCase()}`;
  if (format === "ML_MODEL") return `huggingface://${/^(?:model|dataset)\//.test(name) ? name : `model/${name}`}`;
  const scheme = Object.keys(formatBySchemes).find((candidate) => formatBySchemes[candidate] === format);
  return scheme === undefined ? null : `${scheme}://${name}`;
}

/**
 * Name (in the form that {@link keyOf} takes) and format behind a key; null for a key that bkrepo could not have written.
 * A scheme that is not known here gives OTHER: the set of types grows from release to release.
 */
export function parseKey(key: string): { readonly name: string; readonly format: PackageFormat } | null {
  const parts = partsOf(key);
  if (parts === null) return null;
  if (parts.scheme === null) return { name: key, format: "OTHER" };
  const format = own(formatBySchemes, parts.scheme) ?? "OTHER";
  if (format === "MAVEN" && !gav.test(parts.rest)) return null;
  return { name: parts.rest, format };
}

/** Whether the package, and not its versions, tells the floating tags: npm's dist-tags, OHPM's likewise. */
export function keepsFloatingTags(key: string): boolean {
  return key.startsWith("npm://") || key.startsWith("ohpm://");
}

/** Whether the key is one of an image (or of any other thing pushed to a docker or OCI repository). */
export function isImageKey(key: string): boolean {
  return key.startsWith("docker://") || key.startsWith("oci://");
}

/** The path of an image below its repository; null for other keys. */
export function imageNameOf(key: string): string | null {
  return isImageKey(key) ? key.slice(key.indexOf("://") + 3) : null;
}

/**
 * Package URL of a package, or of one version of it. Null where there is no honest one: images have theirs by digest
 * (see the mapper), and keys of other schemes name nothing that package URLs know.
 */
export function purlOf(key: string, version: string | null): string | null {
  const parts = partsOf(key);
  if (parts === null || parts.scheme === null) return null;
  const { rest } = parts;
  const cut = rest.lastIndexOf("/");
  const namespace = cut < 0 ? null : rest.slice(0, cut);
  const name = rest.slice(cut + 1);
  switch (parts.scheme) {
    case "gav": {
      const [group, artifact] = rest.split(":");
      if (!gav.test(rest) || group === undefined || artifact === undefined) return null;
      return toPurl({ type: "maven", namespace: group, name: artifact, version });
    }
    case "npm":
      // A scope is the only namespace there is; any other slash is no npm name.
      return namespace === null || /^@[^/]+$/.test(namespace)
        ? toPurl({ type: "npm", namespace, name, version })
        : null;
    case "composer":
      return namespace === null ? null : toPurl({ type: "composer", namespace, name, version });
    case "huggingface":
      // Datasets have no type of their own among package URLs.
      return namespace?.startsWith("model/")
        ? toPurl({ type: "huggingface", namespace: namespace.slice("model/".length), name, version })
        : null;
    case "rpm":
      // What stands in front of the name is a folder of the repository, not a vendor.
      return toPurl({ type: "rpm", name, ...rpmVersion(version) });
    case "conan":
      return conanPurl(rest, version);
    case "pypi":
    case "helm":
    case "nuget":
    case "cargo":
      return /[/@]/.test(rest) ? null : toPurl({ type: parts.scheme, name: rest, version });
    default:
      return null;
  }
}

/**
 * The package URL that a name and format stand for, taken apart; null where they make none. Beside bkrepo's own forms
 * it reads those that package URLs give: `vendor/name` for RPM, `user/name` for Conan.
 */
export function purlOfName(name: string, format: PackageFormat): PurlParts | null {
  const cut = name.lastIndexOf("/");
  const bare = name.slice(cut + 1);
  if (format === "CONAN" && !conanReference.test(name)) {
    // The library refuses a namespace without a channel, which a name does not tell.
    const namespace = cut <= 0 ? null : name.slice(0, cut);
    return bare === "" ? null : { type: "conan", namespace, name: bare, version: null, qualifiers: {} };
  }
  const key = format === "PYPI" ? `pypi://${name}` : format === "RPM" ? `rpm://${bare}` : keyOf(name, format);
  const printed = key === null ? null : purlOf(key, null);
  return printed === null ? null : parsePurl(printed);
}

/**
 * The key that a package URL stands for, and whether it is the only one: npm, PyPI and Composer keep the spelling of the
 * upload, which the URL has lost, and a recipe without a channel may be one of several. Null where the URL does not tell it.
 */
export function keyOfPurl(purl: PurlParts): { readonly key: string; readonly isOnly: boolean } | null {
  const { type, namespace, name, qualifiers } = purl;
  const whole = namespace === null ? name : `${namespace}/${name}`;
  switch (type) {
    case "maven":
      return namespace === null ? null : { key: `gav://${namespace}:${name}`, isOnly: true };
    case "conan": {
      const { user = namespace ?? "_", channel = "_" } = qualifiers;
      return { key: `conan://${user}@${name}/${channel}`, isOnly: qualifiers["channel"] !== undefined };
    }
    case "huggingface":
      return { key: `huggingface://model/${whole}`, isOnly: true };
    case "nuget":
      return { key: `nuget://${whole.toLowerCase()}`, isOnly: true };
    case "helm":
    case "cargo":
      return { key: `${type}://${whole}`, isOnly: true };
    case "npm":
    case "pypi":
    case "composer":
      return { key: `${type}://${whole}`, isOnly: false };
    default:
      return null;
  }
}

/** A stored RPM version `1.20.1-1.el7.x86_64` ends in its architecture, which package URLs state as a qualifier. */
function rpmVersion(version: string | null): {
  readonly version: string | null;
  readonly qualifiers?: Readonly<Record<string, string>>;
} {
  const dot = version?.lastIndexOf(".") ?? -1;
  const [bare, arch] = [version?.slice(0, Math.max(0, dot)) ?? "", version?.slice(dot + 1) ?? ""];
  const hasRelease = bare.indexOf("-", 1) > 0 && !bare.endsWith("-");
  return dot < 0 || arch === "" || !hasRelease ? { version } : { version: bare, qualifiers: { arch } };
}

/**
 * Conan's user is the namespace and a qualifier, as package URLs refuse a channel without a namespace. Keys without user
 * and channel were never written by a release we know, but are read all the same.
 */
function conanPurl(rest: string, version: string | null): string | null {
  const [, user, name, channel] = conanReference.exec(rest) ?? [];
  if (user === undefined || name === undefined || channel === undefined) {
    return /[/@]/.test(rest) ? null : toPurl({ type: "conan", name: rest, version });
  }
  const qualifiers = {
    ...(user === "_" ? {} : { user }),
    ...(channel === "_" ? {} : { channel }),
  };
  return toPurl({ type: "conan", namespace: channel === "_" || user === "_" ? null : user, name, version, qualifiers });
}

function mavenKey(name: string): string | null {
  if (gav.test(name)) return `gav://${name}`;
  const cut = name.lastIndexOf("/");
  const coordinates = `${name.slice(0, cut).replaceAll("/", ".")}:${name.slice(cut + 1)}`;
  return cut > 0 && gav.test(coordinates) ? `gav://${coordinates}` : null;
}

function partsOf(key: string): KeyParts | null {
  if (!isPlain(key)) return null;
  const cut = key.indexOf("://");
  if (cut < 0) return { scheme: null, rest: key };
  const rest = key.slice(cut + 3);
  return cut === 0 || rest === "" ? null : { scheme: key.slice(0, cut), rest };
}

function isPlain(text: string): boolean {
  return text !== "" && text.length <= longestKey && !/[\s\p{Cc}]/u.test(text);
}

// Keys come from outside: `constructor` must not find what every object has.
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
