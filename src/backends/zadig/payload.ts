import { z } from "zod";

/** Text that Zadig may leave out or null. */
const text = z.string().nullish();
/** A number that Zadig may leave out or null. */
const count = z.number().nullish();
/** One that the graph tells as an Int. */
const whole = z.int32().min(0).nullish();

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
  is_primary: z.boolean().nullish(),
  address: text,
});
export type RepositoryPayload = z.output<typeof repository>;

const named = z.object({ key: text });

/** An issue of a tracker: an object in builds, an address in activities. */
const issue = z.union([
  z.string(),
  z.object({ id: z.union([z.string(), z.number()]).nullish(), key: text, url: text, summary: text }),
]);
export type IssuePayload = z.output<typeof issue>;

/** The environment that an R1 release was cut from: names only, values stay where they are. */
export const environment = z.object({
  namespace: text,
  env_name: text,
  production: z.boolean().nullish(),
  services: list(
    list(
      z.object({
        service_name: z.string(),
        type: text,
        revision: count,
        containers: list(z.object({ name: text, image: text })),
      }),
    ),
  ),
  vars: list(named),
  global_variables: list(named),
});
export type EnvironmentPayload = z.output<typeof environment>;

/** `versionInfo` of R1. */
const versionInfo = z.object({
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

/** R1: one release; its five lists are read one by one, so that a bad row costs only itself. */
export const r1Release = z.object({
  versionInfo,
  buildInfo: z.unknown().optional(),
  deployInfo: z.unknown().optional(),
  testInfo: z.unknown().optional(),
  distributeInfo: z.unknown().optional(),
  securityStatsInfo: z.unknown().optional(),
});
export type R1Payload = z.output<typeof r1Release>;

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
  start_time: count,
  end_time: count,
});
export type BuildPayload = z.output<typeof buildInfo>;

/** A row of `deployInfo`. */
export const deployInfo = z.object({
  serviceName: z.string(),
  real_service_name: text,
  containerName: text,
  service_module: text,
  image: text,
  yamlContents: z.array(z.string().nullable()).nullish(),
  orderedServices: list(list(z.string())),
  start_time: count,
  end_time: count,
});
export type DeployPayload = z.output<typeof deployInfo>;

/** A row of `testInfo`: several reports of one run. */
export const testInfo = z.object({
  testReports: list(
    z.object({
      workflowName: text,
      testName: z.string(),
      testSuite: z
        .object({ tests: whole, failures: whole, successes: whole, skips: whole, errors: whole, time: count })
        .nullish(),
      start_time: count,
      end_time: count,
    }),
  ),
});
export type TestPayload = z.output<typeof testInfo>;

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
  start_time: count,
  end_time: count,
});
export type DistributionPayload = z.output<typeof distribution>;

/** A row of `distributeInfo`; charts carry their images as sub-rows from 1.8 on. */
export const distributeInfo = distribution.extend({ subDistributes: list(distribution) });

/** A row of `securityStatsInfo`. Zadig's misspelt count of unknown findings is always 0 and is not read. */
export const securityStats = z.object({
  imageName: text,
  imageId: text,
  deliverySecurityStatsInfo: z.object({
    total: z.int32().min(0),
    negligible: whole,
    low: whole,
    medium: whole,
    high: whole,
    critical: whole,
  }),
});
export type SecurityPayload = z.output<typeof securityStats>;

/** R2: one release, and (without id, workflow and task) the detail of O2. */
export const r2Release = z.object({
  id: text,
  version: z.string(),
  project_name: z.string(),
  env_name: text,
  production: z.boolean().nullish(),
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
export type R2Payload = z.output<typeof r2Release>;

/** A row of R2's `services`. */
export const r2Service = z.object({
  service_name: z.string(),
  chart_name: text,
  chart_version: text,
  yaml_content: text,
  images: list(
    z.object({
      container_name: text,
      source_image: text,
      target_image: text,
      push_image: z.boolean().nullish(),
      status: text,
    }),
  ),
});
export type R2ServicePayload = z.output<typeof r2Service>;

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
export type OpenItemPayload = z.output<typeof openItem>;

/** O1: one release; its lists are read row by row. */
export const o1Release = z.object({
  version_info: openItem,
  deploy_infos: z.unknown().optional(),
  distribute_infos: z.unknown().optional(),
});

/** A row of O1's `deploy_infos`. */
export const o1Deploy = z.object({ service_name: z.string(), service_module: text, image: text });

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
export type O1DistributionPayload = z.output<typeof o1Distribution>;

/** A row of O1's `distribute_infos`. */
export const o1Distribute = o1Distribution.extend({ sub_distributes: list(o1Distribution) });

const activity = z.object({
  type: z.string(),
  url: text,
  commits: list(repository),
  issues: list(issue),
  env_name: text,
  namespace: text,
  created_by: text,
  start_time: count,
  end_time: count,
  created_time: count,
});
export type ActivityPayload = z.output<typeof activity>;

/** A row of the list of projects. */
export const projectRow = z.object({ project_key: z.string() });
export type ProjectPayload = z.output<typeof projectRow>;

/** The frame around the list of projects. */
export const projectPage = z.object({ projects: z.unknown(), total: z.int().nullish() });

/** An artifact; Dockerfile, layers and free text of activities are left where they are. */
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
