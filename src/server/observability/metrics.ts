import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Backend } from "../../backends/backend.ts";
import { createNameBook } from "./label-limiter.ts";
import type { Observer } from "./telemetry.ts";

/** Everything this gateway counts, in the text format of Prometheus. */
export interface Metrics extends Observer {
  readonly contentType: string;
  readonly print: () => Promise<string>;
  /** Counts an HTTP answer, whichever page it was; null for a connection that was closed before its answer began. */
  readonly answered: (status: number | null) => void;
}

/** Different operation names that are told apart. */
const mostNames = 100;
/** Different unknown fields that are counted for one operation of one backend. */
const mostFields = 1000;
// From a warm cache to the longest deadline anybody should configure.
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];

/** Counts from zero. Reads the state of the breakers and queues when it is printed, and not before. */
export function createMetrics(
  backends: readonly Backend[],
  { version, demo }: { readonly version: string; readonly demo: boolean },
): Metrics {
  const registers = [new Registry()];
  const names = createNameBook(mostNames);
  const upstream = ["backend", "operation"] as const;

  new Gauge({
    name: "delivery_graph_info",
    help: "Always 1; the version is in the label.",
    labelNames: ["version"],
    registers,
  }).set({ version }, 1);
  new Gauge({
    name: "delivery_graph_demo",
    help: "1 where the backends are the demo's and every answer is made up, else 0.",
    registers,
  }).set(demo ? 1 : 0);
  const answers = new Counter({
    name: "delivery_graph_http_responses_total",
    help: "HTTP answers of every page by status; none: the caller had gone before the answer began.",
    labelNames: ["status"] as const,
    registers,
  });
  const running = new Gauge({
    name: "delivery_graph_operations_running",
    help: "Operations being answered.",
    registers,
  });
  const operations = new Counter({
    name: "delivery_graph_operations_total",
    help: "Operations by name and outcome: ok, partial, failed, refused, bug, or left (the caller had gone).",
    labelNames: ["operation", "outcome"] as const,
    registers,
  });
  const sharedOperations = new Counter({
    name: "delivery_graph_operations_shared_total",
    help: "Those of the operations that were answered with the answer of an equal one, which was under way already.",
    labelNames: ["operation"] as const,
    registers,
  });
  const operationSeconds = new Histogram({
    name: "delivery_graph_operation_duration_seconds",
    help: "Time from an operation's arrival to its answer.",
    labelNames: ["operation"] as const,
    buckets: seconds,
    registers,
  });
  const operationCalls = new Histogram({
    name: "delivery_graph_operation_upstream_calls",
    help: "Requests that one operation sent to backends.",
    buckets: [0, 1, 2, 5, 10, 20, 50, 100, 200],
    registers,
  });
  const calls = new Counter({
    name: "delivery_graph_upstream_calls_total",
    help: "Requests sent to backends, retries included, by outcome as the backend's rules judge it.",
    labelNames: [...upstream, "outcome"] as const,
    registers,
  });
  const retries = new Counter({
    name: "delivery_graph_upstream_retries_total",
    help: "Those of the requests that were not the first attempt.",
    labelNames: upstream,
    registers,
  });
  const refused = new Counter({
    name: "delivery_graph_upstream_unsent_total",
    help: "Calls that were never sent: open breaker, full queue, no budget, no credential or no time left.",
    labelNames: [...upstream, "outcome"] as const,
    registers,
  });
  const spared = new Counter({
    name: "delivery_graph_upstream_spared_total",
    help: "Calls that needed no request of their own: flight (an equal one was under way), cache, or stale (cached, and the backend failed).",
    labelNames: [...upstream, "by"] as const,
    registers,
  });
  const callSeconds = new Histogram({
    name: "delivery_graph_upstream_duration_seconds",
    help: "Time from sending a request to the last byte of its answer.",
    labelNames: upstream,
    buckets: seconds,
    registers,
  });
  const bytes = new Counter({
    name: "delivery_graph_upstream_received_bytes_total",
    help: "Bytes of answers' bodies.",
    labelNames: ["backend"] as const,
    registers,
  });
  const keys = new Counter({
    name: "delivery_graph_loader_keys_total",
    help: "Keys that loaders were asked for: loaded from the backend, or known already within the request.",
    labelNames: [...upstream, "from"] as const,
    registers,
  });
  const dropped = new Counter({
    name: "delivery_graph_dropped_rows_total",
    help: "Rows of answers that could not be read and were left out.",
    labelNames: upstream,
    registers,
  });
  const fields = new Map<string, Set<string>>();
  const unknown = new Gauge({
    name: "delivery_graph_unknown_fields",
    help: `Different fields seen in answers that the gateway does not rely on, up to ${mostFields}; sampled, one row an answer. A step up means that the backend has changed.`,
    labelNames: upstream,
    registers,
  });
  gaugeOf("delivery_graph_breaker_state", "0 closed, 0.5 half open (one call is let through), 1 open.", (backend) => {
    return { closed: 0, "half-open": 0.5, open: 1 }[backend.pressure().circuit];
  });
  gaugeOf(
    "delivery_graph_breaker_open_credentials",
    "Credentials of callers that alone are refused, with forward: caller.",
    (backend) => backend.pressure().openCredentials,
  );
  gaugeOf("delivery_graph_upstream_in_flight", "Calls being made.", (backend) => backend.pressure().inFlight);
  gaugeOf("delivery_graph_upstream_queued", "Calls waiting for a slot.", (backend) => backend.pressure().queued);

  function gaugeOf(name: string, help: string, read: (backend: Backend) => number): void {
    new Gauge({
      name,
      help,
      labelNames: ["backend"],
      registers,
      collect() {
        for (const backend of backends) this.set({ backend: backend.name }, read(backend));
      },
    });
  }

  const [own] = registers;
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    print: async () => (await Promise.all([own, processRegistry()].map((one) => one?.metrics()))).join("\n"),
    answered: (status) => answers.inc({ status: status ?? "none" }),
    started: () => running.inc(),
    ended: ({ name, calls: sent, isShared }, outcome, ms) => {
      running.dec();
      // What was refused did not run: its name must not take the place of one that does.
      const operation = outcome === "refused" ? "(refused)" : names.enter(name);
      operations.inc({ operation, outcome });
      if (isShared) sharedOperations.inc({ operation });
      operationSeconds.observe({ operation }, ms / 1000);
      if (outcome !== "refused") operationCalls.observe(sent);
    },
    exchanged: (_operation, { backend, operation, outcome, attempt, via, ms, bytes: received }) => {
      if (via === "UNSENT") return refused.inc({ backend, operation, outcome });
      if (via !== "WIRE") return spared.inc({ backend, operation, by: via.toLowerCase() });
      calls.inc({ backend, operation, outcome });
      if (attempt > 1) retries.inc({ backend, operation });
      callSeconds.observe({ backend, operation }, ms / 1000);
      bytes.inc({ backend }, received);
    },
    loaded: (_operation, { backend, operation, keys: loaded, deduped }) => {
      if (loaded > 0) keys.inc({ backend, operation, from: "backend" }, loaded);
      if (deduped > 0) keys.inc({ backend, operation, from: "request" }, deduped);
    },
    read: ({ backend, operation }, reading) => {
      if (reading.dropped > 0) dropped.inc({ backend, operation }, reading.dropped);
      const key = `${backend} ${operation}`;
      const known = fields.get(key);
      const seen = known ?? new Set();
      const before = seen.size;
      for (const name of reading.unknown) if (seen.size < mostFields) seen.add(name);
      if (known && seen.size === before) return;
      fields.set(key, seen);
      unknown.set({ backend, operation }, seen.size);
    },
  };
}

let ofProcess: Registry | null = null;

// Memory, garbage collection and the event loop belong to the process, however many gateways run in it.
function processRegistry(): Registry {
  if (ofProcess) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  return ofProcess;
}
