import { isStrong } from "../../model/digest.ts";
import { type ImageRef, printImageRef } from "../../model/image-ref.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { ArtifactRecord, BuildInfo, Release, ReleaseImage, ReleaseParts } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { ArtifactReader, ReleaseQuery, ReleaseReader } from "../backend.ts";
import { keepRows, readWindow } from "../paging.ts";
import { chainWindow } from "./chain.ts";
import { listReleasesOpen } from "./operations.ts";
import type { ReleaseList, ReleaseScope } from "./release-list.ts";
import type { ReleaseLookup } from "./release-lookup.ts";
import { type Place, siftWindow } from "./sieve.ts";

/** Zadig sets no bound; one call answers the largest window, one row more for knowing whether it goes on included. */
const maxSize = 101;
/** A release may be written some seconds before the records of its images. */
const slackMs = 3_600_000;

/** This request's view of the releases of one Zadig. `projects` are the configured ones. */
export function createReleaseReader(
  backend: string,
  list: ReleaseList,
  lookup: ReleaseLookup,
  artifacts: ArtifactReader,
  projects: readonly string[],
): ReleaseReader {
  async function fetch(scope: ReleaseScope, detailed: boolean, page: number, size: number) {
    const answer = await list.fetch(scope, detailed, page, size);
    for (const { row } of answer.rows) if (row) lookup.note(row);
    return answer;
  }

  const page: ReleaseReader["page"] = async (filter, request, wantsParts) => {
    refuseUnknowable(filter);
    if (list.surface !== "openapi") return pageOf(filter.project, filter, request, wantsParts);
    const found = await overProjects(filter.project === null ? projects : [filter.project], request, (project, inner) =>
      pageOf(project, filter, inner, wantsParts),
    );
    // The first answer may have shown only now that it is one that tells no labels.
    refuseUnknowable(filter);
    return found;
  };

  function overProjects(
    keys: readonly string[],
    request: PageRequest,
    read: (project: string, request: PageRequest) => Promise<Page<Release>>,
  ): Promise<Page<Release>> {
    const [first, ...rest] = keys;
    if (first === undefined) throw rejected("OpenAPI lists one project at a time and none is configured");
    return rest.length === 0 ? read(first, request) : chainWindow(request, [first, ...rest], read);
  }

  function pageOf(
    project: string | null,
    filter: ReleaseQuery,
    request: PageRequest,
    wantsParts: boolean,
  ): Promise<Page<Release>> {
    const { workflow, service, label } = filter;
    // 0 is Zadig's "all tasks".
    const scope = { project, workflow, taskId: filter.taskId || null, label };
    // Only R2 filters by label, and no generation filters by service without tearing holes into its pages.
    if (service !== null || (label !== null && list.generation() !== "r2")) {
      const needs = { detailed: service !== null || wantsParts, parts: service !== null };
      return sifted(scope, request, needs, (release) =>
        label !== null && !release.labels.includes(label)
          ? null
          : service === null || (release.parts !== null && namesService(release.parts, service)),
      );
    }
    return window(scope, request, wantsParts);
  }

  async function window(scope: ReleaseScope, request: PageRequest, wantsParts: boolean): Promise<Page<Release>> {
    let hasForeign = false;
    const found = await readWindow<Place<Release>>(request, {
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
    const rows = found.rows.flatMap(({ value: { row }, position }) => (row === null ? [] : [{ value: row, position }]));
    return { ...found, rows, total: hasForeign ? null : found.total };
  }

  /**
   * `belongs` is asked of the row as listed, where null rules it out for good, and then, where `needs.parts`, of the
   * release with its parts: on lists that do not carry them (all but R1's) each row that is left costs one call.
   */
  function sifted(
    scope: ReleaseScope,
    request: PageRequest,
    needs: { readonly detailed: boolean; readonly parts: boolean },
    belongs: (release: Release) => boolean | null,
    isLast?: (release: Release) => boolean,
  ): Promise<Page<Release>> {
    return siftWindow<Release, Release>(request, {
      fetch: (at, size) => fetch(scope, needs.detailed, at, size),
      size: 100,
      maxPages: () => (needs.parts && (list.generation() ?? "r1") !== "r1" ? 1 : 10),
      stride: needs.parts ? 20 : 100,
      sift: async (row) => {
        if (belongs(row) === null) return null;
        const release = needs.parts && row.parts === null ? await lookup.release(row.ref) : row;
        return release !== null && belongs(release) ? release : null;
      },
      ...(isLast ? { isLast } : {}),
      exhausted: () => new UpstreamError("OVER_BUDGET", { backend, operation: null }),
    });
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
    const parts = release.parts ?? (await lookup.release(release.ref))?.parts ?? null;
    if (parts === null) return null;
    return parts.builds ?? assemble(release, parts.images);
  };

  async function assemble(release: Release, images: readonly ReleaseImage[]): Promise<readonly BuildInfo[]> {
    const found = await Promise.all(
      images.map(async ({ source, target, service }) => {
        const image = source ?? target;
        const record = image && builtBefore(release, await artifacts.byImage(image.raw));
        return (record ? artifacts.buildsOf(record) : []).map((build) => ({
          ...build,
          service: service ?? build.service,
        }));
      }),
    );
    // Several containers may run one image.
    return [...new Map(found.flat().map((build) => [JSON.stringify(build.ref), build])).values()];
  }

  const build: ReleaseReader["build"] = async (ref) => {
    if ("release" in ref) {
      const release = await lookup.release(ref.release);
      const known = release?.parts?.builds?.find((one) => "buildId" in one.ref && one.ref.buildId === ref.buildId);
      return known ?? null;
    }
    const record = await artifacts.artifact(ref.artifact);
    if (record === null) return null;
    const known = artifacts.buildsOf(record).find((one) => "activity" in one.ref && one.ref.activity === ref.activity);
    return known ?? null;
  };

  const containing: ReleaseReader["containing"] = async (record, request) => {
    const own = [...new Set((record.activities ?? []).flatMap(({ project }) => project ?? []))];
    const read = (project: string | null, inner: PageRequest) =>
      sifted(
        { project, workflow: null, taskId: null, label: null },
        inner,
        { detailed: true, parts: true },
        (release) => release.parts !== null && namesArtifact(release.parts, record),
        // Lists are newest first, and nothing was released before it was built.
        ({ createdAt }) => isBefore(createdAt, record.createdAt),
      );
    if (own.length > 0) return overProjects(own, request, read);
    return list.surface === "openapi" ? overProjects(projects, request, read) : read(null, request);
  };

  return { page, release: lookup.release, builds, build, containing };
}

/** The newest record that is not younger than the release: a tag built again later is not what was released. */
function builtBefore(release: Release, records: readonly ArtifactRecord[]): ArtifactRecord | null {
  return records.find(({ createdAt }) => !isBefore(release.createdAt, createdAt)) ?? null;
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
