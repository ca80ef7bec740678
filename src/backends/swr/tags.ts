import type { Page, PageRequest } from "../../model/page.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, mapAnswer, unknown } from "../answers.ts";
import { batched, keyText, single } from "../batch.ts";
import { mapPage, readWindow, sliceWindow, type UpstreamPage } from "../paging.ts";
import type { Access } from "./access.ts";
import {
  type Direction,
  getTag,
  largestPage,
  listTags,
  type RepositoryName,
  type Stretch,
  type Told,
} from "./client.ts";
import { createdText, sortableDate, tagOf, updatedText } from "./mapper.ts";
import { isAttachmentTag } from "./names.ts";
import { compare, pick, toError } from "./package-leg.ts";
import type { TagRow } from "./payload.ts";
import { UnsortedAnswer } from "./region.ts";
import type { Repositories } from "./repositories.ts";
import { createTagPages } from "./tag-pages.ts";
import { isNamespaceMissing } from "./verdict.ts";
import { markedPosition, readMarkedWindow, type Whole, walkAll, walkMarked } from "./walk.ts";

/** Tags of one request; equal questions are one call. All reject with an UpstreamError. */
export interface Tags {
  /** Several tags of one repository asked together are one call. */
  readonly tag: (name: RepositoryName, tag: string) => Promise<Answer<Told<TagRow>>>;
  /** Whether a tag of this repository was asked for and is not there: then the repository may not be there either. */
  readonly isMissed: (name: RepositoryName) => boolean;
  /** All tags. */
  readonly all: (name: RepositoryName) => Promise<Answer<Whole<TagRow>>>;
  /** A window over the tags in order of pushes. */
  readonly window: (
    name: RepositoryName,
    direction: Direction,
    request: PageRequest,
  ) => Promise<Answer<Page<Told<TagRow>>>>;
  /** The tag that was pushed last, signatures and their like passed over. */
  readonly newest: (name: RepositoryName) => Promise<Answer<Told<TagRow>>>;
}

const notListed = absent(listTags, "WHOLE_LIST");
const noTag = absent(getTag, "KEYED_READ");

/** Enough to pass over the signature, the attestation and the SBOM of a tag, and to see whether the order was kept. */
const headSize = 10;

