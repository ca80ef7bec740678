import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { gatewayOver, type StoredPackage, serveBkrepo } from "./literal-server.ts";

const jar = "/com/acme/app/1.0/app-1.0.jar";
const sha256 = "a".repeat(64);
const digest = `sha256:${"d".repeat(64)}`;

function stored(repoName: string): StoredPackage[] {
  return [
    { repoName, key: "gav://com.acme:app", name: "app", type: "MAVEN", versions: [{ name: "1.0", contentPath: jar }] },
    { repoName, key: "npm://left-pad", name: "left-pad", type: "NPM", versions: [{ name: "1.0.0" }] },
    {
      repoName,
      key: "docker://api",
      name: "api",
      type: "DOCKER",
      versions: [{ name: "1.0", metadata: { manifest_digest: digest } }],
    },
  ];
}

const nodes = ["shut", "open"].map((repoName) => ({ repoName, fullPath: jar, sha256 }));

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
const start = {
  release: "new",
  repositories: ["shut", "open", "bare"],
  packages: [...stored("shut"), ...stored("open")],
  nodes,
  strict: ["shut"],
  forbidden: [],
  refusesEmpty: false,
} as const;

beforeAll(async () => {
  server = await serveBkrepo(start);
});
afterAll(() => server.close());
afterEach(async () => {
  vi.useRealTimers();
  await gateway.stop();
  server.become(start);
});

const open = async (repositories: readonly string[]) => {
  gateway = await gatewayOver(server.url, { repositories });
  server.calls();
};

