import {
  type Answer,
  failed,
  firstGap,
  found,
  foundAny,
  hidden,
  mapAnswer,
  type Unknown,
  unknown,
} from "../../backends/answers.ts";
import type {
  ArtifactReader,
  CommitReader,
  ImageReader,
  PackageReader,
  Readers,
  ReleaseReader,
} from "../../backends/backend.ts";
import { type Allowed, fits, pathPrefixes } from "../../model/access.ts";
import type { BackendIdentity, Page, PageRequest, Row } from "../../model/backend.ts";
import type { ImageRecord, PackageRef, Version } from "../../model/package.ts";
import type { ArtifactRecord, Release } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";

/**
 * One request's readers of a backend, as far as the access rules let its caller see: everything the graph knows comes
 * through these, so lists, look-ups, traces, nodes and entities obey the same rules. What is not allowed answers as
 * what is not there. Names are checked before anything is asked, so that not even the time of an answer tells; answers
 * are checked again by the place that answered, because ids, numbers and names of moved projects come from the caller.
 * Null for `access` restricts nothing.
 */
export function restrict(backend: BackendIdentity, readers: Readers, access: readonly Allowed[] | null): Readers {
  if (access === null) return readers;
  const sight = sightOf(backend, access);
  return guarded<Readers>(readers, {
    releases: (reader, { artifacts }) => guarded(reader, releaseGuards(sight, artifacts ?? null)),
    artifacts: (reader) => guarded(reader, artifactGuards(sight)),
    packages: (reader) => guarded(reader, packageGuards(sight)),
    images: (reader) => guarded(reader, imageGuards(sight)),
    commits: (reader) => guarded(reader, commitGuards(sight)),
    ping: (ping) => ping,
  });
}

/**
 * What stands before each method of a reader: it gets the method and the reader, and answers the method as the caller
 * may use it. A method without an entry does not compile.
 */
type Guards<R> = { readonly [K in keyof R]-?: (method: NonNullable<R[K]>, reader: R) => NonNullable<R[K]> };

/** The reader behind its guards; what it does not have stays away. */
function guarded<R extends object>(reader: R, guards: Guards<R>): R {
  const seen: Partial<R> = {};
  for (const name of Object.keys(guards) as (keyof R)[]) {
    const method = reader[name];
    if (method !== undefined && method !== null) seen[name] = guards[name](method, reader);
  }
  // Every name of R has a guard, so whatever the reader has is here.
  return seen as R;
}

/** What one caller may see in one backend. */
interface Sight {
  readonly backend: string;
  /** A release's project, or what `PackageRef.repository` names. */
  readonly place: (name: string) => boolean;
  /** A group, with everything below it. */
  readonly group: (path: string) => boolean;
  /** Whether a place that may be seen can hold an image of this path. */
  readonly image: (path: string) => boolean;
}

function sightOf({ name: backend, type }: BackendIdentity, access: readonly Allowed[]): Sight {
  const rules = access.filter(({ backends }) => backends === null || backends.some((glob) => fits(glob, backend)));
  const { list, groups, ignoresCase, placesOfImage } = type.access;
  const fold = ignoresCase ? inLowerCase : (text: string) => text;
  const allows = (name: "groups" | typeof list, path: string) =>
    rules.some((rule) => rule[name].some((glob) => fits(fold(glob), fold(path))));
  const group = (path: string) => groups !== null && pathPrefixes(path).some((prefix) => allows("groups", prefix));
  // Where there are groups, only full paths: a project's number is a name that no rule can have meant.
  const place = (path: string) =>
    groups === null ? allows(list, path) : path.includes("/") && (allows(list, path) || group(parentOf(path)));
  return { backend, place, group, image: (path) => placesOfImage(path).some(place) };
}

