import { parseImageRef } from "../../model/artifact.ts";
import { mapPage, type Page, type PageRequest } from "../../model/backend.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Query, Reply } from "../../upstream/operation.ts";
import {
  type Answer,
  absent,
  absentIfNotFound,
  found,
  foundAny,
  impossible,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import type { ArtifactQuery, ArtifactReader } from "../backend.ts";
import { batched, keyText, single, toError } from "../loading/loader.ts";
import { collect } from "../paging/collect.ts";
import { type FilteredPage, readFiltered } from "../paging/filter.ts";
import { type NumberedSource, readPage } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import type { View } from "./client.ts";
import * as keys from "./keys.ts";
import { toArtifact, toBuilds } from "./mapper.ts";
import { findArtifact, getArtifact, getArtifactDirectory, listArtifacts } from "./operations.ts";
import type { ArtifactPayload } from "./payload.ts";

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

/** What artifacts are looked up by: a whole image text, or the `name:tag` that is its suffix. */
interface ImageKey {
  readonly kind: "WHOLE" | "SUFFIX";
  readonly text: string;
}

type CommitKey = Parameters<ArtifactReader["byCommit"]>;

/**
 * The artifacts of one Zadig in one request. A batch of images costs one list call for about fifty keys, whose newest
 * records come back with their activities. The list hides images whose size Zadig could not read (OCI manifests,
 * multi-arch indexes): a whole image that it does not show costs one call more for its id, and one for the record if
 * there is one. By its suffix a hidden image cannot be found, so that nothing is absent by its suffix.
 */
export class Artifacts implements ArtifactReader {
  readonly #view: View;
  readonly #ids;
  readonly #images;
  readonly #commits;

  constructor(view: View) {
    const { client, call } = view;
    this.#view = view;
    const by = { call, backend: client.upstream.name };
    const byList = { ...by, operation: listArtifacts.name };
    this.#ids = single(
      (id: string) => id,
      (id) => this.#readId(id),
      { ...by, operation: getArtifact.name },
    );
    this.#images = batched(imageKeyText, (images: readonly ImageKey[]) => this.#readImages(images), byList);
    this.#commits = single(
      (key: CommitKey) => keyText(...key),
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
    return keys.isSearchable(text) ? this.#images.load({ kind: "SUFFIX", text }) : unknown("NOT_SEARCHABLE");
  };

  readonly byCommit: ArtifactReader["byCommit"] = (...key) => this.#commits.load(key);

  readonly page: ArtifactReader["page"] = async (filter, request) => {
    const texts = [filter.image, filter.name, filter.imageTag, filter.repository, filter.branch];
    if (!texts.every((text) => text === null || keys.isSearchable(text))) return unknown("NOT_SEARCHABLE");
    // With a repository or branch Zadig ignores every other filter, answers by build activities, repeats an artifact
    // for each of them and counts activities: the rest is filtered here, and no total is known.
    const isByCommit = filter.repository !== null || filter.branch !== null;
    const source = this.#source(isByCommit ? commitFilters(filter.repository, filter.branch) : recordFilters(filter));
    const keep = ({ record }: ArtifactRow) => matches(record, filter);
    if (!isByCommit && filter.type !== "OTHER") {
      return found(mapPage(await comparedWindow(request, { ...source, keep }), ({ record }) => record));
    }
    const answer = await readFiltered(request, source, {
      accept: (row) => (keep(row) ? row.record : null),
      rows: filteredPageSize,
      most: filteredPageSize,
      maxRows: () => filteredPageSize * maxFilteredPages,
    });
    return withLostRows(answer);
  };

  /** The artifact list, newest first; a page that is too large an answer is assembled from smaller ones. */
  #source(filters: Query): NumberedSource<ArtifactRow> {
    const { client, call } = this.#view;
    const { base } = client.upstream;
    return {
      fetch: async (page, size) => {
        const { value, origin } = await client.listArtifacts(filters, page, size, call);
        const rows = value.rows.map((row) => ({ record: toArtifact(row, origin, base), text: row.image ?? "" }));
        return { ...value, rows, origin };
      },
      identity: ({ record: { ref, name, createdAt } }) => ref.zadigId ?? ref.image ?? keyText(name, createdAt),
      maxSize,
      workable: client.learned.pageSizes.artifacts,
    };
  }

  async #readCommit([repository, branch, sha]: CommitKey): Promise<Answer<Records>> {
    if (![repository, branch ?? "", sha].every(keys.isSearchable)) return unknown("NOT_SEARCHABLE");
    const source = this.#source(commitFilters(repository, branch));
    const built = new Map<string, ArtifactRecord>();
    let isWhole = true;
    for (let page = 0; page < maxFilteredPages; page++) {
      const { rows, dropped, start, end, total } = await readPage(source, page, filteredPageSize);
      isWhole &&= dropped.length === 0;
      const matches = rows.filter(({ row }) => isBuiltFrom(row.record, repository, branch, sha));
      for (const { row, identity } of matches) built.set(identity, row.record);
      const goesOn = total === null ? end - start >= filteredPageSize : start + filteredPageSize < total;
      if (!goesOn) {
        const none = absent(listArtifacts, "COMPLETE_FILTER");
        return foundAny(newestFirst([...built.values()]), none, isWhole ? null : unknown("LOST_ROWS"));
      }
      // Builds of one revision are adjacent in a list by time, unless it was built again.
      if (built.size > 0 && rows.length > 0 && matches.at(-1) !== rows.at(-1)) break;
    }
    return foundAny(newestFirst([...built.values()]), unknown("UNREAD"), unknown("UNREAD"));
  }

  #readId(id: string): Promise<Answer<ArtifactRecord>> {
    const { client, call } = this.#view;
    const toAnswer = ({ value, origin }: Reply<ArtifactPayload | null>) =>
      value === null ? noArtifact : found(toArtifact(value, origin, client.upstream.base));
    return absentIfNotFound(client.getArtifact(id, call).then(toAnswer), noArtifact);
  }

  async #readImages(images: readonly ImageKey[]): Promise<Answers> {
    const answers: Answers = new Map();
    const { settings, client } = this.#view;
    // The directory facade costs one call an image; it is asked only where the configuration chose it.
    if (settings.surface === "directory" && !client.learned.lacksArtifactFacade.get()) {
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
    const { client, call } = this.#view;
    try {
      const { value, origin } = await client.getArtifactDirectory(image, call);
      if (value === null || withoutScheme(value.image ?? "") !== image) return null;
      return found([toArtifact(value, origin, client.upstream.base)]);
    } catch (error) {
      if (isMissingRoute(error, getArtifactDirectory.name)) client.learned.lacksArtifactFacade.set(true);
      else if (!(error instanceof UpstreamError && error.failure === "UNAVAILABLE" && !error.circuitOpen)) {
        return toError(error);
      }
      return null;
    }
  }

  async #search(chunk: readonly ImageKey[], answers: Answers): Promise<void> {
    try {
      const bounds = { size: Math.max(100, chunk.length * 4), mostPages: maxImagePages };
      const { rows, dropped, isCut } = await collect(this.#source({ image: patternOf(chunk) }), bounds);
      const listed = recordsByKey(rows);
      // A row that could not be read, or one behind the most that is read, may be of any of these keys.
      const gap = dropped.length > 0 ? unknown("LOST_ROWS") : isCut ? unknown("UNREAD") : null;
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

  /** An image that the list does not show. */
  async #readHidden({ kind, text }: ImageKey, gap: Unknown | null): Promise<Answer<Records> | Error> {
    if (kind === "SUFFIX") return gap ?? unknown("NARROW_SEARCH");
    try {
      const read = this.#view.client.findArtifact(text, this.#view.call);
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

/** The records by the text of each key that they answer. */
function recordsByKey(rows: readonly ArtifactRow[]): ReadonlyMap<string, Records> {
  const listed = new Map<string, ArtifactRecord[]>();
  for (const { record, text: raw } of rows) {
    const text = withoutScheme(raw);
    if (!text) continue;
    const suffix = text.includes("/") ? [imageKeyText({ kind: "SUFFIX", text: keys.lastSegment(text) })] : [];
    for (const key of [imageKeyText({ kind: "WHOLE", text }), ...suffix]) {
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
  const suffixes = images.filter(({ kind }) => kind === "SUFFIX").map(({ text }) => text);
  if (suffixes.length === 0) return keys.patternOfImages(whole);
  if (whole.length === 0) return keys.patternOfSuffixes(suffixes);
  return `${keys.patternOfImages(whole)}|${keys.patternOfSuffixes(suffixes)}`;
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

function commitFilters(repository: string | null, branch: string | null): Query {
  return { repoName: repository === null ? undefined : keys.lastSegment(repository), branch: branch ?? undefined };
}

function recordFilters({ image, name, imageTag, type }: ArtifactQuery): Query {
  return {
    image: image === null ? undefined : keys.patternOfImages([withoutScheme(image)]),
    name: name === null ? undefined : keys.patternOfText(name),
    imageTag: imageTag ?? undefined,
    type: type === null || type === "OTHER" ? undefined : type.toLowerCase(),
  };
}

/** Whether a record is what was asked for: what Zadig's filters let through is compared again, whole text by whole. */
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

/** A window over rows that are compared again: where Zadig counts other rows as well, the total is unknown. */
export async function comparedWindow<T>(
  request: PageRequest,
  source: NumberedSource<T> & { readonly keep: (row: T) => boolean },
): Promise<Page<T>> {
  let countsOthers = false;
  const keep = (row: T) => {
    const isOwn = source.keep(row);
    countsOthers ||= !isOwn;
    return isOwn;
  };
  const page = await readWindow(request, { ...source, keep });
  return countsOthers ? { ...page, total: null } : page;
}

/**
 * A filtered window with LOST_ROWS as its gap where the list ended before as many rows as are counted. Repeated rows
 * and those that are passed over count: Zadig counts an artifact once for each of its build activities.
 */
export function withLostRows<U>(answer: Answer<FilteredPage<U>>): Answer<Page<U>> {
  return answer.kind === "FOUND" && answer.value.endsEarly ? found(answer.value, unknown("LOST_ROWS")) : answer;
}
