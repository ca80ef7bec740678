import { type DocumentNode, type GraphQLError, Lexer, parse, Source, TokenKind } from "graphql";
import { badInput } from "./errors.ts";

/** Deepest nesting of brackets: what reads, checks and runs a document calls itself for each of them. */
const deepest = 256;

/**
 * Parses a document after its nesting has been counted. Throws TOKEN_LIMIT_EXCEEDED, BAD_USER_INPUT, or the engine's own
 * error of syntax, which has no code.
 */
export function readDocument(text: string, { tokens }: { readonly tokens: number }): DocumentNode {
  const lexer = new Lexer(new Source(text));
  let depth = 0;
  for (let count = 0; ; count++) {
    const { kind } = lexer.advance();
    if (kind === TokenKind.EOF) break;
    if (count >= tokens) throw tokenLimit(tokens);
    if (opening.has(kind)) depth += 1;
    else if (closing.has(kind)) depth -= 1;
    if (depth > deepest) throw badInput("BAD_USER_INPUT", `The document is nested deeper than ${deepest} levels.`);
  }
  return parse(text, { maxTokens: tokens });
}

const opening: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

function tokenLimit(tokens: number): GraphQLError {
  return badInput("TOKEN_LIMIT_EXCEEDED", `The document has more than ${tokens} tokens.`);
}
