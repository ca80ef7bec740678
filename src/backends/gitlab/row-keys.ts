import type { PackageRef, VersionRef } from "../../model/package.ts";
import { keyText } from "../batch.ts";
import type { PackageList } from "./client.ts";
import { imageType, isProjectPath, type PackageName, parseKey } from "./identity.ts";
import { nameOf } from "./mapper.ts";
import type { PackageRow } from "./payload.ts";

/** A project's rows, newest first, narrowed as far as is known. */
export function newestFirst(
  project: string,
  narrow: { readonly type?: string | null; readonly name?: string | null; readonly version?: string | null } = {},
): PackageList {
  const { type = null, name = null, version = null } = narrow;
  return { scope: { kind: "project", id: project }, type, name, version, orderBy: "created_at", sort: "desc" };
}

/** Whether a row is a version of exactly this package: GitLab's own filter is `%name%` in any case. */
export function isOf(row: PackageRow, { type, name }: PackageName): boolean {
  const named = nameOf(row);
  return named.type === type && named.name === name;
}

/** The name in a reference, when both its project and its key can be GitLab's and it is no image. */
export function nameIn({ repository, key }: PackageRef): PackageName | null {
  const name = parseKey(key);
  return name !== null && name.type !== imageType && isProjectPath(repository) ? name : null;
}

/** The one value that all of them are; null when they differ. */
export function common(values: readonly string[]): string | null {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

/** The text a package is remembered by within a request. */
export function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

/** The text a version is remembered by within a request. */
export function versionText({ package: { repository, key }, version, nativeId }: VersionRef): string {
  return keyText(repository, key, version, nativeId);
}

/** Sorts newest first by instant: servers write their own offset, so the texts do not compare. */
export function newer(left: PackageRow, right: PackageRow): number {
  return (Date.parse(right.created_at ?? "") || 0) - (Date.parse(left.created_at ?? "") || 0) || right.id - left.id;
}
