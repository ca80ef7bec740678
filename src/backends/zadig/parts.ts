import { type ImageRef, parseDigest, parseImageRef, printImageRef } from "../../model/artifact.ts";
import type {
  BuildInfo,
  Commit,
  Deployment,
  Distribution,
  Environment,
  Issue,
  Release,
  ReleaseImage,
  ReleaseParts,
  SecurityScan,
  TestReport,
} from "../../model/release.ts";
import { fromUnixSeconds, parseInstant, toCount, toInt, trimEndSlashes } from "../../model/values.ts";
import { decoded, hostUrl, lastSegment, objectId, safeUrl } from "./keys.ts";
import type * as payload from "./payload.ts";

/** The five lists of R1. `release` is the release they are parts of, `info` its raw head. */
export function toR1Parts(parts: payload.R1Parts, release: Release, info: payload.R1Info): ReleaseParts {
  const imageOf = environmentImages(release);
  const lists = {
    builds: parts.builds?.map((row) => toBuild(row, release, info)) ?? null,
    deployments: parts.deployments?.map((row) => toDeployment(row, imageOf)) ?? null,
    distributions: parts.distributions?.flatMap((row) => [row, ...row.subDistributes].map(toDistribution)) ?? null,
    securityScans: parts.securityScans?.map(toScan) ?? null,
  };
  const images = joinImages(lists, release.environment, pushStatuses(info));
  return {
    ...lists,
    // From 2.x on builds are not recorded here: with images named but no build, only the artifacts have builds.
    builds: lists.builds?.length === 0 && images.length > 0 ? null : lists.builds,
    tests: parts.tests?.flatMap(toTests) ?? null,
    images,
    dropped: parts.dropped,
  };
}

function toBuild(row: payload.BuildRow, release: Release, info: payload.R1Info): BuildInfo {
  return {
    ref: {
      backend: release.origin.backend,
      release: release.ref,
      // Rows of old installations have no usable id; service and image distinguish them inside one release.
      buildId: objectId(row.id) ?? `${row.serviceName}@${row.imageName ?? ""}`,
    },
    origin: release.origin,
    service: row.serviceName,
    image: parseImageRef(row.imageName),
    built: {
      digest: parseDigest(row.imageInfo?.imageDigest),
      size: toCount(row.imageInfo?.imageSize) || null,
      architecture: row.imageInfo?.architecture || null,
      os: row.imageInfo?.os || null,
      createdAt: parseInstant(row.imageInfo?.creationTime),
    },
    packageFile: row.packageInfo?.packageFileName || null,
    issues: toIssues(row.issues),
    commits: row.commits.map(toCommit),
    workflow: info.workflowName || null,
    taskId: toInt(info.taskId) || null,
    startedAt: fromUnixSeconds(row.start_time),
    finishedAt: fromUnixSeconds(row.end_time),
  };
}

function toDeployment(
  row: payload.DeployRow,
  imageOf: (service: string, container: string) => ImageRef | null,
): Deployment {
  const container = row.containerName || row.service_module || null;
  // Since 1.8 the name is rewritten to `service/container` on output wherever a container is known.
  const service = row.real_service_name || (row.serviceName.split("/")[0] ?? "");
  return {
    service,
    container,
    // 1.6 deploys have no image of their own: the environment snapshot names it for the same container.
    image: parseImageRef(row.image) ?? (container === null ? null : imageOf(service, container)),
    // The same YAML comes once for each container of a service, and `[""]` for none.
    manifests: row.yamlContents ? [...new Set(row.yamlContents.flatMap((yaml) => yaml || []))] : null,
    serviceOrder: row.orderedServices,
    startedAt: fromUnixSeconds(row.start_time),
    finishedAt: fromUnixSeconds(row.end_time),
  };
}

/** Zadig's words for how each image was pushed, by its whole reference. */
function pushStatuses({ progress }: payload.R1Info): ReadonlyMap<string, string> {
  const statuses = new Map<string, string>();
  for (const { target_image, status } of progress?.workflowStatus ?? []) {
    const image = parseImageRef(target_image);
    if (image && status) statuses.set(printImageRef(image), status);
  }
  return statuses;
}

function environmentImages(release: Release): (service: string, container: string) => ImageRef | null {
  const services = release.environment?.services ?? [];
  return (service, container) =>
    services.find(({ name }) => name === service)?.containers.find(({ name }) => name === container)?.image ?? null;
}

