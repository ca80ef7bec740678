import type { Page, PageRequest } from "../../model/page.ts";
import type { Release } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, firstGap, unknown } from "../answers.ts";
import type { Memory } from "./memory.ts";
import { mergedPosition, mergeWindow } from "./merge.ts";
import type { ReleaseList } from "./release-list.ts";

/** What "all projects" means: the list of all, or the lists of the configured projects merged. */
export interface ProjectLists {
  /** A window over the releases of one project, or with null of all. */
  readonly window: (
    project: string | null,
    request: PageRequest,
    read: ProjectReader<PageRequest, Page<Release>>,
  ) => Promise<Answer<Page<Release>>>;
  /** The same over these projects. */
  readonly merged: (
    projects: readonly string[],
    request: PageRequest,
    read: ProjectReader<PageRequest, Page<Release>>,
  ) => Promise<Answer<Page<Release>>>;
  /** One release in one project, or with null in any. */
  readonly anywhere: (
    project: string | null,
    read: (project: string | null) => Promise<Answer<Release>>,
  ) => Promise<Answer<Release>>;
}

type ProjectReader<R, T> = (project: string | null, request: R) => Promise<Answer<T>>;

/**
 * OpenAPI lists one project at a time. The other surfaces have a list of all, which Zadig refuses (403) to whoever is but
 * a member of projects: then the configured ones are read. The refusal is remembered for a while where the credentials are
 * the gateway's own.
 */
export function createProjectLists(
  list: ReleaseList,
  memory: Memory,
  backend: string,
  projects: readonly string[],
  forwards: boolean,
): ProjectLists {
  const isOpen = list.surface === "openapi";

  /** Reads across all projects, or, where that is refused, in those that are configured. */
  async function across<T>(all: () => Promise<T>, each: () => Promise<T>): Promise<T> {
    if (isOpen || (memory.refusesAllProjects.get() && projects.length > 0)) return each();
    try {
      return await all();
    } catch (error) {
      if (!(error instanceof UpstreamError && error.failure === "DENIED" && error.status === 403)) throw error;
      if (projects.length === 0) throw advised(error);
      if (!forwards) memory.refusesAllProjects.set(true);
      return each();
    }
  }

  function advised(error: UpstreamError): UpstreamError {
    const { operation, status, code, traceId } = error;
    const advice = "Ask for one project, or name the projects to list in the configuration of this backend.";
    return new UpstreamError("DENIED", { backend, operation, status, code, traceId, advice });
  }

  const merged: ProjectLists["merged"] = async (keys, request, read) => {
    const [first, ...rest] = keys;
    if (first === undefined) {
      const reason = "OpenAPI lists one project at a time and none is configured";
      const advice = "Ask for one project, or name the projects to list in the configuration of this backend.";
      throw new UpstreamError("REJECTED", { backend, operation: list.operation.name, reason, advice });
    }
    if (rest.length === 0) return read(first, request);
    return mergeWindow<string, Release>(request, keys, ({ createdAt }) => createdAt, read);
  };

  return {
    merged,
    window: async (project, request, read) => {
      if (project !== null) return read(project, request);
      const each = () => merged(projects, request, read);
      // A walk ends in the lists that it began in.
      return request.after?.[0] === mergedPosition ? each() : across(() => read(null, request), each);
    },
    anywhere: async (project, read) => {
      if (project !== null) return read(project);
      return across(
        () => read(null),
        async () => {
          const answers = await Promise.all(projects.map(read));
          const hit = answers.find(({ kind }) => kind === "FOUND") ?? firstGap(answers);
          return hit ?? (projects.length === 0 ? unknown("NOT_CONFIGURED") : absent(list.operation, "WHOLE_LIST"));
        },
      );
    },
  };
}
