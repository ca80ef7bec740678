import { createHash } from "node:crypto";

/** Headers of an answer by lower-case name. */
export type Headers = Readonly<Record<string, string>>;

/** What an answer says of its keeping, as a cache of one credential reads it (RFC 9111: a private cache). */
export interface Keeping {
  /** False: not to be kept at all. */
  readonly isKept: boolean;
  /** How long it need not be asked for again; null when the answer says nothing of it. */
  readonly freshMs: number | null;
}

/** Reads `Cache-Control`, `Expires`, `Age` and `Vary`. */
export function keepingOf(headers: Headers): Keeping {
  const header = (name: string) => headers[name] ?? null;
  const directives = directivesOf(header("cache-control") ?? "");
  // Our keys hold every header we choose; an answer that varies by anything else cannot be found again.
  if (directives.has("no-store") || header("vary")?.trim() === "*") return { isKept: false, freshMs: null };
  if (directives.has("no-cache")) return { isKept: true, freshMs: 0 };
  const age = Number(header("age") ?? 0) * 1000 || 0;
  const seconds = directives.get("max-age");
  if (seconds !== undefined) {
    return { isKept: true, freshMs: /^\d{1,9}$/.test(seconds) ? Math.max(0, Number(seconds) * 1000 - age) : 0 };
  }
  const expires = header("expires");
  if (expires === null) return { isKept: true, freshMs: null };
  const lifetime = Date.parse(expires) - (Date.parse(header("date") ?? "") || Date.now());
  // `Expires: 0` and whatever else is no date mean "already".
  return { isKept: true, freshMs: Number.isNaN(lifetime) ? 0 : Math.max(0, lifetime - age) };
}

function directivesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(",").map((part) => {
      const [name = "", value = ""] = part.split("=", 2);
      return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, "$1")];
    }),
  );
}

/** One text for a list of texts, from which none of them can be read. */
export function fingerprint(...parts: readonly (string | null)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}
