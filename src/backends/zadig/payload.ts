import { z } from "zod";
import type { ReleaseParts } from "../../model/release.ts";
import { MisshapenAnswer } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { readRowsLeniently } from "../loading/decode.ts";

/** Text that Zadig may leave out or null. */
const text = z.string().nullish();
/** A number that Zadig may leave out or null. */
const count = z.number().nullish();
/** A flag that Zadig may leave out or null. */
const flag = z.boolean().nullish();
/** A number that the graph answers as an Int. */
const int = z.int32().min(0).nullish();
/** When something ran, in Unix seconds; 0 for unknown. */
const times = { start_time: count, end_time: count };

/** A nested list: absent, null and `[]` all mean empty, and Go writes null elements for nil pointers. */
function list<S extends z.ZodType>(element: S) {
  return z
    .array(element.nullable())
    .nullish()
    .transform((rows) => (rows ?? []).filter((row) => row !== null));
}

/**
 * A repository as builds and activities name it. The object that Zadig sends also holds the live credential of the
 * code host (oauth_token, password, ssh_key …): those fields do not exist here.
 */
export const repository = z.object({
  source: text,
  repo_owner: text,
  repo_namespace: text,
  repo_name: text,
  branch: text,
  pr: count,
  prs: list(z.number()),
  tag: text,
  commit_id: text,
  /** Perforce's own number of the revision. */
  changelist_id: count,
  commit_message: text,
  author_name: text,
  is_primary: flag,
  address: text,
});
export type RepositoryRow = z.output<typeof repository>;

/** An issue of a tracker: an object in builds, an address in activities. */
const issue = z.union([
  z.string(),
  z.object({ id: z.union([z.string(), z.number()]).nullish(), key: text, url: text, summary: text }),
]);
export type IssueRow = z.output<typeof issue>;

const container = z.object({ name: text, image: text });
/** The environment that an R1 release was cut from: names only, values are not read. */
export const environment = z.object({
  namespace: text,
  env_name: text,
  production: flag,
  services: list(
    list(z.object({ service_name: z.string(), type: text, revision: count, containers: list(container) })),
  ),
  vars: list(z.object({ key: text })),
  global_variables: list(z.object({ key: text })),
});
export type EnvironmentPayload = z.output<typeof environment>;

/** R1's `versionInfo`. */
const r1Info = z.object({
  id: text,
  version: z.string(),
  productName: z.string(),
  workflowName: text,
  taskId: count,
  type: text,
  status: text,
  desc: text,
  labels: list(z.string()),
  createdBy: text,
  created_at: count,
  productEnvInfo: environment.nullish(),
  /** How far images were pushed: from 3.1 on with a row for each, in details only. */
  progress: z
    .object({ workflowStatus: list(z.object({ target_image: text, status: text })) })
    .nullish()
    .catch(null),
});
export type R1Info = z.output<typeof r1Info>;

/** R1: one release; its five lists are read one by one, so that a bad row costs only itself. */
export const r1Release = z.object({
  versionInfo: r1Info,
  buildInfo: z.unknown().optional(),
  deployInfo: z.unknown().optional(),
  testInfo: z.unknown().optional(),
  distributeInfo: z.unknown().optional(),
  securityStatsInfo: z.unknown().optional(),
});
type R1Release = z.output<typeof r1Release>;

/** A row of `buildInfo`. */
export const buildInfo = z.object({
  id: text,
  serviceName: z.string(),
  imageName: text,
  imageInfo: z
    .object({ imageSize: count, imageDigest: text, architecture: text, os: text, creationTime: text })
    .nullish(),
  packageInfo: z.object({ packageFileName: text }).nullish(),
  issues: list(issue),
  commits: list(repository),
  ...times,
});
export type BuildRow = z.output<typeof buildInfo>;

/** A row of `deployInfo`. */
export const deployInfo = z.object({
  serviceName: z.string(),
  real_service_name: text,
  containerName: text,
  service_module: text,
  image: text,
  yamlContents: z.array(z.string().nullable()).nullish(),
  orderedServices: list(list(z.string())),
  ...times,
});
export type DeployRow = z.output<typeof deployInfo>;

/** A row of `testInfo`: several reports of one run. */
export const testInfo = z.object({
  testReports: list(
    z.object({
      workflowName: text,
      testName: z.string(),
      testSuite: z
        .object({ tests: int, failures: int, successes: int, skips: int, errors: int, time: count })
        .nullish(),
      ...times,
    }),
  ),
});
export type TestRow = z.output<typeof testInfo>;

const distribution = z.object({
  serviceName: text,
  distributeType: text,
  registryName: text,
  namespace: text,
  packageFile: text,
  chartName: text,
  chartVersion: text,
  chartRepoName: text,
  image: text,
  ...times,
});

/** A row of `distributeInfo`; charts carry their images as sub-rows from 1.8 on. */
export const distributeInfo = distribution.extend({ subDistributes: list(distribution) });
export type DistributionRow = Omit<z.output<typeof distributeInfo>, "subDistributes">;

const severities = { negligible: int, low: int, medium: int, high: int, critical: int };
/** A row of `securityStatsInfo`. Zadig's misspelt count of unknown findings is always 0 and is not read. */
export const securityStats = z.object({
  imageName: text,
  imageId: text,
  deliverySecurityStatsInfo: z.object({ total: z.int32().min(0), ...severities }),
});
export type SecurityRow = z.output<typeof securityStats>;

/** R2: one release, and (without id, workflow and task) the detail of O2. */
export const r2Release = z.object({
  id: text,
  version: z.string(),
  project_name: z.string(),
  env_name: text,
  production: flag,
  type: text,
  desc: text,
  labels: list(z.string()),
  chart_repo_name: text,
  services: z.unknown().optional(),
  status: text,
  workflow_name: text,
  task_id: count,
  created_by: text,
  created_at: count,
});
export type R2Row = z.output<typeof r2Release>;

