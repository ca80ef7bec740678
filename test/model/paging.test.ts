import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  keepRows,
  pageSize,
  readWindow,
  sliceWindow,
  type UpstreamPage,
  type Walk,
} from "../../src/backends/paging.ts";
import type { Page, PageRequest, Position } from "../../src/model/page.ts";

const origin = { backend: "somewhere", fetchedAt: "2026-11-02T09:00:00.000Z", stale: false, traceId: null };

/** How a backend tells where its list ends. */
type Ending = "counts" | "says more" | "says nothing" | "looks ahead";

interface Entry {
  readonly id: string;
  readonly isBad: boolean;
}

interface Server {
  readonly entries: Entry[];
  readonly walk: Walk<string>;
  readonly asked: () => number;
}

/** A list on a server that cuts it into pages, over entries that the test may change between two windows. */
function serve(
  entries: readonly Entry[],
  ending: Ending,
  maxSize: number,
  places: "told" | "counted" = "counted",
): Server {
  const list = [...entries];
  let asked = 0;
  const fetch = async (page: number, size: number): Promise<UpstreamPage<string>> => {
    asked += 1;
    expect(size).toBeLessThanOrEqual(maxSize);
    const cut = list.slice(page * size, (page + 1) * size);
    const dropped = cut.flatMap(({ isBad }, index) => (isBad ? [{ operation: "x.list", index, reason: "bad" }] : []));
    const answer = {
      rows: cut.filter(({ isBad }) => !isBad).map(({ id }) => id),
      count: cut.length,
      dropped,
      origin,
      total: ending === "counts" ? list.length : null,
      ...(ending === "says more" ? { more: (page + 1) * size < list.length } : {}),
    };
    return places === "told"
      ? { ...answer, places: cut.flatMap(({ isBad }, index) => (isBad ? [] : [index])) }
      : answer;
  };
  return {
    entries: list,
    walk: { fetch, identity: (row) => row, maxSize, looksAhead: ending === "looks ahead" },
    asked: () => asked,
  };
}

interface Walked {
  readonly rows: string[];
  readonly dropped: number;
  readonly windows: Page<string>[];
}

/** Walks to the end as a client does: a position goes through JSON on its way. `between` runs after each window. */
async function walkAll(
  read: (request: PageRequest) => Promise<Page<string>>,
  firsts: readonly number[],
  between: (shown: readonly string[]) => void = () => undefined,
): Promise<Walked> {
  const rows: string[] = [];
  const windows: Page<string>[] = [];
  let after: Position | null = null;
  for (let round = 0; round < 400; round++) {
    const first = firsts[round % firsts.length] ?? 1;
    const page: Page<string> = await read({ first, after });
    windows.push(page);
    expect(page.rows.length).toBeLessThanOrEqual(first);
    rows.push(...page.rows.map(({ value }) => value));
    if (!page.hasNext) {
      return { rows, windows, dropped: windows.reduce((sum, { dropped }) => sum + dropped.length, 0) };
    }
    // An empty window has no position to go on from: the rest of the list would be lost.
    expect(page.rows).not.toEqual([]);
    after = JSON.parse(JSON.stringify(page.rows.at(-1)?.position ?? null));
    between(rows);
  }
  throw new Error("the list does not end");
}

const endings = fc.constantFrom<Ending>("counts", "says more", "says nothing", "looks ahead");
const firsts = fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 5 });
const maxSizes = fc.constantFrom(1, 7, 20, 25, 26, 100, 1000);
const total = fc.integer({ min: 0, max: 120 });

