import { createHash } from "node:crypto";
import { parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import type { Activity, ArtifactRecord, BuildInfo, Environment, Release, ReleaseParts } from "../../model/release.ts";
import { fromUnixSeconds, toCount, toInt } from "../../model/values.ts";
import { decoded, hostUrl, objectId, safeUrl } from "./keys.ts";
import { artifactTypes, toCommit, toIssues, toO1Parts, toR1Parts, toR2Parts } from "./parts.ts";
import type * as payload from "./payload.ts";
import type { Generation } from "./settings.ts";

/** An R1 release; its parts are null where the answer left them out. */
export function fromR1(info: payload.R1Info, parts: payload.R1Parts | null, origin: Origin): Release {
  const { productName: project, workflowName: workflow, desc: description, created_at: createdAt } = info;
  const head = { ...info, project, workflow, description, createdAt };
  const release = toRelease(head, toEnvironment(info.productEnvInfo), null, origin);
  return parts === null ? release : { ...release, parts: toR1Parts(parts, release, info) };
}

/** An R2 release; its services are null where the answer left them out. */
export function fromR2(row: payload.R2Row, parts: payload.R2Parts | null, origin: Origin): Release {
  const { project_name: project, workflow_name: workflow, task_id: taskId, desc: description } = row;
  const head = { ...row, project, workflow, taskId, description, createdBy: row.created_by, createdAt: row.created_at };
  // R2 stores the environment's name only, not its services.
  const environment = row.env_name
    ? { name: row.env_name, namespace: null, production: row.production ?? null, services: [], variableNames: [] }
    : null;
  return toRelease(head, environment, parts?.services ? toR2Parts(parts.services, row, parts.dropped) : null, origin);
}

/** A release of OpenAPI, whose answers name no project: it is the one that was asked for. */
export function fromOpen(
  item: payload.OpenItem,
  project: string,
  generation: Generation | null,
  parts: payload.O1Parts | null,
  origin: Origin,
): Release {
  const { version_name: version, created_by: createdBy, create_time: createdAt } = item;
  const release = toRelease(
    { ...item, project, version, createdBy, createdAt },
    null,
    parts && toO1Parts(parts),
    origin,
  );
  return generation === "o2" ? byName(release) : release;
}

/** The fields that every shape has, under one name each; OpenAPI has neither workflow nor task. */
type Head = Pick<payload.R1Info, "id" | "version" | "taskId" | "type" | "status" | "labels" | "createdBy"> & {
  readonly project: string;
  readonly workflow?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly createdAt?: number | null | undefined;
};

function toRelease(head: Head, environment: Environment | null, parts: ReleaseParts | null, origin: Origin): Release {
  const { project, version, labels } = head;
  const zadigId = objectId(head.id);
  return {
    // The id finds a release in any generation with ids; names are unique inside a project only, and not before 4.0.
    ref: { backend: origin.backend, project, zadigId, version: zadigId === null ? version : null },
    origin,
    zadigId,
    version,
    project,
    workflow: head.workflow || null,
    // 0 for a release that no task made.
    taskId: toInt(head.taskId) || null,
    // Empty for what a product workflow made.
    type: head.type || null,
    status: head.status || null,
    description: head.description || null,
    labels,
    createdBy: head.createdBy || null,
    createdAt: fromUnixSeconds(head.createdAt),
    environment,
    parts,
  };
}

/** The same release with a ref by project and name: the only key of O2. */
export function byName(release: Release): Release {
  return { ...release, ref: { ...release.ref, zadigId: null, version: release.version } };
}

function toEnvironment(env: payload.EnvironmentPayload | null | undefined): Environment | null {
  if (!env?.env_name) return null;
  return {
    name: env.env_name,
    namespace: env.namespace || null,
    production: env.production ?? null,
    services: env.services.flatMap((group, startOrder) =>
      group.map((service) => ({
        name: service.service_name,
        type: service.type || null,
        revision: toInt(service.revision),
        startOrder,
        containers: service.containers.map(({ name, image }) => ({ name: name ?? "", image: parseImageRef(image) })),
      })),
    ),
    // Names only: a variable's value may be a password.
    variableNames: [...new Set([...env.vars, ...env.global_variables].flatMap(({ key }) => (key ? [key] : [])))],
  };
}

/** An artifact; `base` is Zadig's own address, for the runs that it names without a host. */
export function toArtifact(row: payload.ArtifactPayload, origin: Origin, base: string): ArtifactRecord {
  const type = artifactTypes.get(row.type) ?? "OTHER";
  const id = objectId(row.id);
  // For files Zadig has the file's name in place of an image's reference.
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

function toActivity(row: payload.ActivityRow, base: string): Activity {
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

const runPath = /^\/v1\/projects\/detail\/([^/?#]+)\/pipelines\/[^/?#]+\/([^/?#]+)\/(\d{1,15})(?=[/?#]|$)/;

/**
 * The run that the address of an activity names: artifacts have no project, workflow or task of their own. Reads
 * `/v1/projects/detail/<project>/pipelines/<multi|custom>/<workflow>/<task>`, which Zadig writes without a host. Whole
 * addresses were posted by clients: their query is left out, it may hold a token.
 */
export function parseRun(
  text: string | null | undefined,
  base: string,
): Pick<Activity, "url" | "project" | "workflow" | "taskId"> {
  const path = text?.startsWith("/") ? text : null;
  const [, project, workflow, taskId] = (path === null ? null : runPath.exec(path)) ?? [];
  return {
    url: path === null ? hostUrl(text) : safeUrl(base + path),
    project: project === undefined ? null : decoded(project),
    workflow: workflow === undefined ? null : decoded(workflow),
    taskId: toInt(Number(taskId ?? 0)) || null,
  };
}

/** The build activities of a record as builds, newest first: the only build information from 4.0 on. */
export function toBuilds(record: ArtifactRecord): readonly BuildInfo[] {
  const { ref: artifact, origin, name, image, file, digest, size, architecture, os, createdAt, activities } = record;
  const service = name ?? image?.repository ?? file ?? "";
  const repeats = new Map<string, number>();
  const builds: BuildInfo[] = [];
  for (const activity of activities ?? []) {
    if (activity.type !== "build") continue;
    const key = activityKey(activity);
    const count = (repeats.get(key) ?? 0) + 1;
    repeats.set(key, count);
    const { issues, commits, workflow, taskId, startedAt, finishedAt } = activity;
    builds.push({
      ref: { backend: origin.backend, artifact, activity: count === 1 ? key : `${key}-${count}` },
      origin,
      service,
      image,
      built: { digest, size, architecture, os, createdAt },
      packageFile: file,
      issues,
      commits,
      workflow,
      taskId,
      startedAt,
      finishedAt,
    });
  }
  const builtAt = ({ finishedAt, startedAt }: BuildInfo) => finishedAt ?? startedAt ?? "";
  return builds.sort((a, b) => builtAt(b).localeCompare(builtAt(a)));
}

// Activities have no id. Their run and times do not change; two activities that share them all are numbered in order.
function activityKey({ project, workflow, taskId, startedAt, finishedAt, createdAt }: Activity): string {
  return createHash("sha256")
    .update(JSON.stringify([project, workflow, taskId, startedAt, finishedAt, createdAt]))
    .digest("hex")
    .slice(0, 16);
}
