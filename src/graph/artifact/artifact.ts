import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { type Digest, type ImageRef, isStrong } from "../../model/artifact.ts";
import type { ImageRecord, VersionRef } from "../../model/package.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import { backendsWith, type Context } from "../context.ts";
import { badInput, type NoAnswer, noAnswer } from "../errors.ts";
import type { MatchMethod } from "../generated/resolvers.ts";
import { askCopies, askOwners, askZadig, expectCopies, type Images, type Records } from "./lookups.ts";
import {
  type Claim,
  claimOfCopy,
  claimOfFile,
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
  failureIn,
  isComplete,
  type Outcome,
  type SourceParent,
  sourceWithStatus,
} from "./outcome.ts";
import type { ArtifactSeed, PackagedFile } from "./seeds.ts";

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

/** What is known of the digest; `unknown` is what stood in the way where it is null. */
interface Identity {
  readonly digest: Digest | null;
  readonly unknown: NoAnswer | null;
}

/**
 * One artifact within one request: bytes, and what the backends answer about them. Each question is one promise, made
 * when a field first wants it.
 */
export class ArtifactNode {
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

  /** The answer of each Zadig about the references. */
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

  /**
   * The strongest digest known: the naming place's, else Zadig's, else the registry's for the reference. Null when all
   * backends that could know answered without one; rejects with the failure when one of them did not answer.
   */
  async digest(): Promise<Digest | null> {
    const { digest, unknown } = await this.#identify();
    if (digest === null && unknown) throw unknown;
    return digest;
  }

  /** Zadig's newest record of exactly these bytes (or of the reference, where no digest is known). */
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

  /** As `record`, but rejects where there is none because Zadig could not say. */
  async knownRecord(): Promise<ArtifactRecord | null> {
    if (backendsWith(this.#context, "artifacts").length === 0) {
      throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend keeps records of builds.");
    }
    const found = await this.record();
    const silent = found ? null : (failureIn(await this.zadig()) ?? (await this.#unordered()));
    if (silent) throw silent;
    return found;
  }

  /**
   * Every record of these bytes, newest first: a tag that was built twice to the same bytes, or bytes that two Zadigs
   * know. Null where there is none; rejects where a Zadig could not say and none is known.
   */
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

  /**
   * The merged scalar, and the failures of backends that are trusted more. Backends are asked in the order of trust,
   * one role at a time: a value never depends on which other fields were selected.
   */
  async merged(field: MergedField): Promise<{ value: string | number | null; failures: readonly NoAnswer[] }> {
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

  /** Whether all that was asked for this artifact was answered in full. */
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
