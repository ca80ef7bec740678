import type { Prices } from "../prices.ts";
import type { Memory } from "./memory.ts";
import { surfaceOf, type ZadigSettings } from "./settings.ts";

/**
 * Only R1 embeds the parts of a release in its list and keeps a list of builds; what generation it is may show only with
 * the first answer, and until then the dearer ones are reckoned with.
 */
export function pricesOf(settings: ZadigSettings, memory: Memory): Prices {
  const surface = surfaceOf(settings);
  const generation = settings.generation === "auto" ? memory.generation.get() : settings.generation;
  const lists = surface === "openapi" ? Math.max(1, settings.projects.length) : 1;
  const embeds = generation === "r1" && surface !== "openapi";
  // The list hides images whose size Zadig could not read: two calls more for each, and in a batch there may be a few.
  const images = { batch: { size: 50, calls: 5 } };
  return {
    releases: { each: lists },
    releasesSifted: { each: lists * 5, ...(embeds ? {} : { row: 2 }) },
    release: { each: surface === "openapi" ? 1 + lists : 2 },
    ...(embeds ? {} : { releaseParts: { each: 1 }, assembledBuilds: images }),
    containing: { each: lists * (embeds ? 3 : 20) },
    artifacts: { each: 1 },
    artifactsSifted: { each: 5 },
    artifact: { each: 1 },
    byImage: images,
    byNameAndTag: { batch: { size: 50, calls: 1 } },
    byCommit: { each: 3 },
    total: { each: lists },
    ping: { each: 1 },
  };
}
