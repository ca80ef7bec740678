import { type ImageRef, imageRef } from "../../model/artifact.ts";
import type { PackageFormat, Version } from "../../model/package.ts";
import { type PurlParts, parsePurl, toPurl } from "../../model/purl.ts";
import { trimSlashes } from "../../model/values.ts";

/** A bkrepo repository: repositories live in projects, and their names are unique only there. */
export interface Repository {
  readonly project: string;
  readonly name: string;
}

// The server's own rules for the two names: nothing else can exist, and nothing else may get into a path.
const projectName = /^[a-z_][\w-]{1,99}$/i;
const repositoryName = /^[a-z_][\w.-]{1,63}$/i;

/** Reads `project/repo`; null for text that cannot name a bkrepo repository. */
export function parseRepository(text: string): Repository | null {
  const [project, name, ...rest] = text.split("/");
  if (project === undefined || name === undefined || rest.length > 0) return null;
  return projectName.test(project) && repositoryName.test(name) ? { project, name } : null;
}

/** Prints a repository as `project/repo`. */
export function printRepository({ project, name }: Repository): string {
  return `${project}/${name}`;
}

interface PackageType {
  readonly type: string;
  readonly format: PackageFormat;
  /** Scheme of its package keys. */
  readonly scheme: string;
}

/** The server's package types (PackageType) that have a format of their own; the others, and future ones, are OTHER. */
const packageTypes: readonly PackageType[] = [
  { type: "MAVEN", format: "MAVEN", scheme: "gav" },
  ...(["DOCKER", "OCI", "NPM", "HELM", "PYPI", "RPM", "COMPOSER", "NUGET", "CONAN", "CARGO"] as const).map((type) => ({
    type,
    format: type,
    scheme: type.toLowerCase(),
  })),
  { type: "HUGGINGFACE", format: "ML_MODEL", scheme: "huggingface" },
];
const byType = new Map(packageTypes.map((one) => [one.type, one]));
const byScheme = new Map(packageTypes.map((one) => [one.scheme, one]));

/** The types that are not OTHER. */
export const namedTypes: readonly string[] = packageTypes.map(({ type }) => type);

/** The types of images and of everything else that is pushed to a docker or OCI repository. */
export const imageTypes: readonly string[] = ["DOCKER", "OCI"];

/** The format of a package type in any case; OTHER for unknown types. */
export function formatOf(type: string): PackageFormat {
  return byType.get(type.toUpperCase())?.format ?? "OTHER";
}

/** The package types of a format; empty for formats without packages (a GENERIC repository holds files only). */
export function typesOf(format: PackageFormat): readonly string[] {
  return packageTypes.filter((one) => one.format === format).map(({ type }) => type);
}

/** The package type of a package URL's type; null where bkrepo has no such packages. Images have theirs by digest. */
export function typeOfPurl(purlType: string): string | null {
  const type = purlType.toUpperCase();
  return byType.has(type) && !imageTypes.includes(type) ? type : null;
}

/** The registry service (first path segment) of a key's package type; null for unknown schemes. */
export function serviceOf(key: string): string | null {
  const cut = key.indexOf("://");
  return cut < 0 ? null : (byScheme.get(key.slice(0, cut))?.type.toLowerCase() ?? null);
}

const longestKey = 1024;
const gav = /^[^:/\s]+:[^:/\s]+$/;

/** `user@name/channel`, `_` for none (ConanPathUtils.buildReferenceWithoutVersion). */
const conanReference = /^([^@/]+)@([^@/]+)\/([^@/]+)$/;

/**
 * The key of a package by name and format. Maven names are `group:artifact`, `group/artifact` or `com/acme/app`. Null
 * where the name is not of the format, and where it does not determine the key: PyPI keys have the spelling of the
 * upload, RPM keys begin with a folder, and Conan keys with a user (a name that states those is the key).
 */
