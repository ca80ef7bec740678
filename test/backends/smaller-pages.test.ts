import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UpstreamPage } from "../../src/backends/paging/source.ts";
import { readWindow } from "../../src/backends/paging/window.ts";
import { inSmallerPages } from "../../src/backends/smaller-pages.ts";
import type { Page, Position } from "../../src/model/page.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";

const origin = { backend: "b", fetchedAt: "2026-11-02T00:00:00.000Z", stale: false, traceId: null };
const tooLarge = () => new UpstreamError("MALFORMED", { backend: "b", operation: "b.list", tooLarge: true });

/** A list of rows of these weights, whose answers may weigh so much; `calls` are the sizes that were asked for. */
function serve(weights: readonly number[], most: number, withTotal: boolean) {
  const calls: number[] = [];
  const fetch = async (page: number, size: number): Promise<UpstreamPage<number>> => {
    calls.push(size);
    const rows = weights.map((_, index) => index).slice(page * size, (page + 1) * size);
    if (rows.reduce((sum, row) => sum + (weights[row] ?? 0), 0) > most) throw tooLarge();
    return { rows, count: rows.length, dropped: [], origin, total: withTotal ? weights.length : null };
  };
  return { fetch, calls };
}

describe("a page that is too large an answer", () => {
  it("holds the same rows at the same places as if it were not, whatever its rows weigh", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 120 }),
        fc.integer({ min: 10, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat({ max: 3 }),
        fc.boolean(),
        async (weights, most, size, number, withTotal) => {
          const { fetch } = serve(weights, most, withTotal);
          const page = await inSmallerPages({ fetch }, number, size);
          const expected = weights.map((_, index) => index).slice(number * size, (number + 1) * size);
          expect(page.rows).toEqual(expected);
          expect(page.places ?? expected.map((_, place) => place)).toEqual(expected.map((_, place) => place));
          expect(page.count).toBe(expected.length);
          expect(page.total).toBe(withTotal ? weights.length : null);
        },
      ),
    );
  });

  it("loses only rows that are too large alone, each told at its place", async () => {
    const weights = Array.from({ length: 40 }, (_, index) => (index === 13 || index === 30 ? 1000 : 10));
    const { fetch, calls } = serve(weights, 100, true);
    const page = await inSmallerPages({ fetch }, 0, 40);
    expect(page.rows).toEqual(weights.flatMap((weight, index) => (weight > 100 ? [] : [index])));
    expect(page.dropped.map(({ index }) => index)).toEqual([13, 30]);
    expect(page.count).toBe(40);
    expect(calls.length).toBeLessThan(30);
  });

  it("is walked in windows without repeat or gap", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        async (weights, first, withTotal) => {
          const { fetch } = serve(weights, 60, withTotal);
          const seen: number[] = [];
          for (let after: Position | null = null, more = true; more; ) {
            const window: Page<number> = await readWindow({ first, after }, { fetch, identity: String, maxSize: 50 });
            seen.push(...window.rows.map(({ value }) => value));
            after = window.rows.at(-1)?.position ?? after;
            more = window.hasNext && window.rows.length > 0;
          }
          expect(seen).toEqual(weights.map((_, index) => index));
        },
      ),
    );
  });

  it("rejects with the failure, once, where the server minds no size", async () => {
    const { fetch, calls } = serve(Array(100).fill(1000), 10, true);
    const failure = await inSmallerPages({ fetch }, 0, 100).catch((error: unknown) => error);
    expect(failure).toMatchObject({ failure: "MALFORMED", tooLarge: false });
    expect(calls.length).toBeLessThan(7);
  });
});

describe("a server that answers every page with the same rows", () => {
  it("is not asked for ever", async () => {
    let calls = 0;
    const fetch = async (_: number, size: number) => {
      calls += 1;
      return { rows: Array.from({ length: size }, (_, row) => row), count: size, dropped: [], origin, total: null };
    };
    const walk = { fetch, identity: String, maxSize: 50 };
    const head = await readWindow({ first: 1, after: null }, walk);
    await readWindow({ first: 1, after: head.rows[0]?.position ?? null }, walk);
    expect(calls).toBeLessThan(8);
  });
});
