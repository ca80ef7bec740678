import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Answer, found, unknown } from "../../src/backends/answers.ts";
import { readChain, type Segment } from "../../src/backends/paging/chain.ts";
import { collect } from "../../src/backends/paging/collect.ts";
import { type Filter, readFiltered } from "../../src/backends/paging/filter.ts";
import { isMergedPosition, readMerged } from "../../src/backends/paging/merge.ts";
import {
  isCursorPosition,
  nestPosition,
  printCursorPlace,
  printPlace,
  readCursorPlace,
  readNestedPosition,
  readPlace,
  readSegmentPlace,
} from "../../src/backends/paging/position.ts";
import {
  type CursorSource,
  type NumberedSource,
  readPage,
  type UpstreamPage,
} from "../../src/backends/paging/source.ts";
import { pageSize } from "../../src/backends/paging/walk.ts";
import { readWindow, sliceWindow } from "../../src/backends/paging/window.ts";
import type { Page, PageRequest, Position } from "../../src/model/backend.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import { foundIn } from "../support/answers.ts";

const origin = { backend: "somewhere", fetchedAt: "2026-11-02T09:00:00.000Z", stale: false, traceId: null };

/** How a backend tells where its list ends. */
type Ending = "counts" | "says more" | "says nothing" | "looks ahead";

interface Entry {
  readonly id: string;
  readonly isBad: boolean;
}

interface Server {
  readonly entries: Entry[];
  readonly source: NumberedSource<string>;
  readonly asked: () => number;
}

/** A list on a server that cuts it into pages, over entries that the test may change between two windows. */
function serve(entries: readonly Entry[], ending: Ending, maxSize: number): Server {
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
    return answer;
  };
  return {
    entries: list,
    source: { fetch, identity: (row) => row, maxSize, looksAhead: ending === "looks ahead" },
    asked: () => asked,
  };
}

interface Walked<T> {
  readonly rows: T[];
  readonly dropped: number;
  readonly windows: Page<T>[];
}

/** Walks to the end as a client does: a position goes through JSON on its way. `between` runs after each window. */
async function walkAll<T>(
  read: (request: PageRequest) => Promise<Page<T>>,
  firsts: readonly number[],
  between: (shown: readonly T[]) => void = () => undefined,
): Promise<Walked<T>> {
  const rows: T[] = [];
  const windows: Page<T>[] = [];
  let after: Position | null = null;
  for (let round = 0; round < 400; round++) {
    const first = firsts[round % firsts.length] ?? 1;
    const page: Page<T> = await read({ first, after });
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

/** One way to read a numbered list whose every row is wanted: all of them show the same. */
interface Reader {
  readonly read: (source: NumberedSource<string>) => (request: PageRequest) => Promise<Page<string>>;
  /** Rows that may come in front of a list that is not counted without moving the place. */
  readonly reach: number;
}

const readers: Record<string, Reader> = {
  "by windows": { read: (source) => (request) => readWindow(request, source), reach: 1000 },
  "by a filter that reads as many rows as it wants": filtering({ rows: 9 }),
  "by a filter whose pages grow": filtering({ rows: 1, most: 16, concurrency: 3 }),
  "by a filter over pages of one size": filtering({ rows: 1, concurrency: 5 }, true),
  "by a filter that guesses whether rows follow": filtering({ rows: 7, guessesNext: true }),
  "by groups of one row": filtering({ rows: 7, collapse: { group: (row) => row, part: () => "" } }),
  "by a chain of one list": {
    read: (source) => async (request) => {
      const read = async (inner: PageRequest) => found(await readWindow(inner, source));
      return pageIn((await readChain(request, [{ id: "only", read }], "ONE_BY_ONE")).page);
    },
    reach: 1000,
  },
};

function filtering(filter: Omit<Filter<string, string>, "accept">, isFixed = false): Reader {
  return {
    read: (source) => async (request) =>
      foundIn(await readFiltered<string, string>(request, { ...source, isFixed }, { accept: (row) => row, ...filter })),
    reach: filter.rows,
  };
}

function pageIn<T>(page: Page<T> | null): Page<T> {
  if (page === null) throw new Error("no list of the chain is there");
  return page;
}

const endings = fc.constantFrom<Ending>("counts", "says more", "says nothing", "looks ahead");
const firsts = fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 5 });
const maxSizes = fc.constantFrom(1, 7, 20, 25, 26, 100, 1000);
const total = fc.integer({ min: 0, max: 120 });

