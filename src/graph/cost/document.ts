import {
  type ASTNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLSchema,
  isNonNullType,
  Kind,
  Lexer,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { badInput, badInputAt, badInputIn, type InputCode } from "../errors.ts";

/** Deepest nesting of brackets: what reads, checks and runs a document calls itself for each of them. */
const deepestBrackets = 256;
/** Operations in one document: each is checked together with all the fragments that it shares with others. */
const mostOperations = 32;
/** Fields of one name written out in one place. */
const mostRepeats = 100;

/**
 * Reads a document that is small enough to be looked at further. Its lines are counted because the place of each error
 * is found by counting them again. Throws TOKEN_LIMIT_EXCEEDED, BAD_USER_INPUT, or the engine's error of syntax.
 */
export function readDocument(text: string, { tokens }: { readonly tokens: number }): DocumentNode {
  const lines = 2 * tokens;
  const beyond = breakBefore(text, lines + 1);
  if (beyond !== null) {
    throw badInputIn(new Source(text), beyond, "TOKEN_LIMIT_EXCEEDED", `The document has more than ${lines} lines.`);
  }
  scan(text, tokens);
  const document = parse(text, { maxTokens: tokens });
  if (document.definitions.length > mostOperations) checkOperations(document);
  checkRepeats(document);
  return document;
}

/** Looks at each token once: the parser calls itself for what is nested, and errors quote what is named. */
function scan(text: string, tokens: number): void {
  const source = new Source(text);
  const lexer = new Lexer(source);
  let depth = 0;
  for (let count = 0; ; count++) {
    const { kind, start, end } = lexer.advance();
    if (kind === TokenKind.EOF) return;
    const refused = (code: InputCode, message: string) => badInputIn(source, start, code, message);
    if (count >= tokens) throw refused("TOKEN_LIMIT_EXCEEDED", `The document has more than ${tokens} tokens.`);
    if (opening.has(kind)) depth += 1;
    else if (closing.has(kind)) depth -= 1;
    if (depth > deepestBrackets)
      throw refused("BAD_USER_INPUT", `The document is nested deeper than ${deepestBrackets} levels.`);
    const isText = kind === TokenKind.STRING || kind === TokenKind.BLOCK_STRING;
    const most = isText ? 2 * longestValue : longestName;
    if (end - start > most) {
      throw refused("BAD_USER_INPUT", `The document holds a ${kind.toLowerCase()} of more than ${most} characters.`);
    }
  }
}

const opening: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** Where the line break before the line of this number is; null when the text has fewer lines. */
function breakBefore(text: string, number: number): number | null {
  let lines = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x0a || code === 0x0d) lines += 1;
    if (lines === number) return at;
  }
  return null;
}

function checkOperations({ definitions }: DocumentNode): void {
  const operations = definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const beyond = operations[mostOperations];
  if (beyond) {
    throw badInputAt(
      beyond,
      `The document has ${operations.length} operations; at most ${mostOperations} are allowed.`,
    );
  }
}

/** Validation compares all fields of one name in one place with each other. */
function checkRepeats({ definitions }: DocumentNode): void {
  const open = definitions.flatMap((one) => ("selectionSet" in one ? [one.selectionSet] : []));
  for (let set = open.pop(); set !== undefined; set = open.pop()) {
    const counts = new Map<string, number>();
    for (const selection of set.selections) {
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) open.push(selection.selectionSet);
      const name = selection.kind === Kind.FIELD ? (selection.alias ?? selection.name).value : "...";
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      if (count > mostRepeats && selection.kind === Kind.FIELD) {
        throw badInputAt(selection, `The document asks for "${name}" more than ${mostRepeats} times in one place.`);
      }
    }
  }
}

/**
 * Deepest nesting of selections, each fragment put where it is spread: whatever reads them calls itself for each level.
 */
const deepestNesting = 256;

/** What stands in one operation or fragment. */
interface Level {
  /** Deepest nesting of its own selections. */
  readonly depth: number;
  /** Fragments that are spread in it, and how deep. */
  readonly spreads: readonly (readonly [name: string, depth: number])[];
}

/**
 * Refuses a document whose selections are nested too deeply through its fragments, which takes no brackets. Fragments
 * that spread themselves are left to validation. Throws BAD_USER_INPUT. Calls nothing of itself.
 */
export function checkNesting(document: DocumentNode): void {
  const levels = new Map<string, Level>();
  const all: [definition: ASTNode, level: Level][] = [];
  for (const definition of document.definitions) {
    if (!("selectionSet" in definition)) continue;
    const level = levelOf(definition.selectionSet);
    if (definition.kind === Kind.FRAGMENT_DEFINITION) levels.set(definition.name.value, level);
    all.push([definition, level]);
  }
  const depths = depthsOf(levels);
  for (const [definition, level] of all) {
    if (depthOf(level, depths) > deepestNesting) {
      throw badInputAt(definition, `The document is nested deeper than ${deepestNesting} levels.`);
    }
  }
}

function levelOf(set: SelectionSetNode): Level {
  const spreads: [name: string, depth: number][] = [];
  let most = 0;
  const open: [set: SelectionSetNode, depth: number][] = [[set, 1]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [{ selections }, depth] = next;
    most = Math.max(most, depth);
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) spreads.push([selection.name.value, depth]);
      else if (selection.selectionSet) open.push([selection.selectionSet, depth + 1]);
    }
  }
  return { depth: most, spreads };
}

/** The depth of each fragment with those that it spreads: a fragment is reckoned when all of them have been. */
function depthsOf(levels: ReadonlyMap<string, Level>): ReadonlyMap<string, number> {
  const depths = new Map<string, number>();
  const entered = new Set<string>();
  const open: { readonly name: string; readonly level: Level; looked: number }[] = [];
  const push = (name: string) => {
    const level = levels.get(name);
    if (!level || entered.has(name)) return;
    entered.add(name);
    open.push({ name, level, looked: 0 });
  };
  for (const first of levels.keys()) {
    push(first);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const spread = top.level.spreads[top.looked];
      top.looked += 1;
      if (spread) push(spread[0]);
      else {
        depths.set(top.name, depthOf(top.level, depths));
        open.pop();
      }
    }
  }
  return depths;
}

function depthOf({ depth, spreads }: Level, depths: ReadonlyMap<string, number>): number {
  return spreads.reduce((most, [name, at]) => Math.max(most, at + (depths.get(name) ?? 0)), depth);
}

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
const longestName = 1024;

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
  const known = fragmentsIn(document);
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

const fragments = new WeakMap<DocumentNode, ReadonlyMap<string, FragmentDefinitionNode>>();

/** The fragments of a document by name, read once. */
export function fragmentsIn(document: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  const known = fragments.get(document);
  if (known) return known;
  const found = new Map<string, FragmentDefinitionNode>();
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) found.set(one.name.value, one);
  fragments.set(document, found);
  return found;
}
