import {
  defaultFieldResolver,
  type GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  getNamedType,
  isIntrospectionType,
  isLeafType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
} from "graphql";
import { badInput } from "../errors.ts";

/** Counts the bytes of an answer's data while it is made. A batch of operations has one meter. */
export interface AnswerMeter {
  /** Throws `refusal` once more has been taken than is allowed, and from then on. */
  readonly take: (bytes: number) => void;
  /** COST_LIMIT_EXCEEDED once it was too much; null before. */
  readonly refusal: () => GraphQLError | null;
  /** Called once it has become too much, in a later turn of the event loop. */
  readonly onRefusal: (listener: () => void) => void;
  readonly taken: () => number;
}

/** A meter that has counted nothing. */
export function createAnswerMeter(most: number): AnswerMeter {
  const listeners: (() => void)[] = [];
  let taken = 0;
  let refusal: GraphQLError | null = null;
  return {
    take: (bytes) => {
      taken += bytes;
      if (taken <= most) return;
      if (refusal === null) {
        refusal = badInput("COST_LIMIT_EXCEEDED", `The answer has more than ${most} bytes: ask for less at once.`);
        // The caller of this function is in the middle of something.
        for (const listener of listeners) setImmediate(listener);
      }
      throw refusal;
    },
    refusal: () => refusal,
    onRefusal: (listener) => void listeners.push(listener),
    taken: () => taken,
  };
}

/** Quotes, colon and comma of a name, or brackets and comma of an object. */
const punctuation = 4;
/** What an error adds to an answer, more or less. */
const errorBytes = 300;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes the control characters below a blank.
const escaped = /["\\\x00-\x1f]/;

/** Bytes that a field adds to an answer beside what is below it. */
export function bytesOfField(name: string): number {
  return name.length + punctuation;
}

/** Bytes of a leaf's value, or of a list of such, as JSON. */
export function bytesOfValue(value: unknown): number {
  if (typeof value === "string") {
    // Long text is cheaper to measure than to search for what has to be escaped.
    return escaped.test(value) ? Buffer.byteLength(JSON.stringify(value)) : Buffer.byteLength(value) + 2;
  }
  if (typeof value !== "object" || value === null) return 5;
  return Buffer.byteLength(JSON.stringify(value) ?? "null");
}

/** What a context needs for its answer to be counted; null where the one who runs it counts by itself. */
interface Metered {
  readonly meter: AnswerMeter | null;
}

/**
 * Reads a property of the parent, as every field without a resolver does, and counts it where the context wants that.
 */
export const meteredResolver: GraphQLFieldResolver<unknown, Metered> = (source, args, context, info) => {
  const value: unknown = defaultFieldResolver(source, args, context, info);
  return context.meter === null ? value : count(context.meter, value, info);
};

/** Counts what the resolvers of a schema answer; fields without one are left to {@link meteredResolver}. */
export function meterResolvers(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || isIntrospectionType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const { resolve } = field;
      if (!resolve) continue;
      field.resolve = (source, args, context: Metered, info) => {
        const value: unknown = resolve(source, args, context, info);
        return context.meter === null ? value : count(context.meter, value, info);
      };
    }
  }
  return schema;
}

type Info = Parameters<GraphQLFieldResolver<unknown, Metered>>[3];

function count(meter: AnswerMeter, value: unknown, info: Info): unknown {
  if (!(value instanceof Promise)) return counted(meter, value, info);
  return value.then(
    (late: unknown) => counted(meter, late, info),
    (error: unknown) => {
      meter.take(errorBytes);
      throw error;
    },
  );
}

function counted(meter: AnswerMeter, value: unknown, info: Info): unknown {
  const isLeaf = isLeafType(getNamedType(info.returnType));
  const objects = Array.isArray(value) ? value.length : 1;
  meter.take(
    bytesOfField(String(info.path.key)) + (isLeaf ? bytesOfValue(value) : objects * (punctuation + typenamesIn(info))),
  );
  return value;
}

const typenames = new WeakMap<Info["fieldNodes"], number>();
/** The longest name of a type, more or less. */
const typenameBytes = 20;

/** Bytes of the names of types that each object of a field tells of itself: no resolver answers those. */
function typenamesIn({ fieldNodes, fragments }: Info): number {
  const known = typenames.get(fieldNodes);
  if (known !== undefined) return known;
  const names = new Set<string>();
  const spread = new Set<string>();
  const collect = (set: SelectionSetNode): void => {
    for (const one of set.selections) {
      if (one.kind === Kind.FIELD) {
        if (one.name.value === TypeNameMetaFieldDef.name) names.add((one.alias ?? one.name).value);
        continue;
      }
      if (one.kind === Kind.INLINE_FRAGMENT) collect(one.selectionSet);
      else if (!spread.has(one.name.value)) {
        spread.add(one.name.value);
        const fragment = fragments[one.name.value];
        if (fragment) collect(fragment.selectionSet);
      }
    }
  };
  for (const { selectionSet } of fieldNodes) if (selectionSet) collect(selectionSet);
  const bytes = [...names].reduce((sum, name) => sum + bytesOfField(name) + typenameBytes, 0);
  typenames.set(fieldNodes, bytes);
  return bytes;
}
