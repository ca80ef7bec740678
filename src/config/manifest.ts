import { isRecord } from "../model/values.ts";

/** Known operations: their text by the id that clients send. */
export type Operations = ReadonlyMap<string, string>;

/**
 * Reads a manifest of operations: a flat map of id to text, as the Relay compiler and GraphQL Codegen's client preset
 * write it, or Apollo's `apollo-persisted-query-manifest`. What is wrong with it, as a sentence, when it is neither.
 */
export function readManifest(text: string): Operations | { readonly problem: string } {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return { problem: "is not JSON" };
  }
  if (!isRecord(data)) return { problem: "is not a map of operations" };
  const listed = "operations" in data || "format" in data ? apolloEntries(data) : Object.entries(data);
  if (listed === null) return { problem: 'is not version 1 of the "apollo-persisted-query-manifest" format' };
  const operations = new Map<string, string>();
  for (const [id, body] of listed) {
    if (typeof id !== "string" || id === "") return { problem: "has an operation without an id" };
    if (typeof body !== "string" || body.trim() === "") return { problem: `has no text for the operation ${id}` };
    const known = operations.get(id);
    if (known !== undefined && known !== body) return { problem: `has two texts for the operation ${id}` };
    operations.set(id, body);
  }
  return operations.size === 0 ? { problem: "holds no operation" } : operations;
}

function apolloEntries({
  format,
  version,
  operations,
}: Members): readonly (readonly [id: unknown, body: unknown])[] | null {
  if (format !== "apollo-persisted-query-manifest" || version !== 1 || !Array.isArray(operations)) return null;
  return operations.map((one: unknown) => (isRecord(one) ? [one["id"], one["body"]] : [null, null]));
}

type Members = Readonly<Record<string, unknown>>;
