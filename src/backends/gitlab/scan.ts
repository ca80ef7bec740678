import type { Origin } from "../../model/backend.ts";
import type { UpstreamPage } from "../paging.ts";
import { unreadable } from "./absence.ts";
import { type PackageList, pageSize } from "./client.ts";
import { printKey } from "./identity.ts";
import { nameOf } from "./mapper.ts";
import { listProjectPackages } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import { placed } from "./walk.ts";

/** A row and the answer that held it. */
export interface Found {
  readonly row: PackageRow;
  readonly origin: Origin;
}

/** Reads one page of a package list, once a request. */
export type ReadPage = (list: PackageList, number: number) => Promise<UpstreamPage<PackageRow>>;

/** What a sweep through a list brought. */
export interface Swept {
  /** The first row of each key. */
  readonly found: ReadonlyMap<string, Found>;
  /** Packages of rows that had no key on purpose. */
  readonly passed: ReadonlySet<string>;
  /** Whether the list was read to its end, or to the last key, and every row was readable. */
  readonly complete: boolean;
}

/** The first row that matches; null when every row was readable and none did, else MALFORMED. */
export async function findRow(
  page: ReadPage,
  list: PackageList,
  backend: string,
  matches: (row: PackageRow) => boolean,
): Promise<Found | null> {
  let gap = false;
  for (let number = 1; ; number++) {
    const one = await page(list, number);
    const row = one.rows.find(matches);
    if (row) return { row, origin: one.origin };
    gap ||= one.dropped.length > 0;
    if (one.more) continue;
    if (gap) throw unreadable(backend, listProjectPackages.name);
    return null;
  }
}

/**
 * Looks for many keys in one list: reads on while the pages left are fewer than the keys left, because a list row says
 * all that a single call would. `stop at a gap` is for questions of order, where an unreadable row may be the answer.
 */
export async function sweep(
  page: ReadPage,
  list: PackageList,
  wanted: ReadonlySet<string>,
  textOf: (row: PackageRow) => string | null,
  gaps: "stop at a gap" | "pass gaps",
): Promise<Swept> {
  const found = new Map<string, Found>();
  const passed = new Set<string>();
  let readable = true;
  for (let number = 1; ; number++) {
    const one = await page(list, number);
    const firstGap =
      gaps === "pass gaps" ? pageSize : one.dropped.reduce((least, { index }) => Math.min(least, index), pageSize);
    readable &&= one.dropped.length === 0;
    for (const { row, place } of placed(one, number)) {
      if (place % pageSize > firstGap) break;
      const text = textOf(row);
      if (text === null) passed.add(printKey(nameOf(row)));
      else if (wanted.has(text) && !found.has(text)) found.set(text, { row, origin: one.origin });
    }
    const missing = wanted.size - found.size;
    if (missing === 0 || !one.more) return { found, passed, complete: readable };
    const left = one.total === null ? 0 : Math.ceil(one.total / pageSize) - number;
    if ((gaps === "stop at a gap" && !readable) || one.total === null || left >= missing) {
      return { found, passed, complete: false };
    }
  }
}
