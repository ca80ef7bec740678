import { describe, expect, it } from "vitest";
import { gatewayOver } from "../../support/literal.ts";
import { idOf, type LiteralRelease, serveZadig, settingsOf } from "./literal.ts";

const releases = ["pay", "shop", "pay", "ledger", "shop", "pay"].map(
  (project, index): LiteralRelease => ({
    ...{ id: idOf(index), version: `v${6 - index}`, project, at: 1_790_000_000 - index * 60 },
    services: { api: "registry.test/api:1" },
  }),
);
const query = `query ($first: Int = 20, $after: String, $filter: ReleaseFilter = {}) {
  releases(filter: $filter, first: $first, after: $after) {
    nodes { version project } totalCount pageInfo { hasNextPage endCursor } sources { status }
  }
}`;

interface Page {
  readonly nodes: readonly { readonly version: string }[];
  readonly totalCount: number | null;
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

async function open(projects: readonly string[], generation: "r1" | "r2" = "r1") {
  const zadig = await serveZadig({ generation, releases, memberOnly: true });
  const ask = await gatewayOver(settingsOf(zadig.url, { projects }));
  return {
    zadig,
    ask,
    page: async (variables: Record<string, unknown> = {}) => (await ask(query, variables)).data?.["releases"] as Page,
  };
}

describe("the list of all projects, refused to a project's member", () => {
  it.each(["r1", "r2"] as const)("is that of the configured project (%s)", async (generation) => {
    const { page } = await open(["pay"], generation);
    expect(await page()).toMatchObject({
      nodes: [{ version: "v6" }, { version: "v4" }, { version: "v1" }],
      totalCount: 3,
      sources: [{ status: "OK" }],
    });
  });

  it("is that of several, merged and newest first, paged", async () => {
    const { page } = await open(["pay", "shop"]);
    const seen: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const one: Page = await page({ first: 2, after });
      expect(one.totalCount).toBe(5);
      seen.push(...one.nodes.map(({ version }) => version));
      ({ endCursor: after, hasNextPage: more } = one.pageInfo);
    }
    expect(seen).toEqual(["v6", "v5", "v4", "v2", "v1"]);
  });

  it("is not asked for again while the refusal is remembered", async () => {
    const { zadig, page } = await open(["pay"]);
    await page();
    expect(zadig.asked).toHaveLength(2);
    await page();
    expect(zadig.asked).toHaveLength(3);
  });

  it("says what to do where no project is configured", async () => {
    const { ask } = await open([]);
    const { data, errors } = await ask(query);
    expect(data?.["releases"]).toBeNull();
    expect(errors[0]?.extensions.code).toBe("UPSTREAM_FORBIDDEN");
    expect(errors[0]?.message).toContain("projects");
    expect((await ask(query, { filter: { project: "pay" } })).data).toMatchObject({ releases: { totalCount: 3 } });
  });

  it("keeps the rows of one project where another one fails", async () => {
    const zadig = await serveZadig({
      ...{ generation: "r1", releases, memberOnly: true },
      odd: ({ query: asked }) => (asked.get("projectName") === "shop" ? { status: 403, body: "" } : null),
    });
    const ask = await gatewayOver(settingsOf(zadig.url, { projects: ["pay", "shop"] }));
    const { data, errors } = await ask(query);
    expect(data?.["releases"]).toMatchObject({ nodes: [{ version: "v6" }, { version: "v4" }, { version: "v1" }] });
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(["UPSTREAM_FORBIDDEN"]);
  });
});
