import type { Page, PageRequest } from "../../model/backend.ts";
import type { Package } from "../../model/package.ts";
import { isNotFound, isTooLarge, UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, mapAnswer, unknown } from "../answers.ts";
import type { VersionQuery } from "../backend.ts";
import { type Answers, batched, groupBy, keyText, type Loader, single, toError } from "../loading/loader.ts";
import { isCursorPosition } from "../paging/position.ts";
import type { PageAtCursor, PageSource } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import {
  type Access,
  compare,
  isEmptyStart,
  type Listed,
  largestPage,
  type PushOrder,
  pick,
  readAll,
  type Sourced,
  type TagOrder,
  windowOf,
} from "./client.ts";
import { isNamespaceMissing, UnsortedAnswer } from "./dialect.ts";
import { isAttachmentTag, type PackageName } from "./keys.ts";
import { createdText, sortableDate, tagOf, updatedText } from "./mapper.ts";
import { getTag, listTags } from "./operations.ts";
import type { TagRow } from "./payload.ts";

type Tag = Sourced<TagRow>;

interface TagKey {
  readonly owner: PackageName;
  readonly tag: string;
}

interface PageKey {
  readonly owner: PackageName;
  readonly order: TagOrder;
  /** Where the page begins: its zero-based number in v2, its marker (empty for the first) in v3. */
  readonly at: number | string;
}

interface SizedPageKey extends PageKey {
  readonly size: number;
}

const notListed = absent(listTags, "WHOLE_LIST");
const noTag = absent(getTag, "KEYED_READ");

/** Enough to pass over the signature, the attestation and the SBOM of a tag, and to see whether it is in order. */
const headSize = 10;

/** Tags of one request; equal reads are one call. All reject with an UpstreamError. */
export class Tags {
  readonly #access: Access;
  readonly #repository: (name: PackageName) => Promise<Answer<Package>>;
  readonly #lists: Loader<PackageName, Answer<Listed<Tag>>>;
  readonly #tags: Loader<TagKey, Answer<Tag>>;
  readonly #heads: Loader<PageKey, PageAtCursor<Tag>>;
  readonly #pages: Loader<SizedPageKey, PageAtCursor<Tag>>;
  /** The size in which a head is read. */
  readonly #headSizes = new Map<string, number>();
  /** Repositories whose whole list is read in this request: it answers single tags too. */
  readonly #listed = new Set<string>();
  /** Repositories of tags that do not exist: they may not exist either. */
  readonly #missed = new Set<string>();

