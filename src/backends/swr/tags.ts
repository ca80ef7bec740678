import type { Version } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, mapAnswer, unknown } from "../answers.ts";
import type { VersionQuery } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { asError } from "../batches.ts";
import { mapPage, readWindow } from "../paging.ts";
import { type Listing, largestPage, type PushOrder, type Sourced } from "./client.ts";
import { isNamespaceMissing, UnsortedAnswer } from "./dialect.ts";
import { isAttachmentTag, type RepositoryName } from "./keys.ts";
import { createdText, sortableDate, tagOf, toImageVersion, updatedText } from "./mapper.ts";
import type { Access } from "./namespaces.ts";
import { getTag, listTags } from "./operations.ts";
import type { TagRow } from "./payload.ts";
import type { Repositories } from "./repositories.ts";
import {
  compare,
  isEmptyStart,
  type MarkedPage,
  markedPosition,
  pick,
  readMarkedWindow,
  type Whole,
  walkAll,
  walkMarked,
  windowOf,
} from "./walk.ts";

/** A tag's row with its origin. */
type Tag = Sourced<TagRow>;

interface TagKey {
  readonly name: RepositoryName;
  readonly tag: string;
}

const notListed = absent(listTags, "WHOLE_LIST");
const noTag = absent(getTag, "KEYED_READ");

/** Enough to pass over the signature, the attestation and the SBOM of a tag, and to see whether the order was kept. */
const headSize = 10;

