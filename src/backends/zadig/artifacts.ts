import { parseImageRef } from "../../model/artifact.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Call } from "../../upstream/operation.ts";
import {
  type Answer,
  absent,
  absentIfNotFound,
  found,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { ArtifactQuery, ArtifactReader } from "../backend.ts";
import { batched, keyText, single, toError } from "../loading/loader.ts";
import { mapPage, type UpstreamPage } from "../paging.ts";
import { inSmallerPages } from "../smaller-pages.ts";
import type { ArtifactFilters, ZadigClient } from "./client.ts";
import { filteredWindow, type NumberedSource, pageOf, windowOf } from "./filtered-list.ts";
import * as keys from "./keys.ts";
import { toArtifact, toBuilds } from "./mapper.ts";
import { findArtifact, getArtifact, getArtifactDirectory, listArtifacts } from "./operations.ts";

/** Zadig sets no bound; one call answers the largest window and one row more. */
const maxSize = 101;
const filteredPageSize = 100;
const maxFilteredPages = 5;
/** Pages of one chunk of images that are read: a tag like `latest` may have thousands of records; the newest matter. */
const maxImagePages = 3;

type Records = readonly ArtifactRecord[];
type Answers = Map<string, Answer<Records> | Error>;

const noArtifact = absent(getArtifact, "KEYED_READ");
const noImage = absent(findArtifact, "KEYED_READ");

/** A row of the artifact list. */
interface ArtifactRow {
  readonly record: ArtifactRecord;
  /** What Zadig has in `image`: a reference, or the name of a file. */
  readonly text: string;
}

/** What artifacts are looked up by: a whole image text, or the `name:tag` at its end. */
interface ImageKey {
  readonly kind: "WHOLE" | "ENDING";
  readonly text: string;
}

interface CommitKey {
  readonly repository: string;
  readonly branch: string | null;
  readonly sha: string;
}

/**
 * The artifacts of one Zadig in one request. A batch of images costs one list call for about fifty keys, whose newest
 * records come back with their activities. The list hides images whose size Zadig could not read (OCI manifests,
 * multi-arch indexes): a whole image that it does not show costs one call more for its id, and one for the record if
 * there is one. By its ending a hidden image cannot be found, so that nothing is absent by its ending.
 */
export class Artifacts implements ArtifactReader {
  readonly #client: ZadigClient;
  readonly #call: Call;
  /** The directory facade costs one call an image; it is asked only where the configuration chose it. */
  readonly #usesFacade: boolean;
  readonly #ids;
  readonly #images;
  readonly #commits;

  constructor(client: ZadigClient, call: Call, usesFacade: boolean) {
    this.#client = client;
    this.#call = call;
    this.#usesFacade = usesFacade;
    const by = { call, backend: client.upstream.name };
    const byList = { ...by, operation: listArtifacts.name };
    this.#ids = single(
      (id: string) => id,
      (id) => this.#readId(id),
      { ...by, operation: getArtifact.name },
    );
    this.#images = batched(imageKeyText, (images: readonly ImageKey[]) => this.#readImages(images), byList);
    this.#commits = single(
      ({ repository, branch, sha }: CommitKey) => keyText(repository, branch, sha),
      (key) => this.#readCommit(key),
      byList,
    );
  }

  readonly buildsOf: ArtifactReader["buildsOf"] = toBuilds;

  readonly artifact: ArtifactReader["artifact"] = async ({ zadigId, image }) => {
    if (zadigId !== null) {
      const id = keys.objectId(zadigId);
      // Zadig's ids are those of Mongo: 24 hex digits.
      return id === null ? impossible : this.#ids.load(id);
    }
    if (image === null) return impossible;
    const records = await this.byImage(image);
    if (records.kind !== "FOUND") return records;
    const [newest] = records.value;
    return newest === undefined ? unknown("LEFT_OUT") : found(newest);
  };

  readonly byImage: ArtifactReader["byImage"] = async (image) => {
    const text = withoutScheme(image);
    return keys.isSearchable(text) ? this.#images.load({ kind: "WHOLE", text }) : unknown("NOT_SEARCHABLE");
  };

  readonly byNameAndTag: ArtifactReader["byNameAndTag"] = async (name, tag) => {
    const text = `${keys.lastSegment(name)}:${tag}`;
    return keys.isSearchable(text) ? this.#images.load({ kind: "ENDING", text }) : unknown("NOT_SEARCHABLE");
  };

  readonly byCommit: ArtifactReader["byCommit"] = (repository, branch, sha) => {
    return this.#commits.load({ repository, branch, sha });
  };

  readonly page: ArtifactReader["page"] = async (filter, request) => {
    const texts = [filter.image, filter.name, filter.imageTag, filter.repository, filter.branch];
    if (!texts.every((text) => text === null || keys.isSearchable(text))) return unknown("NOT_SEARCHABLE");
    // With a repository or branch Zadig ignores every other filter, answers by build activities, repeats an artifact for
    // each of them and counts activities: the rest is filtered here, and no total is known.
    const isByCommit = filter.repository !== null || filter.branch !== null;
    const filters = isByCommit ? commitFilters(filter) : recordFilters(filter);
    const isAskedFor = ({ record }: ArtifactRow) => matches(record, filter);
    if (!isByCommit && filter.type !== "OTHER") {
      const source = { ...this.#source(filters), keep: isAskedFor };
      return found(mapPage(await windowOf(request, source), ({ record }) => record));
    }
    return filteredWindow(request, {
      source: this.#source(filters),
      first: filteredPageSize,
      most: filteredPageSize,
      maxRows: () => filteredPageSize * maxFilteredPages,
      accept: async (row: ArtifactRow) => (isAskedFor(row) ? row.record : null),
      concurrency: filteredPageSize,
    });
  };

  /** The artifact list, newest first; a page that is too large an answer is assembled from smaller ones. */
  #source(filters: ArtifactFilters): NumberedSource<ArtifactRow> {
    const { upstream, learned } = this.#client;
    const pages = {
      fetch: async (page: number, size: number) => {
        const { value, origin } = await this.#client.listArtifacts(filters, page, size, this.#call);
        const toRow = (row: (typeof value.rows)[number]): ArtifactRow => ({
          record: toArtifact(row, origin, upstream.base),
          text: row.image ?? "",
        });
        return { ...value, rows: value.rows.map(toRow), origin };
      },
      workable: learned.pageSizes.artifacts,
    };
    return {
      fetch: (page, size) => inSmallerPages(pages, page, size),
      identity: ({ record: { ref, name, createdAt } }) => ref.zadigId ?? ref.image ?? keyText(name, createdAt),
      maxSize,
      keep: () => true,
    };
  }

  async #readCommit({ repository, branch, sha }: CommitKey): Promise<Answer<Records>> {
    if (![repository, branch ?? "", sha].every(keys.isSearchable)) return unknown("NOT_SEARCHABLE");
    const source = this.#source(commitFilters({ repository, branch }));
    const built = new Map<string, ArtifactRecord>();
    let isWhole = true;
    for (let page = 0; page < maxFilteredPages; page++) {
      const { rows, count, total, dropped } = await pageOf(source, page, filteredPageSize);
      isWhole &&= dropped.length === 0;
      let isLastBuilt = false;
      for (const row of rows) {
        isLastBuilt = isBuiltFrom(row.record, repository, branch, sha);
        if (isLastBuilt) built.set(source.identity(row), row.record);
      }
      const goesOn = total === null ? count >= filteredPageSize : (page + 1) * filteredPageSize < total;
      const records = newestFirst([...built.values()]);
      if (!goesOn && built.size > 0) return found(records, isWhole ? null : unknown("LOST_ROWS"));
      if (!goesOn) return isWhole ? absent(listArtifacts, "COMPLETE_FILTER") : unknown("LOST_ROWS");
      // Builds of one revision are adjacent in a list by time, unless it was built again.
      if (built.size > 0 && rows.length > 0 && !isLastBuilt) return found(records, unknown("UNREAD"));
    }
    return built.size === 0 ? unknown("UNREAD") : found(newestFirst([...built.values()]), unknown("UNREAD"));
  }

  #readId(id: string): Promise<Answer<ArtifactRecord>> {
    const read = this.#client.getArtifact(id, this.#call).then(({ value, origin }): Answer<ArtifactRecord> => {
      return value === null ? noArtifact : found(toArtifact(value, origin, this.#client.upstream.base));
    });
    return absentIfNotFound(read, noArtifact);
  }

  async #readImages(images: readonly ImageKey[]): Promise<Answers> {
    const answers: Answers = new Map();
    if (this.#usesFacade && !this.#client.learned.lacksArtifactFacade.get()) {
      await Promise.all(
        images.map(async (key) => {
          const answer = key.kind === "WHOLE" ? await this.#readFacade(key.text) : null;
          if (answer) answers.set(imageKeyText(key), answer);
        }),
      );
    }
    const rest = images.filter((key) => !answers.has(imageKeyText(key)));
    await Promise.all(keys.chunksByBytes(rest, ({ text }) => text).map((chunk) => this.#search(chunk, answers)));
    return answers;
  }

  /** Null where the list has to tell: the facade answers 500 for an unknown image as for an outage. */
  async #readFacade(image: string): Promise<Answer<Records> | Error | null> {
    try {
      const { value, origin } = await this.#client.getArtifactDirectory(image, this.#call);
      if (value === null || withoutScheme(value.image ?? "") !== image) return null;
      return found([toArtifact(value, origin, this.#client.upstream.base)]);
    } catch (error) {
      if (isMissingRoute(error, getArtifactDirectory.name)) this.#client.learned.lacksArtifactFacade.set(true);
      else if (!(error instanceof UpstreamError && error.failure === "UNAVAILABLE" && !error.circuitOpen)) {
        return toError(error);
      }
      return null;
    }
  }

  async #search(chunk: readonly ImageKey[], answers: Answers): Promise<void> {
    try {
      const { pages, isComplete } = await this.#readAll(patternOf(chunk), Math.max(100, chunk.length * 4));
      const listed = recordsByKey(pages);
      // A row that could not be read, or one behind the most that is read, may be of any of these keys.
      const isDamaged = pages.some(({ dropped }) => dropped.length > 0);
      const gap = isDamaged ? unknown("LOST_ROWS") : isComplete ? null : unknown("UNREAD");
      await Promise.all(
        chunk.map(async (key) => {
          const records = listed.get(imageKeyText(key));
          answers.set(imageKeyText(key), records ? found(newestFirst(records), gap) : await this.#readHidden(key, gap));
        }),
      );
    } catch (error) {
      for (const key of chunk) answers.set(imageKeyText(key), toError(error));
    }
  }

  async #readAll(image: string, size: number) {
    const source = this.#source({ image });
    const first = await pageOf(source, 0, size);
    const { total, count } = first;
    const all = total === null ? (count < size ? 1 : 2) : Math.ceil(total / size);
    const rest = await Promise.all(
      Array.from({ length: Math.min(all, maxImagePages) - 1 }, (_, index) => pageOf(source, index + 1, size)),
    );
    const isComplete = total === null ? (rest.at(-1) ?? first).count < size : all <= maxImagePages;
    return { pages: [first, ...rest], isComplete };
  }

  /** An image that the list does not show. */
  async #readHidden({ kind, text }: ImageKey, gap: Unknown | null): Promise<Answer<Records> | Error> {
    if (kind === "ENDING") return gap ?? unknown("NARROW_SEARCH");
    try {
      const read = this.#client.findArtifact(text, this.#call);
      const id = await absentIfNotFound(
        read.then(({ value }) => (value === null ? noImage : found(value))),
        noImage,
      );
      if (id.kind !== "FOUND") return gap ?? id;
      const record = await this.#readId(id.value);
      // Zadig answers the first record it finds: its image is compared again.
      const isMissing = record.kind === "ABSENT" || (record.kind === "FOUND" && textOf(record.value) !== text);
      return isMissing ? unknown("DETAIL_MISSING") : mapAnswer(record, (one) => [one]);
    } catch (error) {
      // Before 1.8 there is no such call, and what the list hides cannot be found.
      return isMissingRoute(error, findArtifact.name) ? (gap ?? unknown("NARROW_SEARCH")) : toError(error);
    }
  }
}

