import type { Digest } from "../../model/digest.ts";
import type { ImageRef } from "../../model/image-ref.ts";
import type { ImageRecord, PackageRef, Version } from "../../model/package.ts";
import { isNotFound } from "../../upstream/errors.ts";
import type { ImageReader } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import type { FileLoaders } from "./files.ts";
import { type ImageLocation, locateImage, referTo } from "./image-location.ts";
import { childPrefix, toImageRecord, toVersion } from "./mapper.ts";
import { imageNameOf } from "./package-key.ts";
import { parseRepository, printRepository, type Repository } from "./repository.ts";
import { allOf, anyOf, endsIn, is, oneOf } from "./rule.ts";
import type { VersionLoaders } from "./versions.ts";
import {
  asError,
  chunks,
  collect,
  groupBy,
  largestBatch,
  largestPage,
  placeOf,
  unreadable,
  type View,
} from "./view.ts";

interface Asked {
  readonly ref: ImageRef;
  readonly location: ImageLocation;
}

function askedText({ ref, location }: Asked): string {
  return keyText(printRepository(location.repository), location.name, ref.registry, ref.tag, ref.digest);
}

/** The key's scheme is the repository's type, which a reference does not tell. Docker repositories are by far the most. */
const schemes = ["docker", "oci"] as const;

