import type { CallerFacts } from "../../graph/context.ts";

/** Equal questions that are under way at the same moment get the answer of one run; nothing is kept once it is there. */
export interface SharedAnswers<Q, A> {
  /** A place in the run of this key; null when there is none, or none that takes anybody aboard any more. */
  readonly board: (key: string) => Boarding<Q, A> | null;
  /** Begins a run that others may board. */
  readonly lead: (key: string, question: Q) => Lead<A>;
  /** Something is about to change, or has changed: whoever asks from now on boards nothing that began before. */
  readonly outdate: () => void;
}

/** One asker's place in the run of another. */
export interface Boarding<Q, A> {
  /** What the first asker had made of the question. */
  readonly question: Q;
  /** The answer; null when there is none to share. Never rejects. */
  readonly landed: Promise<A | null>;
  /** This asker waits no longer. To be called once; does nothing when the run has landed. */
  readonly leave: () => void;
}

/** The part of the first asker. */
export interface Lead<A> {
  /** Hands the answer to all aboard; null: each of them has to ask for itself. The first word counts. */
  readonly land: (answer: A | null) => void;
  /** The first asker waits no longer: `end` is called as soon as nobody does. */
  readonly leave: (end: () => void) => void;
}

interface Run<Q, A> {
  readonly question: Q;
  readonly startedAt: number;
  /** How often something had changed when it began. */
  readonly era: number;
  readonly aboard: ((answer: A | null) => void)[];
  /** Those aboard who have not left. */
  waiting: number;
  /** Ends it; set when the first asker has left. */
  end: (() => void) | null;
  /** Set as soon as somebody is aboard. */
  timer: NodeJS.Timeout | null;
}

interface Slot<Q, A> {
  run: Run<Q, A> | null;
}

/**
 * None under way. No run is shared for longer than `patienceMs`: it takes nobody aboard then, and lets go who waits. So
 * an asker loses at most that much of its time to a run that comes to nothing.
 */
export function createSharedAnswers<Q, A>(patienceMs: number): SharedAnswers<Q, A> {
  // What lies in the map is a slot that is emptied: tables that a map has outgrown hold on to their values.
  const open = new Map<string, Slot<Q, A>>();
  let era = 0;

  function land(key: string, slot: Slot<Q, A>, answer: A | null): void {
    const { run } = slot;
    if (run === null) return;
    slot.run = null;
    // A later run may have taken the key.
    if (open.get(key) === slot) open.delete(key);
    if (run.timer !== null) clearTimeout(run.timer);
    for (const arrive of run.aboard) arrive(answer);
    // Whoever asks for itself now finds the calls still under way.
    if (run.end !== null) setImmediate(run.end);
  }

  return {
    board: (key) => {
      const slot = open.get(key);
      const run = slot?.run;
      if (!slot || !run || run.era !== era) return null;
      const leftMs = run.startedAt + patienceMs - performance.now();
      if (leftMs <= 0) return null;
      const landed = new Promise<A | null>((resolve) => void run.aboard.push(resolve));
      run.waiting += 1;
      const leave = () => {
        run.waiting -= 1;
        if (run.waiting === 0 && run.end !== null) land(key, slot, null);
      };
      run.timer ??= setTimeout(() => land(key, slot, null), leftMs).unref();
      return { question: run.question, landed, leave };
    },
    lead: (key, question) => {
      const run: Run<Q, A> = {
        question,
        startedAt: performance.now(),
        era,
        aboard: [],
        waiting: 0,
        end: null,
        timer: null,
      };
      const slot: Slot<Q, A> = { run };
      open.set(key, slot);
      const leave = (end: () => void) => {
        if (slot.run !== null && run.waiting > 0) {
          run.end = end;
          return;
        }
        land(key, slot, null);
        end();
      };
      return { land: (answer) => land(key, slot, answer), leave };
    },
    outdate: () => {
      era += 1;
    },
  };
}

/** Everything beside the question itself that an answer can depend on. */
export interface Asker {
  readonly caller: CallerFacts;
  /** Type of the answer. */
  readonly type: string;
  /** The caller's own credentials for backends, by header; null for none. */
  readonly credentials: Credentials | null;
}

/** Names and values of headers. */
export type Credentials = readonly (readonly [name: string, value: string])[];

/** Longer questions are not compared, so that what is under way stays small however many ask. */
const longestQuestion = 16_384;

/** Tells by text whether two requests ask the same as the same. */
export interface KeyMaker {
  /** Null for what is not shared. */
  readonly of: (asker: Asker, body: Buffer) => string | null;
}

/** Makes keys; it remembers the last caller, as nameless callers are one and the same. */
export function createKeyMaker(): KeyMaker {
  let last: { readonly caller: CallerFacts; readonly text: string } | null = null;
  const identityOf = (caller: CallerFacts): string => {
    if (last?.caller !== caller) last = { caller, text: printCaller(caller) };
    return last.text;
  };
  return {
    of: ({ caller, type, credentials }, body) => {
      if (body.length > longestQuestion) return null;
      const own = credentials === null ? "" : JSON.stringify(credentials);
      // JSON holds no line break, so neither line can be mistaken for the next; each byte of the body is one character.
      return `${type}\n${identityOf(caller)}\n${own}\n${body.toString("latin1")}`;
    },
  };
}

/** All of a caller. A fact that is added to `CallerFacts` has to be added here: it may change what they are told. */
function printCaller({ name, scopes, access }: CallerFacts): string {
  const facts: { readonly [K in keyof CallerFacts]-?: unknown } = { name, scopes: [...scopes].sort(), access };
  return JSON.stringify(facts);
}
