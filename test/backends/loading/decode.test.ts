import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import * as bkrepo from "../../../src/backends/bkrepo/payload.ts";
import * as gitlab from "../../../src/backends/gitlab/payload.ts";
import { readOne, readRows, readRowsLeniently } from "../../../src/backends/loading/decode.ts";
import * as swr from "../../../src/backends/swr/payload.ts";
import * as zadig from "../../../src/backends/zadig/payload.ts";
import { MisshapenAnswer } from "../../../src/upstream/errors.ts";
import type { Operation } from "../../../src/upstream/operation.ts";

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

const operation: Operation = { name: "test.list", method: "GET", path: "/", answers: "rows", versions: "", proves: [] };

describe("a row of", () => {
  test.each(schemas)("%s is read or refused with a reason, and unknown fields never get through", (_name, schema) => {
    fc.assert(
      fc.property(near(schema), (value) => {
        const { rows, dropped, cut, count } = readRowsLeniently(schema, [value], operation);
        expect([rows.length + dropped.length, count]).toEqual([1, 1]);
        expect(JSON.stringify([rows, dropped, cut])).not.toContain("s3cret");
        const isStrict = schema.safeParse(value).success;
        if (isStrict) expect([rows, cut]).toEqual([[schema.parse(value)], []]);
        else expect(() => readOne(schema, value)).toThrow(MisshapenAnswer);
      }),
      { numRuns: 200 },
    );
  });

  test("every schema can be read", () => {
    const never = schemas.filter(
      ([, schema]) => !fc.sample(right(schema, 0), 200).some((value) => schema.safeParse(value).success),
    );
    expect(never.map(([name]) => name)).toEqual([]);
  });
});

const row = z.object({ name: z.string(), tags: z.array(z.string()).nullish(), raw: z.unknown().optional() });

test("a bad element of a list inside a row is left out alone, a bad row is dropped alone", () => {
  const value = [{ name: "a", tags: ["x", 1, "y"] }, { name: 1 }, { name: "b", tags: "none" }, { name: "c" }];
  expect(readRowsLeniently(row, value, operation)).toEqual({
    rows: [{ name: "a", tags: ["x", "y"] }, { name: "b" }, { name: "c" }],
    dropped: [{ operation: "test.list", index: 1, reason: "name: expected string" }],
    cut: [
      { operation: "test.list", index: 0, reason: "tags.1: expected string" },
      { operation: "test.list", index: 2, reason: "tags: expected array" },
    ],
    count: 4,
  });
  expect(readRows(row, value, operation).dropped.map(({ index }) => index)).toEqual([0, 1, 2]);
});

test("what a row's lists hold is bounded, what is not read of it is not counted", () => {
  const many = Array(100_001).fill("x");
  expect(readOne(row, { name: "a", raw: many })).toEqual({ name: "a", raw: many });
  expect(() => readOne(row, { name: "a", tags: many })).toThrow("more than 100000 values in its lists");
  const bad = { name: "a", tags: Array(60_000).fill(1) };
  const { rows, dropped } = readRows(row, [bad, bad, bad, { name: "b" }], operation);
  expect([rows, dropped.map(({ reason }) => reason)]).toEqual([
    [],
    ["tags.0: expected string", "tags.0: expected string", ...Array(2).fill("unreadable, as are rows before it")],
  ]);
});
