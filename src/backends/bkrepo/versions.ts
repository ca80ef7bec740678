import type { DroppedRow } from "../../model/backend.ts";
import type { PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest, Row } from "../../model/page.ts";
import { isNotFound, type UpstreamError } from "../../upstream/errors.ts";
import type { VersionQuery } from "../backend.ts";
import { batched, keyText, type Loader, single } from "../batch.ts";
import { readWindow, type UpstreamPage } from "../paging.ts";
import { childPrefix, toVersion } from "./mapper.ts";
import { isImageKey } from "./package-key.ts";
import { packageText } from "./package-window.ts";
import { parseRepository, type Repository } from "./repository.ts";
import { asError, emptyPage, groupBy, largestPage, placeOf, unasked, unreadable, type View } from "./view.ts";

/** How this request reads versions. */
export interface VersionLoaders {
  readonly byRef: Loader<VersionRef, Version | null>;
  readonly page: (ref: PackageRef, filter: VersionQuery, request: PageRequest) => Promise<Page<Version>>;
  readonly latest: (ref: PackageRef) => Promise<Version | null>;
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
  readonly stage: string | null;
  readonly direction: "ASC" | "DESC";
}

/** Pages of this size look for a name among those that merely begin like it. */
const searchSize = 100;

/** After so many pages of a name's namesakes nobody is looking for a version any more. */
const mostSearchPages = 25;

/** The least page of an image's versions: one push for many platforms writes a version for each of them. */
const leastImagePage = 20;

const operation = "bkrepo.pageVersions";

