import type { GraphQLResolveInfo } from "graphql";
import type { Answer } from "../../backends/answers.ts";
import type { PackageScope } from "../../backends/backend.ts";
import { type Digest, isStrong, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Package, Version } from "../../model/package.ts";
import type { BuildInfo, Release } from "../../model/release.ts";
import { type ArtifactNode, createArtifact, imageSeed, recordSeed } from "../artifact/artifact.ts";
import { lookUp } from "../artifact/outcome.ts";
import { fileSeed } from "../artifact/package-files.ts";
import { traceReference } from "../artifact/trace.ts";
import { type Context, readerOf, resolveReader } from "../context.ts";
import { badInput } from "../errors.ts";
import { loadPackage } from "../resolvers/prefetch.ts";
import { type ArtifactCoordinate, coordinatesOf } from "./ids.ts";

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
  const ask: Ask = async (backend, asked) => (asked ? lookUp(context, info, backend, asked) : null);
  switch (node.type) {
    case "Release":
      return typed(
        "Release",
        await ask(node.ref.backend, readerOf(context, "releases", node.ref.backend)?.release(node.ref)),
      );
    case "BuildInfo":
      return typed(
        "BuildInfo",
        await ask(node.ref.backend, readerOf(context, "releases", node.ref.backend)?.build(node.ref)),
      );
    case "Package": {
      const reader = readerOf(context, "packages", node.ref.backend);
      return typed("Package", await ask(node.ref.backend, reader && loadPackage(reader, node.ref, info)));
    }
    case "Version": {
      const { backend } = node.ref.package;
      return typed("Version", await ask(backend, readerOf(context, "packages", backend)?.version(node.ref)));
    }
    case "Artifact":
      return loadArtifact(context, node.coordinate, node.digest, ask);
  }
}

/** Looks up what one backend may have; null where there is no such backend. */
type Ask = <T>(backend: string, asked: Promise<Answer<T>> | null | undefined) => Promise<T | null>;

/** The artifact behind its coordinate; its digest, where the id holds one, must still be the one found there. */
async function loadArtifact(
  context: Context,
  coordinate: ArtifactCoordinate,
  digestText: string | null,
  ask: Ask,
): Promise<ArtifactNode | null> {
  const parsed = parseDigest(digestText);
  const digest = parsed !== null && isStrong(parsed) ? parsed : null;
  const isStill = (now: Digest | null) => digest === null || now === digest;
  if (coordinate.by === "zadig") {
    const { ref } = coordinate;
    const record = await ask(ref.backend, readerOf(context, "artifacts", ref.backend)?.artifact(ref));
    return record && isStill(record.digest) ? createArtifact(context, recordSeed(record)) : null;
  }
  if (coordinate.by === "image") {
    const image = parseImageRef(coordinate.image);
    const { zadig, asOf } = coordinate;
    return image ? createArtifact(context, { ...imageSeed(image, zadig, digest), asOf }) : null;
  }
  if (coordinate.by === "trace") {
    const image = parseImageRef(coordinate.image);
    return image ? (await traceReference(context, { ...image, digest }, { copies: false })).artifact : null;
  }
  const { backend } = coordinate.version.package;
  const reader = readerOf(context, "packages", backend);
  const page = await ask(backend, reader?.files(coordinate.version, { first: 100, after: null }));
  const row = page?.rows.find(({ value }) => (value.path ?? value.name) === coordinate.path);
  if (!page || !row || !isStill(row.value.digests.find(isStrong) ?? null)) return null;
  return createArtifact(
    context,
    fileSeed(context, { ...row.value, version: coordinate.version, fetchedAt: page.origin.fetchedAt }),
  );
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
export function scopeOf(context: Context, scope: ScopeInput): PackageScope & { readonly backend: string } {
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
export function hintOf(
  context: Context,
  hint: ScopeInput | null | undefined,
): (PackageScope & { readonly backend: string }) | null {
  return hint ? scopeOf(context, hint) : null;
}
