import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DemoReply, DemoRequest } from "../../../demo/server.ts";
import type { PackageReader } from "../../../src/backends/backend.ts";
import { readContentRange } from "../../../src/backends/swr/client.ts";
import { pathOf, sortableDate } from "../../../src/backends/swr/mapper.ts";
import type { Page, PageRequest, Position } from "../../../src/model/backend.ts";
import type { Package, Version } from "../../../src/model/package.ts";
import { parseInstant } from "../../../src/model/values.ts";
import type { Plain } from "../../support/plain.ts";
import { everything, failureOf, newestFirst, openSwr, packageRef, root, within } from "./setup.ts";

async function walk<T>(
  read: (request: PageRequest) => Promise<Page<T>>,
  nameOf: (value: T) => string,
  firsts: (page: number) => number,
): Promise<readonly string[]> {
  const names: string[] = [];
  let after: Position | null = null;
  for (let number = 0; ; number++) {
    const page: Page<T> = await read({ first: firsts(number), after });
    expect(page.rows.length).toBeLessThanOrEqual(firsts(number));
    names.push(...page.rows.map(({ value }) => nameOf(value)));
    // Positions go through a cursor, which is JSON.
    after = JSON.parse(JSON.stringify(page.rows.at(-1)?.position ?? null));
    if (!page.hasNext || after === null) return names;
  }
}

const tagName = ({ name }: Version) => name;
const packageName = ({ ref }: Package) => ref.key;

/** A server whose one list of tags has `total` rows, in either API. */
function tagServer(total: () => number) {
  return (reply: DemoReply, { rawPath, query }: DemoRequest): DemoReply => {
    if (rawPath.endsWith("/repos/api")) return { body: { name: "api", num_images: total() } };
    if (!rawPath.endsWith("/tags")) return reply;
    const limit = Number(query.get("limit"));
    const rows = Array.from({ length: total() }, (_, index) => ({ Tag: `t${index}`, digest: "" }));
    if (rawPath.startsWith("/v3/")) {
      const start = Number(query.get("marker") ?? 0);
      const more = start + limit < rows.length;
      return {
        body: {
          tags: rows.slice(start, start + limit),
          has_more: more,
          ...(more ? { nextMarker: `${start + limit}` } : {}),
        },
      };
    }
    const offset = Number(query.get("offset"));
    const page = rows.slice(offset, offset + limit);
    return { body: page, headers: { "content-range": `${offset}-${page.length}/${rows.length}` } };
  };
}

