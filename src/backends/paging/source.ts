import type { DroppedRow, Origin } from "../../model/backend.ts";
import { isTooLarge, UpstreamError } from "../../upstream/errors.ts";
import type { Learnt } from "../learnt.ts";

/** One page as the backend answered it. */
export interface UpstreamPage<T> {
  /** The readable rows, in the order of the answer. */
  readonly rows: readonly T[];
  /** Rows in the answer, readable or not. */
  readonly count: number;
  readonly dropped: readonly DroppedRow[];
  readonly origin: Origin;
  /** The whole count, null when the backend does not say. */
  readonly total: number | null;
  /** Whether another page follows, where the backend says so itself (a next-page header); else undefined. */
  readonly more?: boolean;
}

/**
 * A list whose pages have numbers.
 *
 * @example
 * const repositories: NumberedSource<RepositoryRow> = {
 *   fetch: (page, size) => client.listRepositories(namespace, { limit: size, offset: page * size }, call),
 *   identity: ({ name }) => name,
 *   maxSize: 1000,
 *   keep: (row) => row.namespace === namespace,
 * };
 */
export interface NumberedSource<T> {
  /** Zero-based page of `size` rows; adapters add their own base (bkrepo and GitLab count from 1). */
  readonly fetch: (page: number, size: number) => Promise<UpstreamPage<T>>;
  /** A text that no other row of the list has: it finds places again and recognizes rows that the list repeats. */
  readonly identity: (row: T) => string;
  /** The largest page the backend gives. */
  readonly maxSize: number;
  /** True where `fetch` knows pages of `maxSize` only, because readers share them. Such a page is never cut smaller. */
  readonly isFixed?: boolean;
  /** False for a row that was not asked for (the backend's filter is fuzzy): it is passed over and keeps its place. */
  readonly keep?: (row: T) => boolean;
  /** True where the backend neither counts nor says that another page follows: a window asks for one row more. */
  readonly looksAhead?: boolean;
  /** The largest page that was not too large an answer; remembered for the requests that follow. */
  readonly workable?: Learnt<number>;
}

/** One page of a cursor list. */
export interface PageAtCursor<T> extends UpstreamPage<T> {
  /** Null on the last page. */
  readonly next: string | null;
  /** The size the page was asked for in, where it is not the size the reader wanted. */
  readonly size?: number;
}

/** A list whose pages are found by a cursor that the page before names. */
export interface CursorSource<T> {
  /** The page at a cursor; the empty cursor is the first page. */
  readonly fetchAt: (cursor: string, size: number) => Promise<PageAtCursor<T>>;
  readonly identity: (row: T) => string;
  /** The largest page the backend gives. */
  readonly maxSize: number;
}

/** A list that is read in pages. */
export type PageSource<T> = NumberedSource<T> | CursorSource<T>;

/** A row and its place. */
export interface Placed<T> {
  readonly row: T;
  /** Zero-based place in the whole list. */
  readonly place: number;
  readonly identity: string;
}

/** An unreadable row and its zero-based place in the whole list. */
export interface DroppedAt {
  readonly row: DroppedRow;
  readonly place: number;
}

/** Consecutive rows of a list, from one page or several. */
export interface RowRange<T> {
  readonly rows: readonly Placed<T>[];
  /** The rows that `keep` passed over. */
  readonly passed: readonly Placed<T>[];
  readonly dropped: readonly DroppedAt[];
  /** The place of its first row. */
  readonly start: number;
  /** The place behind its last row, readable or not. */
  readonly end: number;
  readonly total: number | null;
  readonly origin: Origin;
  /** Whether rows follow, where the backend says so itself; else undefined. */
  readonly more: boolean | undefined;
}

/**
 * One page with the places of its rows. Where it is too large an answer (`maxResponseBytes`), it is put together from
 * smaller ones, down to single rows. A row that is too large alone is dropped and costs nothing but itself. Rejects as
 * `fetch` does, and with the failure itself where no row of the page could be read.
 */
export function readPage<T>(source: NumberedSource<T>, page: number, size: number): Promise<RowRange<T>> {
  const most = source.workable?.get() ?? size;
  if (size > most && !source.isFixed) return readPieces(source, page * size, size, most).then(mustHaveOrigin);
  return source.fetch(page, size).then(
    (answer) => rangeOf(source, answer, page * size),
    (error: unknown) => {
      if (!isTooLarge(error) || size === 1 || source.isFixed) throw error;
      return readPieces(source, page * size, size, smaller(size)).then(mustHaveOrigin);
    },
  );
}

/** The rows of one answer that begins at place `start`; rows that are passed over keep their places. */
export function rangeOf<T>(
  { identity, keep }: Pick<NumberedSource<T>, "identity" | "keep">,
  { rows, count, dropped, total, origin, more }: UpstreamPage<T>,
  start: number,
): RowRange<T> {
  const gaps = new Set(rows.length < count ? dropped.map(({ index }) => index) : []);
  const accepted: Placed<T>[] = [];
  const passed: Placed<T>[] = [];
  let index = 0;
  for (const row of rows) {
    while (gaps.has(index)) index += 1;
    (!keep || keep(row) ? accepted : passed).push({ row, place: start + index, identity: identity(row) });
    index += 1;
  }
  const lost = dropped.map((row) => ({ row, place: start + Math.min(row.index, Math.max(0, count - 1)) }));
  return { rows: accepted, passed, dropped: lost, start, end: start + count, total, origin, more };
}

