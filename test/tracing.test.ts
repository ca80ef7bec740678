import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { InMemorySpanExporter, type ReadableSpan } from "@opentelemetry/sdk-trace";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { configOf } from "../src/config/index.ts";
import { tracingOf } from "../src/config/tracing.ts";
import { type Gateway, startGateway } from "../src/server/gateway.ts";
import type { Log } from "../src/server/observability/log.ts";
import { startTracing, type Tracing } from "../src/server/observability/tracing.ts";

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

let estate: Estate;
beforeAll(async () => {
  estate = await startEstate();
});
afterAll(() => estate.close());

interface Traced {
  readonly ask: (query: string, headers?: Readonly<Record<string, string>>) => Promise<unknown>;
  /** Ends the tracing, and hands over all spans in the order they ended. */
  readonly spans: () => readonly ReadableSpan[];
  readonly stop: () => Promise<void>;
}

let traced: Traced | null = null;
afterEach(async () => {
  await traced?.stop();
  traced = null;
  for (const server of Object.values(estate.servers)) await server.setFault(null);
});

async function start(environment: Readonly<Record<string, string>> = {}): Promise<Traced> {
  const reading = configOf(estate.settings, { PORT: "0", HOST: "127.0.0.1" });
  const config = tracingOf({ ...collector, OTEL_BSP_SCHEDULE_DELAY: "1", ...environment });
  if ("problems" in reading || config === null) throw new Error("not configured");
  const exporter = new InMemorySpanExporter();
  const tracing: Tracing = startTracing({ config, version: "1.2.3", log: silent, exporter });
  const observers = [tracing.observer];
  const gateway: Gateway = await startGateway({ config: reading.config, log: silent, version: "1.2.3", observers });
  traced = {
    ask: async (query, headers = {}) => {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ query }),
      });
      return response.json();
    },
    spans: () => exporter.getFinishedSpans(),
    stop: async () => {
      await gateway.stop(0);
      await tracing.close();
    },
  };
  return traced;
}

const parent = "4bf92f3577b34da6a3ce929d0e0e4736";
const query = `query Parts {
  releases(first: 1) { nodes { version } }
  package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) { name }
}`;

async function settled({ spans }: Traced, count: number): Promise<readonly ReadableSpan[]> {
  await expect.poll(() => spans().length).toBe(count);
  return spans();
}

function named(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  const found = spans.find((span) => span.name === name);
  if (!found) throw new Error(`${name} is not among ${spans.map((span) => span.name).join(", ")}`);
  return found;
}