function toTests(row: payload.TestRow): TestReport[] {
  return row.testReports.flatMap(({ testName, workflowName, testSuite, start_time, end_time }) => {
    // Performance tests have no cases that could be counted.
    if (!testSuite) return [];
    const { tests, failures, errors, skips, time } = testSuite;
    return {
      name: testName,
      workflow: workflowName || null,
      tests: tests ?? 0,
      // Zadig omits its own count when it is 0, and old versions always; its rule is tests without failures and errors.
      passed: Math.max(0, (tests ?? 0) - (failures ?? 0) - (errors ?? 0)),
      failures: failures ?? 0,
      skips: skips ?? 0,
      errors: errors ?? 0,
      durationSeconds: time ?? null,
      startedAt: fromUnixSeconds(start_time),
      finishedAt: fromUnixSeconds(end_time),
    };
  });
}

function toScan({ imageName, imageId, deliverySecurityStatsInfo: stats }: payload.SecurityRow): SecurityScan {
  const known = {
    negligible: stats.negligible ?? 0,
    low: stats.low ?? 0,
    medium: stats.medium ?? 0,
    high: stats.high ?? 0,
    critical: stats.critical ?? 0,
  };
  const sum = Object.values(known).reduce((total, number) => total + number, 0);
  return {
    image: parseImageRef(imageName),
    digest: parseDigest(imageId),
    total: stats.total,
    // Zadig's own field for it is always 0 (its name is misspelt on both sides), while the total counts them.
    unknown: Math.max(0, stats.total - sum),
    ...known,
  };
}

/** What Zadig calls artifacts and distributions of each type; everything else is OTHER. */
export const artifactTypes: ReadonlyMap<string, Distribution["type"]> = new Map([
  ["image", "IMAGE"],
  ["file", "FILE"],
  ["chart", "CHART"],
]);

const noDistribution: Distribution = {
  service: null,
  type: "OTHER",
  image: null,
  file: null,
  chartName: null,
  chartVersion: null,
  registry: null,
  namespace: null,
  startedAt: null,
  finishedAt: null,
};

function toDistribution(row: payload.DistributionRow): Distribution {
  const type = artifactTypes.get(row.distributeType ?? "") ?? "OTHER";
  // For images `registryName` is the whole reference; rows below a chart have it in `image` as well.
  const image = type === "IMAGE" ? (parseImageRef(row.image) ?? parseImageRef(row.registryName)) : null;
  return {
    service: row.serviceName || null,
    type,
    image,
    file: type === "FILE" ? row.packageFile || null : null,
    chartName: row.chartName || null,
    chartVersion: row.chartVersion || null,
    registry: image?.registry ?? (row.chartRepoName || null),
    namespace: row.namespace || null,
    startedAt: fromUnixSeconds(row.start_time),
    finishedAt: fromUnixSeconds(row.end_time),
  };
}

/** Builds, tests and scans are not stored from 4.0 on, and O1 does not answer them: they are unknown, not empty. */
const notStored = { builds: null, tests: null, securityScans: null };

/** R2's services: manifests become deployments, charts and pushed images become distributions. */
export function toR2Parts(
  services: readonly payload.R2ServiceRow[],
  { type, chart_repo_name: chartRegistry }: payload.R2Row,
  dropped: ReleaseParts["dropped"],
): ReleaseParts {
  const isChart = type === "HelmChart";
  return {
    ...notStored,
    deployments: isChart ? [] : services.flatMap(toR2Deployments),
    // Without a chart repository every chart counts as passed though nothing was pushed.
    distributions: services.flatMap((service) => toR2Distributions(service, isChart ? chartRegistry || null : null)),
    images: services.flatMap(toR2Images),
    dropped,
  };
}

function toR2Deployments({ service_name: service, yaml_content: yaml, images }: payload.R2ServiceRow): Deployment[] {
  const deployment = { service, manifests: yaml ? [yaml] : [], serviceOrder: [], startedAt: null, finishedAt: null };
  if (images.length === 0) return [{ ...deployment, container: null, image: null }];
  return images.map((row) => ({
    ...deployment,
    container: row.container_name || null,
    image: parseImageRef(row.target_image) ?? parseImageRef(row.source_image),
  }));
}

function toR2Distributions(row: payload.R2ServiceRow, chartRegistry: string | null): Distribution[] {
  const { service_name: service, chart_name, chart_version, images } = row;
  const distributions = images.flatMap(({ push_image, target_image }): Distribution[] => {
    const image = push_image ? parseImageRef(target_image) : null;
    return image === null ? [] : [{ ...noDistribution, service, type: "IMAGE", image, registry: image.registry }];
  });
  if (chartRegistry === null) return distributions;
  const chart = { chartName: chart_name || null, chartVersion: chart_version || null, registry: chartRegistry };
  return [{ ...noDistribution, service, type: "CHART", ...chart }, ...distributions];
}

