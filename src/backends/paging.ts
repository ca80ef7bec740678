import type { UpstreamPage } from "./paging/source.ts";

export { mapPage } from "../model/page.ts";
export type { UpstreamPage } from "./paging/source.ts";
export { readWindow, sliceWindow } from "./paging/window.ts";

/** The same page without the rows that are not meant; the places of the others stay. */
export function keepRows<T>(page: UpstreamPage<T>, keep: (row: T) => boolean): UpstreamPage<T> {
  const places = placesOf(page);
  const kept = page.rows.map((row, index) => ({ row, place: places?.[index] ?? index })).filter(({ row }) => keep(row));
  return { ...page, rows: kept.map(({ row }) => row), places: kept.map(({ place }) => place) };
}

/** Zero-based places of the rows in their answer: unreadable rows keep theirs. Null: each stands where it stood. */
function placesOf({ rows, count, places, dropped }: UpstreamPage<unknown>): readonly number[] | null {
  if (places) return places;
  if (rows.length >= count) return null;
  const gaps = new Set(dropped.map(({ index }) => index));
  return Array.from({ length: count }, (_, place) => place).filter((place) => !gaps.has(place));
}
