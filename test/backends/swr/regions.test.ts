import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gatewayOver, nodesIn } from "../../support/literal.ts";
import { day, digestOf, type LiteralOptions, serveSwr, settingsOf } from "./literal.ts";

const repositories = {
  pay: {
    web: { "1.0": { digest: digestOf("a"), updated: day(1) } },
    api: {
      "1.9": { digest: digestOf("b"), updated: day(2) },
      "1.10": { digest: digestOf("c"), updated: day(4) },
      "1.8": { digest: digestOf("d"), updated: day(3) },
    },
    "team/tools": { "0.1": { digest: digestOf("e"), updated: day(1) } },
  },
};
const packages = { pay: { sdk: { "2.0": ["sdk.tgz"] } } };
const minutes = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const listQuery = `query ($first: Int = 20, $after: String) {
  packages(scope: { backend: "swr", repository: "pay" }, filter: { format: DOCKER }, first: $first, after: $after) {
    nodes { name } totalCount pageInfo { hasNextPage endCursor } sources { status }
  }
}`;
const apiQuery = `query ($fields: Int = 20) {
  packages(scope: { backend: "swr", repository: "pay" }, filter: { name: "api", format: DOCKER }) {
    nodes { latestVersion { name } versions(first: $fields) { nodes { name artifact { digest } } } }
  }
}`;

describe("a region that knows fewer orders", () => {
  it.each([false, true])("answers the same lists (old: %j)", async (isOldRegion) => {
    const swr = await serveSwr({ repositories, packages, isOldRegion });
    const ask = await gatewayOver(settingsOf(swr.url));
    const { data, errors } = await ask(listQuery);
    expect(errors).toEqual([]);
    expect(data?.["packages"]).toMatchObject({
      nodes: [{ name: "api" }, { name: "team/tools" }, { name: "web" }],
      totalCount: 3,
      sources: [{ status: "OK" }],
    });
    const names: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const one = (await ask(listQuery, { first: 1, after })).data?.["packages"] as {
        nodes: { name: string }[];
        pageInfo: { hasNextPage: boolean; endCursor: string | null };
      };
      names.push(...one.nodes.map(({ name }) => name));
      ({ endCursor: after, hasNextPage: more } = one.pageInfo);
    }
    expect(names).toEqual(["api", "team/tools", "web"]);
    expect((await ask(apiQuery)).data).toMatchObject({
      packages: {
        nodes: [
          {
            latestVersion: { name: "1.10" },
            versions: { nodes: [{ name: "1.10" }, { name: "1.8" }, { name: "1.9" }] },
          },
        ],
      },
    });
  });

  it("finds what a digest pins", async () => {
    const swr = await serveSwr({ repositories, packages, isOldRegion: true });
    const ask = await gatewayOver(settingsOf(swr.url));
    const { data, errors } = await ask(`{ traceByImage(image: "swr.test/pay/api@${digestOf("d")}") {
      artifact { digest locations { image { raw } } } sources { status } isComplete } }`);
    expect(errors).toEqual([]);
    expect(data?.["traceByImage"]).toMatchObject({
      artifact: { digest: digestOf("d"), locations: [{ image: { raw: "swr.test/pay/api:1.8" } }] },
    });
  });

  it("is asked in an order once a while, and as ever when it has learnt it", async () => {
    const options: LiteralOptions = { repositories, packages, isOldRegion: true };
    const swr = await serveSwr(options);
    const ask = await gatewayOver(settingsOf(swr.url));
    const ordered = async () => {
      swr.asked.length = 0;
      await ask(listQuery);
      return swr.asked.map((path) => path.includes("order_column=name"));
    };
    expect(await ordered()).toEqual([true, false]);
    expect(await ordered()).toEqual([false]);
    options.isOldRegion = false;
    vi.setSystemTime(Date.now() + 10 * minutes);
    expect(await ordered()).toEqual([true]);
  });
});

describe("an order that was asked for", () => {
  const kept = {
    pay: {
      api: Object.fromEntries(
        Array.from({ length: 29 }, (_, index) => [
          `1.${index}`,
          { digest: digestOf("f"), updated: day(1 + ((index * 11) % 29)) },
        ]),
      ),
    },
  };

  it.each([
    ["v2", {}],
    ["v3", { imageApi: "v3" }],
  ] as const)("is checked before its head is called the newest (%s)", async (_, settings) => {
    const swr = await serveSwr({ repositories: kept, packages: {}, ignoresOrder: true, hasV3: true });
    const ask = await gatewayOver(settingsOf(swr.url, settings));
    const { data, errors } = await ask(apiQuery);
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ packages: { nodes: [{ latestVersion: { name: "1.21" } }] } });
    const [api] = nodesIn<{ versions: { nodes: { name: string }[] } }>(data, "packages");
    expect(api?.versions.nodes.slice(0, 3).map(({ name }) => name)).toEqual(["1.21", "1.13", "1.5"]);
  });

  it("that a missing date spoils has no newest", async () => {
    const undated = { pay: { api: { a: { digest: digestOf("a"), updated: day(3) }, b: { digest: digestOf("b") } } } };
    const swr = await serveSwr({ repositories: undated, packages: {} });
    const ask = await gatewayOver(settingsOf(swr.url));
    const { data, errors } = await ask(
      `{ packages(scope: { backend: "swr", repository: "pay" }) { nodes { latestVersion { name } } } }`,
    );
    expect(data).toMatchObject({ packages: { nodes: [{ latestVersion: null }] } });
    expect(errors).toHaveLength(1);
  });
});

