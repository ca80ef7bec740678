import type { GraphQLResolveInfo } from "graphql";
import { found, unknown } from "../../backends/answers.ts";
import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { PipelineRun, Version } from "../../model/package.ts";
import type {
  BuildInfo,
  Commit,
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
import { backendsWith, type Context, readerOf } from "../context.ts";
import { badInput, noAnswer } from "../errors.ts";
import type { DriftVerdict } from "../generated/resolvers.ts";
import { reportDropped } from "../resolvers/connection.ts";
import { selects } from "../resolvers/selection.ts";
import { ArtifactNode } from "./artifact.ts";
import { lookUp, outcomeOf, reportHere, type SourceParent, sourceFrom } from "./outcome.ts";
import { atHand, imageSeed } from "./seeds.ts";

/** A release; marked where its lists will be asked for although the answer that it was read from has none. */
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
  const whole = await lookUp(context, info, "releases", backend, (reader) => reader.release(release.ref));
  if (!whole?.parts) throw noAnswer(backend, unknown("DETAIL_MISSING"));
  return whole.parts;
}

/**
 * The answer of Zadig about a release: PARTIAL where rows could not be read, or where this Zadig keeps one of the lists
 * not at all. Lists that are not selected are not read for it.
 */
export async function sourceOfRelease(
  context: Context,
  info: GraphQLResolveInfo,
  release: ReleaseParent,
): Promise<SourceParent> {
  // The lists themselves report a failure.
  const parts = release.parts ?? (release.wantsParts ? await partsOf(context, info, release).catch(() => null) : null);
  return sourceFrom(release.origin, parts === null || isWhole(parts) ? "OK" : "PARTIAL");
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
  return image === null ? null : new ArtifactNode(context, { ...imageSeed(image, zadig, digest), asOf });
}

/** A commit as the graph shows it, from any backend. */
export type CommitParent = Commit;

/**
 * The revision of a pipeline. What the pipeline row says is used as it is; the code host is asked only when the
 * selection wants more (message, author, merge requests), and for both at once.
 */
export async function commitOfPipeline(
  context: Context,
  run: PipelineRun,
  info: GraphQLResolveInfo,
): Promise<CommitParent | null> {
  const reader = readerOf(context, "commits", run.backend);
  const { sha } = run;
  const project = run.projectId ?? run.projectPath;
  if (sha === null || project === null) return null;
  const wantsCommit = run.projectPath === null || selects(info, "message", "authorName", "webUrl");
  const [hosted, mergeRequests] = await Promise.all([
    wantsCommit ? lookUp(context, info, "commits", run.backend, (commits) => commits.commit(project, sha)) : null,
    selects(info, "pullRequests") && reader
      ? outcomeOf(run.backend, reader.mergeRequests(project, sha), () => null)
      : null,
  ]);
  // The commit is known without them.
  if (mergeRequests?.error) reportHere(context, info, mergeRequests.error);
  const repository = run.projectPath ?? hosted?.repository;
  if (repository === undefined) return null;
  return {
    sha,
    branch: run.ref,
    tag: null,
    repository,
    hostUrl: hosted?.hostUrl ?? run.hostUrl,
    webUrl: hosted?.webUrl ?? null,
    pullRequests: mergeRequests?.value ?? [],
    message: hosted?.message ?? null,
    authorName: hosted?.authorName ?? null,
    isPrimary: false,
  };
}

/**
 * Versions that a pipeline of this very revision published, from the code host the commit's address names. Throws where
 * no backend can be asked: no configured backend is that host, or the commit has no revision.
 */
export async function packagesOf(
  context: Context,
  commit: CommitParent,
  info: GraphQLResolveInfo,
): Promise<readonly Version[]> {
  for (const { backend, reader } of backendsWith(context, "commits")) {
    const { sha } = commit;
    const project = reader.projectOf(commit.hostUrl, commit.repository);
    if (project === null || sha === null) continue;
    const search = (commits: typeof reader) => commits.publishedFrom(project, sha);
    return (await lookUp(context, info, "commits", backend.name, search)) ?? [];
  }
  throw badInput(
    "BACKEND_NOT_CONFIGURED",
    "No configured backend is the code host of this commit: what was published from it is unknown.",
  );
}

