import type { Page, PageRequest } from "../../model/page.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { ArtifactQuery, ArtifactReader } from "../backend.ts";
import { batched, single } from "../batch.ts";
import { keepRows, mapPage, readWindow, type UpstreamPage } from "../paging.ts";
import { toArtifact, toBuilds } from "./artifact.ts";
import { createLookup, imageKeyText, newestFirst, withoutScheme } from "./artifact-lookup.ts";
import type { ArtifactListQuery, ZadigClient } from "./client.ts";
import { quote } from "./image-pattern.ts";
import type { Memory } from "./memory.ts";
import { objectId } from "./object-id.ts";
import { getArtifact, listArtifacts } from "./operations.ts";
import { type Place, siftWindow } from "./sieve.ts";

/** Zadig sets no bound; one call answers the largest window we allow. */
const maxSize = 101;
const sieveSize = 100;
const sievePages = 5;

/** This request's view of the artifacts of one Zadig. */
export function createArtifactReader(
  client: ZadigClient,
  memory: Memory,
  call: Call,
  usesFacade: boolean,
): ArtifactReader {
  const { name: backend, base } = client.upstream;
  const lookup = createLookup(client, memory, call, usesFacade);
  const ids = single((id: string) => id, lookup.byId, { call, backend, operation: getArtifact.name });
  const images = batched(imageKeyText, lookup.byImages, { by: { call, backend, operation: listArtifacts.name } });
  const exhausted = () => new UpstreamError("OVER_BUDGET", { backend, operation: listArtifacts.name });

  async function list(
    filters: Omit<ArtifactListQuery, "page" | "size">,
    page: number,
    size: number,
  ): Promise<UpstreamPage<Place<ArtifactRecord>>> {
    const { value, origin } = await client.listArtifacts({ ...filters, page: page + 1, size }, call);
    const rows = value.slots.map((row, index): Place<ArtifactRecord> => {
      const record = row && toArtifact(row, origin, base);
      return { row: record, identity: record?.ref.zadigId ?? record?.ref.image ?? `${page}/${size}/${index}` };
    });
    return { rows, count: value.slots.length, dropped: value.dropped, origin, total: value.total };
  }

  const byImage: ArtifactReader["byImage"] = async (image) =>
    (await images.load({ kind: "WHOLE", text: withoutScheme(image) })) ?? [];

  const page: ArtifactReader["page"] = async (filter, request) => {
    if (filter.repository !== null || filter.branch !== null) return pageByCommit(filter, request);
    const filters = {
      ...(filter.image === null ? {} : { image: quote(filter.image) }),
      ...(filter.name === null ? {} : { name: quote(filter.name) }),
      ...(filter.imageTag === null ? {} : { imageTag: filter.imageTag }),
      ...(filter.type === null || filter.type === "OTHER" ? {} : { type: filter.type.toLowerCase() }),
    };
    if (filter.type === "OTHER") return sift(filters, request, (record) => record.type === "OTHER");
    const window = await readWindow(request, {
      fetch: async (at, size) => keepRows(await list(filters, at, size), ({ row }) => row !== null),
      identity: ({ identity }) => identity,
      maxSize,
    });
    return readable(window);
  };

  /**
   * With a repository or branch Zadig ignores every other filter, answers by build activities, repeats an artifact for
   * each of them and counts activities: the rest is filtered here, and no total can be told.
   */
  function pageByCommit(filter: ArtifactQuery, request: PageRequest): Promise<Page<ArtifactRecord>> {
    const filters = {
      ...(filter.repository === null ? {} : { repoName: lastPart(filter.repository) }),
      ...(filter.branch === null ? {} : { branch: filter.branch }),
    };
    return sift(filters, request, (record) => isAskedFor(record, filter));
  }

  function sift(
    filters: Omit<ArtifactListQuery, "page" | "size">,
    request: PageRequest,
    keep: (record: ArtifactRecord) => boolean,
  ): Promise<Page<ArtifactRecord>> {
    return siftWindow(request, {
      fetch: (at, size) => list(filters, at, size),
      size: sieveSize,
      maxPages: () => sievePages,
      sift: async (record) => (keep(record) ? record : null),
      stride: sieveSize,
      exhausted,
    });
  }

  const byCommit: ArtifactReader["byCommit"] = async (repository, branch, sha) => {
    const filters = { repoName: lastPart(repository), ...(branch === null ? {} : { branch }) };
    const found = new Map<string, ArtifactRecord>();
    for (let at = 0; at < sievePages; at++) {
      const answer = await list(filters, at, sieveSize);
      const matches = answer.rows.map(({ row, identity }) => {
        const isBuilt = row !== null && isBuiltFrom(row, repository, branch, sha);
        if (isBuilt) found.set(identity, row);
        return isBuilt;
      });
      const more = answer.total === null ? answer.count >= sieveSize : (at + 1) * sieveSize < answer.total;
      // Builds of one revision stand together in a list by time.
      if (!more || (found.size > 0 && matches.at(-1) === false)) return newestFirst([...found.values()]);
    }
    if (found.size === 0) throw exhausted();
    return newestFirst([...found.values()]);
  };
  const commits = single(
    ({ repository, branch, sha }: { repository: string; branch: string | null; sha: string }) =>
      JSON.stringify([repository, branch, sha]),
    ({ repository, branch, sha }) => byCommit(repository, branch, sha),
    { call, backend, operation: listArtifacts.name },
  );

  return {
    page,
    artifact: async ({ zadigId, image }) => {
      if (zadigId !== null) {
        const id = objectId(zadigId);
        return id === null ? null : ids.load(id);
      }
      return image === null ? null : ((await byImage(image))[0] ?? null);
    },
    byImage,
    byNameAndTag: async (name, tag) => (await images.load({ kind: "ENDING", text: `${lastPart(name)}:${tag}` })) ?? [],
    byCommit: (repository, branch, sha) => commits.load({ repository, branch, sha }),
    buildsOf: toBuilds,
  };
}

/** Leaves out the places whose rows could not be read; they are among the dropped ones. */
function readable(window: Page<Place<ArtifactRecord>>): Page<ArtifactRecord> {
  const rows = mapPage(window, ({ row }) => row).rows.flatMap(({ value, position }) =>
    value === null ? [] : [{ value, position }],
  );
  return { ...window, rows };
}

function isAskedFor(record: ArtifactRecord, filter: ArtifactQuery): boolean {
  const text = record.image?.raw ?? record.file ?? "";
  return (
    (filter.image === null || text.includes(filter.image)) &&
    (filter.name === null || (record.name ?? "").includes(filter.name)) &&
    (filter.imageTag === null || (record.image?.tag ?? record.file) === filter.imageTag) &&
    (filter.type === null || record.type === filter.type) &&
    buildCommits(record).some(
      ({ repository, branch }) =>
        (filter.repository === null || isRepository(repository, filter.repository)) &&
        (filter.branch === null || branch === filter.branch),
    )
  );
}

function isBuiltFrom(record: ArtifactRecord, repository: string, branch: string | null, sha: string): boolean {
  return buildCommits(record).some(
    (commit) =>
      commit.sha === sha &&
      isRepository(commit.repository, repository) &&
      (branch === null || commit.branch === branch),
  );
}

function buildCommits(record: ArtifactRecord) {
  return (record.activities ?? []).filter(({ type }) => type === "build").flatMap(({ commits }) => commits);
}

// Zadig knows repositories by their last part; a caller may name the owner too.
function isRepository(known: string, asked: string): boolean {
  return asked.includes("/") ? known === asked : lastPart(known) === asked;
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
