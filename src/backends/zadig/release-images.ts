import type { Digest } from "../../model/digest.ts";
import { type ImageRef, printImageRef } from "../../model/image-ref.ts";
import type { BuildInfo, Deployment, Distribution, ReleaseImage, SecurityScan } from "../../model/release.ts";

/**
 * Every image that the parts of an R1 release name, once each. R1 links no part to another: builds name what was
 * built, deployments and distributions what was released, so a target belongs to the build of this release that has
 * the same last path part and tag (Zadig's tags hold date and task). A digest is taken from the build or the scan that
 * names the same reference as source or target.
 */
export function joinImages(
  builds: readonly BuildInfo[],
  deployments: readonly Deployment[],
  distributions: readonly Distribution[],
  scans: readonly SecurityScan[],
): readonly ReleaseImage[] {
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
      status: null,
    });
  };
  const builtAs = (target: ImageRef) => {
    const name = nameAndTag(target);
    return name === null ? null : (sources.get(name)?.image ?? null);
  };

  for (const { service, container, image } of deployments) if (image) add(service, container, builtAs(image), image);
  for (const { service, image } of distributions) if (image) add(service, null, builtAs(image), image);
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

function printed(image: ImageRef | null): string[] {
  return image ? [printImageRef(image)] : [];
}