  constructor(access: Access, repository: (name: PackageName) => Promise<Answer<Package>>) {
    const { backend, call } = access;
    this.#access = access;
    this.#repository = repository;
    this.#lists = single(repositoryText, (owner) => this.#readList(owner), { call, backend, operation: listTags.name });
    const by = { call, backend, operation: getTag.name };
    this.#tags = batched(tagText, (keys, answers) => this.#readTags(keys, answers), by);
    this.#heads = single(pageText, (key) => this.#fetch(key, this.#headSizes.get(pageText(key)) ?? largestPage));
    this.#pages = single(
      (key) => keyText(pageText(key), key.size),
      (key) => this.#fetch(key, key.size),
    );
  }

  /** One tag; several of one repository asked together are one call. */
  tag(owner: PackageName, tag: string): Promise<Answer<Tag>> {
    return this.#tags.load({ owner, tag });
  }

  /** Whether a tag of this repository was asked for and does not exist: then the repository may not exist either. */
  isMissed(owner: PackageName): boolean {
    return this.#missed.has(repositoryText(owner));
  }

  /** All tags. */
  all(owner: PackageName): Promise<Answer<Listed<Tag>>> {
    this.#listed.add(repositoryText(owner));
    return this.#lists.load(owner);
  }

  /** A window over the tags in order of pushes, signatures and their like among them. */
  window(owner: PackageName, { prefix, direction }: VersionQuery, request: PageRequest): Promise<Answer<Page<Tag>>> {
    if (prefix === null) return this.#window(owner, direction, request);
    return this.#sortedWindow(owner, prefix, direction, request);
  }

  /** The tag that was pushed last, signatures and their like passed over. */
  async newest(owner: PackageName): Promise<Answer<Tag>> {
    const head = await this.#window(owner, "DESC", { first: headSize, after: null });
    if (head.kind !== "FOUND") return head;
    const { rows, hasNext, dropped } = head.value;
    // The row that could not be read may be the newest.
    if (dropped.length > 0 || head.gap !== null) return head.gap ?? unknown("LOST_ROWS");
    const answer = newestOf(rows.map(({ value }) => value));
    if (answer !== null || !hasNext) return answer ?? notListed;
    const list = await this.all(owner);
    if (list.kind !== "FOUND") return list;
    if (list.gap !== null) return list.gap;
    return newestOf(list.value.rows.toSorted(byPush).reverse()) ?? notListed;
  }

  async #readList(owner: PackageName): Promise<Answer<Listed<Tag>>> {
    const { region } = this.#access;
    const read = region.ordered("tags", (inOrder) => {
      const order = inOrder ? "NAME" : "ANY";
      return region.tags((isV3) => readAll(sourceOf(isV3, (at, size) => this.#fetch({ owner, order, at }, size))));
    });
    const list = await absentIfNotFound(read, notListed);
    const isEmpty = list.kind === "FOUND" && list.value.rows.length + list.value.dropped.length === 0;
    return isEmpty ? this.#emptied(owner, list) : list;
  }

  /** What an empty list of tags means: the repository says whether it exists, and how many it has. */
  async #emptied<T>(owner: PackageName, none: Answer<T>): Promise<Answer<T>> {
    const answer = await this.#repository(owner);
    if (answer.kind !== "FOUND") return answer;
    return answer.value.versionCount ? unknown("LOST_ROWS") : none;
  }

  async #readTags(keys: readonly TagKey[], answers: Answers<Tag>): Promise<Answers<Tag>> {
    await Promise.all(
      groupBy(keys, ({ owner }) => repositoryText(owner)).map(async (group) => {
        try {
          const [first] = group;
          const list = first && group.length > 1 ? await this.all(first.owner) : null;
          for (const key of group) {
            answers.set(tagText(key), list ? inList(list, key.tag) : await this.#readSingle(key));
          }
        } catch (error) {
          for (const key of group) answers.set(tagText(key), toError(error));
        }
      }),
    );
    return answers;
  }

  /** From the list where that is read anyway; by a call of its own where the list does not say. */
  async #readSingle(key: TagKey): Promise<Answer<Tag>> {
    if (!this.#listed.has(repositoryText(key.owner))) return this.#readTag(key);
    const list = await this.all(key.owner).catch(() => null);
    const answer = list && inList(list, key.tag);
    return answer === null || answer.kind === "UNKNOWN" ? this.#readTag(key) : answer;
  }

  async #readTag({ owner, tag }: TagKey): Promise<Answer<Tag>> {
    const { backend, client } = this.#access;
    try {
      const answer = await client.getTag(owner, tag);
      if (tagOf(answer) === tag) return found(answer);
      const reason = "another tag than was asked for";
      throw new UpstreamError("MALFORMED", { backend, operation: getTag.name, reason });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const answer = isNamespaceMissing(error) ? noTag : await absentIfNotFound(this.#listedTag(owner, tag), noTag);
      if (answer.kind !== "FOUND") this.#missed.add(repositoryText(owner));
      return answer;
    }
  }

  /** A detail that is missing proves nothing about a tag that the list names: the row of the list will do. */
  async #listedTag(owner: PackageName, tag: string): Promise<Answer<Tag>> {
    const page = await this.#access.client.listTags(owner, "ANY", { limit: headSize, offset: 0 }, tag);
    const row = page.rows.find((one) => tagOf(one) === tag);
    if (row !== undefined) return found(row);
    // The filter may be fuzzy, or be ignored: only the whole list has what it left out.
    const isCut = page.count >= headSize || (page.total !== null && page.total > page.count);
    if (!isCut) return page.dropped.length > 0 ? unknown("LOST_ROWS") : noTag;
    const answer = inList(await this.all(owner), tag);
    return answer.kind === "ABSENT" ? noTag : answer;
  }

  async #fetch({ owner, order, at }: PageKey, size: number): Promise<PageAtCursor<Tag>> {
    const { client } = this.#access;
    if (typeof at === "string") return client.listTagsByMarker(owner, order, at, size);
    return { ...(await client.listTags(owner, order, { limit: size, offset: at * size })), next: null, size };
  }

  /**
   * Each page is read once. One that starts a list is read in the largest size that is asked for in one tick: the
   * newest tag is the head of the first page of tags, so both together are one call.
   */
  async #fetchOnce(key: PageKey, size: number): Promise<PageAtCursor<Tag>> {
    if (key.at) return this.#pages.load({ ...key, size });
    const text = pageText(key);
    this.#headSizes.set(text, Math.max(size, this.#headSizes.get(text) ?? 0));
    const head = await this.#heads.load(key).catch((error: unknown) => {
      // A smaller page than the one that was too large an answer may do.
      if (isTooLarge(error) && size < (this.#headSizes.get(text) ?? 0)) return null;
      throw error;
    });
    if (head?.size === undefined || head.size < size) return this.#pages.load({ ...key, size });
    // A marker stands behind the whole page.
    return key.at === "" || head.count <= size ? head : headOf(head, size);
  }

  /** One page of tags; throws UnsortedAnswer where it is not in the order of pushes that it has to be in. */
  async #page(key: PageKey, size: number, order: PushOrder | null): Promise<PageAtCursor<Tag>> {
    const page = await this.#fetchOnce(key, size);
    if (order !== null) mustBeSorted(page.rows, order);
    return page;
  }

  async #window(owner: PackageName, order: PushOrder, request: PageRequest): Promise<Answer<Page<Tag>>> {
    const { region } = this.#access;
    const isBegun = request.after !== null;
    const byMarker = isCursorPosition(request.after);
    const read = async (isV3: boolean) => {
      // A walk by marker cannot change over: its positions mean nothing to a sorted list.
      const checked = isV3 && isBegun ? null : order;
      const source = sourceOf(isV3, (at, size) => this.#page({ owner, order, at }, size, checked));
      return found(await readWindow(request, source));
    };
    const window = region.ordered("pushes", (inOrder): Promise<Answer<Page<Tag>>> => {
      if (!inOrder && !byMarker) return this.#sortedWindow(owner, "", order, request);
      // A walk ends in the API it began in: its positions mean nothing to the other.
      return isBegun ? read(byMarker) : region.tags(read);
    });
    const answer = await absentIfNotFound(window, notListed);
    return isEmptyStart(answer, request) && answer.gap === null ? this.#emptied(owner, answer) : answer;
  }

  /** The whole list, sorted here: for prefixes, and for regions that do not sort as they are asked to. */
  async #sortedWindow(
    owner: PackageName,
    prefix: string,
    order: PushOrder,
    request: PageRequest,
  ): Promise<Answer<Page<Tag>>> {
    const list = mapAnswer(await this.all(owner), (whole) => {
      const rows = whole.rows.filter((row) => tagOf(row).startsWith(prefix)).sort(byPush);
      return { ...whole, rows: order === "DESC" ? rows.reverse() : rows };
    });
    return windowOf(list, request, tagOf);
  }
}

