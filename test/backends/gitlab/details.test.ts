import { afterEach, describe, expect, test } from "vitest";
import { serveZadig } from "../zadig/literal.ts";
import type { serveLiteral } from "./literal.ts";
import { every, type GatewaySettings, gatewayOver } from "./literal-gateway.ts";

type Gateway = Awaited<ReturnType<typeof gatewayOver>>;
let gateway: Gateway;
const open = async (options: Parameters<typeof serveLiteral>[0], settings: GatewaySettings = {}) => {
  gateway = await gatewayOver(options, settings);
  return gateway;
};
afterEach(() => gateway.stop());

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const dated = (letter: string, day: string) => ({
  digest: digest(letter),
  created_at: `2026-03-${day}T10:00:00.000+00:00`,
});
const web = (
  tags: Parameters<typeof serveLiteral>[0]["projects"][number]["repositories"] extends infer R
    ? R extends readonly (infer Q)[]
      ? Q extends { tags: infer T }
        ? T
        : never
      : never
    : never,
) => ({
  projects: [
    {
      id: 7,
      path: "acme/shop",
      packages: [
        { id: 1, name: "cart", package_type: "npm", version: "1.0.0", created_at: "2026-01-01T00:00:00.000Z" },
      ],
      repositories: [{ id: 70, name: "web", tags }],
    },
  ],
});
const image = `package(ref: { backend: "gitlab", repository: "acme/shop", key: "image:acme/shop/web" })`;

describe("a tag whose details are 404, as those of an index are", () => {
  test("is listed, opened by name, and met by its reference, without a digest", async () => {
    const { ask, gitlab } = await open(web({ "2.0.1": 404 }));
    const { data, codes } = await ask(`{ ${image} {
      versions { nodes { name purl } sources { status } }
      version(name: "2.0.1") { name purl createdAt }
      latestVersion { name purl }
    } }`);
    expect(data).toMatchObject({
      package: {
        versions: { nodes: [{ name: "2.0.1", purl: null }], sources: [{ status: "OK" }] },
        version: { name: "2.0.1", purl: null, createdAt: null },
        latestVersion: { name: "2.0.1", purl: null },
      },
    });
    // Said at each of the two that asked for details.
    expect(codes).toEqual(["UPSTREAM_MALFORMED", "UPSTREAM_MALFORMED"]);
    expect(gitlab.asked.filter((url) => url.endsWith("/tags/2.0.1"))).toHaveLength(1);
  });

  test("is not called missing or moved by the drift of a release that has it", async () => {
    const released = { "2.0.1": `registry.test/acme/shop/web:2.0.1`, "3.0.0": `registry.test/acme/shop/web:3.0.0` };
    const release = {
      id: "65a1b2c3d4e5f60718293a4b",
      version: "v1",
      project: "shop",
      at: 1_770_000_000,
      services: released,
    };
    const zadig = await serveZadig({ generation: "r1", releases: [release] });
    const others = [
      { kind: "zadig", name: "zadig", url: zadig.url, credentials: { token: "t" }, projects: ["shop"], retries: 0 },
    ];
    const { ask } = await open(web({ "2.0.1": 404 }), { others });
    const { data } = await ask(`{ releases(first: 1) { nodes { drift { image { tag } verdict } } } }`);
    expect(every(data, "drift").flat()).toEqual(
      expect.arrayContaining([
        { image: { tag: "2.0.1" }, verdict: "UNVERIFIABLE" },
        { image: { tag: "3.0.0" }, verdict: "MISSING" },
      ]),
    );
  });

  test("is no older than one with a date: the newest is unknown", async () => {
    const { ask } = await open(web({ "2.0.0": dated("a", "01"), "2.0.1": 404 }));
    const { data, errors } = await ask(
      `{ ${image} { latestVersion { name } semver: latestVersion(by: SEMVER) { name } } }`,
    );
    expect(data).toMatchObject({ package: { latestVersion: null, semver: { name: "2.0.1" } } });
    expect(errors).toMatchObject([{ path: ["package", "latestVersion"] }]);
  });

  test("is absent where the list of tags has none of the name, for one more call", async () => {
    const { ask, gitlab } = await open(web({ "2.0.0": dated("a", "01"), "2.0.1": 404 }));
    const { data, codes } = await ask(`{ ${image} { version(name: "3.0.0") { name } } }`);
    expect([data, codes]).toEqual([{ package: { version: null } }, []]);
    expect(gitlab.asked.map((url) => url.split("?")[0])).toEqual([
      "projects/acme/shop/registry/repositories",
      "projects/acme/shop/registry/repositories/70/tags/3.0.0",
      "projects/acme/shop/registry/repositories/70/tags",
    ]);
  });

  test("does not make a digest absent that it may have", async () => {
    const { ask } = await open(web({ "2.0.0": dated("a", "01"), "2.0.1": 404 }));
    const trace = async (letter: string) => {
      const { data } = await ask(
        `query ($image: String!) { traceByImage(image: $image) { sources { status } registries: artifact { digest } } }`,
        {
          image: `registry.test/acme/shop/web@${digest(letter)}`,
        },
      );
      return every(data, "status");
    };
    expect(await trace("a")).toEqual(["PARTIAL"]);
    expect(await trace("f")).toEqual(["PARTIAL"]);
  });
});

