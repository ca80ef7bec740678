import { setImmediate as nextTurn } from "node:timers/promises";

/** Characters that are printed in one turn of the event loop. */
export const charactersATurn = 1_048_576;
/** Lists and objects within each other that are printed piece by piece; what lies deeper is one piece. */
const piecewise = 7;

/** What `JSON.stringify` prints of plain data, in as many turns of the event loop as it takes. */
export async function printInTurns(value: unknown): Promise<string> {
  const pieces: string[] = [];
  let left = charactersATurn;
  for (const piece of piecesOf(value, piecewise)) {
    pieces.push(piece);
    left -= piece.length;
    if (left > 0) continue;
    left = charactersATurn;
    await nextTurn();
  }
  return pieces.join("");
}

function* piecesOf(value: unknown, depth: number): Generator<string> {
  if (depth === 0 || typeof value !== "object" || value === null || "toJSON" in value) {
    yield JSON.stringify(value) ?? "null";
    return;
  }
  if (Array.isArray(value)) {
    let mark = "[";
    for (const one of value) {
      yield mark;
      yield* piecesOf(one, depth - 1);
      mark = ",";
    }
    yield value.length === 0 ? "[]" : "]";
    return;
  }
  let mark = "{";
  for (const [name, one] of Object.entries(value)) {
    if (one === undefined) continue;
    yield `${mark}${JSON.stringify(name)}:`;
    yield* piecesOf(one, depth - 1);
    mark = ",";
  }
  yield mark === "{" ? "{}" : "}";
}
