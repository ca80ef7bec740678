import type { PackageRef, VersionRef } from "../../model/package.ts";
import type { ArtifactRef, BuildRef, ReleaseRef } from "../../model/release.ts";
import { badInput } from "../errors.ts";
import { type NodeType, parseId, printId } from "./opaque.ts";

type Parts = readonly (string | null)[];

/** The id of a release: by Zadig's id where it has one, else by project and name. */
export function releaseId({ backend, project, zadigId, version }: ReleaseRef): string {
  return printId("Release", [backend, project, zadigId, zadigId === null ? version : null]);
}

/** The id of a build: its release and row, or its artifact and activity. */
export function buildId(ref: BuildRef): string {
  if ("release" in ref) {
    const { backend, project, zadigId, version } = ref.release;
    return printId("BuildInfo", ["release", backend, project, zadigId, zadigId === null ? version : null, ref.buildId]);
  }
  return printId("BuildInfo", [
    "artifact",
    ref.artifact.backend,
    ref.artifact.zadigId,
    ref.artifact.image,
    ref.activity,
  ]);
}

/** The id of a package. */
export function packageId({ backend, repository, key }: PackageRef): string {
  return printId("Package", [backend, repository, key]);
}

/** The id of a version. */
export function versionId({ package: { backend, repository, key }, version, nativeId }: VersionRef): string {
  return printId("Version", [backend, repository, key, version, nativeId]);
}

/** An id taken apart into the coordinates it carries. */
export type NodeCoordinates =
  | { readonly type: "Release"; readonly ref: ReleaseRef }
  | { readonly type: "BuildInfo"; readonly ref: BuildRef }
  | { readonly type: "Package"; readonly ref: PackageRef }
  | { readonly type: "Version"; readonly ref: VersionRef }
  | { readonly type: "Artifact"; readonly digest: string | null; readonly coordinate: ArtifactCoordinate };

/** Where an artifact was met: what finds it again. */
export type ArtifactCoordinate =
  | { readonly by: "zadig"; readonly ref: ArtifactRef }
  | { readonly by: "image"; readonly zadig: string | null; readonly image: string; readonly asOf: string | null }
  | { readonly by: "trace"; readonly image: string }
  | { readonly by: "file"; readonly version: VersionRef; readonly path: string };

/** Reads an id of a given type, or of any node type; throws BAD_ID. */
export function coordinatesOf(id: string, expected?: NodeType): NodeCoordinates {
  const { type, parts } = parseId(id);
  const coordinates = expected === undefined || expected === type ? read(type, parts) : null;
  if (!coordinates) throw badInput("BAD_ID", `This is not the id of a ${expected ?? "node"}.`);
  return coordinates;
}

function read(type: NodeType, parts: Parts): NodeCoordinates | null {
  switch (type) {
    case "Release": {
      const ref = parts.length === 4 ? releaseRef(parts) : null;
      return ref && { type, ref };
    }
    case "BuildInfo":
      return buildCoordinates(parts);
    case "Package": {
      const [backend, repository, key] = parts;
      return parts.length === 3 && backend && repository && key ? { type, ref: { backend, repository, key } } : null;
    }
    case "Version": {
      const ref = parts.length === 5 ? versionRef(parts) : null;
      return ref && { type, ref };
    }
    case "Artifact":
      return artifactCoordinates(parts);
    default:
      return null;
  }
}

function releaseRef([backend, project, zadigId, version]: Parts): ReleaseRef | null {
  if (!backend || (!zadigId && !(project && version))) return null;
  return { backend, project: project ?? null, zadigId: zadigId ?? null, version: version ?? null };
}

function versionRef([backend, repository, key, version, nativeId]: Parts): VersionRef | null {
  if (!backend || !repository || !key || version === null || version === undefined) return null;
  return { package: { backend, repository, key }, version, nativeId: nativeId ?? null };
}

function buildCoordinates([by, backend, ...rest]: Parts): NodeCoordinates | null {
  if (!backend) return null;
  if (by === "release" && rest.length === 4) {
    const release = releaseRef([backend, ...rest]);
    const row = rest[3];
    return release && row ? { type: "BuildInfo", ref: { backend, release, buildId: row } } : null;
  }
  const [zadigId = null, image = null, activity] = rest;
  if (by !== "artifact" || rest.length !== 3 || !activity || (zadigId === null && image === null)) return null;
  return { type: "BuildInfo", ref: { backend, artifact: { backend, zadigId, image }, activity } };
}

function artifactCoordinates([digest = null, by, ...rest]: Parts): NodeCoordinates | null {
  const [first = null, second = null, third = null] = rest;
  if (by === "zadig" && rest.length === 3 && first && (second || third)) {
    return { type: "Artifact", digest, coordinate: { by, ref: { backend: first, zadigId: second, image: third } } };
  }
  if (by === "image" && (rest.length === 2 || (rest.length === 3 && third)) && second) {
    return { type: "Artifact", digest, coordinate: { by, zadig: first, image: second, asOf: third } };
  }
  if (by === "trace" && rest.length === 1 && first)
    return { type: "Artifact", digest, coordinate: { by, image: first } };
  const version = by === "file" && rest.length === 6 ? versionRef(rest) : null;
  const path = rest[5];
  return version && path ? { type: "Artifact", digest, coordinate: { by: "file", version, path } } : null;
}
