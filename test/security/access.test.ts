import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Estate, startEstate } from "../../demo/estate.ts";
import { bkrepoReference, images, swrReference } from "../../demo/story.ts";
import { configOf } from "../../src/config/index.ts";
import { allowedTo, fits } from "../../src/model/access.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "../support/gateway.ts";

/** One thing of the estate: its id, and where it is. */
interface Thing {
  readonly type: string;
  readonly id: string;
  readonly backend: string;
  readonly place: string;
}

let estate: Estate;
/** Sees everything. */
let whole: DemoGateway;
let things: readonly Thing[];

beforeAll(async () => {
  estate = await startEstate();
  whole = await startDemoGateway({ estate, settings: { limits: { cost: 1_000_000, upstreamCalls: 5000 } } });
  things = await inventory(whole);
});

afterAll(async () => {
  await whole.stop();
  await estate.close();
});

async function restricted(allow: object, settings: object = {}): Promise<DemoGateway> {
  const limits = { cost: 1_000_000, upstreamCalls: 5000 };
  return startDemoGateway({ estate, settings: { limits, access: [{ who: "anyone", allow }], ...settings } });
}

const lists = {
  releases: `releases(first: 100) { pageInfo { hasNextPage endCursor } nodes { id project builds { id } } }`,
  maven: `packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, first: 100) { pageInfo { hasNextPage endCursor } nodes { ...P } }`,
  docker: `packages(scope: { backend: "bkrepo", repository: "pay/docker-local" }, first: 100) { pageInfo { hasNextPage endCursor } nodes { ...P } }`,
  swr: `packages(scope: { backend: "swr-north4", repository: "pay-core" }, first: 100) { pageInfo { hasNextPage endCursor } nodes { ...P } }`,
  group: `packages(scope: { backend: "gitlab", group: "pay" }, first: 100) { pageInfo { hasNextPage endCursor } nodes { ...P } }`,
  images: `packages(scope: { backend: "gitlab", group: "pay" }, filter: { format: DOCKER }, first: 100) { pageInfo { hasNextPage endCursor } nodes { ...P } }`,
  tools: `packages(scope: { backend: "gitlab", repository: "infra/tools" }, first: 100) { pageInfo { hasNextPage endCursor } nodes { ...P } }`,
} as const;
const fragment = "fragment P on Package { id repository backend { name } versions(first: 3) { nodes { id } } }";

interface Forgeable {
  readonly nodes: readonly { readonly zadigId: string }[];
}

interface Row {
  readonly id: string;
  readonly project?: string;
  readonly repository?: string;
  readonly backend?: { readonly name: string };
  readonly builds?: readonly { readonly id: string }[] | null;
  readonly versions?: { readonly nodes: readonly { readonly id: string }[] } | null;
}

async function rowsOf(gateway: DemoGateway, list: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const query = `query ($after: String) { list: ${list.replace("first: 100", "first: 100, after: $after")} } ${list.includes("...P") ? fragment : ""}`;
  for (let after: string | null = null; ; ) {
    const { body }: Answer = await gateway.ask(query, { variables: { after } });
    const found = body.data?.["list"] as List | null | undefined;
    rows.push(...(found?.nodes ?? []));
    if (!found?.pageInfo.hasNextPage) return rows;
    after = found.pageInfo.endCursor;
  }
}

