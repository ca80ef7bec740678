import type { DroppedRow } from "../../model/backend.ts";
import type { PackageRef, Version, VersionRef } from "../../model/package.ts";
import type { Page, PageRequest, Position, Row } from "../../model/page.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, foundAny, impossible, mapAnswer, unknown } from "../answers.ts";
import type { VersionQuery } from "../backend.ts";
import { batched, keyText, single } from "../batch.ts";
import { asError, groupBy } from "../batches.ts";
import { keepRows, readWindow, type UpstreamPage } from "../paging.ts";
import { type Context, largestPage, lostRows } from "./client.ts";
import { hasPackageTags, isImageKey, parseRepository, type Repository } from "./keys.ts";
import { childPrefix, packageContext, toVersion } from "./mapper.ts";
import { getPackage, pageVersions } from "./operations.ts";
import { type Packages, packageText } from "./packages.ts";
import { isCountedByPrefix, literalPrefix } from "./payload.ts";

/** The text that identifies a version reference in this backend. */
export function versionText({ package: { repository, key }, version }: VersionRef): string {
  return keyText(repository, key, version);
}

interface Target {
  readonly ref: PackageRef;
  readonly repository: Repository;
}

interface Filter {
  readonly prefix: string | null;
  /** Stage tags with their `@`; versions match that have all of them. */
  readonly stages: readonly string[];
  readonly direction: "ASC" | "DESC";
}

const newestFirst: Filter = { prefix: null, stages: [], direction: "DESC" };

/** The page size of the search for a name among those that begin like it, and the most of its pages. */
const searchSize = 100;
const mostSearchPages = 25;

/** The most pages of 200 rows that are read of a whole list. */
const mostWholePages = 5;

/** The least page of an image's versions: one push for several platforms writes a version for each of them. */
const leastImagePage = 20;

/** Rows by which the order is checked before the first of them is the newest. */
const latestSize = 5;

/** Pages behind the first that are searched for a version that is no attachment. */
const mostLatestPages = 5;

/** Tags that cosign and others store beside an image: `sha256-<hex>.sig`, `.att`, `.sbom`, and referrers without a suffix. */
const attachment = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[\w-]+)?$/;

const noRepository = absent(pageVersions, "KEYED_READ");
const noSuchVersion = absent(pageVersions, "COMPLETE_FILTER");
const noVersions = absent(pageVersions, "WHOLE_LIST");

/** How one request reads versions. */
export type Versions = ReturnType<typeof createVersions>;

