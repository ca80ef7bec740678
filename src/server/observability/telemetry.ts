import { type Decoding, decodings } from "../../backends/loading/decode.ts";
import { type Load, loads } from "../../backends/loading/loader.ts";
import { type Exchange, exchanges } from "../../upstream/events.ts";
import type { Call } from "../../upstream/operation.ts";

/** Facts of one operation while it is answered. */
export interface OperationFacts {
  readonly requestId: string;
  /** The caller's W3C trace context; null when there is none or it is unreadable. */
  readonly parent: TraceParent | null;
  /** `performance.now()` when it came in. */
  readonly startedAt: number;
  /** Name in its document; null for anonymous ones, and until it has been parsed and found valid. */
  readonly name: string | null;
  readonly calls: number;
  /** Whether its answer is that of an equal operation that was in flight already. */
  readonly isCoalesced: boolean;
}

/** The W3C trace context of a request. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/**
 * How an operation ended: `ok`; `partial`, with data and errors; `failed`, with errors and no data at all; `refused`
 * before any call; `bug`, an error of the gateway itself; `left`, its caller was gone before the answer.
 */
export type OperationOutcome = "ok" | "partial" | "failed" | "refused" | "bug" | "left";

/** Receives the events of operations. An observer must neither fail nor wait. */
export interface Observer {
  readonly started?: (operation: OperationFacts) => void;
  readonly exchanged?: (operation: OperationFacts, exchange: Exchange) => void;
  readonly loaded?: (operation: OperationFacts, load: Load) => void;
  readonly read?: (exchange: Exchange, reading: Decoding) => void;
  readonly ended?: (operation: OperationFacts, outcome: OperationOutcome, ms: number) => void;
}

/** Attributes the events of the floors below to operations. Lives as long as the gateway. */
export type Telemetry = ReturnType<typeof createTelemetry>;

/** The server's handle of one operation. */
export type OperationHandle = ReturnType<Telemetry["begin"]>;

type MutableFacts = { -readonly [K in keyof OperationFacts]: OperationFacts[K] };

/** Subscribes to the events of the floors below; those of operations that were not begun here are ignored. */
export function createTelemetry(observers: readonly Observer[]) {
  const running = new WeakMap<Call, { readonly facts: MutableFacts; readonly observers: readonly Observer[] }>();
  // A reading precedes the exchange that it belongs to, with nothing in between.
  let unclaimed: Decoding[] = [];

  const stops = [
    decodings.subscribe((reading) => void unclaimed.push(reading)),
    exchanges.subscribe((exchange) => {
      const claimed = unclaimed.filter(({ operation }) => operation === exchange.operation);
      unclaimed = [];
      const operation = running.get(exchange.call);
      if (!operation) return;
      if (exchange.via === "SENT") operation.facts.calls += 1;
      for (const observer of operation.observers) {
        observer.exchanged?.(operation.facts, exchange);
        for (const reading of claimed) observer.read?.(exchange, reading);
      }
    }),
    loads.subscribe((load) => {
      const operation = running.get(load.call);
      if (operation) for (const observer of operation.observers) observer.loaded?.(operation.facts, load);
    }),
  ];

  return {
    begin: (about: Pick<OperationFacts, "requestId" | "parent">) => {
      const facts: MutableFacts = { ...about, startedAt: performance.now(), name: null, calls: 0, isCoalesced: false };
      const listeners = [...observers];
      let hasEnded = false;
      for (const observer of observers) observer.started?.(facts);
      return {
        facts,
        rename: (name: string | null) => {
          facts.name = name;
        },
        /** From now on the events of this call belong to the operation. */
        run: (call: Call) => void running.set(call, { facts, observers: listeners }),
        /** Adds an observer of this operation alone. */
        observe: (observer: Observer) => void listeners.push(observer),
        /** The first outcome counts. */
        end: (outcome: OperationOutcome, isCoalesced = false) => {
          if (hasEnded) return;
          hasEnded = true;
          facts.isCoalesced = isCoalesced;
          const ms = performance.now() - facts.startedAt;
          for (const observer of listeners) observer.ended?.(facts, outcome, ms);
        },
      };
    },
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

/** How an answer came, as metrics and traces print it. */
export const publishedVia: Readonly<Record<Exchange["via"], string>> = {
  SENT: "wire",
  COALESCED: "flight",
  CACHE: "cache",
  STALE: "stale",
  UNSENT: "unsent",
};
