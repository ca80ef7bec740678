import type { Fault } from "../../demo/server.ts";

const longestMs = 600_000;

/** Reads `down`, `slow:<ms>`, `throttle`, `html`, `malformed`, `flaky:<percent>` or `empty`; null for anything else. */
export function readFault(text: string): Fault | null {
  const [, word, number] = /^([a-z]+)(?::(\d{1,6}))?$/.exec(text) ?? [];
  if (number !== undefined) {
    const amount = Number(number);
    if (word === "slow" && amount <= longestMs) return { kind: "slow", ms: amount };
    if (word === "flaky" && amount <= 100) return { kind: "flaky", percent: amount };
    return null;
  }
  switch (word) {
    case "down":
    case "throttle":
    case "html":
    case "malformed":
    case "empty":
      return { kind: word };
    default:
      return null;
  }
}
