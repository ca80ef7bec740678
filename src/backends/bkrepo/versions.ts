import type { DroppedRow } from "../../model/backend.ts";
import type { PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest, Row } from "../../model/page.ts";
import type { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, foundAny, impossible, mapAnswer, unknown } from "../answers.ts";
import type { VersionQuery } from "../backend.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { asError, groupBy } from "../batches.ts";
import { keepRows, readWindow, type UpstreamPage } from "../paging.ts";
import { getPackage, pageVersions } from "./client.ts";
import { childPrefix, toVersion } from "./mapper.ts";
import { newestOf } from "./newest.ts";
import { isImageKey, keepsFloatingTags } from "./package-key.ts";
import { packageText } from "./package-window.ts";
import type { PackageLoaders } from "./packages.ts";
import { countsExactly, plainPrefix } from "./plain-text.ts";
import { parseRepository, type Repository } from "./repository.ts";
import { largestPage, placeOf, unreadable, type View } from "./view.ts";

/** How this request reads versions. */
export interface VersionLoaders {
  readonly byRef: Loader<VersionRef, Answer<Version>>;
  readonly page: (ref: PackageRef, filter: VersionQuery, request: PageRequest) => Promise<Answer<Page<Version>>>;
  readonly latest: (ref: PackageRef) => Promise<Answer<Version>>;
  /** Every version whose name begins so, as far as 1000 rows tell. */
  readonly beginning: (ref: PackageRef, prefix: string) => Promise<Answer<readonly Version[]>>;
  /** Every version, children of multi-arch images among them, newest first, as far as 1000 rows tell. */
  readonly whole: (ref: PackageRef) => Promise<Answer<readonly Version[]>>;
}

/** The text that tells two version references apart. */
export function versionText({ package: { repository, key }, version }: VersionRef): string {
  return keyText(repository, key, version);
}

