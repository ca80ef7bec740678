import type { Seen } from "../../demo/server.ts";
import { backendTypes } from "../../src/backends/index.ts";
import type { BackendKind } from "../../src/model/backend.ts";
import type { Operation } from "../../src/upstream/operation.ts";

/** The declared calls of one kind that a request can have been; empty for one that nobody declared. */
export function declared(kind: BackendKind, { method, url }: Pick<Seen, "method" | "url">): readonly string[] {
  const operations = backendTypes.find((type) => type.kind === kind)?.operations ?? [];
  const [path = ""] = url.split("?");
  return operations
    .filter((operation) => operation.method === method && patternOf(operation).test(path))
    .map(({ name }) => name);
}

function patternOf({ path }: Operation): RegExp {
  const source = path
    .split(/(\{\w+\+?\})/)
    .map((part) => {
      if (/^\{\w+\}$/.test(part)) return "[^/]+";
      return /^\{\w+\+\}$/.test(part) ? "[^/]+(?:/[^/]+)*" : part.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${source}$`);
}
