import { type Load, loads } from "../../backends/batch.ts";
import { type Reading, readings } from "../../backends/decode.ts";
import type { Call } from "../../upstream/call.ts";
import { type Exchange, exchanges } from "../../upstream/exchange.ts";

/** One operation while it is being answered. */
export interface Watched {
  readonly requestId: string;
  /** The caller's W3C trace context; null when there is none or it is unreadable. */
  readonly parent: TraceParent | null;
  /** `performance.now()` when it came in. */
  readonly startedAt: number;
  /** Name in its document; null for anonymous ones, and until it has been parsed and found valid. */
  readonly name: string | null;
  /** Requests sent upstream so far. */
  readonly calls: number;
  /** Whether its answer is that of an equal operation, which was under way already. */
  readonly isShared: boolean;
}

/** Where a trace that began elsewhere goes on. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/**
 * How an operation ended: `ok`; `partial`, with data and errors; `failed`, with errors and no data at all; `refused`
 * before anything was asked; `bug`, an error of the gateway itself; `left`, its caller was gone before the answer.
 */
export type OperationOutcome = "ok" | "partial" | "failed" | "refused" | "bug" | "left";

/** Who wants to know. Nothing an observer does may fail or wait. */
export interface Observer {
  readonly started?: (operation: Watched) => void;
  readonly exchanged?: (operation: Watched, exchange: Exchange) => void;
  readonly loaded?: (operation: Watched, load: Load) => void;
  readonly read?: (exchange: Exchange, reading: Reading) => void;
  readonly ended?: (operation: Watched, outcome: OperationOutcome, ms: number) => void;
}

/** What happens below, told by operation. Lives as long as the gateway. */
export interface Telemetry {
  readonly begin: (about: Pick<Watched, "requestId" | "parent">) => Operation;
  readonly close: () => void;
}

/** The handle by which the server tells of one operation. */
export interface Operation {
  readonly watched: Watched;
  /** It is about to run: from now on what is asked with this call is its doing. */
  readonly run: (name: string | null, call: Call) => void;
  /** It waits for the answer of an equal operation of this name. */
  readonly wait: (name: string | null) => void;
  /** That answer is its own. */
  readonly share: () => void;
  /** Lets somebody listen who wants to know of this operation only. */
  readonly join: (observer: Observer) => void;
  /** The first word counts. */
  readonly end: (outcome: OperationOutcome) => void;
}

interface Counted extends Watched {
  name: string | null;
  calls: number;
  isShared: boolean;
}

interface Running {
  readonly watched: Counted;
  readonly observers: readonly Observer[];
}

/** Listens to the floors below; what belongs to none of the operations begun here (another gateway's) is passed over. */
export function createTelemetry(observers: readonly Observer[]): Telemetry {
  const running = new WeakMap<Call, Running>();
  // Readings wait for the exchange they belong to, which is told before anything else can happen.
  let unclaimed: Reading[] = [];

  const stops = [
    readings.listen((reading) => void unclaimed.push(reading)),
    exchanges.listen((exchange) => {
      const claimed = unclaimed.filter(({ operation }) => operation === exchange.operation);
      unclaimed = [];
      const operation = running.get(exchange.call);
      if (!operation) return;
      if (exchange.via === "WIRE") operation.watched.calls += 1;
      for (const observer of operation.observers) {
        observer.exchanged?.(operation.watched, exchange);
        for (const reading of claimed) observer.read?.(exchange, reading);
      }
    }),
    loads.listen((load) => {
      const operation = running.get(load.call);
      if (operation) for (const observer of operation.observers) observer.loaded?.(operation.watched, load);
    }),
  ];

  return {
    begin: (about) => {
      const watched: Counted = { ...about, startedAt: performance.now(), name: null, calls: 0, isShared: false };
      const listeners = [...observers];
      let over = false;
      for (const observer of observers) observer.started?.(watched);
      return {
        watched,
        run: (name, call) => {
          watched.name = name;
          running.set(call, { watched, observers: listeners });
        },
        wait: (name) => {
          watched.name = name;
        },
        share: () => {
          watched.isShared = true;
        },
        join: (observer) => void listeners.push(observer),
        end: (outcome) => {
          if (over) return;
          over = true;
          const ms = performance.now() - watched.startedAt;
          for (const observer of listeners) observer.ended?.(watched, outcome, ms);
        },
      };
    },
    close: () => {
      for (const stop of stops) stop();
    },
  };
}
