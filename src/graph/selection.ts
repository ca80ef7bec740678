import {
  type FieldNode,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getDirectiveValues,
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

function reaches(info: GraphQLResolveInfo, sets: readonly SelectionSetNode[], path: readonly string[]): boolean {
  const [name, ...rest] = path;
  const nodes = sets.flatMap((set) => fieldsOf(info, set)).filter((field) => field.name.value === name);
  if (rest.length === 0) return nodes.length > 0;
  const deeper = nodes.flatMap((node) => (node.selectionSet ? [node.selectionSet] : []));
  return deeper.length > 0 && reaches(info, deeper, rest);
}

function fieldsOf(info: GraphQLResolveInfo, set: SelectionSetNode): FieldNode[] {
  return set.selections.flatMap((selection): FieldNode[] => {
    const skipped = getDirectiveValues(GraphQLSkipDirective, selection, info.variableValues)?.["if"] === true;
    const included = getDirectiveValues(GraphQLIncludeDirective, selection, info.variableValues)?.["if"] !== false;
    if (skipped || !included) return [];
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(info, selection.selectionSet);
    const fragment = info.fragments[selection.name.value];
    return fragment ? fieldsOf(info, fragment.selectionSet) : [];
  });
}
