import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { printSchemaForm } from "../src/graph/schema/schema.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
const server = { subgraph: true, graphiql: true, introspection: true };

beforeAll(async () => {
  gateway = await startDemoGateway({ settings: { server } });
});
beforeEach(() => gateway.forget());
afterAll(() => gateway.stop());

type Row = Readonly<Record<string, unknown>>;

const fields = `
  __typename
  ... on Release { id zadigId version project }
  ... on BuildInfo { id service }
  ... on Artifact { id digest size }
  ... on Package { id name repository }
  ... on Version { id name }
`;

function entities(representations: readonly unknown[], selection = fields): Promise<Answer> {
  const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) { ${selection} } }`;
  return gateway.ask(query, { variables: { representations } });
}

function rows(value: unknown): readonly Row[] {
  if (!Array.isArray(value)) throw new Error(`no list: ${JSON.stringify(value)}`);
  return value;
}

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null ? Object.getOwnPropertyDescriptor(inner, key)?.value : undefined,
    value,
  );
}

async function releases(first = 3): Promise<readonly Row[]> {
  const { body } = await gateway.ask(
    `{ releases(first: ${first}) { nodes { id zadigId version project builds { id service artifact { id digest size } } } } }`,
  );
  return rows(at(body.data, "releases", "nodes"));
}

async function packages(): Promise<readonly Row[]> {
  const { body } = await gateway.ask(
    `{ packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, first: 3) {
      nodes { id name repository versions(first: 2) { nodes { id name } } } } }`,
  );
  return rows(at(body.data, "packages", "nodes"));
}

describe("what the subgraph publishes", () => {
  test("_service is the printed schema, for those who may look at the schema or where the configuration says so", async () => {
    const query = "{ _service { sdl } }";
    const { body } = await gateway.ask(query);
    expect(body).toEqual({ data: { _service: { sdl: printSchemaForm("subgraph") } } });
    const closed = { subgraph: true, introspection: false, graphiql: false };
    const answerOf = async (server: object, asked = query) => {
      const started = await startDemoGateway({ estate: gateway.estate, settings: { server } });
      try {
        return await started.ask(asked);
      } finally {
        await started.stop();
      }
    };
    const untold = await answerOf(closed);
    expect(untold.body.data ?? null).toBeNull();
    expect(untold.body.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    expect(untold.text).not.toContain("type ");
    expect((await answerOf({ ...closed, sdl: true })).body).toEqual(body);
    expect((await answerOf({ subgraph: true, sdl: false })).body.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    expect((await answerOf(closed, "{ __schema { queryType { name } } }")).body.data).toBeUndefined();
  });

  test("node and nodes are of the standalone form only, _entities and _service of the subgraph only", async () => {
    const names = async (gate: DemoGateway) => {
      const { body } = await gate.ask("{ __schema { queryType { fields { name } } types { name } } }");
      const fields = rows(at(body.data, "__schema", "queryType", "fields")).map(({ name }) => name);
      return [...fields, ...rows(at(body.data, "__schema", "types")).map(({ name }) => name)];
    };
    const alone = await startDemoGateway({ estate: gateway.estate });
    try {
      const [subgraph, standalone] = [await names(gateway), await names(alone)];
      expect(subgraph).toEqual(expect.arrayContaining(["_entities", "_service", "_Entity", "_Service", "_Any"]));
      expect(subgraph.filter((name) => name === "node" || name === "nodes")).toEqual([]);
      expect(standalone).toEqual(expect.arrayContaining(["node", "nodes"]));
      expect(standalone.filter((name) => /^_[A-Za-z]|^federation__|^link__/.test(String(name)))).toEqual([]);
    } finally {
      await alone.stop();
    }
  });
});

describe("_entities", () => {
  test("reads every entity by every key, in the order asked, of whatever mix", async () => {
    const [release, other] = await releases();
    const [found] = await packages();
    const build = at(release, "builds", 0);
    const artifact = at(build, "artifact");
    const version = at(found, "versions", "nodes", 0);
    const { body } = await entities([
      { __typename: "Version", id: at(version, "id") },
      { __typename: "Release", id: at(release, "id") },
      { __typename: "Package", id: at(found, "id") },
      { __typename: "Release", zadigId: at(other, "zadigId") },
      { __typename: "BuildInfo", id: at(build, "id") },
      { __typename: "Artifact", id: at(artifact, "id") },
      { __typename: "Artifact", digest: at(artifact, "digest") },
      { __typename: "Release", id: at(release, "id"), zadigId: at(release, "zadigId") },
    ]);
    expect(body.errors).toBeUndefined();
    const pick = (type: string, row: unknown, keys: readonly string[]) => ({
      __typename: type,
      ...Object.fromEntries(keys.map((key) => [key, at(row, key)])),
    });
    const ofRelease = ["id", "zadigId", "version", "project"];
    expect(at(body.data, "_entities")).toMatchObject([
      pick("Version", version, ["id", "name"]),
      pick("Release", release, ofRelease),
      pick("Package", found, ["id", "name", "repository"]),
      pick("Release", other, ofRelease),
      pick("BuildInfo", build, ["id", "service"]),
      pick("Artifact", artifact, ["id", "digest", "size"]),
      pick("Artifact", artifact, ["digest"]),
      pick("Release", release, ofRelease),
    ]);
  });

  test("null is gone; one bad key fails alone, at its place", async () => {
    const [release] = await releases();
    const good = { __typename: "Release", id: at(release, "id") };
    const [found] = await packages();
    gateway.forget();
    const bad = [
      { __typename: "Release", zadigId: "000000000000000000000000" },
      { __typename: "Release", id: "nonsense" },
      { __typename: "Release", id: at(found, "id") },
      { __typename: "Release" },
      { __typename: "Release", id: 7 },
      { __typename: "Package", name: "pay-sdk" },
      { __typename: "Artifact", digest: "sha256:zz" },
      { __typename: "Backend", name: "zadig" },
      { __typename: "__proto__", id: "x" },
      { id: at(release, "id") },
      "text",
      null,
    ];
    const { body } = await entities([good, ...bad.slice(0, -1), good]);
    const list = rows(at(body.data, "_entities"));
    expect(list[0]).toMatchObject({ version: at(release, "version") });
    expect(list.at(-1)).toEqual(list[0]);
    expect(list.slice(1, -1)).toEqual(bad.slice(0, -1).map(() => null));
    const codes = (body.errors ?? []).map(({ path, extensions }) => [path?.[1], extensions?.["code"]]);
    expect(codes.toSorted()).toEqual([
      [10, "BAD_USER_INPUT"],
      [11, "BAD_USER_INPUT"],
      [2, "BAD_ID"],
      [3, "BAD_ID"],
      [4, "BAD_USER_INPUT"],
      [5, "BAD_ID"],
      [6, "BAD_USER_INPUT"],
      [7, "BAD_USER_INPUT"],
      [8, "BAD_USER_INPUT"],
      [9, "BAD_USER_INPUT"],
    ]);
    expect(JSON.stringify(body.errors)).not.toContain("nonsense");
  });

  test("gone is null without an error, for every kind of key that says where to look", async () => {
    const gone = { zadig: "0123456789abcdef01234567" };
    const { body } = await entities([{ __typename: "Release", zadigId: gone.zadig }]);
    expect(body).toEqual({ data: { _entities: [null] } });
  });

  test("a digest that is not ruled out is an error, not null alone", async () => {
    const { body } = await entities([{ __typename: "Artifact", digest: `sha256:${"0".repeat(64)}` }]);
    expect(at(body.data, "_entities")).toEqual([null]);
    expect(body.errors).toHaveLength(1);
    // One image of a namespace that was searched tells no digest, so that it cannot be ruled out.
    const extensions = { code: "UPSTREAM_MALFORMED", backend: "swr-north4", retryable: false };
    expect(body.errors?.[0]).toMatchObject({ path: ["_entities", 0], extensions });
  });

  test.each([
    ["zadig", "Release", async () => ({ zadigId: at((await releases())[0], "zadigId") }), "UPSTREAM_UNAVAILABLE"],
    ["zadig", "Release", async () => ({ id: at((await releases())[0], "id") }), "UPSTREAM_UNAVAILABLE"],
    ["bkrepo", "Package", async () => ({ id: at((await packages())[0], "id") }), "UPSTREAM_UNAVAILABLE"],
    [
      "bkrepo",
      "Version",
      async () => ({ id: at((await packages())[0], "versions", "nodes", 0, "id") }),
      "UPSTREAM_UNAVAILABLE",
    ],
  ] as const)("with %s down a %s cannot be said: an error", async (kind, type, keyOf, code) => {
    const key = await keyOf();
    const { servers } = gateway.estate;
    const fresh = await startDemoGateway({ estate: gateway.estate, settings: { server } });
    await servers[kind].setFault({ kind: "status", status: 503 });
    try {
      const { body } = await fresh.ask(`query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }`, {
        variables: { r: [{ __typename: type, ...key }] },
      });
      expect(body.data).toEqual({ _entities: [null] });
      expect(body.errors?.[0]?.extensions).toMatchObject({ code, retryable: true });
    } finally {
      await servers[kind].setFault(null);
      await fresh.stop();
    }
  });
});

describe("batching", () => {
  /** What N representations cost, beside what one of them costs. */
  async function costs(type: string, ids: readonly unknown[], selection: string) {
    expect(new Set(ids).size).toBeGreaterThan(1);
    const cost = async (some: readonly unknown[]) => {
      gateway.forget();
      const { body } = await entities(
        some.map((id) => ({ __typename: type, id })),
        selection,
      );
      expect(body.errors).toBeUndefined();
      expect(rows(at(body.data, "_entities")).filter((row) => row === null)).toEqual([]);
      return { calls: gateway.calls(), waves: gateway.waves() };
    };
    return { many: await cost(ids), one: await cost(ids.slice(0, 1)) };
  }

  test("where a backend answers many keys in one call, many representations cost what one does", async () => {
    const found = await packages();
    const ofPackages = await costs(
      "Package",
      found.map(({ id }) => id),
      "... on Package { name }",
    );
    expect(ofPackages.many).toEqual(ofPackages.one);
    const builds = rows(at((await releases(1))[0], "builds")).map(({ id }) => id);
    const ofBuilds = await costs("BuildInfo", builds, "... on BuildInfo { service }");
    expect(ofBuilds.many).toEqual(ofBuilds.one);
  });

  test("where it answers one key a call, many representations wait no longer than one", async () => {
    const listed = await releases(3);
    const artifacts = listed.flatMap((row) => rows(at(row, "builds")).map((build) => at(build, "artifact", "id")));
    const versions = (await packages()).flatMap((row) => rows(at(row, "versions", "nodes")).map(({ id }) => id));
    for (const [type, ids] of [
      ["Release", listed.map(({ id }) => id)],
      ["Artifact", artifacts],
      ["Version", versions],
    ] as const) {
      for (const server of Object.values(gateway.estate.servers)) server.setLatency(20);
      const { many, one } = await costs(type, [...new Set(ids)], "__typename");
      for (const server of Object.values(gateway.estate.servers)) server.setLatency(0);
      expect(many.waves).toBe(one.waves);
      const calls = Object.values(many.calls).reduce((sum, count) => sum + count, 0);
      expect(calls).toBeLessThanOrEqual(new Set(ids).size);
    }
  });

  test("artifacts known by digest alone are one search a place, however many", async () => {
    const { body } = await gateway.ask("{ releases(first: 20) { nodes { builds { artifact { digest } } } } }");
    const digests = [...new Set(JSON.stringify(body).match(/sha256:[0-9a-f]{64}/g))];
    expect(digests.length).toBeGreaterThan(10);
    const search = async (some: readonly string[]) => {
      gateway.forget();
      const answer = await entities(
        some.map((digest) => ({ __typename: "Artifact", digest })),
        "... on Artifact { digest }",
      );
      const found = rows(at(answer.body.data, "_entities"));
      expect(found.filter((row) => row !== null).length).toBeGreaterThan(0);
      found.forEach((row, index) => {
        if (row !== null) expect(at(row, "digest")).toBe(some[index]);
        else expect((answer.body.errors ?? []).filter(({ path }) => path?.[1] === index)).toHaveLength(1);
      });
      return gateway.calls();
    };
    const [one, many] = [await search(digests.slice(0, 1)), await search(digests)];
    // The registries that can only be looked through, one search of each repository of the other, one of Zadig's list.
    expect(many["swr-north4"]).toBe(one["swr-north4"]);
    expect(many["gitlab"]).toBe(one["gitlab"]);
    expect(many["bkrepo"]).toBeLessThan(20);
    expect(many["zadig"]).toBeLessThan(10);
  });

  test("the same representation many times is one call", async () => {
    const [release] = await releases(1);
    gateway.forget();
    await entities(
      Array.from({ length: 30 }, () => ({ __typename: "Release", id: at(release, "id") })),
      "__typename",
    );
    expect(gateway.calls()).toEqual({ zadig: 1 });
  });

  test("how many there may be is part of the cost of an operation", async () => {
    const many = Array.from({ length: 4000 }, () => ({ __typename: "Release", zadigId: "0123456789abcdef01234567" }));
    gateway.forget();
    const answer = await entities(many, "__typename ... on Release { drift { verdict } }");
    expect(answer.body.errors?.[0]?.extensions?.["code"]).toBe("COST_LIMIT_EXCEEDED");
    expect(gateway.calls()).toEqual({});
  });
});
