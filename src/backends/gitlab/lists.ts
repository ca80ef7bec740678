import type { Origin, PageRequest } from "../../model/backend.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import {
  type Absent,
  type Answer,
  absent,
  failed,
  found,
  joined,
  originNow,
  type Unknown,
  unknown,
} from "../answers.ts";
import { type Collected, collect } from "../paging/collect.ts";
import { type FilteredPage, readFiltered } from "../paging/filter.ts";
import type { NumberedSource, UpstreamPage } from "../paging/source.ts";
import { type ProjectPage, pageSize } from "./client.ts";

/** The most pages that are read for nothing but a count. */
const maxCountedPages = 10;

/** One page of a list, or an empty one where there is no such list. */
export interface ListPage<T> extends ProjectPage<T> {
  /** Why there is no such list: its owner does not exist, the server has no such type, or it is unknown; else null. */
  readonly absence: Absent | Unknown | null;
}

/** The page of a list that does not exist. */
export function noPage<T>(origin: Origin, absence: Absent | Unknown): ListPage<T> {
  return { rows: [], count: 0, dropped: [], origin, total: 0, more: false, movedTo: null, absence };
}

/**
 * Waits for a page. `missing` is what a 404 means: the list's owner does not exist or is hidden from these credentials,
 * or, where another list names the owner, it is unknown. `refused` is what a 400 proves. Rejects with every other
 * failure.
 */
export async function orNoPage<T>(
  page: Promise<ProjectPage<T>>,
  backend: string,
  missing: Absent | Unknown,
  refused: Absent | null = null,
): Promise<ListPage<T>> {
  try {
    return { ...(await page), absence: null };
  } catch (error) {
    if (isNotFound(error)) return noPage(originNow(backend, error.traceId), missing);
    const isRefused = error instanceof UpstreamError && error.failure === "REJECTED" && error.status === 400;
    if (isRefused && refused !== null) return noPage(originNow(backend, error.traceId), refused);
    throw error;
  }
}

/** A list whose readers share its pages, and the pages that were read of it, in the order of their reading. */
export interface SharedList<T, P extends ListPage<T> = ListPage<T>> {
  readonly source: NumberedSource<T>;
  readonly pages: readonly P[];
}

/** A list whose pages `fetch` reads; they count from 1 and hold `pageSize` rows. */
export function sharedList<T, P extends ListPage<T>>(
  fetch: (page: number) => Promise<P>,
  identity: (row: T) => string,
): SharedList<T, P> {
  const pages: P[] = [];
  const read = async (number: number) => {
    const page = await fetch(number + 1);
    pages.push(page);
    return page;
  };
  return { source: { fetch: read, identity, maxSize: pageSize, isFixed: true }, pages };
}

/** Reads a whole list. Its gap is LOST_ROWS where fewer rows came than the server counts. */
export async function readWhole<T>({ source, pages }: SharedList<T>): Promise<Answer<Collected<T>>> {
  const list = await collect(source);
  return pages[0]?.absence ?? found(list, list.lacksRows ? unknown("LOST_ROWS") : null);
}

/**
 * Reads a window over the rows that `keep` accepts, or over all rows with null. Absent or unknown where the list is;
 * its gap is LOST_ROWS where the list ended with fewer rows than the server counts.
 */
export async function readListWindow<T>(
  request: PageRequest,
  { source, pages }: SharedList<T>,
  keep: ((row: T) => boolean) | null,
): Promise<Answer<FilteredPage<T>>> {
  const answer = await readFiltered(request, source, {
    accept: (row) => (keep === null || keep(row) ? row : null),
    rows: pageSize,
    guessesNext: true,
    // Only a list whose count is known is counted through, and only when it is short.
    count: async (total) => {
      if (keep === null || total === null || total > maxCountedPages * pageSize) return keep === null ? total : null;
      return (await collect(source)).rows.filter(keep).length;
    },
  });
  const [first] = pages;
  if (first?.absence) return first.absence;
  if (answer.kind !== "FOUND") return answer;
  const total = keep === null ? (first?.total ?? null) : answer.value.total;
  return found({ ...answer.value, total }, answer.value.lacksRows ? unknown("LOST_ROWS") : null);
}

/**
 * What a whole list proves about what it does not hold: nothing where the list is absent or unknown, or lacks rows.
 * Throws MALFORMED where a row could not be read.
 */
export function silenceOf(list: Answer<Collected<unknown>>, operation: Operation): Absent | Unknown {
  if (list.kind !== "FOUND") return list;
  if (list.value.dropped.length > 0) throw unreadable(list.value.origin.backend, operation.name);
  return list.gap ?? absent(operation, "WHOLE_LIST");
}

/** Whether pages that were read to the end hold as many rows as the server counts; true where it does not count. */
export function isWhole<T>(pages: readonly UpstreamPage<T>[], identity: (row: T) => string | number): boolean {
  const total = pages.at(-1)?.total ?? null;
  if (total === null || pages.length === 1) return total === null || (pages[0]?.count ?? 0) >= total;
  const unread = pages.reduce((sum, { dropped }) => sum + dropped.length, 0);
  return new Set(pages.flatMap(({ rows }) => rows.map(identity))).size + unread >= total;
}

/** The failure of a search whose list has a row that could not be read: that row may be the one looked for. */
export function unreadable(backend: string, operation: string): UpstreamError {
  return new UpstreamError("MALFORMED", { backend, operation, reason: "a row that could not be read may be the one" });
}

/** The failure of a search that would need more calls than one search may make. */
export function tooFar(backend: string, operation: string, reason: string): UpstreamError {
  return new UpstreamError("OVER_BUDGET", { backend, operation, reason });
}

/**
 * Joins the answers of several lists: what one of them could not answer is the gap of what the others found. Rejects
 * with a failure where nothing was found and one of them failed.
 */
export async function mergedAnswers<T>(
  answers: readonly Promise<Answer<readonly T[]>>[],
): Promise<Answer<readonly T[]>> {
  const all = joined(await Promise.all(answers.map((answer) => answer.catch(failed))), unknown("NOT_CONFIGURED"));
  if (all.kind === "UNKNOWN" && all.failure) throw all.failure;
  return all;
}

/** Runs `work` for some keys of a batch; when it fails, the keys without an answer get its error. */
export async function answering<V>(
  texts: readonly string[],
  answers: Map<string, V | Error>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    for (const text of texts) if (!answers.has(text)) answers.set(text, error);
  }
}
