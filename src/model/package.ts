import semver from "semver";
import type { Digest, ImageRef } from "./artifact.ts";
import type { Instant, Origin } from "./backend.ts";
import type { Commit } from "./release.ts";

/** Package formats the graph names; anything else is OTHER beside the backend's own word. */
export const packageFormats = [
  "MAVEN",
  "NPM",
  "PYPI",
  "DOCKER",
  "OCI",
  "HELM",
  "COMPOSER",
  "RPM",
  "NUGET",
  "CONAN",
  "CARGO",
  "GOLANG",
  "DEBIAN",
  "RUBYGEMS",
  "TERRAFORM_MODULE",
  "ML_MODEL",
  "GENERIC",
  "OTHER",
] as const;
export type PackageFormat = (typeof packageFormats)[number];

/** What finds a package again. */
export interface PackageRef {
  readonly backend: string;
  /** bkrepo `project/repo`, SWR namespace, GitLab project path. */
  readonly repository: string;
  /** The backend's own key: `gav://g:a` (bkrepo), raw name or `image://repo` (SWR), `type:name` (GitLab). */
  readonly key: string;
}

/** A named package in one repository of one backend. */
export interface Package {
  readonly ref: PackageRef;
  readonly origin: Origin;
  readonly name: string;
  readonly format: PackageFormat;
  /** The backend's own word for the format. */
  readonly formatName: string;
  readonly purl: string | null;
  readonly description: string | null;
  readonly visibility: string | null;
  readonly downloads: number | null;
  readonly versionCount: number | null;
  readonly createdBy: string | null;
  readonly createdAt: Instant | null;
  readonly updatedAt: Instant | null;
  readonly webUrl: string | null;
}

/** What finds a version again. */
export interface VersionRef {
  readonly package: PackageRef;
  readonly version: string;
  /** The backend's numeric id where names alone do not find a version (GitLab), else null. */
  readonly nativeId: string | null;
}

/** One version of a package: for GitLab, what GitLab itself calls a package. */
export interface Version {
  readonly ref: VersionRef;
  readonly origin: Origin;
  readonly name: string;
  readonly format: PackageFormat;
  readonly purl: string | null;
  readonly status: string | null;
  readonly stages: readonly string[];
  /** Names that float onto it; a function where finding out costs another call, which rejects with an UpstreamError. */
  readonly tags: readonly string[] | (() => Promise<readonly string[]>);
  readonly size: number | null;
  readonly fileCount: number | null;
  readonly downloads: number | null;
  readonly createdBy: string | null;
  readonly createdAt: Instant | null;
  readonly updatedAt: Instant | null;
  readonly metadata: readonly MetadataEntry[];
  readonly downloadUrl: string | null;
  /** The manifest digest, where the version is one image and the backend knows it. */
  readonly digest: Digest | null;
  /** How docker would spell it, where the version is an image. */
  readonly image: ImageRef | null;
  /** Paths of its files, where the version record names them; empty when only a file list could tell. */
  readonly paths: readonly string[];
  /** The newest pipeline that published it; null when there is none or the backend has no such notion. */
  readonly pipeline: PipelineRun | null;
}

export interface MetadataEntry {
  readonly key: string;
  readonly value: unknown;
  readonly isSystem: boolean;
}

/** A GitLab pipeline. `commit` holds what the pipeline row has (sha, ref); the rest is requested when selected. */
export interface PipelineRun {
  readonly id: string;
  readonly backend: string;
  /** Project whose pipeline it is, by number: it may differ from the package's project. */
  readonly projectId: string | null;
  /** The same project by path (`pay/api`), where the row names it; null otherwise. */
  readonly projectPath: string | null;
  /** http(s) address of the code host; null where unknown. */
  readonly hostUrl: string | null;
  readonly status: string | null;
  readonly ref: string | null;
  readonly sha: string | null;
  readonly webUrl: string | null;
  readonly user: string | null;
  readonly createdAt: Instant | null;
}

export interface PackageFile {
  readonly name: string;
  readonly path: string | null;
  readonly size: number | null;
  /** Strongest first. */
  readonly digests: readonly Digest[];
  readonly createdAt: Instant | null;
  readonly downloadUrl: string | null;
}

/** What a registry holds under one reference right now: one backend's claim about an image. */
export interface ImageRecord {
  readonly origin: Origin;
  readonly image: ImageRef;
  /** Manifest (or index) digest; null when the registry did not tell. */
  readonly digest: Digest | null;
  /** An index (multi-arch) digest is never compared with a platform's manifest digest; null when unknown. */
  readonly kind: "MANIFEST" | "INDEX" | null;
  readonly size: number | null;
  readonly architecture: string | null;
  readonly os: string | null;
  readonly createdBy: string | null;
  readonly createdAt: Instant | null;
  readonly pushedAt: Instant | null;
  readonly webUrl: string | null;
  /** Whether the content was moved to cold storage: it is there, but cannot be pulled now. */
  readonly archived: boolean;
  /** The version of a package that this image is, where the backend models images as packages. */
  readonly version: VersionRef | null;
}

/** A commit as its code host tells it. */
export interface HostedCommit extends Commit {
  readonly origin: Origin;
}

/** A semantic version as precedence sees it. */
export type SemanticVersion = semver.SemVer;

/**
 * Reads a version with or without a leading `v`; null for what is no semantic version (`latest`, `1.2.3.4`, a date).
 */
export function parseSemanticVersion(text: string): SemanticVersion | null {
  return semver.parse(text, { loose: true });
}

/** Whether one version is higher than another, any release being higher than every pre-release. */
export function isHigher(one: SemanticVersion, other: SemanticVersion): boolean {
  const isRelease = (version: SemanticVersion) => version.prerelease.length === 0;
  if (isRelease(one) !== isRelease(other)) return isRelease(one);
  return semver.compare(one, other) > 0;
}
