import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { images, places, projects, sdk, swrReference } from "../demo/story.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { idsFrom } from "./support/ids.ts";

let gateway: DemoGateway;

beforeAll(async () => {
  gateway = await startDemoGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.forget());

const nodes =
  "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Package { name } ... on Version { name } } }";

/** Paths that one backend was asked for since the last `forget`, without their queries. */
const pathsOf = (kind: keyof DemoGateway["estate"]["servers"]) =>
  gateway.estate.servers[kind].seen.map(
    ({ method, url }) => `${method} ${decodeURIComponent(url.split("?")[0] ?? "")}`,
  );

const packagesIn = (repository: string, first = 100) =>
  `{ packages(scope: { backend: "bkrepo", repository: "${repository}" }, first: ${first}) { nodes { id } } }`;
const inGitlab = `ref: { backend: "gitlab", repository: "${projects.api.path}", name: "${sdk.maven.gitlabName}", format: MAVEN }`;

describe("bkrepo", () => {
  test("50 packages of one project by id are one search", async () => {
    const ids = await idsFrom(gateway, packagesIn("ops/npm-mirror"), 50);
    expect(ids).toHaveLength(50);
    const { body } = await gateway.ask(nodes, { variables: { ids } });
    expect(body.errors).toBeUndefined();
    expect(textOf(body.data)).toEqual(ids);
    expect(pathsOf("bkrepo")).toEqual(["POST /repository/api/package/search"]);
    expect(gateway.calls()).toEqual({ bkrepo: 1 });
  });

  test("packages of many repositories of one project are one search too", async () => {
    const [maven, npm, helm] = await Promise.all(
      [places.bkrepoMaven, places.bkrepoNpm, places.bkrepoHelm].map((name) =>
        idsFrom(gateway, packagesIn(`${places.bkrepoProject}/${name}`, 5), 5),
      ),
    );
    const ids = [...(maven ?? []), ...(npm ?? []), ...(helm ?? [])];
    expect(ids.length).toBeGreaterThan(5);
    gateway.forget();
    const { body } = await gateway.ask(nodes, { variables: { ids } });
    expect(textOf(body.data)).toEqual(ids);
    expect(gateway.calls()).toEqual({ bkrepo: 1 });
  });

  test("are distinguished by a field of the row: a server that answers in any order answers the same", async () => {
    const ids = await idsFrom(gateway, packagesIn("ops/npm-mirror"), 50);
    const straight = await gateway.ask(nodes, { variables: { ids } });
    gateway.estate.servers.bkrepo.setTamper((reply) => {
      const body: unknown = JSON.parse(JSON.stringify(reply.body ?? null));
      for (const records of listsIn(body, "records")) records.reverse();
      return { ...reply, body };
    });
    const shuffled = await gateway.ask(nodes, { variables: { ids } });
    gateway.estate.servers.bkrepo.setTamper(null);
    expect(shuffled.body).toEqual(straight.body);
  });
});

describe("GitLab", () => {
  test("20 versions with their pipelines are list pages, not 20 calls", async () => {
    const { body } = await gateway.ask(
      `{ package(${inGitlab}) { versions(first: 20) { nodes { name publishedBy { status ref user commit { sha } } } } } }`,
    );
    expect(body.errors).toBeUndefined();
    expect(JSON.stringify(body.data).match(/"publishedBy":\{/g)?.length).toBeGreaterThan(5);
    expect(pathsOf("gitlab")).toEqual(["GET /api/v4/projects/pay/api/packages"]);
  });

  test("20 versions by id are one list page", async () => {
    const ids = await idsFrom(gateway, `{ package(${inGitlab}) { versions(first: 20) { nodes { id } } } }`, 20);
    expect(ids).toHaveLength(20);
    const { body } = await gateway.ask(nodes, { variables: { ids } });
    expect(body.errors).toBeUndefined();
    expect(textOf(body.data)).toEqual(ids);
    expect(gateway.calls()).toEqual({ gitlab: 1 });
  });
});

describe("SWR", () => {
  test("30 packages of one namespace by id are one call", async () => {
    // The story has 22: the server tells of some more, which are like them but for the name.
    gateway.estate.servers.swr.setTamper((reply) => {
      const rows: readonly { readonly package: string }[] = Array.isArray(reply.body) ? reply.body : [];
      const more = rows.map((row) => ({ ...row, package: `${row.package}-more` }));
      return { ...reply, headers: {}, body: [...rows, ...more] };
    });
    const list = `{ packages(scope: { backend: "swr-north4", repository: "${places.swrNamespace}" }, filter: { format: GENERIC }, first: 30) { nodes { id } } }`;
    const ids = await idsFrom(gateway, list, 30);
    expect(ids.length).toBe(30);
    const { body } = await gateway.ask(nodes, { variables: { ids } });
    expect(body.errors).toBeUndefined();
    expect(textOf(body.data)).toEqual(ids);
    expect(pathsOf("swr")).toEqual(["GET /v2/manage/packages"]);
    gateway.estate.servers.swr.setTamper(null);
  });

  test("many tags of one repository by id are one call", async () => {
    const list = `{ package(ref: { backend: "swr-north4", repository: "${places.swrNamespace}", name: "api", format: DOCKER }) {
      versions(first: 20) { nodes { id } } } }`;
    const ids = await idsFrom(gateway, list, 20);
    expect(ids.length).toBe(20);
    const { body } = await gateway.ask(nodes, { variables: { ids } });
    expect(body.errors).toBeUndefined();
    expect(textOf(body.data)).toEqual(ids);
    expect(gateway.calls()).toEqual({ "swr-north4": 1 });
  });
});

describe("Zadig", () => {
  test("20 images are one alternation", async () => {
    const list = `{ releases(filter: { project: "storefront" }, first: 20) { nodes { images { artifact { id } } } } }`;
    const ids = await idsFrom(gateway, list, 20);
    expect(ids).toHaveLength(20);
    const { body } = await gateway.ask(
      "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Artifact { activities { type } builds { service } } } }",
      { variables: { ids } },
    );
    expect(body.errors).toBeUndefined();
    expect(textOf(body.data)).toEqual(ids);
    expect(JSON.stringify(body.data).match(/"service":/g)?.length).toBeGreaterThanOrEqual(20);
    const [only, ...others] = gateway.estate.servers.zadig.seen;
    expect(others).toEqual([]);
    const pattern = new URL(only?.url ?? "", "http://zadig").searchParams.get("image") ?? "";
    expect(pattern).toMatch(/^\^\(\?:.*\)\$$/);
    expect(pattern.split("|")).toHaveLength(20);
    expect(pattern).toContain("swr\\.cn-north-4\\.myhuaweicloud\\.com/storefront/shop:");
  });

  test("an image that the list hides costs a call for its id and one for the record, and the others nothing", async () => {
    const image = (one: keyof typeof images) =>
      `${one}: traceByImage(image: "${swrReference(images[one])}") { artifact { builds { service } } }`;
    const { body } = await gateway.ask(`{ ${image("api")} ${image("web")} ${image("worker")} }`);
    expect(body.errors).toBeUndefined();
    expect(body.data?.["web"]).toMatchObject({ artifact: { builds: [{ service: "web" }] } });
    const paths = pathsOf("zadig").map((path) => path.replace(/[0-9a-f]{24}$/, "{id}"));
    expect(paths.filter((path) => path === "GET /api/aslan/delivery/artifacts/image")).toHaveLength(1);
    expect(paths.filter((path) => path === "GET /api/aslan/delivery/artifacts/{id}")).toHaveLength(1);
  });
});

describe("one key", () => {
  test("asked for many times, by id, by key and by name, is one call", async () => {
    const ref = `backend: "bkrepo", repository: "pay/maven-local"`;
    const key = `gav://${sdk.maven.group}:${sdk.maven.artifact}`;
    const [id] = await idsFrom(gateway, `{ package(ref: { ${ref}, key: "${key}" }) { id } }`, 1);
    const { body } = await gateway.ask(
      `query ($id: ID!) {
        node(id: $id) { id }
        nodes(ids: [$id, $id, $id]) { id }
        a: package(ref: { ${ref}, key: "${key}" }) { id }
        b: package(ref: { ${ref}, name: "${sdk.maven.group}:${sdk.maven.artifact}", format: MAVEN }) { id name }
      }`,
      { variables: { id } },
    );
    expect(body.errors).toBeUndefined();
    expect(body.data).toMatchObject({ node: { id }, nodes: [{ id }, { id }, { id }], a: { id }, b: { id } });
    expect(gateway.calls()).toEqual({ bkrepo: 1 });
  });

  test.each([
    ["release", '{ releases(filter: { project: "pay" }, first: 1) { nodes { id } } }', "zadig"],
    ["artifact", "{ artifacts(first: 1) { nodes { id } } }", "zadig"],
    ["version", `{ package(${inGitlab}) { versions(first: 1) { nodes { id } } } }`, "gitlab"],
  ])("of a %s asked for five times is one call", async (_what, list, backend) => {
    const [id] = await idsFrom(gateway, list, 1);
    const { body } = await gateway.ask(nodes, { variables: { ids: Array(5).fill(id) } });
    expect(body.errors).toBeUndefined();
    expect(textOf(body.data)).toEqual(Array(5).fill(id));
    expect(gateway.calls()).toEqual({ [backend]: 1 });
  });

  test("of another request is asked for again: nothing is stored from one caller for the next", async () => {
    const query = `{ package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://${sdk.maven.group}:${sdk.maven.artifact}" }) { id } }`;
    await gateway.ask(query);
    await gateway.ask(query);
    expect(gateway.calls()).toEqual({ bkrepo: 2 });
  });
});

describe("aliases", () => {
  test("of ten packages of one project are one call", async () => {
    const { body } = await gateway.ask(
      `{ packages(scope: { backend: "bkrepo", repository: "ops/npm-mirror" }, first: 10) { nodes { key } } }`,
    );
    const keys = [...JSON.stringify(body.data).matchAll(/"key":"([^"]+)"/g)].map(([, key]) => key);
    expect(keys).toHaveLength(10);
    gateway.forget();
    const one = (key: string | undefined, index: number) =>
      `p${index}: package(ref: { backend: "bkrepo", repository: "ops/npm-mirror", key: "${key}" }) { key }`;
    const answer = await gateway.ask(`{ ${keys.map(one).join(" ")} }`);
    expect(answer.body.data).toEqual(Object.fromEntries(keys.map((key, index) => [`p${index}`, { key }])));
    expect(gateway.calls()).toEqual({ bkrepo: 1 });
  });
});

describe("ids of many types together", () => {
  async function mixed(): Promise<readonly [string, string, string, string]> {
    const one = async (query: string) => (await idsFrom(gateway, query, 1))[0] ?? "";
    return [
      await one(packagesIn("pay/maven-local", 1)),
      await one(`{ package(${inGitlab}) { versions(first: 1) { nodes { id } } } }`),
      await one(`{ releases(filter: { project: "pay" }, first: 1) { nodes { id } } }`),
      await one("{ artifacts(first: 1) { nodes { id } } }"),
    ];
  }

  test("each answer in its own place, one call a backend and kind; a bad one fails alone", async () => {
    const [pack, version, release, artifact] = await mixed();
    const ids = [pack, "garbage", version, `${release}A`, release, "", artifact];
    const { status, body } = await gateway.ask(nodes, { variables: { ids } });
    expect(status).toBe(200);
    expect(body.data?.["nodes"]).toMatchObject([
      { __typename: "Package", id: pack },
      null,
      { __typename: "Version", id: version },
      null,
      { __typename: "Release", id: release },
      null,
      { __typename: "Artifact", id: artifact },
    ]);
    expect(body.errors?.map(({ path, extensions }) => [path, extensions?.["code"]])).toEqual([
      [["nodes", 1], "BAD_ID"],
      [["nodes", 3], "BAD_ID"],
      [["nodes", 5], "BAD_ID"],
    ]);
    expect(gateway.calls()).toEqual({ bkrepo: 1, gitlab: 1, zadig: 2 });
  });

  test("lose those of a backend that fails, and no others", async () => {
    const [pack, version, release, artifact] = await mixed();
    await gateway.estate.servers.zadig.setFault({ kind: "status", status: 403 });
    const { body } = await gateway.ask(nodes, { variables: { ids: [release, pack, artifact, version] } });
    await gateway.estate.servers.zadig.setFault(null);
    expect(body.data?.["nodes"]).toMatchObject([null, { id: pack }, null, { id: version }]);
    expect(body.errors?.map(({ path, extensions }) => [path, extensions?.["code"], extensions?.["backend"]])).toEqual([
      [["nodes", 0], "UPSTREAM_FORBIDDEN", "zadig"],
      [["nodes", 2], "UPSTREAM_FORBIDDEN", "zadig"],
    ]);
  });
});

/** The ids of the nodes, in order, null for none. */
function textOf(data: unknown): unknown {
  const found: unknown = Object(data).nodes;
  return Array.isArray(found) ? found.map((node) => node?.id ?? null) : found;
}

/** Every list of that name, wherever it is. */
function listsIn(value: unknown, name: string): unknown[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => [
    ...(key === name && Array.isArray(one) ? [one] : []),
    ...listsIn(one, name),
  ]);
}