const good = (count: number, prefix = "row"): Entry[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${prefix} ${index}`, isBad: false }));

describe("a walk by pages", () => {
  test("shows every row once and in order, whatever the total and the sizes, and knows the end", async () => {
    await fc.assert(
      fc.asyncProperty(total, firsts, maxSizes, endings, async (count, sizes, maxSize, ending) => {
        const { entries, walk } = serve(good(count), ending, maxSize);
        const { rows, windows } = await walkAll((request) => readWindow(request, walk), sizes);
        expect(rows).toEqual(entries.map(({ id }) => id));
        let shown = 0;
        for (const { rows: window, hasNext, total: told } of windows) {
          shown += window.length;
          // Where nobody tells, a page that is just full may be the last: then one more look shows it.
          if (ending !== "says nothing") expect(hasNext).toBe(shown < count);
          expect(told).toBe(ending === "counts" ? count : null);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("loses no good row to bad ones, and tells of each bad one once", async () => {
    const entries = fc
      .array(fc.boolean(), { maxLength: 80 })
      .map((bad) => bad.map((isBad, index): Entry => ({ id: `row ${index}`, isBad })));
    await fc.assert(
      fc.asyncProperty(
        entries,
        firsts,
        maxSizes,
        endings,
        fc.constantFrom("told" as const, "counted" as const),
        async (list, sizes, maxSize, ending, places) => {
          const { walk } = serve(list, ending, maxSize, places);
          const { rows, dropped } = await walkAll((request) => readWindow(request, walk), sizes);
          expect(rows).toEqual(list.filter(({ isBad }) => !isBad).map(({ id }) => id));
          expect(dropped).toBe(list.filter(({ isBad }) => isBad).length);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("repeats nothing and skips nothing when rows are put in front, as far as a window reaches", async () => {
    await fc.assert(
      fc.asyncProperty(
        total,
        firsts,
        maxSizes,
        endings,
        fc.infiniteStream(fc.nat()),
        async (count, sizes, maxSize, ending, news) => {
          const { entries, walk } = serve(good(count), ending, maxSize);
          let added = 0;
          const { rows } = await walkAll(
            (request) => readWindow(request, walk),
            sizes,
            () => {
              const most = Math.min(...sizes);
              const fresh = (news.next().value ?? 0) % (most + 1);
              entries.unshift(...good(fresh, `new ${added++}`));
            },
          );
          expect(rows.filter((row) => row.startsWith("row"))).toEqual(good(count).map(({ id }) => id));
          expect(new Set(rows).size).toBe(rows.length);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("on a server that counts, neither any number of rows in front nor rows taken away move the place", async () => {
    await fc.assert(
      fc.asyncProperty(
        total,
        firsts,
        maxSizes,
        fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 60 }), fc.nat()), { minLength: 1, maxLength: 8 }),
        async (count, sizes, maxSize, changes) => {
          const { entries, walk } = serve(good(count), "counts", maxSize);
          let round = 0;
          const { rows } = await walkAll(
            (request) => readWindow(request, walk),
            sizes,
            (shown) => {
              const [isGrowing = true, many = 0, which = 0] = changes[round++ % changes.length] ?? [];
              if (isGrowing) entries.unshift(...good(many, `new ${round}`));
              else {
                // Rows that were shown disappear, the one shown last among them.
                const gone = new Set(Array.from({ length: many }, (_, index) => shown.at(-1 - ((which + index) % 9))));
                entries.splice(0, entries.length, ...entries.filter(({ id }) => !gone.has(id)));
              }
            },
          );
          expect(rows.filter((row) => row.startsWith("row"))).toEqual(good(count).map(({ id }) => id));
          expect(new Set(rows).size).toBe(rows.length);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("drops rows that the backend repeats by itself", async () => {
    await fc.assert(
      fc.asyncProperty(total, firsts, endings, fc.integer({ min: 1, max: 9 }), async (count, sizes, ending, every) => {
        const twice = good(count).flatMap((entry, index) => (index % every === 0 ? [entry, entry] : [entry]));
        const { walk } = serve(twice, ending, 100);
        const { rows } = await walkAll((request) => readWindow(request, walk), sizes);
        expect(rows).toEqual(good(count).map(({ id }) => id));
      }),
    );
  });

  test("leaves out rows that are not meant without losing its place", async () => {
    await fc.assert(
      fc.asyncProperty(
        total,
        firsts,
        maxSizes,
        endings,
        fc.integer({ min: 2, max: 9 }),
        async (count, sizes, maxSize, ending, every) => {
          const { walk } = serve(good(count), ending, maxSize);
          const isMeant = (row: string) => Number(row.slice(4)) % every === 0;
          const fetch = async (page: number, size: number) => keepRows(await walk.fetch(page, size), isMeant);
          const { rows } = await walkAll((request) => readWindow(request, { ...walk, fetch }), sizes);
          expect(rows).toEqual(
            good(count)
              .map(({ id }) => id)
              .filter(isMeant),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test("ends on a server that promises rows and gives none", async () => {
    const { walk } = serve(good(5), "counts", 100);
    const fetch = async (page: number, size: number) => ({ ...(await walk.fetch(page, size)), total: 50 });
    const { rows } = await walkAll((request) => readWindow(request, { ...walk, fetch }), [3]);
    expect(rows).toEqual(good(5).map(({ id }) => id));
  });

  test("takes what strangers write into a position as some place in the list, and asks little for it", async () => {
    const part = fc.oneof(fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }), fc.nat({ max: 200 }), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), endings, async (after, ending) => {
        const { walk, asked } = serve(good(150), ending, 100);
        const page = await readWindow({ first: 10, after }, walk);
        expect(page.rows.length).toBeLessThanOrEqual(10);
        expect(asked()).toBeLessThanOrEqual(5);
      }),
    );
  });

  test("asks for one page where one can hold the window", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), endings, async (first, ending) => {
        const { walk, asked } = serve(good(500), ending, 200);
        await readWindow({ first, after: null }, walk);
        expect(asked()).toBe(1);
      }),
    );
  });
});

describe("the size of a page", () => {
  test("covers the window with the fewest pages that a size as large, or the one used before, needs", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 500 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat({ max: 120 }),
        fc.integer({ min: 1, max: 100 }),
        (offset, wanted, preferred, most) => {
          const pagesOf = (size: number) => Math.floor((offset + wanted - 1) / size) - Math.floor(offset / size) + 1;
          const size = pageSize(offset, wanted, preferred, most);
          expect(size).toBeLessThanOrEqual(most);
          const least = Math.min(wanted, most);
          const sizes = Array.from({ length: most - least + 1 }, (_, index) => least + index);
          const used = preferred > 0 && preferred <= most ? [preferred] : [];
          expect(pagesOf(size)).toBe(Math.min(...[...sizes, ...used].map(pagesOf)));
        },
      ),
    );
  });
});

describe("a walk over a list that is here as a whole", () => {
  const rest = { origin, dropped: [] };
  const slice = (rows: readonly string[]) => async (request: PageRequest) =>
    sliceWindow(request, rows, (row) => row, rest);

  test("shows every row once and in order, and counts them", async () => {
    await fc.assert(
      fc.asyncProperty(total, firsts, async (count, sizes) => {
        const rows = good(count).map(({ id }) => id);
        const walked = await walkAll(slice(rows), sizes);
        expect(walked.rows).toEqual(rows);
        expect(new Set(walked.windows.map((page) => page.total))).toEqual(new Set([count]));
      }),
    );
  });

  test("finds its place again by the row shown last, wherever that is now", async () => {
    await fc.assert(
      fc.asyncProperty(total, firsts, fc.nat({ max: 50 }), async (count, sizes, many) => {
        let rows = good(count).map(({ id }) => id);
        let round = 0;
        const { rows: shown } = await walkAll(
          (request) => slice(rows)(request),
          sizes,
          () => {
            rows = [...good(many, `new ${round++}`).map(({ id }) => id), ...rows];
          },
        );
        expect(shown).toEqual(good(count).map(({ id }) => id));
      }),
    );
  });

  test("is not told what the page is by what it is cut from", () => {
    const more = { ...rest, rows: [], hasNext: true, total: 99 };
    const page = sliceWindow({ first: 2, after: null }, ["a", "b"], (row) => row, more);
    expect(page).toMatchObject({ hasNext: false, total: 2 });
    expect(page.rows.map(({ value }) => value)).toEqual(["a", "b"]);
  });
});