interface List {
  readonly nodes: readonly Row[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

async function inventory(gateway: DemoGateway): Promise<readonly Thing[]> {
  const all = await Promise.all(Object.values(lists).map((list) => rowsOf(gateway, list)));
  return all.flat().flatMap((row): Thing[] => {
    if (row.project !== undefined) {
      const at = { backend: "zadig", place: row.project };
      const builds = row.builds?.map(({ id }) => ({ type: "BuildInfo", id, ...at })) ?? [];
      return [{ type: "Release", id: row.id, ...at }, ...builds];
    }
    const at = { backend: row.backend?.name ?? "", place: row.repository ?? "" };
    const versions = row.versions?.nodes.map(({ id }) => ({ type: "Version", id, ...at })) ?? [];
    return [{ type: "Package", id: row.id, ...at }, ...versions];
  });
}

/** What an answer says once ids, times and durations are taken out of it. */
function shape({ status, body }: Answer): unknown {
  return JSON.parse(
    JSON.stringify({ status, body }, (key, value: unknown) =>
      ["fetchedAt", "checkedAt", "latencyMs", "traceId"].includes(key) ? null : value,
    ),
  );
}

const rules: readonly (readonly [string, object, (thing: Thing) => boolean])[] = [
  ["nothing", {}, () => false],
  [
    "one Zadig project",
    { projects: ["storefront"] },
    ({ backend, place }) => backend === "zadig" && place === "storefront",
  ],
  [
    "some Zadig projects by glob",
    { projects: ["*e*"] },
    ({ backend, place }) => backend === "zadig" && place.includes("e"),
  ],
  ["one bkrepo repository", { repositories: ["pay/maven-local"] }, ({ place }) => place === "pay/maven-local"],
  ["one namespace", { namespaces: ["pay-*"] }, ({ backend }) => backend === "swr-north4"],
  [
    "one GitLab project",
    { projects: ["pay/worker"] },
    ({ backend, place }) => backend === "gitlab" && place === "pay/worker",
  ],
  ["a GitLab group", { groups: ["pay/platform"] }, ({ place }) => place.startsWith("pay/platform/")],
  [
    "everything, but in one backend only",
    { backends: ["gitlab"], projects: ["**"], repositories: ["**"], namespaces: ["**"], groups: ["**"] },
    ({ backend }) => backend === "gitlab",
  ],
];

describe.each(rules)("a caller who may see %s", (_name, allow, isAllowed) => {
  let gateway: DemoGateway;

  beforeAll(async () => {
    gateway = await restricted(allow);
  });

  afterAll(() => gateway.stop());

  test("finds exactly that in every list, and no count of the rest", async () => {
    const found = await inventory(gateway);
    const places = (all: readonly Thing[]) => [...new Set(all.map((one) => JSON.stringify(one)))].toSorted();
    expect(places(found)).toEqual(places(things.filter(isAllowed)));
    const { body } = await gateway.ask("{ releases { totalCount } artifacts { totalCount } }");
    expect(body.data).toEqual({ releases: { totalCount: null }, artifacts: { totalCount: null } });
  });

  test("gets no node that is not allowed: as if it had never been, without an error", async () => {
    expect(things.length).toBeGreaterThan(100);
    for (const chunk of chunks(things, 50)) {
      const { body } = await gateway.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", {
        variables: { ids: chunk.map(({ id }) => id) },
      });
      expect(body.errors).toBeUndefined();
      expect(body.data?.["nodes"]).toEqual(
        chunk.map((thing) => (isAllowed(thing) ? { __typename: thing.type, id: thing.id } : null)),
      );
    }
  });

  test("learns of no place that is not allowed from searches and traces", async () => {
    const { body } = await gateway.ask(`{
      search: searchPackages(name: "pay", match: CONTAINS, first: 100) { groups { backend { name } packages { totalCount nodes { repository } } } }
      image: traceByImage(image: "${swrReference(images.api)}") { artifact { locations { backend { name } image { repository } } } }
      copy: traceByImage(image: "${bkrepoReference(images.api)}") { artifact { locations { backend { name } image { repository } } } }
      digest: traceByDigest(digest: "${images.api.digest}", hint: { backend: "bkrepo", repository: "pay/docker-local" }) { artifact { locations { backend { name } image { repository } } } }
      purl: traceByPurl(purl: "pkg:maven/com.acme.pay/pay-sdk@2.4.0") { artifact { locations { backend { name } version { package { repository } } } } candidates { locations { backend { name } version { package { repository } } } } }
    }`);
    const told: Thing[] = [];
    JSON.stringify(body.data, (_key, value: unknown) => {
      if (typeof value !== "object" || value === null) return value;
      const { backend, packages, image, version } = Object(value);
      const say = (place: string) => told.push({ type: "", id: "", backend: backend?.name, place });
      for (const { repository } of packages?.nodes ?? []) say(repository);
      if (packages) expect(packages.totalCount).toBeNull();
      if (image?.repository)
        say(
          image.repository
            .split("/")
            .slice(0, backend.name === "swr-north4" ? 1 : 2)
            .join("/"),
        );
      if (version?.package) say(version.package.repository);
      return value;
    });
    for (const thing of told) expect(isAllowed(thing), JSON.stringify(thing)).toBe(true);
  });
});

