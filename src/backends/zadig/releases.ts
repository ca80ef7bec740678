import { type ImageRef, isStrong, printImageRef } from "../../model/artifact.ts";
import type { Page, PageRequest } from "../../model/backend.ts";
import type { ArtifactRecord, BuildInfo, Release, ReleaseImage, ReleaseParts } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, failed, found, foundAny, joined, mapAnswer, unknown } from "../answers.ts";
import type { ArtifactReader, ReleaseQuery, ReleaseReader } from "../backend.ts";
import { single } from "../loading/loader.ts";
import { collect } from "../paging/collect.ts";
import { readFiltered } from "../paging/filter.ts";
import { comparedWindow, withLostRows } from "./artifacts.ts";
import type { ReleaseScope, View } from "./client.ts";
import { isSearchable } from "./keys.ts";
import type { ReleaseLists, ReleaseLookup, ReleaseSource } from "./lookup.ts";
import { getArtifact, listArtifacts, listProjects, listReleasesOpen } from "./operations.ts";
import type { ProjectRow } from "./payload.ts";

/** A release may be written some seconds before the records of its images. */
const slackMs = 3_600_000;
/** Rows of brief lists that are looked through at once. */
const briefRows = 100;
/** Page sizes of rows with their parts (environments, manifests), each of which may be hundreds of kilobytes. */
const heavyRows = { least: 10, most: 80 } as const;
/** Rows that one window may look through: those that come with their parts, and those of which each costs one call. */
const maxRows = { embedded: 1000, asked: 100 } as const;

/** What decides whether a listed release belongs to a filtered list. */
interface ReleaseFilter {
  /** Whether lists are read with their parts. */
  readonly detailed: boolean;
  /** Whether `belongs` reads the parts: on lists that do not carry them (all but R1's) each row costs one call. */
  readonly needsParts: boolean;
  readonly belongs: (release: Release) => boolean;
  /** The artifact that is looked for: nothing was released before it was built. */
  readonly record?: ArtifactRecord;
}

/** The releases of one Zadig in one request. */
export class Releases implements ReleaseReader {
  readonly #view: View;
  readonly #lists: ReleaseLists;
  readonly #lookup: ReleaseLookup;
  readonly #artifacts: ArtifactReader;
  readonly #projects;
  /** Projects that have a release: they exist. */
  readonly #seen = new Set<string>();

  constructor(view: View, lists: ReleaseLists, lookup: ReleaseLookup, artifacts: ArtifactReader) {
    this.#view = view;
    this.#lists = lists;
    this.#lookup = lookup;
    this.#artifacts = artifacts;
    const by = { call: view.call, backend: view.client.upstream.name, operation: listProjects.name };
    this.#projects = single(String, (_key: "all") => readProjects(view), by);
  }

  readonly page: ReleaseReader["page"] = async (filter, request, wantsParts) => {
    const { project, workflow, service, label } = filter;
    this.#refuseUnsupported(filter);
    if (![project, workflow, service, label].every((text) => text === null || isSearchable(text))) {
      return unknown("NOT_SEARCHABLE");
    }
    const read = (one: string | null, inner: PageRequest) => this.#pageOf(one, filter, inner, wantsParts);
    const answer = await this.#lists.window(project, request, read);
    // The first answer may have shown only now that this generation has no labels.
    this.#refuseUnsupported(filter);
    const isHead = project !== null && request.after === null;
    return isHead && isEmpty(answer) ? this.#ifThere(project, answer) : answer;
  };

  readonly release: ReleaseReader["release"] = (ref) => this.#lookup.release(ref);