describe("walking tags", () => {
  it.each(["v2", "v3"] as const)(
    "by %s gives every tag once, whatever the total and the page sizes",
    async (imageApi) => {
      const { packages, demo } = await openSwr({ demo: { imageApi }, settings: { imageApi } });
      let total = 0;
      demo.setTamper(tagServer(() => total));
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: 90 }),
          fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
          async (size, firsts) => {
            total = size;
            const names = await walk(
              (request) => packages().versions(packageRef("image://api"), newestFirst, request),
              tagName,
              (page) => firsts[page % firsts.length] ?? 1,
            );
            expect(names).toEqual(Array.from({ length: size }, (_, index) => `t${index}`));
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  it("goes over more than a thousand rows for what needs the whole list", async () => {
    const { packages, demo, calls } = await openSwr();
    demo.setTamper(tagServer(() => 2500));
    const page = await packages().versions(
      packageRef("image://api"),
      { ...newestFirst, prefix: "t249" },
      { first: 100, after: null },
    );
    expect(page.total).toBe(11);
    expect(calls().map((url) => new URL(url, demo.url).searchParams.get("offset"))).toEqual(["0", "1000", "2000"]);
  });

  it("repeats nothing when tags are pushed during the walk", async () => {
    const { packages, demo } = await openSwr();
    const rows = Array.from({ length: 40 }, (_, index) => ({ Tag: `t${index}` }));
    demo.setTamper((_reply, { query }) => {
      const [limit, offset] = [Number(query.get("limit")), Number(query.get("offset"))];
      const page = rows.slice(offset, offset + limit);
      const reply = { body: page, headers: { "content-range": `${offset}-${page.length}/${rows.length}` } };
      rows.unshift({ Tag: `pushed${rows.length}` });
      return reply;
    });
    const names = await walk(
      (request) => packages().versions(packageRef("image://api"), newestFirst, request),
      tagName,
      () => 10,
    );
    expect(names).toEqual(Array.from({ length: 40 }, (_, index) => `t${index}`));
  });

  it("reads a page behind the first once in a request, whoever asks for it again", async () => {
    const { demo, packages, calls } = await openSwr();
    demo.setTamper(tagServer(() => 30));
    const ref = packageRef("image://api");
    const head = await packages().versions(ref, newestFirst, { first: 5, after: null });
    const request = { first: 5, after: head.rows.at(-1)?.position ?? null };
    demo.forget();
    const reader = packages();
    const again = [await reader.versions(ref, newestFirst, request), await reader.versions(ref, newestFirst, request)];
    expect(again.map(({ rows }) => rows.length)).toEqual([5, 5]);
    expect(calls()).toHaveLength(1);
  });

  it("reads a first page that is too large in smaller ones, from its first row on", async () => {
    const { demo, packages } = await openSwr({ settings: { maxResponseBytes: 1024 } });
    demo.setTamper(tagServer(() => 40));
    const page = await packages().versions(packageRef("image://api"), newestFirst, { first: 40, after: null });
    expect(page.rows.map(({ value }) => value.name)).toEqual(Array.from({ length: 40 }, (_, index) => `t${index}`));
    expect(page.dropped).toEqual([]);
  });

  it("goes on in the API it began in", async () => {
    const { packages, calls } = await openSwr({ demo: { imageApi: "v3" }, settings: { imageApi: "auto" } });
    const older = await openSwr();
    const ref = packageRef("image://api");
    const begun = await older.packages().versions(ref, newestFirst, { first: 10, after: null });
    const after = begun.rows.at(-1)?.position ?? null;
    const next = await packages().versions(ref, newestFirst, { first: 10, after });
    expect(calls()[0]).toMatch(/^\/v2\//);
    expect(begun.rows.map(({ value }) => value.name)).not.toContain(next.rows[0]?.value.name);
  });
});

describe("walking a namespace", () => {
  const read = (reader: () => Plain<PackageReader>) => (request: PageRequest) =>
    reader().page(within("pay-core"), everything, request);

  it("gives software packages, then image repositories, each once", async () => {
    const { packages } = await openSwr();
    const whole = await walk(read(packages), packageName, () => 100);
    expect(new Set(whole).size).toBe(whole.length);
    expect(whole.filter((key) => key.startsWith("image://"))).toHaveLength(35);
    expect(whole.findIndex((key) => key.startsWith("image://"))).toBe(22);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }), async (firsts) => {
        expect(await walk(read(packages), packageName, (page) => firsts[page % firsts.length] ?? 1)).toEqual(whole);
      }),
      { numRuns: 15 },
    );
  });

  it("asks for one list while the page is inside it, and never goes back to the one that has ended", async () => {
    const { packages, demo, calls } = await openSwr();
    const inside = await packages().page(within("pay-core"), everything, { first: 10, after: null });
    expect(calls()).toHaveLength(1);
    demo.forget();
    const border = await packages().page(within("pay-core"), everything, {
      first: 12,
      after: inside.rows.at(-1)?.position ?? null,
    });
    // Exactly full: whether there are images is one row's call, made where it is asked for.
    expect(border).toMatchObject({ hasNext: true, total: null });
    expect(calls().map((url) => url.split("?")[0])).toEqual(["/v2/manage/packages"]);
    expect(await border.confirmNext?.()).toBe(true);
    expect(calls().map((url) => url.split("?")[0])).toEqual(["/v2/manage/packages", "/v2/manage/repos"]);
    expect(calls()[1]).toContain("limit=1&");
    demo.forget();
    const behind = await packages().page(within("pay-core"), everything, {
      first: 5,
      after: border.rows.at(-1)?.position ?? null,
    });
    expect(behind.rows[0]?.value.name).toBe("api");
    expect(calls().map((url) => url.split("?")[0])).toEqual(["/v2/manage/repos"]);
  });

  it.each([
    ["GENERIC", 22],
    ["DOCKER", 35],
    ["OCI", 35],
    ["MAVEN", 0],
  ] as const)("of %s asks only for what can be that", async (format, count) => {
    const { packages, calls } = await openSwr();
    const page = await packages().page(within("pay-core"), { ...everything, format }, { first: 100, after: null });
    expect(page.rows).toHaveLength(count);
    expect(page.total).toBe(format === "GENERIC" ? null : count);
    // Of what no package here can be there is none, where the namespace is there.
    expect(calls()).toEqual(count === 0 ? [`${root}/namespaces/pay-core`] : [expect.any(String)]);
  });

  it("that is not there is absent, one that may not be seen is denied, one that is empty is empty", async () => {
    const { answering, calls } = await openSwr();
    const { packages } = answering();
    const first = { first: 5, after: null };
    // Both lists, and the namespace itself: a list answers `[]` for what may not be seen as for what is not there.
    expect(await packages.page(within("nowhere"), everything, first)).toMatchObject({
      kind: "ABSENT",
      proof: "KEYED_READ",
      operation: "swr.getNamespace",
    });
    expect(calls()).toHaveLength(3);
    expect(await failureOf(packages.page(within("pay-vault"), everything, first))).toMatchObject({ failure: "DENIED" });
    const empty = await packages.page(within("pay-attic"), everything, first);
    expect(empty).toMatchObject({ kind: "FOUND", value: { rows: [], hasNext: false }, gap: null });
    const before = calls().length;
    const group = await packages.page({ repository: null, group: "pay" }, everything, first);
    expect(group).toMatchObject({ kind: "UNKNOWN", reason: "NOT_SEARCHABLE" });
    expect(calls()).toHaveLength(before);
  });
});