export function keyOf(name: string, format: PackageFormat): string | null {
  if (!isKeyText(name) || format === "PYPI") return null;
  if (format === "RPM" && !name.includes("/")) return null;
  if (format === "CONAN" && !conanReference.test(name)) return null;
  if (format === "MAVEN") return mavenKey(name);
  if (format === "NUGET") return `nuget://${name.toLowerCase()}`;
  if (format === "ML_MODEL") return `huggingface://${/^(?:model|dataset)\//.test(name) ? name : `model/${name}`}`;
  const type = packageTypes.find((one) => one.format === format);
  return type ? `${type.scheme}://${name}` : null;
}

function mavenKey(name: string): string | null {
  if (gav.test(name)) return `gav://${name}`;
  const cut = name.lastIndexOf("/");
  const coordinates = `${name.slice(0, cut).replaceAll("/", ".")}:${name.slice(cut + 1)}`;
  return cut > 0 && gav.test(coordinates) ? `gav://${coordinates}` : null;
}

/**
 * Name (in the form that {@link keyOf} takes) and format behind a key; null for a key that bkrepo cannot have. Keys of
 * unknown schemes, and keys without one as the vendor's documents print them, are OTHER.
 */
export function parseKey(key: string): { readonly name: string; readonly format: PackageFormat } | null {
  const parts = splitKey(key);
  if (parts === null) return null;
  if (parts.scheme === null) return { name: key, format: "OTHER" };
  const format = byScheme.get(parts.scheme)?.format ?? "OTHER";
  return format === "MAVEN" && !gav.test(parts.rest) ? null : { name: parts.rest, format };
}

/** Splits a key at its first `://`. */
function splitKey(key: string): { readonly scheme: string | null; readonly rest: string } | null {
  if (!isKeyText(key)) return null;
  const cut = key.indexOf("://");
  if (cut < 0) return { scheme: null, rest: key };
  const rest = key.slice(cut + 3);
  return cut === 0 || rest === "" ? null : { scheme: key.slice(0, cut), rest };
}

function isKeyText(text: string): boolean {
  return text !== "" && text.length <= longestKey && !/[\s\p{Cc}]/u.test(text);
}

/** Whether the floating tags stand in the package and not in its versions: dist-tags of npm and OHPM. */
export function hasPackageTags(key: string): boolean {
  return key.startsWith("npm://") || key.startsWith("ohpm://");
}

/** Whether the key is of an image, or of anything else that was pushed to a docker or OCI repository. */
export function isImageKey(key: string): boolean {
  return key.startsWith("docker://") || key.startsWith("oci://");
}

/** The path of an image below its repository; null for other keys. */
export function imageNameOf(key: string): string | null {
  return isImageKey(key) ? key.slice(key.indexOf("://") + 3) : null;
}

/**
 * The package URL of a package, or of one of its versions. Null where none exists: for images (their URL names a
 * digest) and for keys of schemes that package URLs do not know.
 */
export function purlOf(key: string, version: string | null): string | null {
  const parts = splitKey(key);
  if (parts === null || parts.scheme === null) return null;
  const { scheme, rest } = parts;
  const cut = rest.lastIndexOf("/");
  const namespace = cut < 0 ? null : rest.slice(0, cut);
  const name = rest.slice(cut + 1);
  switch (scheme) {
    case "gav": {
      const [group, artifact] = rest.split(":");
      if (!gav.test(rest) || group === undefined || artifact === undefined) return null;
      return toPurl({ type: "maven", namespace: group, name: artifact, version });
    }
    case "npm":
      // A scope is the only namespace of npm.
      return namespace === null || /^@[^/]+$/.test(namespace)
        ? toPurl({ type: scheme, namespace, name, version })
        : null;
    case "composer":
      return namespace === null ? null : toPurl({ type: scheme, namespace, name, version });
    case "huggingface":
      // Package URLs have no type for datasets.
      return namespace?.startsWith("model/")
        ? toPurl({ type: scheme, namespace: namespace.slice("model/".length), name, version })
        : null;
    case "rpm":
      // The path before the name is a folder of the repository, not a vendor.
      return toPurl({ type: scheme, name, ...rpmVersion(version) });
    case "conan":
      return conanPurl(rest, version);
    case "pypi":
    case "helm":
    case "nuget":
    case "cargo":
      return /[/@]/.test(rest) ? null : toPurl({ type: scheme, name: rest, version });
    default:
      return null;
  }
}

