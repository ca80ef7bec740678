import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { type Digest, type ImageRef, isStrong, printImageRef } from "../../model/artifact.ts";
import type { ImageRecord, PackageFile, VersionRef } from "../../model/package.ts";
import type { ArtifactRecord, ArtifactRef } from "../../model/release.ts";
import { backendsWith, type Context } from "../context.ts";
import { badInput, type NoAnswer, noAnswer } from "../errors.ts";
import type { MatchMethod } from "../generated/resolvers.ts";
import { askCopies, askOwners, askZadig, expectCopies, type Images, type Records } from "./lookups.ts";
import {
  type Claim,
  claimOfCopy,
  claimOfImage,
  claimOfRecord,
  type MergedField,
  mergeField,
  mergeRules,
  type Role,
} from "./merge.ts";
import {
  combineSources,
  errorsIn,
  isComplete,
  type Outcome,
  type SourceParent,
  sourceFrom,
  sourceWithStatus,
} from "./outcome.ts";

/** What is known of an artifact at the place that names it, before anybody else is asked. */
export interface ArtifactSeed {
  /** The Zadig whose payload names it; null where any Zadig may know it. */
  readonly zadig: string | null;
  readonly type: ArtifactRecord["type"];
  /** The Zadig record that it was met as; null where it was met as something else. */
  readonly origin: ArtifactRef | null;
  /** Strong digest that the naming place has; null when it has none. */
  readonly digest: Digest | null;
  /**
   * When the naming place was written; null where it speaks of today. A tag can be built again: what was built under it
   * later is not what an older release names.
   */
  readonly asOf: string | null;
  /** References it is named by; the first is the one that was asked about. Empty for files. */
  readonly images: readonly ImageRef[];
  /** File or chart name, where it is no image. */
  readonly file: string | null;
  /**
   * Zadig's records, where they are at hand or the maker of the seed knows how to get them; null: ask by the
   * references.
   */
  readonly records: Lazy<readonly Records[]> | null;
  /** Registry records of the references, likewise. */
  readonly registryRecords: Lazy<readonly Outcome<ImageRecord>[]> | null;
  /** The same bytes elsewhere, likewise; null: search by name and digest. */
  readonly copies: Lazy<readonly Images[]> | null;
  /** References under which a backend says it was put, without holding it: a release that names source and target. */
  readonly namedImages: readonly { readonly backend: string; readonly image: ImageRef }[];
  /** Whether it is traced through every backend: then copies elsewhere are observations too, not only locations. */
  readonly isTraced: boolean;
  /** The package file that it is, for files of package repositories. */
  readonly packaged: PackagedFile | null;
  /** Files of equal strong digest in other versions or backends, where they are at hand. */
  readonly sameFiles: readonly PackagedFile[];
  /** Searches for such files; null where there is nothing to search, or it was done. */
  readonly findSameFiles: Lazy<readonly Outcome<readonly FoundFile[]>[]> | null;
  /** Sources of the questions that led to it; they are not asked again. */
  readonly sources: readonly SourceParent[];
}

/** Requested when it is needed. */
export type Lazy<T> = () => Promise<T>;

/** A value that is at hand already. */
export function atHand<T>(value: T): Lazy<T> {
  return async () => value;
}

/** A file of a package version that is an artifact by itself. */
export interface PackagedFile {
  readonly version: VersionRef;
  readonly file: PackageFile;
  readonly fetchedAt: string;
}

/** Where the bytes are. */
export interface LocationParent {
  readonly backend: string;
  readonly image: ImageRef | null;
  readonly path: string | null;
  readonly version: VersionRef | null;
  readonly matchedBy: MatchMethod;
  readonly pushedAt: string | null;
  readonly webUrl: string | null;
}

/**
 * A merged value; null where no backend claims one. Where there are failures, a more trusted backend may have another.
 */
export interface Merged {
  readonly value: string | number | null;
  readonly failures: readonly NoAnswer[];
}

