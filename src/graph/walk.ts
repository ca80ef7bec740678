import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  getNamedType,
  isCompositeType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from "graphql";
import { badInput } from "./errors.ts";

/** An operation as it is about to run. */
export interface Asked {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** One field of an operation, where it stands. `F` is what the one who walks carries down. */
export interface Step<F> {
  /** `Type.field`; null below an interface or union, where no type says what the field is. */
  readonly coordinate: string | null;
  readonly field: GraphQLField<unknown, unknown> | null;
  readonly node: FieldNode;
  readonly args: Readonly<Record<string, unknown>>;
  /** 1 for the fields of the root. */
  readonly depth: number;
  /** What `@cost` says; 0 where it says nothing. */
  readonly weight: number;
  /** Parents there will be, by what `@listSize` says of every list above. */
  readonly times: number;
  /** Children there will be, all together. */
  readonly below: number;
  readonly frame: F;
}

/** Selections looked at, fragments expanded: fragments that spread fragments grow faster than anything else counted. */
const mostSelections = 20_000;

/**
 * Visits every field that an operation selects, from the top, variables and directives applied, lists multiplied by
 * their sizes. `enter` hands back what its children get to see; null goes no deeper and no further. Introspection is
 * not visited. Throws COST_LIMIT_EXCEEDED for fragments that expand without end.
 */
export function walkOperation<F extends object>(
  { schema, document, operation, variables: given }: Asked,
  root: F,
  enter: (step: Step<F>) => F | null,
): void {
  const variables = withDefaults(operation, given);
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  let visited = 0;
  let over = false;

  const walk = (set: SelectionSetNode, parent: GraphQLObjectType | null, at: Level<F>): void => {
    for (const selection of set.selections) {
      if (over) return;
      visited += 1;
      if (visited > mostSelections)
        throw badInput("COST_LIMIT_EXCEEDED", "The operation expands to too many selections.");
      if (isLeftOut(selection, variables)) continue;
      if (selection.kind === Kind.FIELD) visit(selection, parent, at);
      else {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
        if (!fragment) continue;
        const named = fragment.typeCondition ? schema.getType(fragment.typeCondition.name.value) : parent;
        walk(fragment.selectionSet, isObjectType(named) ? named : parent, at);
      }
    }
  };

  const visit = (node: FieldNode, parent: GraphQLObjectType | null, { depth, times, sized, frame }: Level<F>): void => {
    const name = node.name.value;
    if (name.startsWith("__")) return;
    const field = parent?.getFields()[name];
    if (!parent || !field) {
      over =
        enter({ coordinate: null, field: null, node, args: {}, depth, weight: 0, times, below: 0, frame }) === null;
      return;
    }
    const args = argumentsOf(field, node, variables);
    const hints = hintsOf(field);
    const own = sizeOf(field, hints, args);
    const inSized = sized?.fields.includes(name) ? sized.size : 1;
    const below = times * inSized * (hints.sizedFields.length === 0 ? own : 1);
    const coordinate = `${parent.name}.${name}`;
    const next = enter({ coordinate, field, node, args, depth, weight: hints.weight, times, below, frame });
    over = next === null;
    const type = getNamedType(field.type);
    if (next === null || !node.selectionSet || !isCompositeType(type)) return;
    walk(node.selectionSet, isObjectType(type) ? type : null, {
      depth: depth + 1,
      times: below,
      sized: hints.sizedFields.length > 0 ? { fields: hints.sizedFields, size: own } : null,
      frame: next,
    });
  };

  const type = schema.getRootType(operation.operation);
  if (type) walk(operation.selectionSet, type, { depth: 1, times: 1, sized: null, frame: root });
}

/** A variable that nobody sets has the value that its declaration gives it: a price must know that one as well. */
function withDefaults({ variableDefinitions }: OperationDefinitionNode, given: Asked["variables"]): Asked["variables"] {
  const unset = (variableDefinitions ?? []).flatMap(({ variable: { name }, defaultValue }) =>
    defaultValue === undefined || given[name.value] !== undefined
      ? []
      : [[name.value, valueFromASTUntyped(defaultValue)]],
  );
  return unset.length === 0 ? given : { ...given, ...Object.fromEntries(unset) };
}

interface Level<F> {
  readonly depth: number;
  readonly times: number;
  /** The fields of a connection that are as long as its page. */
  readonly sized: { readonly fields: readonly string[]; readonly size: number } | null;
  readonly frame: F;
}

interface Hints {
  readonly weight: number;
  readonly assumedSize: number;
  readonly slicingArguments: readonly string[];
  readonly sizedFields: readonly string[];
}

const known = new WeakMap<GraphQLField<unknown, unknown>, Hints>();

/** What the schema says of a field's cost; read once. */
function hintsOf(field: GraphQLField<unknown, unknown>): Hints {
  const found = known.get(field);
  if (found) return found;
  const hints = { weight: 0, assumedSize: 1, slicingArguments: [] as string[], sizedFields: [] as string[] };
  for (const directive of field.astNode?.directives ?? []) {
    for (const { name, value } of directive.arguments ?? []) {
      if (value.kind === Kind.INT && name.value === "weight") hints.weight = Number(value.value);
      if (value.kind === Kind.INT && name.value === "assumedSize") hints.assumedSize = Number(value.value);
      if (value.kind !== Kind.LIST) continue;
      const texts = value.values.flatMap((item) => (item.kind === Kind.STRING ? [item.value] : []));
      if (name.value === "slicingArguments") hints.slicingArguments = texts;
      if (name.value === "sizedFields") hints.sizedFields = texts;
    }
  }
  known.set(field, hints);
  return hints;
}

function sizeOf(field: GraphQLField<unknown, unknown>, hints: Hints, args: Readonly<Record<string, unknown>>): number {
  for (const name of hints.slicingArguments) {
    // An explicit null means the default here, as it does in the resolvers.
    const value: unknown = args[name] ?? field.args.find((one) => one.name === name)?.defaultValue;
    if (typeof value === "number") return value;
    if (Array.isArray(value)) return value.length;
  }
  return hints.assumedSize;
}

function argumentsOf(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  try {
    return getArgumentValues(field, node, variables);
  } catch {
    // A bad argument is the executor's to report, at its own place.
    return {};
  }
}

function isLeftOut(
  selection: SelectionSetNode["selections"][number],
  variables: Readonly<Record<string, unknown>>,
): boolean {
  if (!selection.directives?.length) return false;
  const skip = getDirectiveValues(GraphQLSkipDirective, selection, variables)?.["if"] === true;
  return skip || getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.["if"] === false;
}
