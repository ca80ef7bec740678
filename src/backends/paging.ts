import type { DroppedRow, Origin } from "../model/backend.ts";
import type { Page, PageRequest, Position, Row } from "../model/page.ts";

/** One page as the backend answered it. */
export interface UpstreamPage<T> {
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

/** How one list is walked by pages of fixed size. */
export interface Walk<T> {
  /** Zero-based page of `size` rows; adapters add their own base (bkrepo and GitLab count from 1). */
  readonly fetch: (page: number, size: number) => Promise<UpstreamPage<T>>;
  /** A field of the row: rows that a shifting list repeats are dropped by it. */
  readonly identity: (row: T) => string;
  /** The largest page the backend gives. */
  readonly maxSize: number;
  /** True when the backend neither counts nor says that another page follows: one row more is asked for. */
  readonly looksAhead?: boolean;
}

/**
 * Reads the window `first` behind `after` with the fewest pages of one size. The position of a row is
 * `[offset behind it, page size, identity]`: the identity finds the place again when rows were added in front.
 */
export async function readWindow<T>(request: PageRequest, walk: Walk<T>): Promise<Page<T>> {
  const { offset, size: preferred, last } = placeOf(request.after);
  const wanted = request.first + (walk.looksAhead ? 1 : 0);
  const size = pageSize(offset, wanted, preferred, walk.maxSize);
  const firstPage = Math.floor(offset / size);
  const pages = await Promise.all(
    range(firstPage, Math.floor((offset + wanted - 1) / size)).map((page) => walk.fetch(page, size)),
  );
  const head = pages[0];
  if (!head) throw new RangeError("a window has at least one page");
  const total = pages.map((page) => page.total).find((count) => count !== null) ?? null;

  const window: { row: T; end: number; identity: string }[] = [];
  const seen = new Set<string>();
  let counted = firstPage * size;
  pages.forEach((page, index) => {
    page.rows.forEach((row, place) => {
      const identity = walk.identity(row);
      const end = (firstPage + index) * size + place + 1;
      if (end <= offset || seen.has(identity)) return;
      seen.add(identity);
      window.push({ row, end, identity });
    });
    counted = (firstPage + index) * size + page.count;
  });
  // Rows were added in front since the last page was cut: what was already shown comes again, up to the last row shown.
  const shown = last === null ? -1 : window.findIndex(({ identity }) => identity === last);
  const fresh = window.slice(shown + 1);

  const rows: Row<T>[] = fresh
    .slice(0, request.first)
    .map(({ row, end, identity }) => ({ value: row, position: [end, size, identity] }));
  const behind = rows.length > 0 && fresh.length > rows.length;
  const tail = pages[pages.length - 1];
  const more =
    tail?.more ?? (total !== null ? counted < total : tail !== undefined && tail.count >= size && !walk.looksAhead);
  return {
    rows,
    hasNext: behind || (more && counted > offset),
    total,
    origin: head.origin,
    dropped: pages.flatMap((page) => page.dropped),
  };
}

/** A window over rows that are all here already (a list the backend does not page). */
export function sliceWindow<T>(
  request: PageRequest,
  rows: readonly T[],
  identity: (row: T) => string,
  rest: Pick<Page<T>, "origin" | "dropped">,
): Page<T> {
  const { offset, last } = placeOf(request.after);
  // The identity beats the offset: rows may have come or gone since.
  const found = last === null ? -1 : rows.findIndex((row) => identity(row) === last);
  const start = found >= 0 ? found + 1 : Math.min(offset, rows.length);
  const slice = rows.slice(start, start + request.first);
  return {
    rows: slice.map((row, place) => ({ value: row, position: [start + place + 1, 0, identity(row)] })),
    hasNext: start + slice.length < rows.length,
    total: rows.length,
    ...rest,
  };
}

/** The same page with each row mapped; positions and everything else stay. */
export function mapPage<T, U>(page: Page<T>, map: (value: T) => U): Page<U> {
  return { ...page, rows: page.rows.map(({ value, position }) => ({ value: map(value), position })) };
}

/** The smallest page size that covers the window with the fewest pages; a size used before wins ties. */
export function pageSize(offset: number, wanted: number, preferred: number, max: number): number {
  let best = { size: Math.min(wanted, max), pages: Number.POSITIVE_INFINITY };
  const candidates = [...(preferred > 0 && preferred <= max ? [preferred] : []), ...range(Math.min(wanted, max), max)];
  for (const size of candidates) {
    const pages = Math.floor((offset + wanted - 1) / size) - Math.floor(offset / size) + 1;
    if (pages < best.pages) best = { size, pages };
  }
  return best.size;
}

function placeOf(after: Position | null): { offset: number; size: number; last: string | null } {
  const [offset, size, last] = after ?? [];
  return {
    offset: typeof offset === "number" ? offset : 0,
    size: typeof size === "number" ? size : 0,
    last: typeof last === "string" ? last : null,
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}