/** One artifact within one request: bytes, and what the backends say of them, each asked once and only when wanted. */
export interface ArtifactNode {
  readonly __typename: "Artifact";
  readonly seed: ArtifactSeed;
  /**
   * The strongest digest known: the naming place's, else Zadig's, else the registry's for the reference. Null when all
   * backends that could know answered without one; rejects with the failure when one of them did not answer.
   */
  readonly digest: () => Promise<Digest | null>;
  /** Zadig's record of exactly these bytes (or of the reference, where no digest is known); newest wins. */
  readonly record: () => Promise<ArtifactRecord | null>;
  /**
   * Every record of these bytes, newest first: a tag that was built twice to the same bytes, or bytes that two Zadigs
   * know. Null where there is none; rejects where a Zadig could not say and none is known.
   */
  readonly knownRecords: () => Promise<readonly ArtifactRecord[] | null>;
  /** As `record`, but rejects where there is none because Zadig could not say. */
  readonly knownRecord: () => Promise<ArtifactRecord | null>;
  /** The answer of each Zadig about the references. */
  readonly zadig: () => Promise<readonly Outcome<readonly ArtifactRecord[]>[]>;
  /** The merged scalar, and the failures of backends that are trusted more. */
  readonly merged: (field: MergedField) => Promise<Merged>;
  readonly claims: () => Promise<readonly Claim[]>;
  readonly locations: () => Promise<readonly LocationParent[]>;
  /** Whether all that was asked for this artifact was answered in full. */
  readonly isComplete: () => Promise<boolean>;
  readonly sources: () => Promise<readonly SourceParent[]>;
}

