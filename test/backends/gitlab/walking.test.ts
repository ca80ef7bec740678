import fc from "fast-check";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { present, ref, type SyntheticRow, stage, synthetic, walk } from "./support.ts";

const { server, packages, readers, close } = await stage();
const scope = { repository: "infra/tools", group: null } as const;
const everything = { name: null, match: "CONTAINS", format: null } as const;
const newest = { prefix: null, stage: null, direction: "DESC" } as const;

afterEach(() => server.setTamper(null));
afterAll(close);

const row = (id: number, name: string, type = "generic"): SyntheticRow => ({
  id,
  name,
  type,
  version: `1.0.${id}`,
  at: 1_700_000_000_000 + id * 1000,
});

const estates = fc
  .array(
    fc.record({
      name: fc.integer({ min: 0, max: 60 }).map((number) => `tool-${String(number).padStart(2, "0")}`),
      type: fc.constantFrom("generic", "npm", "pypi", "terraform_module"),
    }),
    { maxLength: 320 },
  )
  .map((drafts) => drafts.map(({ name, type }, index) => row(index + 1, name, type)));

const keysOf = (rows: readonly SyntheticRow[]) => new Set(rows.map(({ type, name }) => `${type}:${name}`));

describe("a walk over packages", () => {
  test("holds every package once, for any rows, any window, counted or not", async () => {
    await fc.assert(
      fc.asyncProperty(estates, fc.integer({ min: 1, max: 100 }), fc.boolean(), async (rows, window, totals) => {
        server.setTamper(synthetic(() => rows, totals));
        const walked = await walk((request) => packages().page(scope, everything, request), window);
        const keys = walked.map((one) => one.ref.key);
        expect(new Set(keys).size).toBe(keys.length);
        expect(new Set(keys)).toEqual(keysOf(rows));
        const counted = walked.filter((one) => one.versionCount !== null);
        for (const one of counted) {
          expect(one.versionCount).toBe(rows.filter(({ type, name }) => one.ref.key === `${type}:${name}`).length);
        }
      }),
      { numRuns: 25 },
    );
  }, 30_000);

  test("reports rows that the server counts and does not send with the window that ends the list", async () => {
    const answer = synthetic(() => ["a", "b", "c"].map((name, index) => row(index + 1, name)));
    server.setTamper((reply, request) => {
      const { headers, ...rest } = answer(reply, request);
      return { ...rest, headers: { ...headers, "x-total": "4" } };
    });
    const generic = { ...everything, format: "GENERIC" } as const;
    const reader = present(readers().packages);
    const begun = await reader.page(scope, generic, { first: 2, after: null });
    expect(begun).toMatchObject({ kind: "FOUND", value: { hasNext: true }, gap: null });
    const whole = await reader.page(scope, generic, { first: 5, after: null });
    expect(whole).toMatchObject({ kind: "FOUND", value: { hasNext: false }, gap: { reason: "LOST_ROWS" } });
  });

  test("goes on at the same name when rows come or go in front of it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 320 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: -60, max: 130 }),
        async (count, window, shift) => {
          const later = Array.from({ length: count }, (_, index) =>
            row(index + 1, `m-${String(index).padStart(4, "0")}`),
          );
          const removable = Array.from({ length: 60 }, (_, index) =>
            row(5000 + index, `a-${String(index).padStart(4, "0")}`),
          );
          const added = Array.from({ length: Math.max(0, shift) }, (_, index) => row(9000 + index, `a-new-${index}`));
          let rows = [...removable, ...later];
          server.setTamper(synthetic(() => rows));
          const names: string[] = [];
          let after: Parameters<typeof present>[0] | null = null;
          for (;;) {
            const page = await packages().page(scope, everything, { first: window, after: after as null });
            names.push(...page.rows.map(({ value }) => value.name));
            after = page.rows.at(-1)?.position ?? null;
            if (!page.hasNext) break;
            // Once the walk has passed them, rows at the front of the list change.
            if (names.some((name) => name.startsWith("m-"))) {
              rows = [...(shift < 0 ? removable.slice(-shift) : removable), ...added, ...later];
            }
          }
          const seen = names.filter((name) => name.startsWith("m-"));
          expect(seen).toEqual(later.map(({ name }) => name));
        },
      ),
      { numRuns: 40 },
    );
  }, 30_000);

  test("does not count a package whose rows may go on beyond what was read", async () => {
    // 99 single ones, then one whose rows lie on both sides of the page border.
    const singles = Array.from({ length: 99 }, (_, index) => row(index + 1, `a-${String(index).padStart(2, "0")}`));
    const torn = [row(200, "m-torn"), row(201, "m-torn"), row(202, "m-torn")];
    const rows = [...singles, ...torn, row(300, "z-last")];
    server.setTamper(synthetic(() => rows));
    const reader = packages();
    const head = await reader.page(scope, everything, { first: 100, after: null });
    expect(head.rows.at(-1)?.value).toMatchObject({ name: "m-torn", versionCount: null });
    expect(head.rows.at(-2)?.value).toMatchObject({ name: "a-98", versionCount: 1 });
    // Its newest version is not the newest row seen, so it is asked for.
    expect((await reader.latest(present(head.rows.at(-1)).value.ref))?.ref.nativeId).toBe("202");

    const middle = present(head.rows.at(-2)).position;
    const tail = await packages().page(scope, everything, { first: 5, after: middle });
    expect(tail.rows.map(({ value }) => [value.name, value.versionCount])).toEqual([
      ["m-torn", 3],
      ["z-last", 1],
    ]);
    // A window that begins on the second page sees only a part of the name at its head.
    const onBorder = ["0", 100, 100, "a-98", 103, "generic"];
    const second = await packages().page(scope, everything, { first: 5, after: onBorder });
    expect(second.rows.map(({ value }) => [value.name, value.versionCount])).toEqual([
      ["m-torn", null],
      ["z-last", 1],
    ]);
  });

  test("begins at the start for positions that it did not print", async () => {
    const rows = Array.from({ length: 30 }, (_, index) => row(index + 1, `tool-${index}`));
    server.setTamper(synthetic(() => rows));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.string(), fc.double(), fc.integer(), fc.constant(-1)), { maxLength: 6 }),
        async (after) => {
          const page = await packages().page(scope, everything, { first: 5, after });
          expect(page.rows.length).toBeLessThanOrEqual(5);
          const versions = await packages().versions(ref("infra/tools", "generic:tool-1"), newest, { first: 5, after });
          expect(versions.rows.length).toBeLessThanOrEqual(5);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("a walk over versions", () => {
  const one = ref("infra/tools", "generic:tool");
  const rowsOf = (count: number, neighbours: number) =>
    Array.from({ length: count + neighbours }, (_, index) =>
      row(
        index + 1,
        index % Math.max(1, Math.ceil((count + neighbours) / Math.max(1, neighbours))) === 0 && neighbours > 0
          ? "tool-belt"
          : "tool",
      ),
    );

  test("holds every version once, whatever stands between them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 260 }),
        fc.integer({ min: 0, max: 120 }),
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom("ASC" as const, "DESC" as const),
        fc.boolean(),
        async (count, neighbours, window, direction, totals) => {
          const rows = rowsOf(count, neighbours);
          server.setTamper(synthetic(() => rows, totals));
          const walked = await walk((request) => packages().versions(one, { ...newest, direction }, request), window);
          const ids = rows.filter(({ name }) => name === "tool").map(({ id }) => String(id));
          expect(walked.map((version) => version.ref.nativeId)).toEqual(direction === "ASC" ? ids : [...ids].reverse());
        },
      ),
      { numRuns: 30 },
    );
  }, 30_000);

  test("neither repeats nor misses a version when new ones are published meanwhile", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 250 }),
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 140 }),
        async (count, window, published) => {
          const before = Array.from({ length: count }, (_, index) => row(index + 1, "tool"));
          let rows = before;
          server.setTamper(synthetic(() => rows));
          let windows = 0;
          const walked = await walk(async (request) => {
            if (windows++ === 1) {
              rows = [...before, ...Array.from({ length: published }, (_, index) => row(count + index + 1, "tool"))];
            }
            return packages().versions(one, newest, request);
          }, window);
          expect(walked.map((version) => version.ref.nativeId)).toEqual(before.map(({ id }) => String(id)).reverse());
        },
      ),
      { numRuns: 40 },
    );
  }, 30_000);

  test("counts a long list only when it is asked how long it is", async () => {
    server.setTamper(synthetic(() => rowsOf(150, 80)));
    server.forget();
    const page = await packages().versions(one, newest, { first: 20, after: null });
    expect(server.seen).toHaveLength(1);
    const { total } = page;
    expect(typeof total === "function" ? await total() : total).toBe(
      rowsOf(150, 80).filter(({ name }) => name === "tool").length,
    );
    server.setTamper(synthetic(() => rowsOf(150, 80), false));
    const uncounted = (await packages().versions(one, newest, { first: 20, after: null })).total;
    expect(typeof uncounted === "function" ? await uncounted() : uncounted).toBeNull();
  });
});

