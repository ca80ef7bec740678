import type { Prices } from "../prices.ts";
import { parseRepository } from "./repository.ts";
import type { BkrepoSettings } from "./settings.ts";

/** Searches take one call a project; versions and files one call a package or path, images one more to learn their type. */
export function pricesOf({ repositories, capabilities }: BkrepoSettings): Prices {
  const projects = new Set(repositories.flatMap((text) => parseRepository(text)?.project ?? [])).size;
  return {
    ...(capabilities.includes("PACKAGES")
      ? {
          packages: { each: 1 },
          package: { batch: { size: 200, calls: 2 } },
          versions: { each: 1 },
          tags: { each: 2 },
          version: { each: 1 },
          tag: { each: 1 },
          latest: { each: 1 },
          latestTag: { each: 2 },
          latestBySemver: { each: 3 },
          files: { batch: { size: 200, calls: 2 } },
          byChecksum: { each: 3 },
          named: { batch: { size: 200, calls: projects } },
          search: { each: projects },
          total: { each: projects },
          floatingTags: { batch: { size: 200, calls: 2 } },
        }
      : {}),
    ...(capabilities.includes("IMAGES")
      ? { image: { each: 2 }, copies: { each: 2, batch: { size: 200, calls: projects } }, byDigest: { each: 3 } }
      : {}),
    ...(projects > 0 ? { ping: { each: 1 } } : {}),
  };
}
