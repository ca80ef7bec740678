import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Backend } from "../../backends/backend.ts";
import { type Observer, publishedVia } from "./telemetry.ts";

/** The counters of one gateway, in the text format of Prometheus. */
export type Metrics = ReturnType<typeof createMetrics>;

const maxOperationNames = 100;
/** Distinct unknown fields that are counted for one operation of one backend. */
const maxUnknownFields = 1000;
// From a warm cache to the longest deadline that anybody should configure.
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];
const upstreamLabels = ["backend", "operation"] as const;
const breakerStates = { closed: 0, "half-open": 0.5, open: 1 } as const;

/** Help texts of all metrics by their names. */
const helpTexts = {
  delivery_graph_info: "Always 1; the version is in the label.",
  delivery_graph_demo: "1 where the backends are the demo's and every answer is made up, else 0.",
  delivery_graph_breaker_state: "0 closed, 0.5 half open (one call is let through), 1 open.",
  delivery_graph_breaker_open_credentials: "Credentials of callers that alone are refused, with forward: caller.",
  delivery_graph_upstream_in_flight: "Calls being made.",
  delivery_graph_upstream_queued: "Calls waiting for a slot.",
  delivery_graph_http_responses_total:
    "HTTP answers of every page by status; none: the caller had gone before the answer began.",
  delivery_graph_operations_running: "Operations being answered.",
  delivery_graph_operations_total:
    "Operations by name and outcome: ok, partial, failed, refused, bug, or left (the caller had gone).",
  delivery_graph_operations_shared_total:
    "Those of the operations that were answered with the answer of an equal one, which was under way already.",
  delivery_graph_operation_duration_seconds: "Time from an operation's arrival to its answer.",
  delivery_graph_operation_upstream_calls: "Requests that one operation sent to backends.",
  delivery_graph_upstream_calls_total:
    "Requests sent to backends, retries included, by outcome as the backend's rules judge it.",
  delivery_graph_upstream_retries_total: "Those of the requests that were not the first attempt.",
  delivery_graph_upstream_unsent_total:
    "Calls that were never sent: open breaker, full queue, no budget, no credential or no time left.",
  delivery_graph_upstream_spared_total:
    "Calls that needed no request of their own: flight (an equal one was under way), cache, " +
    "or stale (cached, and the backend failed).",
  delivery_graph_upstream_duration_seconds: "Time from sending a request to the last byte of its answer.",
  delivery_graph_upstream_received_bytes_total: "Bytes of answers' bodies.",
  delivery_graph_loader_keys_total:
    "Keys that loaders were asked for: loaded from the backend, or known already within the request.",
  delivery_graph_dropped_rows_total: "Rows of answers that could not be read and were left out.",
  delivery_graph_unknown_fields:
    `Different fields seen in answers that the gateway does not rely on, up to ${maxUnknownFields}; ` +
    "sampled, one row an answer. A step up means that the backend has changed.",
};

type Name = keyof typeof helpTexts;

class Factory {
  readonly registry = new Registry();

  counter<L extends string>(name: Name, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help: helpTexts[name], labelNames, registers: [this.registry] });
  }

  gauge<L extends string>(name: Name, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name, help: helpTexts[name], labelNames, registers: [this.registry] });
  }

  histogram<L extends string>(name: Name, buckets: number[], labelNames: readonly L[] = []): Histogram<L> {
    return new Histogram({ name, help: helpTexts[name], buckets, labelNames, registers: [this.registry] });
  }
}

/** Counts from zero. The state of breakers and queues is read when the page is printed. */
export function createMetrics(
  backends: readonly Pick<Backend, "name" | "pressure">[],
  { version, demo }: { readonly version: string; readonly demo: boolean },
) {
  const make = new Factory();
  make.gauge("delivery_graph_info", ["version"]).set({ version }, 1);
  make.gauge("delivery_graph_demo").set(demo ? 1 : 0);
  const breakers = make.gauge("delivery_graph_breaker_state", ["backend"]);
  const openCredentials = make.gauge("delivery_graph_breaker_open_credentials", ["backend"]);
  const inFlight = make.gauge("delivery_graph_upstream_in_flight", ["backend"]);
  const queued = make.gauge("delivery_graph_upstream_queued", ["backend"]);
  const answers = make.counter("delivery_graph_http_responses_total", ["status"]);
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    print: async (): Promise<string> => {
      for (const one of backends) {
        const backend = one.name;
        const now = one.pressure();
        breakers.set({ backend }, breakerStates[now.circuit]);
        openCredentials.set({ backend }, now.openCredentials);
        inFlight.set({ backend }, now.inFlight);
        queued.set({ backend }, now.queued);
      }
      return (await Promise.all([make.registry.metrics(), processRegistry().metrics()])).join("\n");
    },
    /** Counts an HTTP answer of any page; null for a connection that was closed before its answer began. */
    answered: (status: number | null) => answers.inc({ status: status ?? "none" }),
    ...countOperations(make),
    ...countExchanges(make),
    ...countRows(make),
  };
}

