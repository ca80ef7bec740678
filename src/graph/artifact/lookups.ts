import { type Answer, joined, unknown } from "../../backends/answers.ts";
import type { ArtifactReader, FoundFile, PackageScope } from "../../backends/backend.ts";
import { type Digest, type ImageRef, printImageRef } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import type { ImageRecord } from "../../model/package.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import { backendsWith, type Context, type ReaderName, type Reading } from "../context.ts";
import { couldNotSay, type Outcome, outcomeOf } from "./outcome.ts";

/** The answer of one Zadig about one reference. */
export type Records = Outcome<readonly ArtifactRecord[]>;
/** The answer of one registry to one search. */
export type Images = Outcome<readonly ImageRecord[]>;

/** Zadig's records of exactly these references: the Zadig named, or every one. */
export function askZadig(context: Context, images: readonly ImageRef[], only: string | null): Promise<Records[]> {
  return Promise.all(
    zadigs(context, only).flatMap(({ backend, reader }) =>
      images.map((image) => outcomeOf(backend.name, reader.byImage(taggedText(image)), firstOrigin)),
    ),
  );
}

/** Every Zadig, for all spellings of a reference. */
export function askZadigSpellings(context: Context, image: ImageRef): Promise<Records[]> {
  return Promise.all(
    zadigs(context, null).map(({ backend, reader }): Records | Promise<Records> => {
      const { tag } = image;
      if (tag === null) return couldNotSay(backend.name, unknown("NOT_SEARCHABLE"));
      return outcomeOf(backend.name, recordsOfTag(reader, image, tag), firstOrigin);
    }),
  );
}

/**
 * One Zadig's records of whatever ends in the same name and tag. Its list hides multi-arch images, so that its silence
 * proves nothing: where it shows none that is meant, the reference itself is asked for.
 */
export async function recordsOfTag(
  reader: Pick<ArtifactReader, "byNameAndTag" | "byImage">,
  image: ImageRef,
  tag: string,
  isMeant: (record: ArtifactRecord) => boolean = () => true,
): Promise<Answer<readonly ArtifactRecord[]>> {
  const listed = await reader.byNameAndTag(lastName(image), tag);
  if (listed.kind === "FOUND" && listed.value.some(isMeant)) return listed;
  const hidden = await reader.byImage(taggedText(image));
  return listed.kind === "FOUND" ? joined([listed, hidden], unknown("LEFT_OUT")) : hidden;
}

/**
 * What each reference holds now, in the registry that it names; references of registries that are not configured are
 * left out.
 */
export function askOwners(context: Context, images: readonly ImageRef[]): Promise<Outcome<ImageRecord>[]> {
  return Promise.all(
    images.flatMap((image) => {
      const owner = context.estate.ownerOf(image.registry);
      const reader = owner ? context.readers(owner).images : undefined;
      return owner && reader ? [outcomeOf(owner.name, reader.image(image), ({ origin }) => origin)] : [];
    }),
  );
}

/**
 * The same bytes in every registry (or in those named); one entry a backend. Without a digest no backend can be asked.
 */
export function askCopies(
  context: Context,
  image: ImageRef,
  digest: Digest | null,
  only?: readonly string[],
): Promise<Images[]> {
  const asked = backendsWith(context, "images").filter(({ backend }) => only?.includes(backend.name) ?? true);
  return Promise.all(
    asked.map(({ backend, reader }): Images | Promise<Images> => {
      if (digest === null) return couldNotSay(backend.name, unknown("NOT_SEARCHABLE"));
      return outcomeOf(backend.name, reader.copies(lastName(image), digest, image), firstOrigin);
    }),
  );
}

/** Lets every registry find the places where copies may be, while it is not yet known of which digest. */
export function expectCopies(context: Context, image: ImageRef): void {
  for (const { reader } of backendsWith(context, "images")) reader.expectCopies(lastName(image));
}

/** The name of an image without its path: what stays the same when it is copied elsewhere. */
function lastName({ repository }: ImageRef): string {
  return repository.slice(repository.lastIndexOf("/") + 1);
}

// Zadig stores what was pushed: a tag, and never a digest beside it.
function taggedText(image: ImageRef): string {
  return image.tag !== null && image.digest !== null ? printImageRef({ ...image, digest: null }) : image.raw;
}

function zadigs(context: Context, only: string | null) {
  return backendsWith(context, "artifacts").filter(({ backend }) => only === null || backend.name === only);
}

/** The origin of a list: that of its first row. */
export function firstOrigin(found: readonly { readonly origin: Origin }[]) {
  return found[0]?.origin ?? null;
}

/** Where a caller, or the configuration, says to look: a backend, and what to look through there. */
export type Hint = { readonly backend: string } & PackageScope;

/** Every place that the configuration names for searches. */
export function configuredPlaces(context: Context): Hint[] {
  return context.estate.backends.flatMap(({ name, places }) => places.map((place) => ({ backend: name, ...place })));
}

/** Files of this checksum, in the places of the hints or wherever a backend can search by checksum alone. */
export function askByChecksum(
  context: Context,
  digest: Digest,
  hints: readonly Hint[],
): Promise<Outcome<readonly FoundFile[]>[]> {
  return askInScopes(context, "packages", hints, (reader, scope) => reader.byChecksum(digest, scope));
}

/** Images of this digest, in the places of the hints or wherever a backend can search by digest alone. */
export function askByDigest(context: Context, digest: Digest, hints: readonly Hint[]): Promise<Images[]> {
  return askInScopes(context, "images", hints, (reader, scope) => reader.byDigest(digest, scope));
}

/** One search of every backend that has this reader, once for each of its scopes. */
function askInScopes<K extends ReaderName, T extends { readonly origin: Origin }>(
  context: Context,
  kind: K,
  hints: readonly Hint[],
  search: (reader: Reading<K>["reader"], scope: string | null) => Promise<Answer<readonly T[]>>,
): Promise<Outcome<readonly T[]>[]> {
  return Promise.all(
    backendsWith(context, kind).flatMap(({ backend, reader }) =>
      scopesOf(backend.name, hints).map((scope) => outcomeOf(backend.name, search(reader, scope), firstOrigin)),
    ),
  );
}

/** The repositories of this backend to look into; null, alone, stands for wherever it can search by digest alone. */
function scopesOf(backend: string, hints: readonly Hint[]): readonly (string | null)[] {
  const own = hints.filter((hint) => hint.backend === backend).map(({ repository }) => repository);
  return own.length > 0 ? [...new Set(own)] : [null];
}
