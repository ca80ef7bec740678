import {
  type ExecutionResult,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  getArgumentValues,
  isObjectType,
  locatedError,
} from "graphql";
import { type AnswerMeter, bytesOfField, bytesOfValue } from "../../graph/cost/answer-meter.ts";
import { mostErrors, report } from "../../graph/errors.ts";
import type { FieldPlan, Plan, Selection, Shape, Variables } from "./plan.ts";

type Path = GraphQLResolveInfo["path"];
type Answer = Record<string, unknown>;

interface Run {
  readonly plan: Plan;
  readonly variables: Variables;
  readonly context: unknown;
  readonly errors: GraphQLError[];
  readonly omitted: { count: number; first: unknown };
  readonly meter: AnswerMeter | null;
  fields: number;
  /** Resolves in the next tick of the event loop; null while nothing waits for it. */
  tick: Promise<void> | null;
}

/** Fields that are completed in one tick of the event loop, before other requests may proceed. */
const fieldsPerTick = 10_000;

/**
 * Executes a plan with the result of the reference executor, by the same rules, but without a promise for a value that
 * is there and without repeating for each row what is the same for all. `variables` are coerced. An answer that is too
 * large for `meter` is abandoned at once. Long lists are completed in several ticks of the event loop.
 */
export function executePlan(
  plan: Plan,
  variables: Variables,
  context: unknown,
  meter: AnswerMeter | null = null,
  root?: unknown,
): Promise<ExecutionResult> | ExecutionResult {
  const run: Run = {
    plan,
    variables,
    context,
    errors: [],
    omitted: { count: 0, first: null },
    meter,
    fields: 0,
    tick: null,
  };
  const finish = (data: Answer | null): ExecutionResult => {
    const { errors, omitted } = run;
    if (omitted.count > 0) report(errors, locatedError(omitted.first, undefined, undefined), omitted.count);
    return errors.length === 0 ? { data } : { errors, data };
  };
  const fail = (error: unknown): ExecutionResult => {
    const refusal = meter?.refusal();
    if (refusal) return { errors: [refusal], data: null };
    run.errors.push(error instanceof GraphQLError ? error : locatedError(error, undefined, undefined));
    return finish(null);
  };
  try {
    const data = fieldsOf(run, plan.root, root, undefined);
    return data instanceof Promise ? data.then(finish, fail) : finish(data);
  } catch (error) {
    return fail(error);
  }
}

/** Completes every field of one object; returns a promise only if one of them does. */
function fieldsOf(
  run: Run,
  { fields, blank }: Selection,
  source: unknown,
  path: Path | undefined,
): Answer | Promise<Answer> {
  const answer: Answer = { ...blank };
  let pending: Pending<string>[] | null = null;
  try {
    for (const field of fields) {
      const value = fieldOf(run, field, source, path);
      if (!isPromise(value)) answer[field.key] = value;
      else {
        pending ??= [];
        pending.push({ key: field.key, value });
      }
    }
  } catch (error) {
    // An abandoned answer does not wait, and its rejections are ignored.
    if (run.meter?.refusal()) for (const { value } of pending ?? []) value.then(undefined, () => null);
    if (pending === null || run.meter?.refusal()) throw error;
    // A required field failed, and the object with it; pending fields are awaited, because they may fail as well.
    return Promise.all(pending.map(({ value }) => value)).then(
      () => rethrow(error),
      () => rethrow(error),
    );
  }
  return pending === null ? answer : settleAll(answer, pending);
}

interface Pending<K extends string | number> {
  readonly key: K;
  readonly value: Promise<unknown>;
}

/** Resolves with the same answer when it is complete; rejects with the first failure. */
function settleAll<K extends string | number>(
  answer: Record<K, unknown>,
  pending: readonly Pending<K>[],
): Promise<Record<K, unknown>> {
  return new Promise((resolve, reject) => {
    let left = pending.length;
    for (const { key, value } of pending) {
      value.then((settled) => {
        answer[key] = settled;
        left -= 1;
        if (left === 0) resolve(answer);
      }, reject);
    }
  });
}

