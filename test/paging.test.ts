import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { images } from "../demo/story.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { documentOf, type List, lists, releasesOfArtifact, type Window, windowOf } from "./support/lists.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());

/** Walks to the end, checking each window on the way. */
async function walk(list: List, sizes: readonly number[]): Promise<{ ids: string[]; totals: Set<number | null> }> {
  const ids: string[] = [];
  const totals = new Set<number | null>();
  let after: string | null = null;
  for (let round = 0; round < 400; round++) {
    const first = sizes[round % sizes.length] ?? 20;
    const window: Window = await windowOf(gateway, list, first, after);
    ids.push(...window.ids);
    totals.add(window.totalCount);
    expect(window.ids.length).toBeLessThanOrEqual(first);
    expect(window.edgeIds).toEqual(window.ids);
    expect(window.hasPreviousPage).toBe(after !== null);
    expect([window.startCursor, window.endCursor]).toEqual([window.cursors[0] ?? null, window.cursors.at(-1) ?? null]);
    if (!window.hasNextPage) return { ids, totals };
    // “There is more” is a promise: there is a place to go on from, and something behind it.
    expect(window.ids.length).toBeGreaterThan(0);
    after = window.endCursor;
  }
  throw new Error("the list does not end");
}

describe.each(lists)("the list of $name", (list) => {
  test("is the same, whole and without repetition, in pages of any size", async () => {
    const whole = await walk(list, [100]);
    expect(whole.ids.length).toBeGreaterThan(0);
    expect(new Set(whole.ids).size).toBe(whole.ids.length);
    const small = whole.ids.length <= 45 ? [[1], [2], [3, 1]] : [[9]];
    for (const sizes of [...small, [7], [20], [1, 13, 50, 2]]) {
      const walked = await walk(list, sizes);
      expect(walked.ids, `in pages of ${sizes}`).toEqual(whole.ids);
      if (list.counts) expect(walked.totals, `counted in pages of ${sizes}`).toEqual(new Set([whole.ids.length]));
      else for (const total of walked.totals) expect([null, whole.ids.length]).toContain(total);
    }
  });

  test("goes on behind any of its rows", async () => {
    const { ids, cursors } = await windowOf(gateway, list, 5, null);
    for (const [index, cursor] of cursors.slice(0, -1).entries()) {
      const { ids: rest } = await windowOf(gateway, list, 5, cursor);
      expect(rest.slice(0, ids.length - index - 1)).toEqual(ids.slice(index + 1));
    }
  });

  test.each([0, -1, 101, 1000, 2_147_483_647])("refuses a page of %i before anything is asked", async (first) => {
    gateway.forget();
    const { status, body } = await gateway.ask(documentOf(list, `first: ${first}`));
    expect(status).toBe(400);
    expect(body.errors?.map(({ extensions }) => extensions?.["code"])).toEqual(["BAD_USER_INPUT"]);
    expect(body.data).toBeUndefined();
    expect(gateway.calls()).toEqual({});
  });

  test("refuses what is no cursor before anything is asked", async () => {
    gateway.forget();
    for (const after of ["", "x", "MToxNzpQYWNrYWdlMTph", "a".repeat(5000), "é"]) {
      const { status, body } = await gateway.ask(documentOf(list, `first: 5, after: "${after}"`));
      expect([after, status]).toEqual([after, 400]);
      expect(body.errors?.map(({ extensions }) => extensions?.["code"])).toEqual(["BAD_CURSOR"]);
    }
    expect(gateway.calls()).toEqual({});
  });
});

test("the releases that name an artifact are walked like any other list, however many there are", async () => {
  const { zadig } = gateway.estate.servers;
  // Every release of the project names the one image, which is older than all of them.
  zadig.setTamper((reply) => {
    const text = JSON.stringify(reply.body ?? null)
      .replace(/pay-core\/api:[\w.-]+/g, `pay-core/api:${images.api.tag}`)
      .replace(/"created_time":\d+/g, '"created_time":1500000000');
    return { ...reply, body: JSON.parse(text) };
  });
  const whole = await walk(releasesOfArtifact, [100]);
  expect(whole.ids.length).toBeGreaterThan(20);
  for (const sizes of [[7], [1, 13, 2]]) {
    expect((await walk(releasesOfArtifact, sizes)).ids).toEqual(whole.ids);
  }
  zadig.setTamper(null);
});

test("a GitLab that does not count, as beyond ten thousand rows, is walked all the same", async () => {
  const list = lists.filter(
    ({ name }) => name === "GitLab group" || name === "versions: GitLab by prefix, oldest first",
  );
  expect(list).toHaveLength(2);
  const counted = await Promise.all(list.map((one) => walk(one, [7])));
  gateway.estate.servers.gitlab.setTamper((reply) => ({
    ...reply,
    headers: Object.fromEntries(
      Object.entries(reply.headers ?? {}).filter(([name]) => !/^x-total(?:-pages)?$/i.test(name)),
    ),
  }));
  for (const [index, one] of list.entries()) expect((await walk(one, [7])).ids).toEqual(counted[index]?.ids);
  gateway.estate.servers.gitlab.setTamper(null);
});

describe("a cursor", () => {
  test("of one list is refused by others, without a call where the list is known beforehand", async () => {
    const cursors: (readonly [name: string, cursor: string])[] = [];
    for (const list of lists) cursors.push([list.name, (await windowOf(gateway, list, 1, null)).endCursor ?? ""]);
    for (const [index, list] of lists.entries()) {
      // Those that stand nearby differ in the filter alone; one from far away is of another backend and type.
      for (const step of [1, 2, 3, 15, lists.length - 1]) {
        const [name, after] = cursors[(index + step) % lists.length] ?? ["", ""];
        gateway.forget();
        const { body } = await gateway.ask(documentOf(list, `first: 5, after: "${after}"`));
        const codes = body.errors?.map(({ extensions }) => extensions?.["code"]);
        expect([list.name, name, codes]).toEqual([list.name, name, ["BAD_CURSOR"]]);
        if (!list.isNested) expect([list.name, name, gateway.calls()]).toEqual([list.name, name, {}]);
      }
    }
  });

  test("taken back and forth by a client is still the same", async () => {
    const list = lists[0];
    if (!list) throw new Error("no list");
    const { endCursor } = await windowOf(gateway, list, 3, null);
    const query = `query ($after: String) { releases(filter: { project: "pay" }, first: 3, after: $after) { nodes { id } } }`;
    const one = await gateway.ask(query, { variables: { after: endCursor } });
    const other = await windowOf(gateway, list, 3, endCursor);
    expect(one.body.data).toEqual({ releases: { nodes: other.ids.map((id) => ({ id })) } });
  });
});

test("a null for first or after means the default", async () => {
  const { body } = await gateway.ask(
    "{ releases(first: null, after: null) { nodes { id } pageInfo { hasPreviousPage } } }",
  );
  expect(body.errors).toBeUndefined();
  expect(body.data).toMatchObject({ releases: { nodes: { length: 20 }, pageInfo: { hasPreviousPage: false } } });
});