/** How this request reads images. */
export function imageReader(view: View, versions: VersionLoaders, files: FileLoaders): ImageReader {
  const { client, settings, call } = view;

  const located = batched<Asked, ImageRecord>(askedText, async (wanted) => {
    const answers = new Map<string, ImageRecord | Error>();
    let open: readonly Asked[] = wanted;
    for (const scheme of schemes) {
      const tried = open;
      const found = await Promise.all(tried.map((asked) => read(asked, scheme).catch(asError)));
      const typed = new Set<string>();
      found.forEach((answer, index) => {
        const asked = tried[index];
        if (answer === null || asked === undefined) return;
        answers.set(askedText(asked), answer);
        // A repository that has one image of this scheme has none of the other.
        if (!(answer instanceof Error)) typed.add(printRepository(asked.location.repository));
      });
      open = tried.filter(
        ({ location }, index) => found[index] === null && !typed.has(printRepository(location.repository)),
      );
    }
    return answers;
  });

  async function read({ ref, location }: Asked, scheme: (typeof schemes)[number]): Promise<ImageRecord | null> {
    const { repository, name } = location;
    const key = `${scheme}://${name}`;
    const place: PackageRef = { backend: settings.name, repository: printRepository(repository), key };
    if (ref.digest !== null) return holderOf(place, ref, ref.digest);
    // Docker's own rule for a reference that names neither tag nor digest.
    const tag = ref.tag ?? "latest";
    const version = await versions.byRef.load({ package: place, version: tag, nativeId: null });
    return version === null ? null : record(version, { ...ref, tag }, repository);
  }

  async function holderOf(place: PackageRef, ref: ImageRef, digest: Digest): Promise<ImageRecord | null> {
    const holders = await withDigest.load({ place, digest });
    const tagged = holders.filter(({ name }) => !name.startsWith(childPrefix));
    const version = tagged.find(({ name }) => name === ref.tag) ?? tagged[0] ?? holders[0] ?? null;
    // What was pushed by digest is a version of that name, whether or not its metadata could be written.
    const holder = version ?? (await versions.byRef.load({ package: place, version: digest, nativeId: null }));
    if (holder === null) return null;
    const tag = holder.name.startsWith(childPrefix) ? null : holder.name;
    return toImageRecord(holder, { ...ref, tag }, digest, false);
  }

  /** Versions of one package that hold a digest, newest first. */
  const withDigest = single(
    ({ place, digest }: { place: PackageRef; digest: Digest }) => keyText(place.repository, place.key, digest),
    async ({ place, digest }): Promise<readonly Version[]> => {
      const repository = parseRepository(place.repository);
      if (repository === null) return [];
      try {
        const answer = await client.listVersions(repository, place.key, digest, call);
        const context = placeOf(view, repository, place.key, answer);
        const rows = answer.value.rows
          .map((row) => toVersion(row, context))
          .filter((version) => version.digest === digest);
        if (rows.length === 0 && answer.value.dropped.length > 0) {
          throw unreadable(view, "bkrepo.listVersions", "rows of the answer are missing");
        }
        versions.byRef.primeLater(() => {
          for (const version of rows) versions.byRef.prime(version.ref, version);
        });
        return rows;
      } catch (error) {
        if (isNotFound(error)) return [];
        throw error;
      }
    },
    { call, backend: settings.name, operation: "bkrepo.listVersions" },
  );

  // The manifest's file has the manifest's checksum, which is the digest: the way out where the metadata lacks it.
  async function record(version: Version, ref: ImageRef, repository: Repository): Promise<ImageRecord> {
    const [path] = version.paths;
    if (version.digest !== null || path === undefined) return toImageRecord(version, ref, version.digest, false);
    const stored = await files.byPath.load({ repository, key: version.ref.package.key, path });
    const digest = stored?.file.digests.find((candidate) => candidate.startsWith("sha256:")) ?? null;
    return toImageRecord(version, ref, digest, stored?.archived ?? false);
  }

  const projects = groupBy(
    settings.repositories.map(parseRepository).filter((repository) => repository !== null),
    ({ project }) => project,
  );

  /** Image packages whose last path part is a name, wherever we are configured to look; names of one tick share a search. */
  const candidates = batched<string, readonly PackageRef[]>(
    (name) => name,
    async (names) => {
      const found = await Promise.all(
        projects.flatMap((repositories) => chunks(names, largestBatch).map((some) => imagesNamed(repositories, some))),
      );
      const all = found.flat();
      return new Map(
        names.map((name) => [
          name,
          all.filter(({ key }) => {
            const path = imageNameOf(key);
            return path === name || path?.endsWith(`/${name}`) === true;
          }),
        ]),
      );
    },
    { by: { call, backend: settings.name, operation: "bkrepo.searchPackages" } },
  );

  async function imagesNamed(repositories: readonly Repository[], names: readonly string[]): Promise<PackageRef[]> {
    const [first] = repositories;
    if (first === undefined) return [];
    const rule = allOf(
      is("projectId", first.project),
      oneOf("repoName", [...new Set(repositories.map(({ name }) => name))]),
      oneOf("type", ["DOCKER", "OCI"]),
      anyOf(oneOf("name", names), ...names.map((name) => endsIn("name", `/${name}`))),
    );
    const select = ["repoName", "name", "key", "type"];
    const sort = { properties: ["key", "repoName"], direction: "ASC" } as const;
    const { rows, complete } = await collect(
      (pageNumber) => client.searchPackages({ select, page: { pageNumber, pageSize: largestPage }, sort, rule }, call),
      largestPage,
      true,
    );
    // A copy that we do not know of cannot be named as missing, so an incomplete list is no answer.
    if (!complete) throw unreadable(view, "bkrepo.searchPackages", "rows of the answer are missing");
    return rows.map(({ row }) => ({
      backend: settings.name,
      repository: printRepository({ project: first.project, name: row.repoName }),
      key: row.key,
    }));
  }

  function expectCopies(name: string): void {
    if (projects.length > 0 && name !== "") candidates.load(name).catch(() => null);
  }

  async function copies(name: string, digest: Digest): Promise<readonly ImageRecord[] | null> {
    if (projects.length === 0) return null;
    const places = name === "" ? [] : ((await candidates.load(name)) ?? []);
    const found = await Promise.all(
      places.map(async (place) => {
        const repository = parseRepository(place.repository);
        const path = imageNameOf(place.key);
        if (repository === null || path === null) return [];
        const holders = await withDigest.load({ place, digest });
        const tagged = holders.filter((version) => !version.name.startsWith(childPrefix));
        return (tagged.length > 0 ? tagged : holders).map((version) => {
          const tag = version.name.startsWith(childPrefix) ? null : version.name;
          const ref = referTo({ repository, name: path }, settings.hosts[0] ?? null, { tag, digest });
          return toImageRecord(version, ref, digest, false);
        });
      }),
    );
    return found.flat();
  }

  async function image(ref: ImageRef): Promise<ImageRecord | null> {
    const location = locateImage(ref, settings.hosts);
    return location === null ? null : located.load({ ref, location });
  }

  /** One query for the manifests of the repository, then the records of what they belong to. */
  async function byDigest(digest: Digest, scope: string | null): Promise<readonly ImageRecord[] | null> {
    // Without a repository every file of every project would have to be searched, and only SHA-256 is kept.
    if (scope === null || !digest.startsWith(childPrefix)) return null;
    const repository = parseRepository(scope);
    if (repository === null) return [];
    const manifests = await files.manifestsOf(repository, digest);
    const found = await Promise.all(
      manifests.map(async ({ name, tag, archived }) => {
        const location = { repository, name };
        const part = tag.startsWith(childPrefix) ? { tag: null, digest } : { tag, digest: null };
        const record = await located.load({ location, ref: referTo(location, settings.hosts[0] ?? null, part) });
        return record?.digest === digest ? { ...record, archived } : null;
      }),
    );
    return found.filter((record) => record !== null);
  }

  async function isArchived(known: ImageRecord): Promise<boolean> {
    const ref = known.version;
    const repository = ref && parseRepository(ref.package.repository);
    if (known.archived || !ref || !repository) return known.archived;
    const path = (await versions.byRef.load(ref))?.paths[0];
    if (path === undefined) return false;
    return (await files.byPath.load({ repository, key: ref.package.key, path }))?.archived ?? false;
  }

  return { image, copies, expectCopies, byDigest, isArchived };
}
