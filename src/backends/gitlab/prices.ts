import type { Prices } from "../prices.ts";
import type { GitlabSettings } from "./settings.ts";

/**
 * Terraform modules are in a list of their own, so whatever looks for packages looks twice. The list of an image's tags
 * tells neither digest nor date: they cost one call a tag.
 */
export function pricesOf({ groups, projects, capabilities }: GitlabSettings): Prices {
  const places = groups.length + projects.length;
  return {
    ...(capabilities.includes("PACKAGES")
      ? {
          packages: { each: 2 },
          package: { each: 1 },
          versions: { each: 1 },
          version: { each: 1 },
          latest: { each: 1 },
          latestBySemver: { each: 3 },
          files: { each: 1 },
          named: { batch: { size: 20, calls: 2 * places } },
          search: { each: 2 * places },
          total: { each: 2 },
        }
      : {}),
    ...(capabilities.includes("IMAGES")
      ? {
          // A path may be a repository of any project on it.
          image: { each: 3 },
          tags: { each: 2, row: 1 },
          tag: { each: 2 },
          latestTag: { each: 20 },
          copies: { each: 3 * places },
          byDigest: { each: 20 },
        }
      : {}),
    commit: { each: 2 },
    mergeRequests: { each: 1 },
    publishedFrom: { each: 4 },
    ping: { each: 1 },
  };
}
