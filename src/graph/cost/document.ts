import { type DocumentNode, Kind, Lexer, parse, Source, TokenKind } from "graphql";
import { badInputAt, badInputIn, type InputCode } from "../errors.ts";
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
    if (depth > deepest) throw refused("BAD_USER_INPUT", `The document is nested deeper than ${deepest} levels.`);
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
