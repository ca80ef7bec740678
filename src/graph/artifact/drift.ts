import { found } from "../../backends/answers.ts";
import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { Release, ReleaseImage } from "../../model/release.ts";
import type { Context } from "../context.ts";
import type { DriftVerdict } from "../generated/resolvers.ts";
import { atHand, createArtifact, imageSeed } from "./artifact.ts";
import { outcomeOf } from "./outcome.ts";

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
  const node = createArtifact(context, seed);
  const [outcome] = await node.zadig();
  const record = await node.record();
  const recorder = context.estate.find(release.ref.backend)?.type.displayName ?? release.ref.backend;
  return {
    digest: record?.digest ?? null,
    reason: outcome?.error ? `${recorder} could not say what was released: ${outcome.source.status}` : reason,
  };
}
