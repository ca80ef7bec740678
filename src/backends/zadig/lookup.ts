import type { Page, PageRequest } from "../../model/backend.ts";
import type { Release, ReleaseRef } from "../../model/release.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, firstGap, found, impossible, unknown } from "../answers.ts";
import { keyText, single } from "../loading/loader.ts";
import { collect } from "../paging/collect.ts";
import { isMergedPosition, readMerged } from "../paging/merge.ts";
import { type NumberedSource, readPage } from "../paging/source.ts";
import type { ReleaseScope, View } from "./client.ts";
import { objectId } from "./keys.ts";
import { byName } from "./mapper.ts";
import { getRelease, getReleaseOpen, getReleaseOpenByName } from "./operations.ts";

/** Zadig sets no bound; one call answers the largest window and one row more. */
const maxSize = 101;

/** A list of releases with what selects them. */
export type ReleaseSource = NumberedSource<Release> & { readonly keep: (release: Release) => boolean };

/** A read of releases of one project, or with null of all. */
type ProjectRead = (project: string | null, request: PageRequest) => Promise<Answer<Page<Release>>>;

const nameProjects = "Ask for one project, or name the projects to list in the configuration of this backend.";

/**
 * The release lists of one Zadig in one request. OpenAPI lists one project at a time. The other surfaces have a list of
 * all projects, which Zadig refuses (403) to a token of a project's member: then the configured projects are read. The
 * refusal is remembered for a while where the credentials are the gateway's own.
 */
export class ReleaseLists {
  readonly #view: View;

  constructor(view: View) {
    this.#view = view;
  }

  /**
   * The releases of a scope, newest first. Rows outside the scope are passed over: a parameter that a version does not
   * know is ignored there, and everything comes.
   */
  source(scope: ReleaseScope, detailed: boolean): ReleaseSource {
    const { client, call } = this.#view;
    const { brief, detailed: heavy } = client.learned.pageSizes;
    return {
      fetch: async (page, size) => {
        const { value, origin } = await client.listReleases(scope, detailed, page, size, call);
        return { ...value, rows: value.rows.map((toRelease) => toRelease(origin)), origin };
      },
      identity: ({ zadigId, project, version, createdAt }) => zadigId ?? keyText(project, version, createdAt),
      maxSize,
      keep: ({ project, workflow, taskId, labels }) =>
        (scope.project === null || project === scope.project) &&
        (scope.workflow === null || workflow === scope.workflow) &&
        (scope.taskId === null || taskId === scope.taskId) &&
        (scope.label === null || labels.includes(scope.label)),
      looksAhead: client.surface !== "openapi",
      workable: detailed ? heavy : brief,
    };
  }

  /** A window over one project, or with null over all of them. */
  async window(project: string | null, request: PageRequest, read: ProjectRead): Promise<Answer<Page<Release>>> {
    if (project !== null) return read(project, request);
    const merged = () => this.merged(this.#view.settings.projects, request, read);
    // A walk ends in the lists that it began in.
    return isMergedPosition(request.after) ? merged() : this.#across(() => read(null, request), merged);
  }

  /** A window over several projects, newest first. */
  async merged(projects: readonly string[], request: PageRequest, read: ProjectRead): Promise<Answer<Page<Release>>> {
    const [first, ...rest] = projects;
    if (first === undefined) {
      const { client, settings } = this.#view;
      const { name: operation } = client.listOperation;
      const reason = "OpenAPI lists one project at a time and none is configured";
      throw new UpstreamError("REJECTED", { backend: settings.name, operation, reason, advice: nameProjects });
    }
    if (rest.length === 0) return read(first, request);
    const lists = projects.map((project) => (inner: PageRequest) => read(project, inner));
    return readMerged(request, lists, ({ createdAt }) => createdAt);
  }

  /** One release in one project, or with null in any. */
  async anywhere(project: string | null, read: (project: string | null) => Promise<Answer<Release>>) {
    if (project !== null) return read(project);
    const { client, settings } = this.#view;
    return this.#across(
      () => read(null),
      async () => {
        if (settings.projects.length === 0) return unknown("NOT_CONFIGURED");
        const answers = await Promise.all(settings.projects.map(read));
        const first = answers.find(({ kind }) => kind === "FOUND") ?? firstGap(answers);
        return first ?? absent(client.listOperation, "WHOLE_LIST");
      },
    );
  }

