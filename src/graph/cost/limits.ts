import { type FieldNode, GraphQLError, getNamedType, isLeafType } from "graphql";
import { badInput } from "../errors.ts";
import { checkArguments } from "../resolvers/arguments.ts";
import { checkValues } from "./values.ts";
import { type Asked, type Step, walkOperation } from "./walk.ts";

/** What one operation may ask for; see `limits` in the configuration. */
export interface Limits {
  readonly depth: number;
  /** In upstream calls, were nothing shared or batched, and in bytes of the answer. */
  readonly cost: number;
  readonly aliases: number;
  /** Most bytes of an answer's data. */
  readonly answerBytes: number;
}

/** What an operation asks for, before it runs. */
export interface Measure {
  readonly depth: number;
  /** Upstream calls, were nothing shared or batched. */
  readonly calls: number;
  /** These, and its answer. */
  readonly cost: number;
  readonly aliases: number;
  /** Bytes its answer is reckoned to have, by the sizes of its lists and the names of its fields. */
  readonly answerBytes: number;
  /** Selections looked at for it. */
  readonly visited: number;
}

/** What the operations of one request have been allowed so far: a batch has one cost and one answer between them. */
export interface Spent {
  cost: number;
  answerBytes: number;
}

/**
 * Measures an operation, and refuses one that asks for too much, or for a page no list gives, before anything is asked
 * upstream. What is allowed is added to `spent`. Throws DEPTH_LIMIT_EXCEEDED, COST_LIMIT_EXCEEDED or BAD_USER_INPUT.
 */
export function checkLimits(asked: Asked, limits: Limits, spent: Spent = { cost: 0, answerBytes: 0 }): Measure {
  checkValues(asked.variables);
  const measured = measure(asked, limits, spent);
  const refuse = (
    code: "DEPTH_LIMIT_EXCEEDED" | "COST_LIMIT_EXCEEDED",
    what: string,
    is: number,
    most: number,
    before = 0,
  ): GraphQLError =>
    before === 0
      ? badInput(code, `The operation has ${what} of ${is}; at most ${most} is allowed.`)
      : badInput(
          code,
          `The operations of this request have ${what} of ${before + is} together; at most ${most} is allowed.`,
        );
  if (measured.depth > limits.depth) throw refuse("DEPTH_LIMIT_EXCEEDED", "a depth", measured.depth, limits.depth);
  if (measured.aliases > limits.aliases)
    throw refuse("COST_LIMIT_EXCEEDED", "a number of aliases", measured.aliases, limits.aliases);
  if (spent.cost + measured.cost > limits.cost)
    throw refuse("COST_LIMIT_EXCEEDED", "an estimated cost", measured.cost, limits.cost, spent.cost);
  if (spent.answerBytes + measured.answerBytes > limits.answerBytes) {
    const what = "an estimated answer in bytes";
    throw refuse("COST_LIMIT_EXCEEDED", what, measured.answerBytes, limits.answerBytes, spent.answerBytes);
  }
  spent.cost += measured.cost;
  spent.answerBytes += measured.answerBytes;
  return measured;
}

/** Deepest nesting of fields below `__schema` and `__type`: the usual question about the schema has 15. */
const introspectionDepth = 20;

/** Bytes of an answer that count as much as one upstream call: to make them takes as long. */
const bytesACall = 1000;
/** Bytes about the schema that count as much as one upstream call: a request may ask for all of it some times. */
const introspectionBytesACall = 80;

interface Frame {
  /** Fields above that are about the schema. */
  readonly isIntrospection: boolean;
}

/**
 * Depth, aliases, cost and answer of an operation. Calls are what `@cost` and `@listSize` in the schema say, multiplied
 * along the selection. Stops counting beyond the limits.
 */
function measure(asked: Asked, limits: Limits, spent: Spent): Measure {
  const sum = { depth: 0, calls: 0, cost: 0, aliases: 0, answerBytes: 0 };
  const isAboveLimit = () =>
    sum.depth > limits.depth ||
    spent.cost + sum.cost > limits.cost ||
    sum.aliases > limits.aliases ||
    spent.answerBytes + sum.answerBytes > limits.answerBytes;
  const visited = walkOperation<Frame>(asked, { isIntrospection: false }, (step) => {
    if (isAboveLimit()) return null;
    const { field, node, args, depth, weight, times } = step;
    const isIntrospection = step.frame.isIntrospection || node.name.value.startsWith("__");
    if (node.alias) sum.aliases += 1;
    if (!isIntrospection || depth > introspectionDepth) sum.depth = Math.max(sum.depth, depth);
    if (field) checkedAt(node, () => checkArguments(field.args, args));
    const bytes = bytesOf(step);
    sum.calls += weight * times;
    sum.cost += weight * times + bytes / (isIntrospection ? introspectionBytesACall : bytesACall);
    sum.answerBytes += bytes;
    return { isIntrospection };
  });
  return { ...sum, cost: Math.ceil(sum.cost), answerBytes: Math.round(sum.answerBytes), visited };
}

/** Tells of what is refused where it stands in the document. */
function checkedAt(node: FieldNode, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof GraphQLError) || error.locations) throw error;
    throw new GraphQLError(error.message, { nodes: [node], extensions: error.extensions });
  }
}

/** What an honest value has on average, its punctuation included. */
const valueBytes = 16;
/**
 * What values of some types have on average: ids hold a place and a key, and all of these are dearer to make than a
 * name.
 */
const bytesOfType: Readonly<Record<string, number>> = { ID: 64, PURL: 48, Digest: 72, URL: 80, DateTime: 26 };
/** What fields have whose values are longer than their type says; a description is of the schema or of a package. */
const bytesOfNamed: Readonly<Record<string, number>> = { description: 80, cursor: 64, startCursor: 64, endCursor: 64 };
/** Brackets of an object or a list, with the comma behind. */
const bracketBytes = 3;
/** Quotes, colon and comma of a name. */
const nameBytes = 4;

/** Bytes that a field is reckoned to add to the answer: its name and value, once for each of its parents. */
function bytesOf({ field, node, times, below }: Step<Frame>): number {
  const name = (node.alias ?? node.name).value.length + nameBytes;
  const type = field === null ? null : getNamedType(field.type);
  const isLeaf = type === null || isLeafType(type);
  const value = bytesOfNamed[node.name.value] ?? bytesOfType[type?.name ?? ""] ?? valueBytes;
  return times * name + (isLeaf ? Math.max(times, below) * value : below * bracketBytes);
}
