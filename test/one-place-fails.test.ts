import { expect, test } from "vitest";
import { serveBkrepo } from "./backends/bkrepo/literal-server.ts";
import { day, digestOf, serveSwr, settingsOf as swrSettings } from "./backends/swr/literal.ts";
import { gatewayOver } from "./support/literal.ts";

const digest = digestOf("d");
const traced = `artifact { locations { backend { name } image { repository } } } isComplete sources { status }`;
const copies = `{ traceByImage(image: "elsewhere.test/x/api@${digest}") { ${traced} } }`;
const search = `{
  searchPackages(name: "api") { groups { packages { nodes { name } totalCount } } isComplete sources { status } }
}`;

async function openBkrepo(repositories: readonly string[], isFailing: (call: string) => boolean) {
  const names = ["docker-a", "docker-b"];
  const server = await serveBkrepo({
    release: "new",
    repositories: names,
    packages: names.map((repoName) => ({
      ...{ repoName, key: "docker://api", name: "api", type: "DOCKER" },
      versions: [{ name: "1.0", metadata: { manifest_digest: digest } }],
    })),
    isFailing,
  });
  const ask = await gatewayOver({
    ...{ kind: "bkrepo", name: "bkrepo", url: server.url, repositories, hosts: ["docker.test"], retries: 0 },
    credentials: { username: "reader", password: "secret" },
  });
  return { ask, close: server.close };
}

test("a bkrepo repository whose list fails takes no copy of another one with it", async () => {
  const { ask, close } = await openBkrepo(["acme/docker-a", "acme/docker-b"], (call) =>
    /version\/(?:list|page)\/acme\/docker-b/.test(call),
  );
  const { data } = await ask(copies);
  await close();
  expect(data?.["traceByImage"]).toMatchObject({
    artifact: { locations: [{ image: { repository: "acme/docker-a/api" } }] },
    isComplete: false,
    sources: [{ status: "PARTIAL" }],
  });
});

test("a bkrepo project whose search fails takes nothing of another one with it", async () => {
  const { ask, close } = await openBkrepo(["acme/docker-a", "other/docker-b"], (call) => call.includes('"other"'));
  const both = [await ask(copies), await ask(search)];
  const named = await ask(`{
    package(ref: { backend: "bkrepo", repository: "acme/docker-a", key: "docker://api" }) { namesakes { matchedBy } }
  }`);
  await close();
  expect(both[0]?.data?.["traceByImage"]).toMatchObject({
    artifact: { locations: [{ image: { repository: "acme/docker-a/api" } }] },
    isComplete: false,
    sources: [{ status: "PARTIAL" }],
  });
  expect(both[1]?.data?.["searchPackages"]).toMatchObject({
    groups: [{ packages: { nodes: [{ name: "api" }], totalCount: null } }],
    isComplete: false,
    sources: [{ status: "PARTIAL" }],
  });
  expect(named).toMatchObject({
    data: { package: { namesakes: [] } },
    errors: [{ path: ["package", "namesakes"], extensions: { code: "UPSTREAM_UNAVAILABLE" } }],
  });
});

const tags = { "1.0": { digest, updated: day(1) } };

test("a SWR namespace or repository whose list fails takes nothing of another one with it", async () => {
  const swr = await serveSwr({
    repositories: { near: { api: tags, "x/api": tags }, far: { api: tags } },
    odd: ({ path, query }) =>
      query.get("namespace") === "far" || /\/far\b|x\$api\/tags/.test(decodeURIComponent(path))
        ? { status: 500, body: {} }
        : null,
  });
  const ask = await gatewayOver(swrSettings(swr.url, { namespaces: ["near", "far"] }));
  expect((await ask(copies)).data?.["traceByImage"]).toMatchObject({
    artifact: { locations: [{ image: { repository: "near/api" } }] },
    isComplete: false,
    sources: [{ status: "PARTIAL" }],
  });
  const found = await ask(`{
    exact: searchPackages(name: "api", format: DOCKER) { ...Found }
    containing: searchPackages(name: "api", match: CONTAINS, format: DOCKER) { ...Found }
  }
  fragment Found on PackageSearch { groups { packages { nodes { repository } } } isComplete sources { status } }`);
  for (const { groups, ...rest } of Object.values(found.data ?? {}) as { groups: { packages: { nodes: [] } }[] }[]) {
    expect(groups[0]?.packages.nodes).toContainEqual({ repository: "near" });
    expect(rest).toEqual({ isComplete: false, sources: [{ status: "PARTIAL" }] });
  }
});

test("bytes that an index may name are not absent, whichever way they are looked for", async () => {
  const swr = await serveSwr({ repositories: { pay: { api: { "1.0": { digest, updated: day(1), isIndex: true } } } } });
  const ask = await gatewayOver(swrSettings(swr.url));
  const child = digestOf("c");
  const { data } = await ask(`{
    hinted: traceByDigest(digest: "${child}", hint: { backend: "swr", repository: "pay" }) { ${traced} }
    copies: traceByImage(image: "elsewhere.test/x/api@${child}") { ${traced} }
    own: traceByImage(image: "swr.test/pay/api@${child}") { ${traced} }
  }`);
  for (const trace of Object.values(data ?? {})) {
    expect(trace).toMatchObject({ artifact: null, isComplete: false });
    expect(trace).not.toMatchObject({ sources: [{ status: "ABSENT" }] });
  }
});
