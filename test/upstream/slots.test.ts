import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairSlots, type Ticket } from "../../src/upstream/resilience.ts";

/** A call that wants a slot, and what has become of it. */
interface Job {
  readonly name: string;
  state: "waiting" | "running" | "refused" | "left" | "done";
  readonly ticket: Ticket | null;
}

function job(slots: FairSlots, caller: string, name = caller, order: string[] = []): Job {
  const one = { name, state: "waiting", ticket: null } as { -readonly [K in keyof Job]: Job[K] };
  const start = () => {
    one.state = "running";
    order.push(name);
  };
  if (slots.tryAcquire()) start();
  else {
    one.ticket = slots.enqueue(caller, {
      start,
      refuse: () => {
        one.state = "refused";
      },
    });
  }
  return one;
}

describe("slots", () => {
  test("so many run at once, those of one caller in the order they came", () => {
    const slots = new FairSlots(2, 10);
    const jobs = Array.from({ length: 4 }, () => job(slots, "a"));
    expect(jobs.map(({ state }) => state)).toEqual(["running", "running", "waiting", "waiting"]);
    expect([slots.inFlight, slots.queued]).toEqual([2, 2]);
    slots.release();
    expect(jobs.map(({ state }) => state)).toEqual(["running", "running", "running", "waiting"]);
    for (let times = 0; times < 3; times++) slots.release();
    expect([slots.inFlight, slots.queued]).toEqual([0, 0]);
  });

  test("go round the callers: one with hundreds of calls does not keep another's single call waiting", () => {
    const slots = new FairSlots(8, 512);
    const order: string[] = [];
    for (let times = 0; times < 190; times++) job(slots, "greedy", "greedy", order);
    const modest = job(slots, "modest", "modest", order);
    slots.release();
    slots.release();
    expect(modest.state).toBe("running");
    expect(order.slice(8)).toEqual(["greedy", "modest"]);
  });

  test("a caller who overflows the queue is refused itself, and no other is", () => {
    const slots = new FairSlots(8, 512);
    const greedy = Array.from({ length: 570 }, () => job(slots, "greedy"));
    expect(greedy.filter(({ state }) => state === "refused")).toHaveLength(570 - 8 - 512);
    const modest = Array.from({ length: 20 }, (_, index) => job(slots, `caller-${index}`));
    expect(modest.map(({ state }) => state)).toEqual(Array.from({ length: 20 }, () => "waiting"));
    // Its newest calls made room, and the queue is as full as it may be.
    expect(greedy.slice(500, 520).map(({ state }) => state)).toEqual(Array.from({ length: 20 }, () => "refused"));
    expect(slots.queued).toBe(512);
  });

  test("who has as much in the queue as anybody else is refused when it is full", () => {
    const slots = new FairSlots(1, 4);
    job(slots, "running");
    const first = ["a", "b", "c", "d"].map((caller) => job(slots, caller));
    expect(job(slots, "e").state).toBe("refused");
    expect(first.map(({ state }) => state)).toEqual(["waiting", "waiting", "waiting", "waiting"]);
  });

  test("a caller that gives up leaves the queue at that moment and never starts", () => {
    const slots = new FairSlots(1, 2);
    job(slots, "a");
    const gone = [job(slots, "b"), job(slots, "b")];
    for (const { ticket } of gone) ticket?.cancel();
    expect(slots.queued).toBe(0);
    // Its room in the queue is free for the living.
    const patient = [job(slots, "c"), job(slots, "d")];
    slots.release();
    expect([...gone, ...patient].map(({ state }) => state)).toEqual(["waiting", "waiting", "running", "waiting"]);
  });

  test("a call that others wait for too starts in the first free slot of its callers, once", () => {
    const slots = new FairSlots(1, 100);
    job(slots, "running");
    for (let times = 0; times < 20; times++) job(slots, "greedy");
    const shared = job(slots, "greedy");
    shared.ticket?.addCaller("modest");
    shared.ticket?.addCaller("modest");
    expect(slots.queued).toBe(21);
    slots.release();
    slots.release();
    expect(shared.state).toBe("running");
    expect(slots.queued).toBe(19);
    for (let times = 0; times < 20; times++) slots.release();
    expect([slots.inFlight, slots.queued]).toEqual([0, 0]);
  });

  test("who waits for its own call already needs no more room for it", () => {
    const slots = new FairSlots(1, 4);
    job(slots, "running");
    const greedy = Array.from({ length: 4 }, () => job(slots, "greedy"));
    const modest = job(slots, "modest");
    modest.ticket?.addCaller("modest");
    expect(greedy.map(({ state }) => state)).toEqual(["waiting", "waiting", "waiting", "refused"]);
  });

  test("the overflow of one of those who wait for a call does not refuse it to the others", () => {
    const slots = new FairSlots(1, 4);
    job(slots, "running");
    for (let times = 0; times < 2; times++) job(slots, "greedy");
    const shared = job(slots, "greedy");
    shared.ticket?.addCaller("modest");
    const late = job(slots, "late");
    expect([shared.state, late.state]).toEqual(["waiting", "waiting"]);
    for (let times = 0; times < 2; times++) slots.release();
    expect(shared.state).toBe("running");
  });
});