/** Readers of versions, which share one request's answers. */
export function createVersions(context: Context, packages: Packages) {
  const { client, settings, call } = context;
  const by = { call, backend: settings.name, operation: pageVersions.name };

  const byRef = batched<VersionRef, Version>(
    versionText,
    async (refs, answers) => {
      await Promise.all(
        groupBy(refs, (ref) => packageText(ref.package)).map(async (group) => {
          const target = targetOf(group[0]?.package);
          const names = group.map((ref) => ref.version).filter((name) => name !== "");
          const read = target === null || names.length === 0 ? new Map() : await namesOf(target, names).catch(asError);
          for (const ref of group) {
            const answer = read instanceof Error ? read : read.get(ref.version);
            // The server's rules allow no such repository, no empty key and no empty name.
            answers.set(versionText(ref), answer ?? impossible);
          }
        }),
      );
      return answers;
    },
    { by },
  );

  /** Versions by exact name: one page of their common prefix answers most, the others are read one by one. */
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
        for (const name of left) answers.set(name, isWhole ? noSuchVersion : lostRows(context, pageVersions));
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

  // The server matches prefixes. Oldest first, because `1.0` is older than most versions that begin with it.
  async function nameOf(target: Target, name: string): Promise<Answer<Version>> {
    const size = literalPrefix(name) === name ? searchSize : largestPage;
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
        if (dropped > 0) throw lostRows(context, pageVersions);
        return noSuchVersion;
      }
      // A server that ignores the page number answers the same rows again.
      if (seen.size + dropped === before) throw lostRows(context, pageVersions);
    }
    return unknown("UNREAD");
  }

  /** One page of the server's, a superset of the filter; `index` counts from 0. NOT_FOUND: there is no such repository. */
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
        // Empty texts are not sent: they match everything (version) or nothing (stageTag).
        prefix: literalPrefix(prefix ?? "") || null,
        stage: stages.join(",") || null,
        direction,
        pageNumber: index + 1,
        pageSize,
      },
      call,
    );
    const place = packageContext(context, repository, ref.key, answer);
    const floating = hasPackageTags(ref.key) ? () => floatingTags(ref) : null;
    return { ...answer, rows: answer.rows.map((row) => toVersion(row, place, floating)) };
  }

  /** The tags of the package, which this request may have read already. */
  async function floatingTags(ref: PackageRef): Promise<ReadonlyMap<string, string>> {
    const owner = await packages.byRef.load(ref);
    if (owner.kind === "FOUND") return owner.value.floating;
    if (owner.kind === "UNKNOWN" && owner.failure) throw owner.failure;
    const reason = "a package whose versions are listed";
    throw new UpstreamError("MALFORMED", { backend: settings.name, operation: getPackage.name, reason });
  }

  /**
   * The first rows of the unfiltered list, which `latest` and `versions` both read: for each package of one tick, the
   * largest window answers all.
   */
  const tops = batched<Target & { readonly first: number }, Page<Version>>(
    ({ ref, first }) => keyText(packageText(ref), first),
    async (wanted, answers) => {
      await Promise.all(
        groupBy(wanted, ({ ref }) => packageText(ref)).map(async (group) => {
          const [target] = group;
          if (target === undefined) return;
          const most = group.reduce((largest, { first }) => Math.max(largest, first), 0);
          const read = await readPage(target, newestFirst, { first: most, after: null }).catch(asError);
          for (const { ref, first } of group) {
            const answer = read instanceof Error ? read : mapAnswer(read, (page) => shorten(page, first));
            answers.set(keyText(packageText(ref), first), answer);
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
        filter.stages.join(),
        filter.direction,
        request.first,
        ...(request.after ?? []),
      ),
    ({ target, filter, request }) => readPage(target, filter, request),
    by,
  );

  async function readPage(target: Target, filter: Filter, request: PageRequest): Promise<Answer<Page<Version>>> {
    const { prefix } = filter;
    const hidesChildren = isImageKey(target.ref.key) && !prefix?.startsWith(childPrefix);
    const isSuperset = prefix !== null && !isCountedByPrefix(prefix);
    const read =
      hidesChildren || isSuperset
        ? filteredWindow(target, filter, request, hidesChildren)
        : serverWindow(target, filter, request);
    const answer = await absentIfNotFound(read.then(found), noRepository);
    byRef.primeLater(() => {
      if (answer.kind !== "FOUND") return;
      for (const { value } of answer.value.rows) byRef.prime(value.ref, found(value));
    });
    return answer;
  }

  function serverWindow(target: Target, filter: Filter, request: PageRequest): Promise<Page<Version>> {
    return readWindow(request, {
      maxSize: largestPage,
      identity: (row: Version) => row.name,
      fetch: (index, size) =>
        fetchPage(target, filter, index, size).then((page) => keepRows(page, (row) => isMatch(row, filter))),
    });
  }

  /** A window over larger pages of which some rows are left out: children of images, and names without the prefix. */
  async function filteredWindow(
    target: Target,
    filter: Filter,
    request: PageRequest,
    hidesChildren: boolean,
  ): Promise<Page<Version>> {
    const sent = literalPrefix(filter.prefix ?? "");
    const isCut = sent !== (filter.prefix ?? "");
    const size = isCut ? largestPage : Math.min(largestPage, Math.max(leastImagePage, 2 * request.first));
    const rows: Row<Version>[] = [];
    const dropped: DroppedRow[] = [];
    let { after } = request;
    for (;;) {
      const page = await serverWindow(target, { ...filter, prefix: sent || null }, { first: size, after });
      for (const row of page.rows) {
        if (isMatch(row.value, filter) && !(hidesChildren && isChild(row.value))) rows.push(row);
      }
      for (const row of page.dropped) dropped.push(row);
      after = page.rows.at(-1)?.position ?? null;
      // One row more than asked for proves that another page follows: the rows behind may all be left out.
      if (rows.length > request.first || !page.hasNext || after === null) {
        const isWhole = request.after === null && !page.hasNext && dropped.length === 0;
        return {
          rows: rows.slice(0, request.first),
          hasNext: rows.length > request.first,
          total: isWhole ? rows.length : () => filteredTotal(target, filter, hidesChildren, page.total),
          origin: page.origin,
          dropped,
        };
      }
    }
  }

  /** Null where the server cannot count the rows and there are too many to read. */
  async function filteredTotal(
    target: Target,
    filter: Filter,
    hidesChildren: boolean,
    total: Page<Version>["total"],
  ): Promise<number | null> {
    const { prefix } = filter;
    if (prefix !== null && !isCountedByPrefix(prefix)) {
      const { rows, isWhole } = await readAll(target, filter);
      return isWhole ? rows.filter((row) => !(hidesChildren && isChild(row))).length : null;
    }
    if (typeof total !== "number") return null;
    if (prefix !== null && !childPrefix.startsWith(prefix)) return total;
    // A tag contains no colon, so the names that begin with `sha256:` are the children, and the server counts them.
    const children = await fetchPage(target, { ...filter, prefix: childPrefix }, 0, 1);
    return children.total === null ? null : Math.max(0, total - children.total);
  }

  /** All rows that match a filter, among the first 1000 of the server's. */
  async function readAll(target: Target, filter: Filter) {
    const rows = new Map<string, Version>();
    let count = 0;
    let hasLostRows = false;
    let isWhole = false;
    for (let index = 0; index < mostWholePages; index++) {
      const page = await fetchPage(target, filter, index, largestPage);
      for (const row of page.rows) rows.set(row.name, row);
      count += page.count;
      hasLostRows ||= page.dropped.length > 0;
      const isEnd = page.total === null ? page.count < largestPage : count >= page.total;
      if (!isEnd && page.count > 0) continue;
      isWhole = isEnd && !hasLostRows && (page.total === null || rows.size >= page.total);
      break;
    }
    return { rows: [...rows.values()].filter((row) => isMatch(row, filter)), isWhole, hasLostRows };
  }

  /** Versions that begin with the prefix, or all, newest first; children of multi-arch images are among them. */
  async function allOf(ref: PackageRef, prefix: string | null): Promise<Answer<readonly Version[]>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const read = readAll(target, { ...newestFirst, prefix }).then(({ rows, isWhole, hasLostRows }) =>
      foundAny(
        rows,
        prefix === null ? noVersions : noSuchVersion,
        isWhole ? null : unknown(hasLostRows ? "LOST_ROWS" : "UNREAD"),
      ),
    );
    return absentIfNotFound(read, noRepository);
  }

  async function page(ref: PackageRef, query: VersionQuery, request: PageRequest): Promise<Answer<Page<Version>>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const { direction } = query;
    const filter: Filter = { prefix: query.prefix || null, stages: stageTags(query.stage), direction };
    const isFiltered = filter.prefix !== null || filter.stages.length > 0 || direction === "ASC";
    const answer =
      isFiltered || request.after !== null
        ? await windows.load({ target, filter, request })
        : await tops.load({ ...target, first: request.first });
    if (answer.kind !== "FOUND" || request.after !== null) return answer;
    if (answer.value.rows.length > 0 || answer.value.dropped.length > 0) return answer;
    // The server answers an unknown package as one without versions.
    const owner = await packages.byRef.load(ref);
    return owner.kind === "FOUND" ? answer : owner;
  }

  /** The newest version by publication; attachments of images are not versions. */
  async function latest(ref: PackageRef): Promise<Answer<Version>> {
    const target = targetOf(ref);
    if (target === null) return impossible;
    const isImage = isImageKey(ref.key);
    const isVersion = ({ name }: Version) => !isImage || !attachment.test(name);
    const rows: Row<Version>[] = [];
    let answer = await tops.load({ ...target, first: latestSize });
    for (let pages = 0; ; pages++) {
      if (answer.kind !== "FOUND") return answer;
      const page = answer.value;
      for (const row of page.rows) rows.push(row);
      const head = rows.find(({ value }) => isVersion(value));
      const place = head === undefined ? Number.POSITIVE_INFINITY : Number(head.position[0]) - 1;
      // An unreadable row in front may be the newest.
      if (page.dropped.some(({ index }) => index <= place)) throw lostRows(context, pageVersions);
      const after: Position | null = page.rows.at(-1)?.position ?? null;
      if (head !== undefined || !page.hasNext || after === null) {
        return newestOf(rows.map(({ value }) => value).filter(isVersion), !page.hasNext);
      }
      if (pages === mostLatestPages) return unknown("UNREAD");
      answer = await windows.load({ target, filter: newestFirst, request: { first: searchSize, after } });
    }
  }

  return { byRef, page, latest, allOf };
}

/**
 * The newest of versions that the server sorted by publication. Of a whole list it is the one of the latest date; of the
 * beginning of a list the first one, where the dates prove the order. Unknown where dates are missing.
 */
function newestOf(versions: readonly Version[], isWhole: boolean): Answer<Version> {
  const [head, ...others] = versions;
  if (head === undefined) return noVersions;
  if (isWhole && others.length === 0) return found(head);
  const moments = versions.map(({ createdAt }) => (createdAt === null ? Number.NaN : Date.parse(createdAt)));
  if (moments.some(Number.isNaN)) return unknown("UNCHECKED_ORDER");
  const latest = moments.reduce((one, other) => Math.max(one, other));
  if (isWhole) return found(versions[moments.indexOf(latest)] ?? head);
  const isSorted = moments.every((moment, index) => index === 0 || moment <= (moments[index - 1] ?? 0));
  return isSorted ? found(head) : unknown("UNCHECKED_ORDER");
}

function isChild({ name }: Version): boolean {
  return name.startsWith(childPrefix);
}

function targetOf(ref: PackageRef | undefined): Target | null {
  if (ref === undefined || ref.key === "") return null;
  const repository = parseRepository(ref.repository);
  return repository === null ? null : { ref, repository };
}

/** Compares a row with the filter again: the server matches more. */
function isMatch({ name, stages }: Version, filter: Filter): boolean {
  return name.startsWith(filter.prefix ?? "") && filter.stages.every((stage) => stages.includes(stage));
}

/** Stored stage tags begin with `@`, also where callers leave it out as the vendor's documents do. */
function stageTags(text: string | null): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "")
    .map((tag) => (tag.startsWith("@") ? tag : `@${tag}`));
}

/** The common prefix of all names; null where it is empty. */
function commonPrefix(names: readonly string[]): string | null {
  const [first = "", ...rest] = names;
  let length = first.length;
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length) || null;
}

/** The first rows of a larger window. */
function shorten(page: Page<Version>, first: number): Page<Version> {
  return page.rows.length <= first ? page : { ...page, rows: page.rows.slice(0, first), hasNext: true };
}
