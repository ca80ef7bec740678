import type { Question } from "../../backends/prices.ts";
import type { Context } from "../context.ts";

/** What is known of the objects at one place of an operation before it runs. */
export interface Frame {
  /** Backends that they may come from. */
  readonly homes: readonly string[];
  /** The part of the objects that come from one of these. */
  readonly share: number;
  /** How many different moments they become known at: what arrives together is asked for together. */
  readonly arrivals: number;
  /** What their naming place tells already, or one of their fields has asked for. */
  readonly known: Set<string>;
  /** Whether the packages here are images; null while that is not known. */
  readonly images: boolean | null;
}

/** A place whose cost is being reckoned, and what can be asked for from there. */
export interface Place {
  readonly context: Context;
  readonly args: Readonly<Record<string, unknown>>;
  readonly frame: Frame;
  /** Parents at this place, and their children below this field. */
  readonly times: number;
  readonly below: number;
  /** Asks the homes, or the backends named, for so many keys (one for each parent when left out). */
  readonly ask: (question: Question, options?: { readonly of?: readonly string[]; readonly keys?: number }) => void;
  /** Every backend that can be asked this; `image` only of registries that references name. */
  readonly able: (question: Question) => readonly string[];
}

/** What resolving one field asks of backends, and what it tells of the objects below it. */
export type Demand = (place: Place) => Partial<Omit<Frame, "arrivals">>;