interface Target {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

interface Filter {
  readonly prefix: string | null;
  /** All of these, with their `@`. */
  readonly stages: readonly string[];
  readonly direction: "ASC" | "DESC";
}

/** Pages of this size look for a name among those that merely begin like it. */
const searchSize = 100;

/** After so many pages of a name's namesakes nobody is looking for a version any more. */
const mostSearchPages = 25;

/** The most pages of 200 rows that are read where a whole list is wanted. */
const mostWholePages = 5;

/** The least page of an image's versions: one push for many platforms writes a version for each of them. */
const leastImagePage = 20;

/** Rows by which the order is checked before its head is called the newest. */
const latestSize = 5;

const operation = pageVersions.name;
const noRepository = absent(pageVersions, "KEYED_READ");
const notAmongThem = absent(pageVersions, "COMPLETE_FILTER");

/** Loaders that share one request's answers. */
export function versionLoaders(view: View, packages: PackageLoaders): VersionLoaders {
  const { client, settings, call } = view;

  const byRef = batched<VersionRef, Version>(
    versionText,
    async (refs, answers) => {
      await Promise.all(
        groupBy(refs, (ref) => packageText(ref.package)).map(async (group) => {
          const target = targetOf(group[0]?.package);
          const names = group.map((ref) => ref.version).filter((name) => name !== "");
          const answered =
            target === null || names.length === 0 ? new Map() : await namesOf(target, names).catch(asError);
          for (const ref of group) {
            const answer = answered instanceof Error ? answered : answered.get(ref.version);
            // The server's own rules allow no such repository, no empty key and no empty name.
            answers.set(versionText(ref), answer ?? impossible);
          }
        }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation } },
  );

  /** Versions by exact name: one page of what begins like all of them answers most; what is left is asked for alone. */
  async function namesOf(target: Target, names: readonly string[]): Promise<Map<string, Answer<Version> | Error>> {
    const answers = new Map<string, Answer<Version> | Error>();
    const left = new Set(names);
    if (left.size > 1) {
      const filter: Filter = { prefix: commonPrefix(names), stages: [], direction: "DESC" };
      const answer = await absentIfNotFound(fetchPage(target, filter, 0, largestPage).then(found), noRepository);
      if (answer.kind !== "FOUND") return new Map(names.map((name) => [name, answer]));
      const { rows, count, total, dropped } = answer.value;
      for (const row of rows) if (left.delete(row.name)) answers.set(row.name, found(row));
      const isRead = total !== null && count >= total;
      if (isRead) {
        const isWhole = dropped.length === 0 && new Set(rows.map((row) => row.name)).size >= total;
        for (const name of left) answers.set(name, isWhole ? notAmongThem : lostRow());
        return answers;
      }
    }
    await Promise.all(
      [...left].map(async (name) => {
        answers.set(name, await absentIfNotFound(nameOf(target, name), noRepository).catch(asError));
      }),
    );
    return answers;
  }

  // The server matches the beginning of a name. Oldest first, because `1.0` is older than most that begin with it.
  async function nameOf(target: Target, name: string): Promise<Answer<Version>> {
    const size = plainPrefix(name) === name ? searchSize : largestPage;
    const seen = new Set<string>();
    let dropped = 0;
    for (let index = 0; index < mostSearchPages; index++) {
      const page = await fetchPage(target, { prefix: name, stages: [], direction: "ASC" }, index, size);
      const version = page.rows.find((row) => row.name === name);
      if (version) return found(version);
      const before = seen.size + dropped;
      for (const row of page.rows) seen.add(row.name);
      dropped += page.dropped.length;
      if (page.total !== null && seen.size + dropped >= page.total) {
        if (dropped > 0) throw lostRow();
        return notAmongThem;
      }
      // A server that does not page answers the same rows again and again.
      if (seen.size + dropped === before) throw lostRow();
    }
    return unknown("UNREAD");
  }

  function lostRow(): UpstreamError {
    return unreadable(view, operation, "rows of the answer are missing");
  }

  /**
   * One page as the server answers it, `index` from 0: it holds at least what the filter matches. Rejects (NOT_FOUND)
   * where there is no such repository.
   */
  async function fetchPage(
    { ref, repository }: Target,
    { prefix, stages, direction }: Filter,
    index: number,
    pageSize: number,
  ): Promise<UpstreamPage<Version>> {
    const answer = await client.pageVersions(
      repository,
      ref.key,
      {
        // Empty texts match everything (version) or nothing (stageTag) there: none is sent.
        prefix: plainPrefix(prefix ?? "") || null,
        stage: stages.join(",") || null,
        direction,
        pageNumber: index + 1,
        pageSize,
      },
      call,
    );
    const place = placeOf(view, repository, ref.key, answer);
    const { dropped, count, total } = answer.value;
    const floating = keepsFloatingTags(ref.key) ? () => floatingTags(ref) : null;
    return {
      rows: answer.value.rows.map((row) => toVersion(row, place, floating)),
      count,
      dropped,
      total,
      origin: answer.origin,
    };
  }

  /** Asks for the package unless this request has it already. */
  async function floatingTags(ref: PackageRef): Promise<ReadonlyMap<string, string>> {
    const owner = await packages.byRef.load(ref);
    if (owner.kind === "FOUND") return owner.value.floating;
    if (owner.kind === "UNKNOWN" && owner.failure) throw owner.failure;
    throw unreadable(view, getPackage.name, "a package whose versions are listed");
  }

  const topPages = single(
    ({ target, first }: { target: Target; first: number }) => keyText(packageText(target.ref), first),
    ({ target, first }) => window(target, newestFirst, { first, after: null }),
  );

  /**
   * Windows at the top of the unfiltered list, where `latest` and `versions` meet: one page of the largest serves all. What
   * is batched is the choice of that page; each package has its own, and waits for no other's.
   */
  const tops = batched<Target & { readonly first: number }, () => Promise<Answer<Page<Version>>>>(
    ({ ref, first }) => keyText(packageText(ref), first),
    async (wanted) => {
      const answers = new Map<string, Answer<() => Promise<Answer<Page<Version>>>>>();
      for (const group of groupBy(wanted, ({ ref }) => packageText(ref))) {
        const [target] = group;
        if (target === undefined) continue;
        const most = group.reduce((largest, { first }) => Math.max(largest, first), 0);
        for (const { ref, first } of group) {
          const read = async () =>
            mapAnswer(await topPages.load({ target, first: most }), (whole) => shorten(whole, first));
          answers.set(keyText(packageText(ref), first), found(read));
        }
      }
      return answers;
    },
  );

  async function topOf(wanted: Target & { readonly first: number }): Promise<Answer<Page<Version>>> {
    const chosen = await tops.load(wanted);
    return chosen.kind === "FOUND" ? chosen.value() : chosen;
  }

  const windows = single(
    ({ target, filter, request }: { target: Target; filter: Filter; request: PageRequest }) =>
      keyText(
        packageText(target.ref),
        filter.prefix,
        filter.stages.join(),
        filter.direction,
        request.first,
        ...(request.after ?? []),
      ),
    ({ target, filter, request }) => window(target, filter, request),
    { call, backend: settings.name, operation },
  );

  async function window(target: Target, filter: Filter, request: PageRequest): Promise<Answer<Page<Version>>> {
    const { prefix } = filter;
    // Whoever asks for children by their prefix gets them.
    const hides = isImageKey(target.ref.key) && !prefix?.startsWith(childPrefix);
    const isWide = prefix !== null && !countsExactly(prefix);
    const read = hides || isWide ? sifted(target, filter, request, hides) : plain(target, filter, request);
    const answer = await absentIfNotFound(read.then(found), noRepository);
    byRef.primeLater(() => {
      if (answer.kind !== "FOUND") return;
      for (const { value } of answer.value.rows) byRef.prime(value.ref, found(value));
    });
    return answer;
  }

  function plain(target: Target, filter: Filter, request: PageRequest): Promise<Page<Version>> {
    return readWindow(request, {
      maxSize: largestPage,
      identity: (row: Version) => row.name,
      fetch: (index, size) =>
        fetchPage(target, filter, index, size).then((page) => keepRows(page, (row) => isMatch(row, filter))),
    });
  }

  /**
   * A window over rows of which some do not count, read in larger pieces: the children of multi-arch images, and what the
   * server's filter matches beyond the prefix.
   */
  async function sifted(target: Target, filter: Filter, request: PageRequest, hides: boolean): Promise<Page<Version>> {
    const sent = plainPrefix(filter.prefix ?? "");
    const isCut = sent !== (filter.prefix ?? "");
    const size = isCut ? largestPage : Math.min(largestPage, Math.max(leastImagePage, 2 * request.first));
    const walked: Filter = { ...filter, prefix: sent || null };
    const rows: Row<Version>[] = [];
    const dropped: DroppedRow[] = [];
    let { after } = request;
    for (;;) {
      const page = await plain(target, walked, { first: size, after });
      for (const row of page.rows) {
        if (isMatch(row.value, filter) && !(hides && row.value.name.startsWith(childPrefix))) rows.push(row);
      }
      for (const row of page.dropped) dropped.push(row);
      after = page.rows[page.rows.length - 1]?.position ?? null;
      // One row more than asked for proves that another page follows; what is left may not count.
      if (rows.length > request.first || !page.hasNext || after === null) {
        return {
          rows: rows.slice(0, request.first),
          hasNext: rows.length > request.first,
          // Whoever has seen the list from end to end has counted it.
          total:
            request.after === null && !page.hasNext && dropped.length === 0
              ? rows.length
              : () => siftedTotal(target, filter, hides, page.total),
          origin: page.origin,
          dropped,
        };
      }
    }
  }

  // A tag cannot hold a colon, so the rows that begin with `sha256:` are the children, and the server can count them.
  async function siftedTotal(
    target: Target,
    filter: Filter,
    hides: boolean,
    total: Page<Version>["total"],
  ): Promise<number | null> {
    if (filter.prefix !== null && !countsExactly(filter.prefix)) return countOf(target, filter, hides);
    if (typeof total !== "number") return null;
    if (filter.prefix !== null && !childPrefix.startsWith(filter.prefix)) return total;
    const children = await fetchPage(target, { ...filter, prefix: childPrefix }, 0, 1);
    return children.total === null ? null : Math.max(0, total - children.total);
  }

  /** What the server cannot count is counted here; null where that is too much to read. */
  async function countOf(target: Target, filter: Filter, hides: boolean): Promise<number | null> {
    const { rows, isWhole } = await readAll(target, filter);
    return isWhole ? rows.filter(({ name }) => !(hides && name.startsWith(childPrefix))).length : null;
  }

  /** All rows of a filter, compared again, as far as 1000 of the server's rows tell. */
  async function readAll(
    target: Target,
    filter: Filter,
  ): Promise<{ readonly rows: readonly Version[]; readonly isWhole: boolean; readonly isLost: boolean }> {
    const rows = new Map<string, Version>();
    let counted = 0;
    let isLost = false;
    for (let index = 0; index < mostWholePages; index++) {
      const page = await fetchPage(target, filter, index, largestPage);
      for (const row of page.rows) rows.set(row.name, row);
      counted += page.count;
      isLost ||= page.dropped.length > 0;
      const isEnd = page.total === null ? page.count < largestPage : counted >= page.total;
      if (isEnd || page.count === 0) {
        const all = [...rows.values()];
        const isComplete = page.total === null || all.length >= page.total;
        return { rows: all.filter((row) => isMatch(row, filter)), isWhole: isEnd && isComplete && !isLost, isLost };
      }
    }
    return { rows: [...rows.values()].filter((row) => isMatch(row, filter)), isWhole: false, isLost };
  }

  async function allOf(ref: PackageRef, prefix: string | null): Promise<Answer<readonly Version[]>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const filter: Filter = { prefix, stages: [], direction: "DESC" };
    const read = readAll(target, filter).then(({ rows, isWhole, isLost }) => {
      const gap = isWhole ? null : isLost ? unknown("LOST_ROWS") : unknown("UNREAD");
      const nothing = prefix === null ? absent(pageVersions, "WHOLE_LIST") : notAmongThem;
      return foundAny(rows, nothing, gap);
    });
    return absentIfNotFound(read, noRepository);
  }

  async function page(ref: PackageRef, filter: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const asked: Filter = {
      prefix: filter.prefix || null,
      stages: stageTags(filter.stage),
      direction: filter.direction,
    };
    const isTop =
      request.after === null && asked.prefix === null && asked.stages.length === 0 && asked.direction === "DESC";
    const answer = isTop
      ? await topOf({ ...target, first: request.first })
      : await windows.load({ target, filter: asked, request });
    if (answer.kind !== "FOUND" || request.after !== null) return answer;
    if (answer.value.rows.length > 0 || answer.value.dropped.length > 0) return answer;
    // An unknown package is answered as one without versions: the package itself is asked for.
    const owner = await packages.byRef.load(ref);
    return owner.kind === "FOUND" ? answer : owner;
  }

  async function latest(ref: PackageRef): Promise<Answer<Version>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    return newestOf({
      isImage: isImageKey(ref.key),
      top: () => topOf({ ...target, first: latestSize }),
      next: (after) => windows.load({ target, filter: newestFirst, request: { first: searchSize, after } }),
      lost: lostRow,
    });
  }