/** Opens the tags for one request; equal reads are one call. All reject with an UpstreamError. */
export function createTags({ backend, hosts, client, region, call }: Access, { repository }: Repositories) {
  const textOf = ({ namespace, path }: RepositoryName) => keyText(namespace, path);
  /** Repositories whose whole list is read in this request: it answers single tags of the same tick too. */
  const listed = new Set<string>();
  /** Repositories of tags that do not exist: they may not exist either. */
  const missed = new Set<string>();

  const lists = single<RepositoryName, Answer<Whole<TagRow>>>(
    textOf,
    async (name) => {
      const read = region.ordered("tags", (inOrder) => {
        const order = inOrder ? "NAME" : "ANY";
        return region.tags(
          () => walkMarked((marker) => client.listTagsByMarker(name, order, largestPage, marker), tagOf),
          () => walkAll((range) => client.listTags(name, order, range), tagOf),
        );
      });
      const list = await absentIfNotFound(read, notListed);
      const isEmpty = list.kind === "FOUND" && list.value.rows.length === 0 && list.value.dropped.length === 0;
      return isEmpty ? emptied(name, list) : list;
    },
    { call, backend, operation: listTags.name },
  );

  /** What an empty list of tags means: the repository says whether it exists, and how many it has. */
  async function emptied<T>(name: RepositoryName, none: Answer<T>): Promise<Answer<T>> {
    const owner = await repository(name);
    if (owner.kind !== "FOUND") return owner;
    return owner.value.versionCount ? unknown("LOST_ROWS") : none;
  }

  function all(name: RepositoryName): Promise<Answer<Whole<TagRow>>> {
    listed.add(textOf(name));
    return lists.load(name);
  }

  const tagText = ({ name, tag }: TagKey) => keyText(name.namespace, name.path, tag);
  const tags = batched<TagKey, Tag>(
    tagText,
    async (keys, answers) => {
      const groups = [...Map.groupBy(keys, ({ name }) => textOf(name)).values()];
      await Promise.all(
        groups.map(async (group) => {
          try {
            const [key] = group;
            if (group.length === 1 && key) answers.set(tagText(key), await readOne(key));
            else if (key) {
              const list = await all(key.name);
              for (const one of group) answers.set(tagText(one), inList(list, one.tag));
            }
          } catch (error) {
            for (const key of group) answers.set(tagText(key), asError(error));
          }
        }),
      );
      return answers;
    },
    { by: { call, backend, operation: getTag.name } },
  );

  /** A tag from the list that is read anyway, or by its own call where there is none or the list does not say. */
  async function readOne(key: TagKey): Promise<Answer<Tag>> {
    if (!listed.has(textOf(key.name))) return readTag(key);
    const list = await all(key.name).catch(() => null);
    const answer = list && inList(list, key.tag);
    return answer === null || answer.kind === "UNKNOWN" ? readTag(key) : answer;
  }

  function inList(list: Answer<Whole<TagRow>>, tag: string): Answer<Tag> {
    if (list.kind !== "FOUND") return list;
    const { origin } = list.value;
    return mapAnswer(
      pick(list, (row) => tagOf(row) === tag, notListed),
      (row) => ({ row, origin }),
    );
  }

  async function readTag({ name, tag }: TagKey): Promise<Answer<Tag>> {
    try {
      const answer = await client.getTag(name, tag);
      if (tagOf(answer.row) === tag) return found(answer);
      const reason = "another tag than was asked for";
      throw new UpstreamError("MALFORMED", { backend, operation: getTag.name, reason });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const answer = isNamespaceMissing(error) ? noTag : await absentIfNotFound(named(name, tag), noTag);
      if (answer.kind !== "FOUND") missed.add(textOf(name));
      return answer;
    }
  }

  /** A detail that is missing proves nothing about a tag that the list names: the row of the list will do. */
  async function named(name: RepositoryName, tag: string): Promise<Answer<Tag>> {
    const page = await client.listTags(name, "ANY", { limit: headSize, offset: 0 }, tag);
    const row = page.rows.find((one) => tagOf(one) === tag);
    if (row !== undefined) return found({ row, origin: page.origin });
    // The filter may be fuzzy, or be ignored: only the whole list has what it left out.
    const isCut = page.count >= headSize || (page.total !== null && page.total > page.count);
    if (!isCut) return page.dropped.length > 0 ? unknown("LOST_ROWS") : noTag;
    const answer = inList(await all(name), tag);
    return answer.kind === "ABSENT" ? noTag : answer;
  }

  // Pages that start a list are read once, in the largest size that is asked for: the newest tag is the head of the first
  // page of tags, so both together are one call.
  const byOffset = startingOnce<number, Listing<TagRow>>(0, ({ name, order, at, size }) =>
    client.listTags(name, order, { limit: size, offset: at * size }),
  );
  const byMarker = startingOnce<string, MarkedPage<TagRow>>("", async ({ name, order, at, size }) => {
    const page = await client.listTagsByMarker(name, order, size, at === "" ? null : at);
    return { ...page, marker: at, size };
  });

  async function window(name: RepositoryName, order: PushOrder, request: PageRequest): Promise<Answer<Page<Tag>>> {
    const isMarked = request.after?.[0] === markedPosition;
    const offsetWindow = async (): Promise<Answer<Page<Tag>>> => {
      const page = await readWindow<Tag>(request, {
        fetch: async (at, size) => {
          const answer = headOf(await byOffset({ name, order, at, size }), size);
          mustBeSorted(answer.rows, order);
          return { ...answer, rows: answer.rows.map((row) => ({ row, origin: answer.origin })) };
        },
        identity: ({ row }) => tagOf(row),
        maxSize: largestPage,
      });
      return found(page);
    };
    const markedWindow = async (): Promise<Answer<Page<Tag>>> => {
      const page = await readMarkedWindow<Tag>(
        request,
        ({ row }) => tagOf(row),
        async (at, size) => {
          const answer = await byMarker({ name, order, at, size });
          // A walk that has begun cannot change over: its positions mean nothing to a sorted list.
          if (request.after === null) mustBeSorted(answer.rows, order);
          return { ...answer, rows: answer.rows.map((row) => ({ row, origin: answer.origin })) };
        },
      );
      return found(page);
    };
    const read = region.ordered("pushes", (inOrder) => {
      // A walk ends in the API it began in: its positions mean nothing to the other.
      if (isMarked) return markedWindow();
      if (!inOrder) return sortedWindow(name, "", order, request);
      return request.after === null ? region.tags(markedWindow, offsetWindow) : offsetWindow();
    });
    const answer = await absentIfNotFound(read, notListed);
    return isEmptyStart(answer, request) && answer.gap === null ? emptied(name, answer) : answer;
  }

  /** The whole list, sorted here: for prefixes, and for regions that do not sort as they were asked to. */
  async function sortedWindow(
    name: RepositoryName,
    prefix: string,
    order: PushOrder,
    request: PageRequest,
  ): Promise<Answer<Page<Tag>>> {
    const list = mapAnswer(await all(name), (whole) => {
      const rows = whole.rows.filter((row) => tagOf(row).startsWith(prefix)).sort(byPush);
      return { ...whole, rows: order === "DESC" ? rows.reverse() : rows };
    });
    if (list.kind !== "FOUND") return list;
    const { origin } = list.value;
    return mapAnswer(windowOf(list, request, tagOf), (page) => mapPage(page, (row) => ({ row, origin })));
  }

  async function newest(name: RepositoryName): Promise<Answer<Tag>> {
    const head = await window(name, "DESC", { first: headSize, after: null });
    if (head.kind !== "FOUND") return head;
    const { rows, hasNext, dropped } = head.value;
    // The row that could not be read may be the newest.
    if (dropped.length > 0 || head.gap !== null) return head.gap ?? unknown("LOST_ROWS");
    const answer = newestOf(rows.map(({ value }) => value));
    if (answer !== null || !hasNext) return answer ?? notListed;
    const list = await all(name);
    if (list.kind !== "FOUND") return list;
    if (list.gap !== null) return list.gap;
    const { rows: tags, origin } = list.value;
    const sorted = tags.toSorted(byPush).reverse();
    return newestOf(sorted.map((row) => ({ row, origin }))) ?? notListed;
  }

  const toVersion = (name: RepositoryName, { row, origin }: Tag) => toImageVersion(row, name, hosts, origin);

  return {
    /** Several tags of one repository asked together are one call. */
    tag: (name: RepositoryName, tag: string) => tags.load({ name, tag }),
    /** Whether a tag of this repository was asked for and does not exist: then the repository may not exist either. */
    isMissed: (name: RepositoryName) => missed.has(textOf(name)),
    /** All tags. */
    all,
    version: async (name: RepositoryName, tag: string) =>
      mapAnswer(await tags.load({ name, tag }), (answer) => toVersion(name, answer)),
    /** A window over the tags in order of pushes. */
    versions: async (
      name: RepositoryName,
      { prefix, direction }: VersionQuery,
      request: PageRequest,
    ): Promise<Answer<Page<Version>>> => {
      const page = await (prefix === null
        ? window(name, direction, request)
        : sortedWindow(name, prefix, direction, request));
      return mapAnswer(page, (rows) => mapPage(rows, (tag) => toVersion(name, tag)));
    },
    /** The tag that was pushed last, signatures and their like passed over. */
    newest: async (name: RepositoryName) => mapAnswer(await newest(name), (tag) => toVersion(name, tag)),
  };
}

