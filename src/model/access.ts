/** What a caller may be allowed to do; the graph's `@requiresScopes` names the same words. */
export const scopes = ["read", "release:manifests", "package:delete", "explain"] as const;
export type Scope = (typeof scopes)[number];

/** Reads a scope's name; null for a word that means nothing here, which tokens of other systems are full of. */
export function parseScope(text: string): Scope | null {
  return scopes.find((scope) => scope === text) ?? null;
}

/** Which callers a rule speaks of. Keys are meant by their configured names. */
export type Who =
  | "anyone"
  | { readonly keys: readonly string[] }
  | { readonly claim: string; readonly values: readonly string[] };

/** What a rule lets be seen: globs, in which `*` stands for anything but a slash and `**` for anything at all. */
export interface Allowed {
  /** Configured names of backends; null means all of them. */
  readonly backends: readonly string[] | null;
  // What these lists name is declared by each kind of backend (`AccessTraits`).
  readonly projects: readonly string[];
  readonly repositories: readonly string[];
  readonly namespaces: readonly string[];
  /** Groups, each with everything below it. */
  readonly groups: readonly string[];
}

/** One entry under `access:`. */
export interface AccessRule {
  readonly who: Who;
  readonly allow: Allowed;
}

/** What is known of a caller when rules are looked up. */
export interface Subject {
  readonly key: string | null;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * What a caller may see: all that the rules about them allow, together. Null means that nothing is restricted, because
 * there are no rules; where there are some, a caller whom none of them means may see nothing.
 */
export function allowedTo(subject: Subject, rules: readonly AccessRule[]): readonly Allowed[] | null {
  return rules.length === 0 ? null : rules.filter(({ who }) => isMeant(subject, who)).map(({ allow }) => allow);
}

function isMeant({ key, claims }: Subject, who: Who): boolean {
  if (who === "anyone") return true;
  if ("keys" in who) return key !== null && who.keys.includes(key);
  const claim = Object.hasOwn(claims, who.claim) ? claims[who.claim] : null;
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return values.some((value) => typeof value === "string" && who.values.includes(value));
}

const longestPath = 4096;

/** Whether a name or path fits a glob. Case counts; a path that is not in its plain form fits nothing. */
export function fits(glob: string, path: string): boolean {
  if (path === "" || path.length > longestPath) return false;
  if (path.split("/").some((part) => part === "" || part === "." || part === "..")) return false;
  return matches(partsOf(glob), path);
}

/** What a glob is made of: text to stand as it is, `*` for anything but a slash, `**` for anything. */
type Part = { readonly text: string } | { readonly any: "SEGMENT" | "PATH" };

const globs = new Map<string, readonly Part[]>();

// Globs come from the configuration only, so there are few of them.
function partsOf(glob: string): readonly Part[] {
  const known = globs.get(glob);
  if (known) return known;
  const parts = glob
    .split(/(\*+)/)
    .filter((part) => part !== "")
    .map((part): Part => (part.startsWith("*") ? { any: part === "*" ? "SEGMENT" : "PATH" } : { text: part }));
  globs.set(glob, parts);
  return parts;
}

/**
 * Follows all readings of a path at once: the offsets that have been reached, part after part. The work is the number
 * of parts times the length of the path, however many stars there are; a pattern with as many would try each with each.
 */
function matches(parts: readonly Part[], path: string): boolean {
  let offsets = new Set([0]);
  for (const part of parts) {
    const next = new Set<number>();
    if ("text" in part) {
      for (const at of offsets) if (path.startsWith(part.text, at)) next.add(at + part.text.length);
    } else {
      // In order: what the stretch from one offset has passed, no later offset passes again.
      let reached = -1;
      for (const at of [...offsets].sort((one, other) => one - other)) {
        if (at <= reached) continue;
        for (let end = at; end <= path.length; end++) {
          next.add(end);
          reached = end;
          if (part.any === "SEGMENT" && path[end] === "/") break;
        }
      }
    }
    offsets = next;
    if (offsets.size === 0) return false;
  }
  return offsets.has(path.length);
}

/** The path and every path above it, the shortest first: `a`, `a/b`, `a/b/c`. */
export function pathPrefixes(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
