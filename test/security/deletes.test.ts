import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { backendTypes } from "../../src/backends/index.ts";
import { createSchema, printSchemaForm } from "../../src/graph/schema/schema.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { filesBelow } from "../support/sources.ts";

const keys = {
  reader: ["read"],
  remover: ["read", "package:delete"],
  removerOnly: ["package:delete"],
} as const;
const auth = {
  mode: "keys",
  keys: Object.entries(keys).map(([name, scopes]) => ({
    name,
    sha256: createHash("sha256").update(name).digest("hex"),
    scopes,
  })),
};

const started: DemoGateway[] = [];

async function start(settings: object = {}, backends: object = {}): Promise<DemoGateway> {
  const gateway = await startDemoGateway({
    settings: { mutations: true, auth, ...settings },
    backends: { ...backends },
  });
  started.push(gateway);
  return gateway;
}

afterEach(async () => {
  for (const gateway of started.splice(0)) await gateway.stop();
});

const as = (name: keyof typeof keys) => ({ authorization: `Bearer ${name}` });
const places = {
  maven: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" },
  docker: { backend: "bkrepo", repository: "pay/docker-local", key: "docker://api" },
  gitlab: { backend: "gitlab", repository: "pay/api", key: "maven:com/acme/pay/pay-sdk" },
  gitlabImage: { backend: "gitlab", repository: "pay/api", key: "image:pay/api" },
  swr: { backend: "swr-north4", repository: "pay-core", key: "card-tokenizer" },
} as const;

interface Found {
  readonly id: string;
  readonly name: string;
  readonly versions: { readonly nodes: readonly { readonly id: string; readonly name: string }[] };
}

async function find(gateway: DemoGateway, place: keyof typeof places): Promise<Found | null> {
  const { backend, repository, key } = places[place];
  const { body } = await gateway.ask(
    "query ($ref: PackageRef!) { package(ref: $ref) { id name versions(first: 100) { nodes { id name } } } }",
    { variables: { ref: { backend, repository, key } }, headers: as("reader") },
  );
  return (body.data?.["package"] ?? null) as Found | null;
}

async function found(gateway: DemoGateway, place: keyof typeof places): Promise<Found> {
  const one = await find(gateway, place);
  if (!one) throw new Error(`the demo has no ${place}`);
  return one;
}

function remove(
  gateway: DemoGateway,
  what: "Package" | "Version",
  { id, name }: { readonly id: string; readonly name: string },
  by: keyof typeof keys = "remover",
): Promise<Answer> {
  return gateway.ask(
    `mutation ($id: ID!, $name: String!) { done: delete${what}(id: $id, confirmName: $name) { outcome backend { name } repository name at } }`,
    { variables: { id, name }, headers: as(by) },
  );
}

const outcomeOf = (answer: Answer) => Object(answer.body.data?.["done"])["outcome"];
const deletes = (gateway: DemoGateway) =>
  Object.values(gateway.estate.servers).flatMap(({ seen }) =>
    seen.filter(({ method }) => method === "DELETE").map(({ url }) => url),
  );
const audited = (gateway: DemoGateway) =>
  gateway.log.flatMap(({ facts }) => ("audit" in facts ? [Object(facts.audit)] : []));