function fieldOf(run: Run, field: FieldPlan, source: unknown, parent: Path | undefined): unknown {
  const { shape, resolve } = field;
  run.fields += 1;
  run.meter?.take(bytesOfField(field.key));
  // The most frequent case, a scalar property of the parent, needs no path.
  const path = resolve === null && shape.is === "LEAF" ? null : pathTo(field, parent);
  try {
    const value =
      resolve === null || path === null
        ? propertyOf(run, field, source, parent)
        : resolve(source, argumentsOf(run, field), run.context, infoAt(run, field, path));
    return shape.is === "LEAF" && !isPromise(value)
      ? leafOrNull(run, shape, value)
      : settleValue(run, field, shape, value, path ?? pathTo(field, parent));
  } catch (error) {
    return failField(run, field, shape, error, path ?? pathTo(field, parent));
  }
}

/** The completed value of a field, or null and an error in its place. */
function settleField(run: Run, field: FieldPlan, shape: Shape, value: unknown, path: Path): unknown {
  try {
    const completed = complete(run, field, shape, value, path);
    // The failure of a required field propagates to its parent.
    return shape.is !== "REQUIRED" && isPromise(completed)
      ? completed.then(undefined, (error) => failField(run, field, shape, error, path))
      : completed;
  } catch (error) {
    return failField(run, field, shape, error, path);
  }
}

function propertyOf(run: Run, field: FieldPlan, source: unknown, parent: Path | undefined): unknown {
  if (typeof source !== "object" || source === null) return undefined;
  const property: unknown = Reflect.get(source, field.name);
  if (typeof property !== "function") return property;
  const info = infoAt(run, field, pathTo(field, parent));
  return Reflect.apply(property, source, [argumentsOf(run, field), run.context, info]);
}

function argumentsOf(run: Run, { args, field, nodes }: FieldPlan): Readonly<Record<string, unknown>> {
  const [node] = nodes;
  return args ?? (node ? getArgumentValues(field, node, run.variables) : {});
}

function complete(run: Run, field: FieldPlan, shape: Shape, value: unknown, path: Path): unknown {
  if (value instanceof Error) throw value;
  switch (shape.is) {
    case "REQUIRED": {
      // A promise resolves to an object or a list, and never to null: see below.
      const completed = complete(run, field, shape.of, value, path);
      if (completed === null) throw new Error(`Cannot return null for non-nullable field ${nameOf(field)}.`);
      return completed;
    }
    case "LEAF":
      return leafOrNull(run, shape, value);
    case "LIST":
      return value === null || value === undefined ? null : completeList(run, field, shape, value, path);
    case "OBJECT":
      return value === null || value === undefined ? null : fieldsOf(run, field.selection(shape.type), value, path);
    case "ABSTRACT": {
      if (value === null || value === undefined) return null;
      const type = runtimeTypeOf(run, field, shape, value, path);
      return fieldsOf(run, field.selection(type), value, path);
    }
  }
}

function completeList(
  run: Run,
  field: FieldPlan,
  shape: Extract<Shape, { is: "LIST" }>,
  value: unknown,
  path: Path,
): unknown {
  if (!isIterable(value)) {
    throw new GraphQLError(`Expected Iterable, but did not find one for field "${nameOf(field)}".`);
  }
  const rows = Array.isArray(value) ? value : Array.from(value);
  const answer: unknown[] = new Array(rows.length);
  let pending: Pending<number>[] | null = null;
  try {
    for (let index = 0; index < rows.length; index++) {
      if (run.fields >= fieldsPerTick) return completeRest(run, field, shape, rows, path, index, answer, pending ?? []);
      const row = settleValue(run, field, shape.of, rows[index], { prev: path, key: index, typename: undefined });
      if (!isPromise(row)) answer[index] = row;
      else {
        pending ??= [];
        pending.push({ key: index, value: row });
      }
    }
  } catch (error) {
    // The list failed: rejections of its pending rows are ignored.
    for (const row of pending ?? []) row.value.then(undefined, () => null);
    throw error;
  }
  return pending === null ? answer : settleAll(answer, pending);
}

/** Completes the rest of a list, in as many ticks as it needs. */
async function completeRest(
  run: Run,
  field: FieldPlan,
  shape: Extract<Shape, { is: "LIST" }>,
  rows: readonly unknown[],
  path: Path,
  from: number,
  answer: unknown[],
  pending: Pending<number>[],
): Promise<unknown> {
  // Rows are awaited after the last one: a rejection before that must not be reported as unhandled.
  for (const row of pending) row.value.then(undefined, () => null);
  for (let index = from; index < rows.length; index++) {
    while (run.fields >= fieldsPerTick) await nextTick(run);
    const row = settleValue(run, field, shape.of, rows[index], { prev: path, key: index, typename: undefined });
    if (!isPromise(row)) answer[index] = row;
    else {
      row.then(undefined, () => null);
      pending.push({ key: index, value: row });
    }
  }
  return pending.length === 0 ? answer : settleAll(answer, pending);
}

