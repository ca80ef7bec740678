import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLError,
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
} from "graphql";
import { checkedFirst } from "./connection.ts";
import { badInput } from "./errors.ts";

/** What one operation may ask for; see `limits` in the configuration. */
export interface Limits {
  readonly depth: number;
  /** In upstream calls, were nothing shared or batched. */
  readonly cost: number;
  readonly aliases: number;
}

/** What an operation asks for, before it runs. */
export interface Measure {
  readonly depth: number;
  readonly cost: number;
  readonly aliases: number;
}

/** An operation as it is about to run. */
export interface Asked {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Selections looked at, fragments expanded: fragments that spread fragments grow faster than anything else counted. */
const mostSelections = 20_000;

/**
 * Refuses an operation that asks for too much, or for a page no list gives, before anything is asked upstream. Throws
 * DEPTH_LIMIT_EXCEEDED, COST_LIMIT_EXCEEDED or BAD_USER_INPUT. Introspection costs nothing and is not measured.
 */
export function checkLimits(asked: Asked, limits: Limits): void {
  const measured = measure(asked, limits);
  const refuse = (
    code: "DEPTH_LIMIT_EXCEEDED" | "COST_LIMIT_EXCEEDED" | "BAD_USER_INPUT",
    what: string,
    is: number,
    most: number,
  ): GraphQLError => badInput(code, `The operation has ${what} of ${is}; at most ${most} is allowed.`);
  if (measured.depth > limits.depth) throw refuse("DEPTH_LIMIT_EXCEEDED", "a depth", measured.depth, limits.depth);
  if (measured.aliases > limits.aliases)
    throw refuse("COST_LIMIT_EXCEEDED", "a number of aliases", measured.aliases, limits.aliases);
  if (measured.cost > limits.cost) throw refuse("COST_LIMIT_EXCEEDED", "an estimated cost", measured.cost, limits.cost);
}

/**
 * Depth, aliases and cost of an operation. Cost is what `@cost` and `@listSize` in the schema say, multiplied along
 * the selection. Stops counting beyond the limits, so that nested fragments cannot make the measuring itself dear.
 */
export function measure({ schema, document, operation, variables }: Asked, limits: Limits): Measure {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  let visited = 0;
  const sum = { depth: 0, cost: 0, aliases: 0 };
  const root = schema.getRootType(operation.operation);

  const walk = (
    set: SelectionSetNode,
    parent: GraphQLObjectType | null,
    depth: number,
    times: number,
    sized: Sized | null,
  ): void => {
    if (sum.depth > limits.depth || sum.cost > limits.cost || sum.aliases > limits.aliases) return;
    for (const selection of set.selections) {
      visited += 1;
      if (visited > mostSelections)
        throw badInput("COST_LIMIT_EXCEEDED", "The operation expands to too many selections.");
      if (isLeftOut(selection, variables)) continue;
      if (selection.kind === Kind.FIELD) visit(selection, parent, depth, times, sized);
      else {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
        if (!fragment) continue;
        const named = fragment.typeCondition ? schema.getType(fragment.typeCondition.name.value) : parent;
        walk(fragment.selectionSet, isObjectType(named) ? named : parent, depth, times, sized);
      }
    }
  };

  const visit = (
    node: FieldNode,
    parent: GraphQLObjectType | null,
    depth: number,
    times: number,
    sized: Sized | null,
  ): void => {
    if (node.name.value.startsWith("__")) return;
    if (node.alias) sum.aliases += 1;
    sum.depth = Math.max(sum.depth, depth);
    const field = parent?.getFields()[node.name.value];
    if (!field) return;
    const args = argumentsOf(field, node, variables);
    if (field.args.some(({ name }) => name === "first")) checkedFirst(numberIn(args["first"]));
    const hints = hintsOf(field);
    sum.cost += hints.weight * times;
    const own = sizeOf(field, hints, args);
    const inSized = sized?.fields.includes(node.name.value) ? sized.size : 1;
    const below = times * inSized * (hints.sizedFields.length === 0 ? own : 1);
    const type = getNamedType(field.type);
    if (!node.selectionSet || !isCompositeType(type)) return;
    const next = hints.sizedFields.length > 0 ? { fields: hints.sizedFields, size: own } : null;
    walk(node.selectionSet, isObjectType(type) ? type : null, depth + 1, below, next);
  };

  if (root) walk(operation.selectionSet, root, 1, 1, null);
  return sum;
}

interface Sized {
  readonly fields: readonly string[];
  readonly size: number;
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

function numberIn(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function isLeftOut(
  selection: SelectionSetNode["selections"][number],
  variables: Readonly<Record<string, unknown>>,
): boolean {
  if (!selection.directives?.length) return false;
  const skip = getDirectiveValues(GraphQLSkipDirective, selection, variables)?.["if"] === true;
  return skip || getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.["if"] === false;
}
