import { type ASTNode, type DocumentNode, Kind, type SelectionSetNode } from "graphql";
import { badInputAt } from "../errors.ts";

/** Deepest nesting of selections, each fragment put where it is spread: whatever reads them calls itself for each level. */
const deepest = 256;

/** What stands in one operation or fragment. */
interface Level {
  /** Deepest nesting of its own selections. */
  readonly depth: number;
  /** Fragments that are spread in it, and how deep. */
  readonly spreads: readonly (readonly [name: string, depth: number])[];
}

/**
 * Refuses a document whose selections are nested too deeply through its fragments, which takes no brackets. Fragments that
 * spread themselves are left to validation. Throws BAD_USER_INPUT. Calls nothing of itself.
 */
export function checkNesting(document: DocumentNode): void {
  const levels = new Map<string, Level>();
  const all: [definition: ASTNode, level: Level][] = [];
  for (const definition of document.definitions) {
    if (!("selectionSet" in definition)) continue;
    const level = levelOf(definition.selectionSet);
    if (definition.kind === Kind.FRAGMENT_DEFINITION) levels.set(definition.name.value, level);
    all.push([definition, level]);
  }
  const depths = depthsOf(levels);
  for (const [definition, level] of all) {
    if (depthOf(level, depths) > deepest) {
      throw badInputAt(definition, `The document is nested deeper than ${deepest} levels.`);
    }
  }
}

function levelOf(set: SelectionSetNode): Level {
  const spreads: [name: string, depth: number][] = [];
  let most = 0;
  const open: [set: SelectionSetNode, depth: number][] = [[set, 1]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [{ selections }, depth] = next;
    most = Math.max(most, depth);
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) spreads.push([selection.name.value, depth]);
      else if (selection.selectionSet) open.push([selection.selectionSet, depth + 1]);
    }
  }
  return { depth: most, spreads };
}

/** The depth of each fragment with those that it spreads: a fragment is reckoned when all of them have been. */
function depthsOf(levels: ReadonlyMap<string, Level>): ReadonlyMap<string, number> {
  const depths = new Map<string, number>();
  const entered = new Set<string>();
  const open: { readonly name: string; readonly level: Level; looked: number }[] = [];
  const enter = (name: string) => {
    const level = levels.get(name);
    if (!level || entered.has(name)) return;
    entered.add(name);
    open.push({ name, level, looked: 0 });
  };
  for (const first of levels.keys()) {
    enter(first);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const spread = top.level.spreads[top.looked];
      top.looked += 1;
      if (spread) enter(spread[0]);
      else {
        depths.set(top.name, depthOf(top.level, depths));
        open.pop();
      }
    }
  }
  return depths;
}

function depthOf({ depth, spreads }: Level, depths: ReadonlyMap<string, number>): number {
  return spreads.reduce((most, [name, at]) => Math.max(most, at + (depths.get(name) ?? 0)), depth);
}