describe("keys", () => {
  it("are found again by name, for every name a package can have", async () => {
    const { packages } = await openSwr();
    const reader = packages();
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 100 }), (name) => {
        const key = reader.keyOf(name, "GENERIC");
        if (key === null) expect(name).toMatch(/^\.\.?$|\p{Cc}/u);
        else expect(reader.parseKey(key)).toEqual({ name, format: "GENERIC" });
      }),
    );
    expect(reader.keyOf("\ud800", "GENERIC")).toBeNull();
  });

  it("of images are found again by path", async () => {
    const { packages } = await openSwr();
    const reader = packages();
    const segment = fc.stringMatching(/^[a-z0-9]+(?:[._-][a-z0-9]+){0,2}$/);
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 3 }), (segments) => {
        const path = segments.join("/");
        fc.pre(path.length <= 255);
        const key = reader.keyOf(path, "DOCKER");
        expect(key).toBe(`image://${path}`);
        expect(reader.parseKey(key ?? "")).toEqual({ name: path, format: "DOCKER" });
      }),
    );
  });

  it("from outside never reach another endpoint", async () => {
    const { packages, demo, calls } = await openSwr();
    demo.setTamper(() => ({ body: [] }));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.string({ unit: "binary" }),
          fc.webPath(),
          fc.constantFrom("%2f..%2f", "a%2Fb", "?x", "#", "%00", "..;", "a/../b"),
        ),
        async (key) => {
          demo.forget();
          await packages().latest(packageRef(key));
          for (const url of calls()) {
            expect(url).toMatch(
              /^\/v2\/manage\/(?:packages\?namespace=pay-core|namespaces\/pay-core(?:\/packages\/[^/?#]+\/versions|\/repos\/[^/?#]+(?:\/tags\?[^?#]+)?)?)$/,
            );
            expect(new URL(url, demo.url).pathname).toBe(url.split("?")[0]);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("Content-Range", () => {
  it("is start, count and total, not a range of bytes", () => {
    expect(readContentRange("12-6/208")).toEqual({ start: 12, count: 6, total: 208 });
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (start, count, total) => {
        expect(readContentRange(`${start}-${count}/${total}`)).toEqual({ start, count, total });
      }),
    );
  });

  it.each([null, "", "bytes 0-3/7", "0-3/*", "0-3", "-1-3/7", "0-3/7x"])("is nothing in %j", (value) => {
    expect(readContentRange(value)).toBeNull();
  });
});

describe("dates", () => {
  it("sort by all nine digits, and as instants keep the milliseconds", () => {
    const nanos = fc.integer({ min: 0, max: 999_999_999 });
    const seconds = fc.integer({ min: 1, max: 4_000_000_000 });
    const print = (second: number, nano: number) => {
      const fraction = String(nano).padStart(9, "0").replace(/0+$/, "");
      return `${new Date(second * 1000).toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}Z`;
    };
    fc.assert(
      fc.property(seconds, nanos, seconds, nanos, (second, nano, otherSecond, otherNano) => {
        const [one, other] = [print(second, nano), print(otherSecond, otherNano)];
        const expected = Math.sign(second - otherSecond || nano - otherNano);
        expect(
          Math.sign(sortableDate(one) < sortableDate(other) ? -1 : sortableDate(one) > sortableDate(other) ? 1 : 0),
        ).toBe(expected);
        expect(parseInstant(one)).toBe(new Date(second * 1000 + Math.floor(nano / 1e6)).toISOString());
      }),
    );
    expect(sortableDate("0001-01-01T00:00:00Z")).toBe("");
  });
});

describe("folders", () => {
  it.each([
    ["/", "f"],
    [null, "f"],
    ["", "f"],
    ["/lib/", "lib/f"],
    ["lib/x", "lib/x/f"],
  ])("%j gives %s", (folder, path) => {
    expect(pathOf({ folder, filename: "f" })).toBe(path);
  });
});

describe("a region that orders tags by their pushes only", () => {
  it("walks to the same lists as one that knows every order", async () => {
    const [old, usual] = [await openSwr({ demo: { orders: "pushes" } }), await openSwr()];
    const lists = await Promise.all(
      [old, usual].map(async ({ packages }) => {
        const read = (request: PageRequest) => packages().page(within("pay-core"), everything, request);
        const tags = (request: PageRequest) => packages().versions(packageRef("image://api"), newestFirst, request);
        return [await walk(read, packageName, () => 7), await walk(tags, tagName, () => 30)];
      }),
    );
    expect(lists[0]).toEqual(lists[1]);
  });
});

describe("the folder of a file", () => {
  it("is read in one pass, however many slashes it has", () => {
    const slashes = "/".repeat(400_000);
    expect(pathOf({ folder: `${slashes}x${slashes}y`, filename: "f" })).toBe(`x${slashes}y/f`);
    expect(pathOf({ folder: slashes, filename: "f" })).toBe("f");
  });
});
