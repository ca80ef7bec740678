import type { Page, PageRequest } from "../../model/page.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import { type Answer, absent, found, impossible, unknown } from "../answers.ts";
import type { ArtifactQuery, ArtifactReader } from "../backend.ts";
import { batched, single } from "../batch.ts";
import { keepRows, readWindow } from "../paging.ts";
import { toBuilds } from "./artifact.ts";
import { createLookup, imageKeyText, newestFirst, textOf, withoutScheme } from "./artifact-lookup.ts";
import { type ArtifactFilters, type ArtifactRow, createArtifactPages } from "./artifact-pages.ts";
import type { ZadigClient } from "./client.ts";
import { filteredWindow, type Place } from "./filtered-list.ts";
import { exactly, isAskable, only } from "./image-pattern.ts";
import type { Memory } from "./memory.ts";
import { objectId } from "./object-id.ts";
import { getArtifact, listArtifacts } from "./operations.ts";

/** Zadig sets no bound; one call answers the largest window we allow. */
const maxSize = 101;
const filteredPageSize = 100;
const filteredPages = 5;

/** This request's view of the artifacts of one Zadig. */
export function createArtifactReader(
  client: ZadigClient,
  memory: Memory,
  call: Call,
  usesFacade: boolean,
): ArtifactReader {
  const { name: backend } = client.upstream;
  const pages = createArtifactPages(client, memory, call);
  const lookup = createLookup(client, pages, memory, call, usesFacade);
  const ids = single((id: string) => id, lookup.byId, { call, backend, operation: getArtifact.name });
  const images = batched(imageKeyText, lookup.byImages, { by: { call, backend, operation: listArtifacts.name } });

  const byImage: ArtifactReader["byImage"] = async (image) => {
    const text = withoutScheme(image);
    return isAskable(text) ? images.load({ kind: "WHOLE", text }) : unknown("NOT_SEARCHABLE");
  };

  const page: ArtifactReader["page"] = async (filter, request) => {
    const texts = [filter.image, filter.name, filter.imageTag, filter.repository, filter.branch];
    if (!texts.every((text) => text === null || isAskable(text))) return unknown("NOT_SEARCHABLE");
    const isMeant = (record: ArtifactRecord) => isAskedFor(record, filter);
    // With a repository or branch Zadig ignores every other filter, answers by build activities, repeats an artifact for
    // each of them and counts activities: the rest is filtered here, and no total can be told.
    if (filter.repository !== null || filter.branch !== null)
      return readFiltered(commitFilters(filter), request, isMeant);
    const filters = {
      ...(filter.image === null ? {} : { image: exactly([withoutScheme(filter.image)]) }),
      ...(filter.name === null ? {} : { name: only(filter.name) }),
      ...(filter.imageTag === null ? {} : { imageTag: filter.imageTag }),
      ...(filter.type === null || filter.type === "OTHER" ? {} : { type: filter.type.toLowerCase() }),
    };
    if (filter.type === "OTHER") return readFiltered(filters, request, isMeant);
    return window(filters, request, isMeant);
  };

  async function window(
    filters: ArtifactFilters,
    request: PageRequest,
    isMeant: (record: ArtifactRecord) => boolean,
  ): Promise<Answer<Page<ArtifactRecord>>> {
    let hasForeign = false;
    const read = await readWindow<Place<ArtifactRow>>(request, {
      fetch: async (at, size) => {
        const answer = await pages(filters, at, size);
        hasForeign ||= answer.rows.some(({ row }) => row !== null && !isMeant(row.record));
        return keepRows(answer, ({ row }) => row !== null && isMeant(row.record));
      },
      identity: ({ identity }) => identity,
      maxSize,
    });
    const rows = read.rows.flatMap(({ value: { row }, position }) =>
      row === null ? [] : [{ value: row.record, position }],
    );
    return found({ ...read, rows, total: hasForeign ? null : read.total });
  }

  function readFiltered(
    filters: ArtifactFilters,
    request: PageRequest,
    isMeant: (record: ArtifactRecord) => boolean,
  ): Promise<Answer<Page<ArtifactRecord>>> {
    return filteredWindow(request, {
      fetch: (at, size) => pages(filters, at, size),
      first: filteredPageSize,
      most: filteredPageSize,
      maxRows: () => filteredPageSize * filteredPages,
      accept: async ({ record }: ArtifactRow) => (isMeant(record) ? record : null),
      concurrency: filteredPageSize,
    });
  }

  async function readByCommit({ repository, branch, sha }: CommitKey): Promise<Answer<readonly ArtifactRecord[]>> {
    if (![repository, branch ?? "", sha].every(isAskable)) return unknown("NOT_SEARCHABLE");
    const built = new Map<string, ArtifactRecord>();
    let isWhole = true;
    for (let at = 0; at < filteredPages; at++) {
      const answer = await pages(commitFilters({ repository, branch }), at, filteredPageSize);
      isWhole &&= answer.dropped.length === 0;
      const matches = answer.rows.map(({ row, identity }) => {
        const isBuilt = row !== null && isBuiltFrom(row.record, repository, branch, sha);
        if (isBuilt) built.set(identity, row.record);
        return isBuilt;
      });
      const more =
        answer.total === null ? answer.count >= filteredPageSize : (at + 1) * filteredPageSize < answer.total;
      const records = newestFirst([...built.values()]);
      if (!more && built.size > 0) return found(records, isWhole ? null : unknown("LOST_ROWS"));
      if (!more) return isWhole ? absent(listArtifacts, "COMPLETE_FILTER") : unknown("LOST_ROWS");
      // Builds of one revision stand together in a list by time, unless it was built again.
      if (built.size > 0 && matches.at(-1) === false) return found(records, unknown("UNREAD"));
    }
    return built.size === 0 ? unknown("UNREAD") : found(newestFirst([...built.values()]), unknown("UNREAD"));
  }
  const commits = single(
    ({ repository, branch, sha }: CommitKey) => JSON.stringify([repository, branch, sha]),
    readByCommit,
    { call, backend, operation: listArtifacts.name },
  );

  return {
    page,
    artifact: async ({ zadigId, image }) => {
      if (zadigId !== null) {
        const id = objectId(zadigId);
        // Zadig's ids are those of Mongo: 24 hex digits.
        return id === null ? impossible : ids.load(id);
      }
      return image === null ? impossible : firstOf(await byImage(image));
    },
    byImage,
    byNameAndTag: async (name, tag) => {
      const text = `${lastPart(name)}:${tag}`;
      return isAskable(text) ? images.load({ kind: "ENDING", text }) : unknown("NOT_SEARCHABLE");
    },
    byCommit: (repository, branch, sha) => commits.load({ repository, branch, sha }),
    buildsOf: toBuilds,
  };
}

