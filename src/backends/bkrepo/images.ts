import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { ImageRecord, PackageRef, Version } from "../../model/package.ts";
import {
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
import { type Answers, batched, keyText, type Loader, single, toError } from "../loading/loader.ts";
import type { BkrepoClient } from "./client.ts";
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
import { matcherOfImage, type PackageFinder, withGap } from "./search.ts";
import type { VersionList, Versions } from "./versions.ts";

type ImageAnswer = Answer<ImageRecord>;

/** A reference with the location that it names. */
interface Located {
  readonly ref: ImageRef;
  readonly location: ImageLocation;
}

/** A digest that is looked for among the versions of one package. */
interface Holder {
  readonly place: PackageRef;
  readonly digest: Digest;
}

/** The scheme of a key is the type of its repository, which a reference does not contain. Most are docker. */
const schemes = ["docker", "oci"] as const;

const noRepository = absent(listVersions, "KEYED_READ");
const noHolder = absent(pageVersions, "WHOLE_LIST");
const overwritten = absent(pageVersions, "COMPLETE_FILTER");

/** The images of one request. */
export class Images implements ImageReader {
  readonly #client: BkrepoClient;
  readonly #search: PackageFinder;
  readonly #versions: Versions;
  readonly #files: Files;
  readonly #host: string | null;
  readonly #located: Loader<Located, ImageAnswer>;
  /** Versions whose metadata has a digest under today's key, newest first; unknown where none has. */
  readonly #byMetadata: Loader<Holder, VersionList>;
  /** Versions that have a digest in their name, their metadata (under every key) or their manifest. */
  readonly #inList: Loader<Holder, VersionList>;

  constructor(client: BkrepoClient, search: PackageFinder, versions: Versions, files: Files) {
    this.#client = client;
    this.#search = search;
    this.#versions = versions;
    this.#files = files;
    this.#host = client.settings.hosts[0] ?? null;
    this.#located = batched(locatedText, (wanted, answers) => this.#load(wanted, answers));
    this.#byMetadata = single(
      holderText,
      (key) => absentIfNotFound(this.#holdersByMetadata(key), noRepository),
      client.loadedBy(listVersions),
    );
    this.#inList = single(holderText, (key) => this.#holdersInList(key), client.loadedBy(pageVersions));
  }

  readonly image: ImageReader["image"] = async (ref) => {
    const location = locateImage(ref, this.#client.settings.hosts);
    return location === null ? impossible : this.#located.load({ ref, location });
  };

  readonly expectCopies: ImageReader["expectCopies"] = (name) => {
    if (this.#client.settings.repositories.length === 0 || name === "") return;
    this.#search.matching(matcherOfImage(name), null).catch(() => null);
  };

  readonly copies: ImageReader["copies"] = async (name, digest) => {
    if (this.#client.settings.repositories.length === 0) return unknown("NOT_CONFIGURED");
    if (name === "") return impossible;
    const packages = await this.#search.matching(matcherOfImage(name), null);
    if (packages.kind !== "FOUND") return packages;
    const byMetadata = await Promise.all(
      packages.value.map(({ ref }) => this.#copiesIn(ref, digest, this.#byMetadata).catch(failed)),
    );
    const records = byMetadata.flatMap((answer) => valueIn(answer) ?? []);
    if (records.length > 0) return found(records, packages.gap ?? byMetadata.find(isFailure) ?? null);
    const inLists = await Promise.all(
      packages.value.map(async ({ ref }, index) => {
        const failure = byMetadata[index];
        return failure && isFailure(failure) ? failure : this.#copiesIn(ref, digest, this.#inList).catch(failed);
      }),
    );
    return withGap(joined(inLists, noHolder), packages.gap);
  };

  /** One query for the manifests of the repository, then the records of their images. */
  readonly byDigest: ImageReader["byDigest"] = async (digest, scope) => {
    // Without a repository every file of every project would have to be searched, and only SHA-256 is stored.
    if (scope === null || !digest.startsWith(childPrefix)) return unknown("NOT_SEARCHABLE");
    const repository = parseRepository(scope);
    if (repository === null) return impossible;
    const manifests = await this.#files.manifestsOf(repository, digest);
    if (manifests.kind !== "FOUND") return manifests;
    const records = await Promise.all(
      manifests.value.map(async ({ name, tag, archived }): Promise<Answer<readonly ImageRecord[]>> => {
        const location = { repository, name };
        const part = tag.startsWith(childPrefix) ? { tag: null, digest } : { tag, digest: null };
        const ref = referTo(location, this.#host, part);
        const answer = await this.#located.load({ location, ref }).catch(failed);
        if (answer.kind !== "FOUND") return answer;
        // Where the digests differ, the tag was overwritten since.
        return answer.value.digest === digest ? found([{ ...answer.value, archived }], answer.gap) : overwritten;
      }),
    );
    return withGap(joined(records, overwritten), manifests.gap);
  };

  readonly isArchived = async (known: ImageRecord): Promise<boolean> => {
    const ref = known.version;
    const repository = ref && parseRepository(ref.package.repository);
    if (known.archived || !ref || !repository) return known.archived;
    const path = valueIn(await this.#versions.byRef.load(ref))?.paths[0];
    if (path === undefined) return false;
    return valueIn(await this.#files.fileAt(repository, ref.package.key, path))?.archived ?? false;
  };

  /** Images by reference: as docker images, then those that were not found as OCI images. */
  async #load(wanted: readonly Located[], answers: Answers<ImageRecord>) {
    const notFound = new Map<string, ImageAnswer>();
    let open = wanted;
    for (const scheme of schemes) {
      const typed = new Set<string>();
      await Promise.all(
        open.map(async (one) => {
          const text = locatedText(one);
          const answer = await this.#read(one, scheme).catch(toError);
          if (answer instanceof Error) answers.set(text, answer);
          else if (answer.kind === "FOUND") {
            answers.set(text, answer);
            typed.add(printRepository(one.location.repository));
          } else if (answer.kind === "UNKNOWN" || !notFound.has(text)) notFound.set(text, answer);
        }),
      );
      // A repository with an image of this scheme has none of the other.
      open = open.filter(
        (one) => !answers.has(locatedText(one)) && !typed.has(printRepository(one.location.repository)),
      );
    }
    for (const [text, answer] of notFound) if (!answers.has(text)) answers.set(text, answer);
    return answers;
  }

  async #read({ ref, location }: Located, scheme: (typeof schemes)[number]): Promise<ImageAnswer> {
    const { repository, name } = location;
    const key = `${scheme}://${name}`;
    const place: PackageRef = { backend: this.#client.name, repository: printRepository(repository), key };
    if (ref.digest !== null) return this.#holderOf(place, ref, ref.digest, repository);
    // Docker's rule for a reference without tag and digest.
    const tag = ref.tag ?? "latest";
    const version = await this.#versions.byRef.load({ package: place, version: tag, nativeId: null });
    return version.kind === "FOUND" ? this.#record(version.value, { ...ref, tag }, repository) : version;
  }

  async #holderOf(place: PackageRef, ref: ImageRef, digest: Digest, repository: Repository): Promise<ImageAnswer> {
    const byMetadata = await this.#byMetadata.load({ place, digest });
    const holders = byMetadata.kind === "UNKNOWN" ? await this.#inList.load({ place, digest }) : byMetadata;
    if (holders.kind === "UNKNOWN") {
      const named = await this.#namedHolder(place, ref, digest, repository);
      return named.kind === "FOUND" ? named : holders;
    }
    return mapAnswer(holders, (all) => {
      const tagged = all.filter((version) => tagOf(version) !== null);
      const holder = tagged.find(({ name }) => name === ref.tag) ?? tagged[0] ?? all[0];
      if (holder === undefined) throw new RangeError("a list that was found has a row");
      return toImageRecord(holder, { ...ref, tag: tagOf(holder) }, digest);
    });
  }

  /** Of an image with more versions than are read: the reference's tag, or the version that was pushed by digest. */
  async #namedHolder(place: PackageRef, ref: ImageRef, digest: Digest, repository: Repository): Promise<ImageAnswer> {
    for (const version of ref.tag === null ? [digest] : [ref.tag, digest]) {
      const answer = await this.#versions.byRef.load({ package: place, version, nativeId: null });
      if (answer.kind !== "FOUND") continue;
      const tag = version === digest ? null : version;
      const image = await this.#record(answer.value, { ...ref, tag }, repository);
      if (image.kind === "FOUND" && image.value.digest === digest) return image;
    }
    return unknown("UNREAD");
  }

  async #holdersByMetadata({ place, digest }: Holder): Promise<VersionList> {
    const repository = parseRepository(place.repository);
    if (repository === null) return impossible;
    const answer = await this.#client.listVersions(repository, place.key, digest);
    const context = packageContext(this.#client, repository, place.key, answer);
    const { rows, dropped } = answer.value;
    const holders = rows.map((row) => toVersion(row, context)).filter((version) => version.digest === digest);
    if (holders.length === 0 && dropped.length > 0) throw this.#client.malformed(listVersions);
    this.#versions.byRef.deferPrime(() => {
      for (const version of holders) this.#versions.byRef.prime(version.ref, found(version));
    });
    return foundAny(holders, unknown("NARROW_SEARCH"));
  }

  async #holdersInList({ place, digest }: Holder): Promise<VersionList> {
    const repository = parseRepository(place.repository);
    if (repository === null) return impossible;
    const list = await this.#versions.allOf(place, null);
    if (list.kind !== "FOUND") return list;
    const holders = list.value.filter((version) => version.digest === digest);
    if (holders.length > 0) return found(holders, list.gap);
    const without = list.value.filter((version) => version.digest === null);
    const read = await Promise.all(
      without.map(async (version): Promise<Answer<Digest>> => {
        const stored = await this.#files.manifestOf(version, repository).catch(failed);
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
  }

  // The metadata has no digest where the server's second step failed: the manifest's checksum is the digest.
  async #record(version: Version, ref: ImageRef, repository: Repository): Promise<ImageAnswer> {
    if (version.digest !== null) return found(toImageRecord(version, ref, version.digest));
    const answer = await this.#files.readManifest(version, repository).catch(failed);
    const stored = valueIn(answer);
    const gap = answer.kind === "ABSENT" ? unknown("DETAIL_MISSING") : firstGap([answer]);
    return found(toImageRecord(version, ref, stored && digestIn(stored), stored?.archived ?? false), gap);
  }

  async #copiesIn(
    place: PackageRef,
    digest: Digest,
    loader: Loader<Holder, VersionList>,
  ): Promise<Answer<readonly ImageRecord[]>> {
    const repository = parseRepository(place.repository);
    const name = imageNameOf(place.key);
    if (repository === null || name === null) return impossible;
    return mapAnswer(await loader.load({ place, digest }), (holders) => {
      const tagged = holders.filter((version) => tagOf(version) !== null);
      return (tagged.length > 0 ? tagged : holders).map((version) => {
        const ref = referTo({ repository, name }, this.#host, { tag: tagOf(version), digest });
        return toImageRecord(version, ref, digest);
      });
    });
  }
}

function holderText({ place, digest }: Holder): string {
  return keyText(place.repository, place.key, digest);
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
