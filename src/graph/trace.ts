import { type Digest, isStrong } from "../model/digest.ts";
import { type ImageRef, parseImageRef, printImageRef } from "../model/image-ref.ts";
import type { ImageRecord } from "../model/package.ts";
import type { ArtifactRecord } from "../model/release.ts";
import { type ArtifactNode, type ArtifactSeed, createArtifact, imageSeed, recordSeed } from "./artifact.ts";
import { type Context, having } from "./context.ts";
import { badInput } from "./errors.ts";
import { combineSources, isComplete, type Outcome, outcomeOf, plain, type SourceParent } from "./outcome.ts";

/** A finished trace: what was found, what looks alike but is not proved to be the same, and who said what. */
export interface TraceParent {
  readonly artifact: ArtifactNode | null;
  readonly candidates: readonly ArtifactNode[];
  readonly isComplete: boolean;
  readonly sources: readonly SourceParent[];
}

type Records = Outcome<readonly ArtifactRecord[]>;
type Images = Outcome<readonly ImageRecord[]>;

/**
 * From any spelling of a reference. Wave 1: the registry it names, and every Zadig by name and tag, which also finds
 * the other spellings. Wave 2, as soon as a digest is known: the same bytes in every registry. Wave 3 only where the
 * bytes were found under another tag that Zadig has not been asked about.
 */
export async function traceByImage(context: Context, text: string): Promise<TraceParent> {
  const image = parseImageRef(text);
  if (!image) throw badInput("BAD_USER_INPUT", "This is not an image reference: [registry/]path[:tag][@digest].");
  return traceReference(context, image);
}

/** As {@link traceByImage}, for a reference that is taken apart already. */
export async function traceReference(context: Context, image: ImageRef): Promise<TraceParent> {
  const early = image.digest !== null && isStrong(image.digest) ? askCopies(context, image, image.digest) : null;
  const [held, zadig] = await Promise.all([askOwner(context, image), askZadigs(context, [image])]);
  const exact = recordsOf(zadig).find((record) => record.image !== null && isSameReference(record.image, image));
  const digest = image.digest ?? held?.value?.digest ?? exact?.digest ?? null;
  const declared = digest === null && !exact ? await declaredSource(context, recordsOf(zadig), image) : null;
  const known = digest ?? declared?.digest ?? null;
  const copies = early ? await early : await askCopies(context, image, known);
  return assemble(context, { image, digest: known, held, zadig, copies, exact: exact ?? declared });
}

interface Found {
  readonly image: ImageRef;
  readonly digest: Digest | null;
  readonly held: Outcome<ImageRecord> | null;
  readonly zadig: readonly Records[];
  readonly copies: readonly Images[];
  /** The record that is this reference's by equal text or by a release that says so. */
  readonly exact: ArtifactRecord | null;
}

/** Puts together what the waves brought; also the end of the digest and purl traces. */
export async function assemble(context: Context, found: Found): Promise<TraceParent> {
  const { image, digest, held, copies } = found;
  const everywhere = [...(held?.value ? [held.value] : []), ...copies.flatMap(({ value }) => value ?? [])];
  const same = everywhere.filter((record) => digest === null || record.digest === digest);
  const retagged = same.filter((record) => record.image.tag !== image.tag).map((record) => record.image);
  const matches = (record: ArtifactRecord) =>
    digest === null ? record === found.exact : record.digest === digest || record === found.exact;
  const lateWave =
    retagged.length > 0 && !recordsOf(found.zadig).some(matches) ? await askZadigs(context, retagged) : [];
  const zadig = [...found.zadig, ...lateWave];

  const records = recordsOf(zadig);
  const merged = records.filter((record) => matches(record) && (record.digest === null || record.digest === digest));
  const candidates = [
    ...records.filter((record) => !merged.includes(record)).map(recordSeed),
    ...everywhere.filter((record) => !same.includes(record)).map(imageRecordSeed),
  ].map((seed) => createArtifact(context, seed));

  const sources = everyBackend(context, [
    ...zadig.map(({ source }) => source),
    ...(held ? [held.source] : []),
    ...copies.map(({ source }) => source),
  ]);
  const artifact =
    merged.length + same.length > 0
      ? createArtifact(context, {
          ...imageSeed(image, null, digest),
          images: [image, ...same.map((record) => record.image)],
          records: zadig.map((outcome) => ({
            ...outcome,
            value: outcome.value?.filter((one) => merged.includes(one)) ?? null,
          })),
          held: [
            ...(held ? [onlySame(held, same)] : []),
            ...copies.flatMap((outcome) => spread(outcome, held?.value ?? null)),
          ],
          copies,
        })
      : null;
  return { artifact, candidates, isComplete: isComplete(sources), sources };
}

