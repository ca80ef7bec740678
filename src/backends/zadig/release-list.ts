import type { Release } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import type { Reply } from "../../upstream/client.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { UpstreamPage } from "../paging.ts";
import { inSmallerPages } from "../smaller-pages.ts";
import type { ZadigClient } from "./client.ts";
import type { Place } from "./filtered-list.ts";
import { byName, toRelease } from "./mapper.ts";
import type { Memory } from "./memory.ts";
import { listReleases, listReleasesDirectory, listReleasesOpen } from "./operations.ts";
import type { Expectation, ReleaseSlots } from "./release-payload.ts";
import type { Generation, Surface } from "./settings.ts";

/** What a walk over releases is about; OpenAPI knows the project only. */
export interface ReleaseScope {
  readonly project: string | null;
  readonly workflow: string | null;
  readonly taskId: number | null;
  readonly label: string | null;
}

/** The release lists of one Zadig, whichever surface they are behind. */
export interface ReleaseList {
  readonly surface: Surface;
  /** The call that lists. */
  readonly operation: typeof listReleases | typeof listReleasesDirectory | typeof listReleasesOpen;
  /** The generation as configured or as seen of late; null while unknown. */
  readonly generation: () => Generation | null;
  /** What a call is told about the shape to expect. */
  readonly expecting: (detailed: boolean) => Expectation;
  /** Remembers what an answer showed. */
  readonly learn: (generation: Generation | null) => void;
  /**
   * One page, from 0; a page that is too large an answer comes by smaller ones. Rows of other projects, workflows, tasks
   * or labels than asked for are empty places.
   */
  readonly fetch: (
    scope: ReleaseScope,
    detailed: boolean,
    page: number,
    size: number,
  ) => Promise<UpstreamPage<Place<Release>>>;
}

/** `configured` is the generation of the settings, null for auto. */
export function createReleaseList(
  client: ZadigClient,
  memory: Memory,
  call: Call,
  surface: Surface,
  configured: Generation | null,
): ReleaseList {
  const generation = () => configured ?? memory.generation.get();
  const expecting = (detailed: boolean): Expectation => ({ generation: configured, known: generation(), detailed });

  function ask(scope: ReleaseScope, detailed: boolean, page: number, size: number): Promise<Reply<ReleaseSlots>> {
    const query = { ...scope, page: page + 1, size };
    if (surface === "directory") return client.listReleasesDirectory(query, expecting(detailed), call);
    if (surface === "aslan") return client.listReleases(query, expecting(detailed), call);
    if (scope.project === null) {
      const reason = "OpenAPI lists one project at a time and none is configured";
      throw new UpstreamError("REJECTED", { backend: client.upstream.name, operation: listReleasesOpen.name, reason });
    }
    return client.listReleasesOpen({ project: scope.project, page: query.page, size }, expecting(detailed), call);
  }

  const learn = (seen: Generation | null) => {
    if (seen !== null) memory.generation.set(seen);
  };

  async function read(scope: ReleaseScope, detailed: boolean, page: number, size: number) {
    const { value, origin } = await ask(scope, detailed, page, size);
    learn(value.generation);
    const rows = value.slots.map((payload, index): Place<Release> => {
      const told = payload && toRelease(payload, { origin, project: scope.project });
      const release = told && value.generation === "o2" ? byName(told) : told;
      // A parameter that this version does not know is ignored there, and everything comes.
      const row = release && isInScope(release, scope) ? release : null;
      return { row, identity: (release && identityOf(release)) ?? `${page}/${size}/${index}` };
    });
    return { rows, count: value.slots.length, dropped: value.dropped, origin, total: value.total };
  }

  const fetch: ReleaseList["fetch"] = (scope, detailed, page, size) =>
    inSmallerPages<Place<Release>>(
      {
        fetch: (at, of) => read(scope, detailed, at, of),
        workable: detailed ? memory.pageSizes.detailed : memory.pageSizes.brief,
      },
      page,
      size,
    );

  const operation = { aslan: listReleases, directory: listReleasesDirectory, openapi: listReleasesOpen }[surface];
  return { surface, operation, generation, expecting, learn, fetch };
}

/** What tells a release from all others in its list. */
function identityOf({ zadigId, project, version, createdAt }: Release): string {
  return zadigId ?? JSON.stringify([project, version, createdAt]);
}

function isInScope(release: Release, { project, workflow, taskId, label }: ReleaseScope): boolean {
  return (
    (project === null || release.project === project) &&
    (workflow === null || release.workflow === workflow) &&
    (taskId === null || release.taskId === taskId) &&
    (label === null || release.labels.includes(label))
  );
}