/** Opens the tags for one request. */
export function createTags({ backend, client, region, call }: Access, { repository }: Repositories): Tags {
  const textOf = ({ namespace, path }: RepositoryName) => keyText(namespace, path);
  const wanted = new Set<string>();
  const missed = new Set<string>();

  const lists = single<RepositoryName, Answer<Whole<TagRow>>>(
    textOf,
    (name) => {
      const read = (order: "NAME" | "ANY") =>
        region.tags(
          () => walkMarked((marker) => client.listTagsByMarker(name, order, largestPage, marker, call), tagOf),
          () => walkAll((stretch: Stretch) => client.listTags(name, order, stretch, call), tagOf),
        );
      return absentIfNotFound(
        region
          .ordered(
            "tags",
            () => read("NAME"),
            () => read("ANY"),
          )
          .then((whole) => (whole.count === 0 ? emptied(name, found(whole, whole.gap)) : found(whole, whole.gap))),
        notListed,
      );
    },
    { call, backend, operation: listTags.name },
  );

  /** What an empty list of tags means: the repository says whether it is there, and how many it holds. */
  async function emptied<T>(name: RepositoryName, none: Answer<T>): Promise<Answer<T>> {
    const place = await repository(name);
    if (place.kind !== "FOUND") return place;
    return place.value.versionCount ? unknown("LOST_ROWS") : none;
  }

  function all(name: RepositoryName): Promise<Answer<Whole<TagRow>>> {
    // Whoever asks for a tag of it in this tick is answered by the list.
    wanted.add(textOf(name));
    return lists.load(name);
  }

  interface TagKey {
    readonly name: RepositoryName;
    readonly tag: string;
  }
  const tagText = ({ name, tag }: TagKey) => keyText(name.namespace, name.path, tag);
  const tags = batched<TagKey, Told<TagRow>>(
    tagText,
    async (keys, answers) => {
      const groups = [...Map.groupBy(keys, ({ name }) => textOf(name)).values()];
      await Promise.all(
        groups.map((group) =>
          ask(group).catch((error: unknown) => {
            for (const key of group) answers.set(tagText(key), toError(error));
          }),
        ),
      );
      return answers;

      async function ask(group: readonly TagKey[]): Promise<void> {
        const [key] = group;
        if (key === undefined) return;
        const isAlone = group.length === 1;
        if (isAlone && !wanted.has(textOf(key.name))) return void answers.set(tagText(key), await readTag(key));
        const list = await all(key.name).catch((error: unknown) => {
          if (!isAlone) throw error;
          return null;
        });
        // The list was read for another's sake: the tag itself may be had where that is not whole.
        const isOpen = isAlone && (list === null || inList(list, key.tag).kind === "UNKNOWN");
        if (isOpen) return void answers.set(tagText(key), await readTag(key));
        for (const one of group) answers.set(tagText(one), inList(list, one.tag));
      }
    },
    { by: { call, backend, operation: getTag.name } },
  );

  function inList(list: Answer<Whole<TagRow>> | null, tag: string): Answer<Told<TagRow>> {
    if (list === null) return unknown("LEFT_OUT");
    const row = pick(list, (one) => tagOf(one) === tag, notListed);
    return row.kind === "FOUND" && list.kind === "FOUND"
      ? found({ row: row.value, origin: list.value.origin })
      : row.kind === "FOUND"
        ? notListed
        : row;
  }

  async function readTag({ name, tag }: TagKey): Promise<Answer<Told<TagRow>>> {
    try {
      const told = await client.getTag(name, tag, call);
      if (tagOf(told.row) === tag) return found(told);
      const reason = "another tag than was asked for";
      throw new UpstreamError("MALFORMED", { backend, operation: getTag.name, reason });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const answer = isNamespaceMissing(error) ? noTag : await named(name, tag);
      if (answer.kind !== "FOUND") missed.add(textOf(name));
      return answer;
    }
  }

  /** A detail that is not there for what the list names says nothing: the list's own row tells as much. */
  function named(name: RepositoryName, tag: string): Promise<Answer<Told<TagRow>>> {
    const stretch = { limit: headSize, offset: 0 };
    const read = client.listTags(name, "ANY", stretch, call, tag).then(async (page): Promise<Answer<Told<TagRow>>> => {
      const row = page.rows.find((one) => tagOf(one) === tag);
      if (row !== undefined) return found({ row, origin: page.origin });
      // The filter may be fuzzy, or no filter at all: what it left out is told by the whole list only.
      const isCut = page.count >= headSize || (page.total !== null && page.total > page.count);
      if (!isCut) return page.dropped.length > 0 ? unknown("LOST_ROWS") : noTag;
      const answer = inList(await all(name), tag);
      return answer.kind === "ABSENT" ? noTag : answer;
    });
    return absentIfNotFound(read, noTag);
  }

  const pages = createTagPages(client, call);

  function offsetWindow(name: RepositoryName, direction: Direction, request: PageRequest) {
    return readWindow<Told<TagRow>>(request, {
      fetch: async (page, size): Promise<UpstreamPage<Told<TagRow>>> => {
        const answer = await pages.byOffset({ name, direction, at: page, size });
        mustBeSorted(answer.rows, direction);
        return { ...answer, rows: answer.rows.map((row) => ({ row, origin: answer.origin })) };
      },
      identity: ({ row }) => tagOf(row),
      maxSize: largestPage,
    });
  }

  function markedWindow(name: RepositoryName, direction: Direction, request: PageRequest) {
    return readMarkedWindow<Told<TagRow>>(
      request,
      ({ row }) => tagOf(row),
      async (marker, size) => {
        const answer = await pages.byMarker({ name, direction, at: marker, size });
        // A walk that has begun cannot change over: its positions mean nothing to a sorted list.
        if (request.after === null) mustBeSorted(answer.rows, direction);
        return { ...answer, rows: answer.rows.map((row) => ({ row, origin: answer.origin })) };
      },
    );
  }

  /** The whole list, sorted here: for regions that do not sort, or not as they were asked to. */
  async function sortedWindow(
    name: RepositoryName,
    direction: Direction,
    request: PageRequest,
  ): Promise<Answer<Page<Told<TagRow>>>> {
    const list = await all(name);
    return mapAnswer(list, (whole) => {
      const rows = whole.rows.toSorted(byPush);
      if (direction === "DESC") rows.reverse();
      const page = sliceWindow(request, rows, tagOf, whole);
      const told = mapPage(page, (row) => ({ row, origin: whole.origin }));
      return whole.gap === null ? told : { ...told, total: null };
    });
  }

  const window: Tags["window"] = async (name, direction, request) => {
    const byOffset = async () => found(await offsetWindow(name, direction, request));
    const byMarker = async () => found(await markedWindow(name, direction, request));
    const inOrder = () => {
      // A walk ends in the API it began in: its positions mean nothing to the other.
      if (request.after !== null) return request.after[0] === markedPosition ? byMarker() : byOffset();
      return region.tags(byMarker, byOffset);
    };
    const sorted = () => (request.after?.[0] === markedPosition ? byMarker() : sortedWindow(name, direction, request));
    const answer = await absentIfNotFound(region.ordered("pushes", inOrder, sorted), notListed);
    const isEmpty =
      answer.kind === "FOUND" &&
      answer.gap === null &&
      answer.value.rows.length === 0 &&
      answer.value.dropped.length === 0 &&
      request.after === null;
    return isEmpty ? emptied(name, answer) : answer;
  };

  return {
    tag: (name, tag) => tags.load({ name, tag }),
    isMissed: (name) => missed.has(textOf(name)),
    all,
    window,
    newest: async (name) => {
      const head = await window(name, "DESC", { first: headSize, after: null });
      if (head.kind !== "FOUND") return head;
      const { rows, hasNext, dropped } = head.value;
      // The row that could not be read may be the newest.
      if (dropped.length > 0 || head.gap !== null) return head.gap ?? unknown("LOST_ROWS");
      const newest = newestOf(rows.map(({ value }) => value));
      if (newest !== null || !hasNext) return newest ?? notListed;
      const list = await all(name);
      if (list.kind !== "FOUND" || list.gap !== null) return list.kind === "FOUND" ? (list.gap ?? notListed) : list;
      const { origin } = list.value;
      return (
        newestOf(
          list.value.rows
            .toSorted(byPush)
            .reverse()
            .map((row) => ({ row, origin })),
        ) ?? notListed
      );
    },
  };
}

