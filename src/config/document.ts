import { type Document, type ErrorCode, isCollection, LineCounter, parseDocument } from "yaml";
import type { Path, Problem } from "./problems.ts";

/** A YAML text that was read. */
export interface ConfigDocument {
  /** Maps, lists and scalars; nothing in it is trusted yet. */
  readonly data: unknown;
  /** One-based line of the value at a path, or of the nearest thing around it. */
  readonly lineOf: (path: Path) => number | null;
}

// The parser's own messages quote the text around the fault, and that text may be a password.
const faults: Partial<Record<ErrorCode, string>> = {
  BAD_INDENT: "is not indented as YAML wants it",
  BLOCK_AS_IMPLICIT_KEY: "has a nested map on the line of its key",
  DUPLICATE_KEY: "has a key twice",
  MISSING_CHAR: "misses a closing quote, bracket or comma",
  MULTIPLE_DOCS: "holds more than one YAML document",
  TAB_AS_INDENT: "is indented with tabs: YAML takes spaces only",
  TAG_RESOLVE_FAILED: "has a YAML tag that is not known",
  BAD_ALIAS: "has an alias of something that was never named",
  UNEXPECTED_TOKEN: "has something that YAML does not expect here",
};

/** Reads YAML, or says on which lines it is none. */
export function readDocument(text: string): ConfigDocument | { readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    return {
      problems: broken.map((error) => ({
        path: "",
        message: faults[error.code] ?? "is not valid YAML",
        line: lines.linePos(error.pos[0]).line,
      })),
    };
  }
  try {
    return { data: document.toJS(), lineOf: (path) => lineOf(document, path, lines) };
  } catch {
    // Aliases that unfold without end, or that were never named.
    return { problems: [{ path: "", message: "has aliases that cannot be unfolded", line: null }] };
  }
}

function lineOf(document: Document.Parsed, path: Path, lines: LineCounter): number | null {
  for (let length = path.length; length > 0; length--) {
    const node = isCollection(document.contents) ? document.getIn(path.slice(0, length), true) : null;
    const range = typeof node === "object" && node !== null && "range" in node ? node.range : null;
    if (Array.isArray(range) && typeof range[0] === "number") return lines.linePos(range[0]).line;
  }
  return null;
}
