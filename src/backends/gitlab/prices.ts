import type { Probe } from "../backend.ts";
import type { Prices } from "../prices.ts";
import type { GitlabClient } from "./client.ts";
import { ImageRegistry } from "./images.ts";
import { PackageRegistry } from "./packages.ts";
import type { GitlabSettings, Scope } from "./settings.ts";

/**
 * What each question costs. Terraform modules are in a list of their own, so every search for packages reads two lists.
 * The list of an image's tags holds neither digest nor date: they cost one call a tag.
 */
export function pricesOf({ groups, projects, capabilities }: GitlabSettings): Prices {
  const scopeCount = groups.length + projects.length;
  const packages: Prices = {
    packages: { each: 2 },
    package: { each: 1 },
    versions: { each: 1 },
    version: { each: 1 },
    latest: { each: 1 },
    latestBySemver: { each: 3 },
    files: { each: 1 },
    named: { batch: { size: 20, calls: 2 * scopeCount } },
    search: { each: 2 * scopeCount },
    total: { each: 2 },
  };
  const images: Prices = {
    // A path may be a repository of any project on it.
    image: { each: 3 },
    tags: { each: 2, row: 1 },
    tag: { each: 2 },
    latestTag: { each: 20 },
    copies: { each: 3 * scopeCount },
    byDigest: { each: 20 },
  };
  return {
    ...(capabilities.includes("PACKAGES") ? packages : {}),
    ...(capabilities.includes("IMAGES") ? images : {}),
    commit: { each: 2 },
    mergeRequests: { each: 1 },
    publishedFrom: { each: 4 },
    ping: { each: 1 },
  };
}

const registries = { PACKAGES: PackageRegistry, IMAGES: ImageRegistry } as const;

/** One question for each configured group and project, and for each capability: each is read by rights of its own. */
export function probesOf(client: GitlabClient, settings: GitlabSettings): readonly Probe[] {
  const { groups, projects, capabilities } = settings;
  const scopes = [
    ...groups.map((id): Scope => ({ kind: "group", id })),
    ...projects.map((id): Scope => ({ kind: "project", id })),
  ];
  const filter = { name: null, match: "EXACT", format: null } as const;
  return scopes.flatMap((scope) =>
    capabilities.map((capability): Probe => {
      return {
        place: scope.kind,
        name: scope.id,
        reads: [capability],
        ask: (call) =>
          new registries[capability](client, settings, call).page(scope, filter, { first: 1, after: null }),
      };
    }),
  );
}