/** A stored RPM version `1.20.1-1.el7.x86_64` ends in its architecture, which is a qualifier of package URLs. */
function rpmVersion(version: string | null) {
  const dot = version?.lastIndexOf(".") ?? -1;
  const [bare, arch] = [version?.slice(0, Math.max(0, dot)) ?? "", version?.slice(dot + 1) ?? ""];
  const hasRelease = bare.indexOf("-", 1) > 0 && !bare.endsWith("-");
  return dot < 0 || arch === "" || !hasRelease ? { version } : { version: bare, qualifiers: { arch } };
}

/**
 * Conan's user is the namespace and a qualifier, because package URLs refuse a channel without a namespace. No known
 * release writes keys without user and channel; they are accepted all the same.
 */
function conanPurl(rest: string, version: string | null): string | null {
  const [, user, name, channel] = conanReference.exec(rest) ?? [];
  if (user === undefined || name === undefined || channel === undefined) {
    return /[/@]/.test(rest) ? null : toPurl({ type: "conan", name: rest, version });
  }
  const qualifiers = { ...(user === "_" ? {} : { user }), ...(channel === "_" ? {} : { channel }) };
  return toPurl({ type: "conan", namespace: channel === "_" || user === "_" ? null : user, name, version, qualifiers });
}

/**
 * The package URL of a name and format; null where they make none. Accepts bkrepo's own names and those of package
 * URLs: `vendor/name` for RPM, `user/name` for Conan.
 */
export function purlOfName(name: string, format: PackageFormat): PurlParts | null {
  const cut = name.lastIndexOf("/");
  const bare = name.slice(cut + 1);
  if (format === "CONAN" && !conanReference.test(name)) {
    // The library refuses a namespace without a channel, which the name does not contain.
    const namespace = cut <= 0 ? null : name.slice(0, cut);
    return bare === "" ? null : { type: "conan", namespace, name: bare, version: null, qualifiers: {} };
  }
  const key = format === "PYPI" ? `pypi://${name}` : format === "RPM" ? `rpm://${bare}` : keyOf(name, format);
  const printed = key === null ? null : purlOf(key, null);
  return printed === null ? null : parsePurl(printed);
}

/**
 * The key of a package URL, and whether no other key has the same URL: npm, PyPI and Composer keys have the spelling of
 * the upload, which the URL loses, and a Conan recipe without a channel may be one of several. Null for other URLs.
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

/** Where an image is in bkrepo; its key is `docker://` or `oci://` and the name, by the type of the repository. */
export interface ImageLocation {
  readonly repository: Repository;
  /** Path of the image below its repository. */
  readonly name: string;
}

/** The location of a reference `host/project/repo/name[/more]`; null for other hosts and for fewer path segments. */
export function locateImage(ref: ImageRef, hosts: readonly string[]): ImageLocation | null {
  if (ref.registry === null || !hosts.includes(ref.registry)) return null;
  const [project, repo, ...name] = ref.repository.split("/");
  if (project === undefined || repo === undefined || name.length === 0) return null;
  const repository = parseRepository(`${fromAlias(project)}/${fromAlias(repo)}`);
  return repository === null ? null : { repository, name: name.join("/") };
}

/** The reference of an image in bkrepo; `host` is null where none is configured. */
export function referTo(
  { repository, name }: ImageLocation,
  host: string | null,
  rest: Pick<ImageRef, "tag" | "digest">,
): ImageRef {
  const path = `${toAlias(repository.project)}/${toAlias(repository.name)}/${name}`;
  return imageRef({ registry: host, repository: path, ...rest });
}