  return {
    byRef,
    page,
    latest,
    beginning: (ref, prefix) => allOf(ref, prefix),
    whole: (ref) => allOf(ref, null),
  };
}

const newestFirst: Filter = { prefix: null, stages: [], direction: "DESC" };

function targetOf(ref: PackageRef | undefined): Target | null {
  if (ref === undefined || ref.key === "") return null;
  const repository = parseRepository(ref.repository);
  return repository === null ? null : { ref, repository };
}

/** The filter once more: what a server matches more loosely than we promise does not get through. */
function isMatch({ name, stages }: Version, filter: Filter): boolean {
  return name.startsWith(filter.prefix ?? "") && filter.stages.every((stage) => stages.includes(stage));
}

/** Stored stage tags begin with `@`; without it, as the vendor's documents write them, nothing matches. */
function stageTags(text: string | null): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "")
    .map((tag) => (tag.startsWith("@") ? tag : `@${tag}`));
}

/** The beginning of all names; null when they share none, which filters nothing. */
function commonPrefix(names: readonly string[]): string | null {
  const [first = "", ...rest] = names;
  let length = first.length;
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length) || null;
}

/** The beginning of a window that was cut for somebody who wanted more. */
function shorten(page: Page<Version>, first: number): Page<Version> {
  return page.rows.length <= first ? page : { ...page, rows: page.rows.slice(0, first), hasNext: true };
}
