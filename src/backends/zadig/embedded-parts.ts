import { type ImageRef, parseDigest, parseImageRef, printImageRef } from "../../model/artifact.ts";
import type {
  BuildInfo,
  Deployment,
  Distribution,
  Release,
  ReleaseParts,
  SecurityScan,
  TestReport,
} from "../../model/release.ts";
import { fromUnixSeconds, parseInstant, toCount, toInt } from "../../model/values.ts";
import { toCommit } from "./commit.ts";
import { toIssues } from "./issue.ts";
import { objectId } from "./object-id.ts";
import type {
  BuildPayload,
  DeployPayload,
  DistributionPayload,
  R1Payload,
  SecurityPayload,
  TestPayload,
} from "./payload.ts";
import { joinImages } from "./release-images.ts";
import type { R1Parts } from "./release-payload.ts";

/** The five lists of R1 in our words. `release` is the release they are parts of, `info` its raw head. */
export function toR1Parts(parts: R1Parts, release: Release, info: R1Payload["versionInfo"]): ReleaseParts {
  const imageOf = environmentImages(release);
  const builds = parts.builds?.map((row) => toBuild(row, release, info)) ?? null;
  const deployments = parts.deployments?.map((row) => toDeployment(row, imageOf)) ?? null;
  const distributions = parts.distributions?.flatMap((row) => [row, ...row.subDistributes].map(toDistribution)) ?? null;
  const securityScans = parts.security?.map(toScan) ?? null;
  const images = joinImages({
    builds: builds ?? [],
    deployments: deployments ?? [],
    distributions: distributions ?? [],
    scans: securityScans ?? [],
    environment: release.environment,
    statuses: pushStatuses(info),
  });
  return {
    // From 2.x on builds are no longer recorded here: with images named but no build, the artifacts have to say.
    builds: builds?.length === 0 && images.length > 0 ? null : builds,
    deployments,
    tests: parts.tests?.flatMap(toTests) ?? null,
    distributions,
    securityScans,
    images,
    dropped: parts.dropped,
  };
}

function toBuild(row: BuildPayload, release: Release, info: R1Payload["versionInfo"]): BuildInfo {
  return {
    ref: {
      backend: release.origin.backend,
      release: release.ref,
      // Rows of old installations have no usable id; service and image tell them apart within one release.
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
  row: DeployPayload,
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
function pushStatuses({ progress }: R1Payload["versionInfo"]): ReadonlyMap<string, string> {
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

function toTests(row: TestPayload): TestReport[] {
  return row.testReports.flatMap(({ testName, workflowName, testSuite, start_time, end_time }) => {
    // Performance tests have no cases that could be counted.
    if (!testSuite) return [];
    const { tests, failures, errors, skips, time } = testSuite;
    return {
      name: testName,
      workflow: workflowName || null,
      tests: tests ?? 0,
      // Zadig leaves its own count out when it is 0, and old versions always; its rule is tests without failures and errors.
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

const distributionTypes: ReadonlyMap<string, Distribution["type"]> = new Map([
  ["image", "IMAGE"],
  ["file", "FILE"],
  ["chart", "CHART"],
]);

function toDistribution(row: DistributionPayload): Distribution {
  const type = distributionTypes.get(row.distributeType ?? "") ?? "OTHER";
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

function toScan({ imageName, imageId, deliverySecurityStatsInfo: stats }: SecurityPayload): SecurityScan {
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