/** A part of a page that was too large. */
interface Piece<T> extends Omit<RowRange<T>, "origin"> {
  /** Null where every row was too large. */
  readonly origin: Origin | null;
  /** Why a row is missing. */
  readonly failure: UpstreamError | null;
}

/** `count` rows from `from` on, by pages of `size`: the first alone, since it shows whether this size will do. */
async function readPieces<T>(source: NumberedSource<T>, from: number, count: number, size: number): Promise<Piece<T>> {
  const first = Math.floor(from / size);
  const head = await readPiece(source, first, size);
  if (head === "TOO_LARGE") return readPieces(source, from, count, smaller(size));
  if (size === 1) return readSingleRows(source, from, count, head);
  source.workable?.set(size);
  const end = Math.min(from + count, head.total ?? Number.POSITIVE_INFINITY);
  const last = head.end - head.start < size ? first : Math.floor((end - 1) / size);
  const rest = await Promise.all(
    Array.from({ length: Math.max(0, last - first) }, async (_, index) => {
      const page = first + 1 + index;
      const piece = await readPiece(source, page, size);
      return piece === "TOO_LARGE" ? readPieces(source, page * size, size, smaller(size)) : piece;
    }),
  );
  return joinPieces([head, ...rest], size, from, from + count);
}

/**
 * One row after the other. Where several in a row are too large, the server ignores the page size: rejects with the
 * failure, since each further call would bring the same answer.
 */
async function readSingleRows<T>(
  source: NumberedSource<T>,
  from: number,
  count: number,
  head: Piece<T>,
): Promise<Piece<T>> {
  const pieces = [head];
  let lost = head.failure === null ? 0 : 1;
  for (let last = head; pieces.length < count && last.end > last.start; ) {
    const piece = await readPiece(source, from + pieces.length, 1);
    if (piece === "TOO_LARGE") break;
    last = piece;
    pieces.push(piece);
    lost = piece.failure === null ? 0 : lost + 1;
    if (piece.failure !== null && lost >= mostLost) throw withoutRetry(piece.failure);
  }
  return joinPieces(pieces, 1, from, from + count);
}

/** Single rows that may be too large one after the other. */
const mostLost = 2;

async function readPiece<T>(source: NumberedSource<T>, page: number, size: number): Promise<Piece<T> | "TOO_LARGE"> {
  const start = page * size;
  try {
    return { ...rangeOf(source, await source.fetch(page, size), start), failure: null };
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    if (size > 1) return "TOO_LARGE";
    const row = { operation: error.operation ?? "", index: 0, reason: error.reason ?? "the row is too large" };
    const dropped = [{ row, place: start }];
    const none = { rows: [], passed: [], total: null, origin: null, more: undefined };
    return { ...none, dropped, start, end: start + 1, failure: error };
  }
}

/** Pieces of `size` rows that follow each other, cut to the places from `start` to `end`. */
function joinPieces<T>(pieces: readonly Piece<T>[], size: number, start: number, end: number): Piece<T> {
  const short = pieces.findIndex((piece) => piece.end - piece.start < size);
  const whole = short < 0 ? pieces : pieces.slice(0, short + 1);
  const last = whole.at(-1);
  const reached = last?.end ?? start;
  const isInside = ({ place }: { readonly place: number }) => place >= start && place < end;
  return {
    rows: whole.flatMap(({ rows }) => rows).filter(isInside),
    passed: whole.flatMap(({ passed }) => passed).filter(isInside),
    dropped: whole.flatMap(({ dropped }) => dropped).filter(isInside),
    start,
    end: Math.max(start, Math.min(end, reached)),
    total: whole.find(({ total }) => total !== null)?.total ?? null,
    origin: whole.find(({ origin }) => origin !== null)?.origin ?? null,
    // Rows behind the places are there, whatever the last page says of what is behind itself.
    more: reached > end ? true : last?.more,
    failure: whole.find(({ failure }) => failure !== null)?.failure ?? null,
  };
}

function mustHaveOrigin<T>({ origin, failure, ...range }: Piece<T>): RowRange<T> {
  if (origin === null) throw failure ? withoutRetry(failure) : new RangeError("a page without an origin has a failure");
  return { ...range, origin };
}

/** The same failure, without the sign that a smaller page may do. */
function withoutRetry({ failure, backend, operation, status, code, traceId, reason }: UpstreamError): UpstreamError {
  return new UpstreamError(failure, {
    backend,
    operation,
    status,
    code,
    traceId,
    ...(reason === null ? {} : { reason }),
  });
}

/** An eighth: each size that fails is read up to the limit, so few of them must lead to one that will do. */
function smaller(size: number): number {
  return Math.max(1, Math.floor(size / 8));
}
