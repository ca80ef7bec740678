import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLSchema,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { badInputAt } from "../errors.ts";

/**
 * Errors for variables that are null where a value must be. Validation lets a nullable variable with a default stand in
 * such a place, so a caller can still send null for it: `@include(if: $x)`, an argument, a member of an input object or a
 * list. Each place is told once, in fragments as well, whether or not it would be reached. `variables` are coerced ones.
 */
export function nullsInPlaceOfValues(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): readonly GraphQLError[] {
  const nulls = new Set(Object.keys(variables).filter((name) => variables[name] === null));
  if (nulls.size === 0) return [];
  const errors: GraphQLError[] = [];
  const types = new TypeInfo(schema);
  const reachable = { kind: Kind.DOCUMENT, definitions: [operation, ...fragmentsOf(document, operation)] } as const;
  visit(
    reachable,
    visitWithTypeInfo(types, {
      VariableDefinition: () => false,
      Variable: (node) => {
        const type = types.getInputType();
        if (!nulls.has(node.name.value) || !isNonNullType(type)) return;
        const message = `Variable "$${node.name.value}" is null where a value of type "${String(type)}" must be.`;
        errors.push(badInputAt(node, message));
      },
    }),
  );
  return errors;
}

/** The fragments that an operation spreads, and those that they spread. */
function fragmentsOf(document: DocumentNode, operation: OperationDefinitionNode): readonly FragmentDefinitionNode[] {
  const known = new Map<string, FragmentDefinitionNode>();
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) known.set(one.name.value, one);
  const found = new Set<FragmentDefinitionNode>();
  const open = [operation.selectionSet];
  for (let set = open.pop(); set !== undefined; set = open.pop()) {
    for (const selection of set.selections) {
      if (selection.kind !== Kind.FRAGMENT_SPREAD) {
        if (selection.selectionSet) open.push(selection.selectionSet);
        continue;
      }
      const fragment = known.get(selection.name.value);
      if (!fragment || found.has(fragment)) continue;
      found.add(fragment);
      open.push(fragment.selectionSet);
    }
  }
  return [...found];
}
