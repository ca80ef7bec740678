import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gatewayOver, nodesIn, type Reply } from "../../support/literal.ts";
import { idOf, imageRow, type LiteralOptions, type LiteralRelease, serveZadig, settingsOf } from "./literal.ts";

const releases = [1, 2].map(
  (number): LiteralRelease => ({
    ...{ id: idOf(number), version: `v${number}`, project: "pay", at: 1_790_000_000 + number },
    services: { api: "registry.test/api:1" },
  }),
);
const minutes = 60_000;
const later = (count: number) => vi.setSystemTime(Date.now() + count * minutes);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("what was learnt of a Zadig", () => {
  it("is read again from a server that was upgraded", async () => {
    const options: { -readonly [K in keyof LiteralOptions]: LiteralOptions[K] } = { generation: "r1", releases };
    const zadig = await serveZadig(options);
    const ask = await gatewayOver(settingsOf(zadig.url));
    const query = "{ releases { nodes { version deployments { service } } } }";
    const expected = {
      releases: {
        nodes: [
          { version: "v2", deployments: [{ service: "api" }] },
          { version: "v1", deployments: [{ service: "api" }] },
        ],
      },
    };
    expect((await ask(query)).data).toEqual(expected);
    options.generation = "r2";
    expect((await ask(query)).data).toEqual(expected);
    later(10);
    zadig.asked.length = 0;
    expect((await ask(query)).data).toEqual(expected);
    // Nobody knows by then which generation answers: both are asked for what they have.
    expect(zadig.asked[0]).toContain("verbosity=detailed");
  });

  it("as one odd 404 of the facade is forgotten after some minutes", async () => {
    let isOdd = true;
    const image = "registry.test/api:1";
    const facade = (): Reply => ({ body: imageRow(1, "api", image) });
    const zadig = await serveZadig({
      artifacts: [imageRow(1, "api", image)],
      odd: ({ path }) => {
        if (path !== "/api/directory/dc/artifact") return null;
        return isOdd ? { status: 404, body: "Invalid path" } : facade();
      },
    });
    const ask = await gatewayOver(settingsOf(zadig.url, { surface: "directory" }));
    const asksFacade = async () => {
      zadig.asked.length = 0;
      const { data } = await ask(`{ traceByImage(image: "${image}") { candidates { name } artifact { name } } }`);
      expect(JSON.stringify(data)).toContain('"name":"api"');
      return zadig.asked.some((path) => path.startsWith("/api/directory/"));
    };
    const first = await asksFacade();
    isOdd = false;
    const soon = await asksFacade();
    later(10);
    expect([first, soon, await asksFacade()]).toEqual([first, false, first]);
  });

  it("as a refused list of all projects is tried again after some minutes", async () => {
    const options: { -readonly [K in keyof LiteralOptions]: LiteralOptions[K] } = { releases, memberOnly: true };
    const zadig = await serveZadig(options);
    const ask = await gatewayOver(settingsOf(zadig.url, { projects: ["pay"] }));
    const versions = async () => {
      zadig.asked.length = 0;
      const { data } = await ask("{ releases { nodes { version } } }");
      expect(data).toEqual({ releases: { nodes: [{ version: "v2" }, { version: "v1" }] } });
      return zadig.asked.map((path) => path.includes("projectName=pay"));
    };
    expect(await versions()).toEqual([false, true]);
    options.memberOnly = false;
    expect(await versions()).toEqual([true]);
    later(10);
    expect(await versions()).toEqual([false]);
  });
});

describe("a release that its look-up does not find", () => {
  const idQuery = `query ($id: ID!) { release(id: $id) { version deployments { service } sources { status } } }`;
  const listed = '{ releases(filter: { project: "pay" }) { nodes { id version } } }';

  it("is there where a list names it: up to 1.7 the look-up finds nothing", async () => {
    const zadig = await serveZadig({ generation: "r1-1.7", releases });
    const ask = await gatewayOver(settingsOf(zadig.url));
    const { data } = await ask(listed);
    const [newest] = nodesIn<{ id: string }>(data, "releases");
    const { data: again, errors } = await ask(idQuery, { id: newest?.id });
    expect(errors).toEqual([]);
    expect(again?.["release"]).toMatchObject({ version: "v2" });
  });

  it("is absent where the look-up finds others: two calls more, once in some minutes", async () => {
    const options: { -readonly [K in keyof LiteralOptions]: LiteralOptions[K] } = { generation: "r1", releases };
    const zadig = await serveZadig(options);
    const ask = await gatewayOver(settingsOf(zadig.url));
    const { data } = await ask(listed);
    const [newest] = nodesIn<{ id: string }>(data, "releases");
    // Deleted meanwhile.
    (options as { releases: readonly LiteralRelease[] }).releases = releases.slice(0, 1);
    zadig.asked.length = 0;
    const gone = await ask(idQuery, { id: newest?.id });
    expect([gone.data, gone.errors]).toEqual([{ release: null }, []]);
    expect(zadig.asked).toHaveLength(3);
    await ask(idQuery, { id: newest?.id });
    expect(zadig.asked).toHaveLength(4);
  });
});
