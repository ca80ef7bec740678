import type { Prices } from "../prices.ts";
import { mostNamespaces } from "./places.ts";
import type { SwrSettings } from "./settings.ts";

/**
 * Software packages and image repositories are lists of their own, and both take one call a namespace. Where none is
 * named, one list holds the packages of all, and images may be looked for in as many as are looked into at most.
 */
export function pricesOf({
  namespaces,
  capabilities,
  hasPackages,
}: SwrSettings & { readonly hasPackages: boolean }): Prices {
  const packages = hasPackages && capabilities.includes("PACKAGES") ? 1 : 0;
  const images = capabilities.includes("IMAGES") ? 1 : 0;
  const finding = namespaces.length === 0 ? images : 0;
  const places = namespaces.length || mostNamespaces;
  const everywhere = finding + places * images + packages * Math.max(1, namespaces.length);
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
    ...(images ? { image: { each: 1 }, copies: { each: finding + 2 * places }, byDigest: { each: 2 } } : {}),
    ping: { each: 1 },
  };
}