/** Whether one image of a release is still what its reference points at. */
export interface DriftParent {
  readonly image: ImageRef;
  readonly verdict: DriftVerdict;
  readonly released: Digest | null;
  readonly current: Digest | null;
  /** Configured name of the registry that was asked; null when no configured backend is that registry. */
  readonly checkedIn: string | null;
  readonly reason: string | null;
}

/**
 * Whether what was released is still what the reference points at. The registry and Zadig are asked at the same time:
 * both need only the reference. Only a registry that answered can make an image MISSING.
 */
export async function driftOf(context: Context, release: Release, image: ReleaseImage): Promise<DriftParent | null> {
  const reference = image.target ?? image.source;
  if (reference === null) return null;
  const owner = context.estate.ownerOf(reference.registry);
  const reader = owner ? context.readers(owner).images : undefined;
  // What a tag points at is the question; a reference without one points at its digest, and not at `latest`.
  const pointer = reference.tag === null ? reference : { ...reference, digest: null };
  const [released, now] = await Promise.all([
    releasedDigest(context, release, image),
    owner && reader ? outcomeOf(owner.name, reader.image(pointer), ({ origin }) => origin) : null,
  ]);
  const base = {
    image: reference,
    released: released.digest,
    current: null,
    checkedIn: owner?.name ?? null,
    reason: null,
  };
  if (!now) return { ...base, verdict: "UNVERIFIABLE", reason: "no configured backend is this registry" };
  if (!now.value && now.source.status !== "ABSENT")
    return { ...base, verdict: "UNVERIFIABLE", reason: `the registry could not say: ${now.source.status}` };
  if (context.call.staleResponses?.oldest(now.source.backend))
    return {
      ...base,
      verdict: "UNVERIFIABLE",
      reason: "the registry does not answer; its earlier answer proves nothing now",
    };
  if (!now.value) return { ...base, verdict: "MISSING" };
  const current = now.value.digest;
  // Index is compared with index and manifest with manifest: both digests belong to what the reference itself names.
  if (released.digest !== null && current !== null && current !== released.digest) {
    return { ...base, current, verdict: "TAG_MOVED" };
  }
  // Whether bytes are in cold storage is a question of its own; unanswered, the tag still points where it did.
  const archived = reader?.isArchived
    ? await outcomeOf(
        base.checkedIn ?? "",
        reader.isArchived(now.value).then((is) => found(is)),
        () => null,
      )
    : null;
  if (archived?.value ?? now.value.archived) return { ...base, current, verdict: "ARCHIVED" };
  if (released.digest === null) return { ...base, current, verdict: "UNVERIFIABLE", reason: released.reason };
  if (current === null) return { ...base, verdict: "UNVERIFIABLE", reason: "the registry tells no digest" };
  return { ...base, current, verdict: "MATCHES" };
}

/** The digest at release time: the release's own word, else Zadig's record of the image it was built as. */
async function releasedDigest(
  context: Context,
  release: Release,
  image: ReleaseImage,
): Promise<{ readonly digest: Digest | null; readonly reason: string }> {
  const reason = "no digest was recorded when it was released";
  const digest = image.digest ?? image.target?.digest ?? image.source?.digest;
  if (digest) return { digest, reason };
  const built = image.source ?? image.target;
  if (!built) return { digest: null, reason };
  // Zadig alone may say what was released: today's registry must not vouch for yesterday.
  const seed = { ...imageSeed(built, release.ref.backend), asOf: release.createdAt, registryRecords: atHand([]) };
  const node = new ArtifactNode(context, seed);
  const [outcome] = await node.zadig();
  const record = await node.record();
  const recorder = context.estate.find(release.ref.backend)?.type.displayName ?? release.ref.backend;
  return {
    digest: record?.digest ?? null,
    reason: outcome?.error ? `${recorder} could not say what was released: ${outcome.source.status}` : reason,
  };
}
