import { describe, expect, it } from "vitest";
import { gatewayOver } from "../../support/literal.ts";
import { idOf, imageRow, type LiteralRelease, serveZadig, settingsOf } from "./literal.ts";

const image = "registry.test/pay/api:1.0";
const weight = 600_000;

/** Releases of 600 KB each; the newest deploys `api`, the others `web`. */
const heavy = Array.from(
  { length: 60 },
  (_, index): LiteralRelease => ({
    ...{ id: idOf(index), version: `v${60 - index}`, project: "pay", at: 1_790_100_000 - index, weight },
    services: index === 0 ? { api: image } : { web: `registry.test/pay/web:${index}` },
  }),
);
const built = imageRow(1, "api", image, {
  activities: [{ type: "build", url: "/v1/projects/detail/pay/pipelines/custom/w/1", commits: [] }],
});

async function open(releases: readonly LiteralRelease[], settings: Record<string, unknown> = {}) {
  const zadig = await serveZadig({ generation: "r1", releases, artifacts: [built] });
  const ask = await gatewayOver(settingsOf(zadig.url, { maxResponseBytes: 10_000_000, ...settings }));
  const rows = () =>
    zadig.asked
      .map((path) => new URL(path, "http://x").searchParams)
      .filter((query) => query.has("verbosity"))
      .map((query) => Number(query.get("per_page")));
  return { zadig, ask, rows };
}

const versionsIn = (data: unknown) =>
  (data as { nodes: { version: string }[] } | null)?.nodes.map(({ version }) => version);

const withParts = "nodes { version deployments { service } }";

describe("a page of releases that is too large an answer", () => {
  it("comes by smaller pages: all rows, once each, newest first", async () => {
    const { ask, rows } = await open(heavy);
    const { data, errors } = await ask(`{ releases(first: 60) { ${withParts} pageInfo { hasNextPage } } }`);
    expect(errors).toEqual([]);
    expect(versionsIn(data?.["releases"])).toEqual(heavy.map(({ version }) => version));
    expect(data?.["releases"]).toMatchObject({ pageInfo: { hasNextPage: false } });
    // One page that was too large, and nine of an eighth of it.
    expect(rows()).toEqual([61, ...Array(9).fill(7)]);
  });

  it("is not tried again in its full size, for some minutes", async () => {
    const { ask, rows, zadig } = await open(heavy);
    await ask(`{ releases(first: 60) { ${withParts} } }`);
    zadig.asked.length = 0;
    const { data } = await ask(`{ releases(first: 40) { ${withParts} } }`);
    expect(versionsIn(data?.["releases"])).toHaveLength(40);
    expect(Math.max(...rows())).toBe(7);
  });

  it("goes on by cursor where it was cut", async () => {
    const { ask } = await open(heavy);
    const seen: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const { data } = await ask(
        `query ($after: String) { releases(first: 25, after: $after) { ${withParts} pageInfo { endCursor hasNextPage } } }`,
        { after },
      );
      seen.push(...(versionsIn(data?.["releases"]) ?? []));
      const page = data?.["releases"] as { pageInfo: { endCursor: string; hasNextPage: boolean } };
      ({ endCursor: after, hasNextPage: more } = page.pageInfo);
    }
    expect(seen).toEqual(heavy.map(({ version }) => version));
  });

  it("loses a row that is too large alone, and nothing but it", async () => {
    const releases = heavy.map((one, index) => (index === 7 ? { ...one, weight: 12_000_000 } : one));
    const { ask } = await open(releases);
    const { data, errors } = await ask(`{ releases(first: 20) { ${withParts} } }`);
    const expected = heavy.slice(0, 21).flatMap(({ version }, index) => (index === 7 ? [] : [version]));
    expect(versionsIn(data?.["releases"])).toEqual(expected.slice(0, 20));
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(["UPSTREAM_MALFORMED"]);
  });

  it("that stays too large whatever is asked for is reported after a few tries", async () => {
    const { ask, zadig } = await open(heavy, { maxResponseBytes: 100_000 });
    const { data, errors } = await ask(`{ releases(first: 60) { ${withParts} } }`);
    expect(data).toEqual({ releases: null });
    expect(errors[0]?.extensions.code).toBe("UPSTREAM_MALFORMED");
    expect(zadig.asked.length).toBeLessThan(5);
  });
});

describe("one row among many that are large", () => {
  it("by service reads no hundred rows for one", async () => {
    const { ask, rows, zadig } = await open(heavy);
    const { data, errors } = await ask(
      `{ releases(filter: { service: "api" }, first: 1) { nodes { version } pageInfo { hasNextPage } } }`,
    );
    expect(errors).toEqual([]);
    expect(versionsIn(data?.["releases"])).toEqual(["v60"]);
    // Whether there is another one is looked for among all of them, but never in pages that are too large.
    expect(rows().slice(0, 2)).toEqual([10, 10]);
    expect(zadig.sent.bytes).toBeLessThan(60 * weight * 1.4);
  });

  it("stops as soon as one more is known of", async () => {
    const { ask, rows } = await open(heavy);
    const { data } = await ask(
      `{ releases(filter: { service: "web" }, first: 1) { nodes { version } pageInfo { hasNextPage } } }`,
    );
    expect(data?.["releases"]).toMatchObject({ nodes: [{ version: "v59" }], pageInfo: { hasNextPage: true } });
    expect(rows()).toEqual([10]);
  });

  it("of an artifact is found in small pages", async () => {
    const { ask, rows } = await open(heavy);
    const { data, errors } = await ask(
      `{ artifacts(filter: { name: "api" }) { nodes { releases(first: 1) { nodes { version } } } } }`,
    );
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ artifacts: { nodes: [{ releases: { nodes: [{ version: "v60" }] } }] } });
    expect(Math.max(...rows())).toBeLessThanOrEqual(40);
  });
});