// ASCII alone: other letters are no part of these paths, and some of them lower to letters that are.
function inLowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function releaseGuards(sight: Sight, artifacts: ArtifactReader | null): Guards<ReleaseReader> {
  const seen = (release: Release) => (sight.place(release.project) ? release : null);
  const see =
    (release: ReleaseReader["release"]): ReleaseReader["release"] =>
    async (ref) =>
      ref.project === null || sight.place(ref.project) ? keepSeen(await release(ref), seen) : hidden;
  return {
    page: (page) => async (filter, request, wantsParts) =>
      filter.project !== null && !sight.place(filter.project)
        ? hidden
        : filteredPage(sight, request, (window) => page(filter, window, wantsParts), seen),
    release: see,
    // A release that was seen may be asked for its builds.
    builds: (builds) => builds,
    build:
      (build, { release }) =>
      async (ref) => {
        if ("release" in ref) {
          const home = await see(release)(ref.release);
          return home.kind === "FOUND" ? build(ref) : home;
        }
        // By way of the record, from which what other projects did with it has been taken.
        const record = artifacts && (await guarded(artifacts, artifactGuards(sight)).artifact(ref.artifact));
        if (record === null) return hidden;
        return keepSeen(record, (whole) => {
          const builds = artifacts?.buildsOf(whole) ?? [];
          return builds.find((one) => "activity" in one.ref && one.ref.activity === ref.activity) ?? null;
        });
      },
    containing: (containing) => (record, request) =>
      filteredPage(sight, request, (window) => containing(record, window), seen),
  };
}

/** Zadig's artifacts are of no project: seen are those that an allowed project did something with, and what it did. */
function artifactGuards(sight: Sight): Guards<ArtifactReader> {
  const see =
    ({ artifact }: ArtifactReader) =>
    async (record: ArtifactRecord): Promise<Answer<ArtifactRecord>> => {
      const whole = record.activities === null ? await artifact(record.ref) : found(record);
      if (whole.kind !== "FOUND") return whole;
      const activities =
        whole.value.activities?.filter(({ project }) => project !== null && sight.place(project)) ?? [];
      return activities.length > 0 ? found({ ...record, activities }) : hidden;
    };
  const all = async (reader: ArtifactReader, records: Promise<Answer<readonly ArtifactRecord[]>>) => {
    const answer = await records;
    if (answer.kind !== "FOUND") return answer;
    const seen = await Promise.all(answer.value.map((record) => see(reader)(record).catch(failed)));
    const values = seen.flatMap((one) => (one.kind === "FOUND" ? [one.value] : []));
    return foundAny(values, hidden, answer.gap ?? firstGap(seen));
  };
  return {
    page: (page, reader) => (filter, request) =>
      filteredPage(sight, request, (window) => page(filter, window), see(reader)),
    artifact: (artifact, reader) => async (ref) => {
      const answer = await artifact(ref);
      if (answer.kind !== "FOUND") return answer;
      const seen = await see(reader)(answer.value);
      return seen.kind === "FOUND" ? found(seen.value, answer.gap) : seen;
    },
    byImage: (byImage, reader) => (image) => all(reader, byImage(image)),
    byNameAndTag: (byNameAndTag, reader) => (name, tag) => all(reader, byNameAndTag(name, tag)),
    byCommit: (byCommit, reader) => (repository, branch, sha) => all(reader, byCommit(repository, branch, sha)),
    // Of a record that was seen only what may be seen is left.
    buildsOf: (buildsOf) => buildsOf,
  };
}

