import { createHash } from "node:crypto";
import { parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import type { Activity, ArtifactRecord, BuildInfo } from "../../model/release.ts";
import { fromUnixSeconds, toCount } from "../../model/values.ts";
import { parseRun } from "./address.ts";
import { toCommit } from "./commit.ts";
import { toIssues } from "./issue.ts";
import { objectId } from "./object-id.ts";
import type { ActivityPayload, ArtifactPayload } from "./payload.ts";

const types: ReadonlyMap<string, ArtifactRecord["type"]> = new Map([
  ["image", "IMAGE"],
  ["file", "FILE"],
  ["chart", "CHART"],
]);

/** An artifact in our words; `base` is Zadig's own address, for the runs that it names without a host. */
export function toArtifact(row: ArtifactPayload, origin: Origin, base: string): ArtifactRecord {
  const type = types.get(row.type) ?? "OTHER";
  const id = objectId(row.id);
  // For files Zadig puts the file's name where an image's reference would be.
  const image = type === "FILE" ? null : parseImageRef(row.image);
  return {
    // The facade leaves the id out: then the image text is the only key.
    ref: { backend: origin.backend, zadigId: id, image: id === null ? (row.image ?? null) : null },
    origin,
    name: row.name || null,
    type,
    image,
    file: type === "FILE" ? row.image || row.image_tag || null : null,
    digest: parseDigest(row.image_digest) ?? image?.digest ?? null,
    size: toCount(row.image_size) || null,
    architecture: row.architecture || null,
    os: row.os || null,
    createdBy: row.created_by || null,
    createdAt: fromUnixSeconds(row.created_time),
    activities: row.activities?.map((activity) => toActivity(activity, base)) ?? null,
  };
}

function toActivity(row: ActivityPayload, base: string): Activity {
  return {
    type: row.type,
    ...parseRun(row.url, base),
    commits: row.commits.map(toCommit),
    issues: toIssues(row.issues),
    environment: row.env_name || null,
    namespace: row.namespace || null,
    createdBy: row.created_by || null,
    startedAt: fromUnixSeconds(row.start_time),
    finishedAt: fromUnixSeconds(row.end_time),
    createdAt: fromUnixSeconds(row.created_time),
  };
}

/** The build activities of a record as builds, newest first: the only build information from 4.0 on. */
export function toBuilds(record: ArtifactRecord): readonly BuildInfo[] {
  const seen = new Map<string, number>();
  const builds = (record.activities ?? [])
    .filter(({ type }) => type === "build")
    .map((activity): BuildInfo => {
      const key = activityKey(activity);
      const repeats = seen.get(key) ?? 0;
      seen.set(key, repeats + 1);
      return {
        ref: {
          backend: record.origin.backend,
          artifact: record.ref,
          activity: repeats === 0 ? key : `${key}-${repeats + 1}`,
        },
        origin: record.origin,
        service: record.name ?? record.image?.repository ?? record.file ?? "",
        image: record.image,
        built: {
          digest: record.digest,
          size: record.size,
          architecture: record.architecture,
          os: record.os,
          createdAt: record.createdAt,
        },
        packageFile: record.file,
        issues: activity.issues,
        commits: activity.commits,
        workflow: activity.workflow,
        taskId: activity.taskId,
        startedAt: activity.startedAt,
        finishedAt: activity.finishedAt,
      };
    });
  const newest = ({ finishedAt, startedAt }: BuildInfo) => finishedAt ?? startedAt ?? "";
  return builds.sort((a, b) => newest(b).localeCompare(newest(a)));
}

// Activities have no id. Their run and times do not change, and two activities that share them all are told by order.
function activityKey({ project, workflow, taskId, startedAt, finishedAt, createdAt }: Activity): string {
  return createHash("sha256")
    .update(JSON.stringify([project, workflow, taskId, startedAt, finishedAt, createdAt]))
    .digest("hex")
    .slice(0, 16);
}
