import { unknown } from "../answers.ts";
import type { Backend, Probe } from "../backend.ts";
import type { Prices } from "../prices.ts";
import type { ZadigClient } from "./client.ts";
import type { ZadigSettings } from "./settings.ts";

/**
 * Only R1 embeds the parts of a release in its list and stores a list of builds. The generation may show only with the
 * first answer; until then the higher prices count.
 */
export function pricesOf({ projects }: ZadigSettings, { surface, generation }: ZadigClient): Prices {
  const lists = surface === "openapi" ? Math.max(1, projects.length) : 1;
  const embeds = generation() === "r1" && surface !== "openapi";
  // The list hides images whose size Zadig could not read: two calls more for each, and in a batch there may be a few.
  const images = { batch: { size: 50, calls: 5 } };
  return {
    releases: { each: lists },
    filteredReleases: { each: lists * 5, ...(embeds ? {} : { row: 2 }) },
    release: { each: surface === "openapi" ? 1 + lists : 2 },
    ...(embeds ? {} : { releaseParts: { each: 1 }, assembledBuilds: images }),
    containing: { each: lists * (embeds ? 3 : 20) },
    artifacts: { each: 1 },
    filteredArtifacts: { each: 5 },
    artifact: { each: 1 },
    byImage: images,
    byNameAndTag: { batch: { size: 50, calls: 1 } },
    byCommit: { each: 3 },
    total: { each: lists },
    ping: { each: 1 },
  };
}

const noFilter = { workflow: null, taskId: null, service: null, label: null } as const;

/** Probes the configured projects by their releases; artifacts belong to no project. */
export function probesOf(settings: ZadigSettings, client: ZadigClient, during: Backend["during"]): readonly Probe[] {
  return settings.projects.map((project) => ({
    place: "project",
    name: project,
    reads: ["RELEASES"],
    ask: async (call) => {
      const answer = await during(call).releases?.page({ ...noFilter, project }, { first: 1, after: null }, false);
      if (answer === undefined) return unknown("NOT_CONFIGURED");
      // Before 1.16 the list of a project that does not exist is as empty as any.
      const isEmpty = answer.kind === "FOUND" && answer.value.rows.length === 0;
      return isEmpty && client.learned.listsNoProjects.get() ? unknown("NOT_SEARCHABLE") : answer;
    },
  }));
}