// References are parsed here: Zadig's own split of names and tags is wrong for digests.
function toR2Images({ service_name: service, images }: payload.R2ServiceRow): ReleaseImage[] {
  return images.flatMap((row) => {
    const source = parseImageRef(row.source_image);
    const target = parseImageRef(row.target_image);
    if (source === null && target === null) return [];
    const digest = source?.digest ?? target?.digest ?? null;
    return [{ service, container: row.container_name || null, source, target, digest, status: row.status || null }];
  });
}

/** O1's two lists; a YAML release has no distributions and a chart release no deployments. */
export function toO1Parts(parts: payload.O1Parts): ReleaseParts {
  const deployments = parts.deployments?.map(toO1Deployment) ?? null;
  const distributions =
    parts.distributions?.flatMap((row) => [row, ...row.sub_distributes].map(toO1Distribution)) ?? null;
  const images = new Map<string, ReleaseImage>();
  const add = (service: string | null, container: string | null, target: ImageRef | null) => {
    if (target === null || images.has(target.raw)) return;
    images.set(target.raw, { service, container, source: null, target, digest: target.digest, status: null });
  };
  for (const { service, container, image } of deployments ?? []) add(service, container, image);
  for (const { service, image } of distributions ?? []) add(service, null, image);
  return { ...notStored, deployments, distributions, images: [...images.values()], dropped: parts.dropped };
}

function toO1Deployment(row: payload.O1DeployRow): Deployment {
  return {
    service: row.service_name,
    container: row.service_module || null,
    image: parseImageRef(row.image),
    manifests: null,
    serviceOrder: [],
    startedAt: null,
    finishedAt: null,
  };
}

function toO1Distribution(row: payload.O1DistributionRow): Distribution {
  const isChart = row.distribute_type === "chart";
  const image = isChart ? null : parseImageRef(row.image);
  const common = { ...noDistribution, service: row.service_name || null, namespace: row.namespace || null };
  if (image !== null) return { ...common, type: "IMAGE", image, registry: image.registry };
  return {
    ...common,
    type: isChart ? "CHART" : "OTHER",
    chartName: row.chart_name || null,
    chartVersion: row.chart_version || null,
    registry: row.chart_repo_name || null,
  };
}

/**
 * Every image that the parts of an R1 release name, its environment included, once each. R1 links no part to another:
 * builds name what was built, deployments and distributions what was released, so a target belongs to the build of this
 * release that has the same last path part and tag (Zadig's tags hold date and task). A digest is that of the build or
 * the scan that names the same reference as source or target.
 */
function joinImages(
  lists: Pick<ReleaseParts, "builds" | "deployments" | "distributions" | "securityScans">,
  environment: Environment | null,
  statuses: ReadonlyMap<string, string>,
): readonly ReleaseImage[] {
  const builds = lists.builds ?? [];
  const scans = lists.securityScans ?? [];
  const sources = new Map<string, ImageRef>();
  for (const { image } of builds) {
    const name = image && nameAndTag(image);
    if (name && !sources.has(name)) sources.set(name, image);
  }
  const digests = new Map<string, ReleaseImage["digest"]>();
  for (const { image, digest } of scans) if (image && digest) digests.set(printImageRef(image), digest);
  for (const { image, built } of builds) if (image && built.digest) digests.set(printImageRef(image), built.digest);
  const digestOf = (ref: ImageRef | null) => (ref && (ref.digest ?? digests.get(printImageRef(ref)))) || null;

  const images = new Map<string, ReleaseImage>();
  const add = (service: string | null, container: string | null, source: ImageRef | null, target: ImageRef | null) => {
    const key = JSON.stringify([source && printImageRef(source), target && printImageRef(target)]);
    const known = images.get(key);
    images.set(key, {
      service: known?.service ?? service,
      container: known?.container ?? container,
      source,
      target,
      digest: known?.digest ?? digestOf(source) ?? digestOf(target),
      status: target === null ? null : (statuses.get(printImageRef(target)) ?? null),
    });
  };
  const addTarget = (service: string | null, container: string | null, target: ImageRef | null) => {
    if (target !== null) add(service, container, sources.get(nameAndTag(target) ?? "") ?? null, target);
  };
  const addedBy = (spell: (image: ImageRef) => string[]) =>
    new Set(
      [...images.values()].flatMap(({ source, target }) => [source, target].flatMap((ref) => (ref ? spell(ref) : []))),
    );

  for (const { service, container, image } of lists.deployments ?? []) addTarget(service, container, image);
  for (const { service, image } of lists.distributions ?? []) addTarget(service, null, image);
  // The environment may spell an image otherwise than the parts that released it.
  const spellings = (image: ImageRef) => [printImageRef(image), nameAndTag(image) ?? ""].filter(Boolean);
  const spelt = addedBy(spellings);
  for (const { name, containers } of environment?.services ?? []) {
    for (const { name: container, image } of containers) {
      if (image && !spellings(image).some((text) => spelt.has(text))) addTarget(name, container || null, image);
    }
  }
  const named = addedBy((image) => [printImageRef(image)]);
  const isNamed = (image: ImageRef) => named.has(printImageRef(image));
  for (const { service, image } of builds) if (image && !isNamed(image)) add(service, null, image, null);
  for (const { image } of builds) if (image) named.add(printImageRef(image));
  for (const { image } of scans) if (image && !isNamed(image)) addTarget(null, null, image);
  return [...images.values()];
}

