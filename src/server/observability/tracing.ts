import { readFileSync } from "node:fs";
import type { AgentOptions } from "node:https";
import {
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { CollectorRoute, Sampler, TracingConfig } from "../../config/tracing.ts";
import type { Log } from "./log.ts";
import { type Observer, type OperationFacts, publishedVia } from "./telemetry.ts";

/** The tracing of the process. */
export type Tracing = ReturnType<typeof startTracing>;

const shutdownMs = 3000;

/**
 * Makes a span for each operation, and below it one for each loader batch and each request to a backend. Spans are made
 * from telemetry events when the thing has ended: no context travels through the code, and none leaves the gateway.
 * Without a `route` the exporter finds the collector itself; `exporter` is for tests.
 */
export function startTracing(options: {
  readonly config: TracingConfig;
  readonly version: string;
  readonly log: Log;
  readonly route?: CollectorRoute | null;
  readonly exporter?: SpanExporter;
}) {
  const { config, version, log, route, exporter } = options;
  diag.setLogger(exporterLog(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const { delayMs, timeoutMs, queueSize, batchSize } = config.batch;
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": "delivery-graph", "service.version": version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(config.sampler),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: exporter ?? new OTLPTraceExporter(route ? { httpAgentOptions: agentOptionsFor(route) } : {}),
        ...(delayMs === null ? {} : { scheduledDelayMillis: delayMs }),
        ...(timeoutMs === null ? {} : { exportTimeoutMillis: timeoutMs }),
        ...(queueSize === null ? {} : { maxQueueSize: queueSize }),
        ...(batchSize === null ? {} : { maxExportBatchSize: batchSize }),
      }),
    ],
  });
  return {
    observer: traceOperations(provider.getTracer("delivery-graph", version)),
    /** Sends the remaining spans and stops. Waits for the collector for three seconds at most. */
    close: async (): Promise<void> => {
      const timedOut = Promise.withResolvers<void>();
      const timer = setTimeout(timedOut.resolve, shutdownMs);
      await Promise.race([provider.shutdown().catch(() => undefined), timedOut.promise]);
      clearTimeout(timer);
      diag.disable();
    },
  };
}

function traceOperations(tracer: Tracer): Observer {
  const spans = new WeakMap<OperationFacts, Span>();

  const childSpan = (operation: OperationFacts, name: string, kind: SpanKind, ms: number): Span | null => {
    const span = spans.get(operation);
    if (!span) return null;
    return tracer.startSpan(name, { kind, startTime: Date.now() - ms }, trace.setSpan(ROOT_CONTEXT, span));
  };

  return {
    started: (operation) => {
      const span = tracer.startSpan("graphql", { kind: SpanKind.SERVER }, contextOf(operation));
      span.setAttribute("delivery_graph.request_id", operation.requestId);
      spans.set(operation, span);
    },
    exchanged: (operation, { backend, operation: name, outcome, via, status, attempt, bytes, ms, error }) => {
      const span = childSpan(operation, name, SpanKind.CLIENT, ms);
      span?.setAttributes({
        "delivery_graph.backend": backend,
        "delivery_graph.outcome": outcome,
        "delivery_graph.via": publishedVia[via],
        "delivery_graph.attempt": attempt,
        "http.response.body.size": bytes,
        ...(status === null ? {} : { "http.response.status_code": status }),
        ...(error === null ? {} : { "error.type": outcome }),
      });
      if (error !== null && outcome !== "NOT_FOUND") span?.setStatus({ code: SpanStatusCode.ERROR });
      span?.end();
    },
    loaded: (operation, { backend, operation: name, keys, ms }) => {
      if (keys === 0) return;
      const span = childSpan(operation, `batch ${name}`, SpanKind.INTERNAL, ms);
      span?.setAttributes({ "delivery_graph.backend": backend, "delivery_graph.keys": keys });
      span?.end();
    },
    ended: (operation, outcome) => {
      const span = spans.get(operation);
      if (!span) return;
      if (operation.name !== null) {
        span.updateName(`graphql ${operation.name}`);
        span.setAttribute("graphql.operation.name", operation.name);
      }
      span.setAttributes({ "delivery_graph.outcome": outcome, "delivery_graph.upstream_calls": operation.calls });
      if (outcome === "failed" || outcome === "bug") span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

// Agent options replace the certificates that the exporter reads from the environment.
function agentOptionsFor({ proxy, ca, cert, key }: CollectorRoute): AgentOptions {
  return {
    keepAlive: true,
    proxyEnv: { HTTPS_PROXY: proxy, HTTP_PROXY: proxy },
    ...(ca === null ? {} : { ca: readFileSync(ca) }),
    ...(cert === null ? {} : { cert: readFileSync(cert) }),
    ...(key === null ? {} : { key: readFileSync(key) }),
  };
}

function contextOf({ parent }: OperationFacts) {
  if (parent === null) return ROOT_CONTEXT;
  const { traceId, spanId, sampled } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true });
}

function samplerOf({ ratio, followsParent }: Sampler) {
  const root =
    ratio === 1 ? new AlwaysOnSampler() : ratio === 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio);
  return followsParent ? new ParentBasedSampler({ root }) : root;
}

// Messages of the exporter may quote the whole answer of the collector: they are cut.
function exporterLog(log: Log) {
  // Node names a refusing proxy by its address with its credentials.
  const sanitize = (message: string) => message.replaceAll(/\/\/[^\s/@]*@/g, "//").slice(0, 200);
  const warn = (message: string) => log.warn({ reason: sanitize(message) }, "traces are not getting through");
  const ignore = () => undefined;
  return { error: warn, warn, info: ignore, debug: ignore, verbose: ignore };
}