  /** Reads all projects at once, or, where that is refused, each of those that are configured. */
  async #across<T>(all: () => Promise<T>, each: () => Promise<T>): Promise<T> {
    const { surface, learned } = this.#view.client;
    const { projects, forward } = this.#view.settings;
    if (surface === "openapi" || (learned.refusesAllProjects.get() && projects.length > 0)) return each();
    try {
      return await all();
    } catch (error) {
      if (!(error instanceof UpstreamError && error.failure === "DENIED" && error.status === 403)) throw error;
      if (projects.length === 0) {
        const { backend, operation, status, code, traceId } = error;
        throw new UpstreamError("DENIED", { backend, operation, status, code, traceId, advice: nameProjects });
      }
      if (forward !== "caller") learned.refusesAllProjects.set(true);
      return each();
    }
  }
}

/** A list is walked this far for one release: 1000 rows. */
const pageSize = 100;
const maxPages = 10;
/** Rows of one workflow's task that are read with their parts at once: commonly there is one. */
const taskSize = 10;

const noRelease = absent(getRelease, "KEYED_READ");
const wholeProject = { workflow: null, taskId: null, label: null } as const;

/** One release by its ref, in one request. */
export class ReleaseLookup {
  readonly #view: View;
  readonly #lists: ReleaseLists;
  readonly #listed = new Map<string, Release>();
  readonly #releases;
  readonly #notListed: Absent;
  /** That a release, which was read with its parts, has none of a kind. */
  readonly without: Absent;

