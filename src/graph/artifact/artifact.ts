import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { type Digest, type ImageRef, isStrong, printImageRef } from "../../model/artifact.ts";
import { once } from "../../model/once.ts";
import type { ImageRecord, PackageFile, VersionRef } from "../../model/package.ts";
import type { ArtifactRecord, ArtifactRef } from "../../model/release.ts";
import { type Context, having } from "../context.ts";
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
import { combineSources, errorsIn, isComplete, type Outcome, plain, type SourceParent, told } from "./outcome.ts";

/** What is known of an artifact at the place that names it, before anybody else is asked. */
export interface ArtifactSeed {
  /** The Zadig whose payload names it; null where any Zadig may know it. */
  readonly zadig: string | null;
  readonly type: ArtifactRecord["type"];
  /** The Zadig record that it was met as; null where it was met as something else. */
  readonly origin: ArtifactRef | null;
  /** Strong digest told by the naming place; null when it told none. */
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
  /** Zadig's records, where they are at hand or somebody knows better how to get them; null: ask by the references. */
  readonly records: Lazy<readonly Records[]> | null;
  /** Registry records of the references, likewise. */
  readonly held: Lazy<readonly Outcome<ImageRecord>[]> | null;
  /** The same bytes elsewhere, likewise; null: search by name and digest. */
  readonly copies: Lazy<readonly Images[]> | null;
  /** References under which a backend says it was put, without holding it: a release that names source and target. */
  readonly declared: readonly { readonly backend: string; readonly image: ImageRef }[];
  /** Whether it is followed through every backend: then copies elsewhere are observations too, not only locations. */
  readonly followed: boolean;
  /** The package file that it is, for files of package repositories. */
  readonly packaged: PackagedFile | null;
  /** Files of equal strong digest in other versions or backends, where they are at hand. */
  readonly twins: readonly PackagedFile[];
  /** Searches for such files; null where there is nothing to search, or it was done. */
  readonly alike: Lazy<readonly Outcome<readonly FoundFile[]>[]> | null;
  /** What those said who were asked before it was known, and are not asked again. */
  readonly said: readonly SourceParent[];
}

/** Asked for when somebody wants it. */
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

/** A merged value; null where nobody claims one. Not to be trusted blindly where there are failures. */
export interface Merged {
  readonly value: string | number | null;
  readonly failures: readonly NoAnswer[];
}

/** One artifact within one request: bytes, and what the backends say of them, each asked once and only when wanted. */
export interface ArtifactNode {
  readonly seed: ArtifactSeed;
  /**
   * The strongest digest known: the naming place's, else Zadig's, else the registry's for the reference. Null when all
   * that could tell answered and told none; rejects with what was in the way when one of them could not say.
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
  /** What each Zadig said of the references. */
  readonly zadig: () => Promise<readonly Outcome<readonly ArtifactRecord[]>[]>;
  /** The merged scalar, and what stood in the way of asking somebody who is trusted more. */
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
    held: null,
    copies: null,
    declared: [],
    followed: false,
    packaged: null,
    twins: [],
    alike: null,
    said: [],
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
    records: atHand([{ source: told(record.origin), value: [record], error: null }]),
    held: null,
    copies: null,
    declared: [],
    followed: false,
    packaged: null,
    twins: [],
    alike: null,
    said: [],
  };
}

