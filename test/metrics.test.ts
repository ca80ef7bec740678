import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { credentials } from "../demo/story.ts";
import { createLabelLimiter } from "../src/server/observability/metrics.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let estate: Estate;
let gateway: DemoGateway;
beforeAll(async () => {
  estate = await startEstate();
});
afterAll(() => estate.close());
beforeEach(async () => {
  gateway = await startDemoGateway({ estate });
});
afterEach(async () => {
  for (const server of Object.values(estate.servers)) {
    await server.setFault(null);
    server.setTamper(null);
  }
  await gateway.stop();
});

const packages = '{ packages(scope: { backend: "gitlab", group: "pay" }, first: 5) { nodes { name } } }';

/** One series; null when it is not there. */
async function figure(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | null> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const found = text.split("\n").find((line) => {
    const [, series, inner = ""] = /^([a-z_]+)(?:\{(.*)\})? /.exec(line) ?? [];
    const told = Object.fromEntries(
      [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]),
    );
    return series === name && Object.entries(labels).every(([key, value]) => told[key] === value);
  });
  return found === undefined ? null : Number(found.slice(found.lastIndexOf(" ") + 1));
}

describe("the page", () => {
  it("is Prometheus text, is not stored, and is for GET and HEAD", async () => {
    const answer = await fetch(`${gateway.url}/metrics`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const text = await answer.text();
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(?:# (?:HELP|TYPE) .*|[a-zA-Z_:][\w:]*(?:\{.*\})? (?:[\d.e+-]+|Na[Nn]|[+-]Inf)|)$/);
    }
    expect((await fetch(`${gateway.url}/metrics`, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${gateway.url}/metrics`, { method: "POST" })).status).toBe(405);
  });

  it("server.metrics: false takes it away", async () => {
    const without = await startDemoGateway({ estate, settings: { server: { metrics: false } } });
    try {
      expect((await fetch(`${without.url}/metrics`)).status).toBe(404);
      expect((await without.ask("{ __typename }")).status).toBe(200);
    } finally {
      await without.stop();
    }
  });

  it("tells of the process as well", async () => {
    expect(await figure("process_resident_memory_bytes")).toBeGreaterThan(0);
    expect(await figure("delivery_graph_info", { version: "0.0.0-test" })).toBe(1);
  });
});

describe("operations", () => {
  it("that are refused are counted so, wherever that happens, and are neither bugs nor cancelled requests", async () => {
    const send = (body: string, headers: Readonly<Record<string, string>> = {}, method = "POST") =>
      fetch(`${gateway.url}/graphql`, { method, headers: { "content-type": "application/json", ...headers }, body });
    const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
    const refusals: readonly (readonly [body: string, headers?: Readonly<Record<string, string>>, method?: string])[] =
      [
        ['{"query": 5}'],
        ["{}"],
        ['{"query": "{ __typename }", "variables": "{}"}'],
        [`{"query": "{ __typename }", "variables": ${deep}}`],
        ['{"query": "query ($s: Boolean = true) { backends @include(if: $s) { name } }", "variables": {"s": null}}'],
        ["not JSON"],
        ["x".repeat(300_000)],
        ["{}", { "content-type": "text/plain" }],
        ["{}", { "content-encoding": "compress" }],
        ["{}", { accept: "image/png" }],
        ["{}", {}, "PUT"],
      ];
    for (const [body, headers, method] of refusals) {
      const answer = await send(body, headers, method);
      expect([body.slice(0, 100), answer.status >= 400 && answer.status < 500]).toEqual([body.slice(0, 100), true]);
      const { errors } = await answer.json();
      expect(errors[0].extensions).toEqual({ code: "BAD_USER_INPUT", retryable: false });
    }
    const total = (outcome: string) => figure("delivery_graph_operations_total", { outcome });
    expect(await total("refused")).toBe(refusals.length);
    expect([await total("left"), await total("bug"), await total("failed")]).toEqual([null, null, null]);
    expect(await figure("delivery_graph_operations_running")).toBe(0);
    expect(gateway.log.map(({ level, facts }) => [level, Object(facts).outcome])).toEqual(
      refusals.map(() => ["info", "refused"]),
    );
  });

  it("are counted by name and outcome, with their time", async () => {
    await gateway.ask(`query Listed ${packages}`);
    await gateway.ask(`query Listed ${packages}`);
    await gateway.ask(packages);
    await gateway.ask("{ nowhere }");
    await estate.servers.gitlab.setFault({ kind: "html" });
    await gateway.ask(`query Both ${packages.slice(0, -1)} backends { name } }`);
    await gateway.ask(`query Alone ${packages}`);
    const total = (operation: string, outcome: string) =>
      figure("delivery_graph_operations_total", { operation, outcome });
    expect(await total("Listed", "ok")).toBe(2);
    expect(await total("(anonymous)", "ok")).toBe(1);
    expect(await total("(refused)", "refused")).toBe(1);
    expect(await total("Both", "partial")).toBe(1);
    expect(await total("Alone", "failed")).toBe(1);
    expect(await figure("delivery_graph_operation_duration_seconds_count", { operation: "Listed" })).toBe(2);
    expect(await figure("delivery_graph_operations_running")).toBe(0);
  });

  it("that were left by their caller end, too", async () => {
    await estate.servers.gitlab.setFault({ kind: "slow", ms: 60_000 });
    const leaving = new AbortController();
    const asked = gateway.ask(`query Left ${packages}`, { signal: leaving.signal });
    const cut = expect(asked).rejects.toThrow();
    await expect.poll(() => figure("delivery_graph_upstream_in_flight", { backend: "gitlab" })).toBe(1);
    expect(await figure("delivery_graph_operations_running")).toBe(1);
    leaving.abort();
    await cut;
    await expect.poll(() => figure("delivery_graph_operations_running")).toBe(0);
    expect(await figure("delivery_graph_operations_total", { operation: "Left", outcome: "left" })).toBe(1);
  });

  it("have no more names than a monitoring system can bear, whatever callers call them", async () => {
    for (let batch = 0; batch < 13; batch++) {
      await Promise.all(
        Array.from({ length: 10 }, (_, index) => gateway.ask(`query Name${batch}x${index} { __typename }`)),
      );
    }
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    const names = new Set([...text.matchAll(/operations_total\{operation="([^"]+)"/g)].map(([, name]) => name));
    expect(names.size).toBe(101);
    expect(await figure("delivery_graph_operations_total", { operation: "(other)", outcome: "ok" })).toBe(30);
  });

  it("labels are limited to the first names, and to names that are not too long", () => {
    const limit = createLabelLimiter(2);
    expect([limit("a"), limit("b"), limit("c"), limit("a"), limit(null)]).toEqual([
      "a",
      "b",
      "(other)",
      "a",
      "(anonymous)",
    ]);
    expect(createLabelLimiter(2)("x".repeat(65))).toBe("(other)");
  });
});

describe("calls to backends", () => {
  const gitlab = { backend: "gitlab", operation: "gitlab.listGroupPackages" };

  it("are counted by call and outcome, with time and bytes; keys that needed none as well", async () => {
    await gateway.ask(packages);
    expect(await figure("delivery_graph_upstream_calls_total", { ...gitlab, outcome: "OK" })).toBe(1);
    expect(await figure("delivery_graph_upstream_duration_seconds_count", gitlab)).toBe(1);
    expect(await figure("delivery_graph_upstream_received_bytes_total", { backend: "gitlab" })).toBeGreaterThan(500);
    expect(await figure("delivery_graph_loader_keys_total", { ...gitlab, from: "backend" })).toBe(1);
  });

  it("count what the dialect made of the answer, once an attempt, retries apart", async () => {
    await estate.servers.gitlab.setFault({ kind: "status", status: 503, times: 2 });
    await gateway.ask(packages);
    expect(await figure("delivery_graph_upstream_calls_total", { ...gitlab, outcome: "UNAVAILABLE" })).toBe(2);
    expect(await figure("delivery_graph_upstream_calls_total", { ...gitlab, outcome: "OK" })).toBe(1);
    expect(await figure("delivery_graph_upstream_retries_total", gitlab)).toBe(2);
  });

  it.each([
    ["a page instead of data", { kind: "html" }],
    ["what cannot be decoded, though its status is 200", { kind: "malformed" }],
  ] as const)("%s is MALFORMED, once", async (_what, fault) => {
    await estate.servers.gitlab.setFault(fault);
    await gateway.ask(packages);
    expect(await figure("delivery_graph_upstream_calls_total", { ...gitlab, outcome: "MALFORMED" })).toBe(1);
    expect(await figure("delivery_graph_upstream_calls_total", { ...gitlab, outcome: "OK" })).toBeNull();
  });

  it("a Zadig 200 that says it failed counts as what it says", async () => {
    estate.servers.zadig.setTamper(() => ({ status: 200, body: { resultCode: 500, message: "x" } }));
    await gateway.ask("{ releases(first: 1) { nodes { version } } }");
    const zadig = { backend: "zadig", operation: "zadig.listReleases" };
    expect(await figure("delivery_graph_upstream_calls_total", { ...zadig, outcome: "UNAVAILABLE" })).toBe(2);
    expect(await figure("delivery_graph_upstream_calls_total", { ...zadig, outcome: "OK" })).toBeNull();
  });

  it("the breaker shows closed, open, and what it prevented", async () => {
    expect(await figure("delivery_graph_breaker_state", { backend: "gitlab" })).toBe(0);
    await estate.servers.gitlab.setFault({ kind: "down" });
    await gateway.ask(packages);
    await gateway.ask(packages);
    expect(await figure("delivery_graph_breaker_state", { backend: "gitlab" })).toBe(1);
    await gateway.ask(packages);
    const unsent = { ...gitlab, outcome: "UNAVAILABLE" };
    expect(await figure("delivery_graph_upstream_unsent_total", unsent)).toBeGreaterThanOrEqual(1);
    expect(await figure("delivery_graph_upstream_calls_total", unsent)).toBe(5);
  });

  it("the queue shows who waits for a place", async () => {
    const narrow = await startDemoGateway({ estate, backends: { bkrepo: { concurrency: 1 } } });
    const ours = gateway;
    gateway = narrow;
    try {
      await estate.servers.bkrepo.setFault({ kind: "slow", ms: 300 });
      const asked = narrow.ask(
        `{ ${["maven-local", "npm-local", "docker-local"].map((name, index) => `p${index}: packages(scope: { backend: "bkrepo", repository: "pay/${name}" }) { nodes { name } }`).join(" ")} }`,
      );
      await expect.poll(() => figure("delivery_graph_upstream_queued", { backend: "bkrepo" })).toBe(2);
      expect(await figure("delivery_graph_upstream_in_flight", { backend: "bkrepo" })).toBe(1);
      await asked;
      expect(await figure("delivery_graph_upstream_queued", { backend: "bkrepo" })).toBe(0);
    } finally {
      gateway = ours;
      await narrow.stop();
    }
  });
});

describe("what answers hold", () => {
  it("rows left out and fields that the gateway does not rely on are counted, for the backend that sent them", async () => {
    const gitlab = { backend: "gitlab", operation: "gitlab.listGroupPackages" };
    await gateway.ask(packages);
    expect(await figure("delivery_graph_dropped_rows_total", gitlab)).toBeNull();
    const before = (await figure("delivery_graph_unknown_fields", gitlab)) ?? 0;
    estate.servers.gitlab.setTamper((reply) => {
      const [first, second, ...rest] = reply.body as object[];
      return {
        ...reply,
        body: [{ ...first, brand_new: 1, also_new: "canary-value" }, { ...second, id: null }, ...rest],
      };
    });
    await gateway.ask(packages);
    expect(await figure("delivery_graph_dropped_rows_total", gitlab)).toBe(1);
    expect(await figure("delivery_graph_unknown_fields", gitlab)).toBe(before + 2);
    await gateway.ask(packages);
    expect(await figure("delivery_graph_unknown_fields", gitlab)).toBe(before + 2);
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(text).not.toMatch(/brand_new|canary-value/);
  });

  it("no address, credential or document is in the figures", async () => {
    await gateway.ask(`query Told ${packages}`);
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    const words = Object.values(credentials).flatMap((one) => Object.values(one).filter((word) => word !== "reader"));
    const addresses = estate.backends.map(({ url }) => new URL(url).host);
    expect([...words, ...addresses].filter((word) => text.includes(word))).toEqual([]);
  });
});

it("figures of one gateway are not those of another in the same process", async () => {
  const other = await startDemoGateway({ estate });
  try {
    await other.ask(packages);
    expect(await figure("delivery_graph_upstream_calls_total", { backend: "gitlab" })).toBeNull();
  } finally {
    await other.stop();
  }
});
