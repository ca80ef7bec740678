import type { FoundFile, PackageScope } from "../backends/backend.ts";
import { type Digest, isStrong } from "../model/digest.ts";
import type { ImageRecord } from "../model/package.ts";
import { createArtifact } from "./artifact.ts";
import { type Context, having } from "./context.ts";
import { isComplete, type Outcome, outcomeOf } from "./outcome.ts";
import { fileSeed } from "./package-file.ts";
import { askCopies, askZadigs, assemble, everyBackend, searched, type TraceParent } from "./trace.ts";

/** Where a caller says to start looking: a backend, and what to look through there. */
export type Hint = { readonly backend: string } & PackageScope;

/**
 * From a digest. Zadig cannot be asked by digest, most registries neither: wave 1 asks those that can and the hinted
 * repository, wave 2 goes on from the references found, as a trace by image does. Files are found by checksum; a weak
 * one (md5, sha1) only ever makes candidates.
 */
export async function traceByDigest(context: Context, digest: Digest, hint: Hint | null): Promise<TraceParent> {
  const [images, files] = await Promise.all([
    isStrong(digest) ? askByDigest(context, digest, hint) : [],
    askByChecksum(context, digest, hint),
  ]);
  const first = images.flatMap(({ value }) => value ?? [])[0];
  if (first) {
    const unsearched = images
      .filter(({ source }) => source.status === "NOT_SEARCHABLE")
      .map(({ source }) => source.backend);
    const [zadig, copies] = await Promise.all([
      askZadigs(context, [first.image]),
      askCopies(context, first.image, digest, unsearched),
    ]);
    const searchedImages = images.filter(({ source }) => source.status !== "NOT_SEARCHABLE");
    return assemble(context, {
      image: first.image,
      digest,
      held: null,
      zadig,
      copies: [...searchedImages, ...copies],
      exact: null,
    });
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
      node: createArtifact(context, fileSeed({ ...file, version, fetchedAt: origin.fetchedAt })),
    }));
  const [found, ...copies] = nodes.filter(({ proved }) => proved).map(({ node }) => node);
  const sources = everyBackend(
    context,
    [...images, ...files].map(({ source }) => source),
  );
  return {
    artifact: found
      ? createArtifact(context, { ...found.seed, twins: copies.flatMap(({ seed }) => seed.packaged ?? []) })
      : null,
    candidates: nodes.filter(({ proved }) => !proved).map(({ node }) => node),
    isComplete: isComplete(sources),
    sources,
  };
}

function askByDigest(context: Context, digest: Digest, hint: Hint | null): Promise<Outcome<readonly ImageRecord[]>[]> {
  return Promise.all(
    having(context, "images").map(async ({ backend, reader }) => {
      const scope = hint?.backend === backend.name ? hint.repository : null;
      return searched(
        backend.name,
        await outcomeOf(backend.name, reader.byDigest(digest, scope), (all) => all[0]?.origin ?? null),
      );
    }),
  );
}

function askByChecksum(context: Context, digest: Digest, hint: Hint | null): Promise<Outcome<readonly FoundFile[]>[]> {
  return Promise.all(
    having(context, "packages").map(async ({ backend, reader }) => {
      const scope = hint?.backend === backend.name ? hint.repository : null;
      return searched(
        backend.name,
        await outcomeOf(backend.name, reader.byChecksum(digest, scope), (all) => all[0]?.origin ?? null),
      );
    }),
  );
}
