import type { DroppedRow, Origin } from "../model/backend.ts";
import { isTooLarge, UpstreamError } from "../upstream/errors.ts";
import type { Learnt } from "./learnt.ts";
import type { UpstreamPage } from "./paging/source.ts";

/** A list by pages of any size, and the largest size that was seen to be answered. */
export interface SizedPages<T> {
  /** Zero-based page of `size` rows. */
  readonly fetch: (page: number, size: number) => Promise<UpstreamPage<T>>;
  readonly workable?: Learnt<number>;
}

/**
 * One page; where it is too large an answer (`maxResponseBytes`), it is put together from smaller ones, down to single
 * rows. A row that is too large alone is dropped, and costs nothing but itself. Rejects as `fetch` does, and with the
 * failure itself where no row of the page could be read.
 */
export function inSmallerPages<T>(pages: SizedPages<T>, page: number, size: number): Promise<UpstreamPage<T>> {
  const most = pages.workable?.get() ?? size;
  if (size > most) return readRange(pages, page * size, size, most).then(mustHaveOrigin);
  return pages.fetch(page, size).catch((error: unknown) => {
    if (!isTooLarge(error) || size === 1) throw error;
    return readRange(pages, page * size, size, smaller(size)).then(mustHaveOrigin);
  });
}

/** Rows of a range, by their places in it. */
interface Piece<T> {
  readonly rows: readonly { readonly row: T; readonly place: number }[];
  readonly dropped: readonly { readonly row: DroppedRow; readonly place: number }[];
  /** Places of the range that the list has. */
  readonly count: number;
  /** Null where every row was too large. */
  readonly origin: Origin | null;
  readonly total: number | null;
  readonly more: boolean | undefined;
  /** Why a row is missing. */
  readonly failure: UpstreamError | null;
}

/** `count` rows from `from` on, by pages of `size`: the first alone, since it shows whether this size will do. */
async function readRange<T>(pages: SizedPages<T>, from: number, count: number, size: number): Promise<Piece<T>> {
  const first = Math.floor(from / size);
  const head = await readPage(pages, first, size);
  if (head === "TOO_LARGE") return readRange(pages, from, count, smaller(size));
  if (size === 1) return readRows(pages, from, count, head);
  pages.workable?.set(size);
  const end = Math.min(from + count, head.total ?? Number.POSITIVE_INFINITY);
  const last = head.count < size ? first : Math.floor((end - 1) / size);
  const numbers = Array.from({ length: Math.max(0, last - first) }, (_, index) => first + 1 + index);
  const rest = await Promise.all(
    numbers.map(async (page) => {
      const piece = await readPage(pages, page, size);
      return piece === "TOO_LARGE" ? readRange(pages, page * size, size, smaller(size)) : piece;
    }),
  );
  return joined([head, ...rest], first * size, size, from, count);
}

/**
 * One row after the other. Where several in a row are too large, the server does not mind what it is asked for: rejects
 * with the failure, since asking on would ask for the same answer again and again.
 */
async function readRows<T>(pages: SizedPages<T>, from: number, count: number, head: Piece<T>): Promise<Piece<T>> {
  const pieces = [head];
  let lost = head.failure === null ? 0 : 1;
  for (let last = head; pieces.length < count && last.count > 0; ) {
    const piece = await readPage(pages, from + pieces.length, 1);
    if (piece === "TOO_LARGE") break;
    last = piece;
    pieces.push(piece);
    lost = piece.failure === null ? 0 : lost + 1;
    if (piece.failure !== null && lost >= mostLost) throw givenUp(piece.failure);
  }
  return joined(pieces, from, 1, from, count);
}

const mostLost = 2;

async function readPage<T>(pages: SizedPages<T>, page: number, size: number): Promise<Piece<T> | "TOO_LARGE"> {
  try {
    return pieceOf(await pages.fetch(page, size));
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    if (size > 1) return "TOO_LARGE";
    const row = { operation: error.operation ?? "", index: 0, reason: error.reason ?? "the row is too large" };
    return {
      rows: [],
      dropped: [{ row, place: 0 }],
      count: 1,
      origin: null,
      total: null,
      more: undefined,
      failure: error,
    };
  }
}

function pieceOf<T>({ rows, count, places, dropped, origin, total, more }: UpstreamPage<T>): Piece<T> {
  const lost = dropped.map((row) => ({ row, place: Math.min(row.index, Math.max(0, count - 1)) }));
  const gaps = new Set(lost.map(({ place }) => place));
  // As in a window: rows that could not be read keep their places.
  const own = places ?? Array.from({ length: count }, (_, place) => place).filter((place) => !gaps.has(place));
  const placed = rows.map((row, index) => ({ row, place: own[index] ?? index }));
  return { rows: placed, dropped: lost, count, origin, total, more, failure: null };
}

/** Pieces of `size` rows that follow each other from `start` on, cut to the range. */
function joined<T>(pieces: readonly Piece<T>[], start: number, size: number, from: number, count: number): Piece<T> {
  const short = pieces.findIndex((piece) => piece.count < size);
  const whole = short < 0 ? pieces : pieces.slice(0, short + 1);
  const shift = (piece: number, place: number) => start + piece * size + place - from;
  const isInside = ({ place }: { readonly place: number }) => place >= 0 && place < count;
  const last = whole.at(-1);
  const end = start + (whole.length - 1) * size + (last?.count ?? 0) - from;
  return {
    rows: whole
      .flatMap((piece, at) => piece.rows.map(({ row, place }) => ({ row, place: shift(at, place) })))
      .filter(isInside),
    dropped: whole
      .flatMap((piece, at) => piece.dropped.map(({ row, place }) => ({ row, place: shift(at, place) })))
      .filter(isInside),
    count: Math.max(0, Math.min(count, end)),
    origin: whole.find(({ origin }) => origin !== null)?.origin ?? null,
    total: whole.find(({ total }) => total !== null)?.total ?? null,
    // What is behind the range is there, whatever the last page says of what is behind itself.
    more: end > count ? true : last?.more,
    failure: whole.find(({ failure }) => failure !== null)?.failure ?? null,
  };
}

function mustHaveOrigin<T>({ rows, dropped, count, origin, total, more, failure }: Piece<T>): UpstreamPage<T> {
  if (origin === null) throw failure ? givenUp(failure) : new RangeError("a page without an origin has a failure");
  return {
    rows: rows.map(({ row }) => row),
    places: rows.map(({ place }) => place),
    dropped: dropped.map(({ row, place }) => ({ ...row, index: place })),
    count,
    origin,
    total,
    ...(more === undefined ? {} : { more }),
  };
}

/** The same failure, for which nothing smaller can be asked any more. */
function givenUp({ failure, backend, operation, status, code, traceId, reason }: UpstreamError): UpstreamError {
  return new UpstreamError(failure, {
    backend,
    operation,
    status,
    code,
    traceId,
    ...(reason === null ? {} : { reason }),
  });
}

/** An eighth: each try that fails is read up to the limit, so that few of them have to find a size that will do. */
function smaller(size: number): number {
  return Math.max(1, Math.floor(size / 8));
}
