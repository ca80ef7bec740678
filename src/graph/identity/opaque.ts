import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import type { Position } from "../../model/backend.ts";
import type { PackageRef, VersionRef } from "../../model/package.ts";
import type { ArtifactRef, BuildRef, ReleaseRef } from "../../model/release.ts";
import { isTooLongInAddress, longestValue } from "../cost/document.ts";
import { badInput } from "../errors.ts";

/**
 * Ids and cursors: base64url over length-prefixed parts, the first of which is the format version. They carry
 * coordinates, come back from strangers and are checked part by part; nothing in them is ever used as an address.
 */
const version = "1";
const longestPart = 1024;
/** Of a position, sealed. */
const longestPosition = 2048;
const mostParts = 16;

/** The types that have a global id. */
export type NodeType = "Release" | "BuildInfo" | "Artifact" | "Package" | "Version";

/** A Relay id from its coordinates; a null part stays a null part. */
export function printId(type: NodeType, parts: readonly (string | null)[]): string {
  return pack([version, type, ...parts]);
}

/** Takes an id apart; throws BAD_ID for anything this gateway cannot have printed. */
export function parseId(id: string): { readonly type: NodeType; readonly parts: readonly (string | null)[] } {
  const [format, type, ...parts] = unpack(id) ?? [];
  if (format !== version || !isNodeType(type)) throw badInput("BAD_ID", "This is not an id of this graph.");
  return { type, parts };
}

/**
 * A cursor: where in which list (backend, filter) a row stands. `filter` is anything JSON that tells two lists apart. A
 * position counts all rows of a backend, also those that its reader may not see: with `seal` no client can read it.
 */
export function printCursor(backend: string, filter: unknown, position: Position, seal: Seal | null = null): string {
  const hash = filterHash(filter);
  const json = JSON.stringify(position);
  return pack([version, backend, hash, seal === null ? json : seal.close(json, placeOf(backend, hash))]);
}

/** Throws BAD_CURSOR for text that cannot be a cursor of any list. */
export function checkCursor(cursor: string): void {
  const { payload } = takeApart(cursor);
  if (!isSealed.test(payload) && readPosition(payload) === null) throw notOurs();
}

/**
 * The position in a cursor; throws BAD_CURSOR when it belongs to another list or is not one of ours. With `seal` only
 * what was sealed is ours.
 */
export function parseCursor(cursor: string, backend: string, filter: unknown, seal: Seal | null = null): Position {
  const { owner, hash, payload } = takeApart(cursor);
  const wanted = filterHash(filter);
  const json = seal === null ? payload : seal.open(payload, placeOf(backend, wanted));
  if (owner !== backend || hash !== wanted) {
    throw badInput("BAD_CURSOR", "This cursor belongs to another list: its backend or filter differs.");
  }
  const position = json === null ? null : readPosition(json);
  if (position === null) throw notOurs();
  return position;
}

const isSealed = /^[\w-]{38,}$/;

function placeOf(backend: string, hash: string): string {
  return JSON.stringify([backend, hash]);
}

function takeApart(cursor: string) {
  const [format, owner, hash, payload, ...rest] = unpack(cursor, longestPosition) ?? [];
  if (format !== version || payload === undefined || payload === null || rest.length > 0) throw notOurs();
  return { owner, hash, payload };
}

function notOurs() {
  return badInput("BAD_CURSOR", "This is not a cursor of this graph.");
}

function filterHash(filter: unknown): string {
  return createHash("sha256").update(JSON.stringify(filter)).digest("base64url").slice(0, 12);
}

function pack(parts: readonly (string | null)[]): string {
  return Buffer.from(parts.map((part) => (part === null ? "-" : `${part.length}:${part}`)).join("")).toString(
    "base64url",
  );
}

function unpack(text: string, longest = longestPart): (string | null)[] | null {
  if (text.length > longestValue || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const bytes = Buffer.from(text, "base64url");
  // One spelling only: the same coordinates must never have two ids.
  if (bytes.toString("base64url") !== text) return null;
  const decoded = bytes.toString("utf8");
  if (decoded.includes("\uFFFD")) return null;
  const parts: (string | null)[] = [];
  for (let at = 0; at < decoded.length; ) {
    if (parts.length >= mostParts) return null;
    if (decoded[at] === "-") {
      parts.push(null);
      at += 1;
      continue;
    }
    const length = /^(0|[1-9]\d{0,3}):/.exec(decoded.slice(at, at + 5));
    if (!length?.[1]) return null;
    const start = at + length[0].length;
    const part = decoded.slice(start, start + Number(length[1]));
    if (part.length !== Number(length[1]) || part.length > longest || hasControls(part)) return null;
    if (isTooLongInAddress(part)) return null;
    parts.push(part);
    at = start + part.length;
  }
  return parts;
}

function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function readPosition(json: string): Position | null {
  try {
    const value: unknown = JSON.parse(json);
    if (!Array.isArray(value) || value.length > 12) return null;
    const position = value.filter(
      (part): part is string | number =>
        // -1 is how adapters write "not known".
        typeof part === "string" || (typeof part === "number" && Number.isSafeInteger(part) && part >= -1),
    );
    return position.length === value.length ? position : null;
  } catch {
    return null;
  }
}

function isNodeType(text: string | null | undefined): text is NodeType {
  return ["Release", "BuildInfo", "Artifact", "Package", "Version"].includes(text ?? "");
}

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
export function coordinatesOf<T extends NodeType>(
  id: string,
  expected?: T,
): Extract<NodeCoordinates, { readonly type: T }> {
  const { type, parts } = parseId(id);
  const coordinates = read(type, parts);
  if (!coordinates || !isOfType(coordinates, expected)) {
    throw badInput("BAD_ID", `This is not the id of a ${expected ?? "node"}.`);
  }
  return coordinates;
}

function isOfType<T extends NodeType>(
  coordinates: NodeCoordinates,
  type: T | undefined,
): coordinates is Extract<NodeCoordinates, { readonly type: T }> {
  return type === undefined || coordinates.type === type;
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

/** Hides text from who carries it, and tells whether it is still what was hidden. */
export interface Seal {
  /** The text as base64url that only this gateway can read; the same text in the same place is sealed the same. */
  readonly close: (text: string, place: string) => string;
  /** Null for what was not sealed here, or for another place. */
  readonly open: (sealed: string, place: string) => string | null;
}

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** A seal of this secret: all processes that have the same one open each other's. */
export function createSeal(secret: string): Seal {
  const keyFor = (use: string) => Buffer.from(hkdfSync("sha256", secret, "", use, 32));
  const [key, nonceKey] = [keyFor("delivery-graph cursors"), keyFor("delivery-graph nonces")];
  return {
    close: (text, place) => {
      // Made from what is sealed, so that no two texts ever share one.
      const mac = createHmac("sha256", nonceKey)
        .update(JSON.stringify([place, text]))
        .digest();
      const nonce = mac.subarray(0, nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(place));
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    open: (sealed, place) => {
      const bytes = Buffer.from(sealed, "base64url");
      if (bytes.length < nonceBytes + tagBytes || bytes.toString("base64url") !== sealed) return null;
      const cipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes)).setAAD(Buffer.from(place));
      cipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        return Buffer.concat([cipher.update(bytes.subarray(nonceBytes + tagBytes)), cipher.final()]).toString("utf8");
      } catch {
        return null;
      }
    },
  };
}