describe("a tag whose details are 500 for ever", () => {
  const six = Object.fromEntries(["1", "2", "3", "4", "5", "6"].map((name) => [name, 500 as const]));

  test("is an error at the tag: the list is answered, and others are served", async () => {
    // What opens a circuit is told elsewhere; no call here is made twice, whatever is configured.
    const backend = { retries: 2, breaker: { failures: 100, coolDownMs: 10_000 } };
    const { ask, gitlab } = await open(web({ ...six, "0": dated("a", "01") }), { backend });
    const { data, errors } = await ask(`{ ${image} { latestVersion { name } } }`);
    expect(data).toEqual({ package: { latestVersion: null } });
    expect(errors).toMatchObject([
      { path: ["package", "latestVersion"], extensions: { code: "UPSTREAM_UNAVAILABLE" } },
    ]);
    expect(gitlab.asked.filter((url) => url.includes("/tags/"))).toHaveLength(7);
    const other = await ask(`{ packages(scope: { backend: "gitlab", repository: "acme/shop" }) { nodes { name } } }`);
    expect(other).toMatchObject({ data: { packages: { nodes: [{ name: "cart" }] } }, errors: [] });
  });

  test("is there by its name, and says what could not be had", async () => {
    const { ask, gitlab } = await open(web(six));
    const { data, codes } = await ask(`{ ${image} { version(name: "3") { name purl } versions { nodes { name } } } }`);
    expect(data).toMatchObject({ package: { version: { name: "3", purl: null } } });
    expect(every(data, "nodes")).toEqual([["1", "2", "3", "4", "5", "6"].map((name) => ({ name }))]);
    expect(codes).toEqual(["UPSTREAM_UNAVAILABLE"]);
    expect(gitlab.asked.filter((url) => url.includes("/tags/"))).toHaveLength(1);
  });

  test("is not mistaken for a server that does not answer", async () => {
    const { ask } = await open(web({ "1": 503 }));
    const { data, codes } = await ask(`{ ${image} { version(name: "1") { name } } }`);
    expect([data, codes]).toEqual([{ package: { version: null } }, ["UPSTREAM_UNAVAILABLE"]]);
  });
});

