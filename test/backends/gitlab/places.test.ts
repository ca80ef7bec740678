import { afterEach, describe, expect, test } from "vitest";
import { every, gatewayOver, theOne } from "./literal-gateway.ts";

let gateway: Awaited<ReturnType<typeof gatewayOver>>;
const open = async (...args: Parameters<typeof gatewayOver>) => {
  gateway = await gatewayOver(...args);
  return gateway;
};
afterEach(() => gateway.stop());

const digest = `sha256:${"a".repeat(64)}`;
const sha = "0123456789abcdef0123456789abcdef01234567";
const row = (id: number, name: string, more: object = {}) => ({
  id,
  name,
  package_type: "npm",
  version: "1.0.0",
  created_at: "2026-01-01T00:00:00.000Z",
  ...more,
});
const repository = { id: 70, name: "web", tags: { "1.0": { digest, created_at: "2026-01-01T00:00:00.000+00:00" } } };
const api = {
  id: 7,
  path: "Acme/Pay-API",
  packages: [row(1, "pay", { sha, files: ["pay-1.0.0.tgz"] })],
  repositories: [repository],
  commits: [sha],
};

describe("one project in two spellings", () => {
  const images = (scope: string) =>
    `{ packages(scope: { backend: "gitlab", ${scope} }, filter: { format: DOCKER }) { nodes { id repository key } } }`;
  const packages = (scope: string) =>
    `{ packages(scope: { backend: "gitlab", ${scope} }) { nodes { id repository key } } }`;
  const ways = [
    'repository: "Acme/Pay-API"',
    'repository: "acme/pay-api"',
    'repository: "7"',
    'group: "Acme"',
    'group: "acme"',
  ];

  test("is one image, by project, number, group, name and trace", async () => {
    const { ask } = await open({ projects: [api] });
    const ids = new Set<unknown>();
    for (const way of ways) ids.add(theOne((await ask(images(way))).data, "id"));
    for (const place of ["Acme/Pay-API", "acme/pay-api"]) {
      for (const key of ["image:acme/pay-api/web", "image:Acme/Pay-API/web"]) {
        const asked = `{ package(ref: { backend: "gitlab", repository: "${place}", key: "${key}" }) { id } }`;
        ids.add(theOne((await ask(asked)).data, "id"));
      }
    }
    const traced = await ask(
      `{ traceByImage(image: "registry.test/acme/pay-api/web:1.0") { artifact { locations { version { package { id } } } } } }`,
    );
    ids.add(theOne(every(traced.data, "package"), "id"));
    expect(ids.size).toBe(1);
  });

  test("is one package, by project, number, group and purl", async () => {
    const { ask } = await open({ projects: [api] }, { backend: { groups: ["acme"] } });
    const ids = new Set<unknown>();
    for (const way of ways) {
      const { data } = await ask(packages(way));
      ids.add(theOne(data, "id"));
      expect(theOne(data, "repository")).toBe("Acme/Pay-API");
    }
    const versions = new Set<unknown>();
    for (const place of ["Acme/Pay-API", "ACME/PAY-API", "7"]) {
      const { data } = await ask(`{ package(ref: { backend: "gitlab", repository: "${place}", key: "npm:pay" }) {
        id version(name: "1.0.0") { id package { id } } latestVersion { id package { id } } versions { nodes { id } }
      } }`);
      for (const id of every(every(data, "latestVersion"), "id")) versions.add(id);
      ids.add(every(data, "id")[0]);
      expect(new Set(every(data, "id")).size).toBe(2);
    }
    const { data } = await ask(
      `{ traceByPurl(purl: "pkg:npm/pay@1.0.0") { artifact { locations { version { package { id } } } } } }`,
    );
    ids.add(theOne(every(data, "package"), "id"));
    expect([ids.size, versions.size]).toEqual([1, 2]);
  });

  test.each([
    [{ groups: ["Acme"] }, 1],
    [{ groups: ["acme"] }, 1],
    [{ projects: ["Acme/*"] }, 1],
    [{ projects: ["acme/pay-api"] }, 1],
    [{ projects: ["acme/other"] }, 0],
  ])("is seen or hidden alike by %o on every way", async (allow, count) => {
    const { ask } = await open(
      { projects: [api] },
      { backend: { groups: ["Acme"] }, settings: { access: [{ who: "anyone", allow }] } },
    );
    // By its number nobody can have been allowed anything.
    for (const way of ways.filter((one) => !one.includes('"7"'))) {
      expect([way, every((await ask(images(way))).data, "key").length]).toEqual([way, count]);
      expect([way, every((await ask(packages(way))).data, "key").length]).toEqual([way, count]);
    }
    const traced = await ask(`{ traceByImage(image: "registry.test/acme/pay-api/web:1.0") { artifact { digest } } }`);
    expect(every(traced.data, "digest")).toEqual(count === 1 ? [digest] : []);
  });
});

