import { expect, onTestFinished, test } from "vitest";
import { configurable } from "../../../src/backends/index.ts";
import { connect } from "../../../src/cli/connect.ts";
import { type Config, configOf } from "../../../src/config/index.ts";
import { testCall } from "../../support/call.ts";
import { type Asked, askerOf, type Literal, type Reply, serveJson } from "../../support/literal.ts";
import { startConfigured } from "../../support/started.ts";
import { example } from "./index.ts";

// The recipe "Add a backend" of CONTRIBUTING.md, followed outside of `src`: a kind of backend is its folder, and one line
// that makes it configurable.
const { schema } = configurable(example);

const cli = { name: "cli", description: "The command line", colour: "unknown to the gateway" };
const versions = [
  { version: "1.1.0", published: "2026-02-01T00:00:00Z" },
  { version: "1.0.0", published: "2026-01-01T00:00:00Z" },
];

function registry({ path }: Asked): Reply {
  if (path === "/repositories/tools/packages/cli") return { body: cli };
  if (path === "/repositories/tools/packages/probe") return { body: { name: "probe" } };
  if (path === "/repositories/tools/packages/cli/versions") return { body: versions };
  return { status: path.includes("/failing") ? 500 : 404, body: {} };
}

/** A configuration whose only backend is an example. */
function configured(url: string): Config {
  const other = { kind: "zadig", name: "other", url, credentials: { token: "t" } };
  const reading = configOf({ backends: [other] }, { PORT: "0", HOST: "127.0.0.1" });
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const entry = { kind: "example", name: "example", url, repositories: ["tools", "failing"], retries: 0 };
  return { ...reading.config, backends: [schema.parse(entry)] };
}

async function open(): Promise<{ readonly server: Literal; readonly ask: ReturnType<typeof askerOf> }> {
  const server = await serveJson(registry);
  const gateway = await startConfigured(configured(server.url));
  onTestFinished(() => gateway.stop(0));
  return { server, ask: askerOf(gateway) };
}

const packageOf = (repository: string, name: string, fields: string) =>
  `{ package(ref: { backend: "example", repository: "${repository}", name: "${name}", format: GENERIC }) { ${fields} } }`;

test("what is there is found, with one call for each question", async () => {
  const { server, ask } = await open();
  const fields = `name description latestVersion { name createdAt } versions(first: 1) { nodes { name } totalCount }
    old: version(name: "1.0.0") { name }`;
  expect(await ask(packageOf("tools", "cli", fields))).toEqual({
    data: {
      package: {
        name: "cli",
        description: "The command line",
        latestVersion: { name: "1.1.0", createdAt: "2026-02-01T00:00:00.000Z" },
        versions: { nodes: [{ name: "1.1.0" }], totalCount: 2 },
        old: { name: "1.0.0" },
      },
    },
    errors: [],
  });
  expect(server.asked.toSorted()).toEqual([
    "/repositories/tools/packages/cli",
    "/repositories/tools/packages/cli/versions",
  ]);
});

test("what is not there is absent, by the proof of a call that was sent", async () => {
  const { server, ask } = await open();
  expect(await ask(packageOf("tools", "none", "name"))).toEqual({ data: { package: null }, errors: [] });
  expect(await ask(packageOf("tools", "cli", 'version(name: "9.9.9") { name }'))).toEqual({
    data: { package: { version: null } },
    errors: [],
  });
  expect(server.asked).toHaveLength(3);

  const [backend] = configured(server.url).backends.map((one) => one.connect());
  const packages = backend?.during(testCall()).packages;
  const none = { backend: "example", repository: "tools", key: "none" };
  const proofs = [
    await packages?.package(none),
    await packages?.version({ package: { ...none, key: "cli" }, version: "9.9.9", nativeId: null }),
  ];
  expect(proofs).toEqual([
    { kind: "ABSENT", proof: "KEYED_READ", operation: "example.getPackage" },
    { kind: "ABSENT", proof: "WHOLE_LIST", operation: "example.listVersions" },
  ]);
  await backend?.close();
});

test("a failure and a question that it cannot be asked are errors, never absences", async () => {
  const { server, ask } = await open();
  const failed = await ask(packageOf("failing", "cli", "name"));
  expect(failed).toMatchObject({ data: { package: null }, errors: [{ extensions: { code: "UPSTREAM_UNAVAILABLE" } }] });
  expect(server.asked).toHaveLength(1);
  const { data } = await ask('{ searchPackages(name: "cli") { isComplete sources { status backend { name } } } }');
  expect(data).toEqual({
    searchPackages: { isComplete: false, sources: [{ status: "NOT_SEARCHABLE", backend: { name: "example" } }] },
  });
  expect(server.asked).toHaveLength(1);
});

test("its configured places are probed", async () => {
  const server = await serveJson(registry);
  const { isFine, text } = await connect(configured(server.url));
  expect(isFine).toBe(false);
  expect(text).toContain("ok     example: repository tools: packages can be read");
  expect(text).toMatch(/wrong {2}example: repository failing: /);
});

test("an entry with an unknown setting is refused", () => {
  const { error } = schema.safeParse({ kind: "example", name: "example", url: "http://a.example", colour: "red" });
  expect(error?.issues).toMatchObject([{ code: "unrecognized_keys", keys: ["colour"] }]);
});
