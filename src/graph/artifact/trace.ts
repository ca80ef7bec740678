import { unknown } from "../../backends/answers.ts";
import { type Digest, type ImageRef, isSameReference, isStrong, parseImageRef } from "../../model/artifact.ts";
import type { ImageRecord } from "../../model/package.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import { once } from "../../model/values.ts";
import { backendsWith, type Context } from "../context.ts";
import { badInput, type NoAnswer } from "../errors.ts";
import { ArtifactNode, undatedAmong } from "./artifact.ts";
import {
  askCopies,
  askOwners,
  askZadig,
  askZadigSpellings,
  expectCopies,
  type Images,
  type Records,
} from "./lookups.ts";
import {
  combineSources,
  couldNotSay,
  failureIn,
  isComplete,
  type Outcome,
  outcomeOf,
  type SourceParent,
  sourceWithStatus,
  wasAsked,
} from "./outcome.ts";
import { type ArtifactSeed, atHand, imageSeed, type Lazy, recordSeed, registrySeed } from "./seeds.ts";

/** A trace: what was found, what looks the same without a proof, and the sources. */
export interface TraceParent {
  readonly artifact: ArtifactNode | null;
  /** Why nothing may have been found: a backend did not answer. Null when all who were asked answered. */
  readonly failure: NoAnswer | null;
  readonly candidates: Lazy<readonly ArtifactNode[]>;
  readonly isComplete: Lazy<boolean>;
  readonly sources: Lazy<readonly SourceParent[]>;
}

/** What the caller will look at, as far as it decides what is asked. */
export interface TraceWants {
  /** Whether copies elsewhere are wanted: then they are searched as soon as a digest is known. */
  readonly copies: boolean;
}

/**
 * From any spelling of a reference. Wave 1: the registry it names, and every Zadig by name and tag, which also finds
 * the other spellings; if anybody wants to see copies, also every registry for the places they may be in. Wave 2, once
 * a digest is known: the same bytes in those places. Throws BAD_USER_INPUT for what is no reference.
 */
export async function traceByImage(context: Context, text: string, wants: TraceWants): Promise<TraceParent> {
  const image = parseImageRef(text);
  if (!image) throw badInput("BAD_USER_INPUT", "This is not an image reference: [registry/]path[:tag][@digest].");
  return traceReference(context, image, wants);
}

/** As {@link traceByImage}, for a reference that is taken apart already. */
export async function traceReference(context: Context, image: ImageRef, wants: TraceWants): Promise<TraceParent> {
  const spelled = image.digest !== null && isStrong(image.digest) ? image.digest : null;
  const owners = askOwners(context, [image]);
  const digestOf = (registryRecords: readonly Outcome<ImageRecord>[]) =>
    spelled ?? registryRecords[0]?.value?.digest ?? null;
  const copiesOf = once(async () => askCopies(context, image, spelled ?? digestOf(await owners)));
  if (wants.copies) {
    if (spelled === null) expectCopiesUnlessDenied(context, image, owners);
    // As soon as a digest is known: a Zadig that takes its time does not keep the registries waiting.
    const start =
      spelled === null ? owners.then((registryRecords) => digestOf(registryRecords) && copiesOf()) : copiesOf();
    start.catch(() => null);
  }
  const [registryRecords, listed] = await Promise.all([owners, askZadigSpellings(context, image)]);
  const all = await withHidden(context, image, listed, digestOf(registryRecords));
  const own = recordsOf(all).filter((record) => isOneOf([record.image], image));
  // Without a digest the newest record is meant, and one without a date may be it.
  const undated = digestOf(registryRecords) === null ? undatedAmong(own) : null;
  const zadig = undated ? [...all, couldNotSay(undated.ref.backend, unknown("UNCHECKED_ORDER"))] : all;
  const exact = undated ? null : (own[0] ?? null);
  const digest = digestOf(registryRecords) ?? exact?.digest ?? null;
  const namedByRelease =
    exact || undated || digest !== null ? null : await sourceInReleases(context, recordsOf(zadig), image);
  const source = exact ?? namedByRelease;
  const known = digest ?? source?.digest ?? null;
  // Unknown bytes are searched nowhere: what its own registry denies is not there.
  const isDenied = known === null && registryRecords.length > 0 && registryRecords.every(isDenial);
  const copies = once(async () => {
    if (digestOf(registryRecords) !== null) return copiesOf();
    return isDenied ? [] : askCopies(context, image, known);
  });
  if (wants.copies) copies().catch(() => null);
  return assemble(context, {
    image,
    digest: known,
    registryRecords,
    zadig,
    copies,
    source,
    isFromRelease: namedByRelease !== null,
  });
}