function imageKeyText({ kind, text }: ImageKey): string {
  return `${kind} ${text}`;
}

/** The records of several pages by the text of each key that they answer. */
function recordsByKey(pages: readonly UpstreamPage<ArtifactRow>[]): ReadonlyMap<string, Records> {
  const listed = new Map<string, ArtifactRecord[]>();
  const ids = new Set<string>();
  for (const { record, text: raw } of pages.flatMap(({ rows }) => rows)) {
    const text = withoutScheme(raw);
    if (!text) continue;
    // A record created meanwhile pushes the last row of a page onto the next one.
    const { zadigId } = record.ref;
    if (zadigId !== null && ids.has(zadigId)) continue;
    if (zadigId !== null) ids.add(zadigId);
    const ending = text.includes("/") ? [imageKeyText({ kind: "ENDING", text: keys.lastSegment(text) })] : [];
    for (const key of [imageKeyText({ kind: "WHOLE", text }), ...ending]) {
      const records = listed.get(key);
      if (records) records.push(record);
      else listed.set(key, [record]);
    }
  }
  return listed;
}

// Two patterns in one call: an unanchored one reads the whole collection anyway.
function patternOf(images: readonly ImageKey[]): string {
  const whole = images.filter(({ kind }) => kind === "WHOLE").map(({ text }) => text);
  const endings = images.filter(({ kind }) => kind === "ENDING").map(({ text }) => text);
  const patterns = [
    ...(whole.length > 0 ? [keys.patternOfImages(whole)] : []),
    ...(endings.length > 0 ? [keys.patternOfEndings(endings)] : []),
  ];
  return patterns.join("|");
}

