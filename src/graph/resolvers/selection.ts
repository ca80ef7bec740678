import {
  type FieldNode,
  type GraphQLResolveInfo,
  getArgumentValues,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from "graphql";
import type { Answer } from "../../backends/answers.ts";
import type { PackageReader } from "../../backends/backend.ts";
import type { Package, PackageRef } from "../../model/package.ts";
import { isLeftOut } from "../cost/walk.ts";
import { windowOf } from "./connection.ts";

/**
 * Whether the running field's selection reaches any of these fields, each a path of field names below it, such as
 * `nodes.builds`. Looks through fragments, honours @skip and @include: only what will be asked for is fetched.
 */
export function selects(info: GraphQLResolveInfo, ...paths: readonly string[]): boolean {
  const sets = info.fieldNodes.flatMap((node) => (node.selectionSet ? [node.selectionSet] : []));
  return paths.some((path) => reaches(info, sets, path.split(".")));
}

function reaches(info: GraphQLResolveInfo, sets: readonly SelectionSetNode[], path: readonly string[]): boolean {
  const [name, ...rest] = path;
  const nodes = sets.flatMap((set) => fieldsOf(info, set)).filter((field) => field.name.value === name);
  if (rest.length === 0) return nodes.length > 0;
  const deeper = nodes.flatMap((node) => (node.selectionSet ? [node.selectionSet] : []));
  return deeper.length > 0 && reaches(info, deeper, rest);
}

/** With a type, fragments on other types of object are left out: below an interface or a union they are not its own. */
function fieldsOf(info: GraphQLResolveInfo, set: SelectionSetNode, type: string | null = null): FieldNode[] {
  return set.selections.flatMap((selection): FieldNode[] => {
    if (isLeftOut(selection, info.variableValues)) return [];
    if (selection.kind === Kind.FIELD) return [selection];
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : info.fragments[selection.name.value];
    const on = fragment?.typeCondition?.name.value ?? type;
    const isOther = type !== null && on !== type && isObjectType(info.schema.getType(on ?? type));
    return fragment && !isOther ? fieldsOf(info, fragment.selectionSet, type) : [];
  });
}

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
  const selected = info.fieldNodes.flatMap(({ selectionSet }) =>
    selectionSet ? fieldsOf(info, selectionSet, "Package") : [],
  );
  for (const node of selected) {
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
