import { GraphQLError } from "graphql";
import type { Load } from "../../backends/loading/loader.ts";
import { callsFor, type Question } from "../../backends/prices.ts";
import type { Exchange } from "../../upstream/events.ts";
import type { CallerFacts, Context } from "../context.ts";
import { badInput, statusOf } from "../errors.ts";
import type { SourceStatus } from "../generated/resolvers.ts";
import { demands } from "./demands.ts";
import { type Asked, type Frame, type Place, walkOperation } from "./walk.ts";

/** `plan` runs nothing; `actual` runs and tells what it took. */
export type ExplainMode = "plan" | "actual";

/** What one call of one backend took within one operation: `extensions.explain.actual`. */
export interface Spent {
  /** Configured name. */
  readonly backend: string;
  /** Our own name of the call. */
  readonly operation: string;
  /** Distinct things it was asked for. */
  readonly keys: number;
  /** Requests that were sent for them, retries included. */
  readonly calls: number;
  /** Things that were asked for again and needed no request. */
  readonly deduped: number;
  /** `hit` or `stale` when a response cache answered all or part of it, else `miss`. */
  readonly cache: "hit" | "stale" | "miss";
  /** The longest of its requests. */
  readonly ms: number;
  /** `OK`, or what the last of those ended in that went wrong for good. */
  readonly status: SourceStatus;
}

/** `extensions.explain`. There is no address, header or credential in it: backends go by their configured names. */
export interface ExplainReport {
  readonly estimated: Estimate;
  readonly budget: number;
  readonly actual?: readonly Spent[];
}

/**
 * What the header `X-Explain` asks for. Throws BAD_USER_INPUT for another word, FORBIDDEN for a caller who may not
 * know.
 */
export function explainMode(header: string, caller: Pick<CallerFacts, "scopes">): ExplainMode {
  const mode = header.trim().toLowerCase();
  if (mode !== "plan" && mode !== "actual") throw badInput("BAD_USER_INPUT", 'X-Explain is "plan" or "actual".');
  if (!caller.scopes.has("explain")) {
    throw new GraphQLError('X-Explain needs the scope "explain".', {
      extensions: { code: "FORBIDDEN", retryable: false },
    });
  }
  return mode;
}

interface LedgerRow {
  readonly backend: string;
  readonly operation: string;
  keys: number;
  /** Whether a loader has reported how many keys there were. */
  loaded: boolean;
  calls: number;
  deduped: number;
  /** The number of its events, attempts included. */
  answers: number;
  /** What was asked for, however many attempts it took. */
  asked: number;
  cache: Spent["cache"];
  ms: number;
  /** Failures without a further attempt. */
  failures: number;
  worst: SourceStatus;
}

/** What one operation takes, added up while it runs. */
export class Ledger {
  readonly #rows = new Map<string, LedgerRow>();

  #rowOf({ backend, operation }: Pick<Spent, "backend" | "operation">): LedgerRow {
    const key = JSON.stringify([backend, operation]);
    const counts = { keys: 0, calls: 0, deduped: 0, answers: 0, asked: 0, ms: 0, failures: 0 };
    const row = this.#rows.get(key) ?? { backend, operation, ...counts, loaded: false, cache: "miss", worst: "OK" };
    this.#rows.set(key, row);
    return row;
  }

  exchanged(exchange: Exchange): void {
    const row = this.#rowOf(exchange);
    row.answers += 1;
    if (exchange.attempt <= 1) row.asked += 1;
    if (exchange.via === "SENT") row.calls += 1;
    if (exchange.via === "COALESCED") row.deduped += 1;
    if (exchange.via === "CACHE" && row.cache === "miss") row.cache = "hit";
    if (exchange.via === "STALE") row.cache = "stale";
    row.ms = Math.max(row.ms, Math.round(exchange.ms));
    // A further attempt takes the place of the one before it, and "not there" is an answer.
    if (exchange.attempt > 1) row.failures -= 1;
    if (exchange.error === null || exchange.outcome === "NOT_FOUND") return;
    row.failures += 1;
    row.worst = statusOf(exchange.error);
  }

  loaded(load: Load): void {
    const row = this.#rowOf(load);
    row.loaded = true;
    row.keys += load.keys;
    row.deduped += load.deduped;
  }

  /** In the order in which each call was first made. */
  rows(): readonly Spent[] {
    // Keys that another call has answered are no part of a call that was not made.
    const made = [...this.#rows.values()].filter(({ answers }) => answers > 0);
    return made.map(({ backend, operation, keys, calls, deduped, cache, ms, ...row }) => {
      const status = row.failures > 0 ? row.worst : "OK";
      return { backend, operation, keys: row.loaded ? keys : row.asked, calls, deduped, cache, ms, status };
    });
  }
}

/** Calls by backend, in the order of the configuration; backends that would not be asked are left out. */
export type Estimate = Readonly<Record<string, number>>;

/**
 * Upstream calls that an operation would make, before it makes any: the sizes of its lists as `@listSize` says, the
 * prices as the adapters say, batches as far as keys become known together. Meant to be not too low; what different
 * parts of an operation both ask for is counted for each. Throws as the walk does.
 */
export function estimate(asked: Asked, context: Context): Estimate {
  const calls = new Map(context.estate.backends.map(({ name }) => [name, 0]));
  const able = (question: Question) =>
    context.estate.backends.flatMap((backend) =>
      backend.prices()[question] && (question !== "image" || backend.hosts.length > 0) ? [backend.name] : [],
    );
  const everybody = [...calls.keys()];
  const pinged = new Set<string>();

  const root: Frame = { homes: everybody, share: 1, arrivals: 1, known: new Set(), images: null };
  walkOperation(asked, root, ({ coordinate, field, args, weight, times, below, frame }) => {
    if (coordinate === null || field === null) return frame;
    let made = 0;
    const rows = Math.max(1, below / Math.max(1, times), numberOf(args["first"]));
    const ask: Place["ask"] = (question, { of = frame.homes, keys = times * frame.share } = {}) => {
      for (const name of of) {
        const price = context.estate.find(name)?.prices()[question];
        if (!price || (question === "ping" && pinged.has(name))) continue;
        // One call tells how a backend is, however often that is asked.
        if (question === "ping") pinged.add(name);
        const wanted = question === "ping" ? 1 : Math.ceil(keys);
        const { cost, batches } = callsFor(price, wanted, Math.min(frame.arrivals, wanted), rows);
        calls.set(name, (calls.get(name) ?? 0) + cost);
        made = Math.max(made, batches);
      }
    };
    const place: Place = { context, args, frame, times, below, ask, able };
    const demand = demands[coordinate];
    const leads = demand?.(place);
    if (!demand && weight > 0) {
      for (const name of frame.homes) calls.set(name, (calls.get(name) ?? 0) + Math.ceil(weight * times * frame.share));
    }
    const arrivals = Math.max(frame.arrivals, made);
    // Fields of one object share what is known of it; the objects below it are others.
    return { ...frame, known: new Set<string>(), ...leads, arrivals };
  });
  return Object.fromEntries([...calls].filter(([, count]) => count > 0));
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
