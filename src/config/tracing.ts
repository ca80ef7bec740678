import { proxyFor, readEnvironmentProxies } from "../upstream/connections.ts";
import type { Environment } from "./source.ts";

/**
 * Where traces go, by the standard variables of OpenTelemetry. Address, headers, certificates, compression and timeout
 * of the collector are read by the exporter itself, service name and resource attributes by the resource.
 */
export interface TracingConfig {
  readonly sampler: Sampler;
  /** How spans are sent together; what is null is left to the library. */
  readonly batch: {
    readonly delayMs: number | null;
    readonly timeoutMs: number | null;
    readonly queueSize: number | null;
    readonly batchSize: number | null;
  };
}

/** Which traces are sampled; `followsParent`: the parent span has decided already. */
export interface Sampler {
  /** Share of traces, 0 to 1. */
  readonly ratio: number;
  readonly followsParent: boolean;
}

/** Null unless a collector is named, and where tracing is switched off. */
export function tracingOf(environment: Environment): TracingConfig | null {
  const named = environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || environment["OTEL_EXPORTER_OTLP_ENDPOINT"];
  const isOff = environment["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true";
  const exporters = (environment["OTEL_TRACES_EXPORTER"] ?? "").split(",").map((word) => word.trim());
  if (!named || isOff || exporters.includes("none")) return null;
  const batchSize = countIn(environment["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]);
  const queueSize = countIn(environment["OTEL_BSP_MAX_QUEUE_SIZE"]);
  return {
    sampler: samplerOf(environment["OTEL_TRACES_SAMPLER"], environment["OTEL_TRACES_SAMPLER_ARG"]),
    batch: {
      delayMs: countIn(environment["OTEL_BSP_SCHEDULE_DELAY"]),
      timeoutMs: countIn(environment["OTEL_BSP_EXPORT_TIMEOUT"]),
      queueSize,
      batchSize,
    },
  };
}

/** The way to a collector behind a proxy. */
export interface CollectorRoute {
  /** Address of the proxy, user-info included. */
  readonly proxy: string;
  /** Paths of PEM files, as the standard variables name them; null where they name none. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** How the collector is reached by the proxies of the environment; null where it is reached without one. */
export function collectorRouteOf(environment: Environment): CollectorRoute | null {
  const variable = (name: string) =>
    environment[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || environment[`OTEL_EXPORTER_OTLP_${name}`] || null;
  const address = variable("ENDPOINT");
  if (address === null || !URL.canParse(address)) return null;
  const proxy = proxyFor(new URL(address), readEnvironmentProxies(environment).proxies);
  if (proxy === null) return null;
  return { proxy, ca: variable("CERTIFICATE"), cert: variable("CLIENT_CERTIFICATE"), key: variable("CLIENT_KEY") };
}

// What cannot be read counts as not set: a misspelt variable must not keep the gateway from starting.
function samplerOf(name: string | undefined, argument: string | undefined): Sampler {
  const followsParent = !name || name.trim().startsWith("parentbased_");
  const kind = (name ?? "").trim().replace(/^parentbased_/, "");
  if (kind === "always_off") return { ratio: 0, followsParent };
  if (kind !== "traceidratio") return { ratio: 1, followsParent: followsParent || kind !== "always_on" };
  const ratio = argument?.trim() ? Number(argument) : 1;
  return { ratio: ratio >= 0 && ratio <= 1 ? ratio : 1, followsParent };
}

function countIn(text: string | undefined): number | null {
  return text !== undefined && /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : null;
}
