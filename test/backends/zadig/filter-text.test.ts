import { describe, expect, it } from "vitest";
import { gatewayOver, nodesIn } from "../../support/literal.ts";
import { imageRow, type LiteralOptions, serveZadig, settingsOf } from "./literal.ts";

const base = "registry.test/pay";
const build = (repo_owner: string, repo_name: string, branch: string) => ({
  activities: [
    { type: "build", commits: [{ source: "gitlab", repo_owner, repo_name, branch, commit_id: "ab12cd34" }] },
  ],
});
const artifacts = [
  imageRow(1, "api", `${base}/api:1.0`),
  imageRow(2, "api", `${base}/api:1.0.1`),
  imageRow(3, "api-gateway", `${base}/api-gateway:1.0`),
  imageRow(4, "pay-api", `${base}/pay-api:1.0`),
  imageRow(5, "api+cpu", `${base}/apixcpu:v1`),
  imageRow(6, "apiicpu", `${base}/api.cpu:v1`),
  imageRow(7, "a|b", `https://${base}/schemed:2`),
  imageRow(8, "web", `${base}/web:9`, build("acme", "web", "release/1")),
  imageRow(9, "web", `${base}/web:8`, build("other", "web", "release/1")),
  imageRow(10, "web", `${base}/web:7`, build("acme", "web", "release/10")),
  { ...imageRow(11, "tool", "tool-1.0.tar.gz"), type: "file", image_tag: "tool-1.0.tar.gz" },
];

const query = `query ($filter: ArtifactFilter!, $first: Int = 20, $after: String) {
  artifacts(filter: $filter, first: $first, after: $after) {
    nodes { name locations { image { raw } } observations { field value } }
    totalCount pageInfo { hasNextPage endCursor } sources { status }
  }
}`;

async function open(options: LiteralOptions = {}) {
  const zadig = await serveZadig({ artifacts, ...options });
  const ask = await gatewayOver(settingsOf(zadig.url));
  const list = async (filter: Record<string, unknown>, more: Record<string, unknown> = {}) => {
    const { data, errors } = await ask(query, { filter, ...more });
    return { ...(data?.["artifacts"] as Page), errors };
  };
  return { zadig, ask, list };
}

