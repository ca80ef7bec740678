import type { Call } from "../../upstream/call.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, found, unknown } from "../answers.ts";
import { single } from "../batch.ts";
import type { ZadigClient } from "./client.ts";
import type { Memory } from "./memory.ts";
import { listProjects } from "./operations.ts";

const pageSize = 200;
const mostPages = 10;

/** Whether a project is there, of which nothing was found. */
export interface ProjectCheck {
  /** Notes that a row of the project came. */
  readonly seen: (project: string) => void;
  /** `whenThere` where the project is there, or where this Zadig cannot say (before 1.16); else what is known of it. */
  readonly emptied: <T>(project: string, whenThere: Answer<T>) => Promise<Answer<T>>;
}

/** One request's view; equal questions are one call, and none where the request has seen a row of the project. */
export function createProjectCheck(client: ZadigClient, memory: Memory, call: Call): ProjectCheck {
  const known = new Set<string>();
  const { name: backend } = client.upstream;
  const listed = single<"all", Answer<ReadonlySet<string>>>((which) => which, readAll, {
    call,
    backend,
    operation: listProjects.name,
  });

  async function readAll(): Promise<Answer<ReadonlySet<string>>> {
    const keys = new Set<string>();
    let isWhole = true;
    for (let page = 1; page <= mostPages; page++) {
      const { slots, dropped, total } = (await client.listProjects(page, pageSize, call)).value;
      for (const row of slots) if (row) keys.add(row.project_key);
      isWhole &&= dropped.length === 0;
      const goesOn = slots.length > 0 && (total === null ? slots.length >= pageSize : page * pageSize < total);
      if (!goesOn) return found(keys, isWhole && (total === null || keys.size >= total) ? null : unknown("LOST_ROWS"));
    }
    return found(keys, unknown("UNREAD"));
  }

  return {
    seen: (project) => known.add(project),
    emptied: async (project, whenThere) => {
      if (known.has(project) || memory.listsNoProjects.get()) return whenThere;
      try {
        const all = await listed.load("all");
        if (all.kind !== "FOUND") return all;
        if (all.value.has(project)) return whenThere;
        return all.gap ?? absent(listProjects, "WHOLE_LIST");
      } catch (error) {
        if (!(error instanceof UpstreamError && error.failure === "REJECTED")) throw error;
        memory.listsNoProjects.set(true);
        return whenThere;
      }
    },
  };
}
