import { type FieldNode, type GraphQLResolveInfo, getArgumentValues, isObjectType } from "graphql";
import type { Answer } from "../../backends/answers.ts";
import type { PackageReader } from "../../backends/backend.ts";
import type { Package, PackageRef } from "../../model/package.ts";
import { windowOf } from "./connection.ts";
import { selectedFields } from "./selection.ts";

/**
 * Loads a package by its reference and, at the same time, whatever the selection will ask of it that needs no more than
 * the reference: its newest version, one version, a page of versions. The resolvers find those answers in the loaders;
 * a failure is reported there, in its own place.
 */
export function loadPackage(
  reader: PackageReader,
  ref: PackageRef,
  info: GraphQLResolveInfo,
): Promise<Answer<Package>> {
  const type = info.schema.getType("Package");
  const fields = isObjectType(type) ? type.getFields() : {};
  for (const node of selectedFields(info, "Package")) {
    const field = fields[node.name.value];
    const early = field && start(reader, ref, node, () => getArgumentValues(field, node, info.variableValues));
    early?.catch(() => null);
  }
  return reader.package(ref);
}

function start(
  reader: PackageReader,
  ref: PackageRef,
  node: FieldNode,
  argumentsOf: () => Readonly<Record<string, unknown>>,
): Promise<unknown> | null {
  switch (node.name.value) {
    case "latestVersion":
      return argumentsOf()["by"] === "PUBLISHED" ? reader.latest(ref) : null;
    case "version": {
      const { name } = argumentsOf();
      return typeof name === "string" ? reader.version({ package: ref, version: name, nativeId: null }) : null;
    }
    case "versions":
      return startVersions(reader, ref, argumentsOf());
    default:
      return null;
  }
}

async function startVersions(
  reader: PackageReader,
  ref: PackageRef,
  args: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const { query, list } = versionsQuery(ref, {
    prefix: textOf(args["prefix"]),
    stage: textOf(args["stage"]),
    direction: args["direction"] === "ASC" ? "ASC" : "DESC",
  });
  const first = typeof args["first"] === "number" ? args["first"] : null;
  return reader.versions(ref, query, windowOf({ first, after: textOf(args["after"]) }, list));
}

/** The versions a caller asks for, and the list that its cursors belong to. */
export function versionsQuery(
  ref: PackageRef,
  args: {
    readonly prefix?: string | null | undefined;
    readonly stage?: string | null | undefined;
    readonly direction: "ASC" | "DESC";
  },
) {
  const query = { prefix: args.prefix ?? null, stage: args.stage ?? null, direction: args.direction };
  return { query, list: { backend: ref.backend, filter: ["Package.versions", ref, query] } };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
