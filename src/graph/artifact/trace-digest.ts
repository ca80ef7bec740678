import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { type Digest, isStrong } from "../../model/digest.ts";
import { once } from "../../model/once.ts";
import type { ImageRecord } from "../../model/package.ts";
import type { Context } from "../context.ts";
import { atHand, createArtifact, failureIn } from "./artifact.ts";
import { askByChecksum, askByDigest, askCopies, askZadigSpellings, type Hint } from "./lookups.ts";
import { couldNotSay, isComplete, type Outcome, told, wasAsked } from "./outcome.ts";
import { fileSeed } from "./package-file.ts";
import { assemble, everyBackend, type TraceParent, type TraceWants } from "./trace.ts";

/**
 * From a digest. Zadig cannot be asked by digest, most registries neither: wave 1 asks those that can and the hinted
 * repositories, wave 2 goes on from the references found, as a trace by image does. Files are found by checksum; a weak
 * one (md5, sha1) only ever makes candidates.
 */
export async function traceByDigest(
  context: Context,
  digest: Digest,
  hints: readonly Hint[],
  wants: TraceWants,
): Promise<TraceParent> {
  const { images, files } = await searchDigest(context, digest, hints);
  // A hint is a place to begin in: what is not there may be elsewhere in the same backend, where nobody can be asked.
  const isNone = [...images, ...files].every(({ value }) => value === null || value.length === 0);
  const elsewhere = isNone ? hints.map(({ backend }) => couldNotSay(backend, unknown("NOT_SEARCHABLE"))) : [];
  return traceFound(context, digest, { images: [...images, ...elsewhere], files }, wants);
}

/** What the search for a digest brought, an entry for each place. */
export interface DigestSearch {
  readonly images: readonly Outcome<readonly ImageRecord[]>[];
  readonly files: readonly Outcome<readonly FoundFile[]>[];
}

/** Wave 1 of {@link traceByDigest}: everything that holds these bytes in the places of the hints, all asked at once. */
export async function searchDigest(context: Context, digest: Digest, hints: readonly Hint[]): Promise<DigestSearch> {
  const [images, files] = await Promise.all([
    isStrong(digest) ? askByDigest(context, digest, hints) : [],
    askByChecksum(context, digest, hints),
  ]);
  return { images, files };
}

/** What {@link traceByDigest} does with what was found. */
export async function traceFound(
  context: Context,
  digest: Digest,
  { images, files }: DigestSearch,
  wants: TraceWants = { copies: false },
): Promise<TraceParent> {
  const first = images.flatMap(({ value }) => value ?? [])[0];
  if (first) {
    const answered = images.filter(wasAsked);
    const others = images.filter((outcome) => !answered.includes(outcome)).map(({ source }) => source.backend);
    const copies = once(async () => [...answered, ...(await askCopies(context, first.image, digest, others))]);
    if (wants.copies) copies().catch(() => null);
    const zadig = await askZadigSpellings(context, first.image);
    const held = [{ source: told(first.origin), value: first, error: null }];
    return assemble(context, { image: first.image, digest, held, zadig, copies, source: null });
  }
  return assembleFiles(context, digest, images, files);
}

/** The end of a trace that found files, or nothing. */
export function assembleFiles(
  context: Context,
  digest: Digest | null,
  images: readonly Outcome<readonly ImageRecord[]>[],
  files: readonly Outcome<readonly FoundFile[]>[],
): TraceParent {
  const nodes = files
    .flatMap(({ value }) => value ?? [])
    .map(({ version, file, origin }) => ({
      proved: digest !== null && isStrong(digest) && file.digests.includes(digest),
      node: createArtifact(context, fileSeed(context, { ...file, version, fetchedAt: origin.fetchedAt })),
    }));
  const [found, ...twins] = nodes.filter(({ proved }) => proved).map(({ node }) => node);
  const said = [...images, ...files].map(({ source }) => source);
  return {
    artifact: found
      ? createArtifact(context, {
          ...found.seed,
          alike: null,
          twins: twins.flatMap(({ seed }) => seed.packaged ?? []),
          said,
        })
      : null,
    failure: failureIn([...images, ...files]),
    candidates: atHand(nodes.filter(({ proved }) => !proved).map(({ node }) => node)),
    isComplete: atHand(isComplete(context.call, said)),
    sources: async () => everyBackend(context, said),
  };
}