/** Makes the node; nothing is asked until a field wants it, and then only once. */
export function createArtifact(context: Context, seed: ArtifactSeed): ArtifactNode {
  const packagedFiles = [...(seed.packaged ? [seed.packaged] : []), ...seed.twins];
  const records = once(seed.records ?? (() => askZadig(context, seed.images, seed.zadig)));
  const registries = once(seed.held ?? (() => askOwners(context, seed.images)));
  const everyRecord = once(async () =>
    (await records())
      .flatMap(({ value }) => value ?? [])
      .toSorted((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? "")),
  );
  const allRecords = once(async () => (seed.digest ? everyRecord() : knownBy(seed.asOf, await everyRecord())));

  /** Why the newest of its records cannot be told; null where it can, or where its digest tells them apart. */
  const whyUnordered = once(async () => {
    const undated = seed.digest ? null : undatedAmong(await everyRecord());
    return undated && noAnswer(undated.ref.backend, unknown("UNCHECKED_ORDER"));
  });

  // What was built is Zadig's to say: while it cannot, a tag that may have moved must not stand in for it.
  const identity = once(async (): Promise<{ readonly digest: Digest | null; readonly unknown: NoAnswer | null }> => {
    if (seed.digest) return { digest: seed.digest, unknown: null };
    const unordered = await whyUnordered();
    if (unordered) return { digest: null, unknown: unordered };
    const newest = (await allRecords()).find((record) => record.digest !== null);
    if (newest?.digest) return { digest: newest.digest, unknown: null };
    const silent = failureIn(await records());
    if (silent && seed.zadig !== null) return { digest: null, unknown: silent };
    // Built more than once, and never by then: today's tag must not stand in for it either.
    if (newest === undefined && (await allRecords()).length < (await everyRecord()).length)
      return { digest: null, unknown: null };
    const outcomes = await registries();
    const digest = outcomes.find(({ value }) => value?.digest)?.value?.digest ?? null;
    return { digest, unknown: digest === null ? (failureIn(outcomes) ?? silent) : null };
  });
  const bestDigest = async () => (await identity()).digest;

  const sameBytes = (told: Digest | null, own: Digest | null) => told === null || own === null || told === own;
  const record = once(async () => {
    if (await whyUnordered()) return null;
    const [all, own] = [await allRecords(), await bestDigest()];
    return (
      all.find((one) => one.digest !== null && one.digest === own) ??
      all.find((one) => sameBytes(one.digest, own)) ??
      null
    );
  });
  const held = once(async () => {
    const [found, { digest: own, unknown }] = [await registries(), await identity()];
    if (own === null && unknown) return [];
    return found.flatMap(({ value }) => value ?? []).filter((image) => sameBytes(image.digest, own));
  });
  const copies = once(
    seed.copies ??
      (async () => {
        const [image] = seed.images;
        if (image && seed.digest === null) expectCopies(context, image);
        return image ? askCopies(context, image, await bestDigest()) : [];
      }),
  );

  // Asked in the order of trust, one role at a time: a value never depends on which other fields were selected.
  const merged = async (field: MergedField): Promise<Merged> => {
    if (field === "type" && seed.type !== "OTHER") return { value: seed.type, failures: [] };
    const failures: NoAnswer[] = [];
    for (const role of [...mergeRules[field].trust, ...elsewhere]) {
      const asked = await askedAs(role);
      for (const error of errorsIn(asked)) failures.push(error);
      const { unknown } = role === "registry" ? await identity() : { unknown: null };
      if (unknown && !failures.includes(unknown)) failures.push(unknown);
      const found = mergeField(field, await claimsOf(role));
      if (found) return { value: found.value, failures };
    }
    return { value: null, failures };
  };

  const elsewhere: readonly Role[] = seed.followed ? ["copy"] : [];
  const askedAs = async (role: Role): Promise<readonly Outcome<unknown>[]> => {
    if (role === "ci") return records();
    if (role === "registry") return registries();
    return role === "copy" ? copies() : [];
  };

  const claimsOf = async (role: Role): Promise<readonly Claim[]> => {
    if (role === "copy") return (await copies()).flatMap(({ value }) => value ?? []).map(claimOfCopy);
    if (role === "registry") return (await held()).map(claimOfImage);
    if (role === "repository") return packagedFiles.map(claimOfFile);
    const ci = await record();
    return ci ? [claimOfRecord(ci)] : [];
  };

  const claims = once(async () =>
    (await Promise.all([...(["ci", "registry", "repository"] as const), ...elsewhere].map(claimsOf))).flat(),
  );

  const digest = async () => {
    const { digest: own, unknown } = await identity();
    if (own === null && unknown) throw unknown;
    return own;
  };
  const knownRecords = async () => {
    const first = await knownRecord();
    if (!first) return null;
    const alike = (await allRecords()).filter(
      (one) => one !== first && one.digest !== null && one.digest === first.digest,
    );
    return [first, ...alike];
  };
  const knownRecord = async () => {
    if (having(context, "artifacts").length === 0) {
      throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend keeps records of builds.");
    }
    const found = await record();
    const silent = found ? null : (failureIn(await records()) ?? (await whyUnordered()));
    if (silent) throw silent;
    return found;
  };

  const alike = once(seed.alike ?? atHand([]));

  const locations = once(async () => {
    const [own, here, others, files] = await Promise.all([bestDigest(), held(), copies(), alike()]);
    const found = [...here, ...others.flatMap(({ value }) => value ?? [])];
    const unique = new Map<string, ImageRecord>();
    for (const image of found) {
      const key = JSON.stringify([image.origin.backend, image.image.repository, image.image.tag]);
      if (!unique.has(key)) unique.set(key, image);
    }
    return [
      ...[...unique.values()].map(
        (image): LocationParent => ({
          backend: image.origin.backend,
          image: image.image,
          path: null,
          version: image.version,
          matchedBy: image.digest !== null && image.digest === own ? "DIGEST" : "IMAGE_REF",
          pushedAt: image.pushedAt,
          webUrl: image.webUrl,
        }),
      ),
      ...packagedFiles.map(fileLocation),
      ...files
        .flatMap(({ value }) => value ?? [])
        .filter((found) => own !== null && found.file.digests.includes(own) && !isSeed(seed, found))
        .map(({ version, file }) => fileLocation({ version, file })),
      ...seed.declared.map(declaredLocation),
    ];
  });

  // Zadig keeps no record of the files of packages: it cannot know them, and takes nothing from completeness.
  const unasked = seed.packaged
    ? having(context, "artifacts").map(({ backend }) => plain(backend.name, "NOT_SEARCHABLE"))
    : [];
  const said = once(async () => {
    const [ci, here, others, files] = await Promise.all([records(), registries(), copies(), alike()]);
    return [...seed.said, ...[...ci, ...here, ...others, ...files].map(({ source }) => source)];
  });

  return {
    seed,
    zadig: records,
    digest,
    record,
    knownRecord,
    knownRecords,
    merged,
    claims,
    locations,
    isComplete: async () => isComplete(context.call, await said()),
    sources: async () => combineSources([...(await said()), ...unasked]),
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

function declaredLocation({ backend, image }: { readonly backend: string; readonly image: ImageRef }): LocationParent {
  return { backend, image, path: null, version: null, matchedBy: "DECLARED", pushedAt: null, webUrl: null };
}

/** The coordinate in an artifact's id: what finds it again. Known where the artifact is named, so an id costs no call. */
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
  if (seed.followed) return ["trace", reference];
  return seed.asOf === null || seed.digest !== null
    ? ["image", seed.zadig, reference]
    : ["image", seed.zadig, reference, seed.asOf];
}

/** Of records that differ in their bytes, one that tells no time: it may be the newest. */
export function undatedAmong(records: readonly ArtifactRecord[]): ArtifactRecord | null {
  const told = records.filter(({ digest }) => digest !== null);
  const digests = new Set(told.map(({ digest }) => digest));
  return digests.size < 2 ? null : (told.find(({ createdAt }) => createdAt === null) ?? null);
}

/** Of records that differ in their bytes, those that were there at that time; all of them where nobody says when. */
function knownBy(asOf: string | null, records: readonly ArtifactRecord[]): readonly ArtifactRecord[] {
  const digests = new Set(records.flatMap(({ digest }) => digest ?? []));
  if (asOf === null || digests.size < 2) return records;
  return records.filter(({ createdAt }) => createdAt !== null && createdAt <= asOf);
}

/** The first thing that one of those asked could not say; null when all answered. */
export function failureIn(asked: readonly Outcome<unknown>[]): NoAnswer | null {
  return errorsIn(asked)[0] ?? null;
}
