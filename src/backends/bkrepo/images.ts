import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { ImageRecord, Package, PackageRef, Version } from "../../model/package.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  failed,
  firstGap,
  found,
  foundAny,
  impossible,
  joined,
  mapAnswer,
  type Unknown,
  unknown,
  valueIn,
} from "../answers.ts";
import type { ImageReader } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { asError } from "../batches.ts";
import { listVersions, pageVersions } from "./client.ts";
import type { FileLoaders, StoredFile } from "./files.ts";
import { type ImageLocation, locateImage, referTo } from "./image-location.ts";
import { childPrefix, toImageRecord, toVersion } from "./mapper.ts";
import { meantByImageName } from "./package-filter.ts";
import { imageNameOf } from "./package-key.ts";
import type { PackageSearch } from "./package-search.ts";
import { parseRepository, printRepository, type Repository } from "./repository.ts";
import type { VersionLoaders } from "./versions.ts";
import { placeOf, unreadable, type View } from "./view.ts";

interface Asked {
  readonly ref: ImageRef;
  readonly location: ImageLocation;
}

function askedText({ ref, location }: Asked): string {
  return keyText(printRepository(location.repository), location.name, ref.registry, ref.tag, ref.digest);
}

/** The key's scheme is the repository's type, which a reference does not tell. Docker repositories are by far the most. */
const schemes = ["docker", "oci"] as const;

const noRepository = absent(listVersions, "KEYED_READ");

