import type {
  ArtifactReader,
  CommitReader,
  ImageReader,
  PackageReader,
  Readers,
  ReleaseReader,
} from "../backends/backend.ts";
import { type Allowed, fits } from "../model/access.ts";
import type { BackendIdentity } from "../model/backend.ts";
import type { ImageRecord, Package, PackageRef, Version } from "../model/package.ts";
import type { Page, PageRequest, Row } from "../model/page.ts";
import type { ArtifactRecord, Release } from "../model/release.ts";
import { UpstreamError } from "../upstream/errors.ts";

/**
 * One request's readers of a backend, as far as the access rules let its caller see: everything the graph knows comes
 * through these, so lists, look-ups, traces, nodes and entities obey alike. What is not allowed is not there. Names are
 * checked before anything is asked, so that not even the time of an answer tells; answers are checked again, because
 * ids and numbers come from the caller. Null for `access` restricts nothing.
 */
export function restrict(backend: BackendIdentity, readers: Readers, access: readonly Allowed[] | null): Readers {
  if (access === null) return readers;
  const sight = sightOf(backend, access);
  const { releases, artifacts, packages, images, commits, ping } = readers;
  const seenArtifacts = artifacts && restrictArtifacts(artifacts, sight);
  return {
    ...(releases ? { releases: restrictReleases(releases, seenArtifacts ?? null, sight) } : {}),
    ...(seenArtifacts ? { artifacts: seenArtifacts } : {}),
    ...(packages ? { packages: restrictPackages(packages, sight) } : {}),
    ...(images ? { images: restrictImages(images, sight) } : {}),
    ...(commits ? { commits: restrictCommits(commits, sight) } : {}),
    ...(ping ? { ping } : {}),
  };
}

/** What one caller may see in one backend. */
interface Sight {
  readonly backend: string;
  /** A Zadig project, or what `PackageRef.repository` names: `project/repo`, a namespace, a project's path. */
  readonly place: (name: string) => boolean;
  /** A GitLab group, with everything below it. */
  readonly group: (path: string) => boolean;
  /** Whether a place that may be seen can hold an image of this path. */
  readonly image: (path: string) => boolean;
}

function sightOf({ name: backend, kind }: BackendIdentity, access: readonly Allowed[]): Sight {
  const rules = access.filter(({ backends }) => backends === null || backends.some((glob) => fits(glob, backend)));
  const some = (list: "projects" | "repositories" | "namespaces" | "groups", name: string) =>
    rules.some((rule) => rule[list].some((glob) => fits(glob, name)));
  const group = (path: string) => prefixesOf(path).some((prefix) => some("groups", prefix));
  switch (kind) {
    case "ZADIG":
      return { backend, place: (name) => some("projects", name), group: () => false, image: () => false };
    case "BKREPO": {
      const place = (name: string) => some("repositories", name);
      return { backend, place, group: () => false, image: (path) => place(path.split("/").slice(0, 2).join("/")) };
    }
    case "SWR": {
      const place = (name: string) => some("namespaces", name);
      return { backend, place, group: () => false, image: (path) => place(path.split("/")[0] ?? "") };
    }
    case "GITLAB": {
      // Only full paths: a project's number is a name that no rule can have meant.
      const place = (path: string) => path.includes("/") && (some("projects", path) || group(parentOf(path)));
      return { backend, place, group, image: (path) => prefixesOf(path).some(place) };
    }
  }
}