/**
 * The answers of the Zadigs, and the answer about the reference itself of each that lists other references of its name
 * and tag and none that is meant: the lists hide multi-arch images.
 */
async function withHidden(
  context: Context,
  image: ImageRef,
  zadig: readonly Records[],
  digest: Digest | null,
): Promise<readonly Records[]> {
  const isMeant = (record: ArtifactRecord) =>
    isOneOf([record.image], image) || (digest !== null && record.digest === digest);
  if (image.tag === null) return zadig;
  const silent = zadig.filter(({ value }) => value !== null && !value.some(isMeant));
  const asked = silent.map(({ source }) => askZadig(context, [image], source.backend));
  return [...zadig, ...(await Promise.all(asked)).flat()];
}

/**
 * Lets the registries find the places of copies while the reference's own registry is asked for its tag: once it has
 * answered that there is one, or when it takes its time. A registry that denies the tag at once spares those searches.
 */
function expectCopiesUnlessDenied(
  context: Context,
  image: ImageRef,
  owners: Promise<readonly Outcome<ImageRecord>[]>,
): void {
  let isExpected = false;
  const expect = () => {
    if (!isExpected) expectCopies(context, image);
    isExpected = true;
  };
  const timer = setTimeout(expect, denialMs);
  const settle = (registryRecords: readonly Outcome<ImageRecord>[]) => {
    clearTimeout(timer);
    if (registryRecords.length === 0 || !registryRecords.every(isDenial)) expect();
  };
  // A failure of ours is thrown where the answer is awaited.
  owners.then(settle, () => clearTimeout(timer));
}

/** Time in which a registry may deny a tag before places of copies are searched beside it. */
const denialMs = 15;

function isDenial({ source }: Outcome<unknown>): boolean {
  return source.status === "ABSENT";
}

/** What the first wave brought. */
export interface Found {
  readonly image: ImageRef;
  readonly digest: Digest | null;
  readonly registryRecords: readonly Outcome<ImageRecord>[];
  readonly zadig: readonly Records[];
  readonly copies: Lazy<readonly Images[]>;
  /** The record that is this reference's by equal text, or by a release that says so. */
  readonly source: ArtifactRecord | null;
  /** Whether it was found in a release. */
  readonly isFromRelease?: boolean;
}

