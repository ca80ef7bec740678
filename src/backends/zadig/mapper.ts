import { parseImageRef } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import type { Environment, Release, ReleaseRef } from "../../model/release.ts";
import { fromUnixSeconds, toInt } from "../../model/values.ts";
import { toR1Parts } from "./embedded-parts.ts";
import { objectId } from "./object-id.ts";
import type { EnvironmentPayload, OpenItemPayload, R1Payload, R2Payload } from "./payload.ts";
import type { ReleasePayload } from "./release-payload.ts";
import { toO1Parts, toR2Parts } from "./service-parts.ts";

/** What an answer does not say about itself. */
export interface Telling {
  readonly origin: Origin;
  /** The project that was asked for: OpenAPI answers name none. Null where all were asked for. */
  readonly project: string | null;
}

/** A release from any of the four shapes; null only for an OpenAPI row that was not asked for by project. */
export function toRelease(payload: ReleasePayload, telling: Telling): Release | null {
  switch (payload.shape) {
    case "r1": {
      const release = fromR1(payload.info, telling);
      return payload.parts === null ? release : { ...release, parts: toR1Parts(payload.parts, release, payload.info) };
    }
    case "r2": {
      const release = fromR2(payload.row, telling);
      return payload.services === null
        ? release
        : { ...release, parts: toR2Parts(payload.services, payload.row, payload.dropped) };
    }
    case "open":
      return fromOpen(payload.item, telling);
    case "o1": {
      const release = fromOpen(payload.item, telling);
      return release && { ...release, parts: toO1Parts(payload) };
    }
  }
}

function fromR1(info: R1Payload["versionInfo"], { origin }: Telling): Release {
  const id = objectId(info.id);
  return {
    ref: refOf(origin.backend, info.productName, id, info.version),
    origin,
    zadigId: id,
    version: info.version,
    project: info.productName,
    workflow: info.workflowName || null,
    // 0 stands for "made by no task".
    taskId: toInt(info.taskId) || null,
    // Empty for what a product workflow made.
    type: info.type || null,
    status: info.status || null,
    description: info.desc || null,
    labels: info.labels,
    createdBy: info.createdBy || null,
    createdAt: fromUnixSeconds(info.created_at),
    environment: toEnvironment(info.productEnvInfo),
    parts: null,
  };
}

function fromR2(row: R2Payload, { origin }: Telling): Release {
  const id = objectId(row.id);
  return {
    ref: refOf(origin.backend, row.project_name, id, row.version),
    origin,
    zadigId: id,
    version: row.version,
    project: row.project_name,
    workflow: row.workflow_name || null,
    taskId: toInt(row.task_id) || null,
    type: row.type || null,
    status: row.status || null,
    description: row.desc || null,
    labels: row.labels,
    createdBy: row.created_by || null,
    createdAt: fromUnixSeconds(row.created_at),
    // R2 keeps the environment's name only, not its services.
    environment: row.env_name
      ? { name: row.env_name, namespace: null, production: row.production ?? null, services: [], variableNames: [] }
      : null,
    parts: null,
  };
}

function fromOpen(item: OpenItemPayload, { origin, project }: Telling): Release | null {
  if (project === null) return null;
  const id = objectId(item.id);
  return {
    ref: refOf(origin.backend, project, id, item.version_name),
    origin,
    zadigId: id,
    version: item.version_name,
    project,
    workflow: null,
    taskId: null,
    type: item.type || null,
    status: item.status || null,
    description: item.description || null,
    labels: item.labels,
    createdBy: item.created_by || null,
    createdAt: fromUnixSeconds(item.create_time),
    environment: null,
    parts: null,
  };
}

/** The id finds a release wherever there is one; names are unique within a project only, and not before 4.0. */
function refOf(backend: string, project: string, id: string | null, version: string): ReleaseRef {
  return { backend, project, zadigId: id, version: id === null ? version : null };
}

/** The same release addressed by project and name: the only key of O2. */
export function byName(release: Release): Release {
  return { ...release, ref: { ...release.ref, zadigId: null, version: release.version } };
}

function toEnvironment(env: EnvironmentPayload | null | undefined): Environment | null {
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