/**
 * Docker refuses path segments that start with `_`, so servers since 2026-04 write such projects and repositories as
 * `x0` and the hex of their bytes. Any other name is its own alias.
 */
export function toAlias(name: string): string {
  return name.startsWith("_") ? `x0${Buffer.from(name, "utf8").toString("hex")}` : name;
}

/** Reads {@link toAlias}; a segment that does not decode to a name with `_` in front only looks like an alias. */
export function fromAlias(segment: string): string {
  if (!/^x0(?:[0-9a-f]{2})+$/.test(segment)) return segment;
  const name = Buffer.from(segment.slice(2), "hex").toString("utf8");
  return name.startsWith("_") ? name : segment;
}

/** Where the files of one version are. */
export interface FileLayout {
  /** Full paths that the record names, outside of the folder. */
  readonly paths: readonly string[];
  /** Folder of the version, ending in a slash; null where the registry stores the files of all versions together. */
  readonly folder: string | null;
  /** Whether a file is one of the version's. */
  readonly owns: (fullPath: string) => boolean;
}

/**
 * A record names the file of its last upload, and all files only for PyPI (PackageServiceImpl.buildArtifactPaths). The
 * other files are in the folder of the version, where its registry has one:
 * - Maven `/com/acme/app/1.0/` (MavenGAVC), without checksums and the metadata that the server itself writes;
 * - PyPI `/name/1.0/` (PypiLocalRepository.buildNodeCreateRequest);
 * - Conan `/user/name/1.0/channel/` (ConanPathUtils.buildPackagePath), without the server's `index.json`;
 * - Hugging Face `/org/name/resolve/<sha>/` (HfUploadService), which the record names without its slashes.
 * A chart may have its provenance beside it (HelmUtils.getProvFileFullPath).
 */
export function fileLayoutOf({ ref, format, paths }: Version): FileLayout {
  const folder = folderOf(format, ref.package.key, ref.version, paths);
  const withProvenance = (path: string) => (path.endsWith(".tgz") ? [path, `${path}.prov`] : [path]);
  const named = format === "ML_MODEL" ? [] : format === "HELM" ? paths.flatMap(withProvenance) : paths;
  const own = new Set(named);
  return {
    paths: folder === null ? named : named.filter((path) => !path.startsWith(folder)),
    folder,
    owns: (fullPath) => own.has(fullPath) || (folder !== null && isInFolder(folder, fullPath, format)),
  };
}

function folderOf(format: PackageFormat, key: string, version: string, paths: readonly string[]): string | null {
  const name = parseKey(key)?.name ?? "";
  switch (format) {
    case "MAVEN": {
      const [group = "", artifact = ""] = name.split(":");
      return group === "" || artifact === "" ? null : `/${group.replaceAll(".", "/")}/${artifact}/${version}/`;
    }
    case "PYPI":
      return `/${name}/${version}/`;
    case "CONAN": {
      const [, user, bare, channel] = conanReference.exec(name) ?? [];
      return bare === undefined ? null : `/${user}/${bare}/${version}/${channel}/`;
    }
    case "ML_MODEL": {
      const [path = `${name.slice(name.indexOf("/") + 1)}/resolve/${version}`] = paths;
      return `/${trimSlashes(path)}/`;
    }
    default:
      return null;
  }
}

function isInFolder(folder: string, fullPath: string, format: PackageFormat): boolean {
  if (!fullPath.startsWith(folder)) return false;
  const rest = fullPath.slice(folder.length);
  if (format === "CONAN") return !/(?:^|\/)index\.json$/.test(rest);
  if (format === "MAVEN") {
    return !rest.includes("/") && !/^maven-metadata\.xml|\.(?:md5|sha1|sha256|sha512)$/.test(rest);
  }
  return format === "ML_MODEL" || !rest.includes("/");
}