function nameAndTag({ repository, tag }: ImageRef): string | null {
  return tag === null ? null : `${lastSegment(repository)}:${tag}`;
}

/** A source revision of a build, by allow-list; its sha is null where nothing was recorded. */
export function toCommit(row: payload.RepositoryRow): Commit {
  const sha = row.source === "perforce" ? changeNumber(row) : hash(row.commit_id);
  // From 2.x on `repo_namespace` is the full group path where `repo_owner` may be its first part.
  const owner = row.repo_namespace || row.repo_owner;
  const repository = [owner, row.repo_name].filter(Boolean).join("/");
  const host = hostUrl(row.address);
  return {
    sha,
    branch: row.branch || null,
    tag: row.tag || null,
    repository,
    hostUrl: host,
    webUrl: webUrl(row.source, host, repository, sha),
    pullRequests: [...new Set([...row.prs, row.pr ?? 0])].filter((number) => toInt(number)),
    message: row.commit_message || null,
    authorName: row.author_name || null,
    isPrimary: row.is_primary ?? false,
  };
}

function hash(text: string | null | undefined): string | null {
  return text && /^[0-9a-f]{7,64}$/i.test(text) ? text : null;
}

/** Perforce has no hashes: what was built is identified by the number of its change list. */
function changeNumber({ commit_id, changelist_id }: payload.RepositoryRow): string | null {
  const number = /^@?(\d{1,20})$/.exec(commit_id?.trim() ?? "")?.[1];
  return number ?? (toInt(changelist_id) ? String(changelist_id) : null);
}

/** Only the hosts whose commit pages are at a fixed path. */
const commitPaths: ReadonlyMap<string, string> = new Map([
  ["gitlab", "/-/commit/"],
  ["github", "/commit/"],
  ["gitee", "/commit/"],
]);

function webUrl(source: string | null | undefined, host: string | null, repository: string, sha: string | null) {
  const path = commitPaths.get(source ?? "");
  if (host === null || path === undefined || sha === null || !repository.includes("/")) return null;
  return `${host}/${repository.split("/").map(encodeURIComponent).join("/")}${path}${sha}`;
}

/**
 * Issues as builds (objects) and activities (addresses, or whatever a client posted) name them, each once. An issue
 * without a key of its own is called by the last part of its address, and left out where that is empty.
 */
export function toIssues(rows: readonly payload.IssueRow[]): readonly Issue[] {
  const issues = new Map<string, Issue>();
  for (const row of rows) {
    const {
      id,
      key: ownKey,
      summary,
      url,
    }: Exclude<payload.IssueRow, string> = typeof row === "string" ? { url: row } : row;
    const key = ownKey || (id ? String(id) : "") || (url ? keyIn(url) : "");
    if (!key) continue;
    const issue = { key, summary: summary || null, url: safeUrl(url) };
    const name = JSON.stringify([key, issue.url]);
    if (!issues.has(name)) issues.set(name, issue);
  }
  return [...issues.values()];
}

/** The last part of an address's path, else of its fragment, else its host; of other text its last segment. */
function keyIn(text: string): string {
  const trimmed = text.trim();
  const lastPart = (path: string) => lastSegment(trimEndSlashes(path));
  if (!/^[a-z][a-z0-9+.-]*:/i.test(trimmed) || !URL.canParse(trimmed)) {
    // A login may precede a host and must not become a key.
    return lastPart(trimmed.replace(/[?#].*$/s, "")).replace(/^.*@/s, "");
  }
  const { pathname, hash, hostname } = new URL(trimmed);
  return lastPart(decoded(pathname)) || lastPart(decoded(hash.slice(1))) || hostname;
}
