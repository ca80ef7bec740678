import { Learnt } from "../learnt.ts";
import type { Generation } from "./settings.ts";

/**
 * What one process has learnt about one Zadig; nothing of it comes from, or belongs to, a single caller. All of it is
 * forgotten after some minutes: a Zadig is upgraded, or answers oddly for a moment.
 */
export interface Memory {
  /** The generation that the last readable answer showed. */
  readonly generation: Learnt<Generation>;
  /** That this Zadig has said that it has no artifact facade (before 1.8). */
  readonly lacksArtifactFacade: Learnt<true>;
  /** That the look-up of a release by id has found one (up to 1.7 it never does). */
  readonly findsById: Learnt<true>;
  /** That the list of all projects is refused to these credentials. */
  readonly refusesAllProjects: Learnt<true>;
  /** That this Zadig has said that it cannot list projects (before 1.16). */
  readonly listsNoProjects: Learnt<true>;
  /** The largest pages that were not too large an answer, where some were. */
  readonly pageSizes: {
    readonly brief: Learnt<number>;
    readonly detailed: Learnt<number>;
    readonly artifacts: Learnt<number>;
  };
}

/** A memory that has seen nothing yet; `now` is the process's clock in milliseconds. */
export function createMemory(now: () => number): Memory {
  return {
    generation: new Learnt(now),
    lacksArtifactFacade: new Learnt(now),
    findsById: new Learnt(now),
    refusesAllProjects: new Learnt(now),
    listsNoProjects: new Learnt(now),
    pageSizes: { brief: new Learnt(now), detailed: new Learnt(now), artifacts: new Learnt(now) },
  };
}
