import { type Absent, type Answer, absent, found, type Unknown } from "../answers.ts";
import { keyText } from "../batch.ts";
import { type ListPage, silenceOf } from "./absence.ts";
import { type PackageList, pageSize } from "./client.ts";
import { printKey } from "./identity.ts";
import { nameOf, type RowContext } from "./mapper.ts";
import { listGroupPackages, listProjectPackages } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import { placed } from "./walk.ts";

/** A row and what its list says of it. */
export interface SeenRow {
  readonly row: PackageRow;
  readonly context: RowContext;
}

/** A page of a package list. */
export interface PackagePage extends ListPage<PackageRow> {
  /** The project that answered, by full path where the server tells it; null in a group's list. */
  readonly repository: string | null;
}

/** How one package list is read. */
export interface ReadList {
  /** One page, once a request. */
  readonly page: (list: PackageList, number: number) => Promise<PackagePage>;
  /** What a row's list says of it; null for a row of a group's list that does not tell its project. */
  readonly contextOf: (row: PackageRow, page: PackagePage) => RowContext | null;
}

/** The operation that reads a list. */
export function operationOf({ scope }: Pick<PackageList, "scope">) {
  return scope.kind === "project" ? listProjectPackages : listGroupPackages;
}

/** What a list proves that was read to its end and did not hold what was looked for; see {@link silenceOf}. */
export function silenceIn(list: PackageList, pages: readonly PackagePage[]): Absent | Unknown {
  return silenceOf(pages, ({ id }) => id, absenceIn(list), operationOf(list));
}

/** The absence that a list proves by holding nothing. */
export function absenceIn(list: PackageList): Absent {
  const isNarrowed = list.type !== null || list.name !== null || list.version !== null;
  return absent(operationOf(list), isNarrowed ? "COMPLETE_FILTER" : "WHOLE_LIST");
}

/** The first row that matches; throws MALFORMED where none does and a row could not be read. */
export async function findRow(
  { page, contextOf }: ReadList,
  list: PackageList,
  matches: (row: PackageRow) => boolean,
): Promise<Answer<SeenRow>> {
  const pages: PackagePage[] = [];
  for (let number = 1; ; number++) {
    const one = await page(list, number);
    pages.push(one);
    const row = one.rows.find(matches);
    const context = row ? contextOf(row, one) : null;
    if (row && context) return found({ row, context });
    if (!one.more) return silenceIn(list, pages);
  }
}

/** The place of the first row of a page that could not be read; behind its last where all could. */
export function firstGapOf({ dropped }: PackagePage): number {
  return dropped.reduce((first, { index }) => Math.min(first, index), pageSize);
}

/** The text that one package of one project is told apart by. */
export function identityOf({ row, context }: SeenRow): string {
  const { type, name } = nameOf(row);
  return keyText(context.repository, type, name);
}

/** The rows of each package, by {@link identityOf}. Rows that a shifting list repeats are one row. */
export function rowsByPackage(rows: readonly SeenRow[]): Map<string, SeenRow[]> {
  const groups = new Map<string, Map<number, SeenRow>>();
  for (const one of rows) {
    const identity = identityOf(one);
    const group = groups.get(identity);
    if (group) group.set(one.row.id, one);
    else groups.set(identity, new Map([[one.row.id, one]]));
  }
  return new Map([...groups].map(([identity, group]) => [identity, [...group.values()]]));
}

/** Whether a list that was asked for newest first is: dates never rise, and none is missing. Pages come in their order. */
export function createOrderCheck(): (page: PackagePage) => boolean {
  let last = Number.POSITIVE_INFINITY;
  let isOrdered = true;
  return ({ rows }) => {
    for (const { created_at } of rows) {
      const at = Date.parse(created_at ?? "");
      // Not a number is not at most the last one either.
      if (!(at <= last)) isOrdered = false;
      last = at;
    }
    return isOrdered;
  };
}

/** What a sweep through a list brought. */
export interface Swept {
  /** The first row of each key. */
  readonly found: ReadonlyMap<string, SeenRow>;
  /** Packages of rows that had no key on purpose. */
  readonly passed: ReadonlySet<string>;
  /** What it proves of the keys that it did not find; null where they have to be looked for otherwise. */
  readonly silence: Absent | null;
}

/**
 * Looks for many keys in one list: reads on while the pages left are fewer than the keys left, because a list row says
 * all that a single call would. For `the newest` it ends at what makes the order doubtful: a row that could not be read,
 * a date that is missing or higher than the one before.
 */
export async function sweep(
  { page, contextOf }: ReadList,
  list: PackageList,
  wanted: ReadonlySet<string>,
  textOf: (row: PackageRow) => string | null,
  goal: "the newest" | "any",
): Promise<Swept> {
  const hits = new Map<string, SeenRow>();
  const passed = new Set<string>();
  const pages: PackagePage[] = [];
  const isOrdered = createOrderCheck();
  const isReadable = () => pages.every(({ dropped }) => dropped.length === 0);
  for (let number = 1; ; number++) {
    const one = await page(list, number);
    pages.push(one);
    if (goal === "the newest" && !isOrdered(one)) return { found: hits, passed, silence: null };
    const firstGap = goal === "any" ? pageSize : firstGapOf(one);
    for (const { row, place } of placed(one, number)) {
      if (place % pageSize > firstGap) break;
      const text = textOf(row);
      const context = text !== null && wanted.has(text) && !hits.has(text) ? contextOf(row, one) : null;
      if (text === null) passed.add(printKey(nameOf(row)));
      else if (context) hits.set(text, { row, context });
    }
    const missing = wanted.size - hits.size;
    if (missing === 0 || (goal === "the newest" && !isReadable())) return { found: hits, passed, silence: null };
    if (!one.more) {
      const silence = isReadable() ? silenceIn(list, pages) : null;
      return { found: hits, passed, silence: silence?.kind === "ABSENT" ? silence : null };
    }
    const left = one.total === null ? 0 : Math.ceil(one.total / pageSize) - number;
    if (one.total === null || left >= missing) return { found: hits, passed, silence: null };
  }
}
