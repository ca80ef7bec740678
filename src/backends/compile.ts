import { z } from "zod";

/** What a compiled reader hands back for a value that its schema would refuse. */
const misfit = Symbol("misfit");

/** Reads a value as its schema does, or says {@link misfit}. */
type Reader = (value: unknown) => unknown;

const compiled = new WeakMap<z.ZodType, Reader>();

/** What a schema makes of a value it accepts. */
export type Fit<S extends z.ZodType> = { readonly data: z.output<S> };

/**
 * Reads a value as `schema` does, several times as fast and without anything to throw away: what answers are made of
 * (objects of known fields, lists, texts, numbers) is checked and copied by functions made for that schema once;
 * everything rarer is zod's. Fields that are missing are there, and undefined. Null: zod would refuse it, and is to be asked why.
 */
export function readFitting<S extends z.ZodType>(schema: S, value: unknown): Fit<S> | null {
  const read = readerOf(schema)(value);
  return isOutput(schema, read) ? { data: read } : null;
}

/** Whatever the reader of a schema accepted is what that schema makes of it. */
function isOutput<S extends z.ZodType>(_schema: S, read: unknown): read is z.output<S> {
  return read !== misfit;
}

function readerOf(schema: z.ZodType): Reader {
  const known = compiled.get(schema);
  if (known) return known;
  const made = make(schema);
  compiled.set(schema, made);
  return made;
}

function make(schema: z.ZodType): Reader {
  const read = makeUnchecked(schema);
  const checks = schema.def.checks ?? [];
  return checks.length === 0 || read === null ? (read ?? byZod(schema)) : checked(read, checks);
}

/** Reads as the schema does before its checks; null for the rarer kinds. */
function makeUnchecked(schema: z.ZodType): Reader | null {
  if (schema instanceof z.ZodOptional) return unless(undefined, schema.unwrap());
  if (schema instanceof z.ZodNullable) return unless(null, schema.unwrap());
  if (schema instanceof z.ZodNumberFormat) return wholeNumbers(schema.format);
  if (schema instanceof z.ZodNumber) return (value) => (Number.isFinite(value) ? value : misfit);
  // Texts of a certain form are classes of their own.
  if (schema.constructor === z.ZodString) return (value) => (typeof value === "string" ? value : misfit);
  if (schema instanceof z.ZodBoolean) return (value) => (typeof value === "boolean" ? value : misfit);
  if (schema instanceof z.ZodUnknown) return (value) => value;
  if (schema instanceof z.ZodUnion) return firstOf(schema.options);
  if (schema instanceof z.ZodArray) return listOf(schema.element);
  if (schema instanceof z.ZodObject && schema.def.catchall === undefined) return objectOf(schema.shape);
  // A transform that may refuse wants more than the value: that is zod's to give.
  if (schema instanceof z.ZodPipe && schema.out instanceof z.ZodTransform && schema.out.def.transform.length < 2) {
    return changed(schema.in, schema.out);
  }
  return null;
}

/** What comes of a value after what else its schema asks of it; misfit where anything is amiss or takes its time. */
function checked(read: Reader, checks: readonly z.core.$ZodCheck<never>[]): Reader {
  return (value) => {
    const one = read(value);
    if (one === misfit) return misfit;
    const payload: z.core.ParsePayload = { value: one, issues: [] };
    for (const { _zod: check } of checks) {
      if (check.def.when && !check.def.when(payload)) continue;
      if (Reflect.apply(check.check, check, [payload]) instanceof Promise) return misfit;
    }
    return payload.issues.length === 0 ? payload.value : misfit;
  };
}

function changed(before: unknown, { def }: z.ZodTransform): Reader {
  const read = inner(before);
  return (value) => {
    const one = read(value);
    if (one === misfit) return misfit;
    const payload: z.core.ParsePayload = { value: one, issues: [] };
    const made: unknown = def.transform(one, payload);
    return made instanceof Promise || payload.issues.length > 0 ? misfit : made;
  };
}

function firstOf(options: readonly unknown[]): Reader {
  const readers = options.map(inner);
  return (value) => {
    for (const read of readers) {
      const one = read(value);
      if (one !== misfit) return one;
    }
    return misfit;
  };
}

/** The schemas inside of schemas are typed as what all versions of zod have in common. */
function inner(schema: unknown): Reader {
  if (!(schema instanceof z.ZodType)) throw new TypeError("a schema is made of schemas");
  return readerOf(schema);
}

function byZod(schema: z.ZodType): Reader {
  return (value) => {
    const result = schema.safeParse(value);
    return result.success ? result.data : misfit;
  };
}

function wholeNumbers(format: string | null): Reader | null {
  if (format === "safeint") return (value) => (Number.isSafeInteger(value) ? value : misfit);
  if (format === "int32") return (value) => (typeof value === "number" && (value | 0) === value ? value : misfit);
  return null;
}

function unless(nothing: null | undefined, schema: unknown): Reader {
  const read = inner(schema);
  return (value) => (value === nothing ? nothing : read(value));
}

function listOf(element: unknown): Reader {
  const read = inner(element);
  return (value) => {
    if (!Array.isArray(value)) return misfit;
    const list: unknown[] = new Array(value.length);
    for (let index = 0; index < value.length; index++) {
      const one = read(value[index]);
      if (one === misfit) return misfit;
      list[index] = one;
    }
    return list;
  };
}

function objectOf(shape: Readonly<Record<string, unknown>>): Reader {
  const fields = Object.entries(shape).flatMap(([name, schema]) =>
    schema instanceof z.ZodType ? [{ name, read: readerOf(schema), isOptional: schema._zod.optin === "optional" }] : [],
  );
  // Copies of it have room for every field at once.
  const blank: Readonly<Record<string, unknown>> = Object.fromEntries(fields.map(({ name }) => [name, undefined]));
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return misfit;
    const object: Record<string, unknown> = { ...blank };
    for (const { name, read, isOptional } of fields) {
      const isThere = Object.hasOwn(value, name);
      const one = isThere || isOptional ? read(isThere ? Reflect.get(value, name) : undefined) : misfit;
      if (one === misfit) return misfit;
      object[name] = one;
    }
    return object;
  };
}