describe("rules that allow everything", () => {
  let gateway: DemoGateway;

  beforeAll(async () => {
    gateway = await restricted({ projects: ["**"], repositories: ["**"], namespaces: ["**"], groups: ["**"] });
  });

  afterAll(() => gateway.stop());

  test("take nothing away, cold storage included", async () => {
    const drift = `{ releases(filter: { project: "pay" }, first: 30) { nodes { version drift { image { raw } verdict reason } } } }`;
    const [all, seen] = [await whole.ask(drift), await gateway.ask(drift)];
    expect(seen.body).toEqual(all.body);
    expect(seen.text).toContain('"ARCHIVED"');
  });
});

describe("what is not allowed", () => {
  let gateway: DemoGateway;

  beforeAll(async () => {
    gateway = await restricted({ projects: ["storefront"], repositories: ["pay/maven-local"], groups: ["infra"] });
  });

  afterAll(() => gateway.stop());

  const hidden = { swr: "pay-core", bkrepo: "pay/docker-local", gitlab: "pay/api", project: "pay" };
  const made = { swr: "no-such-ns", bkrepo: "pay/no-such-repo", gitlab: "pay/no-such", project: "no-such" };
  const questions: readonly (readonly [string, (at: typeof hidden) => string])[] = [
    [
      "releases of a project",
      ({ project }) => `{ releases(filter: { project: "${project}" }) { totalCount nodes { id } sources { status } } }`,
    ],
    [
      "packages of a namespace",
      ({ swr }) =>
        `{ packages(scope: { backend: "swr-north4", repository: "${swr}" }) { totalCount nodes { id } pageInfo { hasNextPage endCursor } sources { status } } }`,
    ],
    [
      "packages of a repository",
      ({ bkrepo }) =>
        `{ packages(scope: { backend: "bkrepo", repository: "${bkrepo}" }) { totalCount nodes { id } pageInfo { hasNextPage } sources { status } } }`,
    ],
    [
      "packages of a project",
      ({ gitlab }) =>
        `{ packages(scope: { backend: "gitlab", repository: "${gitlab}" }) { totalCount nodes { id } pageInfo { hasNextPage } sources { status } } }`,
    ],
    [
      "a package",
      ({ gitlab }) =>
        `{ package(ref: { backend: "gitlab", repository: "${gitlab}", name: "@acme/pay-client", format: NPM }) { id } }`,
    ],
    [
      "an image",
      ({ swr }) =>
        `{ traceByImage(image: "swr.cn-north-4.myhuaweicloud.com/${swr}/api:${images.api.tag}") { artifact { digest } isComplete candidates { digest } sources { backend { name } status } } }`,
    ],
    [
      "an image in a repository",
      ({ bkrepo }) =>
        `{ traceByImage(image: "docker.bkrepo.example.com/${bkrepo}/api:${images.api.tag}") { artifact { digest } isComplete candidates { digest } sources { backend { name } status } } }`,
    ],
    [
      "a digest in a repository",
      ({ bkrepo }) =>
        `{ traceByDigest(digest: "${images.api.digest}", hint: { backend: "bkrepo", repository: "${bkrepo}" }) { artifact { digest } isComplete sources { backend { name } status } } }`,
    ],
    [
      "a package URL in a project",
      ({ gitlab }) =>
        `{ traceByPurl(purl: "pkg:npm/%40acme/pay-client@2.4.0", hint: { backend: "gitlab", repository: "${gitlab}" }) { artifact { digest } isComplete sources { backend { name } status } } }`,
    ],
  ];

  // Zadig alone has to be asked before it is known whose an artifact is.
  test.each(questions)(
    "answers %s as if there were none, and asks its backend no more than for none",
    async (_what, ask) => {
      gateway.forget();
      const there = await gateway.ask(ask(hidden));
      const { zadig: _asked, ...calls } = gateway.calls();
      gateway.forget();
      const nowhere = await gateway.ask(ask(made));
      expect(shape(there)).toEqual(shape(nowhere));
      const { zadig: _askedAsWell, ...callsForNone } = gateway.calls();
      expect(calls).toEqual(callsForNone);
    },
  );

  test("is not there under its number, its other spelling or a forged id either", async () => {
    const forged = await whole.ask(
      '{ release: releases(filter: { project: "pay" }, first: 1) { nodes { id zadigId } } }',
    );
    const { zadigId } = (forged.body.data?.["release"] as Forgeable | undefined)?.nodes[0] ?? { zadigId: "" };
    const pack = (parts: readonly (string | null)[]) =>
      Buffer.from(parts.map((part) => (part === null ? "-" : `${part.length}:${part}`)).join("")).toString("base64url");
    const ids = [
      pack(["1", "Release", "zadig", "storefront", zadigId, null]),
      pack(["1", "Release", "zadig", null, zadigId, null]),
      pack(["1", "Package", "gitlab", "42", "npm:@acme/pay-client"]),
      pack(["1", "Package", "gitlab", "infra/../pay/api", "npm:@acme/pay-client"]),
      pack(["1", "Package", "bkrepo", "pay/maven-local/../docker-local", "docker://api"]),
    ];
    const { body } = await gateway.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { variables: { ids } });
    expect(body).toEqual({ data: { nodes: ids.map(() => null) } });
  });

  test("of GitLab is not meant by a glob without a slash, which its numbers would fit", async () => {
    const loose = await restricted({ projects: ["*"] });
    const asked = { backend: "gitlab", repository: "42", name: "@acme/pay-client", format: "NPM" };
    const { body } = await loose.ask(
      `query ($ref: PackageRef!) { package(ref: $ref) { id } packages(scope: { backend: "gitlab", repository: "42" }) { nodes { id } } }`,
      { variables: { ref: asked } },
    );
    expect(body).toEqual({ data: { package: null, packages: { nodes: [] } } });
    const number = await whole.ask(`{ packages(scope: { backend: "gitlab", repository: "42" }) { nodes { id } } }`);
    expect((number.body.data?.["packages"] as List | undefined)?.nodes.length, "which is there").toBeGreaterThan(0);
    await loose.stop();
  });

  test("is taken out of what others did with the same artifact", async () => {
    estate.servers.zadig.setTamper((reply, { rawPath }) => {
      if (!rawPath.includes("/delivery/artifacts")) return reply;
      const strange = {
        type: "deploy",
        url: "/v1/projects/detail/secret/pipelines/custom/hidden/1",
        commits: [],
        created_time: 1,
      };
      const nameless = { type: "test", commits: [{ repo_name: "hidden", repo_owner: "secret" }], created_time: 1 };
      const text = JSON.stringify(reply.body).replaceAll(
        '"activities":[{',
        `"activities":[${JSON.stringify(strange)},${JSON.stringify(nameless)},{`,
      );
      return { ...reply, body: JSON.parse(text) };
    });
    const everything =
      "{ artifacts(first: 100) { nodes { activities { type url commits { repository } } builds { workflow } } } }";
    const seen = await gateway.ask(everything);
    const all = await whole.ask(everything);
    estate.servers.zadig.setTamper(null);
    expect(all.text).toContain("/secret/");
    expect(seen.text).not.toMatch(/secret|hidden/);
    expect((seen.body.data?.["artifacts"] as List | undefined)?.nodes.length).toBeGreaterThan(0);
  });

  test("is not reached through what is allowed", async () => {
    const { body } = await gateway.ask(`{
      releases(first: 10) { nodes { project images { artifact { locations { backend { name } } } } drift { verdict } } }
      artifacts(first: 100) { nodes { activities { type url } } }
      package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) {
        name
        namesakes { package { backend { name } repository } }
      }
    }`);
    const data = body.data as unknown as {
      releases: {
        nodes: { project: string; images: { artifact: { locations: unknown[] } }[]; drift: { verdict: string }[] }[];
      };
      artifacts: { nodes: { activities: { url: string | null }[] }[] };
      package: { name: string; namesakes: unknown[] };
    };
    expect(new Set(data.releases.nodes.map(({ project }) => project))).toEqual(new Set(["storefront"]));
    expect(data.releases.nodes.flatMap(({ images: all }) => all.flatMap(({ artifact }) => artifact.locations))).toEqual(
      [],
    );
    expect(new Set(data.releases.nodes.flatMap(({ drift }) => drift.map(({ verdict }) => verdict)))).toEqual(
      new Set(["MISSING"]),
    );
    expect(data.artifacts.nodes.length).toBeGreaterThan(0);
    for (const { activities } of data.artifacts.nodes) {
      for (const { url } of activities) expect(url).toContain("/storefront/");
    }
    expect(data.package).toMatchObject({ name: "pay-sdk", namesakes: [] });
  });

  test("leaves no gap in a list: pages are full until the end", async () => {
    const rows: string[] = [];
    const sizes: number[] = [];
    for (let after: string | null = null; ; ) {
      const { body }: Answer = await gateway.ask(
        "query ($after: String) { artifacts(first: 1, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }",
        { variables: { after } },
      );
      const page = body.data?.["artifacts"] as List | undefined;
      if (!page) throw new Error("no page");
      rows.push(...page.nodes.map(({ id }) => id));
      sizes.push(page.nodes.length);
      if (!page.pageInfo.hasNextPage) break;
      after = page.pageInfo.endCursor;
    }
    const all = await gateway.ask("{ artifacts(first: 100) { nodes { id } } }");
    expect(rows).toEqual((all.body.data?.["artifacts"] as List | undefined)?.nodes.map(({ id }) => id));
    expect(sizes.every((size) => size === 1)).toBe(true);
  });

  test("is not reached as an entity", async () => {
    const subgraph = await restricted({ projects: ["storefront"] }, { server: { subgraph: true } });
    const { body } = await subgraph.ask(
      "query ($all: [_Any!]!) { _entities(representations: $all) { ... on Release { project } ... on Package { name } ... on Version { name } ... on BuildInfo { service } } }",
      { variables: { all: things.slice(0, 60).map(({ type, id }) => ({ __typename: type, id })) } },
    );
    const answers = body.data?.["_entities"] as (object | null)[];
    expect(body.errors).toBeUndefined();
    expect(answers.map((one) => one !== null)).toEqual(things.slice(0, 60).map(({ place }) => place === "storefront"));
    await subgraph.stop();
  });
});

