import { type DocumentNode, type GraphQLError, Kind, Lexer, parse, Source, TokenKind } from "graphql";
import { badInput } from "./errors.ts";
import { longestName, longestValue } from "./values.ts";

/** Deepest nesting of brackets: what reads, checks and runs a document calls itself for each of them. */
const deepest = 256;
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
  if (hasMoreLines(text, lines)) {
    throw badInput("TOKEN_LIMIT_EXCEEDED", `The document has more than ${lines} lines.`);
  }
  scan(text, tokens);
  const document = parse(text, { maxTokens: tokens });
  if (document.definitions.length > mostOperations) checkOperations(document);
  checkRepeats(document);
  return document;
}

/** Looks at each token once: the parser calls itself for what is nested, and errors quote what is named. */
function scan(text: string, tokens: number): void {
  const lexer = new Lexer(new Source(text));
  let depth = 0;
  for (let count = 0; ; count++) {
    const { kind, start, end } = lexer.advance();
    if (kind === TokenKind.EOF) return;
    if (count >= tokens) throw tokenLimit(tokens);
    if (opening.has(kind)) depth += 1;
    else if (closing.has(kind)) depth -= 1;
    if (depth > deepest) throw badInput("BAD_USER_INPUT", `The document is nested deeper than ${deepest} levels.`);
    const isText = kind === TokenKind.STRING || kind === TokenKind.BLOCK_STRING;
    const most = isText ? 2 * longestValue : longestName;
    if (end - start > most) {
      throw badInput("BAD_USER_INPUT", `The document holds a ${kind.toLowerCase()} of more than ${most} characters.`);
    }
  }
}

const opening: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

function hasMoreLines(text: string, most: number): boolean {
  let lines = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x0a || code === 0x0d) lines += 1;
    if (lines > most) return true;
  }
  return false;
}

function checkOperations({ definitions }: DocumentNode): void {
  const operations = definitions.filter(({ kind }) => kind === "OperationDefinition").length;
  if (operations > mostOperations) {
    throw badInput(
      "BAD_USER_INPUT",
      `The document has ${operations} operations; at most ${mostOperations} are allowed.`,
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
        throw badInput(
          "BAD_USER_INPUT",
          `The document asks for "${name}" more than ${mostRepeats} times in one place.`,
        );
      }
    }
  }
}

/** What a document of too many tokens is refused with. */
function tokenLimit(tokens: number): GraphQLError {
  return badInput("TOKEN_LIMIT_EXCEEDED", `The document has more than ${tokens} tokens.`);
}
