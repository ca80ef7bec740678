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
import { badInput, badInputAt, type InputCode } from "../errors.ts";

/** Deepest nesting of lists and objects within what a request brings beside its document. */
const deepest = 32;
/** Values in it, lists and objects counted as well: a router's longest batch of representations fits. */
const mostValues = 20_000;
/** Members of one object. */
const mostMembers = 100;
/** Longest text at all; what is longer than its type takes is refused in the words of that type. */
const longestText = 16_384;
/** Longest text that anything in the schema takes: an id. */
export const longestValue = 4096;
/** Bytes that one text may have once it is encoded as part of an address, where a letter can take nine. */
export const longestInAddress = 3072;
/** Longest name of a member, and of anything in a document. */
export const longestName = 1024;

/**
 * Refuses values that are too many, too deep, too long, or text that is not Unicode: half a character has no encoding,
 * so no address could be made of it. Looks at each value once and calls nothing of itself, however deep they are
 * nested. To be asked before anything else looks at them. Throws BAD_USER_INPUT, and COST_LIMIT_EXCEEDED where they are
 * too many.
 */
export function checkValues(value: unknown): void {
  const open: [value: unknown, depth: number][] = [[value, 0]];
  let count = 1;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [one, depth] = next;
    if (typeof one === "string") checkText(one);
    if (typeof one !== "object" || one === null) continue;
    if (depth >= deepest) throw refused(`are nested deeper than ${deepest}`);
    const inner: readonly unknown[] = Array.isArray(one) ? one : Object.values(one);
    count += inner.length;
    if (count > mostValues) throw refused(`are more than ${mostValues}`, "COST_LIMIT_EXCEEDED");
    if (!Array.isArray(one)) checkNames(Object.keys(one));
    for (const part of inner) open.push([part, depth + 1]);
  }
}

function checkNames(names: readonly string[]): void {
  if (names.length > mostMembers) throw refused(`hold an object of more than ${mostMembers} members`);
  for (const name of names) {
    if (name.length > longestName) throw refused(`hold a name of more than ${longestName} characters`);
    if (!name.isWellFormed()) throw refused("hold text that is not Unicode");
  }
}

function checkText(text: string): void {
  if (text.length > longestText) throw refused(`hold text of more than ${longestText} characters`);
  if (!text.isWellFormed()) throw refused("hold text that is not Unicode");
}

function refused(what: string, code: InputCode = "BAD_USER_INPUT") {
  return badInput(code, `The values of this request ${what}.`);
}

/** Whether a text cannot be part of an address; to be asked of text that is Unicode. */
export function isTooLongInAddress(text: string): boolean {
  // Nothing takes more than nine bytes for a UTF-16 unit.
  return 9 * text.length > longestInAddress && encodeURIComponent(text).length > longestInAddress;
}

/**
 * Errors for variables that are null where a value must be. Validation lets a nullable variable with a default stand in
 * such a place, so a caller can still send null for it: `@include(if: $x)`, an argument, a member of an input object or
 * a list. Each place is reported once, in fragments as well, whether or not it would be reached. `variables` are
 * coerced ones.
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
