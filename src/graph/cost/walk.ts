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
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  valueFromASTUntyped,
} from "graphql";
import type { Question } from "../../backends/prices.ts";
import type { Context } from "../context.ts";
import { badInput } from "../errors.ts";
import { fragmentsIn } from "./document.ts";

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
  /** The first of the nodes that ask for it: all that ask under one name ask for the same. */
  readonly node: FieldNode;
  readonly args: Readonly<Record<string, unknown>>;
  /** 1 for the fields of the root. */
  readonly depth: number;
  /** What `@cost` says, once for each entry of a list argument; 0 where it says nothing. */
  readonly weight: number;
  /** Parents there will be, by what `@listSize` says of every list above. */
  readonly times: number;
  /** Children there will be, all together. */
  readonly below: number;
  readonly frame: F;
}

/**
 * Selections looked at, for each that the document has: a fragment may stand in that many places. Fragments within
 * fragments would otherwise grow faster than anything else that is counted.
 */
const mostRepeats = 10;
/** A document that is smaller may still expand to so many selections. */
const leastSelections = 2000;

/** Selections of an operation with every fragment in its place, merged or not. */
const mostExpanded = 20_000;

function expandsTooFar() {
  return badInput("COST_LIMIT_EXCEEDED", "The operation expands to too many selections.");
}

/**
 * Visits every field that an operation selects, from the top, variables and directives applied, lists multiplied by
 * their sizes, introspection included. Fields of one name in one place are one field, as they are in the answer.
 * `enter` returns what the field's children get to see; null ends the walk. Returns the number of selections looked at.
 * Throws COST_LIMIT_EXCEEDED for fragments that expand without end.
 */
export function walkOperation<F extends object>(asked: Asked, root: F, enter: (step: Step<F>) => F | null): number {
  return new OperationWalk(asked, enter).run(asked.operation, root);
}

class OperationWalk<F extends object> {
  readonly #schema: GraphQLSchema;
  readonly #variables: Readonly<Record<string, unknown>>;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #most: number;
  readonly #enter: (step: Step<F>) => F | null;
  #visited = 0;
  #isEnded = false;

  constructor({ schema, document, operation, variables }: Asked, enter: (step: Step<F>) => F | null) {
    this.#schema = schema;
    this.#variables = withDefaults(operation, variables);
    this.#most = mostVisits(document);
    this.#enter = enter;
    this.#fragments = fragmentsIn(document);
  }

  run(operation: Asked["operation"], frame: F): number {
    const type = this.#schema.getRootType(operation.operation);
    if (type) this.#walk([operation.selectionSet], type, { depth: 1, times: 1, sized: null, frame });
    return this.#visited;
  }

  #walk(sets: readonly SelectionSetNode[], parent: GraphQLObjectType | null, at: Level<F>): void {
    const collected: Collected = { fields: new Map(), spread: new Set() };
    for (const set of sets) this.#collect(set, parent, collected);
    for (const { parent: own, nodes } of collected.fields.values()) {
      if (this.#isEnded) return;
      this.#visit(nodes, own, at);
    }
  }

  /** Adds the fields of a selection to those of its place; a fragment counts once there, however often it is spread. */
  #collect(set: SelectionSetNode, parent: GraphQLObjectType | null, into: Collected): void {
    for (const selection of set.selections) {
      this.#visited += 1;
      if (this.#visited > this.#most) throw expandsTooFar();
      if (isLeftOut(selection, this.#variables)) continue;
      const of = parent?.name ?? "";
      if (selection.kind === Kind.FIELD) {
        const key = `${of}.${(selection.alias ?? selection.name).value}`;
        const known = into.fields.get(key);
        if (known) known.nodes.push(selection);
        else into.fields.set(key, { parent, nodes: [selection] });
        continue;
      }
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const key = `${of}.${selection.name.value}`;
        if (into.spread.has(key)) continue;
        into.spread.add(key);
      }
      const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value);
      if (!fragment) continue;
      const named = fragment.typeCondition ? this.#schema.getType(fragment.typeCondition.name.value) : parent;
      this.#collect(fragment.selectionSet, isObjectType(named) ? named : parent, into);
    }
  }

  #visit(nodes: readonly FieldNode[], parent: GraphQLObjectType | null, level: Level<F>): void {
    const [node] = nodes;
    if (!node) return;
    const { depth, times, sized, frame } = level;
    const name = node.name.value;
    const field = fieldOf(this.#schema, parent, name);
    if (!parent || !field) {
      const step = { coordinate: null, field, node, args: {}, depth, weight: 0, times, below: 0, frame };
      this.#isEnded = this.#enter(step) === null;
      return;
    }
    const args = argumentsOf(field, node, this.#variables);
    const hints = hintsOf(field);
    const { size: own, isListed } = sizeOf(field, hints, args);
    const inSized = sized?.fields.includes(name) ? sized.size : 1;
    const below = times * inSized * (hints.sizedFields.length === 0 ? own : 1);
    const coordinate = `${parent.name}.${name}`;
    const weight = hints.weight * (isListed ? Math.max(1, own) : 1);
    const next = this.#enter({ coordinate, field, node, args, depth, weight, times, below, frame });
    this.#isEnded = next === null;
    const type = getNamedType(field.type);
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    if (next === null || sets.length === 0 || !isCompositeType(type)) return;
    this.#walk(sets, isObjectType(type) ? type : null, {
      depth: depth + 1,
      times: below,
      sized: hints.sizedFields.length > 0 ? { fields: hints.sizedFields, size: own } : null,
      frame: next,
    });
  }
}