interface PageKey<P> {
  readonly name: RepositoryName;
  readonly order: PushOrder;
  /** Where the page begins: its zero-based number, or its marker, empty for the first. */
  readonly at: P;
  readonly size: number;
}

/** Reads pages; those that start a list (`at` is `start`) once for all sizes that are asked for together. */
function startingOnce<P extends string | number, L>(start: P, fetch: (key: PageKey<P>) => Promise<L>) {
  const text = ({ name, order, at, size }: PageKey<P>) => keyText(name.namespace, name.path, order, at, size);
  const loader = batched<PageKey<P>, L>(text, async (keys, answers) => {
    const groups = Map.groupBy(keys, (key) => text(key.at === start ? { ...key, size: 0 } : key));
    await Promise.all(
      [...groups.values()].map(async (group) => {
        const largest = group.reduce((one, other) => (other.size > one.size ? other : one));
        const answer = await fetch(largest).then(found, asError);
        for (const key of group) answers.set(text(key), answer);
      }),
    );
    return answers;
  });
  return async (key: PageKey<P>): Promise<L> => {
    const page = await loader.load(key);
    if (page.kind !== "FOUND") throw new RangeError("a page that was asked for has an answer");
    return page.value;
  };
}

/** The page as it would have come in the smaller size. */
function headOf<T>(page: Listing<T>, size: number): Listing<T> {
  if (page.count <= size) return page;
  const dropped = page.dropped.filter(({ index }) => index < size);
  return { ...page, dropped, count: size, rows: page.rows.slice(0, size - dropped.length) };
}

/** The first of rows that are sorted newest first, attachments passed over; unknown where a date is missing. */
function newestOf(rows: readonly Tag[]): Answer<Tag> | null {
  const images = rows.filter(({ row }) => !isAttachmentTag(tagOf(row)));
  const [newest] = images;
  if (newest === undefined) return null;
  const isDated = images.every(({ row }) => pushed(row) !== "");
  return images.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
}

/** Throws UnsortedAnswer where a server that was asked for an order did not keep it: it may not know it. */
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