function sourceOf(
  isV3: boolean,
  read: (at: number | string, size: number) => Promise<PageAtCursor<Tag>>,
): PageSource<Tag> {
  const list = { identity: tagOf, maxSize: largestPage };
  return isV3 ? { ...list, fetchAt: read } : { ...list, fetch: read };
}

function repositoryText({ namespace, name }: PackageName): string {
  return keyText(namespace, name);
}

function tagText({ owner, tag }: TagKey): string {
  return keyText(owner.namespace, owner.name, tag);
}

function pageText({ owner, order, at }: PageKey): string {
  return keyText(owner.namespace, owner.name, order, at);
}

function inList(list: Answer<Listed<Tag>>, tag: string): Answer<Tag> {
  return pick(list, (row) => tagOf(row) === tag, notListed);
}

/** The page as it would have come in the smaller size. */
function headOf(page: PageAtCursor<Tag>, size: number): PageAtCursor<Tag> {
  const dropped = page.dropped.filter(({ index }) => index < size);
  return { ...page, dropped, count: size, rows: page.rows.slice(0, size - dropped.length) };
}

/** The first of rows that are sorted newest first, attachments passed over; unknown where a date is missing. */
function newestOf(rows: readonly Tag[]): Answer<Tag> | null {
  const images = rows.filter((row) => !isAttachmentTag(tagOf(row)));
  const [newest] = images;
  if (newest === undefined) return null;
  const isDated = images.every((row) => pushed(row) !== "");
  return images.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
}

/** Throws UnsortedAnswer where a server that was asked for an order does not keep it: it may not know it. */
function mustBeSorted(rows: readonly TagRow[], order: PushOrder): void {
  let before: string | null = null;
  for (const row of rows) {
    const date = sortableDate(updatedText(row));
    if (date === "") continue;
    const step = before === null ? 0 : compare(before, date);
    if (order === "DESC" ? step < 0 : step > 0) throw new UnsortedAnswer("tags");
    before = date;
  }
}

/** Order of pushes, and of names where two came at once. */
function byPush(one: TagRow, other: TagRow): number {
  return compare(pushed(one), pushed(other)) || compare(tagOf(one), tagOf(other));
}

function pushed(row: TagRow): string {
  return sortableDate(updatedText(row) ?? createdText(row));
}
