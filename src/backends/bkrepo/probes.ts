import { found, unknown } from "../answers.ts";
import type { Probe } from "../backend.ts";
import { parseRepository } from "./repository.ts";
import { sightReader } from "./sight.ts";
import type { View } from "./view.ts";

/** One probe for each configured repository: packages and images are read by the same right. */
export function probesOf(opened: Omit<View, "call">): readonly Probe[] {
  const { capabilities, repositories } = opened.settings;
  return repositories.flatMap((name): Probe | [] => {
    const repository = parseRepository(name);
    if (repository === null) return [];
    return {
      place: "repository",
      name,
      reads: capabilities,
      ask: async (call) => {
        const sight = await sightReader({ ...opened, call }).sight.load(repository);
        return sight.kind === "FOUND" && sight.value === "NARROW" ? found(sight, unknown("NARROW_SEARCH")) : sight;
      },
    };
  });
}
