import type { GraphQLResolveInfo } from "graphql";
import { unknown } from "../../backends/answers.ts";
import type { Digest } from "../../model/digest.ts";
import type { ImageRef } from "../../model/image-ref.ts";
import type {
  BuildInfo,
  Container,
  Deployment,
  Distribution,
  Environment,
  EnvironmentService,
  Release,
  ReleaseImage,
  ReleaseParts,
  SecurityScan,
} from "../../model/release.ts";
import { type Context, readerOf } from "../context.ts";
import { noAnswer } from "../errors.ts";
import { reportDropped } from "../resolvers/connection.ts";
import { type ArtifactNode, createArtifact, imageSeed } from "./artifact.ts";
import { lookUp } from "./look-up.ts";
import { type SourceParent, told } from "./outcome.ts";

/** A release; marked where its lists will be asked for although the answer that told it carried none. */
export type ReleaseParent = Release & { readonly wantsParts?: true };
/** A part of a release that remembers whose release it is: the Zadig to ask for its artifact, and as of when. */
export type InRelease<T> = T & { readonly zadig: string; readonly asOf: string | null };
/** A build, with its release where it was met inside one: asked for once, not again a row. */
export type BuildParent = BuildInfo & { readonly within?: Release };
export type DeploymentParent = InRelease<Deployment>;
export type DistributionParent = InRelease<Distribution>;
export type SecurityScanParent = InRelease<SecurityScan>;
export type ReleaseImageParent = InRelease<ReleaseImage>;
export type ContainerParent = InRelease<Container>;
export type EnvironmentServiceParent = InRelease<EnvironmentService>;
export type EnvironmentParent = InRelease<Environment>;

/** Names the Zadig that parts belong to, and when their release was made. */
export function inRelease<T extends object>(parts: readonly T[], zadig: string, asOf: string | null): InRelease<T>[] {
  return parts.map((part) => ({ ...part, zadig, asOf }));
}

/** The embedded lists: at hand, or asked for where the list was brief. Throws when the release is gone meanwhile. */
async function partsOf(context: Context, info: GraphQLResolveInfo, release: Release): Promise<ReleaseParts> {
  if (release.parts) return release.parts;
  const { backend } = release.ref;
  const reader = readerOf(context, "releases", backend);
  const whole = reader && (await lookUp(context, info, backend, reader.release(release.ref)));
  if (!whole?.parts) throw noAnswer(backend, unknown("DETAIL_MISSING"));
  return whole.parts;
}

/**
 * What Zadig said of a release: PARTIAL where rows could not be read, or where this Zadig keeps one of the lists not at
 * all. Lists that nobody asks for are not read for it.
 */
export async function sourceOfRelease(
  context: Context,
  info: GraphQLResolveInfo,
  release: ReleaseParent,
): Promise<SourceParent> {
  // A failure is told by the lists themselves.
  const parts = release.parts ?? (release.wantsParts ? await partsOf(context, info, release).catch(() => null) : null);
  return told(release.origin, parts === null || isWhole(parts) ? "OK" : "PARTIAL");
}

// Builds that are not embedded are put together from artifacts.
function isWhole({ dropped, deployments, tests, distributions, securityScans }: ReleaseParts): boolean {
  return dropped.length === 0 && [deployments, tests, distributions, securityScans].every((list) => list !== null);
}

/** One embedded list, its unreadable rows reported. */
export async function part<K extends Exclude<keyof ReleaseParts, "dropped">>(
  context: Context,
  info: GraphQLResolveInfo,
  release: Release,
  name: K,
): Promise<ReleaseParts[K]> {
  const parts = await partsOf(context, info, release);
  const own = parts.dropped.filter(({ part: of }) => of === name);
  reportDropped(context, info, release.ref.backend, own);
  return parts[name];
}

/** The artifact behind an image that a release names; null where it names none. */
export function artifactOf(
  context: Context,
  { zadig, asOf }: InRelease<object>,
  image: ImageRef | null,
  digest: Digest | null = null,
): ArtifactNode | null {
  return image === null ? null : createArtifact(context, { ...imageSeed(image, zadig, digest), asOf });
}
