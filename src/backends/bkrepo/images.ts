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
import { type Context, lostRows } from "./client.ts";
import type { Files, StoredFile } from "./files.ts";
import {
  type ImageLocation,
  imageNameOf,
  locateImage,
  parseRepository,
  printRepository,
  type Repository,
  referTo,
} from "./keys.ts";
import { childPrefix, packageContext, toImageRecord, toVersion } from "./mapper.ts";
import { listVersions, pageVersions } from "./operations.ts";
import { matcherOfImage, type PackageSearch, withGap } from "./search.ts";
import type { Versions } from "./versions.ts";

/** A reference with the location that it names. */
interface Located {
  readonly ref: ImageRef;
  readonly location: ImageLocation;
}

/** A digest among the versions of one package. */
interface Held {
  readonly place: PackageRef;
  readonly digest: Digest;
}

/** The scheme of a key is the type of its repository, which a reference does not contain. Most are docker. */
const schemes = ["docker", "oci"] as const;

const noRepository = absent(listVersions, "KEYED_READ");
const noHolder = absent(pageVersions, "WHOLE_LIST");
const overwritten = absent(pageVersions, "COMPLETE_FILTER");

/** Reader of images, which shares one request's answers. */
export function createImages(context: Context, search: PackageSearch, versions: Versions, files: Files): ImageReader {
  const { client, settings, call } = context;
  const host = settings.hosts[0] ?? null;
  const heldText = ({ place, digest }: Held) => keyText(place.repository, place.key, digest);

  /** Images by reference: as docker images, then those that were not found as OCI images. */
  const located = batched<Located, ImageRecord>(locatedText, async (wanted, answers) => {
    const silences = new Map<string, Answer<ImageRecord>>();
    let open = wanted;
    for (const scheme of schemes) {
      const typed = new Set<string>();
      await Promise.all(
        open.map(async (one) => {
          const text = locatedText(one);
          const answer = await readImage(one, scheme).catch(asError);
          if (answer instanceof Error) answers.set(text, answer);
          else if (answer.kind === "FOUND") {
            answers.set(text, answer);
            typed.add(printRepository(one.location.repository));
          } else if (answer.kind === "UNKNOWN" || !silences.has(text)) silences.set(text, answer);
        }),
      );
      // A repository with an image of this scheme has none of the other.
      open = open.filter(
        (one) => !answers.has(locatedText(one)) && !typed.has(printRepository(one.location.repository)),
      );
    }
    for (const [text, silence] of silences) if (!answers.has(text)) answers.set(text, silence);
    return answers;
  });

  async function readImage({ ref, location }: Located, scheme: (typeof schemes)[number]): Promise<Answer<ImageRecord>> {
    const { repository, name } = location;
    const key = `${scheme}://${name}`;
    const place: PackageRef = { backend: settings.name, repository: printRepository(repository), key };
    if (ref.digest !== null) return holderOf(place, ref, ref.digest);
    // Docker's rule for a reference without tag and digest.
    const tag = ref.tag ?? "latest";
    const version = await versions.byRef.load({ package: place, version: tag, nativeId: null });
    return version.kind === "FOUND" ? record(version.value, { ...ref, tag }, repository) : version;
  }

  async function holderOf(place: PackageRef, ref: ImageRef, digest: Digest): Promise<Answer<ImageRecord>> {
    const byMetadata = await holdersByMetadata.load({ place, digest });
    const holders = byMetadata.kind === "UNKNOWN" ? await holdersInList.load({ place, digest }) : byMetadata;
    if (holders.kind === "UNKNOWN") return namedHolder(place, ref, digest, holders);
    return mapAnswer(holders, (all) => {
      const tagged = all.filter((version) => tagOf(version) !== null);
      const holder = tagged.find(({ name }) => name === ref.tag) ?? tagged[0] ?? all[0];
      if (holder === undefined) throw new RangeError("a list that was found has a row");
      return toImageRecord(holder, { ...ref, tag: tagOf(holder) }, digest, false);
    });
  }

  /** Of an image with more versions than are read: the reference's tag, or the version that was pushed by this digest. */
  async function namedHolder(
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
      const image = await record(answer.value, { ...ref, tag: version === digest ? null : version }, repository);
      if (image.kind === "FOUND" && image.value.digest === digest) return image;
    }
    return otherwise;
  }

  /** Versions of one package whose metadata has a digest under today's key, newest first; unknown where none has. */
  const holdersByMetadata = single(
    heldText,
    async ({ place, digest }: Held): Promise<Answer<readonly Version[]>> => {
      const repository = parseRepository(place.repository);
      if (repository === null) return impossible;
      const read = client.listVersions(repository, place.key, digest, call).then((answer) => {
        const source = packageContext(context, repository, place.key, answer);
        const rows = answer.value.rows
          .map((row) => toVersion(row, source))
          .filter((version) => version.digest === digest);
        if (rows.length === 0 && answer.value.dropped.length > 0) throw lostRows(context, listVersions);
        versions.byRef.primeLater(() => {
          for (const version of rows) versions.byRef.prime(version.ref, found(version));
        });
        return foundAny(rows, unknown("NARROW_SEARCH"));
      });
      return absentIfNotFound(read, noRepository);
    },
    { call, backend: settings.name, operation: listVersions.name },
  );

  /** Versions of one package that have a digest in their name, their metadata (under every key), or their manifest. */
  const holdersInList = single(
    heldText,
    async ({ place, digest }: Held): Promise<Answer<readonly Version[]>> => {
      const repository = parseRepository(place.repository);
      if (repository === null) return impossible;
      const list = await versions.allOf(place, null);
      if (list.kind !== "FOUND") return list;
      const holders = list.value.filter((version) => version.digest === digest);
      if (holders.length > 0) return found(holders, list.gap);
      const without = list.value.filter((version) => version.digest === null);
      const read = await Promise.all(
        without.map(async (version): Promise<Answer<Digest>> => {
          const stored = await files.manifestOf(version, repository).catch(failed);
          if (stored.kind !== "FOUND") return stored;
          const own = digestIn(stored.value);
          return own === null ? unknown("NARROW_SEARCH") : found(own);
        }),
      );
      const byManifest = without.filter((_version, index) => {
        const answer = read[index];
        return answer?.kind === "FOUND" && answer.value === digest;
      });
      return foundAny(byManifest, noHolder, list.gap ?? firstGap(read));
    },
    { call, backend: settings.name, operation: pageVersions.name },
  );

  // The metadata has no digest where the server's second step failed: the manifest's checksum is the digest.
  async function record(version: Version, ref: ImageRef, repository: Repository): Promise<Answer<ImageRecord>> {
    if (version.digest !== null) return found(toImageRecord(version, ref, version.digest, false));
    const answer = await files.readManifest(version, repository).catch(failed);
    const stored = valueIn(answer);
    const gap = answer.kind === "ABSENT" ? unknown("DETAIL_MISSING") : firstGap([answer]);
    return found(toImageRecord(version, ref, stored && digestIn(stored), stored?.archived ?? false), gap);
  }

  function expectCopies(name: string): void {
    if (settings.repositories.length > 0 && name !== "") search.matching(matcherOfImage(name), null).catch(() => null);
  }

  async function copies(name: string, digest: Digest): Promise<Answer<readonly ImageRecord[]>> {
    if (settings.repositories.length === 0) return unknown("NOT_CONFIGURED");
    if (name === "") return impossible;
    const places = await search.matching(matcherOfImage(name), null);
    if (places.kind !== "FOUND") return places;
    const byMetadata = await Promise.all(
      places.value.map((place) => copiesIn(place, digest, holdersByMetadata.load).catch(failed)),
    );
    const records = byMetadata.flatMap((answer) => valueIn(answer) ?? []);
    if (records.length > 0) return found(records, places.gap ?? byMetadata.find(isFailure) ?? null);
    const inLists = await Promise.all(
      places.value.map(async (place, index) => {
        const failure = byMetadata[index];
        return failure && isFailure(failure) ? failure : copiesIn(place, digest, holdersInList.load).catch(failed);
      }),
    );
    return withGap(joined(inLists, noHolder), places.gap);
  }

  async function copiesIn(
    { ref: place }: Package,
    digest: Digest,
    load: (key: Held) => Promise<Answer<readonly Version[]>>,
  ): Promise<Answer<readonly ImageRecord[]>> {
    const repository = parseRepository(place.repository);
    const name = imageNameOf(place.key);
    if (repository === null || name === null) return impossible;
    return mapAnswer(await load({ place, digest }), (holders) => {
      const tagged = holders.filter((version) => tagOf(version) !== null);
      return (tagged.length > 0 ? tagged : holders).map((version) => {
        const ref = referTo({ repository, name }, host, { tag: tagOf(version), digest });
        return toImageRecord(version, ref, digest, false);
      });
    });
  }

  async function image(ref: ImageRef): Promise<Answer<ImageRecord>> {
    const location = locateImage(ref, settings.hosts);
    return location === null ? impossible : located.load({ ref, location });
  }

  /** One query for the manifests of the repository, then the records of their images. */
  async function byDigest(digest: Digest, scope: string | null): Promise<Answer<readonly ImageRecord[]>> {
    // Without a repository every file of every project would have to be searched, and only SHA-256 is stored.
    if (scope === null || !digest.startsWith(childPrefix)) return unknown("NOT_SEARCHABLE");
    const repository = parseRepository(scope);
    if (repository === null) return impossible;
    const manifests = await files.manifestsOf(repository, digest);
    if (manifests.kind !== "FOUND") return manifests;
    const records = await Promise.all(
      manifests.value.map(async ({ name, tag, archived }): Promise<Answer<ImageRecord>> => {
        const location = { repository, name };
        const ref = referTo(
          location,
          host,
          tag.startsWith(childPrefix) ? { tag: null, digest } : { tag, digest: null },
        );
        const answer = await located.load({ location, ref }).catch(failed);
        if (answer.kind !== "FOUND") return answer;
        // Where the digests differ, the tag was overwritten since.
        return answer.value.digest === digest ? found({ ...answer.value, archived }) : overwritten;
      }),
    );
    const values = records.flatMap((answer) => (answer.kind === "FOUND" ? [answer.value] : []));
    const absence = records.find((answer): answer is Absent => answer.kind === "ABSENT");
    return foundAny(values, absence ?? overwritten, manifests.gap ?? firstGap(records));
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

function locatedText({ ref, location }: Located): string {
  return keyText(printRepository(location.repository), location.name, ref.registry, ref.tag, ref.digest);
}

/** The tag of an image's version; null for the children of multi-arch images. */
function tagOf({ name }: Version): string | null {
  return name.startsWith(childPrefix) ? null : name;
}

function isFailure(answer: Answer<unknown>): answer is Unknown {
  return answer.kind === "UNKNOWN" && answer.failure !== null;
}

function digestIn({ file }: StoredFile): Digest | null {
  return file.digests.find((candidate) => candidate.startsWith(childPrefix)) ?? null;
}
