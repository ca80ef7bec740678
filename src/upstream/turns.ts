import { createLine } from "./line.ts";

/** Lets work begin in small portions: questions, and the reading of large answers. */
export interface Turns {
  /** Null: it may begin now. Else resolves when it may; first come, first served. */
  readonly take: (cost: number) => Promise<void> | null;
}

/**
 * In each turn of the event loop questions begin that are worth `portion` together, or one that is worth more. While
 * there is time to spare nobody notices: the next turn comes at once. When there is none, each turn brings answers from
 * backends for questions that have begun, and these are worked off before much is begun beside them: a few questions
 * half done take less memory, and their answers come sooner, than all of them half done.
 */
export function createTurns(portion: number): Turns {
  const waiting = createLine<{ readonly cost: number; readonly begin: () => void }>();
  let left = portion;
  let isTurning = false;

  function awaitTurn(): void {
    if (isTurning) return;
    isTurning = true;
    setImmediate(turn);
  }

  function turn(): void {
    isTurning = false;
    left = portion;
    for (let next = waiting.first(); next !== null && left > 0; next = waiting.first()) {
      waiting.shift();
      left -= next.cost;
      next.begin();
    }
    // Whoever comes before the next turn shares what is left of this one.
    if (left < portion) awaitTurn();
  }

  return {
    take: (cost) => {
      awaitTurn();
      if (left > 0 && waiting.size() === 0) {
        left -= cost;
        return null;
      }
      return new Promise((begin) => void waiting.join({ cost, begin }));
    },
  };
}