function prefixesOf(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function restrictReleases(reader: ReleaseReader, artifacts: ArtifactReader | null, sight: Sight): ReleaseReader {
  const seen = (release: Release) => (sight.place(release.project) ? release : null);
  const release: ReleaseReader["release"] = async (ref) => {
    if (ref.project !== null && !sight.place(ref.project)) return null;
    const found = await reader.release(ref);
    return found && seen(found);
  };
  return {
    page: async (filter, request, wantsParts) =>
      filter.project !== null && !sight.place(filter.project)
        ? nothing(sight)
        : sieve(sight, request, (window) => reader.page(filter, window, wantsParts), seen),
    release,
    builds: (known) => reader.builds(known),
    build: async (ref) => {
      if ("release" in ref) return (await release(ref.release)) && reader.build(ref);
      // By way of the record, from which what other projects did with it has been taken.
      const record = await artifacts?.artifact(ref.artifact);
      const builds = record ? (artifacts?.buildsOf(record) ?? []) : [];
      return builds.find((build) => "activity" in build.ref && build.ref.activity === ref.activity) ?? null;
    },
    containing: (record, request) => sieve(sight, request, (window) => reader.containing(record, window), seen),
  };
}

/** Zadig's artifacts are of no project: seen are those that an allowed project did something with, and what it did. */
function restrictArtifacts(reader: ArtifactReader, sight: Sight): ArtifactReader {
  const seen = async (record: ArtifactRecord): Promise<ArtifactRecord | null> => {
    const whole = record.activities === null ? await reader.artifact(record.ref) : record;
    const activities = whole?.activities?.filter(({ project }) => project !== null && sight.place(project)) ?? [];
    return activities.length > 0 ? { ...record, activities } : null;
  };
  const all = async (records: Promise<readonly ArtifactRecord[]>) =>
    present(await Promise.all((await records).map(seen)));
  return {
    page: (filter, request) => sieve(sight, request, (window) => reader.page(filter, window), seen),
    artifact: async (ref) => {
      const found = await reader.artifact(ref);
      return found && seen(found);
    },
    byImage: (image) => all(reader.byImage(image)),
    byNameAndTag: (name, tag) => all(reader.byNameAndTag(name, tag)),
    byCommit: (repository, branch, sha) => all(reader.byCommit(repository, branch, sha)),
    buildsOf: (record) => reader.buildsOf(record),
  };
}

function restrictPackages(reader: PackageReader, sight: Sight): PackageReader {
  const seen = <T extends { readonly ref: PackageRef }>(found: T) => (sight.place(found.ref.repository) ? found : null);
  const version = (found: Version) => seenVersion(found, sight);
  return {
    keyOf: (name, format) => reader.keyOf(name, format),
    parseKey: (key) => reader.parseKey(key),
    package: async (ref) => {
      const found = sight.place(ref.repository) ? await reader.package(ref) : null;
      return found && seen(found);
    },
    page: async (scope, filter, request) => {
      if (scope.repository !== null) {
        return sight.place(scope.repository) ? reader.page(scope, filter, request) : nothing(sight);
      }
      return sieve(sight, request, (window) => reader.page(scope, filter, window), seen);
    },
    version: async (ref) => {
      const found = sight.place(ref.package.repository) ? await reader.version(ref) : null;
      return found && version(found);
    },
    versions: async (ref, filter, request) => {
      if (!sight.place(ref.repository)) return nothing(sight);
      const page = await reader.versions(ref, filter, request);
      return {
        ...page,
        rows: rowsSeen(
          page.rows,
          page.rows.map(({ value }) => version(value)),
        ),
      };
    },
    latest: async (ref) => {
      const found = sight.place(ref.repository) ? await reader.latest(ref) : null;
      return found && version(found);
    },
    files: async (ref, request) => (sight.place(ref.package.repository) ? reader.files(ref, request) : nothing(sight)),
    byChecksum: async (digest, scope) => {
      if (scope !== null && !sight.place(scope)) return [];
      const found = await reader.byChecksum(digest, scope);
      return found === null ? null : found.filter(({ version }) => sight.place(version.package.repository));
    },
    named: async (name, format) => (await reader.named(name, format))?.filter(seen) ?? null,
    search: async (query, request) => {
      let isSearchable = true;
      const fetch = async (window: PageRequest) => {
        const page = await reader.search(query, window);
        isSearchable &&= page !== null;
        return page ?? nothing<Package>(sight);
      };
      const page = await sieve(sight, request, fetch, seen);
      return isSearchable ? page : null;
    },
  };
}

function restrictImages(reader: ImageReader, sight: Sight): ImageReader {
  const seen = ({ image, version }: ImageRecord) =>
    version === null ? sight.image(image.repository) : sight.place(version.package.repository);
  return {
    image: async (ref) => {
      const found = sight.image(ref.repository) ? await reader.image(ref) : null;
      return found && seen(found) ? found : null;
    },
    copies: async (name, digest, own) =>
      (await reader.copies(name, digest, own && sight.image(own.repository) ? own : undefined))?.filter(seen) ?? null,
    expectCopies: reader.expectCopies,
    byDigest: async (digest, scope) => {
      if (scope !== null && !sight.place(scope)) return [];
      return (await reader.byDigest(digest, scope))?.filter(seen) ?? null;
    },
  };
}

function restrictCommits(reader: CommitReader, sight: Sight): CommitReader {
  const commit: CommitReader["commit"] = async (project, sha) => {
    if (project.includes("/") && !sight.place(project)) return null;
    const found = await reader.commit(project, sha);
    return found && sight.place(found.repository) ? found : null;
  };
  // A number says nothing until the commit has told whose it is.
  const isSeen = async (project: string, sha: string) =>
    project.includes("/") ? sight.place(project) : (await commit(project, sha)) !== null;
  return {
    projectOf: (hostUrl, repository) => {
      const path = reader.projectOf(hostUrl, repository);
      return path !== null && sight.place(path) ? path : null;
    },
    commit,
    mergeRequests: async (project, sha) => ((await isSeen(project, sha)) ? reader.mergeRequests(project, sha) : []),
    publishedFrom: async (project, sha) =>
      (await isSeen(project, sha))
        ? present((await reader.publishedFrom(project, sha)).map((found) => seenVersion(found, sight)))
        : [],
    pipelines: async (version) =>
      sight.place(version.package.repository)
        ? (await reader.pipelines(version)).filter(
            ({ projectPath }) => projectPath !== null && sight.place(projectPath),
          )
        : [],
  };
}

/** A pipeline of a project that may not be seen can publish into one that may. */
function seenVersion(version: Version, sight: Sight): Version | null {
  if (!sight.place(version.ref.package.repository)) return null;
  const path = version.pipeline?.projectPath ?? null;
  return version.pipeline && (path === null || !sight.place(path)) ? { ...version, pipeline: null } : version;
}

const mostRounds = 10;
const largestPage = 100;

/**
 * A window over the rows that may be seen: reads on until one row more than wanted is found, so that neither a short
 * page nor "there is more" speaks of hidden rows. No total, and nothing of rows that could not be read: whose they are
 * is not known. OVER_BUDGET when the first thousand rows held nothing.
 */
async function sieve<T>(
  { backend }: Sight,
  request: PageRequest,
  fetch: (window: PageRequest) => Promise<Page<T>>,
  see: (value: T) => T | null | Promise<T | null>,
): Promise<Page<T>> {
  const rows: Row<T>[] = [];
  let window: PageRequest = { first: Math.min(request.first + 1, largestPage), after: request.after };
  for (let round = 0; round < mostRounds; round++) {
    const page = await fetch(window);
    const visible = await Promise.all(page.rows.map(({ value }) => see(value)));
    for (const row of rowsSeen(page.rows, visible)) rows.push(row);
    const last = page.rows.at(-1);
    const whole = { origin: page.origin, total: null, dropped: [] };
    if (rows.length > request.first) return { ...whole, rows: rows.slice(0, request.first), hasNext: true };
    if (!page.hasNext || !last) return { ...whole, rows, hasNext: false };
    if (round === mostRounds - 1 && rows.length > 0) return { ...whole, rows, hasNext: true };
    window = { first: largestPage, after: last.position };
  }
  throw new UpstreamError("OVER_BUDGET", { backend, operation: null });
}

function rowsSeen<T>(rows: readonly Row<T>[], values: readonly (T | null)[]): Row<T>[] {
  return rows.flatMap(({ position }, index) => {
    const value = values[index] ?? null;
    return value === null ? [] : [{ value, position }];
  });
}

function present<T>(values: readonly (T | null)[]): T[] {
  return values.flatMap((value) => (value === null ? [] : [value]));
}

/** What a place that does not exist answers. */
function nothing<T>({ backend }: Sight): Page<T> {
  const origin = { backend, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
  return { rows: [], hasNext: false, total: null, origin, dropped: [] };
}