/** How this request reads images. */
export function imageReader(
  view: View,
  search: PackageSearch,
  versions: VersionLoaders,
  files: FileLoaders,
): ImageReader {
  const { client, settings, call } = view;

  const located = batched<Asked, ImageRecord>(askedText, async (wanted, final) => {
    const answers = new Map<string, Answer<ImageRecord> | Error>();
    let open: readonly Asked[] = wanted;
    for (const scheme of schemes) {
      const tried = open;
      const read = await Promise.all(
        tried.map(async (asked) => {
          const answer = await readImage(asked, scheme).catch(asError);
          // Nothing outweighs what was found: it waits for no other image.
          if (!(answer instanceof Error) && answer.kind === "FOUND") final.set(askedText(asked), answer);
          return answer;
        }),
      );
      const typed = new Set<string>();
      tried.forEach((asked, index) => {
        const answer = read[index];
        if (answer === undefined) return;
        const before = answers.get(askedText(asked));
        // What one scheme could not say outweighs that the other has nothing.
        if (before === undefined || answer instanceof Error || answer.kind !== "ABSENT") {
          answers.set(askedText(asked), answer);
        }
        // A repository that has one image of this scheme has none of the other.
        if (!(answer instanceof Error) && answer.kind === "FOUND")
          typed.add(printRepository(asked.location.repository));
      });
      open = tried.filter(({ location }, index) => {
        const answer = read[index];
        const isOpen = answer !== undefined && !(answer instanceof Error) && answer.kind !== "FOUND";
        return isOpen && !typed.has(printRepository(location.repository));
      });
    }
    return answers;
  });

  async function readImage({ ref, location }: Asked, scheme: (typeof schemes)[number]): Promise<Answer<ImageRecord>> {
    const { repository, name } = location;
    const key = `${scheme}://${name}`;
    const place: PackageRef = { backend: settings.name, repository: printRepository(repository), key };
    if (ref.digest !== null) return holderOf(place, ref, ref.digest);
    // Docker's own rule for a reference that names neither tag nor digest.
    const tag = ref.tag ?? "latest";
    const version = await versions.byRef.load({ package: place, version: tag, nativeId: null });
    return version.kind === "FOUND" ? record(version.value, { ...ref, tag }, repository) : version;
  }

  async function holderOf(place: PackageRef, ref: ImageRef, digest: Digest): Promise<Answer<ImageRecord>> {
    const holders = await holdersOf(place, digest);
    if (holders.kind === "UNKNOWN") return tagOf(place, ref, digest, holders);
    return mapAnswer(holders, (all) => {
      const tagged = all.filter(({ name }) => !name.startsWith(childPrefix));
      const holder = tagged.find(({ name }) => name === ref.tag) ?? tagged[0] ?? all[0];
      if (holder === undefined) throw new RangeError("a list that was found holds something");
      const tag = holder.name.startsWith(childPrefix) ? null : holder.name;
      return toImageRecord(holder, { ...ref, tag }, digest, false);
    });
  }

  /** Of an image with more versions than are read, what was pushed by this digest, or what the reference's tag holds. */
  async function tagOf(
    place: PackageRef,
    ref: ImageRef,
    digest: Digest,
    otherwise: Unknown,
  ): Promise<Answer<ImageRecord>> {
    const repository = parseRepository(place.repository);
    if (repository === null) return impossible;
    for (const version of ref.tag === null ? [digest] : [ref.tag, digest]) {
      const answer = await versions.byRef.load({ package: place, version, nativeId: null });
      if (answer.kind !== "FOUND") continue;
      const tag = version === digest ? null : version;
      const held = await record(answer.value, { ...ref, tag }, repository);
      if (held.kind === "FOUND" && held.value.digest === digest) return held;
    }
    return otherwise;
  }

  /**
   * Versions that hold a digest, newest first. The server finds those that keep it under the key of today; where none
   * does, the whole list is read, with every key of the years before, and the manifests of what keeps it nowhere.
   */
  async function holdersOf(place: PackageRef, digest: Digest): Promise<Answer<readonly Version[]>> {
    const holders = await withDigest.load({ place, digest });
    return holders.kind === "FOUND" || holders.kind === "ABSENT" ? holders : holdersInList.load({ place, digest });
  }

  /** Versions of one package that keep a digest under the key of today; unknown where none does. */
  const withDigest = single(
    ({ place, digest }: { place: PackageRef; digest: Digest }) => keyText(place.repository, place.key, digest),
    async ({ place, digest }): Promise<Answer<readonly Version[]>> => {
      const repository = parseRepository(place.repository);
      if (repository === null) return impossible;
      const read = client.listVersions(repository, place.key, digest, call).then((answer) => {
        const context = placeOf(view, repository, place.key, answer);
        const rows = answer.value.rows
          .map((row) => toVersion(row, context))
          .filter((version) => version.digest === digest);
        if (rows.length === 0 && answer.value.dropped.length > 0) {
          throw unreadable(view, listVersions.name, "rows of the answer are missing");
        }
        versions.byRef.primeLater(() => {
          for (const version of rows) versions.byRef.prime(version.ref, found(version));
        });
        return foundAny(rows, unknown("NARROW_SEARCH"));
      });
      return absentIfNotFound(read, noRepository);
    },
    { call, backend: settings.name, operation: listVersions.name },
  );

  /** Versions of one package that hold a digest wherever it can stand: in its name, its metadata or its manifest's node. */
  const holdersInList = single(
    ({ place, digest }: { place: PackageRef; digest: Digest }) => keyText(place.repository, place.key, digest),
    async ({ place, digest }): Promise<Answer<readonly Version[]>> => {
      const repository = parseRepository(place.repository);
      if (repository === null) return impossible;
      const list = await versions.whole(place);
      if (list.kind !== "FOUND") return list;
      const told = list.value.filter((version) => version.digest === digest);
      if (told.length > 0) return found(told, list.gap);
      const silent = list.value.filter((version) => version.digest === null);
      const read = await Promise.all(silent.map((version) => digestOfManifest(version, repository).catch(failed)));
      const held = silent.filter((_version, index) => {
        const answer = read[index];
        return answer?.kind === "FOUND" && answer.value === digest;
      });
      return foundAny(held, absent(pageVersions, "WHOLE_LIST"), list.gap ?? firstGap(read));
    },
    { call, backend: settings.name, operation: pageVersions.name },
  );

  /** The digest of a version whose record does not tell it: its manifest's checksum. */
  async function digestOfManifest(version: Version, repository: Repository): Promise<Answer<Digest>> {
    const stored = await files.manifestOf(version, repository);
    if (stored.kind !== "FOUND") return stored;
    const digest = digestIn(stored.value);
    return digest === null ? unknown("NARROW_SEARCH") : found(digest);
  }

  // The digest is missing from the metadata when the server's second step failed; the image is there all the same.
  async function record(version: Version, ref: ImageRef, repository: Repository): Promise<Answer<ImageRecord>> {
    if (version.digest !== null) return found(toImageRecord(version, ref, version.digest, false));
    const answer = await files.readManifest(version, repository).catch(failed);
    const stored = valueIn(answer);
    const gap = answer.kind === "ABSENT" ? unknown("DETAIL_MISSING") : firstGap([answer]);
    return found(toImageRecord(version, ref, stored && digestIn(stored), stored?.archived ?? false), gap);
  }

  function expectCopies(name: string): void {
    if (settings.repositories.length > 0 && name !== "") search.meant(meantByImageName(name), null).catch(() => null);
  }

  async function copies(name: string, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    if (settings.repositories.length === 0) return unknown("NOT_CONFIGURED");
    // An image has a name.
    if (name === "") return impossible;
    const places = await search.meant(meantByImageName(name), null);
    if (places.kind !== "FOUND") return places;
    const atOnce = await Promise.all(
      places.value.map((place) => copiesIn(place, digest, withDigest.load).catch(failed)),
    );
    const records = atOnce.flatMap((answer) => valueIn(answer) ?? []);
    if (records.length > 0) return found(records, places.gap ?? atOnce.find(isFailure) ?? null);
    const looked = await Promise.all(
      places.value.map(async (place, index) => {
        // A place whose call failed says itself why nobody could say.
        const failure = atOnce[index];
        return failure && isFailure(failure) ? failure : copiesIn(place, digest, holdersInList.load).catch(failed);
      }),
    );
    const answer = joined(looked, absent(pageVersions, "WHOLE_LIST"));
    if (places.gap === null || answer.kind === "UNKNOWN") return answer;
    return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? places.gap) : places.gap;
  }

  async function copiesIn(
    { ref: place }: Package,
    digest: Digest,
    load: (key: { place: PackageRef; digest: Digest }) => Promise<Answer<readonly Version[]>>,
  ): Promise<Answer<readonly ImageRecord[]>> {
    const repository = parseRepository(place.repository);
    const path = imageNameOf(place.key);
    if (repository === null || path === null) return impossible;
    return mapAnswer(await load({ place, digest }), (holders) => {
      const tagged = holders.filter((version) => !version.name.startsWith(childPrefix));
      return (tagged.length > 0 ? tagged : holders).map((version) => {
        const tag = version.name.startsWith(childPrefix) ? null : version.name;
        const ref = referTo({ repository, name: path }, settings.hosts[0] ?? null, { tag, digest });
        return toImageRecord(version, ref, digest, false);
      });
    });
  }

  async function image(ref: ImageRef): Promise<Answer<ImageRecord>> {
    const location = locateImage(ref, settings.hosts);
    // Another registry's host, or fewer parts than an address of bkrepo has.
    return location === null ? impossible : located.load({ ref, location });
  }

  /** One query for the manifests of the repository, then the records of what they belong to. */
  async function byDigest(digest: Digest, scope: string | null): Promise<Answer<readonly ImageRecord[]>> {
    // Without a repository every file of every project would have to be searched, and only SHA-256 is kept.
    if (scope === null || !digest.startsWith(childPrefix)) return unknown("NOT_SEARCHABLE");
    const repository = parseRepository(scope);
    if (repository === null) return impossible;
    const manifests = await files.manifestsOf(repository, digest);
    if (manifests.kind !== "FOUND") return manifests;
    const records = await Promise.all(
      manifests.value.map(async ({ name, tag, archived }): Promise<Answer<ImageRecord>> => {
        const location = { repository, name };
        const part = tag.startsWith(childPrefix) ? { tag: null, digest } : { tag, digest: null };
        const ref = referTo(location, settings.hosts[0] ?? null, part);
        const answer = await located.load({ location, ref }).catch(failed);
        if (answer.kind !== "FOUND") return answer;
        // The manifest is there, and its tag holds other bytes by now.
        return answer.value.digest === digest ? found({ ...answer.value, archived }) : overwritten;
      }),
    );
    const values = records.flatMap((answer) => (answer.kind === "FOUND" ? [answer.value] : []));
    return foundAny(values, absenceIn(records) ?? overwritten, manifests.gap ?? firstGap(records));
  }

  async function isArchived(known: ImageRecord): Promise<boolean> {
    const ref = known.version;
    const repository = ref && parseRepository(ref.package.repository);
    if (known.archived || !ref || !repository) return known.archived;
    const path = valueIn(await versions.byRef.load(ref))?.paths[0];
    if (path === undefined) return false;
    return valueIn(await files.byPath.load({ repository, key: ref.package.key, path }))?.archived ?? false;
  }

  return { image, copies, expectCopies, byDigest, isArchived };
}

function isFailure(answer: Answer<unknown>): answer is Unknown {
  return answer.kind === "UNKNOWN" && answer.failure !== null;
}

function digestIn({ file }: StoredFile): Digest | null {
  return file.digests.find((candidate) => candidate.startsWith(childPrefix)) ?? null;
}

const overwritten = absent(pageVersions, "COMPLETE_FILTER");

function absenceIn(answers: readonly Answer<unknown>[]): Absent | null {
  return answers.find((answer): answer is Absent => answer.kind === "ABSENT") ?? null;
}