  constructor(view: View, lists: ReleaseLists) {
    const { client, call } = view;
    this.#view = view;
    this.#lists = lists;
    this.#notListed = absent(client.listOperation, "WHOLE_LIST");
    this.without = client.surface === "aslan" ? noRelease : this.#notListed;
    this.#releases = single(refText, (ref: ReleaseRef) => this.#load(ref), {
      call,
      backend: client.upstream.name,
      operation: () => this.#operation().name,
    });
  }

  /** One release with its parts; absent too when it is not in the project that was asked for. */
  release(ref: ReleaseRef): Promise<Answer<Release>> {
    return this.#releases.load(ref);
  }

  /** Remembers a listed release, so that the request does not ask for it again. */
  note(release: Release): void {
    this.#listed.set(refText(release.ref), release);
    if (release.parts !== null) this.#releases.prime(release.ref, found(release));
  }

  #operation(): Operation {
    const { surface, listOperation, generation } = this.#view.client;
    if (surface === "aslan") return getRelease;
    if (surface === "directory") return listOperation;
    return generation() === "o1" ? getReleaseOpen : getReleaseOpenByName;
  }

  async #load(ref: ReleaseRef): Promise<Answer<Release>> {
    // Zadig's ids are those of Mongo, 24 hex digits; without an id both project and version are needed.
    const { project, zadigId, version } = ref;
    if (zadigId === null ? project === null || version === null : objectId(zadigId) === null) return impossible;
    const answer = await (this.#view.client.surface === "openapi" ? this.#openRelease(ref) : this.#closedRelease(ref));
    // Whatever was found by this key, in this project there is no such release.
    return answer.kind === "FOUND" && !isMeant(answer.value, ref) ? noRelease : answer;
  }

  /** The directory facade has no look-up by id, but from 4.0 on aslan's can be asked beside it. */
  get #hasKeyedRead(): boolean {
    return this.#view.client.surface === "aslan" || this.#view.client.generation() === "r2";
  }

  /** Aslan and the directory facade. */
  async #closedRelease(ref: ReleaseRef): Promise<Answer<Release>> {
    const { zadigId, project } = ref;
    if (zadigId === null || !this.#hasKeyedRead) return this.#inList(ref);
    if (project !== null) return this.#byId(zadigId, project);
    const [first] = this.#view.settings.projects;
    if (first !== undefined) return this.#inProjects(zadigId, first);
    // From 2.3 on the call needs a project; a list across all of them has it.
    if (this.#view.client.generation() === "r2") return this.#inList(ref);
    try {
      return await this.#byId(zadigId, null);
    } catch (error) {
      if (error instanceof UpstreamError && error.failure === "REJECTED") return this.#inList(ref);
      throw error;
    }
  }

  async #byId(id: string, project: string | null): Promise<Answer<Release>> {
    const release = await this.#readId(id, project);
    if (release !== null) return found(release);
    // A missing detail proves nothing where a list of this server names the release.
    if ([...this.#listed.values()].some(({ zadigId }) => zadigId === id)) return unknown("DETAIL_MISSING");
    if (await this.#findsById(project)) return noRelease;
    return this.#walk({ backend: "", project, zadigId: id, version: null }, project);
  }

  async #readId(id: string, project: string | null): Promise<Release | null> {
    try {
      const { value, origin } = await this.#view.client.getRelease(id, project, this.#view.call);
      if (value === null) return null;
      this.#view.client.learned.findsById.set(true);
      return value(origin);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** Whether the look-up by id finds anything here (up to 1.7 it does not): a release of the list is tried once. */
  async #findsById(project: string | null): Promise<boolean> {
    if (this.#view.client.learned.findsById.get() || this.#view.client.generation() === "r2") return true;
    const { rows } = await readPage(this.#lists.source({ ...wholeProject, project }, false), 0, 1);
    const listed = rows[0]?.row;
    return listed?.zadigId ? (await this.#readId(listed.zadigId, listed.project)) !== null : false;
  }

  /**
   * Zadig checks the right to the project that is named but finds the release by id alone: what it answers for one
   * project may belong to another one. Then it is asked again with that one, so that the right is checked there.
   */
  async #inProjects(id: string, first: string): Promise<Answer<Release>> {
    const answer = await this.#byId(id, first);
    if (answer.kind !== "FOUND" || answer.value.project === first) return answer;
    const { project } = answer.value;
    return this.#view.settings.projects.includes(project) ? this.#byId(id, project) : noRelease;
  }

  /** The listed release, with or without its parts. */
  async #find(ref: ReleaseRef): Promise<Answer<Release>> {
    const listed = this.#listed.get(refText(ref));
    return listed ? found(listed) : this.#lists.anywhere(ref.project, (project) => this.#walk(ref, project));
  }

  /** Finds the listed release, then asks for its parts where they did not come with it. */
  async #inList(ref: ReleaseRef): Promise<Answer<Release>> {
    const row = await this.#find(ref);
    if (row.kind !== "FOUND" || row.value.parts !== null) return row;
    const { zadigId, workflow, taskId, project } = row.value;
    if (zadigId !== null && this.#hasKeyedRead) return this.#byId(zadigId, project);
    return this.#walkSource(ref, this.#lists.source({ project, workflow, taskId, label: null }, true), taskSize);
  }

  /** Walks the brief list of one project, or with null of all, for one release. */
  #walk(ref: ReleaseRef, project: string | null): Promise<Answer<Release>> {
    return this.#walkSource(ref, this.#lists.source({ ...wholeProject, project }, false), pageSize);
  }

  async #walkSource(ref: ReleaseRef, source: NumberedSource<Release>, size: number): Promise<Answer<Release>> {
    const until = (release: Release) => isMeant(release, ref);
    const { rows, isCut, isWhole } = await collect(source, { size, mostPages: maxPages, atOnce: 1, until });
    const release = rows.find(until);
    if (release !== undefined) return found(release);
    // The missing release may be a row that could not be read, or one that was counted and did not come.
    return isWhole ? this.#notListed : unknown(isCut ? "UNREAD" : "LOST_ROWS");
  }

  async #openRelease(ref: ReleaseRef): Promise<Answer<Release>> {
    const { project, zadigId, version } = ref;
    if (project !== null && zadigId === null && version !== null) return this.#openDetail(ref, project, null, version);
    // By id alone O2 cannot be asked, and the generation may not be known yet: the lists have project and name.
    const hasId = project !== null && zadigId !== null && this.#view.client.generation() === "o1";
    if (hasId) return this.#openDetail(ref, project, zadigId, "");
    const row = await this.#find(ref);
    if (row.kind !== "FOUND") return row;
    return this.#openDetail(ref, row.value.project, row.value.zadigId, row.value.version);
  }

  /**
   * Reads a detail of OpenAPI, of O1 by id and of O2 by version. It answers 500, or null, for what does not exist as
   * for what is broken; the list shows which: where it has the release, a failure was one, and null proves nothing.
   */
  async #openDetail(ref: ReleaseRef, project: string, id: string | null, version: string): Promise<Answer<Release>> {
    const { client, call } = this.#view;
    let failure: UpstreamError | null = null;
    try {
      if (id !== null && client.generation() === "o1") {
        const { value, origin } = await client.getReleaseOpen(id, project, call);
        if (value !== null) return found(value(origin));
      } else {
        const { value, origin } = await client.getReleaseOpenByName(version, project, call);
        const release = value?.(origin);
        // This detail has no id; the list had.
        const listed = id ?? this.#listed.get(keyText(project, null, version))?.zadigId ?? null;
        if (release) return found({ ...byName(release), zadigId: release.zadigId ?? listed });
      }
    } catch (error) {
      if (!(error instanceof UpstreamError && error.status === 500)) throw error;
      failure = error;
    }
    const listed = await this.#walk(ref, project);
    if (listed.kind !== "FOUND") return listed;
    if (failure !== null) throw failure;
    return unknown("DETAIL_MISSING");
  }
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
