import type { Answer } from "../../src/backends/answers.ts";

/** The value of an answer, null where its absence was proved; throws where nobody could say. */
export function valueIn<T>(answer: Answer<T>): T | null {
  if (answer.kind === "UNKNOWN") throw answer.failure ?? new Error(`nobody could say: ${answer.reason}`);
  return answer.kind === "FOUND" ? answer.value : null;
}

/** The value of an answer that must have been found; throws for any other. */
export function foundIn<T>(answer: Answer<T>): T {
  if (answer.kind !== "FOUND") throw new Error(`not found: ${JSON.stringify(answer)}`);
  return answer.value;
}