/** What a record has for an image: a reference without its scheme, or the name of a file. */
function textOf({ image, file }: ArtifactRecord): string {
  return image?.raw ?? file ?? "";
}

/** A text as references are compared: file names and whatever else is no reference stay as they are. */
function withoutScheme(text: string): string {
  return parseImageRef(text)?.raw ?? text.trim();
}

/** Newest first; records without a time last. Zadig sorts so itself, but without a tie-breaker. */
function newestFirst(records: Records): Records {
  return [...records].sort((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? ""));
}

function isMissingRoute(error: unknown, operation: string): boolean {
  return (
    error instanceof UpstreamError &&
    error.operation === operation &&
    error.failure === "REJECTED" &&
    (error.status === 404 || error.status === 405)
  );
}

function commitFilters({ repository, branch }: Pick<ArtifactQuery, "repository" | "branch">): ArtifactFilters {
  return {
    ...(repository === null ? {} : { repoName: keys.lastSegment(repository) }),
    ...(branch === null ? {} : { branch }),
  };
}

function recordFilters({ image, name, imageTag, type }: ArtifactQuery): ArtifactFilters {
  return {
    ...(image === null ? {} : { image: keys.patternOfImages([withoutScheme(image)]) }),
    ...(name === null ? {} : { name: keys.patternOfText(name) }),
    ...(imageTag === null ? {} : { imageTag }),
    ...(type === null || type === "OTHER" ? {} : { type: type.toLowerCase() }),
  };
}

/** Whether a record is what was asked for: what Zadig's filters let through is compared again, whole text by whole text. */
function matches(record: ArtifactRecord, { image, name, imageTag, type, repository, branch }: ArtifactQuery): boolean {
  return (
    (image === null || textOf(record) === withoutScheme(image)) &&
    (name === null || record.name === name) &&
    (imageTag === null || (record.image?.tag ?? record.file) === imageTag) &&
    (type === null || record.type === type) &&
    ((repository === null && branch === null) || isBuiltFrom(record, repository, branch, null))
  );
}

/** Whether a record has a build activity of this repository, branch and revision; null for any. */
function isBuiltFrom(record: ArtifactRecord, repository: string | null, branch: string | null, sha: string | null) {
  return (record.activities ?? []).some(
    ({ type, commits }) =>
      type === "build" &&
      commits.some(
        (commit) =>
          (sha === null || commit.sha === sha) &&
          (repository === null || isRepository(commit.repository, repository)) &&
          (branch === null || commit.branch === branch),
      ),
  );
}

// Zadig knows repositories by their last part; a caller may name the owner too.
function isRepository(known: string, asked: string): boolean {
  return asked.includes("/") ? known === asked : keys.lastSegment(known) === asked;
}
