import type { Prices } from "../prices.ts";
import type { SwrSettings } from "./settings.ts";

/** Software packages and image repositories are lists of their own, and both take one call a namespace. */
export function pricesOf({
  namespaces,
  capabilities,
  hasPackages,
}: SwrSettings & { readonly hasPackages: boolean }): Prices {
  const packages = hasPackages && capabilities.includes("PACKAGES") ? 1 : 0;
  const images = capabilities.includes("IMAGES") ? 1 : 0;
  const everywhere = namespaces.length * (packages + images);
  return {
    packages: { each: packages + images },
    package: { each: 1 },
    versions: { each: 1 },
    tags: { each: 1 },
    version: { each: 1 },
    tag: { each: 1 },
    latest: { each: 1 },
    latestTag: { each: 1 },
    latestBySemver: { each: 1 },
    files: { each: 1 },
    byChecksum: { each: 2 },
    named: { each: everywhere },
    search: { each: everywhere },
    // A repository of the name in each namespace, and its tags.
    ...(images ? { image: { each: 1 }, copies: { each: 2 * namespaces.length }, byDigest: { each: 2 } } : {}),
    ...(namespaces.length > 0 ? { ping: { each: 1 } } : {}),
  };
}
