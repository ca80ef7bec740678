/**
 * What one attempt tells about the server. `ANSWERED`: it answered, whatever it said. `UNREACHABLE`: no connection came
 * about, so nothing that was asked can be the reason. `SILENT`: the request was sent, and was reset, not answered in
 * time, or answered for by a proxy (502 to 504). `NOTHING`: nothing was sent, or nobody waited for the answer.
 */
export type Evidence = "ANSWERED" | "UNREACHABLE" | "SILENT" | "NOTHING";

/** `half-open`: one call is under way that decides whether the server is back. */
export type CircuitState = "closed" | "open" | "half-open";

/** A call that may be sent now. */
export interface Pass {
  /**
   * Takes down what came of the call to `target` (operation and path). True: the server has to be checked before more is
   * decided, and {@link Circuit.conclude} told what came of that.
   */
  readonly record: (evidence: Evidence, target: string) => boolean;
}

/** `WAIT` until the one call that a half-open circuit lets through has come back; `REFUSED` while the circuit is open. */
export type Admission = Pass | "WAIT" | "REFUSED";

/** When a circuit opens, and for how long. */
export interface CircuitSettings {
  /** Silences in a row. */
  readonly failures: number;
  readonly coolDownMs: number;
  /**
   * Whether the server can be asked something that no caller has written: then silence opens the circuit only when that
   * question meets silence too. Without it, silence has to be seen at two different targets.
   */
  readonly hasCheck: boolean;
}

/**
 * A circuit breaker: it decides by what is recorded, and sends nothing itself. It is the pass of every call but a trial.
 */
export interface Circuit extends Pass {
  readonly state: () => CircuitState;
  /** Whether calls are refused now. A look that takes no trial. */
  readonly isRefusing: () => boolean;
  /** Asks to send one call; who is let through has to record what came of it. */
  readonly admit: () => Admission;
  /** Settles when the trial under way has been decided; at once when there is none. */
  readonly settled: () => Promise<void>;
  /** Takes down what came of the check. */
  readonly conclude: (evidence: Evidence) => void;
  /** Whether nothing is held against the server: a circuit as good as new. */
  readonly isClear: () => boolean;
}

/** Several different targets were silent. */
const different = Symbol("different targets");

/** A closed circuit; `now` is a clock in milliseconds that never goes back. */
export function createCircuit(
  { failures, coolDownMs, hasCheck }: CircuitSettings,
  now: () => number = () => performance.now(),
): Circuit {
  let state: CircuitState = "closed";
  /** Silences since the last answer, and where they were met. */
  let silences = 0;
  let target: string | typeof different | null = null;
  let openUntil = 0;
  let isChecking = false;
  /** The call that a half-open circuit has let through; its promise settles when it has been decided. */
  let trial: (Pass & { isSilent: boolean; readonly decided: PromiseWithResolvers<void> }) | null = null;

  function become(next: "closed" | "open"): void {
    state = next;
    trial?.decided.resolve();
    trial = null;
  }

  function close(): boolean {
    silences = 0;
    target = null;
    become("closed");
    return false;
  }

  function open(): boolean {
    openUntil = now() + coolDownMs;
    become("open");
    return false;
  }

  /** Asks for a check, unless one is under way. */
  function check(): boolean {
    const isFirst = !isChecking;
    isChecking = true;
    return isFirst;
  }

  function record(evidence: Evidence, at: string): boolean {
    // An answer proves that the server is there, whenever its question was sent.
    if (evidence === "ANSWERED") return close();
    if (state !== "closed" || evidence === "NOTHING") return false;
    silences += 1;
    target = evidence === "UNREACHABLE" || (target !== null && target !== at) ? different : at;
    if (silences < failures) return false;
    if (evidence === "SILENT" && hasCheck) return check();
    return target === different || failures === 1 ? open() : false;
  }

  function startTrial(): Pass {
    const own = {
      isSilent: false,
      decided: Promise.withResolvers<void>(),
      record: (evidence: Evidence, at: string) => {
        // It may have been decided without this call.
        if (own !== trial || evidence === "ANSWERED") return record(evidence, at);
        if (evidence === "SILENT" && hasCheck) {
          own.isSilent = true;
          return check();
        }
        // Who left before the answer has proved nothing: the next call is the trial.
        if (evidence === "NOTHING") become("open");
        else open();
        return false;
      },
    };
    trial = own;
    state = "half-open";
    return own;
  }

  const circuit: Circuit = {
    record,
    state: () => state,
    isRefusing: () => state === "open" && now() < openUntil,
    isClear: () => state === "closed" && silences === 0,
    settled: () => trial?.decided.promise ?? Promise.resolve(),
    admit: () => {
      if (state === "closed") return circuit;
      if (state === "half-open") return "WAIT";
      return now() < openUntil ? "REFUSED" : startTrial();
    },
    conclude: (evidence) => {
      isChecking = false;
      if (evidence === "ANSWERED") close();
      else if (trial !== null) {
        // Asked before the trial began, it decides nothing.
        if (trial.isSilent) open();
      }
      // An answer to somebody else's question may have come meanwhile.
      else if (state === "closed" && silences >= failures && evidence !== "NOTHING") open();
    },
  };
  return circuit;
}
