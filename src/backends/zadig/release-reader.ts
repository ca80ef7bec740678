import { type ImageRef, isStrong, printImageRef } from "../../model/artifact.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { ArtifactRecord, BuildInfo, Release, ReleaseImage, ReleaseParts } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, failed, found, foundAny, joined, mapAnswer, unknown } from "../answers.ts";
import type { ArtifactReader, ReleaseQuery, ReleaseReader } from "../backend.ts";
import { keepRows, readWindow } from "../paging.ts";
import { filteredWindow, type Place } from "./filtered-list.ts";
import { isAskable } from "./image-pattern.ts";
import { getArtifact, listArtifacts, listReleasesOpen } from "./operations.ts";
import type { ProjectCheck } from "./project-check.ts";
import type { ProjectLists } from "./project-lists.ts";
import type { ReleaseList, ReleaseScope } from "./release-list.ts";
import type { ReleaseLookup } from "./release-lookup.ts";

/** Zadig sets no bound; one call answers the largest window, one row more for knowing whether it goes on included. */
const maxSize = 101;
/** A release may be written some seconds before the records of its images. */
const slackMs = 3_600_000;
/** Rows of brief lists that are looked through at once. */
const briefRows = 100;
/** Rows that come with their parts (environments, manifests) may be hundreds of kilobytes each: see {@link heavyPages}. */
const heavyRows = { least: 10, most: 80 } as const;
/** Rows that one window may look through: those that come with their parts, and those of which each costs one call. */
const mostRows = { embedded: 1000, asked: 100 } as const;