  readonly builds: ReleaseReader["builds"] = async (release) => {
    const detail = release.parts === null ? await this.#lookup.release(release.ref) : found(release);
    if (detail.kind !== "FOUND") return detail;
    const { parts } = detail.value;
    if (parts === null) return unknown("DETAIL_MISSING");
    const isDamaged = parts.dropped.some(({ part }) => part === "builds" || part === "images");
    const gap = isDamaged ? unknown("LOST_ROWS") : null;
    if (parts.builds !== null) return foundAny(parts.builds, this.#lookup.without, gap);
    const assembled = await this.#assembleBuilds(release, parts.images);
    return assembled.kind === "ABSENT" && gap !== null ? gap : assembled;
  };

  readonly build: ReleaseReader["build"] = async (ref) => {
    if ("release" in ref) {
      const release = await this.#lookup.release(ref.release);
      if (release.kind !== "FOUND") return release;
      const { parts } = release.value;
      const known = parts?.builds?.find((one) => "buildId" in one.ref && one.ref.buildId === ref.buildId);
      if (known) return found(known);
      const isDamaged = parts === null || parts.dropped.some(({ part }) => part === "builds");
      return isDamaged ? unknown("LOST_ROWS") : this.#lookup.without;
    }
    const record = await this.#artifacts.artifact(ref.artifact);
    if (record.kind !== "FOUND") return record;
    const builds = this.#artifacts.buildsOf(record.value);
    const known = builds.find((one) => "activity" in one.ref && one.ref.activity === ref.activity);
    return known ? found(known) : absent(getArtifact, "KEYED_READ");
  };

  readonly containing: ReleaseReader["containing"] = async (record, request) => {
    const projects = [...new Set((record.activities ?? []).flatMap(({ project }) => project ?? []))];
    const belongs = ({ parts }: Release) => parts !== null && namesArtifact(parts, record);
    const read = (project: string | null, inner: PageRequest) => {
      const scope = { project, workflow: null, taskId: null, label: null };
      return this.#filtered(scope, inner, { detailed: true, needsParts: true, belongs, record });
    };
    return projects.length > 0 ? this.#lists.merged(projects, request, read) : this.#lists.window(null, request, read);
  };

  #pageOf(project: string | null, filter: ReleaseQuery, request: PageRequest, wantsParts: boolean) {
    const { workflow, service, label } = filter;
    // 0 is Zadig's "all tasks".
    const scope = { project, workflow, taskId: filter.taskId || null, label };
    // Only R2 filters by label, and no generation filters by service without tearing holes into its pages.
    if (service !== null || (label !== null && this.#view.client.generation() !== "r2")) {
      return this.#filtered(scope, request, {
        detailed: service !== null || wantsParts,
        needsParts: service !== null,
        belongs: ({ parts }) => service === null || (parts !== null && namesService(parts, service)),
      });
    }
    return comparedWindow(request, this.#source(scope, wantsParts)).then((page) => found(page));
  }

  /** The releases of a scope; each row that is read is remembered for look-ups. */
  #source(scope: ReleaseScope, detailed: boolean): ReleaseSource {
    const source = this.#lists.source(scope, detailed);
    return {
      ...source,
      fetch: async (page, size) => {
        const answer = await source.fetch(page, size);
        for (const release of answer.rows) {
          if (!source.keep(release)) continue;
          this.#lookup.note(release);
          this.#seen.add(release.project);
        }
        return answer;
      },
    };
  }

  async #filtered(
    scope: ReleaseScope,
    request: PageRequest,
    { detailed, needsParts, belongs, record }: ReleaseFilter,
  ): Promise<Answer<Page<Release>>> {
    const { surface, generation } = this.#view.client;
    const isHeavy = detailed && surface !== "openapi" && generation() !== "r2";
    const dates: number[] = [];
    let hasUnreadParts = false;
    const source = this.#source(scope, detailed);
    const fetch: ReleaseSource["fetch"] = async (page, size) => {
      const answer = await source.fetch(page, size);
      for (const [index, { createdAt }] of answer.rows.entries()) {
        if (createdAt !== null) dates[page * size + index] = Date.parse(createdAt);
      }
      return answer;
    };
    const answer = await readFiltered<Release, Release>(
      request,
      { ...source, fetch },
      {
        ...(isHeavy ? heavyPages(request.first) : { rows: briefRows, most: briefRows }),
        maxRows: () => (needsParts && (generation() ?? "r1") !== "r1" ? maxRows.asked : maxRows.embedded),
        concurrency: needsParts ? 20 : briefRows,
        accept: (row) => {
          if (!needsParts || row.parts !== null) return belongs(row) ? row : null;
          return this.#lookup.release(row.ref).then((release) => {
            // A listed release without its parts may belong as well as not.
            if (release.kind !== "FOUND") hasUnreadParts = true;
            return release.kind === "FOUND" && belongs(release.value) ? release.value : null;
          });
        },
        isLast: ({ createdAt }) =>
          record !== undefined && isBefore(createdAt, record.createdAt) && isNewestFirst(dates),
      },
    );
    const known = withLostRows(answer);
    if (!hasUnreadParts || known.kind !== "FOUND") return known;
    return found(known.value, known.gap ?? unknown("DETAIL_MISSING"));
  }

  #refuseUnsupported({ workflow, taskId, label }: ReleaseQuery): void {
    const { surface, generation, upstream } = this.#view.client;
    const hasTask = workflow !== null || taskId !== null;
    if (surface !== "openapi" || !(hasTask || (label !== null && generation() === "o1"))) return;
    const reason = hasTask ? "OpenAPI answers neither workflow nor task" : "OpenAPI has no labels before 4.0";
    throw new UpstreamError("REJECTED", { backend: upstream.name, operation: listReleasesOpen.name, reason });
  }

  /**
   * Lists of releases answer `[]` for a project without releases as for one that does not exist. `empty` where the
   * project exists or this Zadig cannot list projects (before 1.16); else absent or unknown.
   */
  async #ifThere<T>(project: string, empty: Answer<T>): Promise<Answer<T>> {
    const { listsNoProjects } = this.#view.client.learned;
    if (this.#seen.has(project) || listsNoProjects.get()) return empty;
    try {
      const all = await this.#projects.load("all");
      if (all.kind !== "FOUND") return all;
      return all.value.has(project) ? empty : (all.gap ?? absent(listProjects, "WHOLE_LIST"));
    } catch (error) {
      if (!(error instanceof UpstreamError && error.failure === "REJECTED")) throw error;
      listsNoProjects.set(true);
      return empty;
    }
  }

  /** The build activities of the records behind the images; what one image could not tell is the gap of the others. */
  async #assembleBuilds(release: Release, images: readonly ReleaseImage[]): Promise<Answer<readonly BuildInfo[]>> {
    const artifacts = this.#artifacts;
    const answers = await Promise.all(
      images.map(async ({ source, target, service }): Promise<Answer<readonly BuildInfo[]>> => {
        const image = source ?? target;
        if (image === null) return this.#lookup.without;
        const records = await artifacts.byImage(image.raw).catch(failed);
        if (records.kind !== "FOUND") return records;
        const record = builtBefore(release, records.value);
        if (record.kind !== "FOUND") return record;
        const builds = artifacts.buildsOf(record.value);
        const own = service === null ? builds : builds.map((build) => ({ ...build, service }));
        return foundAny(own, absent(listArtifacts, "COMPLETE_FILTER"), records.gap);
      }),
    );
    const all = joined(answers, this.#lookup.without);
    if (all.kind === "UNKNOWN" && all.failure !== null) throw all.failure;
    // Several containers may run one image.
    return mapAnswer(all, (rows) => [...new Map(rows.map((build) => [JSON.stringify(build.ref), build])).values()]);
  }
}