describe("signatures, attestations and SBOMs", () => {
  const of = "c".repeat(64);
  const companions = [`sha256-${of}.sig`, `sha256-${of}.att`, `sha256-${of}.sbom`, `sha256-${of}`];
  const tags = {
    "1.3.0": dated("a", "01"),
    "1.4.0": dated("b", "02"),
    ...Object.fromEntries(companions.map((name) => [name, dated("c", "03")])),
  };

  test("are tags that the list has and no latest version", async () => {
    const { ask, gitlab } = await open(web(tags));
    const { data, codes } = await ask(`{ ${image} { latestVersion { name } versions { nodes { name } } } }`);
    expect(data).toMatchObject({ package: { latestVersion: { name: "1.4.0" } } });
    expect(every(every(data, "nodes"), "name")).toEqual(Object.keys(tags).toSorted());
    expect(codes).toEqual([]);
    expect(gitlab.asked.filter((url) => url.includes("/tags/"))).toHaveLength(2);
  });

  test("alone are no version that anybody means by the latest", async () => {
    const { ask } = await open(web(Object.fromEntries(companions.map((name) => [name, dated("c", "03")]))));
    expect(await ask(`{ ${image} { latestVersion { name } } }`)).toEqual({
      data: { package: { latestVersion: null } },
      errors: [],
      codes: [],
    });
  });
});

describe("a package row that its list has and whose page is 404", () => {
  const broken = {
    id: 9,
    name: "cart",
    package_type: "npm",
    version: "2.0.0",
    status: "error",
    created_at: "2026-02-01T00:00:00.000Z",
  };
  const project = { id: 7, path: "acme/shop", packages: [broken] };
  const cart = `package(ref: { backend: "gitlab", repository: "acme/shop", key: "npm:cart" })`;

  test("is there, by name and by its id, and is no latest version", async () => {
    const { ask } = await open({ projects: [project] });
    const { data } = await ask(`{ ${cart} { latestVersion { name } version(name: "2.0.0") { id name status } } }`);
    expect(data).toMatchObject({ package: { latestVersion: null, version: { name: "2.0.0", status: "error" } } });
    const [id] = every(data, "id");
    expect(await ask("query ($id: ID!) { node(id: $id) { ... on Version { name } } }", { id })).toMatchObject({
      data: { node: { name: "2.0.0" } },
      errors: [],
    });
  });

  test("has unknown files where their list is 404 too", async () => {
    const { ask, gitlab } = await open({ projects: [project] });
    gitlab.before((url) =>
      url.pathname.endsWith("/package_files") ? { status: 404, body: { message: "404 Not found" } } : null,
    );
    const { data, codes } = await ask(`{ ${cart} { version(name: "2.0.0") { files { nodes { name } } } } }`);
    expect([data, codes]).toEqual([{ package: { version: { files: null } } }, ["UPSTREAM_MALFORMED"]]);
  });
});

describe("what one list names and another does not know", () => {
  test("is there: a container repository whose tags are 404", async () => {
    const { ask, gitlab } = await open(web({ "1.0": dated("a", "01") }));
    gitlab.before((url) =>
      url.pathname.includes("/70/tags") ? { status: 404, body: { message: "404 Not found" } } : null,
    );
    const { data, codes } = await ask(
      `{ ${image} { key versions { nodes { name } } latestVersion { name } version(name: "1.0") { name } } }`,
    );
    expect(data).toEqual({
      package: { key: "image:acme/shop/web", versions: null, latestVersion: null, version: null },
    });
    expect(codes).toEqual(["UPSTREAM_MALFORMED", "UPSTREAM_MALFORMED", "UPSTREAM_MALFORMED"]);
  });
});

describe("eight file lists, one of which never answers", () => {
  test("are seven lists in time", async () => {
    const packages = Array.from({ length: 8 }, (_, index) => ({
      id: index + 1,
      name: "cart",
      package_type: "generic",
      version: `1.0.${index}`,
      created_at: `2026-01-0${index + 1}T00:00:00.000Z`,
      files: [`cart-${index}.bin`],
    }));
    const { ask, gitlab } = await open(
      { projects: [{ id: 7, path: "acme/shop", packages }] },
      { settings: { limits: { deadlineMs: 1500 } } },
    );
    const never = new Promise<never>(() => {});
    gitlab.before((url) => (url.pathname.endsWith("/4/package_files") ? never : null));
    const { data, codes } =
      await ask(`{ package(ref: { backend: "gitlab", repository: "acme/shop", key: "generic:cart" }) {
      versions { nodes { name files { nodes { name artifact { digest } } } } }
    } }`);
    const lists = every(data, "files");
    expect(lists.filter((files) => files !== null)).toHaveLength(7);
    expect(every(data, "digest")).toHaveLength(7);
    expect(codes).toEqual(["UPSTREAM_TIMEOUT"]);
  });
});

