import { type Digest, type ImageRef, printImageRef } from "../../model/artifact.ts";
import type {
  BuildInfo,
  Deployment,
  Distribution,
  Environment,
  ReleaseImage,
  SecurityScan,
} from "../../model/release.ts";

/** What an R1 release tells of images. */
export interface ImageParts {
  readonly builds: readonly BuildInfo[];
  readonly deployments: readonly Deployment[];
  readonly distributions: readonly Distribution[];
  readonly scans: readonly SecurityScan[];
  readonly environment: Environment | null;
  /** Words for how images were pushed, by reference. */
  readonly statuses: ReadonlyMap<string, string>;
}

/**
 * Every image that the parts of an R1 release name, its environment included, once each. R1 links no part to another: builds name what was
 * built, deployments and distributions what was released, so a target belongs to the build of this release that has
 * the same last path part and tag (Zadig's tags hold date and task). A digest is taken from the build or the scan that
 * names the same reference as source or target.
 */
export function joinImages(parts: ImageParts): readonly ReleaseImage[] {
  const { builds, deployments, distributions, scans, environment, statuses } = parts;
  const sources = new Map<string, BuildInfo>();
  for (const build of builds) {
    const name = build.image && nameAndTag(build.image);
    if (name && !sources.has(name)) sources.set(name, build);
  }
  const digests = knownDigests(builds, scans);
  const digestOf = (source: ImageRef | null, target: ImageRef | null) =>
    [source, target].map((ref) => ref && (ref.digest ?? digests.get(printImageRef(ref)))).find((digest) => digest) ??
    null;

  const images = new Map<string, ReleaseImage>();
  const add = (service: string | null, container: string | null, source: ImageRef | null, target: ImageRef | null) => {
    const key = JSON.stringify([source && printImageRef(source), target && printImageRef(target)]);
    const known = images.get(key);
    images.set(key, {
      service: known?.service ?? service,
      container: known?.container ?? container,
      source,
      target,
      digest: known?.digest ?? digestOf(source, target),
      status: target === null ? null : (statuses.get(printImageRef(target)) ?? null),
    });
  };
  const builtAs = (target: ImageRef) => {
    const name = nameAndTag(target);
    return name === null ? null : (sources.get(name)?.image ?? null);
  };

  for (const { service, container, image } of deployments) if (image) add(service, container, builtAs(image), image);
  for (const { service, image } of distributions) if (image) add(service, null, builtAs(image), image);
  // The environment may spell an image otherwise than the parts that released it.
  const spelt = new Set([...images.values()].flatMap(({ source, target }) => [source, target].flatMap(spellings)));
  for (const { name, containers } of environment?.services ?? []) {
    for (const { name: container, image } of containers) {
      if (image && !spellings(image).some((text) => spelt.has(text)))
        add(name, container || null, builtAs(image), image);
    }
  }
  const named = new Set([...images.values()].flatMap(({ source, target }) => [source, target].flatMap(printed)));
  for (const { service, image } of builds) {
    if (image && !named.has(printImageRef(image))) add(service, null, image, null);
  }
  for (const { image } of builds) for (const text of printed(image)) named.add(text);
  for (const { image } of scans) {
    if (image && !named.has(printImageRef(image))) add(null, null, builtAs(image), image);
  }
  return [...images.values()];
}

function knownDigests(builds: readonly BuildInfo[], scans: readonly SecurityScan[]): ReadonlyMap<string, Digest> {
  const digests = new Map<string, Digest>();
  const told = [...scans, ...builds.map(({ image, built }) => ({ image, digest: built.digest }))];
  for (const { image, digest } of told) if (image && digest) digests.set(printImageRef(image), digest);
  return digests;
}

function nameAndTag({ repository, tag }: ImageRef): string | null {
  return tag === null ? null : `${repository.slice(repository.lastIndexOf("/") + 1)}:${tag}`;
}

/** The whole reference, and its last path part with the tag. */
function spellings(image: ImageRef | null): string[] {
  return image ? [printImageRef(image), nameAndTag(image) ?? ""].filter(Boolean) : [];
}

function printed(image: ImageRef | null): string[] {
  return image ? [printImageRef(image)] : [];
}