function packageGuards(sight: Sight): Guards<PackageReader> {
  const seen = <T extends { readonly ref: PackageRef }>(one: T) => (sight.place(one.ref.repository) ? one : null);
  const version = (one: Version) => seenVersion(one, sight);
  const isOpen = (scope: string | null) => scope === null || sight.place(scope);
  return {
    keyOf: (keyOf) => keyOf,
    parseKey: (parseKey) => parseKey,
    package: (read) => async (ref) => (sight.place(ref.repository) ? keepSeen(await read(ref), seen) : hidden),
    page: (page) => async (scope, filter, request) => {
      const { repository, group } = scope;
      if (!isOpen(repository)) return hidden;
      // A group that may not be seen is as if it were not there, unless a project below it may be.
      const isHome = group !== null && sight.group(group);
      const whenNone = repository === null && !isHome ? "HIDDEN" : "ROWS_TELL";
      return filteredPage(sight, request, (window) => page(scope, filter, window), seen, whenNone);
    },
    version: (read) => async (ref) =>
      sight.place(ref.package.repository) ? keepSeen(await read(ref), version) : hidden,
    versions: (versions) => async (ref, filter, request) =>
      sight.place(ref.repository)
        ? filteredPage(sight, request, (window) => versions(ref, filter, window), version, "ROWS_TELL")
        : hidden,
    latest: (latest) => async (ref) => (sight.place(ref.repository) ? keepSeen(await latest(ref), version) : hidden),
    // Files do not say whose they are; the version that they belong to does.
    files:
      (files, { version: read }) =>
      async (ref, request) => {
        if (!sight.place(ref.package.repository)) return hidden;
        const home = keepSeen(await read(ref), version);
        return home.kind === "FOUND" ? files(ref, request) : home;
      },
    byChecksum: (byChecksum) => async (digest, scope) =>
      isOpen(scope)
        ? keepAllSeen(await byChecksum(digest, scope), (one) =>
            sight.place(one.version.package.repository) ? one : null,
          )
        : hidden,
    named: (named) => async (name, format, scope) =>
      isOpen(scope) ? keepAllSeen(await named(name, format, scope), seen) : hidden,
    byPurl: (byPurl) => async (purl, scope) =>
      isOpen(scope) ? keepAllSeen(await byPurl(purl, scope), version) : hidden,
    search: (search) => (query, request) => filteredPage(sight, request, (window) => search(query, window), seen),
  };
}

function imageGuards(sight: Sight): Guards<ImageReader> {
  const seen = (record: ImageRecord) => {
    const { image, version } = record;
    const isSeen = version === null ? sight.image(image.repository) : sight.place(version.package.repository);
    return isSeen ? record : null;
  };
  return {
    image: (image) => async (ref) => (sight.image(ref.repository) ? keepSeen(await image(ref), seen) : hidden),
    copies: (copies) => async (name, digest, own) =>
      keepAllSeen(await copies(name, digest, own && sight.image(own.repository) ? own : undefined), seen),
    expectCopies: (expectCopies) => expectCopies,
    byDigest: (byDigest) => async (digest, scope) =>
      scope === null || sight.place(scope) ? keepAllSeen(await byDigest(digest, scope), seen) : hidden,
    isArchived: (isArchived) => async (record) => seen(record) !== null && isArchived(record),
  };
}

function commitGuards(sight: Sight): Guards<CommitReader> {
  const see =
    (commit: CommitReader["commit"]): CommitReader["commit"] =>
    async (project, sha) => {
      if (project.includes("/") && !sight.place(project)) return hidden;
      return keepSeen(await commit(project, sha), (one) => (sight.place(one.repository) ? one : null));
    };
  return {
    projectOf: (projectOf) => (hostUrl, repository) => {
      const path = projectOf(hostUrl, repository);
      return path !== null && sight.place(path) ? path : null;
    },
    commit: see,
    mergeRequests: (mergeRequests, reader) => async (project, sha) => {
      // Neither numbers nor the name of a moved project say whose it is; the commit does.
      const home = await see(reader.commit)(project, sha);
      return home.kind === "FOUND" ? mergeRequests(project, sha) : home;
    },
    publishedFrom: (publishedFrom) => async (project, sha) =>
      project.includes("/") && !sight.place(project)
        ? hidden
        : keepAllSeen(await publishedFrom(project, sha), (one) => seenVersion(one, sight)),
    pipelines: (pipelines) => async (version) =>
      sight.place(version.package.repository)
        ? keepAllSeen(await pipelines(version), (run) =>
            run.projectPath !== null && sight.place(run.projectPath) ? run : null,
          )
        : hidden,
  };
}

