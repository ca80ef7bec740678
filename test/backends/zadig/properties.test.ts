import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Answer, found } from "../../../src/backends/answers.ts";
import { filteredWindow } from "../../../src/backends/zadig/filtered-list.ts";
import {
  chunksByBytes,
  hostUrl,
  objectId,
  patternOfEndings,
  patternOfImages,
  safeUrl,
} from "../../../src/backends/zadig/keys.ts";
import { parseRun } from "../../../src/backends/zadig/mapper.ts";
import { mergeWindow } from "../../../src/backends/zadig/merge.ts";
import type { Page, PageRequest, Position } from "../../../src/model/page.ts";
import { foundIn } from "../../support/answers.ts";

const origin = { backend: "zadig", fetchedAt: "2026-11-02T00:00:00.000Z", stale: false, traceId: null };
const text = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.string({ unit: fc.constantFrom(..."ab/.:+*?()[]{}|^$\\-"), minLength: 1 }),
);

async function follow<T>(
  read: (request: PageRequest) => Promise<Page<T>>,
  first: number,
  after: Position | null = null,
) {
  const all: T[] = [];
  for (let position = after, rounds = 0; rounds < 1000; rounds++) {
    const page = await read({ first, after: position });
    expect(page.rows.length).toBeLessThanOrEqual(first);
    all.push(...page.rows.map(({ value }) => value));
    position = page.rows.at(-1)?.position ?? position;
    if (!page.hasNext) return all;
  }
  throw new Error("the walk does not end");
}

describe("patterns", () => {
  it("match the texts they were made of and no other text", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), text, (texts, other) => {
        const pattern = new RegExp(patternOfImages(texts));
        expect(texts.every((one) => pattern.test(one))).toBe(true);
        expect(pattern.test(other)).toBe(texts.includes(other));
      }),
    );
  });

  it("match the ends of references", () => {
    fc.assert(
      fc.property(text, text, (ending, before) => {
        const pattern = new RegExp(patternOfEndings([ending]));
        expect(pattern.test(`${before}/${ending}`)).toBe(true);
        expect(pattern.test(ending)).toBe(ending.includes(`/${ending}`));
      }),
    );
  });

  it("are cut into chunks that lose nothing, keep the order and stay within the limit", () => {
    fc.assert(
      fc.property(fc.array(text), fc.integer({ min: 1, max: 200 }), (texts, limit) => {
        const chunks = chunksByBytes(texts, (one) => one, limit);
        expect(chunks.flat()).toEqual(texts);
        for (const chunk of chunks) {
          expect(chunk.length === 1 || encodeURIComponent(patternOfImages(chunk)).length <= limit + 50).toBe(true);
        }
      }),
    );
  });
});