/** An artifact named by an image reference. */
export function imageSeed(image: ImageRef, zadig: string | null, digest: Digest | null = null): ArtifactSeed {
  const strong = digest ?? image.digest;
  return {
    zadig,
    origin: null,
    type: "IMAGE",
    digest: strong !== null && isStrong(strong) ? strong : null,
    asOf: null,
    images: [image],
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
}

/** An artifact that a Zadig record tells of. */
export function recordSeed(record: ArtifactRecord): ArtifactSeed {
  const backend = record.origin.backend;
  return {
    zadig: backend,
    origin: record.ref,
    type: record.type,
    digest: record.digest !== null && isStrong(record.digest) ? record.digest : null,
    asOf: null,
    images: record.image ? [record.image] : [],
    file: record.file,
    records: atHand([{ source: sourceFrom(record.origin), value: [record], error: null }]),
    registryRecords: null,
    copies: null,
    namedImages: [],
    isTraced: false,
    packaged: null,
    sameFiles: [],
    findSameFiles: null,
    sources: [],
  };
}

/** Makes the node. Nothing is requested until a field wants it, and then only once. */
export function createArtifact(context: Context, seed: ArtifactSeed): ArtifactNode {
  return new LazyArtifact(context, seed);
}

/** What is known of the digest; `unknown` is what stood in the way where it is null. */
interface Identity {
  readonly digest: Digest | null;
  readonly unknown: NoAnswer | null;
}

/** Each question is one promise, made when it is first wanted. */
class LazyArtifact implements ArtifactNode {
  readonly __typename = "Artifact";
  readonly seed: ArtifactSeed;
  readonly #context: Context;
  #zadig: Promise<readonly Records[]> | null = null;
  #registries: Promise<readonly Outcome<ImageRecord>[]> | null = null;
  #copies: Promise<readonly Images[]> | null = null;
  #sameFiles: Promise<readonly Outcome<readonly FoundFile[]>[]> | null = null;
  #everyRecord: Promise<readonly ArtifactRecord[]> | null = null;
  #whyUnordered: Promise<NoAnswer | null> | null = null;
  #identity: Promise<Identity> | null = null;
  #record: Promise<ArtifactRecord | null> | null = null;
  #registryImages: Promise<readonly ImageRecord[]> | null = null;
  #claims: Promise<readonly Claim[]> | null = null;
  #locations: Promise<readonly LocationParent[]> | null = null;
  #sources: Promise<readonly SourceParent[]> | null = null;

  constructor(context: Context, seed: ArtifactSeed) {
    this.#context = context;
    this.seed = seed;
  }

  zadig(): Promise<readonly Records[]> {
    const { records, images, zadig } = this.seed;
    this.#zadig ??= records ? records() : askZadig(this.#context, images, zadig);
    return this.#zadig;
  }

  #askRegistries(): Promise<readonly Outcome<ImageRecord>[]> {
    const { registryRecords, images } = this.seed;
    this.#registries ??= registryRecords ? registryRecords() : askOwners(this.#context, images);
    return this.#registries;
  }

  #askCopies(): Promise<readonly Images[]> {
    this.#copies ??= this.seed.copies ? this.seed.copies() : this.#searchCopies();
    return this.#copies;
  }

  async #searchCopies(): Promise<readonly Images[]> {
    const [image] = this.seed.images;
    if (!image) return [];
    if (this.seed.digest === null) expectCopies(this.#context, image);
    const { digest } = await this.#identify();
    return askCopies(this.#context, image, digest);
  }

  #askSameFiles(): Promise<readonly Outcome<readonly FoundFile[]>[]> {
    this.#sameFiles ??= this.seed.findSameFiles ? this.seed.findSameFiles() : Promise.resolve([]);
    return this.#sameFiles;
  }

  /** Every record of the references, newest first. */
  #everyRecordByDate(): Promise<readonly ArtifactRecord[]> {
    this.#everyRecord ??= this.zadig().then((outcomes) =>
      outcomes
        .flatMap(({ value }) => value ?? [])
        .toSorted((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? "")),
    );
    return this.#everyRecord;
  }

  async #allRecords(): Promise<readonly ArtifactRecord[]> {
    const all = await this.#everyRecordByDate();
    return this.seed.digest ? all : knownBy(this.seed.asOf, all);
  }

  /** Why the newest of its records is unknown; null where it is known, or where its digest identifies them. */
  #unordered(): Promise<NoAnswer | null> {
    this.#whyUnordered ??= this.#everyRecordByDate().then((records) => {
      const undated = this.seed.digest ? null : undatedAmong(records);
      return undated && noAnswer(undated.ref.backend, unknown("UNCHECKED_ORDER"));
    });
    return this.#whyUnordered;
  }

  #identify(): Promise<Identity> {
    this.#identity ??= this.#findIdentity();
    return this.#identity;
  }

  // Zadig knows what was built. While it does not answer, a tag that may have moved must not stand in for its record.
  async #findIdentity(): Promise<Identity> {
    if (this.seed.digest) return { digest: this.seed.digest, unknown: null };
    const unordered = await this.#unordered();
    if (unordered) return { digest: null, unknown: unordered };
    const records = await this.#allRecords();
    const newest = records.find((record) => record.digest !== null);
    if (newest?.digest) return { digest: newest.digest, unknown: null };
    const silent = failureIn(await this.zadig());
    if (silent && this.seed.zadig !== null) return { digest: null, unknown: silent };
    // Built more than once, and never by then: today's tag must not stand in for it either.
    if (newest === undefined && records.length < (await this.#everyRecordByDate()).length)
      return { digest: null, unknown: null };
    const outcomes = await this.#askRegistries();
    const digest = outcomes.find(({ value }) => value?.digest)?.value?.digest ?? null;
    return { digest, unknown: digest === null ? (failureIn(outcomes) ?? silent) : null };
  }

  async digest(): Promise<Digest | null> {
    const { digest, unknown } = await this.#identify();
    if (digest === null && unknown) throw unknown;
    return digest;
  }

  record(): Promise<ArtifactRecord | null> {
    this.#record ??= this.#findRecord();
    return this.#record;
  }

  async #findRecord(): Promise<ArtifactRecord | null> {
    if (await this.#unordered()) return null;
    const all = await this.#allRecords();
    const { digest } = await this.#identify();
    return (
      all.find((one) => one.digest !== null && one.digest === digest) ??
      all.find((one) => mayBeSameBytes(one.digest, digest)) ??
      null
    );
  }

  async knownRecord(): Promise<ArtifactRecord | null> {
    if (backendsWith(this.#context, "artifacts").length === 0) {
      throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend keeps records of builds.");
    }
    const found = await this.record();
    const silent = found ? null : (failureIn(await this.zadig()) ?? (await this.#unordered()));
    if (silent) throw silent;
    return found;
  }

  async knownRecords(): Promise<readonly ArtifactRecord[] | null> {
    const first = await this.knownRecord();
    if (!first) return null;
    const all = await this.#allRecords();
    return [first, ...all.filter((one) => one !== first && one.digest !== null && one.digest === first.digest)];
  }

  /** What the owning registries have of these bytes under the references. */
  #imagesInRegistries(): Promise<readonly ImageRecord[]> {
    this.#registryImages ??= Promise.all([this.#askRegistries(), this.#identify()]).then(
      ([outcomes, { digest, unknown }]) =>
        digest === null && unknown
          ? []
          : outcomes.flatMap(({ value }) => value ?? []).filter((image) => mayBeSameBytes(image.digest, digest)),
    );
    return this.#registryImages;
  }

  // Backends are asked in the order of trust, one role at a time: a value never depends on which other fields were
  // selected.
  async merged(field: MergedField): Promise<Merged> {
    if (field === "type" && this.seed.type !== "OTHER") return { value: this.seed.type, failures: [] };
    const failures: NoAnswer[] = [];
    for (const role of [...mergeRules[field].trust, ...this.#otherRoles()]) {
      for (const error of errorsIn(await this.#askAs(role))) failures.push(error);
      const { unknown } = role === "registry" ? await this.#identify() : { unknown: null };
      if (unknown && !failures.includes(unknown)) failures.push(unknown);
      const found = mergeField(field, await this.#claimsOf(role));
      if (found) return { value: found.value, failures };
    }
    return { value: null, failures };
  }

  #otherRoles(): readonly Role[] {
    return this.seed.isTraced ? ["copy"] : [];
  }

  async #askAs(role: Role): Promise<readonly Outcome<unknown>[]> {
    if (role === "ci") return this.zadig();
    if (role === "registry") return this.#askRegistries();
    return role === "copy" ? this.#askCopies() : [];
  }

  async #claimsOf(role: Role): Promise<readonly Claim[]> {
    if (role === "copy") return (await this.#askCopies()).flatMap(({ value }) => value ?? []).map(claimOfCopy);
    if (role === "registry") return (await this.#imagesInRegistries()).map(claimOfImage);
    if (role === "repository") return this.#packagedFiles().map(claimOfFile);
    const ci = await this.record();
    return ci ? [claimOfRecord(ci)] : [];
  }

  claims(): Promise<readonly Claim[]> {
    const roles: readonly Role[] = ["ci", "registry", "repository", ...this.#otherRoles()];
    this.#claims ??= Promise.all(roles.map((role) => this.#claimsOf(role))).then((claims) => claims.flat());
    return this.#claims;
  }

  #packagedFiles(): readonly PackagedFile[] {
    const { packaged, sameFiles } = this.seed;
    return packaged ? [packaged, ...sameFiles] : sameFiles;
  }

  locations(): Promise<readonly LocationParent[]> {
    this.#locations ??= this.#findLocations();
    return this.#locations;
  }

  async #findLocations(): Promise<readonly LocationParent[]> {
    const [{ digest }, owned, copies, files] = await Promise.all([
      this.#identify(),
      this.#imagesInRegistries(),
      this.#askCopies(),
      this.#askSameFiles(),
    ]);
    const unique = new Map<string, ImageRecord>();
    for (const image of [...owned, ...copies.flatMap(({ value }) => value ?? [])]) {
      const key = JSON.stringify([image.origin.backend, image.image.repository, image.image.tag]);
      if (!unique.has(key)) unique.set(key, image);
    }
    return [
      ...[...unique.values()].map((image) => imageLocation(image, digest)),
      ...this.#packagedFiles().map(fileLocation),
      ...files
        .flatMap(({ value }) => value ?? [])
        .filter((found) => digest !== null && found.file.digests.includes(digest) && !isSeed(this.seed, found))
        .map(fileLocation),
      ...this.seed.namedImages.map(namedLocation),
    ];
  }

  #askedSources(): Promise<readonly SourceParent[]> {
    this.#sources ??= Promise.all([this.zadig(), this.#askRegistries(), this.#askCopies(), this.#askSameFiles()]).then(
      (outcomes) => [...this.seed.sources, ...outcomes.flat().map(({ source }) => source)],
    );
    return this.#sources;
  }

  async isComplete(): Promise<boolean> {
    return isComplete(this.#context.call, await this.#askedSources());
  }

  async sources(): Promise<readonly SourceParent[]> {
    // Zadig has no records of the files of packages: it cannot know them, which does not make the answer incomplete.
    const unasked = this.seed.packaged
      ? backendsWith(this.#context, "artifacts").map(({ backend }) => sourceWithStatus(backend.name, "NOT_SEARCHABLE"))
      : [];
    return combineSources([...(await this.#askedSources()), ...unasked]);
  }
}

/** Whether two digests may name the same bytes: an unknown one contradicts none. */
function mayBeSameBytes(one: Digest | null, other: Digest | null): boolean {
  return one === null || other === null || one === other;
}

function imageLocation(image: ImageRecord, digest: Digest | null): LocationParent {
  return {
    backend: image.origin.backend,
    image: image.image,
    path: null,
    version: image.version,
    matchedBy: image.digest !== null && image.digest === digest ? "DIGEST" : "IMAGE_REF",
    pushedAt: image.pushedAt,
    webUrl: image.webUrl,
  };
}

function claimOfFile({ version, file, fetchedAt }: PackagedFile): Claim {
  return {
    backend: version.package.backend,
    role: "repository",
    observedAt: fetchedAt,
    digest: file.digests.find(isStrong) ?? null,
    values: {
      name: file.name,
      type: "FILE",
      size: file.size,
      architecture: null,
      os: null,
      createdBy: null,
      createdAt: file.createdAt,
    },
  };
}

/** Whether a file found by its checksum is the one that the artifact was met as. */
function isSeed({ packaged }: ArtifactSeed, { version, file }: FoundFile): boolean {
  if (!packaged) return false;
  const same = JSON.stringify(packaged.version.package) === JSON.stringify(version.package);
  return (
    same &&
    packaged.version.version === version.version &&
    (packaged.file.path ?? packaged.file.name) === (file.path ?? file.name)
  );
}

function fileLocation({ version, file }: Pick<PackagedFile, "version" | "file">): LocationParent {
  return {
    backend: version.package.backend,
    image: null,
    path: file.path ?? file.name,
    version,
    matchedBy: file.digests.some(isStrong) ? "DIGEST" : "DECLARED",
    pushedAt: file.createdAt,
    webUrl: null,
  };
}

function namedLocation({ backend, image }: { readonly backend: string; readonly image: ImageRef }): LocationParent {
  return { backend, image, path: null, version: null, matchedBy: "DECLARED", pushedAt: null, webUrl: null };
}

/**
 * The coordinate in an artifact's id: what finds it again. Known where the artifact is named, so an id costs no call.
 */
export function coordinateOf({ seed }: ArtifactNode): readonly (string | null)[] {
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

/** Of records that differ in their bytes, one that tells no time: it may be the newest. */
export function undatedAmong(records: readonly ArtifactRecord[]): ArtifactRecord | null {
  const known = records.filter(({ digest }) => digest !== null);
  const digests = new Set(known.map(({ digest }) => digest));
  return digests.size < 2 ? null : (known.find(({ createdAt }) => createdAt === null) ?? null);
}

/** Of records that differ in their bytes, those that were there at that time; all of them where no time is known. */
function knownBy(asOf: string | null, records: readonly ArtifactRecord[]): readonly ArtifactRecord[] {
  const digests = new Set(records.flatMap(({ digest }) => digest ?? []));
  if (asOf === null || digests.size < 2) return records;
  return records.filter(({ createdAt }) => createdAt !== null && createdAt <= asOf);
}

/** The first thing that one of those asked could not say; null when all answered. */
export function failureIn(asked: readonly Outcome<unknown>[]): NoAnswer | null {
  return errorsIn(asked)[0] ?? null;
}