/** The keys of all projects that these credentials may see. */
async function readProjects({ client, call }: View): Promise<Answer<ReadonlySet<string>>> {
  const source = {
    fetch: async (page: number, size: number) => {
      const { value, origin } = await client.listProjects(page, size, call);
      return { ...value, origin };
    },
    identity: ({ project_key }: ProjectRow) => project_key,
    maxSize: 200,
  };
  const { rows, isWhole, isCut } = await collect(source, { mostPages: 10, atOnce: 1 });
  return found(new Set(rows.map(source.identity)), isWhole ? null : unknown(isCut ? "UNREAD" : "LOST_ROWS"));
}

/** Pages of large rows: four times as many at first as are wanted, and twice as many with each further page. */
function heavyPages(wanted: number): { readonly rows: number; readonly most: number } {
  let rows: number = heavyRows.least;
  while (rows < heavyRows.most && rows < wanted * 4) rows *= 2;
  return { rows, most: heavyRows.most };
}

/** Whether the dates of a list, by place, are newest first; rows without a date have no entry. */
function isNewestFirst(dates: readonly number[]): boolean {
  return Object.values(dates).every((date, index, all) => date <= (all[index - 1] ?? Number.POSITIVE_INFINITY));
}

/**
 * The newest record that is not younger than the release: a tag built again later is not what was released. Unknown
 * where there are several records and a date is missing, absent where all of them are younger.
 */
function builtBefore(release: Release, records: readonly ArtifactRecord[]): Answer<ArtifactRecord> {
  const older = records.filter(({ createdAt }) => !isBefore(release.createdAt, createdAt));
  const [newest] = older;
  if (newest === undefined) return absent(listArtifacts, "COMPLETE_FILTER");
  const isDated = release.createdAt !== null && older.every(({ createdAt }) => createdAt !== null);
  return records.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
}

function isBefore(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && Date.parse(one) + slackMs < Date.parse(other);
}

function namesService(parts: ReleaseParts, service: string): boolean {
  return [parts.builds, parts.deployments, parts.distributions, parts.images].some((rows) =>
    rows?.some((row) => row.service === service),
  );
}

function namesArtifact(parts: ReleaseParts, { image, digest, file }: ArtifactRecord): boolean {
  const isNamed = ({ source, target, digest: own }: ReleaseImage) =>
    (digest !== null && isStrong(digest) && own === digest) ||
    (image !== null && [source, target].some((reference) => reference !== null && isSame(reference, image)));
  if (parts.images.some(isNamed)) return true;
  const packages = (parts.builds ?? []).map(({ packageFile }) => packageFile);
  const distributed = (parts.distributions ?? []).map((distribution) => distribution.file);
  return file !== null && [...packages, ...distributed].includes(file);
}

/** The same text, the same bytes, or the same path and tag in another registry (a mirror under another name). */
function isSame(one: ImageRef, other: ImageRef): boolean {
  return (
    printImageRef(one) === printImageRef(other) ||
    (one.digest !== null && one.digest === other.digest) ||
    (one.tag !== null && one.tag === other.tag && one.repository === other.repository)
  );
}

function isEmpty(answer: Answer<Page<Release>>): boolean {
  if (answer.kind !== "FOUND" || answer.gap !== null) return false;
  const { rows, dropped, hasNext } = answer.value;
  return rows.length === 0 && dropped.length === 0 && !hasNext;
}
