import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Circuit, type Evidence, type Permit } from "../../src/upstream/circuit.ts";

const failures = 3;
const coolDownMs = 100;

interface Sent {
  readonly path: string;
  readonly permit: Permit;
}

/** The circuit under test, and its clock. */
interface Real {
  readonly circuit: Circuit;
  readonly clock: { now: number };
}

/** What is expected, kept as plain lists of what has happened. */
interface Model {
  readonly hasCheck: boolean;
  now: number;
  /** When it opened; null while it is closed. */
  openedAt: number | null;
  /** The call that decides; null when there is none. */
  trial: Sent | null;
  /** Whether it has met silence, so that the server is asked before it is decided. */
  trialIsSilent: boolean;
  /** Silences since the last answer: the path, or null for a server that could not be reached. */
  silences: (string | null)[];
  checking: boolean;
  underWay: Sent[];
}

function stateOf({ openedAt, trial }: Model): string {
  if (openedAt === null) return "closed";
  return trial === null ? "open" : "half-open";
}

function answered(model: Model): void {
  model.openedAt = null;
  model.trial = null;
  model.silences = [];
}

function opened(model: Model): void {
  model.openedAt = model.now;
  model.trial = null;
}

/** What an outcome changes; whether the server has to be asked. */
function happened(model: Model, sent: Sent, evidence: Evidence): boolean {
  if (evidence === "ANSWERED") answered(model);
  else if (model.trial === sent) {
    if (evidence === "SILENT" && model.hasCheck) {
      model.trialIsSilent = true;
      return true;
    }
    // Nothing was proved: still open since then, and the next call is the trial.
    if (evidence === "INCONCLUSIVE") model.trial = null;
    else opened(model);
  } else if (model.openedAt === null && evidence !== "INCONCLUSIVE") {
    model.silences.push(evidence === "SILENT" ? sent.path : null);
    if (model.silences.length < failures) return false;
    if (evidence === "SILENT" && model.hasCheck) return true;
    const isOnePath = model.silences.every((path) => path !== null && path === model.silences[0]);
    if (!isOnePath) opened(model);
  }
  return false;
}

type Command = fc.Command<Model, Real>;

const begin = (path: string): Command => ({
  check: () => true,
  run: (model, { circuit }) => {
    const isCooling = model.openedAt !== null && model.now < model.openedAt + coolDownMs;
    expect(circuit.isRefusing()).toBe(isCooling && model.trial === null);
    const decision = circuit.acquire();
    const isTrial = model.openedAt !== null && model.trial === null && !isCooling;
    if (model.trial !== null) expect(decision).toBe("WAIT");
    else if (isCooling) expect(decision).toBe("REFUSED");
    else expect(typeof decision).toBe("object");
    if (typeof decision === "string") return;
    const sent: Sent = { path, permit: decision };
    model.underWay.push(sent);
    if (isTrial) {
      model.trial = sent;
      model.trialIsSilent = false;
    }
    expect(circuit.state).toBe(stateOf(model));
  },
  toString: () => `begin ${path}`,
});

const end = (at: number, evidence: Evidence): Command => ({
  check: ({ underWay }) => underWay.length > 0,
  run: (model, { circuit }) => {
    const [sent] = model.underWay.splice(at % model.underWay.length, 1);
    if (!sent) throw new Error("nothing is under way");
    const wanted = happened(model, sent, evidence) && !model.checking;
    expect(sent.permit.record(evidence, sent.path)).toBe(wanted);
    if (wanted) model.checking = true;
    expect(circuit.state).toBe(stateOf(model));
  },
  toString: () => `end ${at} ${evidence}`,
});

const concludes = (evidence: Evidence): Command => ({
  check: ({ checking }) => checking,
  run: (model, { circuit }) => {
    model.checking = false;
    if (evidence === "ANSWERED") answered(model);
    else if (model.trial !== null && model.trialIsSilent) opened(model);
    else if (model.openedAt === null && model.silences.length >= failures && evidence !== "INCONCLUSIVE") opened(model);
    circuit.conclude(evidence);
    expect(circuit.state).toBe(stateOf(model));
  },
  toString: () => `check ${evidence}`,
});

const wait = (ms: number): Command => ({
  check: () => true,
  run: (model, { clock }) => {
    model.now += ms;
    clock.now += ms;
  },
  toString: () => `wait ${ms}`,
});

const evidence = fc.constantFrom<Evidence>("ANSWERED", "SILENT", "SILENT", "SILENT", "UNREACHABLE", "INCONCLUSIVE");
const commands = fc.commands(
  [
    fc.constantFrom("/a", "/b", "/c").map(begin),
    fc.tuple(fc.nat(9), evidence).map(([at, one]) => end(at, one)),
    fc.tuple(fc.nat(9), evidence).map(([at, one]) => end(at, one)),
    evidence.map(concludes),
    fc.constantFrom(10, 60, coolDownMs).map(wait),
  ],
  { maxCommands: 200, size: "max" },
);

describe.each([true, false])("a circuit breaker (with a question of its own: %s)", (hasCheck) => {
  test("does what a naive list of what has happened says, whatever servers and callers do", () => {
    fc.assert(
      fc.property(commands, (steps) => {
        const clock = { now: 0 };
        const circuit = new Circuit({ failures, coolDownMs, hasCheck }, () => clock.now);
        const model: Model = {
          hasCheck,
          now: 0,
          openedAt: null,
          trial: null,
          trialIsSilent: false,
          silences: [],
          checking: false,
          underWay: [],
        };
        fc.modelRun(() => ({ model, real: { circuit, clock } }), steps);
      }),
      { numRuns: 500 },
    );
  });
});

test("callers who choose what to ask, and when to leave, cannot open a circuit whose server answers", () => {
  const step = fc.tuple(fc.string(), fc.constantFrom<Evidence>("SILENT", "INCONCLUSIVE", "ANSWERED"), fc.nat(200));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const clock = { now: 0 };
      const circuit = new Circuit({ failures, coolDownMs, hasCheck: true }, () => clock.now);
      for (const [path, evidence, ms] of steps) {
        clock.now += ms;
        const permit = circuit.acquire();
        if (typeof permit === "string") throw new Error(`${permit} after ${JSON.stringify(steps)}`);
        if (permit.record(evidence, path)) circuit.conclude("ANSWERED");
      }
    }),
  );
});
