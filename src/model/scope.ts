/** What a caller may be allowed to do; the graph's `@requiresScopes` names the same words. */
export const scopes = ["read", "release:manifests", "package:delete", "explain"] as const;
export type Scope = (typeof scopes)[number];

/** Reads a scope's name; null for a word that means nothing here, which tokens of other systems are full of. */
export function parseScope(text: string): Scope | null {
  return scopes.find((scope) => scope === text) ?? null;
}
