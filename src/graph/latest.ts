import type { PackageReader } from "../backends/backend.ts";
import type { PackageRef, Version } from "../model/package.ts";
import type { Position } from "../model/page.ts";
import { isHigher, parseSemanticVersion, type SemanticVersion } from "../model/semantic-version.ts";

/** Versions looked through for the highest: a package with more is answered from its newest this many. */
const mostVersions = 1000;

/**
 * The highest version by SemVer precedence; releases before pre-releases. No backend sorts so (bkrepo's ordinal and
 * GitLab's text order both lie), so the versions are read, newest first, and compared here. Null when none of them is
 * a semantic version.
 */
export async function latestBySemver(reader: PackageReader, ref: PackageRef): Promise<Version | null> {
  let best: { readonly version: Version; readonly parsed: SemanticVersion } | null = null;
  let after: Position | null = null;
  for (let read = 0; read < mostVersions; ) {
    const page = await reader.versions(ref, { prefix: null, stage: null, direction: "DESC" }, { first: 100, after });
    for (const { value } of page.rows) {
      const parsed = parseSemanticVersion(value.name);
      if (parsed && (!best || isHigher(parsed, best.parsed))) best = { version: value, parsed };
    }
    read += page.rows.length;
    after = page.rows.at(-1)?.position ?? null;
    if (!page.hasNext || after === null) break;
  }
  return best?.version ?? null;
}
