import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import * as bkrepo from "../../src/backends/bkrepo/payload.ts";
import { readFitting } from "../../src/backends/compile.ts";
import * as gitlab from "../../src/backends/gitlab/payload.ts";
import * as swr from "../../src/backends/swr/payload.ts";
import * as zadig from "../../src/backends/zadig/payload.ts";

const schemas = Object.entries({ bkrepo, gitlab, swr, zadig }).flatMap(([vendor, payload]) =>
  Object.entries(payload).flatMap(([name, schema]): [string, z.ZodType][] =>
    schema instanceof z.ZodType ? [[`${vendor}.${name}`, schema]] : [],
  ),
);

const odd = fc.oneof(
  fc.constantFrom(null, undefined, "", " ", 0, -1, 1.5, 2 ** 53, true, false, "0", "2024-01-01T00:00:00Z"),
  fc.constantFrom([], {}, [null], { name: 1 }, Number.NaN),
  fc.string(),
  fc.integer(),
);

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/);
const sha = fc.stringMatching(/^[0-9a-f]{40}$/);

/** Values that mostly fit: right in most places, left out, null or wrong in some. */
function near(schema: unknown, depth = 0): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 60, arbitrary: right(schema, depth) }, { weight: 1, arbitrary: odd });
}

function right(schema: unknown, depth: number): fc.Arbitrary<unknown> {
  if (depth > 12) return odd;
  if (schema instanceof z.ZodOptional) return fc.option(near(schema.unwrap(), depth + 1), { nil: undefined });
  if (schema instanceof z.ZodNullable) return fc.option(near(schema.unwrap(), depth + 1), { nil: null });
  if (schema instanceof z.ZodPipe) return near(schema.in, depth + 1);
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.options.map((one) => near(one, depth + 1)));
  if (schema instanceof z.ZodArray) return fc.array(near(schema.element, depth + 1), { maxLength: 2 });
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodNumber) return fc.nat();
  if (schema instanceof z.ZodString) return fc.oneof(word, sha);
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (!(schema instanceof z.ZodObject)) return odd;
  const fields = Object.entries(schema.shape).map(([name, one]) => [name, near(one, depth + 1)] as const);
  return fc.record({ ...Object.fromEntries(fields), token: fc.constant("s3cret") });
}

describe("a compiled reader", () => {
  test.each(schemas)("of %s reads what zod reads, and nothing else", (_name, schema) => {
    fc.assert(
      fc.property(near(schema), (value) => {
        const byZod = schema.safeParse(value);
        const read = readFitting(schema, value);
        expect(read !== null).toBe(byZod.success);
        expect(read?.data).toEqual(byZod.data);
      }),
      { numRuns: 200 },
    );
  });

  test("finds what fits to fit", () => {
    const never = schemas.filter(
      ([, schema]) => !fc.sample(right(schema, 0), 200).some((value) => readFitting(schema, value) !== null),
    );
    expect(never.map(([name]) => name)).toEqual([]);
  });

  test("copies what is known and leaves everything else behind", () => {
    const schema = z.object({ name: z.string(), inner: z.object({ id: z.int() }).nullish() });
    const row = { name: "a", token: "s3cret", inner: { id: 1, password: "s3cret" } };
    const read = readFitting(schema, row);
    expect(read).toEqual({ data: { name: "a", inner: { id: 1 } } });
    expect(JSON.stringify(read)).not.toContain("s3cret");
  });

  test("looks at a row's own fields only", () => {
    const schema = z.object({ constructor: z.string().optional(), toString: z.string().optional() });
    expect(readFitting(schema, {})).toEqual({ data: {} });
  });
});
