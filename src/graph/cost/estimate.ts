import { callsFor, type Question } from "../../backends/prices.ts";
import type { Context } from "../context.ts";
import { demands } from "./demands.ts";
import type { Demand, Frame, Place } from "./place.ts";
import { type Asked, walkOperation } from "./walk.ts";

/** Calls by backend, in the order of the configuration; backends that would not be asked are left out. */
export type Estimate = Readonly<Record<string, number>>;

/**
 * Upstream calls that an operation would make, before it makes any: the sizes of its lists as `@listSize` says, the
 * prices as the adapters say, batches as far as keys become known together. Meant to be not too low; what different
 * parts of an operation ask for alike is counted for each. Throws as the walk does.
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
    const demand: Demand | undefined = demands[coordinate];
    const leads = demand ? demand(place) : {};
    if (!demand && weight > 0) {
      // A field that nobody has reckoned yet: what the schema says of it, of whoever may be meant.
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
