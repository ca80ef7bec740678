import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lru } from "../../src/model/lru.ts";

const keys = fc.constantFrom("a", "b", "c", "d", "e");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant("set" as const), key: keys, value: fc.nat({ max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("get" as const), key: keys, value: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("delete" as const), key: keys, value: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("clear" as const), key: keys, value: fc.constant(0) }) },
);

describe("an LRU", () => {
  test("behaves like a list in order of use that is cut at its start", () => {
    const bounds = fc.record({
      maxEntries: fc.integer({ min: 1, max: 4 }),
      maxWeight: fc.nat({ max: 20 }),
      maxEntryWeight: fc.nat({ max: 20 }),
    });
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 60 }), ({ maxEntries, maxWeight, maxEntryWeight }, steps) => {
        const evicted: string[] = [];
        const lru = new Lru<number>({
          maxEntries,
          maxWeight,
          maxEntryWeight,
          weigh: (value) => value,
          onEvict: (_value, key) => void evicted.push(key),
        });
        let model: { readonly key: string; readonly value: number }[] = [];
        const modelEvicted: string[] = [];
        const weight = () => model.reduce((sum, { value }) => sum + value, 0);
        for (const { does, key, value } of steps) {
          const known = model.find((entry) => entry.key === key);
          if (does === "get") {
            expect(lru.get(key)).toBe(known?.value);
            if (known) model = [...model.filter((entry) => entry !== known), known];
          } else if (does === "set") {
            lru.set(key, value);
            model = model.filter((entry) => entry !== known);
            if (value <= maxEntryWeight) model.push({ key, value });
            while (weight() > maxWeight || model.length > maxEntries) modelEvicted.push(model.shift()?.key ?? "");
          } else if (does === "delete") {
            lru.delete(key);
            model = model.filter((entry) => entry !== known);
          } else {
            lru.clear();
            model = [];
          }
          expect([...lru.values()]).toEqual(model.map((entry) => entry.value));
          expect([lru.size, lru.weight]).toEqual([model.length, weight()]);
          expect(evicted).toEqual(modelEvicted);
        }
      }),
    );
  });

  test("does not store what is heavier than all of it may be, and keeps the others", () => {
    const lru = new Lru<string>({ maxWeight: 10, weigh: (text, key) => text.length + key.length });
    lru.set("a", "12345");
    lru.set("b", "12345678901");
    expect([lru.get("a"), lru.get("b"), lru.weight]).toEqual(["12345", undefined, 6]);
  });

  test("removes the earlier entry of a key whose new value is too heavy", () => {
    const lru = new Lru<string>({ maxWeight: 10, maxEntryWeight: 4, weigh: (text) => text.length });
    lru.set("a", "123");
    lru.set("a", "12345");
    expect([lru.get("a"), lru.size, lru.weight]).toEqual([undefined, 0, 0]);
  });

  test("counts entries where no weight is given", () => {
    const lru = new Lru<number>({ maxEntries: 2 });
    for (const key of ["a", "b", "c"]) lru.set(key, 1);
    expect([lru.get("a"), lru.get("b"), lru.get("c"), lru.weight]).toEqual([undefined, 1, 1, 2]);
  });
});
