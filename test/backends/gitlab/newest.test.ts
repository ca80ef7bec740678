import { afterEach, describe, expect, test } from "vitest";
import { every, gatewayOver } from "./literal-gateway.ts";

let gateway: Awaited<ReturnType<typeof gatewayOver>>;
const open = async (...args: Parameters<typeof gatewayOver>) => {
  gateway = await gatewayOver(...args);
  return gateway;
};
afterEach(() => gateway.stop());

const row = (id: number, version: string, created_at?: string, name = "cart") => ({
  id,
  name,
  package_type: "npm",
  version,
  ...(created_at ? { created_at } : {}),
});
const shop = (packages: readonly ReturnType<typeof row>[]) => ({ projects: [{ id: 7, path: "acme/shop", packages }] });
const latest = `{ package(ref: { backend: "gitlab", repository: "acme/shop", key: "npm:cart" }) { name latestVersion { name } } }`;

describe("the newest version of a package", () => {
  const rows = [
    row(1, "1.0", "2026-01-01T00:00:00.000Z"),
    row(3, "3.0", "2026-03-01T00:00:00.000Z"),
    row(2, "2.0", "2026-02-01T00:00:00.000Z"),
  ];

  test("is read from an ordered list, and from an unordered one, in one call", async () => {
    for (const isOld of [false, true]) {
      const { ask, gitlab } = await open({ ...shop(rows), isOld });
      expect(await ask(latest)).toMatchObject({ data: { package: { latestVersion: { name: "3.0" } } }, errors: [] });
      expect(gitlab.asked).toHaveLength(1);
      if (!isOld) await gateway.stop();
    }
  });

  test("is unknown with a row without a date, whatever place it has", async () => {
    const { ask } = await open(shop([row(1, "1.0", "2026-01-01T00:00:00.000Z"), row(2, "2.0")]));
    const { data, errors } = await ask(latest);
    expect(data).toEqual({ package: { name: "cart", latestVersion: null } });
    expect(errors).toMatchObject([{ path: ["package", "latestVersion"], extensions: { code: "UPSTREAM_MALFORMED" } }]);
  });

  test("is the only one there is, date or no date", async () => {
    const { ask } = await open(shop([row(1, "1.0")]));
    expect(await ask(latest)).toMatchObject({ data: { package: { latestVersion: { name: "1.0" } } }, errors: [] });
  });

  test("of several packages at once is not taken from a list that is not in order", async () => {
    const others = [
      row(8, "0.8", "2026-01-08T00:00:00.000Z", "desk"),
      row(9, "0.9", "2026-01-09T00:00:00.000Z", "desk"),
    ];
    const { ask } = await open({ ...shop([...rows, ...others]), isOld: true });
    const { data, errors } = await ask(`{
      a: package(ref: { backend: "gitlab", repository: "acme/shop", key: "npm:cart" }) { latestVersion { name } }
      b: package(ref: { backend: "gitlab", repository: "acme/shop", key: "npm:desk" }) { latestVersion { name } }
    }`);
    expect([every(data, "name"), errors]).toEqual([["3.0", "0.9"], []]);
  });

  test("stands behind more rows than a page holds, and the list counts none of them", async () => {
    const many = Array.from({ length: 250 }, (_, index) =>
      row(index + 1, `1.${index}`, new Date(1.7e12 + index * 1000).toISOString()),
    );
    for (const withoutTotals of [false, true]) {
      for (const isOld of [false, true]) {
        const { ask, gitlab } = await open({ ...shop(many), withoutTotals, isOld });
        expect(await ask(latest)).toMatchObject({
          data: { package: { latestVersion: { name: "1.249" } } },
          errors: [],
        });
        expect(gitlab.asked).toHaveLength(isOld ? 3 : 1);
        await gateway.stop();
      }
    }
    await open(shop([]));
  });
});

describe("rows that a list counts and does not give", () => {
  test("may be the one that is asked for: its absence is not proved", async () => {
    const { ask, gitlab } = await open(shop([row(1, "1.0", "2026-01-01T00:00:00.000Z")]));
    gitlab.before((url) =>
      url.pathname.endsWith("/packages") ? { headers: { "x-next-page": "", "x-total": "2" }, body: [] } : null,
    );
    const { data, codes } = await ask(
      `{ package(ref: { backend: "gitlab", repository: "acme/shop", key: "npm:desk" }) { name } }`,
    );
    expect([data, codes]).toEqual([{ package: null }, ["UPSTREAM_MALFORMED"]]);
  });

  test("are missing from a page, and the page says so", async () => {
    const { ask, gitlab } = await open(shop([]));
    const one = { ...row(1, "1.0", "2026-01-01T00:00:00.000Z"), tags: [] };
    gitlab.before((url) =>
      url.pathname.endsWith("/packages") ? { headers: { "x-next-page": "", "x-total": "2" }, body: [one] } : null,
    );
    const { data, codes } = await ask(
      `{ packages(scope: { backend: "gitlab", repository: "acme/shop" }) { nodes { name } sources { status } } }`,
    );
    expect(data).toEqual({ packages: { nodes: [{ name: "cart" }], sources: [{ status: "PARTIAL" }] } });
    expect(codes).toEqual(["UPSTREAM_MALFORMED"]);
  });
});