/** A row of R2's `services`. */
export const r2Service = z.object({
  service_name: z.string(),
  chart_name: text,
  chart_version: text,
  yaml_content: text,
  images: list(
    z.object({ container_name: text, source_image: text, target_image: text, push_image: flag, status: text }),
  ),
});
export type R2ServiceRow = z.output<typeof r2Service>;

/** A page of the OpenAPI list. */
export const openPage = z.object({ list: z.unknown(), total: z.int().nullish() });

/** A row of the OpenAPI list, and `version_info` of O1's detail. It names no project: the request does. */
export const openItem = z.object({
  id: text,
  version_name: z.string(),
  type: text,
  status: text,
  labels: list(z.string()),
  description: text,
  created_by: text,
  create_time: count,
});
export type OpenItem = z.output<typeof openItem>;

/** O1: one release; its lists are read row by row. */
export const o1Release = z.object({
  version_info: openItem,
  deploy_infos: z.unknown().optional(),
  distribute_infos: z.unknown().optional(),
});
type O1Release = z.output<typeof o1Release>;

/** A row of O1's `deploy_infos`. */
export const o1Deploy = z.object({ service_name: z.string(), service_module: text, image: text });
export type O1DeployRow = z.output<typeof o1Deploy>;

const o1Distribution = z.object({
  service_name: text,
  service_module: text,
  distribute_type: text,
  chart_name: text,
  chart_repo_name: text,
  chart_version: text,
  image: text,
  namespace: text,
});

/** A row of O1's `distribute_infos`. */
export const o1Distribute = o1Distribution.extend({ sub_distributes: list(o1Distribution) });
export type O1DistributionRow = Omit<z.output<typeof o1Distribute>, "sub_distributes">;

/** A page of the list of projects. */
export const projectPage = z.object({ projects: z.unknown(), total: z.int().nullish() });

/** A row of the list of projects. */
export const projectRow = z.object({ project_key: z.string() });
export type ProjectRow = z.output<typeof projectRow>;

const activity = z.object({
  type: z.string(),
  url: text,
  commits: list(repository),
  issues: list(issue),
  env_name: text,
  namespace: text,
  created_by: text,
  ...times,
  created_time: count,
});
export type ActivityRow = z.output<typeof activity>;

/** An artifact; Dockerfile, layers and free text of activities are not read. */
export const artifact = z.object({
  id: text,
  name: text,
  type: z.string(),
  image: text,
  image_tag: text,
  image_digest: text,
  image_size: count,
  architecture: text,
  os: text,
  created_by: text,
  created_time: count,
  activities: z
    .array(activity.nullable())
    .nullish()
    .transform((rows) => rows?.filter((row) => row !== null) ?? null),
});
export type ArtifactPayload = z.output<typeof artifact>;

type DroppedPart = ReleaseParts["dropped"][number];

/** The lists of an R1 release; each null where it was not readable at all. */
export type R1Parts = ReturnType<typeof readR1Parts>;

/** Reads the lists of an R1 release. */
export function readR1Parts(row: R1Release, operation: Operation) {
  const dropped: DroppedPart[] = [];
  const read = partReader(operation, dropped);
  return {
    builds: read("builds", "buildInfo", buildInfo, row.buildInfo),
    deployments: read("deployments", "deployInfo", deployInfo, row.deployInfo),
    tests: read("tests", "testInfo", testInfo, row.testInfo),
    distributions: read("distributions", "distributeInfo", distributeInfo, row.distributeInfo),
    securityScans: read("securityScans", "securityStatsInfo", securityStats, row.securityStatsInfo),
    dropped,
  };
}

/** The services of an R2 release; null where they were not readable at all. */
export type R2Parts = ReturnType<typeof readR2Parts>;

/** Reads the services of an R2 release. */
export function readR2Parts(row: R2Row, operation: Operation) {
  const dropped: DroppedPart[] = [];
  return { services: partReader(operation, dropped)("images", "services", r2Service, row.services), dropped };
}

/** The lists of an O1 release; each null where it was not readable at all. */
export type O1Parts = ReturnType<typeof readO1Parts>;

/** Reads the lists of an O1 release. */
export function readO1Parts(row: O1Release, operation: Operation) {
  const dropped: DroppedPart[] = [];
  const read = partReader(operation, dropped);
  return {
    deployments: read("deployments", "deploy_infos", o1Deploy, row.deploy_infos),
    distributions: read("distributions", "distribute_infos", o1Distribute, row.distribute_infos),
    dropped,
  };
}

/**
 * Reads the lists of one release: a bad row costs itself, a list that is none costs itself and is null, the release
 * stays. What could not be read is added to `dropped`, with our name of its list.
 */
function partReader(operation: Operation, dropped: DroppedPart[]) {
  return <S extends z.ZodType>(
    part: DroppedPart["part"],
    name: string,
    schema: S,
    value: unknown,
  ): readonly z.output<S>[] | null => {
    const present = Array.isArray(value) ? value.filter((row) => row !== null) : (value ?? null);
    try {
      const list = readRowsLeniently(schema, present, operation);
      for (const row of [...list.dropped, ...list.cut]) dropped.push({ ...row, part, reason: `${name}.${row.reason}` });
      return list.rows;
    } catch (error) {
      if (!(error instanceof MisshapenAnswer)) throw error;
      dropped.push({ operation: operation.name, index: 0, part, reason: `${name}: ${error.message}` });
      return null;
    }
  };
}
