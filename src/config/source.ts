import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { type Document, type ErrorCode, isCollection, LineCounter, parseDocument } from "yaml";
import type { Finding, Path, Problem } from "./problems.ts";

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
  const errors = [...document.errors, ...document.warnings];
  if (errors.length > 0) {
    return {
      problems: errors.map((error) => ({
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

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Settings after `${NAME}` and `${file:/path}` were replaced. */
export interface Substituted {
  readonly data: unknown;
  readonly findings: readonly Finding[];
  /** Whether the text at a path came, at least in part, from the environment. */
  readonly fromEnvironment: (path: Path) => boolean;
}

/** The most bytes of one secret's file: a key or a token, not a disk. */
const largestFile = 65_536;

/**
 * Replaces `${NAME}`, `${NAME:-default}` and `${file:/path}` in every text, once: what a variable or a file holds is
 * never read as YAML or as another variable. `$${` stands for `${`. As in a shell, the default also stands in for an
 * empty variable. A file gives its text without the line break at its end; it is read again whenever the configuration
 * is.
 */
export function substitute(data: unknown, environment: Environment): Substituted {
  const findings: Finding[] = [];
  const touched = new Set<string>();

  function walk(value: unknown, path: Path): unknown {
    if (typeof value === "string") return replace(value, path);
    if (Array.isArray(value)) return value.map((item: unknown, index) => walk(item, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
  }

  function replace(text: string, path: Path): string {
    return text.replace(/\$(\$?)\{([^}]*)(\}?)/g, (whole, escaped: string, inside: string, end: string) => {
      if (escaped !== "") return whole.slice(1);
      if (end !== "" && inside.startsWith("file:")) {
        touched.add(JSON.stringify(path));
        const read = readSecret(inside.slice("file:".length));
        if ("text" in read) return read.text;
        findings.push({ path, message: read.problem });
        return "";
      }
      const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(inside) ?? [];
      if (name === undefined || end === "") {
        findings.push({
          path,
          message:
            "has a ${ that names no variable: write ${NAME}, ${NAME:-default}, ${file:/path}, " +
            "or $${ for the characters",
        });
        return "";
      }
      touched.add(JSON.stringify(path));
      const found = environment[name];
      if (found !== undefined && (found !== "" || fallback === undefined)) return found;
      if (fallback !== undefined) return fallback;
      findings.push({ path, message: `needs the environment variable ${name}, which is not set` });
      return "";
    });
  }

  return {
    data: walk(data, []),
    findings,
    fromEnvironment: (path) => touched.has(JSON.stringify(path)),
  };
}

/**
 * What a secret's file holds, or what is wrong with it; the system's own words are left out, since they are not ours.
 */
function readSecret(path: string): { readonly text: string } | { readonly problem: string } {
  if (!isAbsolute(path))
    return { problem: `names the file ${path}: write its path from the root, \${file:/run/secrets/name}` };
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    const reason = code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read" : "cannot be read";
    return { problem: `needs the file ${path}, which ${reason}` };
  }
  if (bytes.length > largestFile)
    return { problem: `needs the file ${path}, which is larger than ${largestFile} bytes` };
  const text = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (text === "") return { problem: `needs the file ${path}, which is empty` };
  return { text };
}
