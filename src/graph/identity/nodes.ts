import type { GraphQLResolveInfo } from "graphql";
import { type Digest, isStrong, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Package, Version } from "../../model/package.ts";
import type { BuildInfo, Release } from "../../model/release.ts";
import { ArtifactNode } from "../artifact/artifact.ts";
import type { Hint } from "../artifact/lookups.ts";
import { lookUp } from "../artifact/outcome.ts";
import { fileSeed, imageSeed, recordSeed } from "../artifact/seeds.ts";
import { traceReference } from "../artifact/trace.ts";
import { type Context, resolveReader } from "../context.ts";
import { badInput } from "../errors.ts";
import { loadPackage } from "../resolvers/selection.ts";
import { type ArtifactCoordinate, coordinatesOf } from "./opaque.ts";

/** A model object with the name of its type, as the `Node` interface needs it. */
export type NodeParent =
  | (Release & { readonly __typename: "Release" })
  | (BuildInfo & { readonly __typename: "BuildInfo" })
  | (Package & { readonly __typename: "Package" })
  | (Version & { readonly __typename: "Version" })
  | ArtifactNode;

/** What an id leads to: null when it is gone. */
export type NodeResult = NodeParent | null;

/**
 * The object behind an id: null when it is gone, or its backend is no longer configured; rejects when its backend could
 * not say. Goes through the same loaders as everything else, so many ids of one type are few calls. Throws BAD_ID.
 */
export async function loadNode(context: Context, id: string, info: GraphQLResolveInfo): Promise<NodeResult> {
  const node = coordinatesOf(id);
  switch (node.type) {
    case "Release": {
      const { ref } = node;
      return typed("Release", await lookUp(context, info, "releases", ref.backend, (reader) => reader.release(ref)));
    }
    case "BuildInfo": {
      const { ref } = node;
      return typed("BuildInfo", await lookUp(context, info, "releases", ref.backend, (reader) => reader.build(ref)));
    }
    case "Package": {
      const { ref } = node;
      const found = await lookUp(context, info, "packages", ref.backend, (reader) => loadPackage(reader, ref, info));
      return typed("Package", found);
    }
    case "Version": {
      const { ref } = node;
      const found = await lookUp(context, info, "packages", ref.package.backend, (reader) => reader.version(ref));
      return typed("Version", found);
    }
    case "Artifact":
      return loadArtifact(context, info, node.coordinate, node.digest);
  }
}

/** The artifact behind its coordinate; its digest, where the id holds one, must still be the one found there. */
async function loadArtifact(
  context: Context,
  info: GraphQLResolveInfo,
  coordinate: ArtifactCoordinate,
  digestText: string | null,
): Promise<ArtifactNode | null> {
  const parsed = parseDigest(digestText);
  const digest = parsed !== null && isStrong(parsed) ? parsed : null;
  const isStill = (now: Digest | null) => digest === null || now === digest;
  if (coordinate.by === "zadig") {
    const { ref } = coordinate;
    const record = await lookUp(context, info, "artifacts", ref.backend, (reader) => reader.artifact(ref));
    return record && isStill(record.digest) ? new ArtifactNode(context, recordSeed(record)) : null;
  }
  if (coordinate.by === "image") {
    const image = parseImageRef(coordinate.image);
    const { zadig, asOf } = coordinate;
    return image ? new ArtifactNode(context, { ...imageSeed(image, zadig, digest), asOf }) : null;
  }
  if (coordinate.by === "trace") {
    const image = parseImageRef(coordinate.image);
    return image ? (await traceReference(context, { ...image, digest }, { copies: false })).artifact : null;
  }
  const { version, path } = coordinate;
  const page = await lookUp(context, info, "packages", version.package.backend, (reader) =>
    reader.files(version, { first: 100, after: null }),
  );
  const row = page?.rows.find(({ value }) => (value.path ?? value.name) === path);
  if (!page || !row || !isStill(row.value.digests.find(isStrong) ?? null)) return null;
  return new ArtifactNode(context, fileSeed(context, { ...row.value, version, fetchedAt: page.origin.fetchedAt }));
}

function typed<N extends NodeParent["__typename"], T extends object>(
  name: N,
  value: T | null | undefined,
): (T & { readonly __typename: N }) | null {
  return value ? { ...value, __typename: name } : null;
}

/** What GraphQL hands over for a `PackageScope` input. */
interface ScopeInput {
  readonly backend: string;
  readonly repository?: string | null | undefined;
  readonly group?: string | null | undefined;
}

/**
 * A scope as readers take it: exactly one of repository and group. Throws BACKEND_NOT_CONFIGURED for an unknown
 * backend, BAD_USER_INPUT for both or neither, for a group of a system that has none, or for a backend without
 * packages.
 */
export function scopeOf(context: Context, scope: ScopeInput): Hint {
  const { backend } = resolveReader(context, "packages", scope.backend);
  const repository = scope.repository ?? null;
  const group = scope.group ?? null;
  if ((repository === null) === (group === null)) {
    throw badInput("BAD_USER_INPUT", 'A scope names either "repository" or "group".');
  }
  if (group !== null && backend.type.access.groups === null) {
    throw badInput("BAD_USER_INPUT", `The backend "${backend.name}" has no groups: name a "repository".`);
  }
  return { backend: scope.backend, repository, group };
}

/** The optional hint of a trace. */
export function hintOf(context: Context, hint: ScopeInput | null | undefined): Hint | null {
  return hint ? scopeOf(context, hint) : null;
}