describe("a project that was moved", () => {
  const secret = { ...api, id: 99, path: "vault/secret", formerly: ["team-a/secret"] };
  const own = { id: 5, path: "team-a/open", packages: [row(50, "open")] };
  const rules = { access: [{ who: "anyone", allow: { projects: ["team-a/*"] } }] };
  const ask = async (query: string, variables: object = {}) =>
    JSON.stringify((await gateway.ask(query, { ...variables })).data);
  const file = "files { nodes { name digests artifact { digest } } }";

  test("is found under its own name, where nothing is hidden", async () => {
    const { ask: plain } = await open({ projects: [secret, own] });
    const { data } = await plain(`{ package(ref: { backend: "gitlab", repository: "team-a/secret", key: "npm:pay" }) {
      repository latestVersion { ${file} publishedBy { commit { sha } } } } }`);
    expect(theOne(data, "repository")).toBe("vault/secret");
    expect(JSON.stringify(data)).toContain("pay-1.0.0.tgz");
  });

  test("is nothing to whom its new name is hidden, on any way", async () => {
    await open({ projects: [secret, own] }, { backend: { groups: ["team-a"] } });
    // Ids of the time before the move.
    const versions = await ask(
      `{ package(ref: { backend: "gitlab", repository: "vault/secret", key: "npm:pay" }) { id latestVersion { id files { nodes { artifact { id } } } } } }`,
    );
    await gateway.stop();
    await open({ projects: [secret, own] }, { backend: { groups: ["team-a"] }, settings: rules });
    const text = (name: string) => `"team-a/secret"${name}`;
    const seen = await Promise.all([
      ask(`{ packages(scope: { backend: "gitlab", repository: ${text("")} }) { totalCount nodes { name } } }`),
      ask(
        `{ packages(scope: { backend: "gitlab", repository: ${text("")} }, filter: { format: DOCKER }) { nodes { name } } }`,
      ),
      ask(
        `{ package(ref: { backend: "gitlab", repository: ${text("")}, key: "npm:pay" }) { name version(name: "1.0.0") { name ${file} } versions { nodes { name } } latestVersion { name } } }`,
      ),
      ask(
        `{ package(ref: { backend: "gitlab", repository: ${text("")}, key: "image:vault/secret/web" }) { name versions { nodes { name } } } }`,
      ),
      ask(
        `{ package(ref: { backend: "gitlab", repository: ${text("")}, key: "image:team-a/secret/web" }) { name versions { nodes { name } } } }`,
      ),
      ask(
        `{ traceByPurl(purl: "pkg:npm/pay@1.0.0", hint: { backend: "gitlab", repository: ${text("")} }) { artifact { digest locations { version { name } } } candidates { digest } } }`,
      ),
      ask(`{ traceByImage(image: "registry.test/team-a/secret/web:1.0") { artifact { digest } } }`),
      ask(`{ traceByImage(image: "registry.test/vault/secret/web:1.0") { artifact { digest } } }`),
      ask(
        `{ traceByDigest(digest: "${digest}", hint: { backend: "gitlab", repository: ${text("")} }) { artifact { digest } } }`,
      ),
    ]);
    for (const data of seen) expect(data).not.toMatch(/"pay|pay-1\.0\.0\.tgz|vault|sha256|"web|"1\.0/);
    for (const id of every(JSON.parse(versions), "id")) {
      expect(await ask("query ($id: ID!) { node(id: $id) { id } }", { id })).toBe('{"node":null}');
    }
    expect(
      await ask(`{ packages(scope: { backend: "gitlab", repository: "team-a/open" }) { nodes { name } } }`),
    ).toContain('"open"');
  });
});

describe("a place that does not exist, or that the credentials may not see", () => {
  test.each([
    ['repository: "acme/nothing"', ""],
    ['repository: "acme/nothing"', ", filter: { format: PYPI }"],
    ['repository: "acme/nothing"', ', filter: { name: "x", match: EXACT }'],
    ['repository: "acme/nothing"', ", filter: { format: TERRAFORM_MODULE }"],
    ['repository: "acme/nothing"', ", filter: { format: DOCKER }"],
    ['group: "nobody"', ""],
    ['group: "nobody"', ", filter: { format: DOCKER }"],
  ])("{ %s }%s is ABSENT, and never OK without rows", async (scope, filter) => {
    const { ask } = await open({ projects: [api] });
    const { data, errors } = await ask(
      `{ packages(scope: { backend: "gitlab", ${scope} }${filter}) { nodes { id } sources { status } } }`,
    );
    expect([data, errors]).toEqual([{ packages: { nodes: [], sources: [{ status: "ABSENT" }] } }, []]);
  });

  test("differs from one that is there and empty", async () => {
    const { ask } = await open({ projects: [{ id: 1, path: "acme/empty" }] });
    for (const filter of [
      "",
      ", filter: { format: PYPI }",
      ", filter: { format: DOCKER }",
      ', filter: { name: "x" }',
    ]) {
      const { data } = await ask(
        `{ packages(scope: { backend: "gitlab", repository: "acme/empty" }${filter}) { nodes { id } sources { status } } }`,
      );
      expect(data).toEqual({ packages: { nodes: [], sources: [{ status: "OK" }] } });
    }
  });

  test("is absent for a type that the server is too old to know, too", async () => {
    const { ask, gitlab } = await open({ projects: [api] });
    gitlab.before((url) =>
      url.searchParams.get("package_type") === "cargo"
        ? { status: 400, body: { error: "package_type does not have a valid value" } }
        : null,
    );
    const status = async (path: string) =>
      theOne(
        (
          await ask(
            `{ packages(scope: { backend: "gitlab", repository: "${path}" }, filter: { format: CARGO }) { sources { status } } }`,
          )
        ).data,
        "status",
      );
    expect([await status("acme/pay-api"), await status("acme/nothing")]).toEqual(["OK", "ABSENT"]);
  });
});

describe("a path as wide as GitLab's own rule", () => {
  const paths = [
    "acme/.ci-templates",
    "acme/_internal",
    "acme/2048",
    "acme/a..b",
    "acme/ends-in-",
    "acme/x_",
    ".dot/_sub/.web",
    "acme/v1.0.0",
  ];

  test.each(paths)("%s is opened as the list shows it: its packages, versions, files and images", async (path) => {
    const project = { ...api, path };
    const group = path.split("/")[0];
    const { ask } = await open({ projects: [project] }, { backend: { groups: [group], projects: [path] } });
    const { data } = await ask(`{ packages(scope: { backend: "gitlab", group: "${group}" }) { nodes {
      id repository key versions { nodes { id ${"files { nodes { name } }"} publishedBy { commit { sha } } } } } } }`);
    expect([theOne(data, "repository"), theOne(every(data, "files"), "name")]).toEqual([path, "pay-1.0.0.tgz"]);
    expect(every(data, "sha")).toEqual([sha]);
    for (const id of every(data, "id")) {
      expect(await ask("query ($id: ID!) { node(id: $id) { id } }", { id })).toMatchObject({
        data: { node: { id } },
        errors: [],
      });
    }
    const images =
      await ask(`{ packages(scope: { backend: "gitlab", group: "${group}" }, filter: { format: DOCKER }) { nodes {
      id key versions { nodes { id } } version(name: "1.0") { id } } } }`);
    expect(images.errors).toEqual([]);
    for (const id of every(images.data, "id")) {
      expect(await ask("query ($id: ID!) { node(id: $id) { id } }", { id })).toMatchObject({
        data: { node: { id } },
        errors: [],
      });
    }
  });
});

describe("a window that the ordinary packages fill", () => {
  const module = row(9, "vpc/aws", { package_type: "terraform_module" });
  const list = (fields: string) =>
    `{ packages(scope: { backend: "gitlab", repository: "acme/shop" }, first: 2) { nodes { key } ${fields} } }`;

  test.each([
    [[], false, 2],
    [[module], true, null],
  ])(
    "asks for modules (%o) only where somebody wants to know what follows",
    async (modules, hasNextPage, totalCount) => {
      const project = { id: 7, path: "acme/shop", packages: [row(1, "cart"), row(2, "desk"), ...modules] };
      const { ask, gitlab } = await open({ projects: [project] });
      expect(every((await ask(list(""))).data, "key")).toEqual(["npm:cart", "npm:desk"]);
      expect(gitlab.asked).toHaveLength(1);
      expect((await ask(list("pageInfo { hasNextPage } totalCount"))).data).toMatchObject({
        packages: { pageInfo: { hasNextPage }, totalCount },
      });
      expect(gitlab.asked).toHaveLength(2);
    },
  );

  test("asks for none of a place that does not exist", async () => {
    const { ask, gitlab } = await open({ projects: [api] });
    await ask(list(""));
    expect(gitlab.asked).toHaveLength(1);
  });
});
