import type { PackageFormat, Version } from "../../model/package.ts";
import { trimSlashes } from "../../model/values.ts";
import { parseKey } from "./package-key.ts";

/** Where the files of one version lie: what its record names, and the folder that its registry keeps them in. */
export interface FilePlaces {
  /** Full paths outside of the folder. */
  readonly paths: readonly string[];
  /** Ends in a slash; null where the registry keeps the files of all versions side by side. */
  readonly folder: string | null;
  /** Whether a file is one of the version's own. */
  readonly holds: (fullPath: string) => boolean;
}

/**
 * A record names the file of its last upload, and all files only for PyPI (PackageServiceImpl.buildArtifactPaths), so
 * what a registry keeps in a folder of the version is looked for there:
 * - Maven `/com/acme/app/1.0/` (MavenGAVC), without checksums and the metadata that the server itself writes;
 * - PyPI `/name/1.0/` (PypiLocalRepository.buildNodeCreateRequest);
 * - Conan `/user/name/1.0/channel/` (ConanPathUtils.buildPackagePath), without the server's `index.json`;
 * - Hugging Face `/org/name/resolve/<sha>/` (HfUploadService), which the record names without its slashes.
 * A chart may have its provenance beside it (HelmUtils.getProvFileFullPath).
 */
export function filePlaces({ ref, format, paths }: Version): FilePlaces {
  const folder = folderOf(format, ref.package.key, ref.version, paths);
  const named = format === "ML_MODEL" ? [] : format === "HELM" ? paths.flatMap(withProvenance) : paths;
  const outside = folder === null ? named : named.filter((path) => !path.startsWith(folder));
  const own = new Set(named);
  return {
    paths: outside,
    folder,
    holds: (fullPath) => own.has(fullPath) || (folder !== null && isIn(folder, fullPath, format)),
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
      const [, user, bare, channel] = /^([^@/]+)@([^@/]+)\/([^@/]+)$/.exec(name) ?? [];
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

function isIn(folder: string, fullPath: string, format: PackageFormat): boolean {
  if (!fullPath.startsWith(folder)) return false;
  const rest = fullPath.slice(folder.length);
  if (format === "CONAN") return !/(?:^|\/)index\.json$/.test(rest);
  if (format === "MAVEN")
    return !rest.includes("/") && !/^maven-metadata\.xml|\.(?:md5|sha1|sha256|sha512)$/.test(rest);
  return format === "ML_MODEL" || !rest.includes("/");
}

function withProvenance(path: string): readonly string[] {
  return path.endsWith(".tgz") ? [path, `${path}.prov`] : [path];
}

/** A package and version that a path suggests. */
export interface Owner {
  readonly key: string;
  readonly version: string;
}

/** `/name/-/tarball.tgz` taken apart at its last `/-/`; null for what is no such path. */
function npmTarball(fullPath: string): { readonly name: string; readonly tarball: string } | null {
  if (!fullPath.startsWith("/") || !fullPath.endsWith(".tgz")) return null;
  const path = fullPath.slice(1, -".tgz".length);
  // Neither part is empty.
  const at = path.lastIndexOf("/-/", path.length - "/-/".length - 1);
  return at > 0 ? { name: path.slice(0, at), tarball: path.slice(at + "/-/".length) } : null;
}

/**
 * The packages and versions that a path suggests in the layouts of the registries; empty for others. The record of the
 * version has to confirm it.
 */
export function ownersOf(fullPath: string): readonly Owner[] {
  const file = fullPath.slice(fullPath.lastIndexOf("/") + 1);
  const parts = fullPath.split("/").slice(1, -1);
  const npm = npmTarball(fullPath);
  if (npm) return npmOwners(npm.name, npm.tarball);
  const crate = /^\/crates\/([^/]+)\/(.+)\.crate$/.exec(fullPath);
  if (crate) return afterName("cargo", crate[1] ?? "", crate[2] ?? "");
  if (file.endsWith(".rpm")) return rpmOwners(parts, file);
  if (file.endsWith(".nupkg") && parts.length === 1) {
    const [id = ""] = parts;
    const isOwn = file.startsWith(`${id}.`);
    return isOwn ? [{ key: `nuget://${id}`, version: file.slice(id.length + 1, -".nupkg".length) }] : [];
  }
  const [first = "", second = "", third = "", fourth = ""] = parts;
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

function npmOwners(name: string, tarball: string): readonly Owner[] {
  const bare = name.slice(name.lastIndexOf("/") + 1);
  const prefix = [`${name}-`, `${bare}-`].find((start) => tarball.startsWith(start));
  return prefix === undefined ? [] : [{ key: `npm://${name}`, version: tarball.slice(prefix.length) }];
}

function afterName(scheme: string, name: string, text: string): readonly Owner[] {
  return text.startsWith(`${name}-`) ? [{ key: `${scheme}://${name}`, version: text.slice(name.length + 1) }] : [];
}

// `name-version-release.arch.rpm`, in any folder: the key holds the folder, the version the architecture.
function rpmOwners(parts: readonly string[], file: string): readonly Owner[] {
  const [, name, version] = /^(.+)-([^-]+-[^-]+)\.rpm$/.exec(file) ?? [];
  if (name === undefined || version === undefined) return [];
  const folder = parts.length === 0 ? "" : `/${parts.join("/")}/`;
  return [{ key: `rpm://${folder}${name}`, version }];
}

// `name-version.tgz`, where both may hold hyphens: a version of a chart begins with a number.
function chartOwners(file: string): readonly Owner[] {
  const [, bare = ""] = /^(.+)\.tgz(?:\.prov)?$/.exec(file) ?? [];
  return [...bare.matchAll(/-(?=v?\d)/g)].map(({ index }) => ({
    key: `helm://${bare.slice(0, index)}`,
    version: bare.slice(index + 1),
  }));
}
