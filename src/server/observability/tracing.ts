import { readFileSync } from "node:fs";
import type { AgentOptions } from "node:https";
import { DiagLogLevel, diag, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
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
import type { Observer, Watched } from "./telemetry.ts";

/** Traces of this process. */
export interface Tracing {
  readonly observer: Observer;
  /** Sends what is left, and no more after that. Waits for the collector, but not for long. */
  readonly close: () => Promise<void>;
}

/** What tracing is made of; `exporter` is for tests. */
export interface TracingOptions {
  readonly config: TracingConfig;
  readonly version: string;
  readonly log: Log;
  /** The way to the collector; null or left out: as the exporter finds it. */
  readonly route?: CollectorRoute | null;
  readonly exporter?: SpanExporter;
}

const patienceMs = 3000;

/**
 * A span for each operation, and below it one for each loader batch and each request to a backend. They are made when
 * the thing is over, from what telemetry tells of it: no context travels through the code, and none leaves the gateway.
 */
export function startTracing({ config, version, log, route, exporter }: TracingOptions): Tracing {
  diag.setLogger(toldTo(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
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
  const tracer = provider.getTracer("delivery-graph", version);
  const spans = new WeakMap<Watched, Span>();

  const below = (operation: Watched, name: string, kind: SpanKind, ms: number): Span | null => {
    const span = spans.get(operation);
    if (!span) return null;
    return tracer.startSpan(name, { kind, startTime: Date.now() - ms }, trace.setSpan(ROOT_CONTEXT, span));
  };

  const observer: Observer = {
    started: (operation) => {
      const span = tracer.startSpan("graphql", { kind: SpanKind.SERVER }, contextOf(operation));
      span.setAttribute("delivery_graph.request_id", operation.requestId);
      spans.set(operation, span);
    },
    exchanged: (operation, { backend, operation: name, outcome, via, status, attempt, bytes, ms, error }) => {
      const span = below(operation, name, SpanKind.CLIENT, ms);
      span?.setAttributes({
        "delivery_graph.backend": backend,
        "delivery_graph.outcome": outcome,
        "delivery_graph.via": via.toLowerCase(),
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
      const span = below(operation, `batch ${name}`, SpanKind.INTERNAL, ms);
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

  return {
    observer,
    close: async () => {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, patienceMs);
      await Promise.race([provider.shutdown().catch(() => undefined), late.promise]);
      clearTimeout(timer);
      diag.disable();
    },
  };
}

// Options of our own take the place of what the exporter reads of certificates.
function agentOptionsFor({ proxy, ca, cert, key }: CollectorRoute): AgentOptions {
  return {
    keepAlive: true,
    proxyEnv: { HTTPS_PROXY: proxy, HTTP_PROXY: proxy },
    ...(ca === null ? {} : { ca: readFileSync(ca) }),
    ...(cert === null ? {} : { cert: readFileSync(cert) }),
    ...(key === null ? {} : { key: readFileSync(key) }),
  };
}

function contextOf({ parent }: Watched) {
  if (parent === null) return ROOT_CONTEXT;
  const { traceId, spanId, sampled } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true });
}

function samplerOf({ ratio, followsParent }: Sampler) {
  const root =
    ratio === 1 ? new AlwaysOnSampler() : ratio === 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio);
  return followsParent ? new ParentBasedSampler({ root }) : root;
}

// What the exporter has to say may quote the collector's whole answer: the beginning is enough to know what is wrong.
function toldTo(log: Log) {
  // Node names a proxy that refuses by its whole address.
  const plain = (message: string) => message.replaceAll(/\/\/[^\s/@]*@/g, "//").slice(0, 200);
  const warn = (message: string) => log.warn({ reason: plain(message) }, "traces are not getting through");
  const silent = () => undefined;
  return { error: warn, warn, info: silent, debug: silent, verbose: silent };
}