/** A package key and version that a file path suggests. */
interface Owner {
  readonly key: string;
  readonly version: string;
}

/** The version behind one of these beginnings of a file's name; empty where it has none of them. */
function ownerAfter(key: string, file: string, beginnings: readonly string[]): readonly Owner[] {
  const beginning = beginnings.find((text) => file.startsWith(text));
  return beginning === undefined ? [] : [{ key, version: file.slice(beginning.length) }];
}

/** The versions that a path suggests by the layouts of the registries. The version's record has to confirm it. */
export function ownersOf(fullPath: string): readonly Owner[] {
  const file = fullPath.slice(fullPath.lastIndexOf("/") + 1);
  const parts = fullPath.split("/").slice(1, -1);
  const npm = npmTarball(fullPath);
  if (npm) {
    const { name, tarball } = npm;
    return ownerAfter(`npm://${name}`, tarball, [`${name}-`, `${name.slice(name.lastIndexOf("/") + 1)}-`]);
  }
  const [, crate, crateFile = ""] = /^\/crates\/([^/]+)\/(.+)\.crate$/.exec(fullPath) ?? [];
  if (crate !== undefined) return ownerAfter(`cargo://${crate}`, crateFile, [`${crate}-`]);
  if (file.endsWith(".rpm")) return rpmOwners(parts, file);
  const [first = "", second = "", third = "", fourth = ""] = parts;
  if (file.endsWith(".nupkg") && parts.length === 1) {
    return ownerAfter(`nuget://${first}`, file.slice(0, -".nupkg".length), [`${first}.`]);
  }
  if (parts.length === 0) return chartOwners(file);
  if (parts.length === 2) return [{ key: `pypi://${first}`, version: second }];
  if (third === "resolve") {
    return ["model", "dataset"].map((kind) => ({ key: `huggingface://${kind}/${first}/${second}`, version: fourth }));
  }
  const isRecipe = parts.length > 5 && ["export", "package"].includes(parts[5] ?? "");
  if (isRecipe) return [{ key: `conan://${first}@${second}/${fourth}`, version: third }];
  const [version = "", artifact = ""] = [...parts].reverse();
  const group = parts.slice(0, -2).join(".");
  return group !== "" && file.startsWith(`${artifact}-`) ? [{ key: `gav://${group}:${artifact}`, version }] : [];
}

/** `/name/-/tarball.tgz` split at its last `/-/`; null for other paths. */
function npmTarball(fullPath: string): { readonly name: string; readonly tarball: string } | null {
  if (!fullPath.startsWith("/") || !fullPath.endsWith(".tgz")) return null;
  const path = fullPath.slice(1, -".tgz".length);
  // Neither part is empty.
  const at = path.lastIndexOf("/-/", path.length - "/-/".length - 1);
  return at > 0 ? { name: path.slice(0, at), tarball: path.slice(at + "/-/".length) } : null;
}

// `name-version-release.arch.rpm` in any folder: the key contains the folder, the version the architecture.
function rpmOwners(parts: readonly string[], file: string): readonly Owner[] {
  const [, name, version] = /^(.+)-([^-]+-[^-]+)\.rpm$/.exec(file) ?? [];
  if (name === undefined || version === undefined) return [];
  const folder = parts.length === 0 ? "" : `/${parts.join("/")}/`;
  return [{ key: `rpm://${folder}${name}`, version }];
}

// `name-version.tgz`, where both may contain hyphens: the version of a chart begins with a number.
function chartOwners(file: string): readonly Owner[] {
  const [, bare = ""] = /^(.+)\.tgz(?:\.prov)?$/.exec(file) ?? [];
  return [...bare.matchAll(/-(?=v?\d)/g)].map(({ index }) => ({
    key: `helm://${bare.slice(0, index)}`,
    version: bare.slice(index + 1),
  }));
}
