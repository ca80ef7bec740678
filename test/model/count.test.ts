import fc from "fast-check";
import { expect, test } from "vitest";
import { toCount, toInt } from "../../src/model/values.ts";

test("a count is a whole number that JSON has not rounded", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (count) => {
      expect(toCount(count)).toBe(count);
      expect(toInt(count)).toBe(count < 2 ** 31 ? count : null);
    }),
  );
  for (const none of [null, undefined, -1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect([toCount(none), toInt(none)]).toEqual([null, null]);
  }
  expect([toInt(2 ** 31 - 1), toInt(2 ** 31), toCount(0)]).toEqual([2 ** 31 - 1, null, 0]);
});