describe("a place that fails", () => {
  const pay = { id: 1, name: "cart", package_type: "npm", version: "1.0.0", created_at: "2026-01-01T00:00:00.000Z" };
  const web = { id: 70, name: "web", tags: { "1.0": dated("a", "01") } };
  const files = ["cart-1.0.0.tgz"];
  const projects = [
    { id: 7, path: "acme/shop", packages: [{ ...pay, files }], repositories: [web] },
    { id: 8, path: "other/shop", packages: [{ ...pay, id: 2, files }], repositories: [{ ...web, id: 80 }] },
  ];
  const backend = { groups: ["acme", "other"] };

  test.each([
    ['searchPackages(name: "cart", match: EXACT) { groups { packages { nodes { repository } } } sources { status } }'],
    [
      'searchPackages(name: "web", match: EXACT, format: DOCKER) { groups { packages { nodes { repository } } } sources { status } }',
    ],
    [
      'traceByPurl(purl: "pkg:npm/cart@1.0.0") { artifact { locations { version { package { repository } } } } sources { status } }',
    ],
    [
      'package(ref: { backend: "gitlab", repository: "acme/shop", key: "npm:cart" }) { repository namesakes { package { key } } }',
    ],
    [
      `traceByImage(image: "registry.test/acme/shop/web:1.0") { artifact { sources { status } locations { version { package { repository } } } } }`,
    ],
  ])("takes nothing with it: %s", async (question) => {
    const { ask, gitlab } = await open({ projects }, { backend });
    gitlab.before((url) =>
      url.pathname.includes("/groups/other/") ? { status: 403, body: { message: "403 Forbidden" } } : null,
    );
    const { data, codes } = await ask(`{ ${question} }`);
    expect(new Set(every(data, "repository"))).toEqual(new Set(["acme/shop"]));
    // What the other place could not say is told beside it.
    expect([...codes, ...every(data, "status")]).toEqual(
      expect.arrayContaining([expect.stringMatching(/UPSTREAM_FORBIDDEN|PARTIAL/)]),
    );
  });

  test("is an error where nothing was found elsewhere", async () => {
    const { ask, gitlab } = await open({ projects }, { backend });
    gitlab.before((url) =>
      url.pathname.includes("/groups/other/") ? { status: 403, body: { message: "403 Forbidden" } } : null,
    );
    for (const question of [
      'searchPackages(name: "desk", match: EXACT) { sources { status } }',
      'searchPackages(name: "desk", match: EXACT, format: DOCKER) { sources { status } }',
      'traceByPurl(purl: "pkg:npm/desk@1.0.0") { sources { status } }',
    ]) {
      expect([question, every((await ask(`{ ${question} }`)).data, "status")]).toEqual([question, ["DENIED"]]);
    }
  });

  test("of Terraform modules does not hide the packages", async () => {
    const { ask, gitlab } = await open({ projects }, { backend });
    gitlab.before((url) =>
      url.searchParams.get("package_type") === "terraform_module" ? { status: 500, body: { message: "500" } } : null,
    );
    const { data, codes } = await ask(
      `{ packages(scope: { backend: "gitlab", repository: "acme/shop" }) { nodes { key } sources { status } } }`,
    );
    expect(data).toEqual({ packages: { nodes: [{ key: "npm:cart" }], sources: [{ status: "PARTIAL" }] } });
    expect(codes).toEqual(["UPSTREAM_UNAVAILABLE"]);
  });
});