describe("with mutations off", () => {
  test("the schema has no Mutation in either form, and what is printed neither", () => {
    for (const form of ["standalone", "subgraph"] as const) {
      expect(createSchema(form).getMutationType() ?? null).toBeNull();
      expect(createSchema(form).getType("Deletion")).toBeUndefined();
      expect(printSchemaForm(form)).not.toMatch(/Mutation|Deletion|delete/);
      expect(createSchema(form, { mutations: true }).getMutationType()?.name).toBe("Mutation");
    }
  });

  test("the graph refuses one, and asks no one", async () => {
    const gateway = await startDemoGateway();
    started.push(gateway);
    const { body } = await gateway.ask('mutation { deletePackage(id: "x", confirmName: "y") { outcome } }');
    expect(body.errors?.[0]?.message).toContain("mutation");
    expect(gateway.calls()).toEqual({});
  });

  test("no backend has a way to delete", async () => {
    const settings = { url: "http://127.0.0.1:9", credentials: { token: "t" } };
    const { configOf } = await import("../../src/config/index.ts");
    const listed = ["bkrepo", "gitlab"].map((kind) => ({ name: kind, kind, ...settings }));
    const reading = configOf({ backends: listed }, {});
    if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
    expect(reading.config.mutations).toBe(false);
    for (const backend of reading.config.backends) {
      const [without, within] = [backend.connect({ mutations: false }), backend.connect({ mutations: true })];
      expect(backend.connect().remover).toBeUndefined();
      expect(without.remover).toBeUndefined();
      expect(within.remover).toBeDefined();
    }
  });

  test("DELETE is a word of the two files that are opened by permission, and no other call has it", () => {
    const speakers = filesBelow("src", [".ts"])
      .filter(({ path, text }) => /["'`]DELETE["'`]/.test(text) && !path.startsWith("demo/"))
      .map(({ path }) => path);
    expect(speakers).toEqual([
      "src/backends/bkrepo/delete.ts",
      "src/backends/gitlab/delete.ts",
      "src/upstream/operation.ts",
    ]);
    for (const { operations, removals = [] } of backendTypes) {
      expect(operations.filter(({ method }) => method === "DELETE")).toEqual([]);
      expect(removals.filter(({ method }) => method !== "DELETE")).toEqual([]);
    }
  });
});

describe("a delete", () => {
  test("of a bkrepo package takes it with its versions, by the service that has its files", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    const answer = await remove(gateway, "Package", sdk);
    expect(answer.body).toEqual({
      data: {
        done: {
          outcome: "DELETED",
          backend: { name: "bkrepo" },
          repository: "pay/maven-local",
          name: "pay-sdk",
          at: expect.stringMatching(/^\d{4}-.*Z$/),
        },
      },
    });
    expect(deletes(gateway)).toEqual([
      "/maven/ext/package/delete/pay/maven-local?packageKey=gav%3A%2F%2Fcom.acme.pay%3Apay-sdk",
    ]);
    expect(await find(gateway, "maven")).toBeNull();
  });

  test("of a bkrepo version takes that one", async () => {
    const gateway = await start();
    const { versions } = await found(gateway, "docker");
    const [version] = versions.nodes;
    if (!version) throw new Error("no version");
    expect(outcomeOf(await remove(gateway, "Version", version))).toBe("DELETED");
    expect(deletes(gateway)).toEqual([
      `/docker/ext/version/delete/pay/docker-local?packageKey=docker%3A%2F%2Fapi&version=${version.name}`,
    ]);
    const left = await found(gateway, "docker");
    expect(left.versions.nodes).toEqual(versions.nodes.slice(1));
  });

  test("of a GitLab version takes its row, by number", async () => {
    const gateway = await start();
    const { versions } = await found(gateway, "gitlab");
    const version = versions.nodes.find(({ name }) => name === "2.3.0");
    if (!version) throw new Error("no version");
    expect(outcomeOf(await remove(gateway, "Version", version))).toBe("DELETED");
    expect(deletes(gateway)).toEqual([expect.stringMatching(/^\/api\/v4\/projects\/pay%2Fapi\/packages\/\d+$/)]);
    expect((await found(gateway, "gitlab")).versions.nodes.map(({ name }) => name)).not.toContain("2.3.0");
    expect(outcomeOf(await remove(gateway, "Version", version)), "the second time").toBe("ABSENT");
    expect(deletes(gateway)).toHaveLength(1);
  });

  test("needs the name typed right", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    for (const name of ["pay-sdk ", "Pay-sdk", "pay-sd", sdk.id]) {
      const answer = await remove(gateway, "Package", { id: sdk.id, name });
      expect(outcomeOf(answer), answer.text).toBe("NAME_DIFFERS");
    }
    expect(deletes(gateway)).toEqual([]);
    expect(await find(gateway, "maven")).not.toBeNull();
  });

  test("needs package:delete, which reading is not, nor being there", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    const refused = await remove(gateway, "Package", sdk, "reader");
    expect(refused.status).toBe(200);
    expect(refused.body).toMatchObject({
      data: { done: null },
      errors: [{ path: ["done"], extensions: { code: "FORBIDDEN" } }],
    });
    expect(deletes(gateway)).toEqual([]);
    const open = await startDemoGateway({ settings: { mutations: true } });
    started.push(open);
    const anonymous = await open.ask(
      `mutation { done: deletePackage(id: "${sdk.id}", confirmName: "pay-sdk") { outcome } }`,
    );
    expect(anonymous.body.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    expect(deletes(open)).toEqual([]);
  });

  test("needs the scope to read as well, and tells those without it nothing", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    gateway.forget();
    for (const [what, id] of [
      ["Package", sdk.id],
      ["Version", sdk.versions.nodes[0]?.id ?? ""],
      ["Package", "no id at all"],
    ] as const) {
      for (const name of [sdk.name, "another"]) {
        const { body, text } = await remove(gateway, what, { id, name }, "removerOnly");
        expect(body.data).toEqual({ done: null });
        expect(body.errors?.map(({ extensions }) => extensions?.["code"])).toEqual(["FORBIDDEN"]);
        expect(text).not.toContain(`"${sdk.name}"`);
      }
    }
    expect(gateway.calls()).toEqual({});
    expect(audited(gateway)).toEqual([]);
  });

  test("waits for one that is under way on the same package, in a batch, in an operation and beside it", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    const [version] = sdk.versions.nodes;
    if (!version) throw new Error("the demo has no version");
    gateway.forget();
    const query = `mutation ($id: ID!, $name: String!) { done: deletePackage(id: $id, confirmName: $name) { outcome } }`;
    const one = { query, variables: { id: sdk.id, name: sdk.name } };
    const post = (body: unknown) =>
      fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", ...as("remover") },
        body: JSON.stringify(body),
      }).then((response) => response.json());
    const answers = await Promise.all([post([one, one]), post(one), remove(gateway, "Version", version)]);
    const [batch, alone, { body }] = answers;
    const outcomes = JSON.stringify([batch, alone, body])
      .match(/DELETED|ABSENT|UNKNOWN|NOT_SENT/g)
      ?.sort();
    // The version may be first: then it is gone before the package is.
    expect(["ABSENT,ABSENT,ABSENT,DELETED", "ABSENT,ABSENT,DELETED,DELETED"]).toContain(outcomes?.join());
    expect(deletes(gateway).filter((url) => url.includes("/package/delete"))).toHaveLength(1);
  });

  test("of what the caller may not see finds nothing", async () => {
    const gateway = await start({
      access: [
        { who: { keys: ["remover"] }, allow: { groups: ["**"] } },
        { who: { keys: ["reader"] }, allow: { repositories: ["**"] } },
      ],
    });
    const sdk = await found(gateway, "maven");
    gateway.forget();
    expect(outcomeOf(await remove(gateway, "Package", sdk))).toBe("ABSENT");
    expect(gateway.calls()).toEqual({});
  });

  test("of what cannot be deleted says so and sends nothing", async () => {
    const gateway = await start();
    for (const place of ["gitlab", "swr", "gitlabImage"] as const) {
      const one = await find(gateway, place);
      if (one) expect(outcomeOf(await remove(gateway, "Package", one)), place).toBe("NOT_SUPPORTED");
      const version = one?.versions.nodes[0];
      if (version && place !== "gitlab")
        expect(outcomeOf(await remove(gateway, "Version", version)), place).toBe("NOT_SUPPORTED");
    }
    expect(deletes(gateway)).toEqual([]);
  });

  test("by GET, or with an id of something else, is no delete", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    const query = `mutation { deletePackage(id: "${sdk.id}", confirmName: "pay-sdk") { outcome } }`;
    const got = await fetch(`${gateway.url}/graphql?query=${encodeURIComponent(query)}`, { headers: as("remover") });
    expect(got.status).toBe(405);
    const { body } = await remove(gateway, "Version", sdk);
    expect(body.errors?.[0]?.extensions?.["code"]).toBe("BAD_ID");
    expect(deletes(gateway)).toEqual([]);
  });

  test.each([
    [500, "UNKNOWN"],
    [503, "UNKNOWN"],
    [429, "REFUSED"],
    [403, "REFUSED"],
    [400, "REFUSED"],
    [404, "ABSENT"],
    [302, "UNKNOWN"],
  ])("that is answered %i is %s, and is sent once", async (status, outcome) => {
    const gateway = await start({}, { gitlab: { retries: 5 } });
    const { versions } = await found(gateway, "gitlab");
    const version = versions.nodes.at(-1);
    if (!version) throw new Error("no version");
    gateway.estate.servers.gitlab.setTamper((reply, { method }) =>
      method === "DELETE"
        ? { status, headers: { location: "/api/v4/projects/42/packages/1" }, body: { message: "no" } }
        : reply,
    );
    const answer = await remove(gateway, "Version", version);
    expect(outcomeOf(answer)).toBe(outcome);
    expect(answer.body.errors).toHaveLength(1);
    expect(deletes(gateway)).toHaveLength(1);
  });

  test("without an answer is UNKNOWN, and is sent once", async () => {
    const gateway = await start({}, { gitlab: { retries: 5, timeoutMs: 200 } });
    const { versions } = await found(gateway, "gitlab");
    const version = versions.nodes.at(-1);
    if (!version) throw new Error("no version");
    const { gitlab } = gateway.estate.servers;
    // The look before it is quick, the delete itself is not.
    gitlab.setTamper((reply) => {
      gitlab.setLatency(1500);
      return reply;
    });
    expect(outcomeOf(await remove(gateway, "Version", version))).toBe("UNKNOWN");
    gitlab.setLatency(0);
    expect(deletes(gateway)).toHaveLength(1);
  });

  test("that could not be checked first is NOT_SENT", async () => {
    const gateway = await start({}, { gitlab: { retries: 0 } });
    const { versions } = await found(gateway, "gitlab");
    const version = versions.nodes.at(-1);
    if (!version) throw new Error("no version");
    await gateway.estate.servers.gitlab.setFault({ kind: "status", status: 503 });
    const answer = await remove(gateway, "Version", version);
    expect(outcomeOf(answer)).toBe("NOT_SENT");
    expect(answer.body.errors?.[0]?.extensions?.["code"]).toBe("UPSTREAM_UNAVAILABLE");
    expect(deletes(gateway)).toEqual([]);
  });

  test("looks at what is there now: not at what the same operation has read, nor at what a cache has stored", async () => {
    const gateway = await start({}, { bkrepo: { retries: 0, cache: { freshMs: 60_000 } } });
    const { id, name } = await found(gateway, "maven");
    const twice = await gateway.ask(
      "mutation ($id: ID!, $name: String!) { first: deletePackage(id: $id, confirmName: $name) { outcome } again: deletePackage(id: $id, confirmName: $name) { outcome } }",
      { variables: { id, name }, headers: as("remover") },
    );
    expect(twice.body).toEqual({ data: { first: { outcome: "DELETED" }, again: { outcome: "ABSENT" } } });
    expect(deletes(gateway)).toHaveLength(1);

    const kept = await found(gateway, "docker");
    await gateway.estate.servers.bkrepo.setFault({ kind: "status", status: 503 });
    expect(outcomeOf(await remove(gateway, "Package", kept))).toBe("NOT_SENT");
    expect(deletes(gateway)).toHaveLength(1);
  });

  test("leaves a line in the log before and after, that says who, what and how it ended", async () => {
    const gateway = await start();
    const sdk = await found(gateway, "maven");
    await remove(gateway, "Package", { id: sdk.id, name: "wrong" });
    await gateway.ask(`mutation { deletePackage(id: "${sdk.id}", confirmName: "pay-sdk") { outcome } }`, {
      headers: { ...as("remover"), "x-request-id": "request-7" },
    });
    const facts = { action: "deletePackage", caller: "remover", ...places.maven, version: null };
    expect(audited(gateway)).toEqual([
      { ...facts, outcome: "NAME_DIFFERS", requestId: expect.any(String) },
      { ...facts, outcome: "ASKED", requestId: "request-7" },
      { ...facts, outcome: "DELETED", requestId: "request-7" },
    ]);
  });
});
