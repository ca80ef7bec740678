import type { Call } from "./call.ts";
import { createEnding, endingOf, signalOf } from "./ending.ts";

/** Equal reads that are under way at the same moment, whoever asks, are one. */
export interface Flights<T> {
  /**
   * Joins the flight of this key, or begins it. `begin` gets a call that stands for all who wait: it is aborted when the
   * last of them is gone, lasts as long as the most patient of them, and is paid for by one of them.
   */
  readonly join: (key: string, call: Call, begin: (call: Call) => Promise<T>) => Seat<T>;
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

/** Somebody who waits. */
interface Aboard<T> {
  readonly call: Call;
  readonly arrive: (value: T) => void;
  readonly crash: (error: unknown) => void;
}

interface Flight<T> {
  /** Those who wait, in the order they came; one request may wait twice. */
  readonly aboard: Aboard<T>[];
  /** Set as soon as somebody is aboard. */
  answer: Promise<T> | null;
  /** Takes nobody aboard any more. */
  readonly close: () => void;
  readonly abort: () => void;
}

interface Slot<T> {
  flight: Flight<T> | null;
}

/** The flights to one backend; they live as long as the process, each of them until it has landed. */
export function createFlights<T>(): Flights<T> {
  // What lies in the map is a slot that is emptied: tables that a map has outgrown hold on to their values.
  const open = new Map<string, Slot<T>>();

  /** A flight that nobody has boarded yet, and the call that stands for all who will. */
  function prepare(key: string, first: Call): { readonly flight: Flight<T>; readonly shared: Call } {
    const aboard: Aboard<T>[] = [];
    const slot: Slot<T> = { flight: null };
    const ending = createEnding();
    let signal: AbortSignal | null = null;
    let payer = first;
    const close = () => {
      if (slot.flight === null) return;
      slot.flight = null;
      open.delete(key);
    };
    const flight: Flight<T> = { aboard, answer: null, close, abort: () => ending.end() };
    const shared: Call = {
      // Hardly anybody wants a signal where there is an ending.
      get signal() {
        signal ??= signalOf(ending);
        return signal;
      },
      ending,
      remainingMs: () => {
        let most = Number.NEGATIVE_INFINITY;
        for (const { call } of aboard) most = Math.max(most, call.remainingMs());
        return most;
      },
      requestId: first.requestId,
      caller: first.caller,
      onBehalfOf: () => payer,
      budget: {
        take: () => {
          for (const { call } of aboard) {
            if (!call.budget.take()) continue;
            payer = call;
            return true;
          }
          // Nobody aboard can pay: whoever comes now begins anew.
          close();
          return false;
        },
      },
    };
    slot.flight = flight;
    open.set(key, slot);
    return { flight, shared };
  }

  function board({ aboard, close, abort }: Flight<T>, call: Call): Promise<T> {
    const ending = endingOf(call);
    return new Promise((resolve, reject) => {
      const leave = () => {
        const at = aboard.indexOf(seat);
        if (at >= 0) aboard.splice(at, 1);
        if (aboard.length === 0) {
          close();
          abort();
        }
        reject(call.signal.reason);
      };
      const seat: Aboard<T> = {
        call,
        arrive: (value) => {
          ending.unlisten(leave);
          resolve(value);
        },
        crash: (error) => {
          ending.unlisten(leave);
          reject(error);
        },
      };
      aboard.push(seat);
      ending.listen(leave);
    });
  }

  /** Lets everybody off when there is an answer. */
  function land(flight: Flight<T>, answer: Promise<T>): Promise<T> {
    const { aboard, close } = flight;
    answer.then(
      (value) => {
        close();
        for (const seat of aboard.splice(0)) seat.arrive(value);
      },
      (error: unknown) => {
        close();
        for (const seat of aboard.splice(0)) seat.crash(error);
      },
    );
    flight.answer = answer;
    return answer;
  }

  return {
    join: (key, call, start) => {
      const known = open.get(key)?.flight;
      if (known?.answer) return { isFirst: false, landed: board(known, call), flight: known.answer };
      const { flight, shared } = prepare(key, call);
      // The first has to be aboard before anything is asked in its name.
      const landed = board(flight, call);
      return { isFirst: true, landed, flight: land(flight, start(shared)) };
    },
    count: () => open.size,
  };
}