/** This request's view of the releases of one Zadig. `projects` are the configured ones. */
export function createReleaseReader(
  backend: string,
  list: ReleaseList,
  lists: ProjectLists,
  lookup: ReleaseLookup,
  artifacts: ArtifactReader,
  check: ProjectCheck,
): ReleaseReader {
  async function fetch(scope: ReleaseScope, detailed: boolean, page: number, size: number) {
    const answer = await list.fetch(scope, detailed, page, size);
    for (const { row } of answer.rows) {
      if (!row) continue;
      lookup.note(row);
      check.seen(row.project);
    }
    return answer;
  }

  const page: ReleaseReader["page"] = async (filter, request, wantsParts) => {
    const { project, workflow, service, label } = filter;
    refuseUnknowable(filter);
    if (![project, workflow, service, label].every((text) => text === null || isAskable(text))) {
      return unknown("NOT_SEARCHABLE");
    }
    const answer = await lists.window(project, request, (one, inner) => pageOf(one, filter, inner, wantsParts));
    // The first answer may have shown only now that it is one that tells no labels.
    refuseUnknowable(filter);
    return isEmpty(answer) && project !== null && request.after === null ? check.emptied(project, answer) : answer;
  };

  function pageOf(
    project: string | null,
    filter: ReleaseQuery,
    request: PageRequest,
    wantsParts: boolean,
  ): Promise<Answer<Page<Release>>> {
    const { workflow, service, label } = filter;
    // 0 is Zadig's "all tasks".
    const scope = { project, workflow, taskId: filter.taskId || null, label };
    // Only R2 filters by label, and no generation filters by service without tearing holes into its pages.
    if (service !== null || (label !== null && list.generation() !== "r2")) {
      const needs = { detailed: service !== null || wantsParts, parts: service !== null };
      return readFiltered(scope, request, needs, (release) =>
        label !== null && !release.labels.includes(label)
          ? null
          : service === null || (release.parts !== null && namesService(release.parts, service)),
      );
    }
    return window(scope, request, wantsParts);
  }

  async function window(
    scope: ReleaseScope,
    request: PageRequest,
    wantsParts: boolean,
  ): Promise<Answer<Page<Release>>> {
    let hasForeign = false;
    const read = await readWindow<Place<Release>>(request, {
      fetch: async (at, size) => {
        const told = await fetch(scope, wantsParts, at, size);
        const answer = keepRows(told, ({ row }) => row !== null);
        hasForeign ||= told.rows.length - answer.rows.length > told.dropped.length;
        return answer;
      },
      identity: ({ identity }) => identity,
      maxSize,
      looksAhead: list.surface !== "openapi",
    });
    const rows = read.rows.flatMap(({ value: { row }, position }) => (row === null ? [] : [{ value: row, position }]));
    return found({ ...read, rows, total: hasForeign ? null : read.total });
  }

  /**
   * `belongs` is asked of the row as listed, where null rules it out for good, and then, where `needs.parts`, of the
   * release with its parts: on lists that do not carry them (all but R1's) each row that is left costs one call.
   */
  async function readFiltered(
    scope: ReleaseScope,
    request: PageRequest,
    needs: { readonly detailed: boolean; readonly parts: boolean },
    belongs: (release: Release) => boolean | null,
    past?: Past,
  ): Promise<Answer<Page<Release>>> {
    const isHeavy = needs.detailed && list.surface !== "openapi" && list.generation() !== "r2";
    let unread: Answer<Release> | null = null;
    const answer = await filteredWindow<Release, Release>(request, {
      fetch: async (at, size) => {
        const answer = await fetch(scope, needs.detailed, at, size);
        for (const { row } of answer.rows) if (row) past?.note(row);
        return answer;
      },
      ...(isHeavy ? heavyPages(request.first) : { first: briefRows, most: briefRows }),
      maxRows: () => (needs.parts && (list.generation() ?? "r1") !== "r1" ? mostRows.asked : mostRows.embedded),
      concurrency: needs.parts ? 20 : briefRows,
      accept: async (row) => {
        if (belongs(row) === null) return null;
        if (!needs.parts || row.parts !== null) return belongs(row) ? row : null;
        const release = await lookup.release(row.ref);
        // A listed release without its parts may belong as well as not.
        if (release.kind !== "FOUND") unread ??= release;
        return release.kind === "FOUND" && belongs(release.value) ? release.value : null;
      },
      ...(past ? { isLast: past.isPast } : {}),
    });
    if (unread === null || answer.kind !== "FOUND") return answer;
    return found(answer.value, answer.gap ?? unknown("DETAIL_MISSING"));
  }

  function refuseUnknowable({ workflow, taskId, label }: ReleaseQuery): void {
    if (list.surface !== "openapi") return;
    if (workflow !== null || taskId !== null) throw rejected("OpenAPI tells neither workflow nor task");
    if (label !== null && list.generation() === "o1") throw rejected("OpenAPI tells no labels before 4.0");
  }

  function rejected(reason: string): UpstreamError {
    return new UpstreamError("REJECTED", { backend, operation: listReleasesOpen.name, reason });
  }

  const builds: ReleaseReader["builds"] = async (release) => {
    const detail = release.parts === null ? await lookup.release(release.ref) : found(release);
    if (detail.kind !== "FOUND") return detail;
    const { parts } = detail.value;
    if (parts === null) return unknown("DETAIL_MISSING");
    const lost = parts.dropped.some(({ part }) => part === "builds" || part === "images");
    const gap = lost ? unknown("LOST_ROWS") : null;
    if (parts.builds !== null) return foundAny(parts.builds, lookup.without, gap);
    const assembled = await assemble(release, parts.images);
    return assembled.kind === "ABSENT" && gap !== null ? gap : assembled;
  };

  /** The build activities of the records behind the images; what one image could not tell is the gap of the others. */
  async function assemble(release: Release, images: readonly ReleaseImage[]): Promise<Answer<readonly BuildInfo[]>> {
    const answers = await Promise.all(
      images.map(async ({ source, target, service }): Promise<Answer<readonly BuildInfo[]>> => {
        const image = source ?? target;
        if (image === null) return lookup.without;
        const records = await artifacts.byImage(image.raw).catch(failed);
        if (records.kind !== "FOUND") return records;
        const record = builtBefore(release, records.value);
        if (record.kind !== "FOUND") return record;
        const own = artifacts.buildsOf(record.value).map((build) => ({ ...build, service: service ?? build.service }));
        return foundAny(own, absent(listArtifacts, "COMPLETE_FILTER"), records.gap);
      }),
    );
    const all = joined(answers, lookup.without);
    if (all.kind === "UNKNOWN" && all.failure !== null) throw all.failure;
    // Several containers may run one image.
    return mapAnswer(all, (rows) => [...new Map(rows.map((build) => [JSON.stringify(build.ref), build])).values()]);
  }

  const build: ReleaseReader["build"] = async (ref) => {
    if ("release" in ref) {
      const release = await lookup.release(ref.release);
      if (release.kind !== "FOUND") return release;
      const { parts } = release.value;
      const known = parts?.builds?.find((one) => "buildId" in one.ref && one.ref.buildId === ref.buildId);
      if (known) return found(known);
      const lost = parts === null || parts.dropped.some(({ part }) => part === "builds");
      return lost ? unknown("LOST_ROWS") : lookup.without;
    }
    const record = await artifacts.artifact(ref.artifact);
    if (record.kind !== "FOUND") return record;
    const known = artifacts
      .buildsOf(record.value)
      .find((one) => "activity" in one.ref && one.ref.activity === ref.activity);
    return known ? found(known) : absent(getArtifact, "KEYED_READ");
  };

  const containing: ReleaseReader["containing"] = async (record, request) => {
    const own = [...new Set((record.activities ?? []).flatMap(({ project }) => project ?? []))];
    const read = (project: string | null, inner: PageRequest) => {
      return readFiltered(
        { project, workflow: null, taskId: null, label: null },
        inner,
        { detailed: true, parts: true },
        (release) => release.parts !== null && namesArtifact(release.parts, record),
        pastOf(record),
      );
    };
    return own.length > 0 ? lists.merged(own, request, read) : lists.window(null, request, read);
  };

  return { page, release: lookup.release, builds, build, containing };
}