describe("where a search is narrower than the right to read", () => {
  test("one package and two in one query are found", async () => {
    await open(["acme/shut"]);
    const one = await gateway.ask(
      `{ package(ref: { backend: "bkrepo", repository: "acme/shut", key: "npm://left-pad" }) { name } }`,
    );
    expect(one).toEqual({ data: { package: { name: "left-pad" } } });
    const two = await gateway.ask(`{
      a: package(ref: { backend: "bkrepo", repository: "acme/shut", key: "npm://left-pad" }) { name }
      b: package(ref: { backend: "bkrepo", repository: "acme/shut", key: "gav://com.acme:app" }) { name }
      c: package(ref: { backend: "bkrepo", repository: "acme/shut", key: "npm://nothing" }) { name }
    }`);
    expect(two).toEqual({ data: { a: { name: "left-pad" }, b: { name: "app" }, c: null } });
  });

  test("the packages of a repository come from its plain list, with filter and pages", async () => {
    await open(["acme/shut"]);
    const query = `query ($name: String, $first: Int!, $after: String) {
      packages(scope: { backend: "bkrepo", repository: "acme/shut" }, filter: { name: $name }, first: $first, after: $after) {
        nodes { name } totalCount pageInfo { hasNextPage endCursor } sources { status }
      }
    }`;
    const whole = await gateway.ask(query, { first: 2 });
    expect(whole.errors).toBeUndefined();
    expect(whole.data.packages).toMatchObject({
      nodes: [{ name: "api" }, { name: "app" }],
      totalCount: 3,
      pageInfo: { hasNextPage: true },
      sources: [{ status: "OK" }],
    });
    // The search's silence, the list's count, the search's count, the list; then what was learnt is known.
    expect(server.calls()).toHaveLength(4);
    const rest = await gateway.ask(query, { first: 2, after: whole.data.packages.pageInfo.endCursor });
    expect(rest.data.packages.nodes).toEqual([{ name: "left-pad" }]);
    expect(server.calls()).toEqual(["GET /package/page/acme/shut"]);
    const none = await gateway.ask(query, { first: 2, name: "no-such" });
    expect(none.data.packages).toMatchObject({ nodes: [], totalCount: 0, sources: [{ status: "OK" }] });
  });

  test("a search by name finds them, and so does a trace by package URL", async () => {
    await open(["acme/shut"]);
    const search = await gateway.ask(
      `{ searchPackages(name: "left", match: PREFIX) { groups { packages { nodes { name } } } sources { status } } }`,
    );
    expect(search.errors).toBeUndefined();
    expect(search.data.searchPackages).toMatchObject({
      groups: [{ packages: { nodes: [{ name: "left-pad" }] } }],
      sources: [{ status: "OK" }],
    });
  });

  test("the files of a version are unknown: no absence and no empty list", async () => {
    await open(["acme/shut"]);
    const { data, errors } = await gateway.ask(`{
      package(ref: { backend: "bkrepo", repository: "acme/shut", key: "gav://com.acme:app" }) {
        version(name: "1.0") { name files { nodes { name } sources { status } } }
      }
    }`);
    expect(data.package.version.name).toBe("1.0");
    expect(data.package.version.files).toBeNull();
    expect(errors).toMatchObject([{ path: ["package", "version", "files"] }]);
    const trace = await gateway.ask(
      `{ traceByPurl(purl: "pkg:maven/com.acme/app@1.0") { isComplete artifact { digest } sources { status } } }`,
    );
    expect(trace.data.traceByPurl).toMatchObject({ isComplete: false, artifact: null });
    expect(JSON.stringify(trace.data.traceByPurl.sources)).not.toMatch(/ABSENT|"OK"/);
  });

  test("a checksum that nothing visible has is unknown", async () => {
    await open(["acme/shut"]);
    const { data } = await gateway.ask(
      `{ traceByDigest(digest: "sha256:${sha256}", hint: { backend: "bkrepo", repository: "acme/shut" }) {
        isComplete artifact { digest } sources { status }
      } }`,
    );
    expect(data.traceByDigest.isComplete).toBe(false);
    expect(JSON.stringify(data.traceByDigest.sources)).not.toMatch(/ABSENT|"OK"/);
  });

  test("an image whose digest only its manifest has is there, and its digest is unknown", async () => {
    const untold = [{ repoName: "shut", key: "docker://web", name: "web", type: "DOCKER" }].map((one) => ({
      ...one,
      versions: [{ name: "1.0", manifestPath: "/web/manifest/1.0/manifest.json" }],
    }));
    server.become({ packages: [...stored("shut"), ...untold] });
    await open(["acme/shut"]);
    const { data } = await gateway.ask(
      `{ traceByImage(image: "docker.test/acme/shut/web:1.0") { isComplete artifact { digest } sources { status } } }`,
    );
    expect(data.traceByImage).toMatchObject({ isComplete: false, artifact: { digest: null } });
    expect(JSON.stringify(data.traceByImage.sources)).not.toContain("ABSENT");
  });

  test("an image and its copies are found", async () => {
    await open(["acme/shut"]);
    const { data, errors } = await gateway.ask(
      `{ traceByImage(image: "docker.test/acme/shut/api:1.0") { artifact { digest } sources { status } } }`,
    );
    expect(errors).toBeUndefined();
    expect(data.traceByImage).toMatchObject({ artifact: { digest } });
  });
});

describe("beside a repository that can be searched", () => {
  const search = (name: string, first = 20) =>
    gateway.ask(
      `query ($name: String!, $first: Int!) {
        searchPackages(name: $name, match: PREFIX, first: $first) {
          groups { packages { nodes { repository name } totalCount pageInfo { hasNextPage } } } sources { status }
        }
      }`,
      { name, first },
    );
  const repositories = ({ data }: Awaited<ReturnType<typeof search>>) =>
    data.searchPackages.groups[0].packages.nodes.map(({ repository }: { repository: string }) => repository).sort();

  test("what is known to see less answers from its list", async () => {
    server.become({ packages: [...stored("shut"), ...stored("open").slice(0, 1)] });
    await open(["acme/shut", "acme/open"]);
    // Only the list has it; from then on the repository is known to be narrow.
    expect(repositories(await search("left"))).toEqual(["acme/shut"]);
    const both = await search("ap", 2);
    expect(repositories(both)).toEqual(["acme/open", "acme/shut"]);
    expect(both.data.searchPackages.groups[0].packages).toMatchObject({
      totalCount: 3,
      pageInfo: { hasNextPage: true },
    });
  });

  test("a copy of an image is found in a repository that sees less", async () => {
    server.become({ packages: [...stored("shut"), ...stored("open").slice(0, 2)] });
    await open(["acme/shut", "acme/open"]);
    const { data, errors } = await gateway.ask(
      `{ traceByImage(image: "elsewhere.test/team/api@${digest}") { artifact { locations { image { repository } } } } }`,
    );
    expect(errors).toBeUndefined();
    expect(JSON.stringify(data.traceByImage)).toContain("acme/shut/api");
  });
});

