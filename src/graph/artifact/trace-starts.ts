import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { type Digest, isStrong, parseDigest, parseImageRef } from "../../model/artifact.ts";
import type { ImageRecord } from "../../model/package.ts";
import { nameOfPurl, type PurlParts, parsePurl } from "../../model/purl.ts";
import { once } from "../../model/values.ts";
import { backendsWith, type Context, type Reading } from "../context.ts";
import { badInput } from "../errors.ts";
import { ArtifactNode } from "./artifact.ts";
import { askByChecksum, askByDigest, askCopies, askZadigSpellings, firstOrigin, type Hint } from "./lookups.ts";
import {
  couldNotSay,
  errorsIn,
  failureIn,
  isComplete,
  type Outcome,
  outcomeFrom,
  outcomeOf,
  unanswered,
  wasAsked,
} from "./outcome.ts";
import { findMainFile } from "./package-files.ts";
import { atHand, fileSeed } from "./seeds.ts";
import { assemble, everyBackend, type TraceParent, type TraceWants, traceReference } from "./trace.ts";

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
  // A hint is a place to begin in: what is not there may be elsewhere in the same backend, which cannot be asked by
  // digest.
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
    const registryRecords = [outcomeFrom(first.origin, first)];
    return assemble(context, { image: first.image, digest, registryRecords, zadig, copies, source: null });
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
      node: new ArtifactNode(context, fileSeed(context, { ...file, version, fetchedAt: origin.fetchedAt })),
    }));
  const [found, ...sameFiles] = nodes.filter(({ proved }) => proved).map(({ node }) => node);
  const sources = [...images, ...files].map(({ source }) => source);
  return {
    artifact: found
      ? new ArtifactNode(context, {
          ...found.seed,
          findSameFiles: null,
          sameFiles: sameFiles.flatMap(({ seed }) => seed.packaged ?? []),
          sources,
        })
      : null,
    failure: failureIn([...images, ...files]),
    candidates: atHand(nodes.filter(({ proved }) => !proved).map(({ node }) => node)),
    isComplete: atHand(isComplete(context.call, sources)),
    sources: async () => everyBackend(context, sources),
  };
}

/**
 * From a package URL. An image's purl holds its digest and often its repository: it goes on as a trace by image or by
 * digest. Any other names a version: every package backend is asked for it at the same time, and the file that the
 * purl means is the artifact.
 */
export async function traceByPurl(
  context: Context,
  text: string,
  hint: Hint | null,
  wants: TraceWants,
): Promise<TraceParent> {
  const purl = parsePurl(text);
  if (!purl) throw badInput("BAD_USER_INPUT", "This is not a package URL.");
  if (purl.type === "oci" || purl.type === "docker") return traceImagePurl(context, purl, hint, wants);
  if (!nameOfPurl(purl) || purl.version === null) {
    throw badInput(
      "BAD_USER_INPUT",
      "Only a package URL with a version, of a type that a backend stores, can be traced.",
    );
  }
  const answers = await Promise.all(
    backendsWith(context, "packages").map((reading) => findFiles(reading, purl, repositoryOf(reading, hint))),
  );
  // A backend that stores no packages of this type has nothing to say of them.
  const files = answers.filter(({ source }) => source.status !== "NOT_SEARCHABLE");
  const named = files.flatMap(({ value }) => value ?? []).filter(({ isMeant }) => isMeant);
  const digests = new Set(named.flatMap(({ file }) => file.digests.find(isStrong) ?? []));
  const hinted = named.find(
    ({ version: { package: home } }) => home.backend === hint?.backend && home.repository === hint.repository,
  );
  // A package URL names a name: where the repositories hold different bytes under it, only a hint can tell which are
  // meant.
  const digest = hinted?.file.digests.find(isStrong) ?? (digests.size === 1 ? [...digests][0] : null) ?? null;
  return assembleFiles(context, digest, [], files);
}

async function traceImagePurl(
  context: Context,
  purl: PurlParts,
  hint: Hint | null,
  wants: TraceWants,
): Promise<TraceParent> {
  const digest = parseDigest(purl.version);
  const place = purl.qualifiers["repository_url"];
  const path = purl.namespace === null ? purl.name : `${purl.namespace}/${purl.name}`;
  const tag = purl.qualifiers["tag"] ?? (digest === null ? purl.version : null);
  if (place !== undefined) {
    const repository = place === path || place.endsWith(`/${path}`) ? place : `${place}/${path}`;
    const image = parseImageRef(`${repository}${tag === null ? "" : `:${tag}`}${digest === null ? "" : `@${digest}`}`);
    if (image) return traceReference(context, image, wants);
  }
  if (digest === null)
    throw badInput("BAD_USER_INPUT", "The package URL of an image needs a digest or a repository_url.");
  return traceByDigest(context, digest, hint === null ? [] : [hint], wants);
}

/** Null where the hint is about another backend, or there is none. */
function repositoryOf({ backend }: Reading<"packages">, hint: Hint | null): string | null {
  return hint?.backend === backend.name ? hint.repository : null;
}

/** A file of a version that a package URL names. */
interface NamedFile extends FoundFile {
  /** Whether the package URL means this one, and not only the version that has it and others. */
  readonly isMeant: boolean;
}

/**
 * The file that a package URL means, of every version that it names in one backend, or in one repository of it; of a
 * version with several that could be meant, all of these.
 */
async function findFiles(
  { backend, reader }: Reading<"packages">,
  purl: PurlParts,
  scope: string | null,
): Promise<Outcome<readonly NamedFile[]>> {
  const versions = await outcomeOf(backend.name, reader.byPurl(purl, scope), firstOrigin);
  if (versions.value === null) return { ...versions, value: null };
  const files = await Promise.all(
    versions.value.map(async ({ ref, purl: own }) => {
      const asked = findMainFile(reader, ref, withQualifiersOf(purl, own));
      const outcome = await outcomeOf(backend.name, asked, ({ origin }) => origin);
      return { version: ref, outcome };
    }),
  );
  const found = files.flatMap(({ version, outcome: { value } }): NamedFile[] => {
    if (value === null) return [];
    const { file, candidates, origin } = value;
    if (file) return [{ version, file, origin, isMeant: true }];
    return candidates.map((candidate) => ({ version, file: candidate, origin, isMeant: false }));
  });
  const [gap = null] = errorsIn([versions, ...files.map(({ outcome }) => outcome)]);
  if (found.length === 0) {
    // Its whole list of files has none that is meant.
    return gap ? unanswered(gap) : { source: { ...versions.source, status: "ABSENT" }, value: [], error: null };
  }
  return { source: gap ? { ...versions.source, status: "PARTIAL" } : versions.source, value: found, error: gap };
}

/** Which file is meant is the caller's to say; what it is called follows from how the backend spells its name. */
function withQualifiersOf(asked: PurlParts, printed: string | null): PurlParts {
  const own = printed === null ? null : parsePurl(printed);
  return own ? { ...own, qualifiers: { ...own.qualifiers, ...asked.qualifiers } } : asked;
}