/** Loaders that share one request's answers. */
export function versionLoaders(view: View): VersionLoaders {
  const { client, settings, call } = view;

  const byRef = batched<VersionRef, Version>(
    versionText,
    async (refs) => {
      const answers = new Map<string, Version | Error>();
      await Promise.all(
        groupBy(refs, (ref) => packageText(ref.package)).map(async (group) => {
          const target = targetOf(group[0]?.package);
          const names = group.map((ref) => ref.version).filter((name) => name !== "");
          if (target === null || names.length === 0) return;
          const found = await namesOf(target, names).catch(asError);
          for (const ref of group) {
            const answer = found instanceof Error ? found : found.get(ref.version);
            if (answer) answers.set(versionText(ref), answer);
          }
        }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation } },
  );

  /** Versions by exact name: one page of what begins like all of them answers most; what is left is asked for alone. */
  async function namesOf(target: Target, names: readonly string[]): Promise<Map<string, Version | Error>> {
    const found = new Map<string, Version | Error>();
    const left = new Set(names);
    if (names.length > 1) {
      const answer = await fetchPage(
        target,
        { prefix: commonPrefix(names), stage: null, direction: "DESC" },
        0,
        largestPage,
      );
      for (const row of answer.rows) if (left.delete(row.name)) found.set(row.name, row);
      const whole = answer.total !== null && answer.count >= answer.total;
      if (whole && answer.dropped.length === 0) return found;
      if (whole) {
        for (const name of left) found.set(name, lostRow());
        return found;
      }
    }
    await Promise.all(
      [...left].map(async (name) => {
        const version = await nameOf(target, name).catch(asError);
        if (version !== null) found.set(name, version);
      }),
    );
    return found;
  }

  // The server matches the beginning of a name. Oldest first, because `1.0` is older than most that begin with it.
  async function nameOf(target: Target, name: string): Promise<Version | Error | null> {
    let counted = 0;
    let dropped = 0;
    let last: string | null = null;
    for (let index = 0; index < mostSearchPages; index++) {
      const page = await fetchPage(target, { prefix: name, stage: null, direction: "ASC" }, index, searchSize);
      const version = page.rows.find((row) => row.name === name);
      if (version) return version;
      counted += page.count;
      dropped += page.dropped.length;
      const first = page.rows[0]?.name ?? null;
      // A server that does not page answers the same rows again and again.
      const stuck = first !== null && first === last;
      last = first;
      if (page.total !== null && counted >= page.total) return dropped === 0 ? null : lostRow();
      if (page.count === 0 || stuck) return lostRow();
    }
    return lostRow();
  }

  function lostRow(): UpstreamError {
    return unreadable(view, operation, "rows of the answer are missing");
  }

  /** One page, `index` from 0; a repository that is not there has no versions. */
  async function fetchPage(
    { ref, repository }: Target,
    filter: Filter,
    index: number,
    pageSize: number,
  ): Promise<UpstreamPage<Version>> {
    try {
      const answer = await client.pageVersions(
        repository,
        ref.key,
        { ...filter, pageNumber: index + 1, pageSize },
        call,
      );
      const place = placeOf(view, repository, ref.key, answer);
      const { dropped, count, total } = answer.value;
      return {
        rows: answer.value.rows.map((row) => toVersion(row, place)),
        count,
        dropped,
        total,
        origin: answer.origin,
      };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return { rows: [], count: 0, dropped: [], total: 0, origin: unasked(view) };
    }
  }

  /** Windows at the top of the unfiltered list, where `latest` and `versions` meet: one page of the largest serves all. */
  const tops = batched<Target & { readonly first: number }, Page<Version>>(
    ({ ref, first }) => keyText(packageText(ref), first),
    async (wanted) => {
      const answers = new Map<string, Page<Version> | Error>();
      await Promise.all(
        groupBy(wanted, ({ ref }) => packageText(ref)).map(async (group) => {
          const [target] = group;
          if (target === undefined) return;
          const most = group.reduce((largest, { first }) => Math.max(largest, first), 0);
          const page = await window(target, newestFirst, { first: most, after: null }).catch(asError);
          for (const { ref, first } of group) {
            answers.set(keyText(packageText(ref), first), page instanceof Error ? page : shorten(page, first));
          }
        }),
      );
      return answers;
    },
  );

  const windows = single(
    ({ target, filter, request }: { target: Target; filter: Filter; request: PageRequest }) =>
      keyText(
        packageText(target.ref),
        filter.prefix,
        filter.stage,
        filter.direction,
        request.first,
        ...(request.after ?? []),
      ),
    ({ target, filter, request }) => window(target, filter, request),
    { call, backend: settings.name, operation },
  );

  async function window(target: Target, filter: Filter, request: PageRequest): Promise<Page<Version>> {
    // Whoever asks for children by their prefix gets them.
    const hides = isImageKey(target.ref.key) && !filter.prefix?.startsWith(childPrefix);
    const page = hides ? await namedOnly(target, filter, request) : await plain(target, filter, request);
    byRef.primeLater(() => {
      for (const { value } of page.rows) byRef.prime(value.ref, value);
    });
    return page;
  }

  function plain(target: Target, filter: Filter, request: PageRequest): Promise<Page<Version>> {
    return readWindow(request, {
      maxSize: largestPage,
      identity: (row: Version) => row.name,
      fetch: (index, size) => fetchPage(target, filter, index, size),
    });
  }

  /** A window without the children of multi-arch images, read in larger pieces because some rows do not count. */
  async function namedOnly(target: Target, filter: Filter, request: PageRequest): Promise<Page<Version>> {
    const size = Math.min(largestPage, Math.max(leastImagePage, 2 * request.first));
    const rows: Row<Version>[] = [];
    const dropped: DroppedRow[] = [];
    let { after } = request;
    for (;;) {
      const page = await plain(target, filter, { first: size, after });
      for (const row of page.rows) if (!row.value.name.startsWith(childPrefix)) rows.push(row);
      for (const row of page.dropped) dropped.push(row);
      after = page.rows[page.rows.length - 1]?.position ?? null;
      // One row more than asked for proves that another page follows; what is left may be children only.
      if (rows.length > request.first || !page.hasNext || after === null) {
        return {
          rows: rows.slice(0, request.first),
          hasNext: rows.length > request.first,
          // Whoever has seen the list from end to end has counted it.
          total:
            request.after === null && !page.hasNext && dropped.length === 0
              ? rows.length
              : () => namedTotal(target, filter, page.total),
          origin: page.origin,
          dropped,
        };
      }
    }
  }

  // A tag cannot hold a colon, so the rows that begin with `sha256:` are the children, and the server can count them.
  async function namedTotal(target: Target, filter: Filter, total: Page<Version>["total"]): Promise<number | null> {
    if (typeof total !== "number") return null;
    if (filter.prefix !== null && !childPrefix.startsWith(filter.prefix)) return total;
    const children = await fetchPage(target, { ...filter, prefix: childPrefix }, 0, 1);
    return children.total === null ? null : Math.max(0, total - children.total);
  }

  async function page(ref: PackageRef, filter: VersionQuery, request: PageRequest): Promise<Page<Version>> {
    const target = targetOf(ref);
    if (target === null) return emptyPage(unasked(view));
    const { direction } = filter;
    // An empty filter text matches everything (version) or nothing (stageTag) there: none is sent.
    const asked: Filter = {
      prefix: filter.prefix || null,
      stage: filter.stage ? stageTags(filter.stage) : null,
      direction,
    };
    const isTop = request.after === null && asked.prefix === null && asked.stage === null && direction === "DESC";
    if (!isTop) return windows.load({ target, filter: asked, request });
    return (await tops.load({ ...target, first: request.first })) ?? emptyPage(unasked(view));
  }

  async function latest(ref: PackageRef): Promise<Version | null> {
    const target = targetOf(ref);
    const top = target === null ? null : await tops.load({ ...target, first: 1 });
    if (top === null) return null;
    const [row] = top.rows;
    // An unreadable row in front may have been the newest.
    const place = row === undefined ? Number.POSITIVE_INFINITY : Number(row.position[0]) - 1;
    if (top.dropped.some(({ index }) => index <= place)) throw lostRow();
    return row?.value ?? null;
  }

  return { byRef, page, latest };
}

const newestFirst: Filter = { prefix: null, stage: null, direction: "DESC" };

function targetOf(ref: PackageRef | undefined): Target | null {
  if (ref === undefined || ref.key === "") return null;
  const repository = parseRepository(ref.repository);
  return repository === null ? null : { ref, repository };
}

/** Stored stage tags begin with `@`; without it, as the vendor's documents write them, nothing matches. */
function stageTags(text: string): string {
  return text
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "")
    .map((tag) => (tag.startsWith("@") ? tag : `@${tag}`))
    .join(",");
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
