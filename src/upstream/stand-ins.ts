/** The backends that left this operation without an answer, and for which kept answers stood in. */
export interface StandIns {
  /** Takes down that an answer of that time stood in. */
  readonly note: (backend: string, fetchedAt: string) => void;
  /** Time of the oldest answer that stood in for this backend, RFC 3339; null when none had to. */
  readonly oldest: (backend: string) => string | null;
}

/** An operation for which nothing had to stand in yet. */
export function createStandIns(): StandIns {
  const times = new Map<string, string>();
  return {
    note: (backend, fetchedAt) => {
      const known = times.get(backend);
      if (known === undefined || fetchedAt < known) times.set(backend, fetchedAt);
    },
    oldest: (backend) => times.get(backend) ?? null,
  };
}