/** A pipeline of a project that may not be seen can publish into one that may. */
function seenVersion(version: Version, sight: Sight): Version | null {
  if (!sight.place(version.ref.package.repository)) return null;
  const path = version.pipeline?.projectPath ?? null;
  return version.pipeline && (path === null || !sight.place(path)) ? { ...version, pipeline: null } : version;
}

/** What was found, as far as it may be seen. */
function keepSeen<T, U>(answer: Answer<T>, see: (value: T) => U | null): Answer<U> {
  const seen = mapAnswer(answer, see);
  if (seen.kind !== "FOUND") return seen;
  return seen.value === null ? hidden : found(seen.value, seen.gap);
}

/** Those that were found and may be seen. */
function keepAllSeen<T>(answer: Answer<readonly T[]>, see: (value: T) => T | null): Answer<readonly T[]> {
  return answer.kind === "FOUND"
    ? foundAny(
        answer.value.flatMap((one) => see(one) ?? []),
        hidden,
        answer.gap,
      )
    : answer;
}

const mostRounds = 10;
const largestPage = 100;

/**
 * A window over the rows that may be seen. It reads on until one row more than wanted is found, so that neither a short
 * page nor "there is more" counts hidden rows. There is no total. Unreadable rows are only counted, since the place
 * that they belong to is unknown. OVER_BUDGET when the first thousand rows have none. `whenNone` says what an empty
 * window is: the list is there for every caller (EMPTY), its place is hidden (HIDDEN), or it is hidden where rows of
 * another place stand in it (ROWS_TELL).
 */
async function filteredPage<T>(
  { backend }: Sight,
  request: PageRequest,
  fetch: (window: PageRequest) => Promise<Answer<Page<T>>>,
  see: (value: T) => T | null | Promise<Answer<T>>,
  whenNone: "EMPTY" | "HIDDEN" | "ROWS_TELL" = "EMPTY",
): Promise<Answer<Page<T>>> {
  const rows: Row<T>[] = [];
  let window: PageRequest = { first: Math.min(request.first + 1, largestPage), after: request.after };
  let read: Page<T> | null = null;
  let gap: Unknown | null = null;
  let isHome = whenNone !== "HIDDEN";
  const upTo = (page: Page<T>, hasNext: boolean) =>
    found({ origin: page.origin, total: null, dropped: [], rows: rows.slice(0, request.first), hasNext }, gap);
  for (let round = 0; round < mostRounds; round++) {
    const answer = await fetch(window);
    if (answer.kind !== "FOUND") {
      if (read === null || rows.length === 0) return answer;
      if (answer.kind === "UNKNOWN") gap ??= answer;
      return upTo(read, false);
    }
    const page = answer.value;
    read = page;
    const seen = await Promise.all(page.rows.map(({ value }) => answerOf(see(value))));
    // A row whose visibility is unknown is left out, and so is one that could not be read.
    gap ??= answer.gap ?? (page.dropped.length > 0 ? unknown("LOST_ROWS") : firstGap(seen));
    if (whenNone === "ROWS_TELL" && seen.some(({ kind }) => kind === "ABSENT")) isHome = false;
    for (const row of rowsSeen(page.rows, seen)) rows.push(row);
    const last = page.rows.at(-1);
    if (rows.length > request.first) return upTo(page, true);
    if (!page.hasNext || !last) {
      return rows.length === 0 && !isHome && gap === null ? hidden : upTo(page, false);
    }
    if (round === mostRounds - 1 && rows.length > 0) return upTo(page, true);
    window = { first: largestPage, after: last.position };
  }
  throw new UpstreamError("OVER_BUDGET", { backend, operation: null });
}

function rowsSeen<T>(rows: readonly Row<T>[], seen: readonly Answer<T>[]): Row<T>[] {
  return rows.flatMap(({ position }, index) => {
    const answer = seen[index];
    return answer?.kind === "FOUND" ? [{ value: answer.value, position }] : [];
  });
}

async function answerOf<T>(seen: T | null | Promise<Answer<T>>): Promise<Answer<T>> {
  if (seen instanceof Promise) return seen.catch(failed);
  return seen === null ? hidden : found(seen);
}