describe("a server with its own ways", () => {
  test("without totals, without page headers and with unstable ties is walked all the same", async () => {
    for (const options of [{ totals: false }, { pageHeaders: false }, { unstableTies: true }]) {
      const other = await stage(options);
      const walked = await walk((request) => other.packages().page(scope, everything, request), 40);
      expect(new Set(walked.map(({ ref: { key } }) => key)).size).toBe(139);
      expect(walked).toHaveLength(139);
      await other.close();
    }
  });

  test("packages deleted between two windows leave no hole in the rest", async () => {
    const other = await stage();
    const head = await other.packages().page(scope, everything, { first: 30, after: null });
    const [, second, third] = head.rows;
    for (const gone of [second, third]) {
      const version = present(await other.packages().latest(present(gone).value.ref));
      const answer = await fetch(`${other.server.url}/api/v4/projects/77/packages/${version.ref.nativeId}`, {
        method: "DELETE",
        headers: { "private-token": "demo-gitlab-token" },
      });
      expect(answer.status).toBe(204);
    }
    const rest = await walk(
      (request) =>
        other
          .packages()
          .page(scope, everything, { ...request, after: request.after ?? present(head.rows.at(-1)).position }),
      30,
    );
    const keys = [...head.rows.map(({ value }) => value), ...rest].map(({ ref: { key } }) => key);
    expect(new Set(keys).size).toBe(139);
    expect(keys).toHaveLength(139);
    await other.close();
  });
});
