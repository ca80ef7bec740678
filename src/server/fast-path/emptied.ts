import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";

/**
 * The errors of an answer whose data is null: those of the fields that may not be null, one of which has emptied it.
 * Which other fields had failed by then is a matter of chance, and there is nothing in the answer that their errors are
 * about. All errors, when none of them is of such a field.
 */
export function errorsOfEmptied(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  errors: readonly GraphQLError[],
): readonly GraphQLError[] {
  if (errors.length < 2) return errors;
  const required = requiredFields(schema, document, operation);
  const own = errors.filter(({ path }) => path === undefined || required.has(path[0] ?? ""));
  return own.length === 0 ? errors : own;
}

/** Names in the answer of the operation's own fields that may not be null. */
function requiredFields(
  schema: GraphQLSchema,
  { definitions }: DocumentNode,
  { operation, selectionSet }: OperationDefinitionNode,
): ReadonlySet<string | number> {
  const fields = schema.getRootType(operation)?.getFields() ?? {};
  const required = new Set<string | number>();
  const seen = new Set<SelectionSetNode>();
  const open: SelectionSetNode[] = [selectionSet];
  for (let set = open.pop(); set !== undefined; set = open.pop()) {
    if (seen.has(set)) continue;
    seen.add(set);
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const { alias, name } = selection;
        if (isNonNullType(fields[name.value]?.type)) required.add((alias ?? name).value);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) open.push(selection.selectionSet);
      else {
        for (const one of definitions) {
          if (one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === selection.name.value)
            open.push(one.selectionSet);
        }
      }
    }
  }
  return required;
}