interface Page {
  readonly nodes: readonly { readonly name: string }[];
  readonly totalCount: number | null;
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

const names = ({ nodes }: Page) => nodes.map(({ name }) => name);

describe("a text in a filter of artifacts", () => {
  it.each([
    [{ image: `${base}/api:1.0` }, ["api"]],
    [{ image: `https://${base}/schemed:2` }, ["a|b"]],
    [{ image: `${base}/schemed:2` }, ["a|b"]],
    [{ image: `${base}/api` }, []],
    [{ image: "tool-1.0.tar.gz" }, ["tool"]],
    [{ name: "api" }, ["api", "api"]],
    [{ name: "api+cpu" }, ["api+cpu"]],
    [{ name: "api.cpu" }, []],
    [{ name: "a|b" }, ["a|b"]],
    [{ name: ".*" }, []],
    [{ name: "(" }, []],
    [{ name: "[" }, []],
    [{ name: "api", image: `${base}/api:1.0.1` }, ["api"]],
    [{ imageTag: "1.0" }, ["api", "api-gateway", "pay-api"]],
    [{ imageTag: "1.0", name: "api" }, ["api"]],
  ] as const)("means itself: %j", async (filter, expected) => {
    const { list } = await open();
    const page = await list(filter);
    expect(page.errors).toEqual([]);
    expect(names(page)).toEqual(expected);
    expect(page.totalCount).toBe(expected.length);
    expect(page.pageInfo.hasNextPage).toBe(false);
  });

  it.each([
    [{ repository: "acme/web" }, ["web", "web"]],
    [{ repository: "web" }, ["web", "web", "web"]],
    [{ repository: "acme/web", branch: "release/1" }, ["web"]],
    [{ branch: "release/1" }, ["web", "web"]],
    [{ branch: "release/1", image: `${base}/web:8` }, ["web"]],
    [{ repository: "web", name: "we" }, []],
  ] as const)("means itself beside what Zadig forgets: %j", async (filter, expected) => {
    const { list } = await open();
    const page = await list(filter);
    expect(names(page)).toEqual(expected);
    expect(page.totalCount).toBeNull();
  });

  it("is compared again where the server does not filter: rows stay right, no total is reported", async () => {
    const { list } = await open({
      odd: ({ path, query: asked }) => {
        if (path !== "/api/aslan/delivery/artifacts") return null;
        const [size, number] = [Number(asked.get("per_page")), Number(asked.get("page"))];
        return { headers: { "x-total": "11" }, body: artifacts.slice((number - 1) * size, number * size) };
      },
    });
    const page = await list({ name: "api" });
    expect(names(page)).toEqual(["api", "api"]);
    expect(page.totalCount).toBeNull();
    expect(names(await list({ imageTag: "9" }))).toEqual(["web"]);
  });

  it("pages through what it means, each row once", async () => {
    const many = Array.from({ length: 25 }, (_, index) =>
      imageRow(index, index % 2 ? "api" : "api-x", `r.test/a:${index}`),
    );
    const { list } = await open({ artifacts: many });
    const seen: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const page: Page = await list({ name: "api" }, { first: 5, after });
      seen.push(...names(page));
      expect(page.totalCount).toBe(12);
      ({ endCursor: after, hasNextPage: more } = page.pageInfo);
    }
    expect(seen).toHaveLength(12);
  });

  it("that Mongo would refuse is not sent, so that no pattern of a caller is an outage for others", async () => {
    const { zadig, list } = await open();
    for (let round = 0; round < 8; round++) await list({ name: "a\u0000b" });
    await list({ image: "x".repeat(20_000) });
    expect(zadig.asked).toEqual([]);
    expect(names(await list({ name: "api" }))).toEqual(["api", "api"]);
  });
});

const releases = [
  { id: "b".repeat(24), version: "v1", project: "pay", at: 1_790_000_000, labels: ["a+b", "hot fix"] },
  { id: "c".repeat(24), version: "v2", project: "pay-core", at: 1_790_000_100, labels: ["a b", "100%"] },
];

describe("a text in a filter of releases", () => {
  it.each(["r1", "r2"] as const)("means itself on %s, also where the server does not filter", async (generation) => {
    const filtering = await serveZadig({ generation, releases });
    const careless = await serveZadig({
      generation,
      releases,
      odd: ({ path, query: asked }) => (asked.has("projectName") || asked.has("label") ? redirected(path) : null),
    });
    function redirected(path: string) {
      if (path !== "/api/aslan/delivery/releases") return null;
      return { headers: { "x-total": "2" }, body: releases.map((one) => ({ ...row(one, generation) })) };
    }
    for (const { url } of [filtering, careless]) {
      const ask = await gatewayOver(settingsOf(url));
      const versions = async (filter: Record<string, unknown>) => {
        const { data } = await ask(
          "query ($filter: ReleaseFilter!) { releases(filter: $filter) { nodes { version } } }",
          {
            filter,
          },
        );
        return nodesIn<{ version: string }>(data, "releases").map(({ version }) => version);
      };
      expect(await versions({ project: "pay" })).toEqual(["v1"]);
      expect(await versions({ label: "hot fix" })).toEqual(["v1"]);
      expect(await versions({ label: "100%" })).toEqual(["v2"]);
      expect(await versions({ label: "hot" })).toEqual([]);
    }
  });
});

function row({ id, version, project, at, labels }: (typeof releases)[number], generation: "r1" | "r2") {
  return generation === "r2"
    ? { id, version, project_name: project, labels, created_at: at, services: [] }
    : { versionInfo: { id, version, productName: project, labels, created_at: at } };
}