describe("the newest version of an image", () => {
  const digest = digestOf("a");
  const attached = {
    [`sha256-${"a".repeat(64)}.sig`]: { digest: digestOf("1"), updated: day(6) },
    [`sha256-${"a".repeat(64)}.att`]: { digest: digestOf("2"), updated: day(7) },
    [`sha256-${"a".repeat(64)}.sbom`]: { digest: digestOf("3"), updated: day(8) },
    [`sha256-${"a".repeat(64)}`]: { digest: digestOf("4"), updated: day(9), isIndex: true },
  };
  const query = `{ packages(scope: { backend: "swr", repository: "pay" }, filter: { name: "api", format: DOCKER }) {
    nodes { latestVersion { name artifact { digest } } versions { nodes { name } } } } }`;

  it("is no signature, attestation or SBOM; the list still has them", async () => {
    const tags = {
      "1.3": { digest: digestOf("b"), updated: day(4) },
      "1.4.0": { digest, updated: day(5) },
      ...attached,
    };
    const swr = await serveSwr({ repositories: { pay: { api: tags } }, packages: {} });
    const ask = await gatewayOver(settingsOf(swr.url));
    const { data } = await ask(query);
    expect(data).toMatchObject({ packages: { nodes: [{ latestVersion: { name: "1.4.0", artifact: { digest } } }] } });
    expect(JSON.stringify(data)).toContain(".sbom");
  });

  it("is found behind more of them than one page holds", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 15 }, (_, index) => [
        `sha256-${String(index).padStart(64, "0")}.sig`,
        { digest: digestOf("1"), updated: day(10 + index) },
      ]),
    );
    const swr = await serveSwr({
      repositories: { pay: { api: { "1.4.0": { digest, updated: day(5) }, ...many } } },
      packages: {},
    });
    const ask = await gatewayOver(settingsOf(swr.url));
    expect((await ask(query)).data).toMatchObject({ packages: { nodes: [{ latestVersion: { name: "1.4.0" } }] } });
  });

  it("is none where there are only these", async () => {
    const swr = await serveSwr({ repositories: { pay: { api: attached } }, packages: {} });
    const ask = await gatewayOver(settingsOf(swr.url));
    const { data, errors } = await ask(query);
    expect([data?.["packages"], errors]).toMatchObject([{ nodes: [{ latestVersion: null }] }, []]);
  });
});

describe("a package API that is lost for a moment", () => {
  it("is found again some minutes later", async () => {
    const options: LiteralOptions = { repositories, packages: null };
    const swr = await serveSwr(options);
    const ask = await gatewayOver(settingsOf(swr.url));
    const query = `{ packages(scope: { backend: "swr", repository: "pay" }, filter: { format: GENERIC }) {
      nodes { name } sources { status } } }`;
    const lost = await ask(query);
    expect(lost.errors).not.toEqual([]);
    options.packages = packages;
    swr.asked.length = 0;
    expect(JSON.stringify((await ask(query)).data)).not.toContain("ABSENT");
    expect(swr.asked).toEqual([]);
    vi.setSystemTime(Date.now() + 10 * minutes);
    const found = await ask(query);
    expect(found.errors).toEqual([]);
    expect(found.data).toMatchObject({ packages: { nodes: [{ name: "sdk" }], sources: [{ status: "OK" }] } });
  });

  it("is unknown, not absent, in searches and traces", async () => {
    const swr = await serveSwr({ repositories: { pay: {} }, packages: null });
    const ask = await gatewayOver(settingsOf(swr.url));
    const { data } =
      await ask(`{ searchPackages(name: "sdk") { groups { packages { nodes { name } } } sources { status } }
      traceByPurl(purl: "pkg:generic/sdk@2.0") { artifact { name } sources { status } } }`);
    expect(data).toMatchObject({ searchPackages: {}, traceByPurl: { artifact: null } });
    expect(JSON.stringify(data)).not.toMatch(/ABSENT|"OK"/);
  });
});
