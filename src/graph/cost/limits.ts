import {
  type FieldNode,
  type GraphQLArgument,
  GraphQLError,
  type GraphQLInputField,
  type GraphQLInputType,
  getNamedType,
  isInputObjectType,
  isLeafType,
  isScalarType,
  isSpecifiedScalarType,
} from "graphql";
import { badInput, type InputCode } from "../errors.ts";
import { checkCursor } from "../identity/opaque.ts";
import { checkedFirst } from "../resolvers/connection.ts";
import { checkValues, isTooLongInAddress, longestInAddress } from "./document.ts";
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
  const { depth, aliases, cost, answerBytes } = measured;
  refuseAbove("DEPTH_LIMIT_EXCEEDED", "a depth", depth, limits.depth);
  refuseAbove("COST_LIMIT_EXCEEDED", "a number of aliases", aliases, limits.aliases);
  refuseAbove("COST_LIMIT_EXCEEDED", "an estimated cost", cost, limits.cost, spent.cost);
  const answer = "an estimated answer in bytes";
  refuseAbove("COST_LIMIT_EXCEEDED", answer, answerBytes, limits.answerBytes, spent.answerBytes);
  spent.cost += cost;
  spent.answerBytes += answerBytes;
  return measured;
}

/** Throws where this operation, with those `before` it in its request, has more than is allowed. */
function refuseAbove(code: InputCode, what: string, is: number, most: number, before = 0): void {
  if (before + is <= most) return;
  const whole =
    before === 0
      ? `The operation has ${what} of ${is}`
      : `The operations of this request have ${what} of ${before + is} together`;
  throw badInput(code, `${whole}; at most ${most} is allowed.`);
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
    if (field) checkArguments(node, field.args, args);
    const bytes = bytesOf(step);
    sum.calls += weight * times;
    sum.cost += weight * times + bytes / (isIntrospection ? introspectionBytesACall : bytesACall);
    sum.answerBytes += bytes;
    return { isIntrospection };
  });
  return { ...sum, cost: Math.ceil(sum.cost), answerBytes: Math.round(sum.answerBytes), visited };
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

/** Longer names, keys and references exist nowhere. */
const longestText = 1024;

/** Most entries of a list: as many as a page has rows. */
const mostEntries = 100;
/** Most entities of one question: routers put together what many of their own questions need. */
const mostRepresentations = 1000;

/**
 * Refuses what no list and no backend can mean, wherever it stands in an operation and before anything is asked: a page
 * that no list gives, a list of too many entries, text that is no cursor, text that is empty, endless or holds control
 * characters. `args` are the values as coerced. Throws BAD_USER_INPUT, COST_LIMIT_EXCEEDED or BAD_CURSOR, at the place
 * of the field.
 */
function checkArguments(
  node: FieldNode,
  given: readonly GraphQLArgument[],
  args: Readonly<Record<string, unknown>>,
): void {
  try {
    for (const { name, type } of given) {
      const value = args[name];
      if (name === "first") checkedFirst(typeof value === "number" ? value : null);
      else if (name !== "after") checkValue(name, type, value);
      else if (typeof value === "string") checkCursor(value);
    }
  } catch (error) {
    if (!(error instanceof GraphQLError) || error.locations) throw error;
    throw new GraphQLError(error.message, { nodes: [node], extensions: error.extensions });
  }
}

function checkValue(name: string, type: GraphQLInputType, value: unknown): void {
  const named = getNamedType(type);
  if (Array.isArray(value)) {
    const most = name === "representations" ? mostRepresentations : mostEntries;
    if (value.length > most) throw badInput("COST_LIMIT_EXCEEDED", `"${name}" must have at most ${most} entries.`);
    for (const one of value) checkValue(name, named, one);
  } else if (isInputObjectType(named)) {
    for (const field of Object.values<GraphQLInputField>(named.getFields())) {
      checkValue(field.name, field.type, valueIn(value, field.name));
    }
  } else if (named.name === "String" && typeof value === "string") checkTextArgument(name, value);
  // A representation is anything at all, and may be written out in the document.
  else if (isScalarType(named) && !isSpecifiedScalarType(named)) checkValues(value);
}

function checkTextArgument(name: string, value: string): void {
  if (value.trim() === "") throw badInput("BAD_USER_INPUT", `"${name}" must not be empty: leave it out to mean any.`);
  if (value.length > longestText)
    throw badInput("BAD_USER_INPUT", `"${name}" must have at most ${longestText} characters.`);
  if (isTooLongInAddress(value)) {
    throw badInput("BAD_USER_INPUT", `"${name}" must have at most ${longestInAddress} bytes as part of an address.`);
  }
  if (/\p{Cc}/u.test(value)) throw badInput("BAD_USER_INPUT", `"${name}" must not hold control characters.`);
}

function valueIn(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : null;
}