/** The fields of one place by type and name in the answer, and the fragments that were looked into for them. */
interface Collected {
  readonly fields: Map<string, { readonly parent: GraphQLObjectType | null; readonly nodes: FieldNode[] }>;
  readonly spread: Set<string>;
}

function fieldOf(
  schema: GraphQLSchema,
  parent: GraphQLObjectType | null,
  name: string,
): GraphQLField<unknown, unknown> | null {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  if (parent !== null && parent === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return parent?.getFields()[name] ?? null;
}

const visitLimits = new WeakMap<DocumentNode, number>();

/**
 * Selections that a walk may look at in a document, read once. Throws COST_LIMIT_EXCEEDED for one that expands without
 * end.
 */
function mostVisits(document: DocumentNode): number {
  const known = visitLimits.get(document);
  if (known !== undefined) return known;
  const fragments = fragmentsIn(document);
  const expansions = new Map<string, number>();
  let selections = 0;

  const expandedIn = (set: SelectionSetNode): number => {
    let expanded = 0;
    for (const one of set.selections) {
      selections += 1;
      expanded += 1;
      if (one.kind === Kind.FRAGMENT_SPREAD) expanded += expansionOf(one.name.value);
      else if (one.selectionSet) expanded += expandedIn(one.selectionSet);
    }
    return expanded;
  };
  const expansionOf = (name: string): number => {
    const found = expansions.get(name);
    const fragment = fragments.get(name);
    if (found !== undefined || !fragment) return found ?? 0;
    // One that spreads itself would have no end; validation says so in its own words.
    expansions.set(name, Number.POSITIVE_INFINITY);
    const expanded = expandedIn(fragment.selectionSet);
    expansions.set(name, expanded);
    return expanded;
  };

  let expanded = 0;
  for (const one of document.definitions) {
    if (one.kind === Kind.OPERATION_DEFINITION) expanded = Math.max(expanded, expandedIn(one.selectionSet));
  }
  if (expanded > mostExpanded) throw expandsTooFar();
  const most = Math.max(leastSelections, mostRepeats * selections);
  visitLimits.set(document, most);
  return most;
}

/** A variable that is not set has the value that its declaration gives it: a price must know that one as well. */
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

/** Lengths of the lists in answers about the schema, on average of what ours has; types within types end soon. */
const introspectionSizes: Readonly<Record<string, number>> = {
  types: 90,
  fields: 5,
  inputFields: 0.5,
  args: 0.3,
  enumValues: 1.5,
  possibleTypes: 0.2,
  interfaces: 0.2,
  directives: 10,
  locations: 3,
  ofType: 0.5,
};

/** What the schema says of a field's cost; read once. */
function hintsOf(field: GraphQLField<unknown, unknown>): Hints {
  const found = known.get(field);
  if (found) return found;
  // No document declares the fields of `__Schema`, `__Type` and their like.
  const assumedSize = field.astNode ? 1 : (introspectionSizes[field.name] ?? 1);
  const hints = { weight: 0, assumedSize, slicingArguments: [] as string[], sizedFields: [] as string[] };
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

/**
 * Objects that a field has: what its slicing argument says, entries where that is a list, else what the schema assumes.
 */
function sizeOf(field: GraphQLField<unknown, unknown>, hints: Hints, args: Readonly<Record<string, unknown>>) {
  for (const name of hints.slicingArguments) {
    // An explicit null means the default here, as it does in the resolvers.
    const value: unknown = args[name] ?? field.args.find((one) => one.name === name)?.defaultValue;
    if (typeof value === "number") return { size: value, isListed: false };
    if (Array.isArray(value)) return { size: value.length, isListed: true };
  }
  return { size: hints.assumedSize, isListed: false };
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

/** Whether @skip or @include leaves a selection out. */
export function isLeftOut(
  selection: SelectionSetNode["selections"][number],
  variables: Readonly<Record<string, unknown>>,
): boolean {
  if (!selection.directives?.length) return false;
  const skip = getDirectiveValues(GraphQLSkipDirective, selection, variables)?.["if"] === true;
  return skip || getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.["if"] === false;
}

/** What is known of the objects at one place of an operation before it runs. */
export interface Frame {
  /** Backends that they may come from. */
  readonly homes: readonly string[];
  /** The part of the objects that come from one of these. */
  readonly share: number;
  /** How many different moments they become known at: what arrives together is asked for together. */
  readonly arrivals: number;
  /** What their naming place tells already, or one of their fields has asked for. */
  readonly known: Set<string>;
  /** Whether the packages here are images; null while that is not known. */
  readonly images: boolean | null;
}

/** A place whose cost is being reckoned, and what can be asked for from there. */
export interface Place {
  readonly context: Context;
  readonly args: Readonly<Record<string, unknown>>;
  readonly frame: Frame;
  /** Parents at this place, and their children below this field. */
  readonly times: number;
  readonly below: number;
  /** Asks the homes, or the backends named, for so many keys (one for each parent when left out). */
  readonly ask: (
    question: Question,
    options?: { readonly of?: readonly string[]; readonly keys?: number },
  ) => undefined;
  /** Every backend that can be asked this; `image` only of registries that references name. */
  readonly able: (question: Question) => readonly string[];
}

/** What resolving one field asks of backends; returns what is known of the objects below it, if anything is. */
export type Demand = (place: Place) => Partial<Omit<Frame, "arrivals">> | undefined;
