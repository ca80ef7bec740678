import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gatewayOver, nodesIn, type Reply, serveJson } from "../../support/literal.ts";
import { day, digestOf, type LiteralOptions, serveSwr, settingsOf } from "./literal.ts";

const repositories = {
  pay: {
    api: {
      "1.0": { digest: digestOf("a"), updated: day(1) },
      "2.0": { digest: digestOf("b"), updated: day(2), isIndex: true, withoutDetail: true },
      old: { updated: day(1) },
    },
    "team/api": { "1.0": { digest: digestOf("a"), updated: day(1) } },
    "web-2": { "1.0": { digest: digestOf("c"), updated: day(1) } },
  },
};
const packages = { pay: { sdk: { "1.0": ["sdk.tgz"] }, "my%20tool": { "1%2B2": ["x"] }, "%e6%94%af": { v1: [] } } };

async function open(options: LiteralOptions = {}, settings: Record<string, unknown> = {}) {
  const swr = await serveSwr({ repositories, packages, empty: ["attic"], hidden: ["vault"], ...options });
  const ask = await gatewayOver(settingsOf(swr.url, settings));
  return { swr, ask };
}

describe("a namespace", () => {
  const query = `query ($repository: String!) { packages(scope: { backend: "swr", repository: $repository }) {
    nodes { name } sources { status } } }`;

  it.each([
    ["attic", [{ status: "OK" }]],
    ["nowhere", [{ status: "ABSENT" }]],
  ])("%s that lists nothing is told from one that is not there", async (repository, sources) => {
    const { ask } = await open();
    const { data, errors } = await ask(query, { repository });
    expect([data, errors]).toMatchObject([{ packages: { nodes: [], sources } }, []]);
  });

  it("that may not be seen lists nothing, and is denied all the same", async () => {
    const { ask } = await open();
    const { data, errors } = await ask(query, { repository: "vault" });
    expect(data).toMatchObject({ packages: null });
    expect(errors[0]?.extensions.code).toBe("UPSTREAM_FORBIDDEN");
  });

  it("is asked for by itself only where its lists were empty", async () => {
    const { ask, swr } = await open();
    await ask(query, { repository: "pay" });
    expect(swr.asked.filter((path) => /namespaces\/pay$/.test(path))).toEqual([]);
  });
});

describe("a detail that is not there for what the list names", () => {
  it("leaves the tag where it is, with the digest of the list", async () => {
    const { ask } = await open();
    const { data, errors } = await ask(`{
      package(ref: { backend: "swr", repository: "pay", name: "api", format: DOCKER }) {
        version(name: "2.0") { name artifact { digest } }
        versions { nodes { name } }
        latestVersion { name }
        gone: version(name: "9.9") { name }
      } }`);
    expect(errors).toEqual([]);
    expect(data?.["package"]).toMatchObject({
      version: { name: "2.0", artifact: { digest: digestOf("b") } },
      versions: { nodes: [{ name: "2.0" }, { name: "old" }, { name: "1.0" }] },
      latestVersion: { name: "2.0" },
      gone: null,
    });
  });

  it("leaves a trace to it what it is", async () => {
    const { ask } = await open();
    const { data } = await ask(
      `{ traceByImage(image: "swr.test/pay/api:2.0") { artifact { digest } sources { status } } }`,
    );
    expect(data?.["traceByImage"]).toMatchObject({ artifact: { digest: digestOf("b") } });
  });
});

describe("a digest", () => {
  const trace = (image: string) => `{ traceByImage(image: "${image}") { artifact { digest } sources { status } } }`;

  it("is found under any tag, and under the tag that stands beside it first", async () => {
    const { ask } = await open();
    for (const image of [`swr.test/pay/api@${digestOf("a")}`, `swr.test/pay/api:2.0@${digestOf("a")}`]) {
      expect((await ask(trace(image))).data).toMatchObject({ traceByImage: { artifact: { digest: digestOf("a") } } });
    }
  });

  it("that no tag tells is unknown while a tag tells none, or an index may hold it", async () => {
    const { ask } = await open();
    const { data } = await ask(trace(`swr.test/pay/api@${digestOf("9")}`));
    expect(data).toMatchObject({ traceByImage: { artifact: null } });
    expect(JSON.stringify(data)).not.toContain("ABSENT");
    const whole = await open({ repositories: { pay: { api: { "1.0": { digest: digestOf("a"), updated: day(1) } } } } });
    const { data: absent } = await whole.ask(trace(`swr.test/pay/api@${digestOf("9")}`));
    expect(absent?.["traceByImage"]).toMatchObject({ sources: [{ status: "ABSENT" }] });
  });
});