function countOperations(make: Factory): Pick<Observer, "started" | "ended"> {
  const limitLabel = createLabelLimiter(maxOperationNames);
  const running = make.gauge("delivery_graph_operations_running");
  const operations = make.counter("delivery_graph_operations_total", ["operation", "outcome"]);
  const coalesced = make.counter("delivery_graph_operations_shared_total", ["operation"]);
  const durations = make.histogram("delivery_graph_operation_duration_seconds", seconds, ["operation"]);
  const calls = make.histogram("delivery_graph_operation_upstream_calls", [0, 1, 2, 5, 10, 20, 50, 100, 200]);
  return {
    started: () => running.inc(),
    ended: ({ name, calls: sent, isCoalesced }, outcome, ms) => {
      running.dec();
      // A refused operation did not run: its name must not use up a label.
      const operation = outcome === "refused" ? "(refused)" : limitLabel(name);
      operations.inc({ operation, outcome });
      if (isCoalesced) coalesced.inc({ operation });
      durations.observe({ operation }, ms / 1000);
      if (outcome !== "refused") calls.observe(sent);
    },
  };
}

function countExchanges(make: Factory): Pick<Observer, "exchanged"> {
  const calls = make.counter("delivery_graph_upstream_calls_total", [...upstreamLabels, "outcome"]);
  const retries = make.counter("delivery_graph_upstream_retries_total", upstreamLabels);
  const unsent = make.counter("delivery_graph_upstream_unsent_total", [...upstreamLabels, "outcome"]);
  const spared = make.counter("delivery_graph_upstream_spared_total", [...upstreamLabels, "by"]);
  const durations = make.histogram("delivery_graph_upstream_duration_seconds", seconds, upstreamLabels);
  const received = make.counter("delivery_graph_upstream_received_bytes_total", ["backend"]);
  return {
    exchanged: (_operation, { backend, operation, outcome, attempt, via, ms, bytes }) => {
      if (via === "UNSENT") return unsent.inc({ backend, operation, outcome });
      if (via !== "SENT") return spared.inc({ backend, operation, by: publishedVia[via] });
      calls.inc({ backend, operation, outcome });
      if (attempt > 1) retries.inc({ backend, operation });
      durations.observe({ backend, operation }, ms / 1000);
      received.inc({ backend }, bytes);
    },
  };
}

function countRows(make: Factory): Pick<Observer, "loaded" | "read"> {
  const keys = make.counter("delivery_graph_loader_keys_total", [...upstreamLabels, "from"]);
  const dropped = make.counter("delivery_graph_dropped_rows_total", upstreamLabels);
  const unknown = make.gauge("delivery_graph_unknown_fields", upstreamLabels);
  const unknownFields = new Map<string, Set<string>>();
  return {
    loaded: (_operation, { backend, operation, keys: loaded, deduped }) => {
      if (loaded > 0) keys.inc({ backend, operation, from: "backend" }, loaded);
      if (deduped > 0) keys.inc({ backend, operation, from: "request" }, deduped);
    },
    read: ({ backend, operation }, reading) => {
      if (reading.dropped > 0) dropped.inc({ backend, operation }, reading.dropped);
      const key = `${backend} ${operation}`;
      const known = unknownFields.get(key);
      const seen = known ?? new Set();
      const before = seen.size;
      for (const name of reading.unknown) if (seen.size < maxUnknownFields) seen.add(name);
      if (known && seen.size === before) return;
      unknownFields.set(key, seen);
      unknown.set({ backend, operation }, seen.size);
    },
  };
}

const maxLabelLength = 64;

/** Maps operation names of callers to at most `max` label values, `(other)` and `(anonymous)`. */
export function createLabelLimiter(max: number): (name: string | null) => string {
  const known = new Set<string>();
  return (name) => {
    if (name === null) return "(anonymous)";
    if (known.has(name)) return name;
    if (known.size >= max || name.length > maxLabelLength) return "(other)";
    known.add(name);
    return name;
  };
}

let ofProcess: Registry | null = null;

// Memory, garbage collection and the event loop belong to the process, however many gateways run in it.
function processRegistry(): Registry {
  if (ofProcess === null) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
  }
  return ofProcess;
}