describe("rules", () => {
  test("are about the caller's key, and those that are about no one else add up", async () => {
    const key = (name: string) => ({ name, sha256: createHash("sha256").update(name).digest("hex") });
    const gateway = await startDemoGateway({
      estate,
      settings: {
        auth: { mode: "keys", keys: ["shop", "ledger", "both", "stranger"].map(key) },
        access: [
          { who: { keys: ["shop", "both"] }, allow: { projects: ["storefront"] } },
          { who: { keys: ["ledger", "both"] }, allow: { projects: ["ledger"] } },
        ],
      },
    });
    const projects = async (name: string) => {
      const { body } = await gateway.ask("{ releases(first: 100) { nodes { project } } }", {
        headers: { authorization: `Bearer ${name}` },
      });
      const releases = body.data?.["releases"] as { nodes: { project: string }[] } | null | undefined;
      return [...new Set((releases?.nodes ?? []).map(({ project }) => project))].toSorted();
    };
    expect(await projects("shop")).toEqual(["storefront"]);
    expect(await projects("ledger")).toEqual(["ledger"]);
    expect(await projects("both")).toEqual(["ledger", "storefront"]);
    expect(await projects("stranger")).toEqual([]);
    // Requests of several callers at once do not borrow each other's sight.
    const names = Array.from({ length: 60 }, (_, index) => ["shop", "ledger", "stranger"][index % 3] ?? "");
    const expected: Readonly<Record<string, string[]>> = { shop: ["storefront"], ledger: ["ledger"], stranger: [] };
    expect(await Promise.all(names.map(projects))).toEqual(names.map((name) => expected[name]));
    await gateway.stop();
  });

  test("about claims look at texts and lists, and at own claims only", () => {
    const rule = (claim: string, values: string[]) => [{ who: { claim, values }, allow: allowAll }];
    const allowAll = { backends: null, projects: [], repositories: [], namespaces: [], groups: [] };
    const meant = (claims: Record<string, unknown>, claim: string, values: string[]) =>
      allowedTo({ key: null, claims }, rule(claim, values))?.length === 1;
    expect(meant({ team: "pay" }, "team", ["pay", "shop"])).toBe(true);
    expect(meant({ team: ["a", "shop"] }, "team", ["pay", "shop"])).toBe(true);
    expect(meant({ team: "payments" }, "team", ["pay"])).toBe(false);
    expect(meant({ team: 1 }, "team", ["1"])).toBe(false);
    expect(meant({ team: { pay: true } }, "team", ["pay"])).toBe(false);
    expect(meant({}, "constructor", ["Object"])).toBe(false);
    expect(allowedTo({ key: null, claims: {} }, [])).toBeNull();
  });

  test.each([
    ["pay", "pay", true],
    ["pay", "payments", false],
    ["pay*", "payments", true],
    ["*", "pay/api", false],
    ["pay/*", "pay/api", true],
    ["pay/*", "pay/platform/plugins", false],
    ["pay/**", "pay/platform/plugins", true],
    ["**", "a/b/c", true],
    ["pay.x", "payyx", false],
    ["a+b(c)", "a+b(c)", true],
    ["**", "", false],
    ["pay/**", "pay/../infra", false],
    ["**", "pay//api", false],
    ["**", "./pay", false],
    ["pay", "PAY", false],
    ["pay/*", "pay/a\nb", true],
  ])("as globs: %s and %s → %s", (glob, path, fit) => {
    expect(fits(glob, path)).toBe(fit);
  });

  test.each([
    [[{ who: "everyone", allow: {} }], "access[0].who must be anyone, { keys } or { claim, values }"],
    [[{ who: { keys: ["a"] }, allow: {} }], "access[0].who.keys needs auth.mode: keys"],
    [[{ who: { claim: "team", values: ["a"] }, allow: {} }], "access[0].who.claim needs auth.mode: jwt"],
    [
      [{ who: "anyone", allow: { project: ["a"] } }],
      "access[0].allow.project is not a known key: did you mean projects?",
    ],
    [[{ who: "anyone", allow: { projects: ["/a"] } }], "access[0].allow.projects[0] must be a name or path"],
    [[{ who: "anyone" }], "access[0].allow is missing"],
  ])("that say nothing sensible are refused at start-up: %j", (access, problem) => {
    const backends = [{ name: "z", kind: "zadig", url: "http://127.0.0.1:9", credentials: { token: "t" } }];
    const reading = configOf({ backends, access }, {});
    expect("problems" in reading ? reading.problems.map(({ path, message }) => `${path} ${message}`) : []).toEqual([
      expect.stringContaining(problem),
    ]);
  });
});

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}

