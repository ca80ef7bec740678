import type { Release, ReleaseRef } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { keyText, single } from "../batch.ts";
import type { ZadigClient } from "./client.ts";
import { byName, toRelease } from "./mapper.ts";
import { objectId } from "./object-id.ts";
import {
  getRelease,
  getReleaseOpen,
  getReleaseOpenByName,
  listReleases,
  listReleasesDirectory,
  listReleasesOpen,
} from "./operations.ts";
import type { ReleaseList, ReleaseScope } from "./release-list.ts";

/** How one release is found by what refers to it. */
export interface ReleaseLookup {
  /** With its parts; null when it is not there, or not in the project that was asked for. */
  readonly release: (ref: ReleaseRef) => Promise<Release | null>;
  /** Takes note of a listed release, so that the request does not ask for it again. */
  readonly note: (release: Release) => void;
}

/** A list is walked this far for one release: 1000 rows. */
const pageSize = 100;
const mostPages = 10;

/** `projects` are the configured ones, where a release without a project may be. */
export function createReleaseLookup(
  client: ZadigClient,
  list: ReleaseList,
  projects: readonly string[],
  call: Call,
): ReleaseLookup {
  const noted = new Map<string, Release>();
  const releases = single(refText, (ref) => load(ref), {
    call,
    backend: client.upstream.name,
    operation: () => readingOperation().name,
  });

  function readingOperation(): Operation {
    if (list.surface === "aslan") return getRelease;
    if (list.surface === "directory") return listReleasesDirectory;
    return list.generation() === "o1" ? getReleaseOpen : getReleaseOpenByName;
  }

  function note(release: Release): void {
    noted.set(refText(release.ref), release);
    if (release.parts !== null) releases.prime(release.ref, release);
  }

  async function load(ref: ReleaseRef): Promise<Release | null> {
    if (ref.zadigId !== null && objectId(ref.zadigId) === null) return null;
    if (ref.zadigId === null && (ref.project === null || ref.version === null)) return null;
    const found = await (list.surface === "openapi" ? openRelease(ref) : closedRelease(ref));
    return found !== null && isMeant(found, ref) ? found : null;
  }

  /** Aslan and the directory facade, which has no look-up by id. */
  async function closedRelease(ref: ReleaseRef): Promise<Release | null> {
    const { zadigId, project } = ref;
    const byIdWorks = list.surface === "aslan" || list.generation() === "r2";
    if (zadigId === null || !byIdWorks) return inList(ref);
    if (project !== null) return byId(zadigId, project);
    const [first] = projects;
    if (first !== undefined) return inProjects(zadigId, first);
    // From 2.3 on the call wants a project; a list across all of them knows it.
    if (list.generation() === "r2") return inList(ref);
    try {
      return await byId(zadigId, null);
    } catch (error) {
      if (error instanceof UpstreamError && error.failure === "REJECTED") return inList(ref);
      throw error;
    }
  }

  async function byId(id: string, project: string | null): Promise<Release | null> {
    const reply = await orNull(client.getRelease(id, project, list.expecting(true), call));
    if (!reply?.value) return null;
    list.learn(reply.value.generation);
    return toRelease(reply.value.payload, { origin: reply.origin, project });
  }

  /**
   * Zadig checks the right to the project that is named but finds the release by id alone: what it answers for one
   * project may belong to another one. Then it is asked again with that one, so that the right is checked there.
   */
  async function inProjects(id: string, first: string): Promise<Release | null> {
    const found = await byId(id, first);
    if (found === null || found.project === first) return found;
    return projects.includes(found.project) ? byId(id, found.project) : null;
  }

  /** Walks the list for a brief row, then asks for its parts where they did not come with it. */
  async function inList(ref: ReleaseRef): Promise<Release | null> {
    const row = noted.get(refText(ref)) ?? (await walk(ref, ref.project));
    if (row === null || row.parts !== null) return row;
    const { zadigId, workflow, taskId, project } = row;
    if (zadigId !== null && (list.surface === "aslan" || list.generation() === "r2")) return byId(zadigId, project);
    const scope = { project, workflow, taskId, label: null };
    const detailed = await list.fetch(scope, true, 0, pageSize);
    return detailed.rows.map((place) => place.row).find((other) => other !== null && isMeant(other, ref)) ?? null;
  }

  async function walk(ref: ReleaseRef, project: string | null): Promise<Release | null> {
    const scope: ReleaseScope = { project, workflow: null, taskId: null, label: null };
    let unreadable = false;
    for (let page = 0; page < mostPages; page++) {
      const { rows, count, total, dropped } = await list.fetch(scope, false, page, pageSize);
      const row = rows.find((place) => place.row !== null && isMeant(place.row, ref))?.row ?? null;
      if (row !== null) return row;
      unreadable ||= dropped.length > 0;
      if (total === null ? count >= pageSize : (page + 1) * pageSize < total) continue;
      if (!unreadable) return null;
      // The row that is missing may be the one that could not be read.
      throw fault("MALFORMED", "rows could not be read and this release is not among the others");
    }
    throw fault("OVER_BUDGET", "the release is not among the newest");
  }

  async function openRelease(ref: ReleaseRef): Promise<Release | null> {
    const { zadigId, version } = ref;
    if (ref.project !== null && zadigId === null && version !== null) return byVersion(ref, ref.project, version);
    if (ref.project !== null && zadigId !== null && list.generation() === "o1")
      return byOpenId(ref, ref.project, zadigId);
    // By id alone nothing can be asked for (or nobody knows yet whether it can): the lists tell project and name.
    const row = noted.get(refText(ref)) ?? (await walkProjects(ref));
    if (row === null) return null;
    if (list.generation() === "o1" && row.zadigId !== null) return byOpenId(ref, row.project, row.zadigId);
    return byVersion(ref, row.project, row.version, row.zadigId);
  }

  async function walkProjects(ref: ReleaseRef): Promise<Release | null> {
    const places = ref.project === null ? projects : [ref.project];
    if (places.length === 0) throw fault("REJECTED", "OpenAPI lists one project at a time and none is configured");
    const rows = await Promise.all(places.map((project) => walk(ref, project)));
    return rows.find((row) => row !== null) ?? null;
  }

  async function byOpenId(ref: ReleaseRef, project: string, id: string): Promise<Release | null> {
    const reply = await unlessMissing(client.getReleaseOpen(id, project, call), ref, project);
    return reply?.value ? toRelease(reply.value, { origin: reply.origin, project }) : null;
  }

  async function byVersion(
    ref: ReleaseRef,
    project: string,
    version: string,
    id: string | null = null,
  ): Promise<Release | null> {
    const reply = await unlessMissing(client.getReleaseOpenByName(version, project, call), ref, project);
    if (!reply?.value) return null;
    const told = toRelease(reply.value.payload, { origin: reply.origin, project });
    // This detail has no id; the list had.
    const known = id ?? noted.get(keyText(project, null, version))?.zadigId ?? null;
    return told && { ...byName(told), zadigId: told.zadigId ?? known };
  }

  /**
   * OpenAPI answers 500 for what does not exist, and for what is broken. Only the list tells which: if the release
   * is not in it, "not there" was meant; if it is, the failure was one.
   */
  async function unlessMissing<T>(answer: Promise<T>, ref: ReleaseRef, project: string): Promise<T | null> {
    try {
      return await answer;
    } catch (error) {
      const isBlunt = error instanceof UpstreamError && error.status === 500;
      if (isBlunt && (await walk(ref, project)) === null) return null;
      throw error;
    }
  }

  function fault(failure: "MALFORMED" | "OVER_BUDGET" | "REJECTED", reason: string): UpstreamError {
    const operation = { aslan: listReleases, directory: listReleasesDirectory, openapi: listReleasesOpen }[
      list.surface
    ];
    return new UpstreamError(failure, { backend: client.upstream.name, operation: operation.name, reason });
  }

  return { release: (ref) => releases.load(ref), note };
}

function isMeant(release: Release, { project, zadigId, version }: ReleaseRef): boolean {
  return (
    (project === null || release.project === project) &&
    (zadigId === null || release.zadigId === zadigId.toLowerCase()) &&
    (version === null || release.version === version)
  );
}

function refText({ project, zadigId, version }: ReleaseRef): string {
  return keyText(project, zadigId, version);
}