interface CommitKey {
  readonly repository: string;
  readonly branch: string | null;
  readonly sha: string;
}

function firstOf(records: Answer<readonly ArtifactRecord[]>): Answer<ArtifactRecord> {
  if (records.kind !== "FOUND") return records;
  const [newest] = records.value;
  return newest === undefined ? unknown("LEFT_OUT") : found(newest);
}

function commitFilters({ repository, branch }: Pick<ArtifactQuery, "repository" | "branch">): ArtifactFilters {
  return {
    ...(repository === null ? {} : { repoName: lastPart(repository) }),
    ...(branch === null ? {} : { branch }),
  };
}

/** Whether a record is what was asked for: what Zadig's filters let through is compared again, whole text by whole text. */
function isAskedFor(record: ArtifactRecord, filter: ArtifactQuery): boolean {
  return (
    (filter.image === null || textOf(record) === withoutScheme(filter.image)) &&
    (filter.name === null || record.name === filter.name) &&
    (filter.imageTag === null || (record.image?.tag ?? record.file) === filter.imageTag) &&
    (filter.type === null || record.type === filter.type) &&
    ((filter.repository === null && filter.branch === null) ||
      buildCommits(record).some(
        ({ repository, branch }) =>
          (filter.repository === null || isRepository(repository, filter.repository)) &&
          (filter.branch === null || branch === filter.branch),
      ))
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