const good = (count: number, prefix = "row"): Entry[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${prefix} ${index}`, isBad: false }));

describe.each(Object.entries(readers))("a numbered list, read %s,", (way, { read, reach }) => {
  const guesses = way.includes("guesses");

  test("shows every row once and in order, whatever the total and the sizes, and knows the end", async () => {
    await fc.assert(
      fc.asyncProperty(total, firsts, maxSizes, endings, async (count, sizes, maxSize, ending) => {
        const { entries, source } = serve(good(count), ending, maxSize);
        const { rows, windows } = await walkAll(read(source), sizes);
        expect(rows).toEqual(entries.map(({ id }) => id));
        let shown = 0;
        for (const { rows: window, hasNext } of windows) {
          shown += window.length;
          // Where the backend says nothing, a page that is just full may be the last: then one more look shows it.
          if (ending !== "says nothing" && !guesses) expect(hasNext).toBe(shown < count);
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
      fc.asyncProperty(entries, firsts, maxSizes, endings, async (list, sizes, maxSize, ending) => {
        const { source } = serve(list, ending, maxSize);
        const { rows, dropped } = await walkAll(read(source), sizes);
        expect(rows).toEqual(list.filter(({ isBad }) => !isBad).map(({ id }) => id));
        expect(dropped).toBe(list.filter(({ isBad }) => isBad).length);
      }),
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
          const { entries, source } = serve(good(count), ending, maxSize);
          let added = 0;
          const { rows } = await walkAll(read(source), sizes, () => {
            const most = Math.min(...sizes, reach);
            const fresh = (news.next().value ?? 0) % (most + 1);
            entries.unshift(...good(fresh, `new ${added++}`));
          });
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
          const { entries, source } = serve(good(count), "counts", maxSize);
          let round = 0;
          const { rows } = await walkAll(read(source), sizes, (shown) => {
            const [isGrowing = true, many = 0, which = 0] = changes[round++ % changes.length] ?? [];
            if (isGrowing) entries.unshift(...good(many, `new ${round}`));
            else {
              // Rows that were shown disappear, the one shown last among them.
              const gone = new Set(Array.from({ length: many }, (_, index) => shown.at(-1 - ((which + index) % 9))));
              entries.splice(0, entries.length, ...entries.filter(({ id }) => !gone.has(id)));
            }
          });
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
        const { source } = serve(twice, ending, 100);
        const { rows } = await walkAll(read(source), sizes);
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
          const { source } = serve(good(count), ending, maxSize);
          const isMeant = (row: string) => Number(row.slice(4)) % every === 0;
          const { rows } = await walkAll(read({ ...source, keep: isMeant }), sizes);
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
    const { source } = serve(good(5), "counts", 100);
    const fetch = async (page: number, size: number) => ({ ...(await source.fetch(page, size)), total: 50 });
    const { rows } = await walkAll(read({ ...source, fetch }), [3]);
    expect(rows).toEqual(good(5).map(({ id }) => id));
  });

  test("takes what anybody may send as a position as some place in the list, and asks little for it", async () => {
    const part = fc.oneof(fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }), fc.nat({ max: 200 }), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), endings, async (after, ending) => {
        const { source, asked } = serve(good(150), ending, 100);
        const page = await read(source)({ first: 10, after });
        expect(page.rows.length).toBeLessThanOrEqual(10);
        expect(asked()).toBeLessThanOrEqual(8);
      }),
    );
  });
});

describe("a window", () => {
  test("asks for one page where one can hold the window", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), endings, async (first, ending) => {
        const { source, asked } = serve(good(500), ending, 200);
        await readWindow({ first, after: null }, source);
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

  test("does not depend on what the page is cut from", () => {
    const more = { ...rest, rows: [], hasNext: true, total: 99 };
    const page = sliceWindow({ first: 2, after: null }, ["a", "b"], (row) => row, more);
    expect(page).toMatchObject({ hasNext: false, total: 2 });
    expect(page.rows.map(({ value }) => value)).toEqual(["a", "b"]);
  });
});

describe("a page that is too large an answer", () => {
  const tooLarge = () => new UpstreamError("MALFORMED", { backend: "b", operation: "b.list", tooLarge: true });

  /** A list of rows of these weights, whose answers may weigh so much; `calls` are the sizes that were asked for. */
  function weigh(weights: readonly number[], most: number, withTotal: boolean) {
    const calls: number[] = [];
    const fetch = async (page: number, size: number): Promise<UpstreamPage<number>> => {
      calls.push(size);
      const rows = weights.map((_, index) => index).slice(page * size, (page + 1) * size);
      if (rows.reduce((sum, row) => sum + (weights[row] ?? 0), 0) > most) throw tooLarge();
      return { rows, count: rows.length, dropped: [], origin, total: withTotal ? weights.length : null };
    };
    return { source: { fetch, identity: String, maxSize: 50 }, calls };
  }

  test("holds the same rows at the same places as if it were not, whatever its rows weigh", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 120 }),
        fc.integer({ min: 10, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat({ max: 3 }),
        fc.boolean(),
        async (weights, most, size, number, withTotal) => {
          const page = await readPage(weigh(weights, most, withTotal).source, number, size);
          const start = number * size;
          const expected = weights.map((_, index) => index).slice(start, start + size);
          expect(page.rows.map(({ row }) => row)).toEqual(expected);
          expect(page.rows.map(({ place }) => place)).toEqual(expected);
          expect(page.end - page.start).toBe(expected.length);
          expect(page.total).toBe(withTotal ? weights.length : null);
        },
      ),
    );
  });

  test("loses only rows that are too large alone, each dropped at its place", async () => {
    const weights = Array.from({ length: 40 }, (_, index) => (index === 13 || index === 30 ? 1000 : 10));
    const { source, calls } = weigh(weights, 100, true);
    const page = await readPage(source, 0, 40);
    expect(page.rows.map(({ row }) => row)).toEqual(weights.flatMap((weight, index) => (weight > 100 ? [] : [index])));
    expect(page.dropped.map(({ place }) => place)).toEqual([13, 30]);
    expect(page.end).toBe(40);
    expect(calls.length).toBeLessThan(30);
  });

  test("is walked in windows, through a filter and as a whole list without repeat or gap", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 25 }),
        fc.boolean(),
        async (weights, first, withTotal) => {
          const { source } = weigh(weights, 60, withTotal);
          const expected = weights.map((_, index) => index);
          const accept = (row: number) => row;
          const windows = await walkAll((request) => readWindow(request, source), [first]);
          const filtered = await walkAll(
            async (request) => foundIn(await readFiltered(request, source, { accept, rows: 10, most: 40 })),
            [first],
          );
          expect(windows.rows).toEqual(expected);
          expect(filtered.rows).toEqual(expected);
          expect((await collect(source)).rows).toEqual(expected);
        },
      ),
    );
  });

  test("rejects with the failure, once, where the server ignores the size", async () => {
    const { source, calls } = weigh(Array(100).fill(1000), 10, true);
    const failure = await readPage(source, 0, 100).catch((error: unknown) => error);
    expect(failure).toMatchObject({ failure: "MALFORMED", tooLarge: false });
    expect(calls.length).toBeLessThan(7);
  });
});

describe("a server that answers every page with the same rows", () => {
  const endless = (more: boolean | undefined) => {
    let calls = 0;
    const fetch = async (_: number, size: number): Promise<UpstreamPage<number>> => {
      calls += 1;
      const rows = Array.from({ length: size }, (_, row) => row);
      return { rows, count: size, dropped: [], origin, total: null, ...(more === undefined ? {} : { more }) };
    };
    return { source: { fetch, identity: String, maxSize: 50 }, calls: () => calls };
  };

  test.each([undefined, true])("is not asked for ever (more: %s)", async (more) => {
    const window = endless(more);
    const head = await readWindow({ first: 1, after: null }, window.source);
    await readWindow({ first: 1, after: head.rows[0]?.position ?? null }, window.source);
    expect(window.calls()).toBeLessThan(8);
    const filter = endless(more);
    const answer = await readFiltered({ first: 9, after: null }, filter.source, { accept: () => null, rows: 10 });
    expect(foundIn(answer)).toMatchObject({ rows: [], hasNext: false });
    expect(filter.calls()).toBeLessThan(8);
    const list = endless(more);
    expect(await collect(list.source)).toMatchObject({ isCut: true, isWhole: false });
    expect(list.calls()).toBe(2);
  });
});

describe("a filter", () => {
  const numbers = (rows: readonly number[], withTotal = true, reads: () => void = () => undefined) => ({
    fetch: async (page: number, size: number): Promise<UpstreamPage<number>> => {
      reads();
      const cut = rows.slice(page * size, (page + 1) * size);
      return { rows: cut, count: cut.length, dropped: [], origin, total: withTotal ? rows.length : null };
    },
    identity: String,
    maxSize: 200,
  });
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

  test("shows what belongs, once and in order, and knows the end, for any total, page size and window", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 90 }),
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        fc.constantFrom(undefined, 1, 2, 8),
        async (count, size, first, every, withTotal, growth) => {
          const most = growth === undefined ? {} : { most: size * growth };
          const accept = async (row: number) => (row % every === 0 ? row : null);
          const filter = { accept, rows: size, concurrency: 7, ...most };
          const source = numbers(upTo(count), withTotal);
          const { rows, windows } = await walkAll(
            async (request) => foundIn(await readFiltered(request, source, filter)),
            [first],
          );
          expect(rows).toEqual(upTo(count).filter((row) => row % every === 0));
          expect(windows.at(-1)?.rows.length === 0).toBe(count === 0);
        },
      ),
    );
  });

  test("goes on at the right row when the row that was shown last is gone", async () => {
    const rows = upTo(40);
    const filter = { accept: (row: number) => row, rows: 10, most: 10 };
    const head = foundIn(await readFiltered({ first: 13, after: null }, numbers(rows), filter));
    const left = numbers(rows.filter((row) => row !== 12));
    const tail = foundIn(await readFiltered({ first: 50, after: head.rows.at(-1)?.position ?? null }, left, filter));
    expect([...head.rows, ...tail.rows].map(({ value }) => value)).toEqual(rows);
  });

  test("stops at the row behind which nothing can belong", async () => {
    let reads = 0;
    const source = numbers(upTo(500), true, () => {
      reads++;
    });
    const filter = {
      accept: (row: number) => (row === 3 ? row : null),
      isLast: (row: number) => row >= 45,
      rows: 20,
      most: 20,
    };
    const page = foundIn(await readFiltered({ first: 5, after: null }, source, filter));
    expect(page).toMatchObject({ rows: [{ value: 3 }], hasNext: false, lacksRows: false });
    expect(reads).toBe(3);
  });

  test("goes on where it was cut, and is unknown where it found nothing before", async () => {
    const filter = { accept: (row: number) => (row % 15 === 0 ? row : null), rows: 10, most: 10, maxRows: () => 20 };
    const source = numbers(upTo(100));
    const page = foundIn(await readFiltered({ first: 5, after: null }, source, filter));
    expect(page).toMatchObject({ rows: [{ value: 0 }, { value: 15 }], hasNext: true });
    const { rows } = await walkAll(async (request) => foundIn(await readFiltered(request, source, filter)), [5]);
    expect(rows).toEqual([0, 15, 30, 45, 60, 75, 90]);
    const none = await readFiltered({ first: 5, after: null }, source, { ...filter, accept: () => null });
    expect(none).toMatchObject({ kind: "UNKNOWN", reason: "UNREAD" });
  });

  test("reads no row twice and no page more than its windows need", async () => {
    const asked: string[] = [];
    const { fetch, ...rest } = numbers(upTo(200));
    const source = {
      ...rest,
      fetch: (page: number, size: number) => {
        asked.push(`${page}x${size}`);
        return fetch(page, size);
      },
    };
    const filter = { accept: (row: number) => (row > 60 ? row : null), rows: 10, most: 40 };
    await readFiltered({ first: 5, after: null }, source, filter);
    expect(asked).toEqual(["0x10", "1x10", "1x20", "1x40"]);
  });

  test("counts what it has seen whole, and asks for the count of anything else only when it is wanted", async () => {
    let counts = 0;
    const count = async (total: number | null) => {
      counts++;
      return total;
    };
    const filter = { accept: (row: number) => (row % 2 === 0 ? row : null), rows: 10, count };
    const small = foundIn(await readFiltered({ first: 3, after: null }, numbers(upTo(9)), filter));
    expect([small.total, small.isWhole, counts]).toEqual([5, true, 0]);
    const large = foundIn(await readFiltered({ first: 3, after: null }, numbers(upTo(99)), filter));
    expect(large.isWhole).toBe(false);
    expect(counts).toBe(0);
    expect(typeof large.total === "function" ? await large.total() : null).toBe(99);
  });

  test("says when fewer rows came than are counted", async () => {
    const { fetch, ...rest } = numbers(upTo(25));
    const liar = {
      ...rest,
      fetch: async (page: number, size: number) => ({ ...(await fetch(page, size)), total: 26 }),
    };
    const filter = { accept: (row: number) => row, rows: 10 };
    expect(foundIn(await readFiltered({ first: 9, after: null }, liar, filter)).lacksRows).toBe(false);
    expect(foundIn(await readFiltered({ first: 50, after: null }, liar, filter)).lacksRows).toBe(true);
    expect(foundIn(await readFiltered({ first: 50, after: null }, numbers(upTo(25)), filter)).lacksRows).toBe(false);
  });

  test("collapses rows of one group, wherever pages and windows cut it", async () => {
    interface PackageRow {
      readonly id: number;
      readonly name: number;
      readonly type: string;
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name: fc.nat({ max: 12 }), type: fc.constantFrom("a", "b", "c") }), { maxLength: 90 }),
        fc.integer({ min: 1, max: 30 }),
        firsts,
        fc.boolean(),
        fc.nat({ max: 40 }),
        async (drafts, maxSize, sizes, isFixed, added) => {
          let rows: PackageRow[] = drafts
            .toSorted((one, other) => one.name - other.name)
            .map((draft, id) => ({ id, ...draft }));
          const source: NumberedSource<PackageRow> = {
            fetch: async (page, size) => {
              const cut = rows.slice(page * size, (page + 1) * size);
              return { rows: cut, count: cut.length, dropped: [], origin, total: rows.length };
            },
            identity: ({ id }) => String(id),
            maxSize,
            isFixed,
          };
          const filter: Filter<PackageRow, PackageRow> = {
            accept: (row) => row,
            rows: 10,
            collapse: { group: ({ name }) => String(name), part: ({ type }) => type },
          };
          const thing = ({ name, type }: PackageRow) => `${name} ${type}`;
          const expected = new Set(rows.map(thing));
          let news = 1000;
          const walked = await walkAll(
            async (request) => foundIn(await readFiltered(request, source, filter)),
            sizes,
            () => {
              // Names in front of those that were shown.
              const fresh = Array.from({ length: added }, () => ({ id: news++, name: -1, type: "a" }));
              rows = [...fresh, ...rows];
            },
          );
          const things = walked.rows.map(thing).filter((text) => !text.startsWith("-1"));
          expect(new Set(things).size).toBe(things.length);
          expect(new Set(things)).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a cursor list", () => {
  /** A list whose cursor is the text of the next row's number; a server may name a cursor behind the last row. */
  function serveAtCursor(
    count: number,
    maxSize: number,
    ending: "exact" | "empty page" | "repeats",
  ): CursorSource<number> {
    return {
      maxSize,
      identity: String,
      fetchAt: async (cursor, size) => {
        const start = Number(cursor || 0);
        const rows = Array.from({ length: count }, (_, row) => row).slice(start, start + size);
        const end = start + rows.length;
        const goesOn = ending === "exact" ? end < count : rows.length > 0;
        const next = ending === "repeats" && end >= count ? cursor || "0" : goesOn ? String(end) : null;
        return { rows, count: rows.length, dropped: [], origin, total: null, next };
      },
    };
  }
  const cursorEndings = fc.constantFrom("exact" as const, "empty page" as const);

  test("is shown row by row, once and in order, in windows of any size", async () => {
    await fc.assert(
      fc.asyncProperty(total, firsts, maxSizes, cursorEndings, async (count, sizes, maxSize, ending) => {
        const source = serveAtCursor(count, maxSize, ending);
        const rows: number[] = [];
        let after: Position | null = null;
        for (let round = 0; round < 400; round++) {
          const page: Page<number> = await readWindow({ first: sizes[round % sizes.length] ?? 1, after }, source);
          rows.push(...page.rows.map(({ value }) => value));
          if (!page.hasNext) break;
          after = JSON.parse(JSON.stringify(page.rows.at(-1)?.position ?? null));
        }
        expect(rows).toEqual(Array.from({ length: count }, (_, row) => row));
      }),
    );
  });

  test("is read whole, and ends where its cursor leads back", async () => {
    await fc.assert(
      fc.asyncProperty(total, cursorEndings, async (count, ending) => {
        const list = await collect(serveAtCursor(count, 10, ending));
        expect(list.rows).toHaveLength(count);
        expect(list.isWhole).toBe(true);
      }),
    );
    expect(await collect(serveAtCursor(25, 10, "repeats"))).toMatchObject({ isCut: true, isWhole: false });
    const page = await readWindow({ first: 30, after: null }, serveAtCursor(25, 10, "repeats"));
    expect(page.rows).toHaveLength(25);
    expect(page.hasNext).toBe(false);
  });

  test("takes what anybody may send as a position as some place in the list", async () => {
    const part = fc.oneof(fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (after) => {
        const source = serveAtCursor(50, 10, "exact");
        const fetchAt: typeof source.fetchAt = (cursor, size) =>
          source.fetchAt(/^\d+$/.test(cursor) ? cursor : "", size);
        const page = await readWindow({ first: 5, after }, { ...source, fetchAt });
        expect(page.rows.length).toBeLessThanOrEqual(5);
      }),
    );
  });
});

describe("several lists", () => {
  interface Asked {
    readonly list: number;
    readonly first: number;
  }

  function segmentsOf(sizes: readonly number[], endings: Ending = "counts") {
    const asked: Asked[] = [];
    const lists = sizes.map((size, list) => good(size, `list ${list} row`));
    const segments = lists.map((list, index): Segment<string> => {
      const { source } = serve(list, endings, 100);
      return {
        id: `list ${index}`,
        read: async (request) => {
          asked.push({ list: index, first: request.first });
          return found(await readWindow(request, source));
        },
      };
    });
    return { segments, asked, rows: lists.flat().map(({ id }) => id) };
  }
  const sizes = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 5 });

  test.each(["ONE_BY_ONE", "TOGETHER"] as const)("in a chain (%s) follow each other, each row once", async (mode) => {
    await fc.assert(
      fc.asyncProperty(sizes, firsts, async (counts, windows) => {
        const { segments, rows } = segmentsOf(counts);
        const walked = await walkAll(
          async (request) => pageIn((await readChain(request, segments, mode)).page),
          windows,
        );
        expect(walked.rows).toEqual(rows);
      }),
    );
  });

  test("in a chain are counted together, those before the place only when that is wanted", async () => {
    const { segments } = segmentsOf([3, 4, 5]);
    const head = pageIn((await readChain({ first: 5, after: null }, segments, "TOGETHER")).page);
    expect([head.total, head.hasNext]).toEqual([12, true]);
    const after = head.rows.at(-1)?.position ?? null;
    const tail = pageIn((await readChain({ first: 50, after }, segments, "TOGETHER")).page);
    expect(tail.hasNext).toBe(false);
    expect(typeof tail.total === "function" ? await tail.total() : null).toBe(12);
    expect(pageIn((await readChain({ first: 50, after: null }, segments, "ONE_BY_ONE")).page).total).toBe(12);
    expect(pageIn((await readChain({ first: 5, after: null }, segments, "ONE_BY_ONE")).page).total).toBeNull();
  });

  test("in a chain are not asked before there is room, and what follows only by who wants to know", async () => {
    const { segments, asked } = segmentsOf([5, 0, 4]);
    const head = pageIn((await readChain({ first: 5, after: null }, segments, "ONE_BY_ONE")).page);
    expect(asked).toEqual([{ list: 0, first: 5 }]);
    expect(head.hasNext).toBe(true);
    expect(await head.confirmNext?.()).toBe(true);
    expect(await head.confirmNext?.()).toBe(true);
    expect(asked.slice(1)).toEqual([
      { list: 1, first: 1 },
      { list: 2, first: 1 },
    ]);
    // The list that has ended is not asked again.
    await readChain({ first: 5, after: head.rows.at(-1)?.position ?? null }, segments, "ONE_BY_ONE");
    expect(asked.slice(3).map(({ list }) => list)).toEqual([1, 2]);
    const empty = segmentsOf([5, 0]);
    const last = pageIn((await readChain({ first: 5, after: null }, empty.segments, "ONE_BY_ONE")).page);
    expect(await last.confirmNext?.()).toBe(false);
    expect(typeof last.total === "function" ? await last.total() : null).toBe(5);
  });

  test("in a chain are passed over where they cannot be read, and a last resort is read only without others", async () => {
    const { segments } = segmentsOf([2, 3]);
    const lost: Segment<string> = { id: "lost", read: async () => unknown("NOT_SEARCHABLE") };
    const { page, answers } = await readChain({ first: 9, after: null }, [lost, ...segments], "ONE_BY_ONE");
    expect(page?.rows).toHaveLength(5);
    expect(answers.map(({ kind }) => kind)).toEqual(["UNKNOWN", "FOUND", "FOUND"]);
    expect((await readChain({ first: 9, after: null }, [lost], "ONE_BY_ONE")).page).toBeNull();

    const withLast = (counts: readonly number[]) => {
      const all = segmentsOf(counts);
      const last = all.segments.length - 1;
      return { ...all, segments: all.segments.map((one, index) => ({ ...one, isLastResort: index === last })) };
    };
    const unneeded = withLast([2, 3]);
    const some = pageIn((await readChain({ first: 2, after: null }, unneeded.segments, "ONE_BY_ONE")).page);
    expect([some.rows.length, some.hasNext, unneeded.asked.length]).toEqual([2, false, 1]);
    const needed = withLast([0, 3]);
    expect(pageIn((await readChain({ first: 2, after: null }, needed.segments, "ONE_BY_ONE")).page).rows).toHaveLength(
      2,
    );
  });

  test("merged are newest first, each row once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        async (counts, first) => {
          // Dates of one list lie between those of the others, newest first.
          const lists = counts.map((count, list) =>
            Array.from({ length: count }, (_, index) => 9000 - index * 7 - list),
          );
          const reads = lists.map((rows) => async (request: PageRequest): Promise<Answer<Page<number>>> => {
            return found(sliceWindow(request, rows, String, { origin, dropped: [] }));
          });
          const rows: number[] = [];
          let after: Position | null = null;
          for (let round = 0; round < 200; round++) {
            const page: Page<number> = foundIn(await readMerged({ first, after }, reads, String));
            rows.push(...page.rows.map(({ value }) => value));
            if (!page.hasNext) break;
            after = page.rows.at(-1)?.position ?? after;
          }
          expect(rows).toEqual(lists.flat().toSorted((one, other) => other - one));
        },
      ),
    );
  });
});

describe("a whole list", () => {
  test("holds every row once, for any total and any size, and says whether it is whole", async () => {
    await fc.assert(
      fc.asyncProperty(
        total,
        fc.constantFrom(1, 7, 20, 100),
        endings,
        fc.integer({ min: -20, max: 20 }),
        fc.boolean(),
        async (count, maxSize, ending, lie, isOneByOne) => {
          const { source } = serve(good(count), ending, maxSize);
          const fetch: typeof source.fetch = async (page, size) => {
            const answer = await source.fetch(page, size);
            return answer.total === null ? answer : { ...answer, total: Math.max(0, answer.total + lie) };
          };
          const list = await collect({ ...source, fetch }, isOneByOne ? { atOnce: 1 } : {});
          const counted = ending === "counts" ? Math.max(0, count + lie) : null;
          if (counted === null || counted >= count) expect(list.rows).toEqual(good(count).map(({ id }) => id));
          expect(list.isWhole).toBe(counted === null || counted <= list.rows.length);
          expect(list.total).toBe(counted);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("is asked for at once behind its first page, unless its count says that there are very many", async () => {
    const waves: number[] = [];
    let inFlight = 0;
    const { source } = serve(good(500), "counts", 10);
    const fetch: typeof source.fetch = async (page, size) => {
      inFlight += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (inFlight > 0) waves.push(inFlight);
      inFlight = 0;
      return source.fetch(page, size);
    };
    await collect({ ...source, fetch });
    expect(waves).toEqual([1, 49]);
    waves.length = 0;
    await collect({ ...source, fetch }, { atOnce: 20 });
    expect(waves).toEqual(Array(50).fill(1));
  });

  test("is not whole where a row could not be read, it is cut, or the row that was looked for came first", async () => {
    const bad = serve([...good(5), { id: "bad", isBad: true }], "counts", 10);
    expect(await collect(bad.source)).toMatchObject({ isWhole: false, lacksRows: false });
    const long = serve(good(100), "says nothing", 10);
    expect(await collect(long.source, { mostPages: 3 })).toMatchObject({ isCut: true, isWhole: false });
    expect(long.asked()).toBe(3);
    const found = await collect(serve(good(100), "counts", 10).source, { atOnce: 1, until: (row) => row === "row 15" });
    expect(found.rows).toHaveLength(20);
  });

  test("counts the rows that are passed over, and goes on behind a page without others", async () => {
    const { source } = serve(good(30), "counts", 10);
    const keep = (row: string) => row === "row 25";
    const list = await collect({ ...source, keep }, { atOnce: 1 });
    expect(list).toMatchObject({ rows: ["row 25"], isCut: false, lacksRows: false, isWhole: true });
    expect(await collect({ ...source, keep: () => false }, { atOnce: 1 })).toMatchObject({ rows: [], isWhole: true });
    // A server that answers its first page under every number.
    const repeating = { ...source, keep: () => false, fetch: (_page: number, size: number) => source.fetch(0, size) };
    expect(await collect(repeating, { atOnce: 1 })).toMatchObject({ rows: [], isCut: true, isWhole: false });
  });

  test("goes on behind a page with fewer rows than asked for where more are counted", async () => {
    const { source } = serve(good(30), "counts", 10);
    const fetch: typeof source.fetch = async (page, size) => {
      const answer = await source.fetch(page, size);
      return page === 0 ? { ...answer, rows: answer.rows.slice(1), count: answer.count - 1 } : answer;
    };
    for (const atOnce of [1, 50]) {
      const list = await collect({ ...source, fetch }, { atOnce });
      expect(list.rows).toHaveLength(29);
      expect(list).toMatchObject({ isCut: false, lacksRows: true, isWhole: false });
    }
  });
});

describe("a position", () => {
  const part = fc.oneof(fc.string(), fc.double(), fc.integer());
  const count = fc.nat({ max: 1e9 });
  const parts = fc.array(fc.string(), { maxLength: 3 });

  test("gives back the place it was made of", () => {
    const numbered = fc.tuple(count, count, fc.string(), fc.option(count), parts);
    fc.assert(
      fc.property(numbered, fc.string(), count, count, ([offset, size, identity, total, shown], cursor, skip, most) => {
        const position = printPlace(offset, size, identity, total, shown);
        expect(readPlace(position)).toEqual({ offset, size, identity, total, parts: shown });
        expect([isCursorPosition(position), isMergedPosition(position)]).toEqual([false, false]);
        const place = { cursor, skip, size: most };
        expect(readCursorPlace(printCursorPlace(place))).toEqual(place);
        expect(isCursorPosition(printCursorPlace(place))).toBe(true);
        expect(readNestedPosition(nestPosition(position))).toEqual(position);
        const segment = readSegmentPlace(["second", ...position], ["first", "second"]);
        expect(segment).toEqual({ index: 1, inner: position });
      }),
    );
    expect(readSegmentPlace(["second"], ["first", "second"])).toEqual({ index: 1, inner: null });
  });

  test("that anybody may have made up is a place all the same", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.string(), (after, text) => {
        const { offset, size, total } = readPlace(after);
        for (const number of [offset, size, total ?? 0]) expect(Number.isSafeInteger(number) && number >= 0).toBe(true);
        expect(readCursorPlace(after).skip).toBeGreaterThanOrEqual(0);
        expect(readSegmentPlace(after, ["first"]).index).toBe(0);
        expect(() => readNestedPosition(text)).not.toThrow();
      }),
    );
    expect(readNestedPosition('{"offset":1}')).toBeNull();
    expect(readNestedPosition("[[1]]")).toBeNull();
  });
});