describe("before 3.0.3, where a search of nothing readable is refused", () => {
  test("missing repositories are absent, unreadable ones are not", async () => {
    server.become({ refusesEmpty: true, forbidden: ["open"] });
    await open(["acme/gone"]);
    const search = `{ searchPackages(name: "app") { groups { packages { nodes { name } } } sources { status } } }`;
    expect((await gateway.ask(search)).data.searchPackages.sources).toMatchObject([{ status: "ABSENT" }]);
    await gateway.stop();
    await open(["acme/open"]);
    expect((await gateway.ask(search)).data.searchPackages.sources).toMatchObject([{ status: "DENIED" }]);
  });
});

describe("where a search sees all that may be read", () => {
  test("its silence is an absence, shown once for each repository and forgotten after minutes", async () => {
    await open(["acme/open"]);
    const query = `{ searchPackages(name: "no-such") { groups { packages { nodes { name } } } sources { status } } }`;
    const found = { groups: [{ packages: { nodes: [] } }], sources: [{ status: "ABSENT" }] };
    expect((await gateway.ask(query)).data.searchPackages).toMatchObject(found);
    expect(server.calls()).toHaveLength(3);
    expect((await gateway.ask(query)).data.searchPackages).toMatchObject(found);
    expect(server.calls()).toEqual(["POST /package/search"]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 6 * 60_000 });
    server.become({ strict: ["open"] });
    const left = `{ searchPackages(name: "left", match: PREFIX) { groups { packages { nodes { name } } } sources { status } } }`;
    expect((await gateway.ask(left)).data.searchPackages.groups).toMatchObject([
      { packages: { nodes: [{ name: "left-pad" }] } },
    ]);
  });

  test("what is found costs what it did", async () => {
    await open(["acme/open"]);
    await gateway.ask(`{ searchPackages(name: "left", match: PREFIX) { groups { packages { nodes { name } } } } }`);
    expect(server.calls()).toEqual(["POST /package/search"]);
    await gateway.ask(
      `{ packages(scope: { backend: "bkrepo", repository: "acme/open" }) { nodes { name } totalCount } }`,
    );
    expect(server.calls()).toEqual(["POST /package/search"]);
  });
});

describe("a place", () => {
  const list = (repository: string) => `{
    packages(scope: { backend: "bkrepo", repository: "${repository}" }) { nodes { name } sources { status } }
  }`;

  test("that does not exist is ABSENT in its lists, one that is empty is OK", async () => {
    await open([]);
    for (const repository of ["acme/gone", "nobody/open"]) {
      const { data, errors } = await gateway.ask(list(repository));
      expect(errors).toBeUndefined();
      expect(data.packages.sources).toMatchObject([{ status: "ABSENT" }]);
    }
    expect((await gateway.ask(list("acme/bare"))).data.packages).toMatchObject({
      nodes: [],
      sources: [{ status: "OK" }],
    });
  });

  test("that may not be read is neither", async () => {
    await open([]);
    server.become({ forbidden: ["open"] });
    const { data, errors } = await gateway.ask(list("acme/open"));
    expect(JSON.stringify({ data, errors })).toMatch(/DENIED|FORBIDDEN/);
    expect(JSON.stringify(data)).not.toMatch(/ABSENT|"OK"/);
  });
});
