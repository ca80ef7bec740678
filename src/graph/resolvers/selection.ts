import {
  type FieldNode,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getDirectiveValues,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from "graphql";

/**
 * Whether the running field's selection reaches any of these fields, each a path of field names below it, such as
 * `nodes.builds`. Looks through fragments, honours @skip and @include: only what will be asked for is fetched.
 */
export function selects(info: GraphQLResolveInfo, ...paths: readonly string[]): boolean {
  const sets = info.fieldNodes.flatMap((node) => (node.selectionSet ? [node.selectionSet] : []));
  return paths.some((path) => reaches(info, sets, path.split(".")));
}

/** The fields directly below the running field that an object of this type answers, fragments taken apart. */
export function selectedFields(info: GraphQLResolveInfo, type: string): FieldNode[] {
  return info.fieldNodes.flatMap((node) => (node.selectionSet ? fieldsOf(info, node.selectionSet, type) : []));
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
    const skipped = getDirectiveValues(GraphQLSkipDirective, selection, info.variableValues)?.["if"] === true;
    const included = getDirectiveValues(GraphQLIncludeDirective, selection, info.variableValues)?.["if"] !== false;
    if (skipped || !included) return [];
    if (selection.kind === Kind.FIELD) return [selection];
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : info.fragments[selection.name.value];
    const on = fragment?.typeCondition?.name.value ?? type;
    const isOther = type !== null && on !== type && isObjectType(info.schema.getType(on ?? type));
    return fragment && !isOther ? fieldsOf(info, fragment.selectionSet, type) : [];
  });
}

/** The response path of the field that is being resolved. */
export function pathOf(info: GraphQLResolveInfo): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: GraphQLResolveInfo["path"] | undefined = info.path; at; at = at.prev) path.unshift(at.key);
  return path;
}
