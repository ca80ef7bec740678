import type { Release, ReleaseRef } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, firstGap, found, impossible, unknown } from "../answers.ts";
import { keyText, single } from "../batch.ts";
import type { ZadigClient } from "./client.ts";
import { byName, toRelease } from "./mapper.ts";
import type { Memory } from "./memory.ts";
import { objectId } from "./object-id.ts";
import { getRelease, getReleaseOpen, getReleaseOpenByName } from "./operations.ts";
import type { ProjectLists } from "./project-lists.ts";
import type { ReleaseList, ReleaseScope } from "./release-list.ts";

/** How one release is found by what refers to it. */
export interface ReleaseLookup {
  /** With its parts; absent too when it is not in the project that was asked for. */
  readonly release: (ref: ReleaseRef) => Promise<Answer<Release>>;
  /** Takes note of a listed release, so that the request does not ask for it again. */
  readonly note: (release: Release) => void;
  /** That a release, which was read with its parts, has none of a kind. */
  readonly without: Absent;
}

/** A list is walked this far for one release: 1000 rows. */
const pageSize = 100;
const mostPages = 10;
/** Rows of one workflow's task that are read with their parts at once: commonly there is one. */
const taskSize = 10;

const noRelease = absent(getRelease, "KEYED_READ");

/** `projects` are the configured ones, where a release without a project may be. */
export function createReleaseLookup(
  client: ZadigClient,
  list: ReleaseList,
  lists: ProjectLists,
  memory: Memory,
  projects: readonly string[],
  call: Call,
): ReleaseLookup {
  const noted = new Map<string, Release>();
  const releases = single(refText, (ref) => load(ref), {
    call,
    backend: client.upstream.name,
    operation: () => readingOperation().name,
  });
  const notListed = absent(list.operation, "WHOLE_LIST");

  function readingOperation(): Operation {
    if (list.surface === "aslan") return getRelease;
    if (list.surface === "directory") return list.operation;
    return list.generation() === "o1" ? getReleaseOpen : getReleaseOpenByName;
  }

  function note(release: Release): void {
    noted.set(refText(release.ref), release);
    if (release.parts !== null) releases.prime(release.ref, found(release));
  }

  async function load(ref: ReleaseRef): Promise<Answer<Release>> {
    // Zadig's ids are those of Mongo, 24 hex digits; and what names neither id nor version names nothing.
    if (ref.zadigId !== null && objectId(ref.zadigId) === null) return impossible;
    if (ref.zadigId === null && (ref.project === null || ref.version === null)) return impossible;
    const answer = await (list.surface === "openapi" ? openRelease(ref) : closedRelease(ref));
    // Whatever was found by this key, in this project there is no such release.
    return answer.kind === "FOUND" && !isMeant(answer.value, ref) ? noRelease : answer;
  }

  /** Aslan and the directory facade, which has no look-up by id. */
  async function closedRelease(ref: ReleaseRef): Promise<Answer<Release>> {
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

  async function byId(id: string, project: string | null): Promise<Answer<Release>> {
    const release = await readId(id, project);
    if (release !== null) return found(release);
    // A detail that is not there for what a list of this server names says nothing.
    if ([...noted.values()].some((one) => one.zadigId === id)) return unknown("DETAIL_MISSING");
    return (await findsById(project)) ? noRelease : walk({ backend: "", project, zadigId: id, version: null }, project);
  }

  async function readId(id: string, project: string | null): Promise<Release | null> {
    try {
      const { value, origin } = await client.getRelease(id, project, list.expecting(true), call);
      if (value === null) return null;
      list.learn(value.generation);
      memory.findsById.set(true);
      return toRelease(value.payload, { origin, project });
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** Whether the look-up by id finds anything here (up to 1.7 it does not): a release of the list is tried once. */
  async function findsById(project: string | null): Promise<boolean> {
    if (memory.findsById.get() || list.generation() === "r2") return true;
    const { rows } = await list.fetch({ project, workflow: null, taskId: null, label: null }, false, 0, 1);
    const listed = rows[0]?.row ?? null;
    return listed !== null && listed.zadigId !== null && (await readId(listed.zadigId, listed.project)) !== null;
  }

  /**
   * Zadig checks the right to the project that is named but finds the release by id alone: what it answers for one
   * project may belong to another one. Then it is asked again with that one, so that the right is checked there.
   */
  async function inProjects(id: string, first: string): Promise<Answer<Release>> {
    const answer = await byId(id, first);
    if (answer.kind !== "FOUND" || answer.value.project === first) return answer;
    return projects.includes(answer.value.project) ? byId(id, answer.value.project) : noRelease;
  }

  /** Walks the list for a brief row, then asks for its parts where they did not come with it. */
  async function inList(ref: ReleaseRef): Promise<Answer<Release>> {
    const known = noted.get(refText(ref));
    const row = known ? found(known) : await lists.anywhere(ref.project, (project) => walk(ref, project));
    if (row.kind !== "FOUND" || row.value.parts !== null) return row;
    const { zadigId, workflow, taskId, project } = row.value;
    if (zadigId !== null && (list.surface === "aslan" || list.generation() === "r2")) return byId(zadigId, project);
    return walk(ref, project, { workflow, taskId, detailed: true });
  }

  /** Walks a list for one release; with its parts where `detailed`. */
  async function walk(
    ref: ReleaseRef,
    project: string | null,
    { workflow = null, taskId = null, detailed = false }: Partial<ReleaseScope> & { readonly detailed?: boolean } = {},
  ): Promise<Answer<Release>> {
    const scope: ReleaseScope = { project, workflow, taskId, label: null };
    const size = detailed ? taskSize : pageSize;
    let unreadable = false;
    for (let page = 0; page < mostPages; page++) {
      const { rows, count, total, dropped } = await list.fetch(scope, detailed, page, size);
      const row = rows.find((place) => place.row !== null && isMeant(place.row, ref))?.row ?? null;
      if (row !== null) return found(row);
      unreadable ||= dropped.length > 0;
      if (count > 0 && (total === null ? count >= size : (page + 1) * size < total)) continue;
      // The row that is missing may be the one that could not be read, or one that was counted and did not come.
      const isShort = total !== null && page * size + count < total;
      return unreadable || isShort ? unknown("LOST_ROWS") : notListed;
    }
    return unknown("UNREAD");
  }

  async function openRelease(ref: ReleaseRef): Promise<Answer<Release>> {
    const { zadigId, version } = ref;
    if (ref.project !== null && zadigId === null && version !== null) return byVersion(ref, ref.project, version);
    if (ref.project !== null && zadigId !== null && list.generation() === "o1")
      return byOpenId(ref, ref.project, zadigId);
    // By id alone nothing can be asked for (or nobody knows yet whether it can): the lists tell project and name.
    const known = noted.get(refText(ref));
    const row = known ? found(known) : await walkProjects(ref);
    if (row.kind !== "FOUND") return row;
    const { project, zadigId: id, version: name } = row.value;
    return list.generation() === "o1" && id !== null ? byOpenId(ref, project, id) : byVersion(ref, project, name, id);
  }

  async function walkProjects(ref: ReleaseRef): Promise<Answer<Release>> {
    const places = ref.project === null ? projects : [ref.project];
    if (places.length === 0) return unknown("NOT_CONFIGURED");
    const rows = await Promise.all(places.map((project) => walk(ref, project)));
    return rows.find(({ kind }) => kind === "FOUND") ?? firstGap(rows) ?? notListed;
  }

  async function byOpenId(ref: ReleaseRef, project: string, id: string): Promise<Answer<Release>> {
    const told = await unlessMissing(client.getReleaseOpen(id, project, call), ref, project);
    if (told.kind !== "FOUND") return told;
    const { value, origin } = told.value;
    const release = value && toRelease(value, { origin, project });
    return release ? found(release) : unlisted(ref, project);
  }

  async function byVersion(
    ref: ReleaseRef,
    project: string,
    version: string,
    id: string | null = null,
  ): Promise<Answer<Release>> {
    const answer = await unlessMissing(client.getReleaseOpenByName(version, project, call), ref, project);
    if (answer.kind !== "FOUND") return answer;
    const { value, origin } = answer.value;
    const told = value && toRelease(value.payload, { origin, project });
    if (!told) return unlisted(ref, project);
    // This detail has no id; the list had.
    const known = id ?? noted.get(keyText(project, null, version))?.zadigId ?? null;
    return found({ ...byName(told), zadigId: told.zadigId ?? known });
  }

  /**
   * OpenAPI answers 500 for what does not exist, and for what is broken. Only the list tells which: if the release
   * is not in it, "not there" was meant; if it is, the failure was one.
   */
  async function unlessMissing<T>(answer: Promise<T>, ref: ReleaseRef, project: string): Promise<Answer<T>> {
    try {
      return found(await answer);
    } catch (error) {
      if (!(error instanceof UpstreamError && error.status === 500)) throw error;
      const listed = await walk(ref, project);
      if (listed.kind === "FOUND") throw error;
      return listed;
    }
  }

  /** What it means that the detail is empty: nothing where the list names the release. */
  async function unlisted(ref: ReleaseRef, project: string): Promise<Answer<Release>> {
    const listed = await walk(ref, project);
    return listed.kind === "FOUND" ? unknown("DETAIL_MISSING") : listed;
  }

  return {
    release: (ref) => releases.load(ref),
    note,
    without: list.surface === "aslan" ? noRelease : notListed,
  };
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
