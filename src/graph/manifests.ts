import { isMap, parseAllDocuments } from "yaml";

/** Manifests beyond this many characters are cut off whole, one by one: a page of them must stay a page. */
const mostCharacters = 262_144;

const redacted = "(redacted)";

/**
 * Kubernetes manifests fit to be shown: every `Secret` loses `data` and `stringData`, also inside lists; text that is
 * no YAML is left out, because what cannot be read cannot be redacted.
 */
export function redactManifests(manifests: readonly string[]): string[] {
  return manifests.flatMap((text) => {
    if (text.trim() === "" || text.length > mostCharacters) return [];
    const documents = parseAllDocuments(text, { logLevel: "silent", uniqueKeys: false });
    if (!Array.isArray(documents) || documents.some((document) => document.errors.length > 0)) return [];
    return documents.flatMap((document) => {
      if (document.contents === null) return [];
      redact(document.contents);
      return [document.toString({ lineWidth: 0 }).replace(/^---\n/, "")];
    });
  });
}

function redact(node: unknown): void {
  if (!isMap(node)) return;
  if (node.get("kind") === "Secret") {
    for (const key of ["data", "stringData"]) if (node.has(key)) node.set(key, redacted);
  }
  const items = node.get("items");
  if (typeof items === "object" && items !== null && "items" in items && Array.isArray(items.items)) {
    for (const item of items.items) redact(item);
  }
}
