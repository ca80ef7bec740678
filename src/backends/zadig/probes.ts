import type { Call } from "../../upstream/call.ts";
import { unknown } from "../answers.ts";
import type { Probe, Readers } from "../backend.ts";
import type { Memory } from "./memory.ts";
import type { ZadigSettings } from "./settings.ts";

const noFilter = { workflow: null, taskId: null, service: null, label: null } as const;

/** The configured projects by their releases; artifacts belong to no project. */
export function probesOf(
  { projects }: ZadigSettings,
  memory: Memory,
  during: (call: Call) => Readers,
): readonly Probe[] {
  return projects.map((project) => ({
    place: "project",
    name: project,
    reads: ["RELEASES"],
    ask: async (call) => {
      const page = during(call).releases?.page({ ...noFilter, project }, { first: 1, after: null }, false);
      const answer = await page;
      if (answer === undefined) return unknown("NOT_CONFIGURED");
      // Before 1.16 the list of a project that is not there is as empty as any.
      const isEmpty = answer.kind === "FOUND" && answer.value.rows.length === 0;
      return isEmpty && memory.listsNoProjects.get() ? unknown("NOT_SEARCHABLE") : answer;
    },
  }));
}
