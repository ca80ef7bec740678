import { Lru } from "../model/lru.ts";

/**
 * What one attempt shows about the server. `ANSWERED`: it answered, whatever the answer. `UNREACHABLE`: no connection
 * could be made, so what was asked is not the reason. `SILENT`: the request was sent, and was reset, not answered in
 * time, or answered by a proxy (502 to 504). `INCONCLUSIVE`: nothing was sent, or the call was cancelled.
 */
export type Evidence = "ANSWERED" | "UNREACHABLE" | "SILENT" | "INCONCLUSIVE";

/** `half-open`: one call in flight, the trial, decides whether the server is back. */
export type CircuitState = "closed" | "open" | "half-open";

/**
 * The right to send one call. `record` takes the outcome of the call to `target` (operation and path). True: a health
 * check has to be sent, and its evidence passed to {@link Circuit.conclude}.
 */
export interface Permit {
  readonly record: (evidence: Evidence, target: string) => boolean;
}

/** When a circuit opens, and for how long. */
export interface CircuitSettings {
  readonly failures: number;
  readonly coolDownMs: number;
  /** True: silence opens it only when the check meets silence too. False: only at two different targets. */
  readonly hasCheck: boolean;
}

/** Marks silences at several different targets. */
const severalTargets = Symbol("several targets");

/** A circuit breaker, which sends nothing itself. It is the permit of every call but a trial. */
export class Circuit implements Permit {
  readonly #settings: CircuitSettings;
  readonly #now: () => number;
  state: CircuitState = "closed";
  /** Silences since the last answer, and where they were met. */
  #silences = 0;
  #target: string | typeof severalTargets | null = null;
  #openUntil = 0;
  #isChecking = false;
  /** The call that a half-open circuit has let through; its promise settles when it has been decided. */
  #trial: (Permit & { isSilent: boolean; readonly decided: PromiseWithResolvers<void> }) | null = null;

  constructor(settings: CircuitSettings, now: () => number = () => performance.now()) {
    this.#settings = settings;
    this.#now = now;
  }

  /** Whether calls are refused now. Asking starts no trial. */
  isRefusing(): boolean {
    return this.state === "open" && this.#now() < this.#openUntil;
  }

  /** True for a circuit without recorded silences, which is as good as new. */
  isClear(): boolean {
    return this.state === "closed" && this.#silences === 0;
  }

  /** Settles when the trial has been decided; at once when there is none. */
  settled(): Promise<void> {
    return this.#trial?.decided.promise ?? Promise.resolve();
  }

  /** A permit to send one call; `WAIT` while a trial is in flight; `REFUSED` while the circuit is open. */
  acquire(): Permit | "WAIT" | "REFUSED" {
    if (this.state === "closed") return this;
    if (this.state === "half-open") return "WAIT";
    return this.isRefusing() ? "REFUSED" : this.#startTrial();
  }

  record(evidence: Evidence, target: string): boolean {
    const { failures, hasCheck } = this.#settings;
    // An answer proves that the server is there, whenever its request was sent.
    if (evidence === "ANSWERED") return this.#close();
    if (this.state !== "closed" || evidence === "INCONCLUSIVE") return false;
    this.#silences += 1;
    const isOther = evidence === "UNREACHABLE" || (this.#target !== null && this.#target !== target);
    this.#target = isOther ? severalTargets : target;
    if (this.#silences < failures) return false;
    if (evidence === "SILENT" && hasCheck) return this.#requestCheck();
    return this.#target === severalTargets || failures === 1 ? this.#open() : false;
  }

  conclude(evidence: Evidence): void {
    this.#isChecking = false;
    if (evidence === "ANSWERED") this.#close();
    else if (this.#trial !== null) {
      // A check that was sent before the trial began decides nothing.
      if (this.#trial.isSilent) this.#open();
    }
    // Another call may have been answered meanwhile.
    else if (this.state === "closed" && this.#silences >= this.#settings.failures && evidence !== "INCONCLUSIVE") {
      this.#open();
    }
  }

  #startTrial(): Permit {
    const trial = {
      isSilent: false,
      decided: Promise.withResolvers<void>(),
      record: (evidence: Evidence, target: string) => {
        // It may have been decided without this call.
        if (trial !== this.#trial || evidence === "ANSWERED") return this.record(evidence, target);
        if (evidence === "SILENT" && this.#settings.hasCheck) {
          trial.isSilent = true;
          return this.#requestCheck();
        }
        // A call that was cancelled before the answer proves nothing: the next call is the trial.
        return evidence === "INCONCLUSIVE" ? this.#become("open") : this.#open();
      },
    };
    this.#trial = trial;
    this.state = "half-open";
    return trial;
  }

  #open(): false {
    this.#openUntil = this.#now() + this.#settings.coolDownMs;
    return this.#become("open");
  }

  #close(): false {
    this.#silences = 0;
    this.#target = null;
    return this.#become("closed");
  }

