import type { Generation } from "./settings.ts";

/** What one process has learnt about one Zadig; nothing of it comes from, or belongs to, a single caller. */
export interface Memory {
  /** The generation that the last readable answer showed; null before there was one. */
  generation: Generation | null;
  /** True once this Zadig has said that it has no artifact facade (before 1.8). */
  lacksArtifactFacade: boolean;
}

/** A memory that has seen nothing yet. */
export function createMemory(): Memory {
  return { generation: null, lacksArtifactFacade: false };
}
