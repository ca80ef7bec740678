import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { type Digest, type ImageRef, isStrong, printImageRef } from "../../model/artifact.ts";
import type { ImageRecord, PackageFile, VersionRef } from "../../model/package.ts";
import type { ArtifactRecord, ArtifactRef } from "../../model/release.ts";
import { backendsWith, type Context } from "../context.ts";
import { askByChecksum, configuredPlaces, type Images, type Records } from "./lookups.ts";
import { couldNotSay, type Outcome, outcomeFrom, type SourceParent, sourceFrom } from "./outcome.ts";

/** What is known of an artifact at the place that names it, before any other backend is asked. */
export interface ArtifactSeed {
  /** The Zadig whose payload names it; null where any Zadig may know it. */
  readonly zadig: string | null;
  readonly type: ArtifactRecord["type"];
  /** The Zadig record that it was met as; null where it was met as something else. */
  readonly origin: ArtifactRef | null;
  /** Strong digest that the naming place has; null when it has none. */
  readonly digest: Digest | null;
  /** When the naming place was written: builds of the tag after that are not meant. Null where it speaks of today. */
  readonly asOf: string | null;
  /** References it is named by; the first is the one that was asked about. Empty for files. */
  readonly images: readonly ImageRef[];
  /** File or chart name, where it is no image. */
  readonly file: string | null;
  /** Zadig's records, where they are known or the maker of the seed knows how to get them; null: ask by reference. */
  readonly records: Lazy<readonly Records[]> | null;
  /** Registry records of the references, likewise. */
  readonly registryRecords: Lazy<readonly Outcome<ImageRecord>[]> | null;
  /** The same bytes elsewhere, likewise; null: search by name and digest. */
  readonly copies: Lazy<readonly Images[]> | null;
  /** References under which a backend stored it without holding it now: a release that names source and target. */
  readonly namedImages: readonly { readonly backend: string; readonly image: ImageRef }[];
  /** Whether it is traced through every backend: then copies elsewhere are observations too, not only locations. */
  readonly isTraced: boolean;
  /** The package file that it is, for files of package repositories. */
  readonly packaged: PackagedFile | null;
  /** Files of equal strong digest in other versions or backends, where they are known. */
  readonly sameFiles: readonly PackagedFile[];
  /** Searches for such files; null where there is nothing to search, or it was done. */
  readonly findSameFiles: Lazy<readonly Outcome<readonly FoundFile[]>[]> | null;
  /** Sources of the questions that led to it; they are not asked again. */
  readonly sources: readonly SourceParent[];
}

/** Requested when it is needed. */
export type Lazy<T> = () => Promise<T>;

/** A value that is known already. */
export function atHand<T>(value: T): Lazy<T> {
  return async () => value;
}

/** A file of a package version that is an artifact by itself. */
export interface PackagedFile {
  readonly version: VersionRef;
  readonly file: PackageFile;
  readonly fetchedAt: string;
}

/** A file together with the version that lists it and when it was read. */
export type PackageFileParent = PackageFile & { readonly version: VersionRef; readonly fetchedAt: string };

const unknownImage: ArtifactSeed = {
  zadig: null,
  origin: null,
  type: "IMAGE",
  digest: null,
  asOf: null,
  images: [],
  file: null,
  records: null,
  registryRecords: null,
  copies: null,
  namedImages: [],
  isTraced: false,
  packaged: null,
  sameFiles: [],
  findSameFiles: null,
  sources: [],
};

/** An artifact named by an image reference. */
export function imageSeed(image: ImageRef, zadig: string | null, digest: Digest | null = null): ArtifactSeed {
  return { ...unknownImage, zadig, digest: strong(digest ?? image.digest), images: [image] };
}

/** A Zadig record as an artifact. */
export function recordSeed(record: ArtifactRecord): ArtifactSeed {
  const { origin, ref, type, digest, image, file } = record;
  return {
    ...unknownImage,
    zadig: origin.backend,
    origin: ref,
    type,
    digest: strong(digest),
    images: image ? [image] : [],
    file,
    records: atHand([outcomeFrom(origin, [record])]),
  };
}

/** A registry's record as an artifact. */
export function registrySeed(record: ImageRecord): ArtifactSeed {
  const registryRecords = atHand([outcomeFrom(record.origin, record)]);
  return { ...imageSeed(record.image, null, record.digest), registryRecords };
}

/**
 * A package file as an artifact: bytes with the checksums its repository has. Other holders of the bytes are searched
 * by checksum, in the places that the configuration names, when that is selected.
 */
export function fileSeed(context: Context, { version, fetchedAt, ...file }: PackageFileParent): ArtifactSeed {
  const { backend } = version.package;
  const digest = file.digests.find(isStrong) ?? null;
  return {
    ...unknownImage,
    type: "FILE",
    digest,
    file: file.name,
    records: atHand([]),
    registryRecords: atHand([]),
    copies: atHand([]),
    packaged: { version, file, fetchedAt },
    findSameFiles: () =>
      digest === null ? unsearchable(context, backend) : askByChecksum(context, digest, configuredPlaces(context)),
    sources: [sourceFrom({ backend, fetchedAt, stale: false, traceId: null })],
  };
}

// Without a strong checksum no backend can be asked for the same bytes.
async function unsearchable(context: Context, own: string): Promise<Outcome<readonly FoundFile[]>[]> {
  return backendsWith(context, "packages")
    .filter(({ backend }) => backend.name !== own)
    .map(({ backend }) => couldNotSay(backend.name, unknown("NOT_SEARCHABLE")));
}

function strong(digest: Digest | null): Digest | null {
  return digest !== null && isStrong(digest) ? digest : null;
}

/**
 * The coordinate in an artifact's id: what finds it again. Known where the artifact is named, so an id costs no call.
 */
export function coordinateOf(seed: ArtifactSeed): readonly (string | null)[] {
  if (seed.origin) {
    const { backend, zadigId, image } = seed.origin;
    return ["zadig", backend, zadigId, zadigId === null ? image : null];
  }
  if (seed.packaged) {
    const { version, file } = seed.packaged;
    const { backend, repository, key } = version.package;
    return ["file", backend, repository, key, version.version, version.nativeId, file.path ?? file.name];
  }
  const image = seed.images[0];
  const reference = image ? printImageRef({ ...image, digest: null }) : seed.file;
  if (seed.isTraced) return ["trace", reference];
  return seed.asOf === null || seed.digest !== null
    ? ["image", seed.zadig, reference]
    : ["image", seed.zadig, reference, seed.asOf];
}
