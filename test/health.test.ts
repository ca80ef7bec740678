import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
beforeAll(async () => {
  gateway = await startDemoGateway({ backends: { gitlab: { breaker: { failures: 3, coolDownMs: 60_000 } } } });
});
afterAll(() => gateway.stop());
afterEach(async () => {
  for (const server of Object.values(gateway.estate.servers)) await server.setFault(null);
});

interface Health {
  readonly status: string;
  readonly latencyMs: number | null;
  readonly circuitOpen: boolean;
  readonly checkedAt: string;
}

async function health(): Promise<Readonly<Record<string, Health | null>>> {
  const { body } = await gateway.ask("{ backends { name health { status latencyMs circuitOpen checkedAt } } }");
  expect(body.errors).toBeUndefined();
  const backends: { name: string; health: Health | null }[] = Object(body.data)["backends"];
  return Object.fromEntries(backends.map((one) => [one.name, one.health]));
}

describe("health", () => {
  it("asks each backend one cheap thing", async () => {
    gateway.forget();
    const told = await health();
    for (const name of ["zadig", "bkrepo", "swr-north4", "gitlab"]) {
      expect(told[name]).toEqual({
        status: "OK",
        latencyMs: expect.any(Number),
        circuitOpen: false,
        checkedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      });
    }
    expect(gateway.calls()).toEqual({ zadig: 1, bkrepo: 1, "swr-north4": 1, gitlab: 1 });
    for (const { servers } of [gateway.estate]) {
      for (const { seen } of Object.values(servers)) {
        expect(seen[0]?.url ?? "").toMatch(/version$|(?:limit|per_page|page_size|pageSize|size)=1(?:&|$)/i);
      }
    }
  });

  it("is asked once within an operation, however many places show it", async () => {
    gateway.forget();
    const { body } = await gateway.ask(
      '{ releases(filter: { project: "pay" }, first: 5) { nodes { backend { health { status } } } } backends { health { status } } }',
    );
    expect(body.errors).toBeUndefined();
    expect(gateway.calls()).toEqual({ zadig: 2, bkrepo: 1, "swr-north4": 1, gitlab: 1 });
  });

  it("costs nothing unless it is selected", async () => {
    gateway.forget();
    await gateway.ask("{ backends { name kind capabilities } }");
    expect(gateway.calls()).toEqual({});
  });

  it("tells one backend's trouble without an error, and leaves the others alone", async () => {
    await gateway.estate.servers.bkrepo.setFault({ kind: "throttle" });
    await gateway.estate.servers.zadig.setFault({ kind: "html" });
    const told = await health();
    expect(told["bkrepo"]?.status).toBe("THROTTLED");
    expect(told["zadig"]?.status).toBe("MALFORMED");
    expect(told["swr-north4"]?.status).toBe("OK");
  });

  it("shows an open breaker as DOWN, without a call and so without a latency", async () => {
    await gateway.estate.servers.gitlab.setFault({ kind: "down" });
    expect((await health())["gitlab"]).toMatchObject({ status: "DOWN", latencyMs: expect.any(Number) });
    await gateway.estate.servers.gitlab.setFault(null);
    gateway.forget();
    expect((await health())["gitlab"]).toMatchObject({ status: "DOWN", circuitOpen: true, latencyMs: null });
    expect(gateway.calls()).not.toHaveProperty("gitlab");
  });
});

it("a backend that nothing can surely be asked of has no health, and says so without a call", async () => {
  const bare = await startDemoGateway({
    estate: gateway.estate,
    backends: { bkrepo: { repositories: [] }, "swr-north4": { namespaces: [] } },
  });
  try {
    gateway.forget();
    const { body } = await bare.ask("{ backends { name health { status } } }");
    expect(body.data).toMatchObject({
      backends: [
        { name: "zadig", health: { status: "OK" } },
        { name: "bkrepo", health: null },
        { name: "swr-north4", health: { status: "OK" } },
        { name: "gitlab" },
      ],
    });
    expect(bare.calls()).not.toHaveProperty("bkrepo");
  } finally {
    await bare.stop();
  }
});