/** Pages of rows that are large: four times as many at first as are wanted, and twice as many with each page after it. */
function heavyPages(wanted: number): { readonly first: number; readonly most: number } {
  let first: number = heavyRows.least;
  while (first < heavyRows.most && first < wanted * 4) first *= 2;
  return { first, most: heavyRows.most };
}

/** Where a walk may stop. */
interface Past {
  /** Hears of each row that was read, in order, before any of them is asked about. */
  readonly note: (release: Release) => void;
  /** Whether nothing behind this row can belong. */
  readonly isPast: (release: Release) => boolean;
}

/**
 * Lists are newest first, and nothing was released before it was built. A list that is seen not to keep its order is
 * read to its end.
 */
function pastOf(record: ArtifactRecord): Past {
  let before: string | null = null;
  let isOrdered = true;
  return {
    note: ({ createdAt }) => {
      if (createdAt !== null && before !== null && Date.parse(createdAt) > Date.parse(before)) isOrdered = false;
      before = createdAt ?? before;
    },
    isPast: ({ createdAt }) => isOrdered && isBefore(createdAt, record.createdAt),
  };
}

/**
 * The newest record that is not younger than the release: a tag built again later is not what was released. Unknown where
 * there are several records and a date is missing, absent where all of them are younger.
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
  return [...(parts.builds ?? []), ...(parts.deployments ?? []), ...(parts.distributions ?? []), ...parts.images].some(
    (part) => part.service === service,
  );
}

function namesArtifact(parts: ReleaseParts, record: ArtifactRecord): boolean {
  const { image, digest, file } = record;
  const files = [
    ...(parts.builds ?? []).map(({ packageFile }) => packageFile),
    ...(parts.distributions ?? []).map((distribution) => distribution.file),
  ];
  return (
    parts.images.some(
      (named) =>
        (digest !== null && isStrong(digest) && named.digest === digest) ||
        [named.source, named.target].some(
          (reference) => reference !== null && image !== null && isSame(reference, image),
        ),
    ) ||
    (file !== null && files.includes(file))
  );
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