describe("spans", () => {
  it("are one for the operation, and below it one for each batch and each request to a backend", async () => {
    const gateway = await start();
    await gateway.ask(query);
    const spans = await settled(gateway, 4);
    expect(spans.map(({ name }) => name).toSorted()).toEqual([
      "batch bkrepo.getPackage",
      "bkrepo.getPackage",
      "graphql Parts",
      "zadig.listReleases",
    ]);
    const root = named(spans, "graphql Parts");
    expect(root).toMatchObject({ kind: SpanKind.SERVER, parentSpanContext: undefined });
    expect(root.attributes).toMatchObject({
      "graphql.operation.name": "Parts",
      "delivery_graph.outcome": "ok",
      "delivery_graph.upstream_calls": 2,
    });
    for (const span of spans) {
      expect(span.spanContext().traceId).toBe(root.spanContext().traceId);
      if (span !== root) expect(span.parentSpanContext?.spanId).toBe(root.spanContext().spanId);
    }
    expect(named(spans, "zadig.listReleases")).toMatchObject({
      kind: SpanKind.CLIENT,
      attributes: {
        "delivery_graph.backend": "zadig",
        "delivery_graph.outcome": "OK",
        "delivery_graph.attempt": 1,
        "delivery_graph.via": "wire",
        "http.response.status_code": 200,
      },
    });
    expect(named(spans, "batch bkrepo.getPackage").attributes).toEqual({
      "delivery_graph.backend": "bkrepo",
      "delivery_graph.keys": 1,
    });
    expect(root.resource.attributes).toMatchObject({ "service.name": "delivery-graph", "service.version": "1.2.3" });
  });

  it("of failures say so, each attempt for itself", async () => {
    const gateway = await start();
    await estate.servers.zadig.setFault({ kind: "status", status: 503, times: 1 });
    await gateway.ask("query Retried { releases(first: 1) { nodes { version } } }");
    const spans = await settled(gateway, 3);
    const calls = spans.filter(({ name }) => name === "zadig.listReleases");
    expect(calls.map(({ status, attributes }) => [status.code, attributes["error.type"]])).toEqual([
      [SpanStatusCode.ERROR, "UNAVAILABLE"],
      [SpanStatusCode.UNSET, undefined],
    ]);
    expect(named(spans, "graphql Retried").status.code).toBe(SpanStatusCode.UNSET);
  });

  it("continue the caller's trace, and are not sampled where it is not", async () => {
    const gateway = await start();
    await gateway.ask("query Dropped { __typename }", { traceparent: `00-${parent}-00f067aa0ba902b7-00` });
    await gateway.ask("query Kept { __typename }", { traceparent: `00-${parent}-00f067aa0ba902b7-01` });
    const [root, ...others] = await settled(gateway, 1);
    expect(others).toEqual([]);
    expect(root?.name).toBe("graphql Kept");
    expect(root?.spanContext().traceId).toBe(parent);
    expect(root?.parentSpanContext).toMatchObject({ spanId: "00f067aa0ba902b7", isRemote: true });
  });

  it("take nothing along to the backends", async () => {
    const gateway = await start();
    estate.servers.zadig.forget();
    await gateway.ask(query, { traceparent: `00-${parent}-00f067aa0ba902b7-01`, tracestate: "a=b", baggage: "c=d" });
    expect(estate.servers.zadig.seen.length).toBe(1);
    for (const { headers } of estate.servers.zadig.seen) {
      expect(Object.keys(headers)).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/^trace|^baggage|^b3|^x-b3/)]),
      );
      expect(JSON.stringify(headers)).not.toContain(parent);
    }
  });

  it("hold no address, credential, document or variable", async () => {
    const gateway = await start();
    await gateway.ask(
      'query Filtered { packages(scope: { backend: "gitlab", group: "pay" }, first: 1) { nodes { name } } }',
    );
    const spans = await settled(gateway, 3);
    const text = JSON.stringify(
      spans.map(({ name, attributes, events, links }) => ({ name, attributes, events, links })),
    );
    expect(text).not.toMatch(/127\.0\.0\.1|https?:|token|"pay"|nodes/);
  });
});

describe("the standard variables", () => {
  it.each([
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
    { ...collector, OTEL_SDK_DISABLED: "TRUE" },
    { ...collector, OTEL_TRACES_EXPORTER: "none" },
  ])("%o: no traces", (environment) => {
    expect(tracingOf(environment)).toBeNull();
  });

  it.each([
    [{}, { ratio: 1, followsParent: true }],
    [{ OTEL_TRACES_SAMPLER: "always_on" }, { ratio: 1, followsParent: false }],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, { ratio: 0, followsParent: false }],
    [
      { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" },
      { ratio: 0.25, followsParent: false },
    ],
    [
      { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.1" },
      { ratio: 0.1, followsParent: true },
    ],
    [
      { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "many" },
      { ratio: 1, followsParent: false },
    ],
    [{ OTEL_TRACES_SAMPLER: "no_such_sampler" }, { ratio: 1, followsParent: true }],
  ])("%o samples as %o", (environment, sampler) => {
    expect(tracingOf({ ...collector, ...environment })?.sampler).toEqual(sampler);
  });

  it("the sampler is the one that was asked for", async () => {
    const gateway = await start({ OTEL_TRACES_SAMPLER: "always_off" });
    await gateway.ask("{ __typename }");
    await gateway.stop();
    expect(gateway.spans()).toEqual([]);
    traced = null;
  });

  it("say how spans are sent together; what cannot be read is left to the library", () => {
    const batch = {
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_BSP_MAX_QUEUE_SIZE: "soon",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "64",
    };
    expect(tracingOf({ ...collector, ...batch })?.batch).toEqual({
      delayMs: 100,
      timeoutMs: null,
      queueSize: null,
      batchSize: 64,
    });
  });
});