/** The queue as a list of who waits, in the order they came, and of whose turn was when. */
interface Model {
  running: number;
  waiting: Job[];
  /** Callers who wait, next one first. */
  round: string[];
}

describe("the fair queue", () => {
  const most = 2;
  const mostWaiting = 5;
  interface Real {
    readonly slots: FairSlots;
    readonly jobs: Job[];
  }
  type Command = fc.Command<Model, Real>;
  const of = ({ waiting }: Model, caller: string) => waiting.filter(({ name }) => name === caller);
  const agree = (model: Model, { slots }: Real) => {
    model.round = model.round.filter((caller) => of(model, caller).length > 0);
    expect([slots.inFlight, slots.queued]).toEqual([model.running, model.waiting.length]);
  };
  const drop = (model: Model, one: Job) => model.waiting.splice(model.waiting.indexOf(one), 1);

  const ask = (caller: string): Command => ({
    check: () => true,
    run: (model, real) => {
      const counts = model.round.map((one) => ({ one, has: of(model, one).length }));
      const largest = counts.reduce((a, b) => (b.has > a.has ? b : a), { one: "", has: 0 });
      const isFull = model.running === most && model.waiting.length === mostWaiting;
      const asked = job(real.slots, caller);
      real.jobs.push(asked);
      if (model.running < most) {
        model.running += 1;
        expect(asked.state).toBe("running");
      } else if (isFull && largest.has <= of(model, caller).length + 1) {
        expect(asked.state).toBe("refused");
      } else {
        expect(asked.state).toBe("waiting");
        if (isFull) {
          const refused = model.waiting.filter(({ state }) => state === "refused");
          expect(refused).toHaveLength(1);
          const [victim] = refused;
          if (!victim) throw new Error("nobody made room");
          const all = of(model, victim.name);
          expect([all.length, all.at(-1)]).toEqual([largest.has, victim]);
          drop(model, victim);
        }
        model.waiting.push(asked);
        if (!model.round.includes(caller)) model.round.push(caller);
      }
      agree(model, real);
    },
    toString: () => `ask ${caller}`,
  });

  const release: Command = {
    check: ({ running }) => running > 0,
    run: (model, real) => {
      const caller = model.round.shift();
      const [next] = caller === undefined ? [] : of(model, caller);
      real.slots.release();
      if (caller === undefined || !next) model.running -= 1;
      else {
        expect(next.state).toBe("running");
        drop(model, next);
        model.round.push(caller);
      }
      expect(model.waiting.every(({ state }) => state === "waiting")).toBe(true);
      agree(model, real);
    },
    toString: () => "release",
  };

  const leave = (at: number): Command => ({
    check: ({ waiting }) => waiting.length > 0,
    run: (model, real) => {
      const one = model.waiting[at % model.waiting.length];
      if (!one) throw new Error("nobody waits");
      one.ticket?.cancel();
      one.ticket?.cancel();
      one.state = "left";
      drop(model, one);
      agree(model, real);
    },
    toString: () => `leave ${at}`,
  });

  test("starts, refuses and forgets as a naive list does, whatever callers do", () => {
    const commands = fc.commands(
      [fc.constantFrom("a", "a", "a", "b", "c", "d", "e", "f").map(ask), fc.constant(release), fc.nat(20).map(leave)],
      { maxCommands: 200, size: "max" },
    );
    fc.assert(
      fc.property(commands, (steps) => {
        const real: Real = { slots: new FairSlots(most, mostWaiting), jobs: [] };
        fc.modelRun(() => ({ model: { running: 0, waiting: [], round: [] }, real }), steps);
      }),
      { numRuns: 500 },
    );
  });
});
