import { Lru } from "../model/lru.ts";
import { type Circuit, type CircuitSettings, type CircuitState, createCircuit, type Evidence } from "./circuit.ts";

/** Who lets a call through, or does not. */
export type Gate = Pick<Circuit, "isRefusing" | "admit" | "settled" | "conclude">;

/** The circuits of one backend. */
export interface Circuits {
  /** Tells whether the server can be reached; without credentials of callers, whether it answers as well. */
  readonly server: Circuit;
  /**
   * The gate for calls with this credential of a caller (its fingerprint); null where no caller's credential is sent.
   * A server that is silent to one credential is refused to that credential alone.
   */
  readonly gateFor: (credential: string | null) => Gate;
  readonly stateOf: (credential: string) => CircuitState;
  /** Credentials that are refused now. */
  readonly openCredentials: () => number;
}

/** Credentials of callers with recorded silences; the least recently used one is evicted. */
const maxCredentials = 1024;

/** Closed circuits; `now` is a clock in milliseconds that never goes back. */
export function createCircuits(settings: CircuitSettings, now?: () => number): Circuits {
  const server = createCircuit(settings, now);
  const troubled = new Lru<Circuit>({
    maxEntries: maxCredentials,
    // A call that waits for the trial of an evicted circuit goes on.
    onEvict: (circuit) => circuit.conclude("ANSWERED"),
  });

  /** Keeps the circuit of a credential while something is held against it, so that the sound ones cost nothing. */
  function keep(credential: string, circuit: Circuit): void {
    if (circuit.isClear()) troubled.delete(credential);
    else troubled.set(credential, circuit);
  }

  /** Takes it down in the circuit that the credential has by then, and begins one where something is held against it. */
  function record(credential: string, evidence: Evidence, target: string): boolean {
    const circuit = troubled.get(credential) ?? createCircuit(settings, now);
    const isToCheck = circuit.record(evidence, target);
    keep(credential, circuit);
    return isToCheck;
  }

  function gateOf(credential: string): Gate {
    const known = () => troubled.get(credential);
    return {
      isRefusing: () => server.isRefusing() || known()?.isRefusing() === true,
      settled: () => (server.state() === "half-open" ? server.settled() : (known()?.settled() ?? Promise.resolve())),
      admit: () => {
        const reached = server.admit();
        if (typeof reached === "string") return reached;
        const circuit = known();
        const answered = circuit?.admit() ?? null;
        if (typeof answered === "string") {
          reached.record("NOTHING", "");
          return answered;
        }
        return {
          record: (evidence, target) => {
            // Whoever was silent to this credential was reached, and what cannot be reached says nothing of a credential.
            reached.record(evidence === "SILENT" ? "ANSWERED" : evidence, target);
            const own = evidence === "UNREACHABLE" ? "NOTHING" : evidence;
            if (!circuit || !answered || answered === circuit) return record(credential, own, target);
            const isToCheck = answered.record(own, target);
            if (known() === circuit) keep(credential, circuit);
            return isToCheck;
          },
        };
      },
      conclude: (evidence) => {
        const circuit = known();
        circuit?.conclude(evidence);
        if (circuit) keep(credential, circuit);
      },
    };
  }

  return {
    server,
    gateFor: (credential) => (credential === null ? server : gateOf(credential)),
    stateOf: (credential) => troubled.get(credential)?.state() ?? "closed",
    openCredentials: () => [...troubled.values()].filter((circuit) => circuit.isRefusing()).length,
  };
}