function nextTick(run: Run): Promise<void> {
  run.tick ??= new Promise((resolve) => {
    setImmediate(() => {
      run.fields = 0;
      run.tick = null;
      resolve();
    });
  });
  return run.tick;
}

/** The completed value of a field or of a row of its list. */
function settleValue(run: Run, field: FieldPlan, shape: Shape, value: unknown, path: Path): unknown {
  if (!isPromise(value)) return settleField(run, field, shape, value, path);
  return value.then(
    (settled) => settleField(run, field, shape, settled, path),
    (error) => failField(run, field, shape, error, path),
  );
}

function leafOrNull(run: Run, shape: Extract<Shape, { is: "LEAF" }>, value: unknown): unknown {
  const serialized = value === null || value === undefined ? null : serialize(shape, value);
  run.meter?.take(bytesOfValue(serialized));
  return serialized;
}

function serialize({ type }: Extract<Shape, { is: "LEAF" }>, value: unknown): unknown {
  if (value instanceof Error) throw value;
  let serialized: unknown;
  try {
    serialized = type.serialize(value);
  } catch (error) {
    // A value that does not fit its type is a bug of the gateway, whatever the type throws.
    throw error instanceof GraphQLError ? new Error(error.message) : error;
  }
  if (serialized === null || serialized === undefined) {
    throw new Error(`Expected \`${type.name}\` to serialize to a value.`);
  }
  return serialized;
}

function runtimeTypeOf(
  run: Run,
  field: FieldPlan,
  { type }: Extract<Shape, { is: "ABSTRACT" }>,
  value: unknown,
  path: Path,
): GraphQLObjectType {
  const { schema } = run.plan;
  const name = type.resolveType?.(value, run.context, infoAt(run, field, path), type) ?? typenameOf(value);
  const found = typeof name === "string" ? schema.getType(name) : undefined;
  if (name === null || name === undefined) {
    throw new GraphQLError(
      `Abstract type "${type.name}" must resolve to an Object type at runtime for field "${nameOf(field)}". ` +
        `Either the "${type.name}" type should provide a "resolveType" function ` +
        'or each possible type should provide an "isTypeOf" function.',
      { nodes: field.nodes },
    );
  }
  if (!isObjectType(found) || !schema.isSubType(type, found)) {
    throw new GraphQLError(`"${type.name}" has an unknown type at "${nameOf(field)}".`, { nodes: field.nodes });
  }
  return found;
}

function typenameOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "__typename" in value ? value.__typename : null;
}

/** Reports the failure of a field and returns null; rethrows that of a required field, which fails its parent. */
function failField(run: Run, field: FieldPlan, shape: Shape, error: unknown, path: Path): null {
  if (run.meter?.refusal()) throw error;
  // Locating an error is expensive, and errors beyond the limit are not reported one by one.
  if (shape.is !== "REQUIRED" && run.errors.length >= mostErrors) {
    run.omitted.count += 1;
    run.omitted.first ??= error;
    return null;
  }
  const located = locatedError(error, field.nodes, keysOf(path));
  if (shape.is === "REQUIRED") throw located;
  run.errors.push(located);
  return null;
}

function pathTo({ key, parentType }: FieldPlan, prev: Path | undefined): Path {
  return { prev, key, typename: parentType.name };
}

function keysOf(path: Path): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at: Path | undefined = path; at; at = at.prev) keys.push(at.key);
  return keys.reverse();
}

function infoAt({ plan, variables }: Run, field: FieldPlan, path: Path): GraphQLResolveInfo {
  return {
    fieldName: field.name,
    fieldNodes: field.nodes,
    returnType: field.type,
    parentType: field.parentType,
    path,
    schema: plan.schema,
    fragments: plan.fragments,
    rootValue: undefined,
    operation: plan.operation,
    variableValues: variables,
  };
}

function rethrow(error: unknown): never {
  throw error;
}

function nameOf({ parentType, name }: FieldPlan): string {
  return `${parentType.name}.${name}`;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
