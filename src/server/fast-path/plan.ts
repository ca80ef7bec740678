import {
  type DocumentNode,
  defaultFieldResolver,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLField,
  type GraphQLFieldResolver,
  GraphQLIncludeDirective,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
} from "graphql";

/** Coerced values of variables. */
export type Variables = Readonly<Record<string, unknown>>;

/** One field of an answer: everything that does not depend on the request. */
export interface FieldPlan {
  readonly key: string;
  readonly name: string;
  readonly nodes: readonly FieldNode[];
  readonly parentType: GraphQLObjectType;
  readonly field: GraphQLField<unknown, unknown>;
  readonly type: GraphQLOutputType;
  readonly shape: Shape;
  /** Null where the value is a property of the parent, or the result of its method. */
  readonly resolve: GraphQLFieldResolver<unknown, unknown> | null;
  /** The arguments, where they contain no variable; null: to be coerced for each request. */
  readonly args: Readonly<Record<string, unknown>> | null;
  /** The selection of the field's value, by its runtime type. */
  readonly selection: (type: GraphQLObjectType) => Selection;
}

/** The fields that are selected of one object. */
export interface Selection {
  readonly fields: readonly FieldPlan[];
  /** An object with every key in order and null values: its copies have the final shape from the start. */
  readonly blank: Readonly<Record<string, unknown>>;
}

/** One query of a document, for all variables that leave out the same fields. */
export interface Plan {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly root: Selection;
}

/** The plan of an operation; null for one that only the reference executor runs. `variables` are coerced. */
export type PlanOf = (operation: OperationDefinitionNode, variables: Variables) => Plan | null;

/** Results of one document's `@skip` and `@include` directives. */
const maxPlans = 16;

/** The plans of a validated document, made when they are first needed. */
export function plansOf(schema: GraphQLSchema, document: DocumentNode): PlanOf {
  const conditions = conditionsOf(document);
  if (conditions === null) return () => null;
  const plans = new Map<string, Plan | null>();
  return (operation, variables) => {
    const key = `${operation.name?.value ?? ""} ${conditions.map((name) => String(variables[name])).join()}`;
    const known = plans.get(key);
    if (known !== undefined) return known;
    const plan = createPlan(schema, document, operation, variables);
    if (plans.size >= maxPlans) plans.clear();
    plans.set(key, plan);
    return plan;
  };
}

/** Plans a validated query, for all variables that agree in {@link conditionsOf}; null for another operation. */
export function createPlan(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
): Plan | null {
  const type = schema.getQueryType();
  if (operation.operation !== "query" || !type) return null;
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  }
  const compiler = new Compiler(schema, fragments, variables);
  return { schema, operation, fragments, root: compiler.selection(type, [operation.selectionSet]) };
}

const conditionalDirectives = new Set([GraphQLSkipDirective.name, GraphQLIncludeDirective.name]);

/** The variables that decide about fields; null for a document that has no plans, see the README. */
function conditionsOf(document: DocumentNode): readonly string[] | null {
  const names = new Set<string>();
  let isPlannable = true;
  const walk = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      for (const { name, arguments: args } of selection.directives ?? []) {
        if (!conditionalDirectives.has(name.value)) isPlannable = false;
        for (const { value } of args ?? []) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
      }
      if (selection.kind === Kind.FIELD) {
        const { name, alias } = selection;
        if (name.value.startsWith("__") && name.value !== TypeNameMetaFieldDef.name) isPlannable = false;
        if (alias?.value.startsWith("__")) isPlannable = false;
      }
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) walk(selection.selectionSet);
    }
  };
  for (const definition of document.definitions) if ("selectionSet" in definition) walk(definition.selectionSet);
  return isPlannable ? [...names].sort() : null;
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

  /** The fields of these selections for an object type, each once, in the order of their first occurrence. */
  selection(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Selection {
    const grouped = new Map<string, FieldNode[]>();
    const spread = new Set<string>();
    for (const set of sets) this.#collect(type, set, grouped, spread);
    const fields = [...grouped].flatMap(([key, nodes]) => this.#field(type, key, nodes) ?? []);
    return { fields, blank: Object.fromEntries(fields.map(({ key }) => [key, null])) };
  }

  #collect(type: GraphQLObjectType, set: SelectionSetNode, into: Map<string, FieldNode[]>, spread: Set<string>): void {
    for (const selection of set.selections) {
      if (this.#isSkipped(selection)) continue;
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

  #isSkipped(selection: SelectionSetNode["selections"][number]): boolean {
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
    const hasVariables = node.arguments?.some(({ value }) => containsVariable(value)) ?? false;
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
      args: hasVariables ? null : coerceArguments(field, node, this.#variables),
      selection: (type) => {
        const known = byType.get(type);
        if (known) return known;
        const selection = this.selection(type, sets);
        byType.set(type, selection);
        return selection;
      },
    };
  }
}

// Arguments that cannot be coerced are an error of each request, at its own place.
function coerceArguments(
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

function containsVariable(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === Kind.VARIABLE) return true;
  if ("values" in value && Array.isArray(value.values)) return value.values.some(containsVariable);
  if ("fields" in value && Array.isArray(value.fields)) {
    return value.fields.some((field: { readonly value?: unknown }) => containsVariable(field.value));
  }
  return false;
}

/** A field's type, so that completing a value needs no type checks. */
export type Shape =
  | { readonly is: "REQUIRED"; readonly of: Shape }
  | { readonly is: "LIST"; readonly of: Shape }
  | { readonly is: "LEAF"; readonly type: GraphQLLeafType }
  | { readonly is: "OBJECT"; readonly type: GraphQLObjectType }
  | { readonly is: "ABSTRACT"; readonly type: GraphQLAbstractType };

const shapes = new WeakMap<GraphQLOutputType, Shape>();

function shapeOf(type: GraphQLOutputType): Shape {
  const shape = shapes.get(type) ?? toShape(type);
  shapes.set(type, shape);
  return shape;
}

function toShape(type: GraphQLOutputType): Shape {
  if (isNonNullType(type)) return { is: "REQUIRED", of: shapeOf(type.ofType) };
  if (isListType(type)) return { is: "LIST", of: shapeOf(type.ofType) };
  if (isLeafType(type)) return { is: "LEAF", type };
  return isObjectType(type) ? { is: "OBJECT", type } : { is: "ABSTRACT", type };
}
