import type { Call } from "./call.ts";
import { createEnding, type Ending, endingOf, type OwnEnding, signalOf } from "./ending.ts";

/** Equal reads that are under way at the same moment, whoever asks, are one. */
export interface Flights<T> {
  /**
   * Joins the flight of this key, or begins it. `begin` gets a call that stands for all who wait: it is aborted when the
   * last of them is gone, lasts as long as the most patient of them, and is paid for by one of them.
   */
  readonly join: (key: string, call: Call, begin: (call: Call) => Promise<T>) => Seat<T>;
  /** Whoever comes from now on begins anew: what is under way may tell of a time before something was changed. */
  readonly closeAll: () => void;
  /** Flights under way. */
  readonly count: () => number;
}

/** One asker's part in a flight. */
export interface Seat<T> {
  /** Whether this asker began it. */
  readonly isFirst: boolean;
  /** The answer for this asker; rejects with the signal's reason when its call is aborted before. */
  readonly landed: Promise<T>;
  /** The answer, whether or not this asker still waits. */
  readonly flight: Promise<T>;
}

/** Where a flight is found; emptied when it takes nobody aboard any more. */
interface Slot<T> {
  flight: Flight<T> | null;
}

/** Somebody who waits. */
class Aboard<T> {
  readonly call: Call;
  readonly #ending: Ending;
  readonly #landed = Promise.withResolvers<T>();
  readonly #leave: () => void;

  constructor(call: Call, flight: Flight<T>) {
    this.call = call;
    this.#ending = endingOf(call);
    this.#leave = () => {
      flight.leave(this);
      this.#landed.reject(call.signal.reason);
    };
    this.#ending.listen(this.#leave);
  }

  get landed(): Promise<T> {
    return this.#landed.promise;
  }

  arrive(value: T): void {
    this.#ending.unlisten(this.#leave);
    this.#landed.resolve(value);
  }

  crash(error: unknown): void {
    this.#ending.unlisten(this.#leave);
    this.#landed.reject(error);
  }
}

/** One flight, and the call that stands for all who are aboard. */
class Flight<T> implements Call {
  readonly requestId: string;
  readonly caller: Call["caller"];
  readonly ending: OwnEnding = createEnding();
  /** Set as soon as somebody is aboard. */
  answer: Promise<T> | null = null;
  /** Those who wait, in the order they came; one request may wait twice. */
  #aboard: Aboard<T>[] = [];
  #payer: Call;
  #signal: AbortSignal | null = null;
  #tellCaller: ((key: string) => void) | null = null;
  readonly #open: Map<string, Slot<T>>;
  readonly #key: string;
  readonly #slot: Slot<T>;

  constructor(open: Map<string, Slot<T>>, key: string, first: Call) {
    this.requestId = first.requestId;
    this.caller = first.caller;
    this.#payer = first;
    this.#open = open;
    this.#key = key;
    this.#slot = { flight: this };
    open.set(key, this.#slot);
  }

  // Hardly anybody wants a signal where there is an ending.
  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.ending);
    return this.#signal;
  }

  get budget(): Call["budget"] {
    return this;
  }

  remainingMs(): number {
    let most = Number.NEGATIVE_INFINITY;
    for (const { call } of this.#aboard) most = Math.max(most, call.remainingMs());
    return most;
  }

  onBehalfOf(): Call {
    return this.#payer;
  }

  /** One of those aboard pays; who it was pays for what is told from now on. */
  take(): boolean {
    for (const { call } of this.#aboard) {
      if (!call.budget.take()) continue;
      this.#payer = call;
      return true;
    }
    // Nobody aboard can pay: whoever comes now begins anew.
    this.close();
    return false;
  }

  /** Takes nobody aboard any more. */
  close(): void {
    if (this.#slot.flight === null) return;
    this.#slot.flight = null;
    this.#open.delete(this.#key);
  }

  followCallers(tell: ((key: string) => void) | null): void {
    this.#tellCaller = tell;
    if (tell) for (const { call } of this.#aboard) tell(call.caller.key);
  }

  board(call: Call): Promise<T> {
    const aboard = new Aboard(call, this);
    this.#aboard.push(aboard);
    this.#tellCaller?.(call.caller.key);
    return aboard.landed;
  }

  leave(one: Aboard<T>): void {
    const at = this.#aboard.indexOf(one);
    if (at >= 0) this.#aboard.splice(at, 1);
    if (this.#aboard.length > 0) return;
    this.close();
    this.ending.end();
  }

  /** Lets everybody off when there is an answer. */
  land(answer: Promise<T>): void {
    this.answer = answer;
    answer.then(
      (value) => {
        for (const one of this.#disembark()) one.arrive(value);
      },
      (error: unknown) => {
        for (const one of this.#disembark()) one.crash(error);
      },
    );
  }

  #disembark(): readonly Aboard<T>[] {
    this.close();
    const aboard = this.#aboard;
    this.#aboard = [];
    return aboard;
  }
}

/** The flights to one backend; they live as long as the process, each of them until it has landed. */
export function createFlights<T>(): Flights<T> {
  // What lies in the map is a slot that is emptied: tables that a map has outgrown hold on to their values.
  const open = new Map<string, Slot<T>>();
  return {
    join: (key, call, begin) => {
      const known = open.get(key)?.flight;
      if (known?.answer) return { isFirst: false, landed: known.board(call), flight: known.answer };
      const flight = new Flight<T>(open, key, call);
      // The first has to be aboard before anything is asked in its name.
      const landed = flight.board(call);
      const answer = begin(flight);
      flight.land(answer);
      return { isFirst: true, landed, flight: answer };
    },
    closeAll: () => {
      for (const { flight } of [...open.values()]) flight?.close();
    },
    count: () => open.size,
  };
}
