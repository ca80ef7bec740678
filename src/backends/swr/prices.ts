import type { Call } from "../../upstream/operation.ts";
import { unknown } from "../answers.ts";
import type { Probe, Readers } from "../backend.ts";
import type { Prices } from "../prices.ts";
import { isUnpublished } from "./dialect.ts";
import type { SwrSettings } from "./settings.ts";

/** The most namespaces that searches look into where none is configured: each of them costs a call or more. */
export const mostNamespaces = 20;

/**
 * Software packages and image repositories are two lists, and both take one call a namespace. Where none is configured,
 * one list has the packages of all, and images may be looked for in as many as are searched at most.
 */
export function pricesOf({ namespaces, capabilities }: SwrSettings, hasPackages: boolean): Prices {
  const packages = hasPackages && capabilities.includes("PACKAGES") ? 1 : 0;
  const images = capabilities.includes("IMAGES") ? 1 : 0;
  const finding = namespaces.length === 0 ? images : 0;
  const searched = namespaces.length || mostNamespaces;
  const everywhere = finding + searched * images + packages * Math.max(1, namespaces.length);
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
    ...(images ? { image: { each: 1 }, copies: { each: finding + 2 * searched }, byDigest: { each: 2 } } : {}),
    ping: { each: 1 },
  };
}

/** The format whose list shows whether a capability works. */
const formats = { PACKAGES: "GENERIC", IMAGES: "DOCKER" } as const;

/** One probe for each configured namespace and capability: software packages and images are two lists. */
export function probesOf({ namespaces, capabilities }: SwrSettings, during: (call: Call) => Readers): readonly Probe[] {
  return namespaces.flatMap((name) =>
    capabilities.map((capability): Probe => {
      const filter = { name: null, match: "EXACT", format: formats[capability] } as const;
      return {
        place: "namespace",
        name,
        reads: [capability],
        ask: async (call) => {
          try {
            const scope = { repository: name, group: null };
            const page = during(call).packages?.page(scope, filter, { first: 1, after: null });
            return (await page) ?? unknown("NOT_CONFIGURED");
          } catch (error) {
            // Most regions have no package API, and the configuration need not say so.
            if (isUnpublished(error)) return unknown("NOT_SEARCHABLE");
            throw error;
          }
        },
      };
    }),
  );
}