/** The first of rows that are sorted newest first, attachments passed over; unknown where a date is missing. */
function newestOf(rows: readonly Told<TagRow>[]): Answer<Told<TagRow>> | null {
  const images = rows.filter(({ row }) => !isAttachmentTag(tagOf(row)));
  const [newest] = images;
  if (newest === undefined) return null;
  const isDated = images.every(({ row }) => pushed(row) !== "");
  return images.length > 1 && !isDated ? unknown("UNCHECKED_ORDER") : found(newest);
}

/** Throws UnsortedAnswer where a server that was asked for an order did not keep it: it may not know it. */
function mustBeSorted(rows: readonly TagRow[], direction: Direction): void {
  let before: string | null = null;
  for (const row of rows) {
    const date = sortableDate(updatedText(row));
    if (date === "") continue;
    const step = before === null ? 0 : compare(before, date);
    if (direction === "DESC" ? step < 0 : step > 0) throw new UnsortedAnswer("tags");
    before = date;
  }
}

/** Order of pushes, and of names where two came at once. */
export function byPush(one: TagRow, other: TagRow): number {
  return compare(pushed(one), pushed(other)) || compare(tagOf(one), tagOf(other));
}

function pushed(row: TagRow): string {
  return sortableDate(updatedText(row) ?? createdText(row));
}
