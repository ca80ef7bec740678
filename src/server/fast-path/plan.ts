import {
  type DocumentNode,
  defaultFieldResolver,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLFieldResolver,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  isAbstractType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
} from "graphql";
import { type Shape, shapeOf } from "./shape.ts";

/** Values of variables as coerced. */
export type Variables = Readonly<Record<string, unknown>>;

/** One field of an answer: everything about it that does not depend on whose answer it is. */
export interface FieldPlan {
  /** The name in the answer. */
  readonly key: string;
  readonly name: string;
  readonly nodes: readonly FieldNode[];
  readonly parentType: GraphQLObjectType;
  readonly field: GraphQLField<unknown, unknown>;
  readonly type: GraphQLOutputType;
  readonly shape: Shape;
  /** Null where the value is a property of the parent, or what its method answers. */
  readonly resolve: GraphQLFieldResolver<unknown, unknown> | null;
  /** The arguments, where no variable stands in them; null: to be read for each request. */
  readonly args: Readonly<Record<string, unknown>> | null;
  /** What is asked of the field's value, by its runtime type. */
  readonly selection: (type: GraphQLObjectType) => Selection;
}

/** What is asked of one object. */
export interface Selection {
  readonly fields: readonly FieldPlan[];
  /** An answer with every key in its place and nothing in it: copies of it have the right size and order at once. */
  readonly blank: Readonly<Record<string, unknown>>;
}

/** One operation of a document, ready to run as often as wanted with variables that leave the same fields out. */
export interface Plan {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly root: Selection;
}

/**
 * Prepares a query that has been validated. `variables` decide what `@skip` and `@include` leave out: the plan is good
 * for all that agree in {@link conditionsOf} the document. Null for what is not prepared here: other operations than
 * queries, introspection, and names that are none to JavaScript.
 */
export function createPlan(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
): Plan | null {
  const type = schema.getQueryType();
  if (operation.operation !== "query" || !type || !isPlain(document)) return null;
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  }
  const compiler = new Compiler(schema, fragments, variables);
  return { schema, operation, fragments, root: compiler.selection(type, [operation.selectionSet]) };
}

/** Names of the variables that decide which fields a document asks for. */
export function conditionsOf(document: DocumentNode): readonly string[] {
  const names = new Set<string>();
  everySelection(document, ({ directives }) => {
    for (const { name, arguments: args } of directives ?? []) {
      if (name.value !== GraphQLSkipDirective.name && name.value !== GraphQLIncludeDirective.name) continue;
      for (const { value } of args ?? []) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    }
  });
  return [...names].sort();
}

const usualDirectives = new Set([GraphQLSkipDirective.name, GraphQLIncludeDirective.name]);

function isPlain(document: DocumentNode): boolean {
  let plain = true;
  everySelection(document, (selection) => {
    if (selection.directives?.some(({ name }) => !usualDirectives.has(name.value))) plain = false;
    if (selection.kind !== Kind.FIELD) return;
    const { name, alias } = selection;
    if (name.value.startsWith("__") && name.value !== "__typename") plain = false;
    if (alias?.value.startsWith("__")) plain = false;
  });
  return plain;
}

function everySelection(document: DocumentNode, visit: (selection: SelectionSetNode["selections"][number]) => void) {
  const walk = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      visit(selection);
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) walk(selection.selectionSet);
    }
  };
  for (const definition of document.definitions) if ("selectionSet" in definition) walk(definition.selectionSet);
}

class Compiler {
  readonly #schema: GraphQLSchema;
  readonly #fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly #variables: Variables;

  constructor(
    schema: GraphQLSchema,
    fragments: Readonly<Record<string, FragmentDefinitionNode>>,
    variables: Variables,
  ) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#variables = variables;
  }

  /** The fields that these selections ask of an object of this type, each once, in the order they are first named. */
  selection(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Selection {
    const grouped = new Map<string, FieldNode[]>();
    const spread = new Set<string>();
    for (const set of sets) this.#collect(type, set, grouped, spread);
    const fields = [...grouped].flatMap(([key, nodes]) => this.#field(type, key, nodes) ?? []);
    return { fields, blank: Object.fromEntries(fields.map(({ key }) => [key, null])) };
  }

  #collect(type: GraphQLObjectType, set: SelectionSetNode, into: Map<string, FieldNode[]>, spread: Set<string>): void {
    for (const selection of set.selections) {
      if (this.#isLeftOut(selection)) continue;
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value;
        const known = into.get(key);
        if (known) known.push(selection);
        else into.set(key, [selection]);
        continue;
      }
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        if (spread.has(selection.name.value)) continue;
        spread.add(selection.name.value);
      }
      const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? this.#fragments[selection.name.value] : selection;
      if (fragment && this.#applies(fragment.typeCondition?.name.value, type)) {
        this.#collect(type, fragment.selectionSet, into, spread);
      }
    }
  }

  #isLeftOut(selection: SelectionSetNode["selections"][number]): boolean {
    if (!selection.directives?.length) return false;
    const skip = getDirectiveValues(GraphQLSkipDirective, selection, this.#variables)?.["if"] === true;
    return skip || getDirectiveValues(GraphQLIncludeDirective, selection, this.#variables)?.["if"] === false;
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true;
    const named = this.#schema.getType(condition);
    return isAbstractType(named) && this.#schema.isSubType(named, type);
  }

  #field(parentType: GraphQLObjectType, key: string, nodes: readonly FieldNode[]): FieldPlan | null {
    const [node] = nodes;
    const name = node?.name.value;
    const field = name === TypeNameMetaFieldDef.name ? TypeNameMetaFieldDef : parentType.getFields()[name ?? ""];
    if (!node || !field) return null;
    const hasVariables = node.arguments?.some(({ value }) => mentionsVariable(value)) ?? false;
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    const byType = new Map<GraphQLObjectType, Selection>();
    const resolve = field.resolve ?? defaultFieldResolver;
    return {
      key,
      name: node.name.value,
      nodes,
      parentType,
      field,
      type: field.type,
      shape: shapeOf(field.type),
      resolve: resolve === defaultFieldResolver ? null : resolve,
      args: hasVariables ? null : readArguments(field, node, this.#variables),
      selection: (type) => {
        const known = byType.get(type);
        if (known) return known;
        const made = this.selection(type, sets);
        byType.set(type, made);
        return made;
      },
    };
  }
}

// What cannot be read is an error of each request, at its own place.
function readArguments(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: Variables,
): Readonly<Record<string, unknown>> | null {
  try {
    return getArgumentValues(field, node, variables);
  } catch {
    return null;
  }
}

function mentionsVariable(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === Kind.VARIABLE) return true;
  if ("values" in value && Array.isArray(value.values)) return value.values.some(mentionsVariable);
  if ("fields" in value && Array.isArray(value.fields)) {
    return value.fields.some((field: { readonly value?: unknown }) => mentionsVariable(field.value));
  }
  return false;
}
