import { type Unknown, unknown } from "../../backends/answers.ts";
import type { PackageReader } from "../../backends/backend.ts";
import type { DroppedRow } from "../../model/backend.ts";
import type { PackageRef, Version } from "../../model/package.ts";
import type { Position } from "../../model/page.ts";
import { isHigher, parseSemanticVersion, type SemanticVersion } from "../../model/semantic-version.ts";

/** Versions looked through for the highest: of a package with more it cannot be told. */
const mostVersions = 1000;

/** The highest version that was read, and what stood in the way of reading all. */
export interface Highest {
  /** The highest of those that were read; null when none of them is a semantic version. */
  readonly version: Version | null;
  /** What stands in the way of calling it the highest of all; null when every version was looked at. */
  readonly gap: Unknown | null;
  /** Versions that could not be read. */
  readonly dropped: readonly DroppedRow[];
}

/**
 * The highest version by SemVer precedence; releases before pre-releases. No backend sorts so (bkrepo's ordinal and
 * GitLab's text order both lie), so the versions are read, newest first, and compared here.
 */
export async function latestBySemver(reader: Pick<PackageReader, "versions">, ref: PackageRef): Promise<Highest> {
  const dropped: DroppedRow[] = [];
  let gap: Unknown | null = null;
  let best: { readonly version: Version; readonly parsed: SemanticVersion } | null = null;
  let after: Position | null = null;
  for (let read = 0; read < mostVersions; ) {
    const query = { prefix: null, stage: null, direction: "DESC" } as const;
    const answer = await reader.versions(ref, query, { first: 100, after });
    if (answer.kind !== "FOUND") {
      gap ??= answer.kind === "UNKNOWN" ? answer : null;
      break;
    }
    const page = answer.value;
    gap ??= answer.gap;
    for (const { value } of page.rows) {
      const parsed = parseSemanticVersion(value.name);
      if (parsed && (!best || isHigher(parsed, best.parsed))) best = { version: value, parsed };
    }
    for (const row of page.dropped) dropped.push(row);
    read += page.rows.length;
    after = page.rows.at(-1)?.position ?? null;
    if (!page.hasNext || after === null) break;
    if (read >= mostVersions) gap ??= unknown("UNREAD");
  }
  // A version that could not be read may be the highest.
  if (dropped.length > 0) gap ??= unknown("LOST_ROWS");
  return { version: best?.version ?? null, gap, dropped };
}
