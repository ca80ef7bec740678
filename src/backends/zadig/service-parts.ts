import { parseImageRef } from "../../model/artifact.ts";
import type { Deployment, Distribution, ReleaseImage, ReleaseParts } from "../../model/release.ts";
import type { O1DistributionPayload, R2Payload, R2ServicePayload } from "./payload.ts";
import type { ReleasePayload } from "./release-payload.ts";
import type { DroppedParts } from "./slots.ts";

/** Nothing of these is stored from 4.0 on, nor told by O1: they are unknown here, not empty. */
const unsaid = { builds: null, tests: null, securityScans: null };

/** R2's services in our words: manifests become deployments, charts and pushed images distributions. */
export function toR2Parts(
  services: readonly R2ServicePayload[],
  release: R2Payload,
  dropped: DroppedParts,
): ReleaseParts {
  const isChart = release.type === "HelmChart";
  return {
    ...unsaid,
    deployments: isChart ? [] : services.flatMap(toDeployments),
    distributions: services.flatMap((service) => [
      // Without a chart repository every chart counts as passed though nothing was pushed.
      ...(isChart && release.chart_repo_name ? [toChart(service, release.chart_repo_name)] : []),
      ...pushedImages(service),
    ]),
    images: services.flatMap(toImages),
    dropped,
  };
}

function toDeployments({ service_name: service, yaml_content: yaml, images }: R2ServicePayload): Deployment[] {
  const deployment = {
    service,
    manifests: yaml ? [yaml] : [],
    serviceOrder: [],
    startedAt: null,
    finishedAt: null,
  };
  if (images.length === 0) return [{ ...deployment, container: null, image: null }];
  return images.map((row) => ({
    ...deployment,
    container: row.container_name || null,
    image: parseImageRef(row.target_image) ?? parseImageRef(row.source_image),
  }));
}

function toChart(
  { service_name: service, chart_name, chart_version }: R2ServicePayload,
  registry: string,
): Distribution {
  return {
    service,
    type: "CHART",
    image: null,
    file: null,
    chartName: chart_name || null,
    chartVersion: chart_version || null,
    registry,
    namespace: null,
    startedAt: null,
    finishedAt: null,
  };
}

function pushedImages({ service_name: service, images }: R2ServicePayload): Distribution[] {
  return images.flatMap(({ push_image, target_image }) => {
    const image = push_image ? parseImageRef(target_image) : null;
    return image === null ? [] : [imageDistribution(service, image)];
  });
}

function imageDistribution(service: string | null, image: NonNullable<Distribution["image"]>): Distribution {
  return {
    service,
    type: "IMAGE",
    image,
    file: null,
    chartName: null,
    chartVersion: null,
    registry: image.registry,
    namespace: null,
    startedAt: null,
    finishedAt: null,
  };
}

// References are read afresh: Zadig's own split of names and tags is wrong for digests.
function toImages({ service_name: service, images }: R2ServicePayload): ReleaseImage[] {
  return images.flatMap((row) => {
    const source = parseImageRef(row.source_image);
    const target = parseImageRef(row.target_image);
    if (source === null && target === null) return [];
    const digest = source?.digest ?? target?.digest ?? null;
    return [{ service, container: row.container_name || null, source, target, digest, status: row.status || null }];
  });
}

/** O1's two lists in our words; a YAML release has no distributions and a chart release no deployments. */
export function toO1Parts(payload: Extract<ReleasePayload, { shape: "o1" }>): ReleaseParts {
  const deployments =
    payload.deployments?.map(
      (row): Deployment => ({
        service: row.service_name,
        container: row.service_module || null,
        image: parseImageRef(row.image),
        manifests: null,
        serviceOrder: [],
        startedAt: null,
        finishedAt: null,
      }),
    ) ?? null;
  const distributions =
    payload.distributions?.flatMap((row) => [row, ...row.sub_distributes].map(toO1Distribution)) ?? null;
  const images = new Map<string, ReleaseImage>();
  for (const { service, container, image } of [
    ...(deployments ?? []),
    ...(distributions ?? []).map((row) => ({ ...row, container: null })),
  ]) {
    if (image === null || images.has(image.raw)) continue;
    images.set(image.raw, { service, container, source: null, target: image, digest: image.digest, status: null });
  }
  return { ...unsaid, deployments, distributions, images: [...images.values()], dropped: payload.dropped };
}

function toO1Distribution(row: O1DistributionPayload): Distribution {
  const image = row.distribute_type === "chart" ? null : parseImageRef(row.image);
  if (image !== null) {
    return { ...imageDistribution(row.service_name || null, image), namespace: row.namespace || null };
  }
  return {
    service: row.service_name || null,
    type: row.distribute_type === "chart" ? "CHART" : "OTHER",
    image: null,
    file: null,
    chartName: row.chart_name || null,
    chartVersion: row.chart_version || null,
    registry: row.chart_repo_name || null,
    namespace: row.namespace || null,
    startedAt: null,
    finishedAt: null,
  };
}
