import type { Page, PageRequest, Row } from "../../model/page.ts";

/**
 * One window over several lists, one behind the other: what Zadig's OpenAPI, which lists one project at a time, makes
 * of "all projects". The position of a row is the list it is in, before its position there.
 */
export async function chainWindow<L, T>(
  request: PageRequest,
  lists: readonly [L, ...L[]],
  read: (list: L, request: PageRequest) => Promise<Page<T>>,
): Promise<Page<T>> {
  const [head, ...inner] = request.after ?? [];
  const start = typeof head === "number" && head >= 0 && head < lists.length ? head : 0;
  const rows: Row<T>[] = [];
  const pages: Page<T>[] = [];
  let leg = start;
  for (; leg < lists.length; leg++) {
    const list = lists[leg];
    if (list === undefined) break;
    const after = leg === start && inner.length > 0 ? inner : null;
    const page = await read(list, { first: request.first - rows.length, after });
    const at = leg;
    pages.push(page);
    for (const { value, position } of page.rows) rows.push({ value, position: [at, ...position] });
    if (page.hasNext || rows.length >= request.first) break;
  }
  const [first] = pages;
  if (!first) throw new RangeError("a chain has at least one list");
  return {
    rows,
    hasNext: (pages[pages.length - 1]?.hasNext ?? false) || leg + 1 < lists.length,
    total: lists.length === 1 || first.total === null ? first.total : () => sumOf(lists, read),
    origin: first.origin,
    dropped: pages.flatMap((page) => page.dropped),
  };
}

async function sumOf<L, T>(
  lists: readonly L[],
  read: (list: L, request: PageRequest) => Promise<Page<T>>,
): Promise<number | null> {
  const totals = await Promise.all(
    lists.map(async (list) => {
      const { total } = await read(list, { first: 1, after: null });
      return typeof total === "function" ? total() : total;
    }),
  );
  return totals.reduce((sum: number | null, total) => (sum === null || total === null ? null : sum + total), 0);
}
