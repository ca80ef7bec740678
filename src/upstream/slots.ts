import { createLine, type Line } from "./line.ts";

/** Somebody who waits for a slot. Exactly one of both is called, once, unless the ticket is given back before. */
export interface Waiting {
  /** A slot is there: whoever was called has to release it. */
  readonly start: () => void;
  /** The queue has no room for this call. */
  readonly refuse: () => void;
}

/** A place in the queue. */
export interface Ticket {
  /** Leaves the queue at once. Does nothing when the slot is there already. */
  readonly leave: () => void;
  /** Another caller waits for the same call: it starts when the first of their turns comes. */
  readonly share: (caller: string) => void;
}

/**
 * So many calls at once, and a bounded queue of those that wait for a slot. The queue is a round over the callers who
 * wait: each of them starts one call in its turn, however many it has. Whoever gives up leaves the queue at that moment,
 * never starts, and takes no room from the others.
 */
export interface Slots {
  /** Takes a free slot; false when there is none. */
  readonly take: () => boolean;
  /**
   * Waits for a slot in the turn of `caller`. Where the queue is full, the last call of the caller who has the most of
   * them in it is refused, which may be this one.
   */
  readonly wait: (caller: string, waiting: Waiting) => Ticket;
  /** Gives a slot back; it goes to the next in the queue at once. */
  readonly release: () => void;
  readonly inFlight: () => number;
  /** Calls that wait. */
  readonly queued: () => number;
}

/** A call in the queue, which stands in the line of each caller who waits for it. */
interface Entry {
  readonly waiting: Waiting;
  /** How to step out of each line it stands in. */
  readonly exits: Map<Share, () => void>;
}

/** What one caller has in the queue. */
interface Share {
  readonly caller: string;
  readonly line: Line<Entry>;
  leaveRound: () => void;
}

/** `most` calls at once, and `mostWaiting` in the queue. */
export function createSlots(most: number, mostWaiting: number): Slots {
  const round = createLine<Share>();
  const shares = new Map<string, Share>();
  let taken = 0;
  let queued = 0;
  /** Places in all lines together: a call that several callers wait for takes several. */
  let places = 0;

  function shareOf(caller: string): Share {
    const known = shares.get(caller);
    if (known) return known;
    const share: Share = { caller, line: createLine(), leaveRound: () => {} };
    share.leaveRound = round.join(share);
    shares.set(caller, share);
    return share;
  }

  function stand(entry: Entry, caller: string): void {
    const share = shareOf(caller);
    entry.exits.set(share, share.line.join(entry));
    places += 1;
  }

  function stepOut(entry: Entry, share: Share): void {
    const exit = entry.exits.get(share);
    if (!exit) return;
    exit();
    entry.exits.delete(share);
    places -= 1;
    if (share.line.size() > 0) return;
    share.leaveRound();
    shares.delete(share.caller);
  }

  function remove(entry: Entry): void {
    if (entry.exits.size === 0) return;
    for (const share of [...entry.exits.keys()]) stepOut(entry, share);
    queued -= 1;
  }

  /** Makes room for one more call of this caller at the cost of whoever has more in the queue; false when nobody has. */
  function makeRoom(caller: string): boolean {
    const own = shares.get(caller)?.line.size() ?? 0;
    let largest: Share | null = null;
    for (const share of shares.values()) if (!largest || share.line.size() > largest.line.size()) largest = share;
    const last = largest !== null && largest.line.size() > own + 1 ? largest.line.last() : null;
    if (largest === null || last === null) return false;
    stepOut(last, largest);
    if (last.exits.size > 0) return true;
    queued -= 1;
    last.waiting.refuse();
    return true;
  }

  return {
    take: () => {
      if (taken >= most) return false;
      taken += 1;
      return true;
    },
    wait: (caller, waiting) => {
      const entry: Entry = { waiting, exits: new Map() };
      if (places >= mostWaiting && !makeRoom(caller)) {
        waiting.refuse();
        return { leave: () => {}, share: () => {} };
      }
      stand(entry, caller);
      queued += 1;
      return {
        leave: () => remove(entry),
        share: (other) => {
          const share = shares.get(other);
          if (entry.exits.size === 0 || (share && entry.exits.has(share))) return;
          // The room may have been made at the cost of this very call.
          if ((places < mostWaiting || makeRoom(other)) && entry.exits.size > 0) stand(entry, other);
        },
      };
    },
    // A slot goes from hand to hand: nobody who comes later can slip in between.
    release: () => {
      const share = round.shift();
      const entry = share?.line.first() ?? null;
      if (!share || !entry) {
        taken -= 1;
        return;
      }
      share.leaveRound = round.join(share);
      remove(entry);
      entry.waiting.start();
    },
    inFlight: () => taken,
    queued: () => queued,
  };
}