describe("walks", () => {
  const list = (rows: readonly number[], withTotal: boolean, reads: () => void = () => undefined) => ({
    source: {
      fetch: async (page: number, size: number) => {
        reads();
        const cut = rows.slice(page * size, (page + 1) * size);
        const total = withTotal ? rows.length : null;
        return { rows: cut, count: cut.length, dropped: [], origin, total };
      },
      identity: String,
      maxSize: 1000,
      keep: (row: number) => row % 11 !== 10,
    },
    concurrency: 7,
    maxRows: () => 100_000,
  });

  it("through a filtered list have no duplicate and no gap, for any total, page size and window", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 90 }),
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        fc.constantFrom(1, 2, 8),
        async (total, size, first, every, withTotal, growth) => {
          const rows = Array.from({ length: total }, (_, index) => index);
          const filtered = {
            ...list(rows, withTotal),
            first: size,
            most: size * growth,
            accept: async (row: number) => (row % every === 0 ? row : null),
          };
          const all = await follow(async (request) => foundIn(await filteredWindow(request, filtered)), first);
          expect(all).toEqual(rows.filter((row) => row % 11 !== 10 && row % every === 0));
        },
      ),
    );
  });

  it("through a filtered list go on at the right row when up to a page of new rows came in front", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 60 }),
        fc.integer({ min: 2, max: 20 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat({ max: 20 }),
        async (total, size, first, added) => {
          const rows = Array.from({ length: total }, (_, index) => index * 12);
          const accept = async (row: number) => row;
          const sizes = { first: size, most: size };
          const head = foundIn(await filteredWindow({ first, after: null }, { ...list(rows, true), ...sizes, accept }));
          const last = head.rows.at(-1);
          const fresh = Array.from({ length: Math.min(added, size) }, (_, index) => -12 * (index + 1));
          const moved = { ...list([...fresh, ...rows], true), ...sizes, accept };
          const next = async (request: PageRequest) => foundIn(await filteredWindow(request, moved));
          const tail = await follow(next, first, last?.position ?? null);
          const readable = rows.filter((row) => row % 11 !== 10);
          expect([...head.rows.map(({ value }) => value), ...tail]).toEqual(readable);
        },
      ),
    );
  });

  it("lose nothing when the row they stopped at was deleted", async () => {
    const rows = Array.from({ length: 40 }, (_, index) => index * 12);
    const accept = async (row: number) => row;
    const sizes = { first: 10, most: 10 };
    const head = foundIn(await filteredWindow({ first: 13, after: null }, { ...list(rows, true), ...sizes, accept }));
    const last = head.rows.at(-1);
    const left = rows.filter((row) => row !== last?.value);
    const tail = await follow(
      async (request) => foundIn(await filteredWindow(request, { ...list(left, true), ...sizes, accept })),
      13,
      last?.position ?? null,
    );
    const all = [...head.rows.map(({ value }) => value), ...tail];
    expect(new Set(all)).toEqual(new Set(rows.filter((row) => row % 11 !== 10)));
  });

  it("stop at the row behind which nothing can follow", async () => {
    const rows = Array.from({ length: 500 }, (_, index) => index);
    let reads = 0;
    const filtered = {
      ...list(rows, true, () => {
        reads++;
      }),
      first: 20,
      most: 20,
      accept: async (row: number) => (row === 3 ? row : null),
      isLast: (row: number) => row >= 45,
    };
    const page = foundIn(await filteredWindow({ first: 5, after: null }, filtered));
    expect(page.rows.map(({ value }) => value)).toEqual([3]);
    expect(page.hasNext).toBe(false);
    expect(reads).toBe(3);
  });

  it("say that they go on when the bound cut them, and can go on", async () => {
    const rows = Array.from({ length: 100 }, (_, index) => index);
    const filtered = {
      ...list(rows, true),
      first: 10,
      most: 10,
      maxRows: () => 20,
      accept: async (row: number) => (row % 15 === 0 ? row : null),
    };
    const page = foundIn(await filteredWindow({ first: 5, after: null }, filtered));
    expect(page.rows.map(({ value }) => value)).toEqual([0, 15]);
    expect(page.hasNext).toBe(true);
    const all = await follow(async (request) => foundIn(await filteredWindow(request, filtered)), 5);
    expect(all).toEqual([0, 15, 30, 45, 60, 75, 90]);
    const none = { ...filtered, accept: async () => null };
    expect(await filteredWindow({ first: 5, after: null }, none)).toMatchObject({ kind: "UNKNOWN", reason: "UNREAD" });
  });

  it("over several lists are merged newest first, each row once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        async (sizes, first) => {
          // Dates of one list lie between those of the others, newest first.
          const lists = sizes.map((size, leg) => Array.from({ length: size }, (_, index) => 9000 - index * 7 - leg));
          const read = async (rows: number[], request: PageRequest): Promise<Answer<Page<number>>> => {
            const [start = 0] = request.after ?? [];
            const cut = rows.slice(Number(start), Number(start) + request.first);
            return found({
              rows: cut.map((value, index) => ({ value, position: [Number(start) + index + 1] })),
              hasNext: Number(start) + cut.length < rows.length,
              total: rows.length,
              origin,
              dropped: [],
            });
          };
          const next = async (request: PageRequest) => foundIn(await mergeWindow(request, lists, String, read));
          const all = await follow(next, first);
          expect(all).toEqual(lists.flat().toSorted((one, other) => other - one));
        },
      ),
    );
  });
});

describe("addresses", () => {
  it("never keep user-info", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), fc.stringMatching(/^[a-z0-9]{8,16}$/), (url, secret) => {
        const dressed = url.replace("://", `://user:${secret}@`);
        for (const clean of [safeUrl(dressed), hostUrl(dressed)]) {
          expect(clean).not.toBeNull();
          expect(new URL(clean ?? "").password).toBe("");
          expect(new URL(clean ?? "").username).toBe("");
        }
      }),
    );
  });

  it("of runs give back project, workflow and task, whatever is in the names", () => {
    const name = fc.string({ minLength: 1 }).filter((one) => one.trim() !== "" && !/[\ud800-\udfff]/.test(one));
    fc.assert(
      fc.property(
        name,
        name,
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.boolean(),
        (project, workflow, task, named) => {
          const path = `/v1/projects/detail/${encodeURIComponent(project)}/pipelines/custom/${encodeURIComponent(workflow)}/${task}`;
          const run = parseRun(path + (named ? "?display_name=x" : ""), "https://zadig.example.com/below");
          expect(run).toMatchObject({ project, workflow, taskId: task });
          expect(run.url?.startsWith("https://zadig.example.com/below/v1/projects/")).toBe(true);
        },
      ),
    );
  });

  it("that are no addresses give null", () => {
    for (const odd of [null, "", "ftp://host/x", "javascript:alert(1)", "host/path", "http://"]) {
      expect(safeUrl(odd)).toBeNull();
      expect(hostUrl(odd)).toBeNull();
    }
    expect(parseRun("/v1/projects/detail/a/pipelines/multi/b/not-a-number", "https://z")).toMatchObject({
      project: null,
      taskId: null,
    });
    expect(parseRun("//evil.example.com/x", "https://z.example.com").url).toBe(
      "https://z.example.com//evil.example.com/x",
    );
  });

  it("of objects: only 24 hex digits that are not all zero are an id", () => {
    fc.assert(
      fc.property(fc.string(), (odd) => {
        const id = objectId(odd);
        expect(id === null || /^[0-9a-f]{24}$/.test(id)).toBe(true);
      }),
    );
    expect(objectId("0".repeat(24))).toBeNull();
    expect(objectId("ABCDEF0123456789ABCDEF01")).toBe("abcdef0123456789abcdef01");
  });
});
