import { found, unknown } from "../answers.ts";
import type { Probe } from "../backend.ts";
import type { Prices } from "../prices.ts";
import { BkrepoClient, type BkrepoConnection, largestBatch, repositoriesIn } from "./client.ts";
import { printRepository } from "./keys.ts";
import { Repositories } from "./packages.ts";
import type { BkrepoSettings } from "./settings.ts";

/** Searches cost one call a project, versions and files one a package or path, images one more to learn their type. */
export function pricesOf(settings: BkrepoSettings): Prices {
  const { capabilities } = settings;
  const projects = new Set(repositoriesIn(settings).map(({ project }) => project)).size;
  const size = largestBatch;
  return {
    ...(capabilities.includes("PACKAGES")
      ? {
          packages: { each: 1 },
          package: { batch: { size, calls: 2 } },
          versions: { each: 1 },
          tags: { each: 2 },
          version: { each: 1 },
          tag: { each: 1 },
          latest: { each: 1 },
          latestTag: { each: 2 },
          latestBySemver: { each: 3 },
          files: { batch: { size, calls: 2 } },
          byChecksum: { each: 3 },
          named: { batch: { size, calls: projects } },
          search: { each: projects },
          total: { each: projects },
          floatingTags: { batch: { size, calls: 2 } },
        }
      : {}),
    ...(capabilities.includes("IMAGES")
      ? { image: { each: 2 }, copies: { each: 2, batch: { size, calls: projects } }, byDigest: { each: 3 } }
      : {}),
    ...(projects > 0 ? { ping: { each: 1 } } : {}),
  };
}

/** One probe for each configured repository: the right to read a repository covers its packages and images. */
export function probesOf(connection: BkrepoConnection): readonly Probe[] {
  return repositoriesIn(connection.settings).map((repository) => ({
    place: "repository",
    name: printRepository(repository),
    reads: connection.settings.capabilities,
    ask: async (call) => {
      const visibility = await new Repositories(new BkrepoClient(connection, call)).visibility.load(repository);
      const isPartial = visibility.kind === "FOUND" && visibility.value === "PARTIAL";
      return isPartial ? found(visibility, unknown("NARROW_SEARCH")) : visibility;
    },
  }));
}
