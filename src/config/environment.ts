import type { Finding, Path } from "./problems.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Settings after `${NAME}` was replaced. */
export interface Substituted {
  readonly data: unknown;
  readonly findings: readonly Finding[];
  /** Whether the text at a path came, at least in part, from the environment. */
  readonly fromEnvironment: (path: Path) => boolean;
}

/**
 * Replaces `${NAME}` and `${NAME:-default}` in every text, once: what a variable holds is never read as YAML or as
 * another variable. `$${` stands for `${`. As in a shell, the default also stands in for an empty variable.
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
      const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(inside) ?? [];
      if (name === undefined || end === "") {
        findings.push({
          path,
          message: "has a ${ that names no variable: write ${NAME}, ${NAME:-default}, or $${ for the characters",
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
