import { createHash } from "node:crypto";
import { learntForMs } from "../learnt.ts";

/** Whether a search of one repository sees all packages that its plain list counts. */
export type Sight = "WHOLE" | "NARROW";

/** What was learnt of searches, by repository and credential; forgotten after minutes, since rights change. */
export interface SightMemory {
  readonly get: (repository: string, credential: string | null) => Sight | null;
  readonly set: (repository: string, credential: string | null, sight: Sight) => void;
}

const mostKept = 2000;

/** Starts empty; keeps the newest 2000 entries for `learntForMs` each, and no credential but its hash. */
export function createSightMemory(): SightMemory {
  const kept = new Map<string, { readonly sight: Sight; readonly until: number }>();
  return {
    get: (repository, credential) => {
      const text = textOf(repository, credential);
      const entry = kept.get(text);
      if (entry === undefined) return null;
      if (entry.until > Date.now()) return entry.sight;
      kept.delete(text);
      return null;
    },
    set: (repository, credential, sight) => {
      const text = textOf(repository, credential);
      kept.delete(text);
      kept.set(text, { sight, until: Date.now() + learntForMs });
      const [oldest] = kept.keys();
      if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest);
    },
  };
}

function textOf(repository: string, credential: string | null): string {
  return credential === null ? repository : `${repository} ${createHash("sha256").update(credential).digest("base64")}`;
}
