import type { Call } from "./call.ts";

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

interface Flight<T> {
  /** Those who wait, in the order they came; one request may wait twice. */
  readonly aboard: Set<{ readonly call: Call }>;
  readonly answer: Promise<T>;
  /** Takes nobody aboard any more. */
  readonly close: () => void;
  readonly abort: () => void;
}

/** The flights to one backend; they live as long as the process, each of them until it has landed. */
export function createFlights<T>(): Flights<T> {
  const open = new Map<string, Flight<T>>();

  function begin(key: string, first: Call, start: (call: Call) => Promise<T>): Flight<T> {
    const aboard: Flight<T>["aboard"] = new Set();
    const controller = new AbortController();
    let payer = first;
    const close = () => {
      if (open.get(key)?.aboard === aboard) open.delete(key);
    };
    const shared: Call = {
      signal: controller.signal,
      remainingMs: () => Math.max(...[...aboard].map(({ call }) => call.remainingMs())),
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
    // The first has to be aboard before anything is asked in its name.
    const answer = Promise.resolve()
      .then(() => start(shared))
      .finally(close);
    // Everybody may be gone when it fails.
    answer.catch(() => {});
    const flight: Flight<T> = { aboard, answer, close, abort: () => controller.abort() };
    open.set(key, flight);
    return flight;
  }

  function board({ aboard, answer, close, abort }: Flight<T>, call: Call): Promise<T> {
    return new Promise((resolve, reject) => {
      const seat = { call };
      const leave = () => {
        aboard.delete(seat);
        if (aboard.size === 0) {
          close();
          abort();
        }
        reject(call.signal.reason);
      };
      aboard.add(seat);
      call.signal.addEventListener("abort", leave, { once: true });
      const arrived = () => {
        call.signal.removeEventListener("abort", leave);
        aboard.delete(seat);
      };
      answer.then(
        (value) => {
          arrived();
          resolve(value);
        },
        (error: unknown) => {
          arrived();
          reject(error);
        },
      );
    });
  }

  return {
    join: (key, call, start) => {
      const known = open.get(key);
      const flight = known ?? begin(key, call, start);
      return { isFirst: known === undefined, landed: board(flight, call), flight: flight.answer };
    },
    count: () => open.size,
  };
}