describe("names", () => {
  it("of other accounts' repositories are found where no list holds them", async () => {
    const { ask } = await open({ shared: { pay: { tools: { "1": { digest: digestOf("d"), updated: day(1) } } } } });
    const { data, errors } = await ask(`{
      one: package(ref: { backend: "swr", repository: "pay", name: "tools", format: DOCKER }) { name }
      two: package(ref: { backend: "swr", repository: "pay", name: "api", format: DOCKER }) { name }
      none: package(ref: { backend: "swr", repository: "pay", name: "gone", format: DOCKER }) { name }
    }`);
    expect([data, errors]).toEqual([{ one: { name: "tools" }, two: { name: "api" }, none: null }, []]);
  });

  it("in any spelling are one package with one id", async () => {
    const { ask } = await open();
    const listed = `{ packages(scope: { backend: "swr", repository: "pay" }, filter: { format: GENERIC }) {
      nodes { id name versions { nodes { id name package { id } files { nodes { name } } } } } } }`;
    const { data, errors } = await ask(listed);
    expect(errors).toEqual([]);
    type Row = {
      id: string;
      name: string;
      versions: { nodes: { id: string; name: string; package: { id: string } }[] };
    };
    for (const row of nodesIn<Row>(data, "packages")) {
      const byName = await ask(
        `query ($name: String!) { package(ref: { backend: "swr", repository: "pay", name: $name, format: GENERIC }) { id } }`,
        { name: row.name },
      );
      expect(byName.data).toEqual({ package: { id: row.id } });
      for (const version of row.versions.nodes) {
        expect(version.package.id).toBe(row.id);
        const node = await ask("query ($id: ID!) { node(id: $id) { id } }", { id: version.id });
        expect(node.data).toEqual({ node: { id: version.id } });
      }
    }
  });
});

describe("package URLs", () => {
  it("that are printed find what they were printed for, with and without a hint", async () => {
    const { ask } = await open();
    const { data } = await ask(`{ packages(scope: { backend: "swr", repository: "pay" }) { nodes {
      name versions { nodes { name purl artifact { digest } } } } } }`);
    type Row = {
      name: string;
      versions: { nodes: { name: string; purl: string | null; artifact: { digest: string } }[] };
    };
    const versions = nodesIn<Row>(data, "packages").flatMap((row) => row.versions.nodes);
    const printed = versions.filter(({ purl }) => purl !== null);
    expect(printed.map(({ name }) => name)).toEqual(["2.0", "1.0", "1.0", "1.0"]);
    for (const { purl, artifact } of printed) {
      for (const hint of [null, { backend: "swr", repository: "pay" }]) {
        const found = await ask(
          `query ($purl: PURL!, $hint: PackageScope) { traceByPurl(purl: $purl, hint: $hint) { artifact { digest } } }`,
          { purl, hint },
        );
        expect(found.data).toEqual({ traceByPurl: { artifact: { digest: artifact.digest } } });
      }
    }
  });
});

describe("a list that is not what it says", () => {
  const lying = async (answer: (limit: number, offset: number) => Reply) => {
    const swr = await serveJson(({ path, query }) => {
      if (path === "/v2/manage/repos") return answer(Number(query.get("limit")), Number(query.get("offset")));
      if (path.endsWith("/repos/api")) return { body: { name: "api", num_images: 1 } };
      return { status: 404, body: { errors: [{ errorCode: "SVCSTG.SWR.4040010" }] } };
    });
    const ask = await gatewayOver(settingsOf(swr.url, { capabilities: ["IMAGES"] }));
    const search = async () =>
      (
        await ask(
          `{ searchPackages(name: "gone", match: CONTAINS) { groups { packages { nodes { name } } } sources { status } isComplete } }`,
        )
      ).data;
    return { swr, search };
  };
  const rows = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ namespace: "pay", name: `r${index}` }));

  it("because it repeats its pages ends, and denies nothing", async () => {
    const { swr, search } = await lying((limit) => ({ body: rows(limit) }));
    expect(await search()).toMatchObject({ searchPackages: { isComplete: false } });
    expect(swr.asked.length).toBeLessThan(5);
  });

  it("because it counts more than it gives ends, and denies nothing", async () => {
    const { swr, search } = await lying((_, offset) => ({
      headers: { "content-range": `${offset}-3/900000000` },
      body: offset === 0 ? rows(3) : [],
    }));
    expect(await search()).toMatchObject({ searchPackages: { isComplete: false } });
    expect(swr.asked.length).toBeLessThan(60);
  });

  it("because it counts less than it gives is read to its end", async () => {
    const all = [...rows(1500), { namespace: "pay", name: "gone-not" }];
    const { search } = await lying((limit, offset) => ({
      headers: { "content-range": `${offset}-${limit}/3` },
      body: all.slice(offset, offset + limit),
    }));
    expect(await search()).toMatchObject({
      searchPackages: { groups: [{ packages: { nodes: [{ name: "gone-not" }] } }] },
    });
  });

  it("however its pages lie is never walked without an end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 4000 }), fc.nat({ max: 2500 }), fc.boolean(), async (total, count, repeats) => {
        const { swr, search } = await lying((limit, offset) => ({
          headers: { "content-range": `${offset}-${limit}/${total}` },
          body: rows(count).slice(repeats ? 0 : offset, (repeats ? 0 : offset) + limit),
        }));
        await search();
        expect(swr.asked.length).toBeLessThan(12);
      }),
      { numRuns: 10 },
    );
  });
});

describe("a region without package API", () => {
  it("does not count the packages of a namespace, which may hold software packages", async () => {
    const { ask } = await open({ packages: null });
    const query = '{ packages(scope: { backend: "swr", repository: "pay" }) { totalCount nodes { name } } }';
    expect((await ask(query)).data).toMatchObject({ packages: { totalCount: null, nodes: [{}, {}, {}] } });
    const images =
      '{ packages(scope: { backend: "swr", repository: "pay" }, filter: { format: DOCKER }) { totalCount } }';
    expect((await ask(images)).data).toMatchObject({ packages: { totalCount: 3 } });
  });
});