describe("cursors of a list that hides rows", () => {
  const query = (after: string) =>
    `query ($after: String) { releases(first: 1, after: ${after}) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }`;
  const page = async (gateway: DemoGateway, after: string | null) => {
    const { body } = await gateway.ask(query("$after"), { variables: { after } });
    const { edges, pageInfo } = Object(body.data?.["releases"]);
    return { ids: edges?.map(({ node }: { node: Row }) => node.id), end: pageInfo?.endCursor, body };
  };

  test("tell nothing of where their rows stand, and lead on all the same", async () => {
    const gateway = await restricted({ projects: ["pay"] });
    try {
      const open = await page(whole, null);
      expect(Buffer.from(open.end, "base64url").toString()).toContain("[");
      const seen: string[] = [];
      for (let after: string | null = null; ; ) {
        const { ids, end, body } = await page(gateway, after);
        seen.push(...ids);
        expect(Buffer.from(end, "base64url").toString()).toMatch(/^1:15:zadig12:[\w-]{12}\d+:[\w-]{38,}$/);
        if (!Object(body.data?.["releases"]).pageInfo.hasNextPage) break;
        after = end;
      }
      expect(seen).toEqual((await rowsOf(gateway, lists.releases)).map(({ id }) => id));
      expect(seen.length).toBeGreaterThan(1);
    } finally {
      await gateway.stop();
    }
  });

  test("are believed only as they were handed out", async () => {
    const gateway = await restricted({ projects: ["pay"] });
    const other = await restricted({ projects: ["pay", "ops"] });
    try {
      const { end } = await page(gateway, null);
      const parts = Buffer.from(end, "base64url").toString();
      const forged = parts.replace(/\d+:[\w-]{38,}$/, '9:[3,20,""]');
      const changed = `${parts.slice(0, -1)}${parts.endsWith("A") ? "B" : "A"}`;
      const strange = (await page(whole, null)).end;
      const others = (await page(other, null)).end;
      gateway.estate.servers.zadig.forget();
      for (const after of [
        ...[forged, changed].map((one) => Buffer.from(one).toString("base64url")),
        strange,
        others,
      ]) {
        const { body } = await page(gateway, after);
        expect(body.errors?.[0]?.extensions?.["code"]).toBe("BAD_CURSOR");
      }
      expect(gateway.estate.servers.zadig.seen).toEqual([]);
      expect((await page(gateway, end)).body.errors).toBeUndefined();
    } finally {
      await gateway.stop();
      await other.stop();
    }
  });
});