/** Puts together what the first wave brought; the rest is requested when it is needed. */
export async function assemble(context: Context, found: Found): Promise<TraceParent> {
  const { image, digest, copies } = found;
  const isSame = (own: Digest | null) => digest === null || own === digest;
  // A record without a digest belongs to the reference it was asked for by; one with a digest, to its bytes.
  const isMine = (record: ArtifactRecord) =>
    record.digest === null ? record === found.source : digest !== null && record.digest === digest;
  const early = recordsOf(found.zadig);
  const registryRecords = found.registryRecords.map((outcome) => keep(outcome, (record) => isSame(record.digest)));
  const displaced = found.registryRecords.flatMap(({ value }) => (value && !isSame(value.digest) ? [value] : []));

  // Zadig was asked for this tag in all spellings it lists; what it hides, and other tags, are asked for by reference.
  const asked = once(async () => {
    // A Zadig that has just failed is not asked again by another name.
    if (early.some(isMine) || found.zadig.every((outcome) => outcome.error !== null && wasAsked(outcome)))
      return found.zadig;
    const elsewhere = (await copies()).flatMap(({ value }) => value ?? []).map((record) => record.image);
    const others = elsewhere.filter((other) => !isSameReference(other, image));
    // A digest alone cannot be asked for everywhere; the references that it was found under can.
    const first = others.length === 0 ? found.zadig : found.zadig.filter(wasAsked);
    return [...first, ...(await askZadig(context, others, null))];
  });
  const records = once(async () => (await asked()).map((outcome) => keepAll(outcome, isMine)));

  const isHere = registryRecords.some(({ value }) => value !== null) || early.some(isMine);
  const elsewhere = isHere ? [] : await copies();
  const isAnywhere = isHere || elsewhere.some(({ value }) => value !== null && value.length > 0);
  const sources = once(async () =>
    [...(await asked()), ...found.registryRecords, ...(await copies())].map(({ source }) => source),
  );
  const namedImages = found.isFromRelease && found.source ? [{ backend: found.source.ref.backend, image }] : [];
  const seed: ArtifactSeed = {
    ...imageSeed(image, null, digest),
    records,
    registryRecords: atHand(registryRecords),
    copies,
    namedImages,
    isTraced: true,
  };
  return {
    artifact: isAnywhere ? new ArtifactNode(context, seed) : null,
    failure: failureIn([...found.registryRecords, ...found.zadig, ...elsewhere]),
    candidates: async () =>
      [
        ...recordsOf(await asked())
          .filter((record) => !isMine(record))
          .map(recordSeed),
        ...displaced.map(registrySeed),
      ].map((candidate) => new ArtifactNode(context, candidate)),
    isComplete: async () => isComplete(context.call, await sources()),
    sources: async () => everyBackend(context, await sources()),
  };
}

/**
 * One source a configured backend. Those that hold nothing of the kind were not asked and have that status; they do not
 * make the answer incomplete.
 */
export function everyBackend(context: Context, sources: readonly SourceParent[]): SourceParent[] {
  const silent = context.estate.backends
    .filter(({ name }) => !sources.some(({ backend }) => backend === name))
    .map(({ name }) => sourceWithStatus(name, "NOT_SEARCHABLE"));
  return combineSources([...sources, ...silent]);
}

/**
 * The record that a release names as the source of this reference: Zadig stores an artifact under the reference
 * it was built as, and only the release tells as what it was distributed.
 */
async function sourceInReleases(
  context: Context,
  records: readonly ArtifactRecord[],
  image: ImageRef,
): Promise<ArtifactRecord | null> {
  const candidates = await Promise.all(
    records.slice(0, mostReleases).map(async (record) => {
      const releases = backendsWith(context, "releases").find(({ backend }) => backend.name === record.ref.backend);
      if (!releases) return null;
      const containing = releases.reader.containing(record, { first: 20, after: null });
      const { value } = await outcomeOf(record.ref.backend, containing, (page) => page.origin);
      return value?.rows.some(({ value: { parts } }) =>
        parts?.images.some(({ source, target }) => isOneOf([source], record.image) && isOneOf([target], image)),
      )
        ? record
        : null;
    }),
  );
  return candidates.find((record) => record !== null) ?? null;
}

const mostReleases = 3;

function isOneOf(references: readonly (ImageRef | null)[], wanted: ImageRef | null): boolean {
  return wanted !== null && references.some((reference) => reference !== null && isSameReference(reference, wanted));
}

/** Every record once, newest first. */
function recordsOf(outcomes: readonly Records[]): ArtifactRecord[] {
  const unique = new Map(
    outcomes
      .flatMap(({ value }) => value ?? [])
      .map((record) => [JSON.stringify([record.ref, record.digest]), record] as const),
  );
  return [...unique.values()].toSorted((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? ""));
}

function keep<T>(outcome: Outcome<T>, wanted: (value: T) => boolean): Outcome<T> {
  return outcome.value !== null && !wanted(outcome.value) ? { ...outcome, value: null } : outcome;
}

/** A backend that answered in full, without anything that is wanted, has none. */
function keepAll<T>(outcome: Outcome<readonly T[]>, wanted: (value: T) => boolean): Outcome<readonly T[]> {
  const value = outcome.value?.filter(wanted) ?? null;
  const isNone = value?.length === 0 && outcome.source.status === "OK";
  return { ...outcome, value, source: isNone ? { ...outcome.source, status: "ABSENT" } : outcome.source };
}