/** A registry's record as an artifact of its own. */
export function imageRecordSeed(record: ImageRecord): ArtifactSeed {
  const { backend, fetchedAt, traceId } = record.origin;
  const source: SourceParent = { backend, status: "OK", fetchedAt, retryAfterMs: null, upstreamCode: null, traceId };
  return {
    ...imageSeed(record.image, null, record.digest),
    records: null,
    held: [{ source, value: record, error: null }],
  };
}

/** Same bytes in every registry that can be searched so (or in those named), one entry a backend. */
export function askCopies(
  context: Context,
  image: ImageRef,
  digest: Digest | null,
  only?: readonly string[],
): Promise<Images[]> {
  const name = image.repository.split("/").at(-1) ?? image.repository;
  const asked = having(context, "images").filter(({ backend }) => only?.includes(backend.name) ?? true);
  return Promise.all(
    asked.map(async ({ backend, reader }): Promise<Images> => {
      if (digest === null) return { source: plain(backend.name, "NOT_SEARCHABLE"), value: null, error: null };
      return searched(
        backend.name,
        await outcomeOf(backend.name, reader.copies(name, digest), (all) => all[0]?.origin ?? null),
      );
    }),
  );
}

/** Null from a search means "cannot be searched so", which is not "nothing there". */
export function searched<T>(backend: string, outcome: Outcome<T>): Outcome<T> {
  const unsearched = outcome.value === null && outcome.error === null;
  return unsearched ? { ...outcome, source: plain(backend, "NOT_SEARCHABLE") } : outcome;
}

/** Every Zadig, for all spellings of these references at once. */
export function askZadigs(context: Context, images: readonly ImageRef[]): Promise<Records[]> {
  return Promise.all(
    having(context, "artifacts").flatMap(({ backend, reader }) =>
      images.map(async (image): Promise<Records> => {
        const name = image.repository.split("/").at(-1) ?? image.repository;
        if (image.tag === null) return { source: plain(backend.name, "NOT_SEARCHABLE"), value: null, error: null };
        return outcomeOf(backend.name, reader.byNameAndTag(name, image.tag), (all) => all[0]?.origin ?? null);
      }),
    ),
  );
}

/** One source a configured backend: those that could not even be asked are said to be so. */
export function everyBackend(context: Context, said: readonly SourceParent[]): SourceParent[] {
  const silent = context.estate.backends
    .filter(({ name }) => !said.some(({ backend }) => backend === name))
    .map(({ name }) => plain(name, "NOT_SEARCHABLE"));
  return combineSources([...said, ...silent]);
}

async function askOwner(context: Context, image: ImageRef): Promise<Outcome<ImageRecord> | null> {
  const owner = context.estate.ownerOf(image.registry);
  const reader = owner ? context.readers(owner).images : undefined;
  return owner && reader ? outcomeOf(owner.name, reader.image(image), ({ origin }) => origin) : null;
}

/**
 * The record that a release declares to be the source of this reference: Zadig stores an artifact under the reference
 * it was built as, and only the release tells as what it was distributed.
 */
async function declaredSource(
  context: Context,
  records: readonly ArtifactRecord[],
  image: ImageRef,
): Promise<ArtifactRecord | null> {
  for (const record of records.slice(0, 3)) {
    const reader = having(context, "releases").find(({ backend }) => backend.name === record.ref.backend)?.reader;
    const { value } = reader
      ? await outcomeOf(
          record.ref.backend,
          reader.containing(record, { first: 20, after: null }),
          (page) => page.origin,
        )
      : { value: null };
    const declares = value?.rows.some(({ value: release }) =>
      release.parts?.images.some(
        ({ source, target }) =>
          target !== null &&
          isSameReference(target, image) &&
          source !== null &&
          record.image !== null &&
          isSameReference(source, record.image),
      ),
    );
    if (declares) return record;
  }
  return null;
}

function isSameReference(one: ImageRef, other: ImageRef): boolean {
  return printImageRef({ ...one, digest: null }) === printImageRef({ ...other, digest: null });
}

function recordsOf(outcomes: readonly Records[]): ArtifactRecord[] {
  const all = outcomes.flatMap(({ value }) => value ?? []);
  const seen = new Set<string>();
  return all
    .filter(({ ref, digest }) => {
      const key = JSON.stringify([ref.backend, ref.zadigId, ref.image, digest]);
      return !seen.has(key) && seen.add(key);
    })
    .toSorted((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? ""));
}

function onlySame(held: Outcome<ImageRecord>, same: readonly ImageRecord[]): Outcome<ImageRecord> {
  return held.value && same.includes(held.value) ? held : { ...held, value: null };
}

function spread({ source, value }: Images, already: ImageRecord | null): Outcome<ImageRecord>[] {
  const others = (value ?? []).filter(
    (record) =>
      !already ||
      printImageRef(record.image) !== printImageRef(already.image) ||
      record.origin.backend !== already.origin.backend,
  );
  return others.map((record) => ({ source, value: record, error: null }));
}