  #become(state: "closed" | "open"): false {
    this.state = state;
    this.#trial?.decided.resolve();
    this.#trial = null;
    return false;
  }

  #requestCheck(): boolean {
    const isFirst = !this.#isChecking;
    this.#isChecking = true;
    return isFirst;
  }
}

/** What a call passes before it is sent. */
export type Gate = Pick<Circuit, "isRefusing" | "acquire" | "settled" | "conclude">;

/** Credentials of callers with recorded silences; the least recently used one is evicted. */
const maxCredentials = 1024;

/**
 * The circuits of one backend: one for the server, and one for each caller's own credential with recorded silences. A
 * server that is silent to one credential is refused to that credential alone.
 */
export class Circuits {
  /** Shows whether the server can be reached; without credentials of callers, whether it answers as well. */
  readonly server: Circuit;
  readonly #settings: CircuitSettings;
  readonly #troubled = new Lru<Circuit>({
    maxEntries: maxCredentials,
    // A call that waits for the trial of an evicted circuit goes on.
    onEvict: (circuit) => circuit.conclude("ANSWERED"),
  });

  constructor(settings: CircuitSettings) {
    this.#settings = settings;
    this.server = new Circuit(settings);
  }

  stateOf(credential: string): CircuitState {
    return this.#troubled.get(credential)?.state ?? "closed";
  }

  openCredentials(): number {
    return [...this.#troubled.values()].filter((circuit) => circuit.isRefusing()).length;
  }

  /** The gate for calls with a caller's own credential (its fingerprint); null where none is sent. */
  gateFor(credential: string | null): Gate {
    if (credential === null) return this.server;
    const { server } = this;
    const current = () => this.#troubled.get(credential);
    return {
      isRefusing: () => server.isRefusing() || current()?.isRefusing() === true,
      settled: () => (server.state === "half-open" ? server.settled() : (current()?.settled() ?? Promise.resolve())),
      acquire: () => this.#acquire(credential),
      conclude: (evidence) => {
        const circuit = current();
        circuit?.conclude(evidence);
        if (circuit) this.#store(credential, circuit);
      },
    };
  }

  #acquire(credential: string): Permit | "WAIT" | "REFUSED" {
    const byServer = this.server.acquire();
    if (typeof byServer === "string") return byServer;
    const circuit = this.#troubled.get(credential);
    const byCredential = circuit?.acquire() ?? null;
    if (typeof byCredential === "string") {
      byServer.record("INCONCLUSIVE", "");
      return byCredential;
    }
    return {
      record: (evidence, target) => {
        // A server that is silent to this credential was reached; one that cannot be reached shows nothing about it.
        byServer.record(evidence === "SILENT" ? "ANSWERED" : evidence, target);
        const own = evidence === "UNREACHABLE" ? "INCONCLUSIVE" : evidence;
        const isTrial = byCredential !== null && byCredential !== circuit;
        // A trial belongs to its circuit; any other outcome to the one that the credential has by now.
        const recorded = (isTrial ? circuit : this.#troubled.get(credential)) ?? new Circuit(this.#settings);
        const isCheckDue = (isTrial ? byCredential : recorded).record(own, target);
        if (!isTrial || this.#troubled.get(credential) === circuit) this.#store(credential, recorded);
        return isCheckDue;
      },
    };
  }

  /** Stores a circuit while it has recorded silences, so that sound credentials cost nothing. */
  #store(credential: string, circuit: Circuit): void {
    if (circuit.isClear()) this.#troubled.delete(credential);
    else this.#troubled.set(credential, circuit);
  }
}
