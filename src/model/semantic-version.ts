import semver from "semver";

/** A semantic version as precedence sees it. */
export type SemanticVersion = semver.SemVer;

/** Reads a version with or without a leading `v`; null for what is no semantic version (`latest`, `1.2.3.4`, a date). */
export function parseSemanticVersion(text: string): SemanticVersion | null {
  return semver.parse(text, { loose: true });
}

/** Whether one version is higher than another, any release being higher than every pre-release. */
export function isHigher(one: SemanticVersion, other: SemanticVersion): boolean {
  const isRelease = (version: SemanticVersion) => version.prerelease.length === 0;
  if (isRelease(one) !== isRelease(other)) return isRelease(one);
  return semver.compare(one, other) > 0;
}
