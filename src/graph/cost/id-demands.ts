import type { Question } from "../../backends/prices.ts";
import { coordinatesOf, type NodeCoordinates } from "../identity/ids.ts";
import type { Demand } from "./place.ts";

/** Reads the things behind ids, each with the one backend its id names. */
export const nodes: Demand = ({ args, ask }) => {
  const found = idsIn(args).flatMap((id) => coordinatesIn(id) ?? []);
  const homes = new Set<string>();
  for (const node of found) {
    const [question, home] = readingOf(node);
    homes.add(home);
    ask(question, { of: [home], keys: 1 });
  }
  return { homes: [...homes], known: new Set(["parts", "records"]) };
};

/** A text inside an argument; null when it is not there, or is none. */
export function textIn(input: unknown, name: string): string | null {
  if (typeof input !== "object" || input === null) return null;
  const value: unknown = Object.getOwnPropertyDescriptor(input, name)?.value;
  return typeof value === "string" ? value : null;
}

/** The ids in the arguments `id`, `ids` and `representations`, whichever the field has. */
function idsIn({ id, ids, representations }: Readonly<Record<string, unknown>>): readonly string[] {
  const all = [id, ...(Array.isArray(ids) ? ids : [])];
  const told = Array.isArray(representations) ? representations.map((one: unknown) => textIn(one, "id")) : [];
  return [...all, ...told].flatMap((one) => (typeof one === "string" ? [one] : []));
}

function coordinatesIn(id: string): NodeCoordinates | null {
  try {
    return coordinatesOf(id);
  } catch {
    // A bad id is refused in its own place, and asks nobody.
    return null;
  }
}

function readingOf(node: NodeCoordinates): readonly [Question, string] {
  switch (node.type) {
    case "Release":
      return ["release", node.ref.backend];
    case "BuildInfo":
      return ["release" in node.ref ? "release" : "artifact", node.ref.backend];
    case "Package":
      return ["package", node.ref.backend];
    case "Version":
      return ["version", node.ref.package.backend];
    case "Artifact": {
      const { coordinate } = node;
      if (coordinate.by === "file") return ["files", coordinate.version.package.backend];
      if (coordinate.by === "zadig") return ["artifact", coordinate.ref.backend];
      return ["byImage", coordinate.by === "image" ? (coordinate.zadig ?? "") : ""];
    }
  }
}
