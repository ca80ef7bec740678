import type { GraphQLError } from "graphql";
import { checkArguments } from "./arguments.ts";
import { badInput } from "./errors.ts";
import { type Asked, walkOperation } from "./walk.ts";

/** What one operation may ask for; see `limits` in the configuration. */
export interface Limits {
  readonly depth: number;
  /** In upstream calls, were nothing shared or batched. */
  readonly cost: number;
  readonly aliases: number;
}

/** What an operation asks for, before it runs. */
export interface Measure {
  readonly depth: number;
  readonly cost: number;
  readonly aliases: number;
}

/**
 * Measures an operation, and refuses one that asks for too much, or for a page no list gives, before anything is asked upstream. Throws
 * DEPTH_LIMIT_EXCEEDED, COST_LIMIT_EXCEEDED or BAD_USER_INPUT. Introspection costs nothing and is not measured.
 */
export function checkLimits(asked: Asked, limits: Limits): Measure {
  // Half a character has no encoding, so no address could be made of it.
  if (!isText(asked.variables)) throw badInput("BAD_USER_INPUT", "A variable holds text that is not Unicode.");
  const measured = measure(asked, limits);
  const refuse = (
    code: "DEPTH_LIMIT_EXCEEDED" | "COST_LIMIT_EXCEEDED" | "BAD_USER_INPUT",
    what: string,
    is: number,
    most: number,
  ): GraphQLError => badInput(code, `The operation has ${what} of ${is}; at most ${most} is allowed.`);
  if (measured.depth > limits.depth) throw refuse("DEPTH_LIMIT_EXCEEDED", "a depth", measured.depth, limits.depth);
  if (measured.aliases > limits.aliases)
    throw refuse("COST_LIMIT_EXCEEDED", "a number of aliases", measured.aliases, limits.aliases);
  if (measured.cost > limits.cost) throw refuse("COST_LIMIT_EXCEEDED", "an estimated cost", measured.cost, limits.cost);
  return measured;
}

/**
 * Depth, aliases and cost of an operation. Cost is what `@cost` and `@listSize` in the schema say, multiplied along
 * the selection. Stops counting beyond the limits, so that nested fragments cannot make the measuring itself dear.
 */
function measure(asked: Asked, limits: Limits): Measure {
  const sum = { depth: 0, cost: 0, aliases: 0 };
  walkOperation(asked, {}, ({ field, node, args, depth, weight, times, frame }) => {
    if (sum.depth > limits.depth || sum.cost > limits.cost || sum.aliases > limits.aliases) return null;
    if (node.alias) sum.aliases += 1;
    sum.depth = Math.max(sum.depth, depth);
    if (field) checkArguments(field.args, args);
    sum.cost += weight * times;
    return frame;
  });
  return sum;
}

function isText(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  return typeof value !== "object" || value === null || Object.values(value).every(isText);
}
