import type { GraphQLResolveInfo } from "graphql";
import { type Digest, parseDigest } from "../../model/digest.ts";
import type { Release } from "../../model/release.ts";
import type { ArtifactNode } from "../artifact/artifact.ts";
import { configuredPlaces } from "../artifact/lookups.ts";
import { errorsIn, outcomeOf } from "../artifact/outcome.ts";
import { searchDigest, traceFound } from "../artifact/trace-digest.ts";
import { type Context, having } from "../context.ts";
import { badInput } from "../errors.ts";
import { coordinatesOf } from "../identity/ids.ts";
import { loadNode } from "../identity/nodes.ts";
import type { NodeType } from "../identity/opaque.ts";
import type { ReferenceResolver, Representation } from "./subgraph.ts";

type Reference = ReferenceResolver<Context>;

/** How each entity is read again by each of its keys: null when it is gone, rejects when nobody could say. */
export const references: Readonly<Record<string, Reference>> = {
  Release: (given, context, info) =>
    byId("Release", given, context, info, ({ zadigId }) => releaseByZadigId(context, zadigId)),
  BuildInfo: (given, context, info) => byId("BuildInfo", given, context, info),
  Artifact: (given, context, info) =>
    byId("Artifact", given, context, info, ({ digest }) => artifactByDigest(context, digest)),
  Package: (given, context, info) => byId("Package", given, context, info),
  Version: (given, context, info) => byId("Version", given, context, info),
};

/** By id where there is one, else by the type's natural key. */
async function byId(
  type: NodeType,
  given: Representation,
  context: Context,
  info: GraphQLResolveInfo,
  otherwise?: (given: Representation) => Promise<object | null>,
): Promise<object | null> {
  const { id } = given;
  if (id === undefined || id === null) {
    if (otherwise) return otherwise(given);
    throw badInput("BAD_USER_INPUT", `A reference to a ${type} has its id.`);
  }
  if (typeof id !== "string") throw badInput("BAD_ID", `This is not the id of a ${type}.`);
  coordinatesOf(id, type);
  return loadNode(context, id, info);
}

/** Zadig's ids are unique within one Zadig, so every one is asked; the first that has it, in the configuration's order. */
async function releaseByZadigId(context: Context, zadigId: unknown): Promise<Release | null> {
  if (typeof zadigId !== "string") throw badInput("BAD_USER_INPUT", "A reference to a Release has its id or zadigId.");
  const asked = having(context, "releases");
  if (asked.length === 0) throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend has releases.");
  const outcomes = await Promise.all(
    asked.map(({ backend, reader }) =>
      outcomeOf(
        backend.name,
        reader.release({ backend: backend.name, project: null, zadigId, version: null }),
        ({ origin }) => origin,
      ),
    ),
  );
  const found = outcomes.find(({ value }) => value !== null)?.value;
  if (found) return found;
  for (const error of errorsIn(outcomes)) throw error;
  return null;
}

/**
 * No backend finds bytes by their digest alone, so every place is searched that the configuration names for searches.
 * Zadig holds no bytes: that it cannot be asked by digest leaves nothing open.
 */
async function artifactByDigest(context: Context, text: unknown): Promise<ArtifactNode | null> {
  const digest: Digest | null = typeof text === "string" ? parseDigest(text) : null;
  if (digest === null) throw badInput("BAD_USER_INPUT", "A reference to an Artifact has its id or digest.");
  const search = await searchDigest(context, digest, configuredPlaces(context));
  const { artifact } = await traceFound(context, digest, search);
  if (artifact) return artifact;
  const outcomes = [...search.images, ...search.files];
  for (const error of errorsIn(outcomes)) throw error;
  const open = outcomes.filter(({ source }) => source.status !== "ABSENT").map(({ source }) => source.backend);
  if (open.length === 0 && outcomes.length > 0) return null;
  throw badInput(
    "BAD_USER_INPUT",
    `No place that was searched has this digest, and ${[...new Set(open)].join(", ") || "no backend"} cannot be searched by digest alone: refer to the artifact by its id.`,
  );
}
